/* network.h - for tests of the graph floor: networks built node by node with weights of their own,
 * and what a plan of them must answer. */
#ifndef NETWORK_H
#define NETWORK_H

#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/plan.h"
#include "ops/parallel.h"
#include "ref.h"

static const struct tp_limits wide_limits = {
    .max_elements = 1 << 24, .max_workspace_bytes = 1 << 28, .max_output_bytes = 1 << 28,
    .max_operations = (int64_t)1 << 40,
};

/* A node's inputs: their number and indices. */
#define ON(...) (int)(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)), \
                (const int[]){ __VA_ARGS__ }

static const struct tp_act relu_act = { .kind = TP_ACT_CLAMP, .alpha = 0, .beta = INFINITY };

/* ---- building -------------------------------------------------------------------------------- */

/* An empty network over maps [any, height, width, channels]. Node 0 is the input. */
static inline struct tp_graph *network(int64_t height, int64_t width, int64_t channels)
{
    struct tp_graph *g;
    struct tp_err err = { 0 };
    struct tp_shape input = TP_SHAPE4(TP_ANY, height, width, channels);
    if (!tp_graph_new(&g, "net", &input, &err)) fail_msg("%s", err.message);
    return g;
}

/* Adds a node, under the name "l<index>" unless it has one. */
static inline int put(struct tp_graph *g, struct tp_node nd, int n_inputs, const int *inputs)
{
    char name[16];
    struct tp_err err = { 0 };
    int index = -1;
    snprintf(name, sizeof name, "l%d", g->n_nodes);
    if (!nd.name) nd.name = name;
    nd.type = nd.op->name;
    nd.n_inputs = n_inputs;
    nd.inputs = inputs;
    if (!tp_graph_add(g, &nd, &index, &err)) fail_msg("%s", err.message);
    return index;
}

/* n weights, uniform in middle +- size, others for every node. */
static inline float *weights(struct tp_graph *g, int64_t n, double middle, double size)
{
    float *w = tp_arena_floats(&g->arena, n);
    uint32_t state = (uint32_t)g->n_nodes * 2654435761u + (uint32_t)n;
    assert_non_null(w);
    for (int64_t i = 0; i < n; i++)
        w[i] = (float)(middle + size * (next_random(&state) / 2147483648.0 - 1));
    return w;
}

static inline int channels_of(const struct tp_graph *g, int node)
{
    return (int)g->shapes[node].dim[g->shapes[node].rank - 1];
}

/* A convolution over what node `from` makes, with a bias; sums of weights keep values near 1. */
static inline struct tp_node conv_node(struct tp_graph *g, int from, int filters, int groups,
                                       int kernel_h, int kernel_w)
{
    int channels = channels_of(g, from), depth = channels / groups;
    struct tp_node nd = { .op = &tp_op_conv };
    nd.attr.conv = (struct tp_conv_attr){
        .window = { .kernel = { kernel_h, kernel_w }, .strides = { 1, 1 }, .dilations = { 1, 1 } },
        .groups = groups, .filters = filters, .in_channels = channels,
        .kernel = weights(g, (int64_t)kernel_h * kernel_w * depth * filters, 0,
                          1.5 / sqrt(kernel_h * kernel_w * depth)),
    };
    nd.shift = weights(g, filters, 0, 0.3);
    return nd;
}

static inline int put_conv(struct tp_graph *g, int from, int filters)
{
    struct tp_node nd = conv_node(g, from, filters, 1, 3, 3);
    nd.attr.conv.window.padding = TP_PADDING_SAME;
    return put(g, nd, ON(from));
}

static inline int put_depthwise(struct tp_graph *g, int from)
{
    struct tp_node nd = conv_node(g, from, channels_of(g, from), channels_of(g, from), 3, 3);
    nd.attr.conv.window.padding = TP_PADDING_SAME;
    return put(g, nd, ON(from));
}

