/* oip.c - what the Open Inference Protocol tells of the server and of a model. */
#include "formats/oip.h"

#include <string.h>

#include "formats/answer.h"
#include "formats/json.h"

void tp_oip_server(struct tp_buf *b, bool model_control)
{
    tp_buf_text(b, "{\"name\":\"tidepool\",\"version\":\"" TP_VERSION "\",\"extensions\":["
                   "\"binary_tensor_data\",\"classification\",\"model_configuration\","
                   "\"parameters\",\"statistics\"");
    if (model_control) tp_buf_text(b, ",\"model_repository\"");
    tp_buf_text(b, "]}\n");
}

static void write_tensor(struct tp_buf *b, const char *name, const struct tp_shape *shape)
{
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, name);
    tp_buf_text(b, ",\"datatype\":\"FP32\",\"shape\":");
    tp_answer_shape(b, shape);
    tp_buf_text(b, "}");
}

void tp_oip_model(struct tp_buf *b, const struct tp_model *m)
{
    const struct tp_shape input = tp_model_own_input(m);
    const struct tp_shape unknown = { .rank = 1, .dim = { TP_ANY } };
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, m->name);
    tp_buf_printf(b, ",\"versions\":[\"" TP_MODEL_VERSION "\"],\"platform\":\"%s\",\"inputs\":[",
                  m->net ? "onnx_onnxv1" : "keras_pipeline");
    write_tensor(b, m->input_name, &input);
    tp_buf_text(b, "],\"outputs\":[");
    for (int i = 0; i < m->n_outputs; i++) {
        const struct tp_layer_info *l = tp_model_find_layer(m, m->outputs[i]);
        if (i) tp_buf_text(b, ",");
        write_tensor(b, m->outputs[i], l && !l->why ? &l->shape : &unknown);
    }
    tp_buf_text(b, "]}\n");
}
