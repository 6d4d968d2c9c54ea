/* oip_write.c - Open Inference Protocol v2: answers of inference, as JSON or with the tensors'
 * bytes behind it. */
#include <string.h>

#include "base/half.h"
#include "formats/float_write.h"
#include "formats/floats.h"
#include "formats/json.h"
#include "formats/narrow.h"
#include "formats/oip.h"
#include "formats/oip_said.h"

/* One tensor of the answer: a layer's values, their classes, or where its maxima are. */
struct part {
    const struct tp_answer_output *output;
    const struct tp_oip_output *how;
    bool is_argmax;
};

struct writing {
    struct tp_buf *b;
    size_t binary_bytes;             /* that go behind the JSON */
    const struct tp_answer *a;
    const struct tp_oip_said *said;
    struct tp_err *err;
};

/* Calls visit for each tensor, in the answer's order. */
static bool each_part(struct writing *w, bool (*visit)(struct writing *w, const struct part *p))
{
    const struct tp_oip_said *said = w->said;
    for (int i = 0; i < w->a->n_outputs; i++) {
        const struct tp_answer_output *o = &w->a->outputs[i];
        struct part p = { o, said->outputs ? &said->outputs[o->tap] : &said->all, false };
        if (!visit(w, &p)) return false;
        p.is_argmax = true;
        if (o->argmax && !visit(w, &p)) return false;
    }
    return true;
}

static bool is_binary(const struct part *p) { return p->how->binary == TP_OIP_BINARY; }
static bool is_half(const struct part *p) { return p->how->fp16 && !p->is_argmax; }

/* How many classes are asked for, with their names; 0: values. */
static int n_classes(const struct part *p)
{
    return p->is_argmax ? 0 : p->how->classification;
}

/* ---- classes --------------------------------------------------------------------------------- */

/* "<value>:<index>[:<label>]" and a NUL. */
static void write_class(struct tp_buf *b, const struct tp_answer *a, const float *row, int64_t k,
                        int64_t index)
{
    char number[TP_FLOAT_TEXT_BYTES];
    tp_buf_bytes(b, number, (size_t)tp_float_write(number, row[index]));
    tp_buf_text(b, ":");
    tp_buf_int(b, index);
    if (a->labels && a->n_labels == k) {
        tp_buf_text(b, ":");
        tp_buf_text(b, a->labels[index]);
    }
    tp_buf_bytes(b, "", 1);
}

