/* answer.c - feature maps as JSON. */
#include "formats/answer.h"

#include <inttypes.h>

#include "formats/floats.h"
#include "formats/json.h"

static void write_shape(struct tp_buf *b, const struct tp_shape *s)
{
    tp_buf_text(b, "[");
    for (int i = 0; i < s->rank; i++) tp_buf_printf(b, "%s%" PRId64, i ? "," : "", s->dim[i]);
    tp_buf_text(b, "]");
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
    write_shape(b, &o->tensor.shape);
    tp_buf_text(b, ",\"data\":");
    tp_floats_write(b, &o->tensor, a->nested, a->digits);
    tp_buf_text(b, "}");
}

static void write_input(struct tp_buf *b, const struct tp_answer_input *in)
{
    if (in->width)
        tp_buf_printf(b, "{\"width\":%" PRId64 ",\"height\":%" PRId64 ",\"channels\":%" PRId64 "}",
                      in->width, in->height, in->channels);
    else
        tp_buf_printf(b, "{\"features\":%" PRId64 "}", in->channels);
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

void tp_answer_end(struct tp_buf *b, const struct tp_timing *t)
{
    tp_buf_printf(
        b, ",\"timing_ms\":{\"queue\":%.3f,\"decode\":%.3f,\"infer\":%.3f,\"encode\":%.3f}}\n",
        t->queue, t->decode, t->infer, t->encode);
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
