/* answer.c - feature maps as JSON. */
#include "formats/answer.h"

#include <math.h>
#include <string.h>

#include "formats/floats.h"
#include "formats/json.h"

void tp_answer_shape(struct tp_buf *b, const struct tp_shape *s)
{
    tp_buf_text(b, "[");
    for (int i = 0; i < s->rank; i++) {
        if (i) tp_buf_text(b, ",");
        tp_buf_int(b, s->dim[i]);
    }
    tp_buf_text(b, "]");
}

/* Greater comes first, NaN last; what is equal stays in its order. */
static bool goes_before(float a, float b) { return a > b || (isnan(b) && !isnan(a)); }

void tp_answer_best(const float *x, int64_t n, int64_t *best, int top)
{
    int found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (found == top && !goes_before(x[i], x[best[top - 1]])) continue;
        int at = found < top ? found++ : top - 1;
        while (at > 0 && goes_before(x[i], x[best[at - 1]])) at--;
        memmove(best + at + 1, best + at, (size_t)(found - 1 - at) * sizeof *best);
        best[at] = i;
    }
}

/* [[{"label": "tabby", "index": 281, "score": 0.8}, ...], ...] of values [n, k] */
static void write_top(struct tp_buf *b, const struct tp_answer *a, const struct tp_tensor *t)
{
    int64_t best[TP_ANSWER_MAX_TOP], k = t->shape.dim[1];
    int top = a->top < k ? a->top : (int)k;
    for (int64_t i = 0; i < t->shape.dim[0] && !b->failed; i++) {
        const float *row = t->data + i * k;
        tp_buf_text(b, i ? ",[" : "[");
        tp_answer_best(row, k, best, top);
        for (int j = 0; j < top; j++) {
            const struct tp_tensor score = { { .rank = 0 }, (float *)row + best[j] };
            tp_buf_text(b, j ? ",{\"label\":" : "{\"label\":");
            if (a->labels) tp_json_quote(b, a->labels[best[j]]);
            else tp_buf_text(b, "null");
            tp_buf_text(b, ",\"index\":");
            tp_buf_int(b, best[j]);
            tp_buf_text(b, ",\"score\":");
            tp_floats_write(b, &score, true, a->digits, 1);
            tp_buf_text(b, "}");
        }
        tp_buf_text(b, "]");
    }
}

static void write_output(struct tp_buf *b, const struct tp_answer *a,
                         const struct tp_answer_output *o)
{
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, o->name);
    tp_buf_text(b, ",\"datatype\":\"FP32\"");
    if (o->tensor.shape.rank == 4)
        tp_buf_text(b, o->channels_first ? ",\"layout\":\"NCHW\"" : ",\"layout\":\"NHWC\"");
    tp_buf_text(b, ",\"shape\":");
    tp_answer_shape(b, &o->tensor.shape);
    tp_buf_text(b, ",\"data\":");
    tp_floats_write(b, &o->tensor, a->nested, a->digits, a->n_threads);
    if (o->argmax) {
        const struct tp_tensor places = { o->tensor.shape, (float *)o->argmax };
        tp_buf_text(b, ",\"argmax\":");
        tp_floats_write(b, &places, a->nested, 0, a->n_threads);
    }
    if (a->top) {
        tp_buf_text(b, ",\"top\":[");
        write_top(b, a, &o->tensor);
        tp_buf_text(b, "]");
    }
    tp_buf_text(b, "}");
}

/* "<before><n>" */
static void write_count(struct tp_buf *b, const char *before, int64_t n)
{
    tp_buf_text(b, before);
    tp_buf_int(b, n);
}

static void write_input(struct tp_buf *b, const struct tp_answer_input *in)
{
    if (in->width) {
        write_count(b, "{\"width\":", in->width);
        write_count(b, ",\"height\":", in->height);
        write_count(b, ",\"channels\":", in->channels);
    } else {
        write_count(b, "{\"features\":", in->channels);
    }
    tp_buf_text(b, "}");
}

void tp_answer_begin(struct tp_buf *b, const struct tp_answer *a)
{
    tp_buf_text(b, "{\"model\":");
    tp_json_quote(b, a->model);
    tp_buf_text(b, ",\"outputs\":[");
    for (int i = 0; i < a->n_outputs; i++) {
        if (i) tp_buf_text(b, ",");
        write_output(b, a, &a->outputs[i]);
    }
    tp_buf_text(b, "],\"inputs\":[");
    for (int i = 0; i < a->n_inputs; i++) {
        if (i) tp_buf_text(b, ",");
        write_input(b, &a->inputs[i]);
    }
    tp_buf_text(b, "]");
}

void tp_timing_write(struct tp_buf *b, const struct tp_timing *t, const char *before,
                     const char *between, const char *behind)
{
    static const char *const names[] = { "queue", "decode", "infer", "encode" };
    const double ms[] = { t->queue, t->decode, t->infer, t->encode };
    for (int i = 0; i < 4; i++) {
        tp_buf_text(b, i ? between : before);
        tp_buf_text(b, names[i]);
        tp_buf_text(b, behind);
        tp_buf_millis(b, ms[i]);
    }
}

void tp_answer_end(struct tp_buf *b, const struct tp_timing *t)
{
    tp_buf_text(b, ",\"timing_ms\":{");
    tp_timing_write(b, t, "\"", ",\"", "\":");
    tp_buf_text(b, "}}\n");
}

void tp_answer_error(struct tp_buf *b, const char *message, const char *code,
                     const char *request_id)
{
    tp_buf_text(b, "{\"error\":");
    tp_json_quote(b, message);
    tp_buf_printf(b, ",\"code\":\"%s\",\"request_id\":", code);
    tp_json_quote(b, request_id);
    tp_buf_text(b, "}\n");
}
