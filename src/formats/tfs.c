/* tfs.c - TensorFlow Serving's REST form.
 *
 * "instances" (row form) is one element per example, answered as "predictions"; "inputs" (column
 * form) is the whole batch, answered as "outputs". Images are {"b64": "..."}. */
#include "formats/tfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "formats/dialect.h"
#include "formats/floats.h"
#include "formats/intake.h"
#include "formats/oip.h"

struct said { bool rows; };

struct reading {
    struct tp_intake *in;
    struct tp_json *doc;
    const char *key;                 /* "instances" or "inputs" */
};

/* ---- requests -------------------------------------------------------------------------------- */

/* {"b64": "..."}: its text, or NULL. */
static const json_t *b64_of(const json_t *v)
{
    return json_object_size(v) == 1 ? json_object_get(v, "b64") : NULL;
}

/* Numbers that are n examples (n < 0: as many as they say). */
static bool add_numbers(struct reading *r, const json_t *v, const char *where, int64_t n)
{
    struct tp_intake *in = r->in;
    const struct tp_shape wanted = tp_model_own_input(in->model);
    struct tp_shape fitted;
    struct tp_tensor t = { 0 };
    if (!tp_intake_numbers(in, r->doc, v, where, &t)) return false;
    if (!tp_request_fit(&t.shape, &wanted, in->model->channels_first, &fitted, in->err))
        return tp_fail_in(in->err, "%s", where);
    if (n < 0) n = t.shape.dim[0];
    if (fitted.dim[0] != n)
        return tp_fail(in->err, TP_INVALID_SHAPE, "%s: shape %s; the first axis is the examples', "
                       "and each is an input of %s", where, TP_SHAPE(&t.shape), TP_SHAPE(&wanted));
    t.shape = fitted;
    return tp_intake_tensor(in, &t);
}

/* {"image_bytes": {"b64": ...}} or {"input": [...]}: the one value, whose name is the input's when
 * it is numbers; v itself when it is no such object. */
static bool unwrap(struct reading *r, const json_t *v, const char *where, const json_t **value)
{
    struct tp_err *err = r->in->err;
    const char *wanted = r->in->model->input_name;
    *value = v;
    if (!json_is_object(v) || b64_of(v)) return true;
    void *first = json_object_iter((json_t *)v);
    if (json_object_size(v) != 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: an object of %zu keys; the model has one "
                       "input, '%.64s'", where, json_object_size(v), wanted);
    *value = json_object_iter_value(first);
    if (strcmp(json_object_iter_key(first), wanted) && !json_is_object(*value) &&
        !json_is_array(*value))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: '%.64s' is no input of the model; it has "
                       "'%.64s'", where, json_object_iter_key(first), wanted);
    return true;
}

static bool add_value(struct reading *r, const json_t *v, const char *where, int64_t n)
{
    const json_t *value;
    if (!unwrap(r, v, where, &value)) return false;
    if (b64_of(value)) return tp_intake_base64(r->in, r->doc, b64_of(value), where);
    if (tp_json_span(r->doc, value)) return add_numbers(r, value, where, n);
    return tp_fail(r->in->err, TP_INVALID_JSON, "%s: expected numbers or {\"b64\": \"...\"}; got "
                   "%s", where, tp_json_kind(r->doc, value));
}

/* An array with one element per example, or one array of numbers for them all. */
static bool add_examples(struct reading *r, const json_t *v)
{
    char where[48];
    if (tp_json_span(r->doc, v)) return add_numbers(r, v, r->key, -1);
    if (!json_is_array(v) || !json_array_size(v))
        return tp_fail(r->in->err, TP_INVALID_JSON, "%s: expected an array of examples; got %s",
                       r->key, json_is_array(v) ? "none" : tp_json_kind(r->doc, v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        snprintf(where, sizeof where, "%s[%zu]", r->key, i);
        if (!add_value(r, json_array_get(v, i), where, 1)) return false;
    }
    return true;
}

static bool add_columns(struct reading *r, const json_t *v)
{
    const json_t *value;
    if (!unwrap(r, v, r->key, &value)) return false;
    return json_is_array(value) ? add_examples(r, value) : add_value(r, value, r->key, -1);
}

static bool read_predict(struct tp_intake *in, const struct tp_body *body)
{
    struct reading r = { .in = in };
    struct said *said = tp_arena_zalloc(in->arena, 1, sizeof *said);
    if (!said) return tp_arena_fail(in->arena, in->err);
    in->rq->said = said;
    if (!body->n_bytes)
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "the body is empty; expected {\"instances\": "
                       "[...]} or {\"inputs\": ...}");
    if (!tp_intake_document(in, &r.doc, body->bytes, body->n_bytes, "body")) return false;
    const json_t *root = r.doc->root, *signature = json_object_get(root, "signature_name");
    const json_t *rows = json_object_get(root, "instances");
    const json_t *columns = json_object_get(root, "inputs");
    if (signature && (!json_is_string(signature) ||
                      strcmp(json_string_value(signature), "serving_default")))
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "signature_name: there is \"serving_default\" "
                       "and no other");
    if (rows && columns)
        return tp_fail(in->err, TP_INVALID_JSON, "body: both 'inputs' and 'instances'; expected "
                       "one of them");
    if (!rows && !columns)
        return tp_fail(in->err, TP_INVALID_JSON, "Missing 'inputs' or 'instances' key");
    said->rows = rows != NULL;
    r.key = rows ? "instances" : "inputs";
    return rows ? add_examples(&r, rows) : add_columns(&r, columns);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Values of one output, all or of one example. */