/* Elements of BYTES: each with its length in front, or texts of JSON. */
static void write_classes(struct writing *w, struct tp_buf *b, const struct part *p,
                          const struct tp_shape *shape)
{
    const struct tp_tensor *t = &p->output->tensor;
    const int64_t k = t->shape.dim[1], top = shape->dim[1];
    int64_t best[TP_ANSWER_MAX_TOP];
    struct tp_buf text = { 0 };
    for (int64_t i = 0; i < shape->dim[0] * top && !b->failed; i++) {
        const float *row = t->data + i / top * k;
        if (i % top == 0) tp_answer_best(row, k, best, (int)top);
        text.n_bytes = 0;
        write_class(&text, w->a, row, k, best[i % top]);
        if (text.failed) {
            b->failed = true;
        } else if (is_binary(p)) {
            const uint32_t n = (uint32_t)text.n_bytes - 1;
            tp_buf_bytes(b, &n, sizeof n);
            tp_buf_bytes(b, text.data, n);
        } else {
            tp_buf_text(b, i ? "," : "[");
            tp_json_quote(b, text.data);
        }
    }
    if (!is_binary(p)) tp_buf_text(b, "]");
    tp_buf_fini(&text);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void write_numbers(struct writing *w, const struct part *p)
{
    const struct tp_answer_output *o = p->output;
    struct tp_tensor t = o->tensor;
    if (p->is_argmax) t.data = (float *)o->argmax;
    for (int64_t i = 0; is_half(p) && i < tp_shape_elements(&t.shape); i++)
        t.data[i] = tp_half_float(tp_half_bits(t.data[i]));   /* the same as in binary */
    tp_floats_write(w->b, &t, w->a->nested, p->is_argmax ? 0 : w->a->digits, w->a->n_threads);
}

/* Bytes of one number in binary. */
static size_t number_bytes(const struct part *p)
{
    return p->is_argmax ? sizeof(int64_t) : tp_narrow_bytes(is_half(p) ? TP_FP16 : TP_FP32);
}

static void write_values(struct writing *w, const struct part *p, const struct tp_shape *shape)
{
    tp_buf_text(w->b, ",\"data\":");
    if (n_classes(p)) write_classes(w, w->b, p, shape);
    else write_numbers(w, p);
}

/* Sizes come first, and texts have them when they are written: they are few and written twice. */
static void write_size(struct writing *w, const struct part *p, const struct tp_shape *shape)
{
    size_t n_bytes = (size_t)tp_shape_elements(shape) * number_bytes(p);
    if (n_classes(p)) {
        struct tp_buf texts = { 0 };
        write_classes(w, &texts, p, shape);
        n_bytes = texts.n_bytes;
        if (texts.failed) w->b->failed = true;
        tp_buf_fini(&texts);
    }
    w->binary_bytes += n_bytes;
    tp_buf_text(w->b, ",\"parameters\":{\"binary_data_size\":");
    tp_buf_int(w->b, (int64_t)n_bytes);
    tp_buf_text(w->b, "}");
}

/* The shape that the client is told. */
static struct tp_shape part_shape(const struct part *p)
{
    struct tp_shape s = p->output->tensor.shape;
    const int k = n_classes(p);
    if (k && k < s.dim[1]) s.dim[1] = k;
    return s;
}

static bool tell(struct writing *w, const struct part *p)
{
    const struct tp_answer_output *o = p->output;
    const int rank = o->tensor.shape.rank, k = n_classes(p);
    if (k && rank != 2)
        return tp_fail(w->err, TP_INVALID_ARGUMENT, "output '%.64s': classification is of [n, "
                       "classes], and this is %s; pool it, or ask for the classifier's scores",
                       o->name, TP_SHAPE(&o->tensor.shape));
    const struct tp_shape shape = part_shape(p);
    if (p->is_argmax || o != w->a->outputs) tp_buf_text(w->b, ",");
    tp_buf_text(w->b, "{\"name\":");
    tp_json_quote(w->b, p->is_argmax ? o->argmax_name : o->name);
    tp_buf_printf(w->b, ",\"datatype\":\"%s\",\"shape\":",
                  p->is_argmax ? "INT64" : k ? "BYTES" : is_half(p) ? "FP16" : "FP32");
    tp_answer_shape(w->b, &shape);
    if (is_binary(p)) write_size(w, p, &shape);
    else write_values(w, p, &shape);
    tp_buf_text(w->b, "}");
    return true;
}

static bool write_json(struct writing *w)
{
    struct tp_buf *b = w->b;
    tp_buf_text(b, "{");
    if (w->said->id) {
        tp_buf_text(b, "\"id\":");
        tp_json_quote(b, w->said->id);
        tp_buf_text(b, ",");
    }
    tp_buf_text(b, "\"model_name\":");
    tp_json_quote(b, w->a->model);
    tp_buf_text(b, ",\"model_version\":\"" TP_MODEL_VERSION "\",\"outputs\":[");
    if (!each_part(w, tell)) return false;
    tp_buf_text(b, "]}");
    return true;
}

/* ---- what stands behind it ------------------------------------------------------------------- */

static void write_places(char *to, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t place = (int64_t)x[i];
        memcpy(to + (size_t)i * sizeof place, &place, sizeof place);
    }
}

/* The bytes of one tensor. */
static bool put(struct writing *w, const struct part *p)
{
    const struct tp_answer_output *o = p->output;
    const struct tp_shape shape = part_shape(p);
    const size_t n_bytes = (size_t)tp_shape_elements(&shape) * number_bytes(p);
    if (!is_binary(p)) return true;
    if (n_classes(p)) {
        write_classes(w, w->b, p, &shape);
        return true;
    }
    char *to = tp_buf_reserve(w->b, n_bytes);
    if (!to) return true;
    if (p->is_argmax) write_places(to, o->argmax, tp_shape_elements(&shape));
    else tp_narrow_write(to, NULL, NULL, &o->tensor, o->channels_first,
                         is_half(p) ? TP_FP16 : TP_FP32, w->a->n_threads);
    w->b->n_bytes += n_bytes;
    return true;
}

bool tp_oip_write(struct tp_buf *b, struct tp_head *head, const struct tp_answer *a,
                  const struct tp_request *rq, struct tp_err *err)
{
    struct writing w = { .b = b, .a = a, .said = rq->said, .err = err };
    if (!write_json(&w)) return false;
    if (!w.binary_bytes) return true;
    tp_head_add(head, "Inference-Header-Content-Length", "%zu", b->n_bytes);
    head->content_type = "application/octet-stream";
    tp_buf_reserve(b, w.binary_bytes);               /* grown once */
    return each_part(&w, put);
}

const struct tp_dialect tp_dialect_oip = {
    .flat = true, .read = tp_oip_read, .write = tp_oip_write, .write_error = tp_dialect_plain_error,
};
