/* openai.c - OpenAI's embeddings, of images: POST /v1/embeddings.
 *
 * {"model": "resnet50", "input": "data:image/jpeg;base64,...", "encoding_format": "float"}; a list
 * of inputs is a batch. Beside them may stand "layer" and the words of pooling, as in a query. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "formats/base64.h"
#include "formats/dialect.h"
#include "formats/floats.h"
#include "formats/intake.h"

struct said {
    const char *model;
    bool base64;
    int64_t dimensions;              /* that the client counts on; 0: not said */
};

/* ---- which layer ----------------------------------------------------------------------------- */

static bool is_one_of(const char *type, const char *const types[])
{
    for (; *types; types++)
        if (!strcmp(type, *types)) return true;
    return false;
}

/* What describes an image is what the classifier sees: the input of the dense layer at the end. A
 * model that does not end with one is asked for its output. */
static const struct tp_layer_info *default_layer(const struct tp_model *m)
{
    static const char *const tail[] = { "Softmax", "LogSoftmax", "Sigmoid", "Activation", "Flatten",
                                        "Reshape", "Identity", "Dropout", "Add", NULL };
    static const char *const dense[] = { "Gemm", "MatMul", "Dense", NULL };
    int i = m->n_layers - 1;
    while (i > 0 && is_one_of(m->layers[i].type, tail)) i--;
    if (i > 0 && is_one_of(m->layers[i].type, dense) && !m->layers[i - 1].why)
        return &m->layers[i - 1];
    return NULL;
}

/* Maps are averaged unless something else is said: an embedding is a vector whatever the image's
 * size. */
static void choose(struct tp_intake *in, const char *layer)
{
    struct tp_request *rq = in->rq;
    const struct tp_layer_info *l = layer ? tp_model_find_layer(in->model, layer)
                                          : default_layer(in->model);
    rq->names[0] = layer ? layer : l ? l->name : in->model->outputs[0];
    if (!l) l = tp_model_find_layer(in->model, rq->names[0]);
    if (!rq->outputs[0].pool && l && l->shape.rank == 4) rq->outputs[0].pool = "avg";
    if (!rq->words.normalize) rq->words.normalize = "l2";
    rq->words.concat = "true";
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool add_image(struct tp_intake *in, const struct tp_json *doc, const json_t *v,
                      const char *where)
{
    if (json_is_string(v) && !tp_json_span(doc, v) &&
        strncasecmp(json_string_value(v), "data:", 5))
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "%s: expected a data: URI such as "
                       "data:image/jpeg;base64,...; texts and addresses are not read", where);
    return tp_intake_base64(in, doc, v, where);
}

static bool read_input(struct tp_intake *in, const struct tp_json *doc, const json_t *v)
{
    char where[32];
    if (!json_is_array(v)) return add_image(in, doc, v, "input");
    if (!json_array_size(v))
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "input: the list is empty; expected data: "
                       "URIs of images");
    for (size_t i = 0; i < json_array_size(v); i++) {
        snprintf(where, sizeof where, "input[%zu]", i);
        if (!add_image(in, doc, json_array_get(v, i), where)) return false;
    }
    return true;
}

static bool read_member(struct tp_intake *in, const struct tp_json *doc, const char *key,
                        const json_t *v, struct said *said, const char **layer)
{
    struct tp_request *rq = in->rq;
    const char *word = NULL;
    if (!strcmp(key, "model") || !strcmp(key, "user")) return true;
    if (!strcmp(key, "input")) return read_input(in, doc, v);
    if (json_is_null(v)) return true;                         /* as if it were not there */
    if (!tp_intake_word(in, doc, "", key, v, &word)) return false;
    if (!strcmp(key, "encoding_format")) {
        said->base64 = !strcmp(word, "base64");
        return said->base64 || !strcmp(word, "float") ||
               tp_fail(in->err, TP_INVALID_ARGUMENT, "encoding_format: '%.32s'; expected float or "
                       "base64", word);
    }
    if (!strcmp(key, "dimensions")) {
        said->dimensions = json_integer_value(v);
        return said->dimensions > 0 ||
               tp_fail(in->err, TP_INVALID_ARGUMENT, "dimensions: expected a whole number above 0");
    }
    if (!strcmp(key, "modality"))
        return !strcmp(word, "image") ||
               tp_fail(in->err, TP_INVALID_ARGUMENT, "modality: '%.32s'; images are embedded here",
                       word);
    if (!strcmp(key, "layer")) {
        *layer = word;
        return true;
    }
    if (!strcmp(key, "normalize")) return tp_options_set(&rq->words, key, word, in->err);
    if (tp_options_scope(key) == TP_WORD_OF_OUTPUT && strcmp(key, "argmax"))
        return tp_options_set(&rq->outputs[0], key, word, in->err);
    return tp_fail(in->err, TP_INVALID_JSON, "unknown key '%.40s'; there are model, input, "
                   "encoding_format, dimensions, user, modality, layer, normalize, and pool with "
                   "its words", key);
}