static void write_values(struct tp_buf *b, const struct tp_answer *a,
                         const struct tp_answer_output *o, const float *data, int64_t example)
{
    struct tp_tensor t = { o->tensor.shape, (float *)data };
    if (example >= 0) {
        const int64_t each = tp_shape_span(&t.shape, 1, t.shape.rank);
        t.data += example * each;
        t.shape.rank--;
        memmove(t.shape.dim, t.shape.dim + 1, (size_t)t.shape.rank * sizeof *t.shape.dim);
    }
    tp_floats_write(b, &t, true, data == o->argmax ? 0 : a->digits, a->n_threads);
}

/* All outputs: the values of a lone one, or an object by their names. */
static void write_outputs(struct tp_buf *b, const struct tp_answer *a, int64_t example)
{
    if (a->n_outputs == 1 && !a->outputs[0].argmax) {
        write_values(b, a, &a->outputs[0], a->outputs[0].tensor.data, example);
        return;
    }
    for (int i = 0; i < a->n_outputs; i++) {
        const struct tp_answer_output *o = &a->outputs[i];
        tp_buf_text(b, i ? "," : "{");
        tp_json_quote(b, o->name);
        tp_buf_text(b, ":");
        write_values(b, a, o, o->tensor.data, example);
        if (!o->argmax) continue;
        tp_buf_text(b, ",");
        tp_json_quote(b, o->argmax_name);
        tp_buf_text(b, ":");
        write_values(b, a, o, o->argmax, example);
    }
    tp_buf_text(b, "}");
}

static bool check_rows(const struct tp_answer *a, struct tp_err *err)
{
    const struct tp_shape *first = &a->outputs[0].tensor.shape;
    for (int i = 0; i < a->n_outputs; i++) {
        const struct tp_shape *s = &a->outputs[i].tensor.shape;
        if (!s->rank || s->dim[0] != first->dim[0])
            return tp_fail(err, TP_INVALID_SHAPE, "predictions: output '%.64s' is %s and '%.64s' "
                           "is %s; in the row form all have one element per example: ask with "
                           "\"inputs\"", a->outputs[i].name, TP_SHAPE(s), a->outputs[0].name,
                           TP_SHAPE(first));
    }
    return true;
}

static bool write_predict(struct tp_buf *b, struct tp_head *head, const struct tp_answer *a,
                          const struct tp_request *rq, struct tp_err *err)
{
    const struct said *said = rq->said;
    (void)head;
    if (!said->rows) {
        tp_buf_text(b, "{\"outputs\":");
        write_outputs(b, a, -1);
        tp_buf_text(b, "}\n");
        return true;
    }
    if (!check_rows(a, err)) return false;
    tp_buf_text(b, "{\"predictions\":[");
    for (int64_t i = 0; i < a->outputs[0].tensor.shape.dim[0] && !b->failed; i++) {
        if (i) tp_buf_text(b, ",");
        write_outputs(b, a, i);
    }
    tp_buf_text(b, "]}\n");
    return true;
}

const struct tp_dialect tp_dialect_tfs = {
    .read = read_predict, .write = write_predict, .write_error = tp_dialect_plain_error,
};

/* ---- metadata -------------------------------------------------------------------------------- */

static void write_tensor(struct tp_buf *b, const char *name, const struct tp_shape *s)
{
    tp_json_quote(b, name);
    tp_buf_text(b, ":{\"dtype\":\"DT_FLOAT\",\"tensor_shape\":{\"dim\":[");
    for (int i = 0; s && i < s->rank; i++)
        tp_buf_printf(b, "%s{\"size\":\"%" PRId64 "\",\"name\":\"\"}", i ? "," : "", s->dim[i]);
    tp_buf_printf(b, "],\"unknown_rank\":%s},\"name\":", s ? "false" : "true");
    tp_json_quote(b, name);
    tp_buf_text(b, "}");
}

void tp_tfs_metadata(struct tp_buf *b, const struct tp_model *m)
{
    const struct tp_shape input = tp_model_own_input(m);
    tp_buf_text(b, "{\"model_spec\":{\"name\":");
    tp_json_quote(b, m->name);
    tp_buf_text(b, ",\"signature_name\":\"\",\"version\":\"" TP_MODEL_VERSION "\"},\"metadata\":{"
                   "\"signature_def\":{\"signature_def\":{\"serving_default\":{\"inputs\":{");
    write_tensor(b, m->input_name, &input);
    tp_buf_text(b, "},\"outputs\":{");
    for (int i = 0; i < m->n_outputs; i++) {
        const struct tp_layer_info *l = tp_model_find_layer(m, m->outputs[i]);
        if (i) tp_buf_text(b, ",");
        write_tensor(b, m->outputs[i], l && !l->why ? &l->shape : NULL);
    }
    tp_buf_text(b, "},\"method_name\":\"tensorflow/serving/predict\"}}}}}\n");
}
