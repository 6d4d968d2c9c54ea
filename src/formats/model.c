/* model.c - what a model is to the floors above. */
#include "formats/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/pages.h"
#include "formats/net.h"
#include "ops/parallel.h"

enum { TRIED_SIDE = 64 };

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
        .max_threads = 1,
    };
}

bool tp_init(struct tp_err *err)
{
    tp_parallel_most();              /* asks once, before there are threads */
    return tp_kernels_init(err);
}

const char *tp_cpu_name(void) { return tp_kernels_get()->name; }

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

static struct tp_layer_info describe(const struct tp_graph *g, int node)
{
    const struct tp_node *nd = &g->nodes[node];
    struct tp_layer_info info = {
        .name = nd->name, .type = nd->type, .shape = g->shapes[node],
        .n_parameters = nd->n_parameters, .n_macs = node_macs(g, node),
    };
    /* A layer that became several nodes (SeparableConv2D) is counted where its name is. */
    for (int i = node - 1; i > 0 && g->nodes[i].hidden; i--) {
        int64_t macs = node_macs(g, i);
        info.n_parameters += g->nodes[i].n_parameters;
        info.n_macs = info.n_macs < 0 || macs < 0 ? TP_ANY : info.n_macs + macs;
    }
    return info;
}

static bool list_layers(struct tp_model *m)
{
    const struct tp_graph *g = m->graph;
    m->layers = tp_arena_zalloc(&m->arena, (size_t)g->n_nodes, sizeof *m->layers);
    if (!m->layers) return false;
    for (int i = 0; i < g->n_nodes; i++) {
        if (g->nodes[i].hidden) continue;
        m->layers[m->n_layers] = describe(g, i);
        m->n_parameters += m->layers[m->n_layers++].n_parameters;
    }
    return true;
}

static bool list_outputs(struct tp_model *m)
{
    const struct tp_graph *g = m->graph;
    m->outputs = tp_arena_zalloc(&m->arena, (size_t)g->n_outputs + 1, sizeof *m->outputs);
    if (!m->outputs) return false;
    m->n_outputs = g->n_outputs;
    for (int i = 0; i < g->n_outputs; i++) m->outputs[i] = g->nodes[g->outputs[i]].name;
    return true;
}

bool tp_model_new(struct tp_model **out, struct tp_graph *graph, struct tp_err *err)
{
    struct tp_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) {
        tp_graph_free(graph);
        return tp_fail(err, TP_NO_MEMORY, "out of memory");
    }
    tp_arena_init(&m->arena, SIZE_MAX);
    m->graph = graph;
    m->name = graph->name;
    m->input = graph->shapes[0];
    m->input_name = "input";
    m->preprocess = tp_preprocess_default(&m->input);
    if (!list_layers(m) || !list_outputs(m)) {
        tp_arena_fail(&m->arena, err);
        tp_model_free(m);
        return false;
    }
    *out = m;
    return true;
}

void tp_model_free(struct tp_model *m)
{
    if (!m) return;
    tp_graph_free(m->graph);
    tp_net_free(m->net);
    tp_arena_fini(&m->arena);
    free(m);
}

const char *tp_model_name(const struct tp_model *m) { return m->name; }
struct tp_shape tp_model_input_shape(const struct tp_model *m) { return m->input; }
int tp_model_n_layers(const struct tp_model *m) { return m->n_layers; }
struct tp_layer_info tp_model_layer(const struct tp_model *m, int i) { return m->layers[i]; }

int64_t tp_model_macs(const struct tp_model *m)
{
    int64_t sum = 0;
    for (int i = 0; i < m->n_layers; i++) {
        if (m->layers[i].n_macs < 0) return TP_ANY;
        sum += m->layers[i].n_macs;
    }
    return sum;
}

struct tp_shape tp_model_own_input(const struct tp_model *m)
{
    const struct tp_shape s = m->input;
    if (!m->channels_first) return s;
    return TP_SHAPE4(s.dim[0], s.dim[3], s.dim[1], s.dim[2]);
}

