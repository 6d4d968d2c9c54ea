/* model.c - what a model is to the floors above. */
#include "formats/model.h"

#include <stdlib.h>
#include <string.h>

struct tp_limits tp_limits_default(void)
{
    return (struct tp_limits){
        .max_body_bytes = 64u << 20,
        .max_pixels = 50000000,
        .max_elements = 1 << 28,
        .max_batch = 64,
        .max_layers = 4096,
        .max_workspace_bytes = (size_t)1 << 30,
        .max_operations = (int64_t)1 << 41,      /* 64 images of VGG-16: 10 s on 2 cores */
        .max_output_bytes = (size_t)256 << 20,
    };
}

bool tp_init(struct tp_err *err) { return tp_kernels_init(err); }

const char *tp_cpu_name(void) { return tp_kernels_get()->name; }

bool tp_model_new(struct tp_model **out, struct tp_graph *graph, struct tp_err *err)
{
    struct tp_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) {
        tp_graph_free(graph);
        return tp_fail(err, TP_NO_MEMORY, "out of memory");
    }
    m->graph = graph;
    m->preprocess = tp_preprocess_default(&graph->shapes[0]);
    m->layers = tp_arena_zalloc(&graph->arena, (size_t)graph->n_nodes, sizeof *m->layers);
    if (!m->layers) {
        tp_arena_fail(&graph->arena, err);
        tp_model_free(m);
        return false;
    }
    for (int i = 0; i < graph->n_nodes; i++)
        if (!graph->nodes[i].hidden) m->layers[m->n_layers++] = i;
    *out = m;
    return true;
}

void tp_model_free(struct tp_model *m)
{
    if (!m) return;
    tp_graph_free(m->graph);
    free(m);
}

const char *tp_model_name(const struct tp_model *m) { return m->graph->name; }
struct tp_shape tp_model_input_shape(const struct tp_model *m) { return m->graph->shapes[0]; }
int tp_model_n_layers(const struct tp_model *m) { return m->n_layers; }

/* Multiply-adds of one node for one image, TP_ANY when a size is open. */
static int64_t node_macs(const struct tp_graph *g, int index)
{
    const struct tp_node *nd = &g->nodes[index];
    if (!nd->op->macs) return 0;
    struct tp_shape in = g->shapes[nd->inputs[0]], out = g->shapes[index];
    in.dim[0] = out.dim[0] = 1;
    if (!tp_shape_known(&in) || !tp_shape_known(&out)) return TP_ANY;
    return nd->op->macs(nd, &in, &out);
}

struct tp_layer_info tp_model_layer(const struct tp_model *m, int index)
{
    int node = m->layers[index];
    const struct tp_node *nd = &m->graph->nodes[node];
    struct tp_layer_info info = {
        .name = nd->name, .type = nd->type, .shape = m->graph->shapes[node],
        .n_parameters = nd->n_parameters, .n_macs = node_macs(m->graph, node),
    };
    /* A layer that became several nodes (SeparableConv2D) is counted where its name is. */
    for (int i = node - 1; i > 0 && m->graph->nodes[i].hidden; i--) {
        int64_t macs = node_macs(m->graph, i);
        info.n_parameters += m->graph->nodes[i].n_parameters;
        info.n_macs = info.n_macs < 0 || macs < 0 ? TP_ANY : info.n_macs + macs;
    }
    return info;
}

int64_t tp_model_parameters(const struct tp_model *m)
{
    int64_t sum = 0;
    for (int i = 0; i < m->n_layers; i++) sum += tp_model_layer(m, i).n_parameters;
    return sum;
}

int64_t tp_model_macs(const struct tp_model *m)
{
    int64_t sum = 0;
    for (int i = 0; i < m->n_layers; i++) {
        int64_t macs = tp_model_layer(m, i).n_macs;
        if (macs < 0) return TP_ANY;
        sum += macs;
    }
    return sum;
}

bool tp_model_prepare_image(const struct tp_model *m, struct tp_tensor *out, const void *bytes,
                            size_t n_bytes, const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_arena arena;
    struct tp_tensor t;
    tp_arena_init(&arena, SIZE_MAX);
    bool ok = tp_preprocess_image(&m->preprocess, &t, bytes, n_bytes, limits, 1, NULL, &arena, err);
    if (ok) {
        size_t size = (size_t)tp_shape_elements(&t.shape) * sizeof(float);
        *out = (struct tp_tensor){ .shape = t.shape, .data = malloc(size) };
        ok = out->data != NULL || tp_fail(err, TP_NO_MEMORY, "out of memory");
        if (ok) memcpy(out->data, t.data, size);
    }
    tp_arena_fini(&arena);
    return ok;
}

bool tp_plan_new(struct tp_plan **out, const struct tp_model *m, const struct tp_shape *input,
                 const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                 struct tp_err *err)
{
    return tp_plan_make(out, m->graph, input, taps, n_taps, limits, err);
}