static inline int put_dense(struct tp_graph *g, int from, int units)
{
    struct tp_node nd = { .op = &tp_op_gemm };
    int features = channels_of(g, from);
    nd.attr.gemm = (struct tp_gemm_attr){
        .units = units, .in_features = features,
        .kernel = weights(g, (int64_t)features * units, 0, 1.5 / sqrt(features)),
    };
    nd.shift = weights(g, units, 0, 0.3);
    return put(g, nd, ON(from));
}

static inline int put_batch_norm(struct tp_graph *g, int from)
{
    struct tp_node nd = { .op = &tp_op_affine };
    nd.scale = weights(g, channels_of(g, from), 1, 0.5);
    nd.shift = weights(g, channels_of(g, from), 0, 0.5);
    return put(g, nd, ON(from));
}

static inline int put_relu(struct tp_graph *g, int from)
{
    return put(g, (struct tp_node){ .op = &tp_op_activation, .act = relu_act }, ON(from));
}

static inline int put_add(struct tp_graph *g, int a, int b)
{
    return put(g, (struct tp_node){ .op = &tp_op_combine }, ON(a, b));
}

static inline int put_padding(struct tp_graph *g, int from, int top, int left, int bottom,
                              int right)
{
    struct tp_node nd = { .op = &tp_op_pad };
    nd.attr.pad.edge[0] = top;
    nd.attr.pad.edge[1] = left;
    nd.attr.pad.edge[2] = bottom;
    nd.attr.pad.edge[3] = right;
    return put(g, nd, ON(from));
}

static inline int put_max_pool(struct tp_graph *g, int from)
{
    struct tp_node nd = { .op = &tp_op_pool };
    nd.attr.pool.kind = TP_OP_MAX;
    nd.attr.pool.window = (struct tp_window){
        .kernel = { 2, 2 }, .strides = { 2, 2 }, .dilations = { 1, 1 },
    };
    return put(g, nd, ON(from));
}

/* [n, 1, 1, c] */
static inline int put_global(struct tp_graph *g, int from)
{
    struct tp_node nd = { .op = &tp_op_global_pool };
    nd.attr.pool.kind = TP_OP_AVG;
    nd.attr.pool.keep_dims = true;
    return put(g, nd, ON(from));
}

static inline int put_constant(struct tp_graph *g, int64_t n)
{
    struct tp_node nd = { .op = &tp_op_constant };
    nd.attr.constant.data = weights(g, n, 0, 1);
    nd.attr.constant.shape = (struct tp_shape){ .rank = 1, .dim = { n } };
    return put(g, nd, 0, NULL);
}

/* Identity, Flatten: whatever has no attributes. */
static inline int put_plain(struct tp_graph *g, const struct tp_op *op, int from)
{
    return put(g, (struct tp_node){ .op = op }, ON(from));
}

/* Packs the weights for table number t of those that run here, and takes that for the plans to
 * come; false behind the last. */
static inline bool use_table(struct tp_graph *g, int t)
{
    struct tp_err err = { 0 };
    const struct tp_kernels *k = tp_kernels_list(t);
    if (!k) return false;
    tp_kernels_use(k);
    if (!tp_graph_finish(g, k, &err)) fail_msg("%s", err.message);
    return true;
}

/* ---- planning -------------------------------------------------------------------------------- */

static inline struct tp_tap tap_of(const struct tp_graph *g, int node)
{
    return (struct tp_tap){ .layer = g->nodes[node].name };
}

/* The model's input with a batch of n. */
static inline struct tp_shape batch_of(const struct tp_graph *g, int64_t n)
{
    struct tp_shape s = g->shapes[0];
    s.dim[0] = n;
    return s;
}

