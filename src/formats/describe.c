/* describe.c - models told as JSON and as a table. */
#include "formats/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "formats/json.h"
#include "formats/oip.h"

/* A number, or null where it is open. */
static void write_count(struct tp_buf *b, int64_t n)
{
    if (n < 0) tp_buf_text(b, "null");
    else tp_buf_printf(b, "%" PRId64, n);
}

static void write_shape(struct tp_buf *b, const struct tp_shape *s)
{
    tp_buf_text(b, "[");
    for (int i = 0; i < s->rank; i++) {
        if (i) tp_buf_text(b, ",");
        write_count(b, s->dim[i]);
    }
    tp_buf_text(b, "]");
}

void tp_describe_brief(struct tp_buf *b, const struct tp_model *m)
{
    const struct tp_shape input = tp_model_own_input(m);
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, m->name);
    tp_buf_text(b, ",\"input\":");
    write_shape(b, &input);
    tp_buf_printf(b, ",\"layers\":%d,\"parameters\":", m->n_layers);
    write_count(b, m->n_parameters);
    tp_buf_printf(b, ",\"source\":\"%s\"}", m->builtin ? "builtin" : "file");
}

static void write_text(struct tp_buf *b, const char *key, const char *text)
{
    if (!text) return;
    tp_buf_printf(b, ",\"%s\":", key);
    tp_json_quote(b, text);
}

static void write_layer(struct tp_buf *b, const struct tp_layer_info *l)
{
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, l->name);
    write_text(b, "type", l->type);
    write_text(b, "node", l->node);
    write_text(b, "module", l->module);
    tp_buf_text(b, ",\"shape\":");
    if (l->why) tp_buf_text(b, "null");
    else write_shape(b, &l->shape);
    tp_buf_text(b, ",\"parameters\":");
    write_count(b, l->n_parameters);
    tp_buf_text(b, ",\"macs\":");
    write_count(b, l->n_macs);
    write_text(b, "cannot_run", l->why);
    tp_buf_text(b, "}");
}

void tp_describe_model(struct tp_buf *b, const struct tp_model *m)
{
    const struct tp_shape input = tp_model_own_input(m);
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, m->name);
    tp_buf_text(b, ",\"inputs\":[{\"name\":");
    tp_json_quote(b, m->input_name);
    tp_buf_text(b, ",\"datatype\":\"FP32\",\"shape\":");
    write_shape(b, &input);
    tp_buf_text(b, "}],\"outputs\":[");
    for (int i = 0; i < m->n_outputs; i++) {
        if (i) tp_buf_text(b, ",");
        tp_json_quote(b, m->outputs[i]);
    }
    tp_buf_text(b, "],\"layers\":[");
    for (int i = 0; i < m->n_layers; i++) {
        if (i) tp_buf_text(b, ",");
        write_layer(b, &m->layers[i]);
    }
    tp_buf_text(b, "],\"parameters\":");
    write_count(b, m->n_parameters);
    if (m->n_unfolded) {
        tp_buf_text(b, ",\"parameters_unfolded\":");
        write_count(b, m->n_parameters + m->n_unfolded);
    }
    tp_buf_text(b, ",\"macs\":");
    write_count(b, tp_model_macs(m));
    if (m->n_labels) tp_buf_printf(b, ",\"labels\":%d", m->n_labels);
    write_text(b, "warning", m->warning);
    tp_buf_text(b, ",\"preprocess\":");
    tp_preprocess_print(b, &m->preprocess);
    /* TensorFlow Serving asks this path for a model's status. */
    tp_buf_text(b, ",\"model_version_status\":[{\"version\":\"" TP_MODEL_VERSION "\","
                   "\"state\":\"AVAILABLE\",\"status\":{\"error_code\":\"OK\","
                   "\"error_message\":\"\"}}]}\n");
}

/* "(6,6,1)": the shape of one image's value, as Keras's summary has it. */
static void shape_text(char *to, size_t room, const struct tp_shape *s)
{
    size_t n = (size_t)snprintf(to, room, "(");
    for (int i = 1; i < s->rank && n < room; i++) {
        if (s->dim[i] < 0) n += (size_t)snprintf(to + n, room - n, "%sany", i > 1 ? "," : "");
        else n += (size_t)snprintf(to + n, room - n, "%s%" PRId64, i > 1 ? "," : "", s->dim[i]);
    }
    if (n < room) snprintf(to + n, room - n, ")");
}

static void count_text(char *to, size_t room, int64_t n)
{
    if (n < 0) snprintf(to, room, "any");
    else snprintf(to, room, "%" PRId64, n);
}

static void write_row(struct tp_buf *b, const int width[4], const char *name, const char *type,
                      const char *shape, const char *parameters, const char *macs)
{
    tp_buf_printf(b, "%-*s  %-*s  %-*s  %*s  %14s\n", width[0], name, width[1], type, width[2],
                  shape, width[3], parameters, macs);
}

/* What a reader calls the layer: the module that ends there, else the node, else the tensor. */
static const char *short_name(const struct tp_layer_info *l)
{
    return l->module ? l->module : l->node ? l->node : l->name;
}

static void layer_shape(char *to, size_t room, const struct tp_layer_info *l)
{
    if (l->why) snprintf(to, room, "cannot run");
    else shape_text(to, room, &l->shape);
}

void tp_describe_table(struct tp_buf *b, const struct tp_model *m)
{
    int width[4] = { 5, 4, 12, 10 };
    char shape[160], parameters[32], macs[32];
    for (int i = 0; i < m->n_layers; i++) {
        const struct tp_layer_info *l = &m->layers[i];
        layer_shape(shape, sizeof shape, l);
        if ((int)strlen(short_name(l)) > width[0]) width[0] = (int)strlen(short_name(l));
        if ((int)strlen(l->type) > width[1]) width[1] = (int)strlen(l->type);
        if ((int)strlen(shape) > width[2]) width[2] = (int)strlen(shape);
    }
    const struct tp_shape in = tp_model_own_input(m);
    shape_text(shape, sizeof shape, &in);
    tp_buf_printf(b, "model %s, input %s\n\n", m->name, shape);
    write_row(b, width, "layer", "type", "output shape", "parameters", "multiply-adds");
    for (int i = 0; i < m->n_layers; i++) {
        const struct tp_layer_info *l = &m->layers[i];
        layer_shape(shape, sizeof shape, l);
        count_text(parameters, sizeof parameters, l->n_parameters);
        count_text(macs, sizeof macs, l->n_macs);
        write_row(b, width, short_name(l), l->type, shape, parameters, macs);
    }
    const int64_t all = tp_model_macs(m);
    count_text(macs, sizeof macs, all);
    tp_buf_printf(b, "\ntotal: %d layers, %" PRId64 " parameters, %s multiply-adds per image\n",
                  m->n_layers, m->n_parameters, all < 0 ? "any number of" : macs);
    if (m->n_unfolded)
        tp_buf_printf(b, "The exporter folded batch normalizations into convolutions; as trained "
                      "it has %" PRId64 " parameters.\n", m->n_parameters + m->n_unfolded);
    if (m->warning) tp_buf_printf(b, "%s\n", m->warning);
}