static bool read_embeddings(struct tp_intake *in, const struct tp_body *body)
{
    struct tp_request *rq = in->rq;
    struct said *said = tp_arena_zalloc(in->arena, 1, sizeof *said);
    struct tp_json *doc;
    const char *key, *layer = NULL;
    json_t *value;
    rq->names = tp_arena_zalloc(in->arena, 1, sizeof *rq->names);
    rq->outputs = tp_arena_zalloc(in->arena, 1, sizeof *rq->outputs);
    if (!said || !rq->names || !rq->outputs) return tp_arena_fail(in->arena, in->err);
    rq->said = said;
    rq->n_outputs = 1;
    if (!body->n_bytes)
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "the body is empty; expected {\"model\": "
                       "\"...\", \"input\": \"data:image/jpeg;base64,...\"}");
    if (!tp_intake_document(in, &doc, body->bytes, body->n_bytes, "body")) return false;
    const json_t *model = json_object_get(doc->root, "model");
    if (!json_is_string(model) || tp_json_span(doc, model))
        return tp_fail(in->err, TP_INVALID_JSON, "model: expected the name of a model; got %s",
                       model ? tp_json_kind(doc, model) : "none");
    in->model = in->find(in->ctx, json_string_value(model), in->err);
    if (!in->model) return false;
    said->model = json_string_value(model);
    json_object_foreach(doc->root, key, value)
        if (!read_member(in, doc, key, value, said, &layer)) return false;
    if (!rq->n_sources)
        return tp_fail(in->err, TP_INVALID_JSON, "input is missing; expected a data: URI of an "
                       "image, or a list of them");
    choose(in, layer);
    return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool write_embeddings(struct tp_buf *b, struct tp_head *head, const struct tp_answer *a,
                             const struct tp_request *rq, struct tp_err *err)
{
    const struct said *said = rq->said;
    const struct tp_tensor *t = &a->outputs[0].tensor;
    const int64_t n = t->shape.dim[0], k = tp_shape_span(&t->shape, 1, t->shape.rank);
    (void)head;
    if (said->dimensions && said->dimensions != k)
        return tp_fail(err, TP_INVALID_ARGUMENT, "dimensions: %lld; this layer's embeddings have "
                       "%lld", (long long)said->dimensions, (long long)k);
    tp_buf_text(b, "{\"object\":\"list\",\"model\":");
    tp_json_quote(b, said->model);
    tp_buf_text(b, ",\"data\":[");
    for (int64_t i = 0; i < n && !b->failed; i++) {
        const struct tp_tensor row = { { .rank = 1, .dim = { k } }, t->data + i * k };
        tp_buf_text(b, i ? ",{\"object\":\"embedding\",\"index\":"
                         : "{\"object\":\"embedding\",\"index\":");
        tp_buf_int(b, i);
        tp_buf_text(b, ",\"embedding\":");
        if (said->base64) {
            tp_buf_text(b, "\"");
            tp_base64_write(b, row.data, (size_t)k * sizeof *row.data);
            tp_buf_text(b, "\"");
        } else {
            tp_floats_write(b, &row, false, a->digits, a->n_threads);
        }
        tp_buf_text(b, "}");
    }
    tp_buf_printf(b, "],\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d}}\n", a->n_inputs,
                  a->n_inputs);
    return true;
}

/* {"error": {"message", "type", "param", "code"}} */
static void write_error(struct tp_buf *b, const char *message, const char *code,
                        const char *request_id)
{
    const bool ours = !strcmp(code, "internal") || !strcmp(code, "no_memory") ||
                      !strcmp(code, "io") || !strcmp(code, "unavailable");
    (void)request_id;
    tp_buf_text(b, "{\"error\":{\"message\":");
    tp_json_quote(b, message);
    tp_buf_printf(b, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}\n",
                  ours ? "server_error" : "invalid_request_error", code);
}

const struct tp_dialect tp_dialect_openai = {
    .read = read_embeddings, .write = write_embeddings, .write_error = write_error,
};
