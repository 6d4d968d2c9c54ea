/* describe.c - models told as JSON and as a table. */
#include "formats/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "formats/json.h"

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
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, m->graph->name);
    tp_buf_text(b, ",\"input\":");
    write_shape(b, &m->graph->shapes[0]);
    tp_buf_printf(b, ",\"layers\":%d,\"parameters\":", m->n_layers);
    write_count(b, tp_model_parameters(m));
    tp_buf_printf(b, ",\"source\":\"%s\"}", m->builtin ? "builtin" : "file");
}

static void write_layer(struct tp_buf *b, const struct tp_layer_info *l)
{
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, l->name);
    tp_buf_text(b, ",\"type\":");
    tp_json_quote(b, l->type);
    tp_buf_text(b, ",\"shape\":");
    write_shape(b, &l->shape);
    tp_buf_text(b, ",\"parameters\":");
    write_count(b, l->n_parameters);
    tp_buf_text(b, ",\"macs\":");
    write_count(b, l->n_macs);
    tp_buf_text(b, "}");
}

void tp_describe_model(struct tp_buf *b, const struct tp_model *m)
{
    const struct tp_graph *g = m->graph;
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, g->name);
    tp_buf_text(b, ",\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":");
    write_shape(b, &g->shapes[0]);
    tp_buf_text(b, "}],\"outputs\":[");
    for (int i = 0; i < g->n_outputs; i++) {
        if (i) tp_buf_text(b, ",");
        tp_json_quote(b, g->nodes[g->outputs[i]].name);
    }
    tp_buf_text(b, "],\"layers\":[");
    for (int i = 0; i < m->n_layers; i++) {
        struct tp_layer_info l = tp_model_layer(m, i);
        if (i) tp_buf_text(b, ",");
        write_layer(b, &l);
    }
    tp_buf_text(b, "],\"parameters\":");
    write_count(b, tp_model_parameters(m));
    tp_buf_text(b, ",\"macs\":");
    write_count(b, tp_model_macs(m));
    tp_buf_text(b, ",\"preprocess\":");
    tp_preprocess_print(b, &m->preprocess);
    tp_buf_text(b, "}\n");
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

void tp_describe_table(struct tp_buf *b, const struct tp_model *m)
{
    int width[4] = { 5, 4, 12, 10 };
    char shape[160], parameters[32], macs[32];
    for (int i = 0; i < m->n_layers; i++) {
        struct tp_layer_info l = tp_model_layer(m, i);
        shape_text(shape, sizeof shape, &l.shape);
        if ((int)strlen(l.name) > width[0]) width[0] = (int)strlen(l.name);
        if ((int)strlen(l.type) > width[1]) width[1] = (int)strlen(l.type);
        if ((int)strlen(shape) > width[2]) width[2] = (int)strlen(shape);
    }
    struct tp_shape in = m->graph->shapes[0];
    shape_text(shape, sizeof shape, &in);
    tp_buf_printf(b, "model %s, input %s\n\n", m->graph->name, shape);
    write_row(b, width, "layer", "type", "output shape", "parameters", "multiply-adds");
    for (int i = 0; i < m->n_layers; i++) {
        struct tp_layer_info l = tp_model_layer(m, i);
        shape_text(shape, sizeof shape, &l.shape);
        count_text(parameters, sizeof parameters, l.n_parameters);
        count_text(macs, sizeof macs, l.n_macs);
        write_row(b, width, l.name, l.type, shape, parameters, macs);
    }
    count_text(macs, sizeof macs, tp_model_macs(m));
    tp_buf_printf(b, "\ntotal: %d layers, %" PRId64 " parameters, %s multiply-adds per image\n",
                  m->n_layers, tp_model_parameters(m),
                  tp_model_macs(m) < 0 ? "any number of" : macs);
}