/* Names modules where the network has some: they are what people call its layers. */
static bool fail_layer(const struct tp_model *m, const char *layer, struct tp_err *err)
{
    struct tp_buf names = { 0 };
    int left_out = 0, unnamed = 0;
    bool modules = false;
    for (int i = 0; i < m->n_layers; i++) modules = modules || m->layers[i].module;
    for (int i = 0; i < m->n_layers; i++) {
        const char *name = modules ? m->layers[i].module : m->layers[i].name;
        if (name) tp_buf_list(&names, name, &left_out);
        else unnamed++;
    }
    left_out += unnamed;
    if (left_out) tp_buf_printf(&names, " and %d more", left_out);
    tp_fail(err, TP_NOT_FOUND, "model '%s' has no layer '%.64s'; it has: %.*s", m->name, layer,
            (int)names.n_bytes, names.data ? names.data : "");
    tp_buf_fini(&names);
    return false;
}

const struct tp_layer_info *tp_model_find_layer(const struct tp_model *m, const char *name)
{
    for (int i = 0; i < m->n_layers; i++) {
        const struct tp_layer_info *l = &m->layers[i];
        if (!strcmp(l->name, name) || (l->node && !strcmp(l->node, name)) ||
            (l->module && !strcmp(l->module, name)))
            return l;
    }
    return NULL;
}

bool tp_model_check_layer(const struct tp_model *m, const char *layer, struct tp_err *err)
{
    if (m->graph)
        return tp_graph_find(m->graph, layer) >= 0 || tp_graph_fail_layer(m->graph, layer, err);
    const int value = tp_model_value(m, layer);
    if (value < 0) return fail_layer(m, layer, err);
    const int producer = m->net->values[value].producer;
    if (producer < 0 || !m->net->nodes[producer].why) return true;
    return tp_fail(err, TP_INVALID_MODEL, "layer '%.64s' cannot be computed: %s", layer,
                   m->net->nodes[producer].why);
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
    return m->graph ? tp_plan_make(out, m->graph, input, taps, n_taps, limits, err)
                    : tp_model_plan_net(out, m, input, taps, n_taps, limits, err);
}

/* A size that the input allows: what is fixed, or what images would be cropped to. */
static struct tp_shape some_input(const struct tp_model *m)
{
    struct tp_shape s = m->input;
    for (int i = 0; i < s.rank; i++) {
        if (s.dim[i] != TP_ANY) continue;
        const bool side = s.rank == 4 && (i == 1 || i == 2);
        s.dim[i] = !side ? i == 3 ? 3 : 1 : m->preprocess.crop[i - 1] ? m->preprocess.crop[i - 1]
                                                                      : TRIED_SIDE;
    }
    return s;
}

static bool run_once(const struct tp_plan *plan, int n_threads, struct tp_err *err)
{
    const int n = tp_plan_n_outputs(plan);
    const int64_t n_input = tp_shape_elements(tp_plan_input_shape(plan));
    struct tp_arena arena;
    tp_arena_init(&arena, SIZE_MAX);
    float *input = tp_arena_zalloc(&arena, (size_t)n_input, sizeof *input);
    float **outputs = tp_arena_zalloc(&arena, (size_t)n, sizeof *outputs);
    bool ok = input && outputs;
    for (int i = 0; ok && i < n; i++) {
        const struct tp_shape s = tp_plan_output_shape(plan, i);
        ok = (outputs[i] = tp_arena_floats(&arena, tp_shape_elements(&s))) != NULL;
    }
    const size_t n_bytes = tp_plan_workspace_bytes(plan);
    void *workspace = tp_pages_alloc(n_bytes);
    if (ok && workspace) tp_plan_run(plan, input, outputs, workspace, n_threads);
    else ok = tp_fail(err, TP_NO_MEMORY, "out of memory");
    tp_pages_free(workspace, n_bytes);
    tp_arena_fini(&arena);
    return ok;
}

bool tp_model_try(const struct tp_model *m, const struct tp_limits *limits, struct tp_err *err)
{
    const struct tp_shape input = some_input(m);
    struct tp_tap *taps = calloc((size_t)m->n_outputs + 1, sizeof *taps);
    struct tp_plan *plan;
    if (!taps) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    for (int i = 0; i < m->n_outputs; i++) taps[i].layer = m->outputs[i];
    int n = 0;                       /* those that can be computed */
    for (int i = 0; i < m->n_outputs; i++) {
        struct tp_err ignored = { 0 };
        if (tp_model_check_layer(m, taps[i].layer, &ignored)) taps[n++] = taps[i];
    }
    bool ok = n == 0 || tp_plan_new(&plan, m, &input, taps, n, limits, err);
    if (ok && n) {
        ok = run_once(plan, limits->max_threads > 1 ? limits->max_threads : 1, err);
        tp_plan_free(plan);
    }
    free(taps);
    return ok;
}