static inline struct tp_plan *plan_of(const struct tp_graph *g, int64_t batch,
                                      const struct tp_tap *taps, int n_taps)
{
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    struct tp_shape input = batch_of(g, batch);
    if (!tp_plan_make(&plan, g, &input, taps, n_taps, &wide_limits, &err))
        fail_msg("%s", err.message);
    return plan;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* What the tap asks to be done with a value: once more, by the judge's operators. */
static inline double *judge_pooling(const struct tp_pooling *pooling, double *value,
                                    struct tp_shape *shape)
{
    static const enum tp_pool_op kinds[] = {
        [TP_POOL_MAX] = TP_OP_MAX, [TP_POOL_AVG] = TP_OP_AVG,
        [TP_POOL_MIN] = TP_OP_MIN, [TP_POOL_SUM] = TP_OP_SUM,
    };
    struct tp_err err = { 0 };
    struct tp_shape in = *shape;
    struct tp_node nd = { .name = "tap", .type = "tap", .n_inputs = 1 };
    int64_t n = tp_shape_elements(&in);
    float *narrow = malloc((size_t)n * sizeof *narrow);
    for (int64_t i = 0; i < n; i++) narrow[i] = (float)value[i];
    free(value);
    nd.op = pooling->form == TP_POOL_GLOBAL ? &tp_op_global_pool : &tp_op_pool;
    nd.attr.pool.kind = kinds[pooling->kind];
    nd.attr.pool.window = pooling->window;
    if (!nd.op->shape(&nd, &in, shape, &err)) fail_msg("%s", err.message);
    value = ref_node(&nd, &in, &narrow, shape);
    free(narrow);
    return value;
}

static inline double *judge_channels_first(double *value, struct tp_shape *shape)
{
    const struct tp_shape s = *shape;
    int64_t pixels = s.dim[1] * s.dim[2], n = tp_shape_elements(&s);
    double *turned = malloc((size_t)n * sizeof *turned);
    for (int64_t i = 0; i < n; i++) {
        int64_t image = i / (pixels * s.dim[3]), pixel = i / s.dim[3] % pixels;
        turned[(image * s.dim[3] + i % s.dim[3]) * pixels + pixel] = value[i];
    }
    free(value);
    *shape = TP_SHAPE4(s.dim[0], s.dim[3], s.dim[1], s.dim[2]);
    return turned;
}

/* The answer to a tap, in double precision; the caller's to free(). */
static inline double *judge_tap(const struct tp_graph *g, const struct tp_shape *input,
                                const float *data, const struct tp_tap *tap, struct tp_shape *shape)
{
    int layer = tap->layer ? tp_graph_find(g, tap->layer) : g->outputs[0];
    double *value = ref_graph(g, input, data, layer, shape);
    if (tap->pooling.kind != TP_POOL_NONE) value = judge_pooling(&tap->pooling, value, shape);
    if (tap->channels_first && shape->rank == 4) value = judge_channels_first(value, shape);
    return value;
}

/* One plan with all that its runs need: outputs and workspace of exactly the sizes that the plan
 * says, against guard pages. */
struct trial {
    struct tp_plan *plan;
    struct tp_shape shape;           /* of the input */
    float *input, **outputs;
    void *workspace;
};

static inline size_t output_bytes(const struct trial *t, int i)
{
    struct tp_shape s = tp_plan_output_shape(t->plan, i);
    return (size_t)tp_shape_elements(&s) * sizeof(float);
}

static inline struct trial trial_of(const struct tp_graph *g, int64_t batch,
                                    const struct tp_tap *taps, int n_taps)
{
    struct trial t = { .plan = plan_of(g, batch, taps, n_taps), .shape = batch_of(g, batch) };
    t.input = guarded_random(tp_shape_elements(&t.shape), 7);
    t.workspace = guarded(tp_plan_workspace_bytes(t.plan));
    assert_int_equal((uintptr_t)t.workspace % 64, 0);
    t.outputs = malloc((size_t)n_taps * sizeof *t.outputs);
    for (int i = 0; i < n_taps; i++) t.outputs[i] = guarded(output_bytes(&t, i));
    return t;
}

static inline void trial_free(struct trial *t)
{
    for (int i = 0; i < tp_plan_n_outputs(t->plan); i++) guarded_free(t->outputs[i]);
    free(t->outputs);
    guarded_free(t->workspace);
    guarded_free(t->input);
    tp_plan_free(t->plan);
}

/* Runs it; the outputs hold nothing but NaN before, and so does the workspace unless it is to be
 * taken as the last run left it. */
static inline void trial_run(const struct trial *t, int n_threads, bool fresh)
{
    for (int i = 0; i < tp_plan_n_outputs(t->plan); i++)
        memset(t->outputs[i], 0xFF, output_bytes(t, i));
    if (fresh) memset(t->workspace, 0xFF, tp_plan_workspace_bytes(t->plan));
    tp_plan_run(t->plan, t->input, t->outputs, t->workspace, n_threads);
}

static inline uint64_t trial_bits(const struct trial *t)
{
    uint64_t h = 14695981039346656037u;                  /* FNV-1a */
    for (int i = 0; i < tp_plan_n_outputs(t->plan); i++)
        for (size_t b = 0; b < output_bytes(t, i); b++)
            h = (h ^ ((const unsigned char *)t->outputs[i])[b]) * 1099511628211u;
    return h;
}

static inline void trial_judge(const struct trial *t, const struct tp_graph *g,
                               const struct tp_tap *taps)
{
    for (int i = 0; i < tp_plan_n_outputs(t->plan); i++) {
        char what[96];
        struct tp_shape want_shape, shape = tp_plan_output_shape(t->plan, i);
        double *want = judge_tap(g, &t->shape, t->input, &taps[i], &want_shape);
        snprintf(what, sizeof what, "%s: %s (%s, tap %d)", g->name,
                 tp_plan_output_name(t->plan, i), tp_kernels_get()->name, i);
        if (!tp_shape_equal(&shape, &want_shape))
            fail_msg("%s: shape %s, expected %s", what, TP_SHAPE(&shape), TP_SHAPE(&want_shape));
        check_near(what, t->outputs[i], want, tp_shape_elements(&shape), 1e-4);
        free(want);
    }
}

/* Plans the taps on the table in use and holds the answers against the judge's; all numbers of
 * threads and a second run in the workspace as it was left give the same bits, and the input stays
 * as it is. Returns how many steps the plan takes. */
static inline int check_taps(const struct tp_graph *g, int64_t batch, const struct tp_tap *taps,
                             int n_taps)
{
    struct trial t = trial_of(g, batch, taps, n_taps);
    int64_t n = tp_shape_elements(&t.shape);
    float *input = guarded_random(n, 7);
    tp_parallel_set_grain(1);        /* small test maps, yet all the threads that are asked for */
    trial_run(&t, 1, true);
    trial_judge(&t, g, taps);
    uint64_t bits = trial_bits(&t);
    trial_run(&t, 1, false);
    if (trial_bits(&t) != bits) fail_msg("a second run gives other bits");
    for (int threads = 2; threads <= 3; threads++) {
        trial_run(&t, threads, true);
        if (trial_bits(&t) != bits) fail_msg("%d threads give other bits than one", threads);
    }
    assert_memory_equal(t.input, input, (size_t)n * sizeof *input);
    guarded_free(input);
    int n_steps = tp_plan_n_steps(t.plan);
    trial_free(&t);
    return n_steps;
}

/* The same for layers as they are, on every table; returns the steps. */
static inline int check_layers(struct tp_graph *g, int n_layers, const int *layers)
{
    struct tp_tap taps[8] = { { 0 } };
    int n_steps = 0;
    assert_true(n_layers <= 8);
    for (int i = 0; i < n_layers; i++) taps[i] = tap_of(g, layers[i]);
    for (int t = 0; use_table(g, t); t++) n_steps = check_taps(g, 2, taps, n_layers);
    return n_steps;
}

#endif
