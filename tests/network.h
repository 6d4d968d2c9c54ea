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
    for (int i = 0; i < g->n_nodes; i++) {               /* or prepare() leaves it as it is */
        if (g->nodes[i].op == &tp_op_conv) g->nodes[i].attr.conv.packed.data = NULL;
        if (g->nodes[i].op == &tp_op_gemm) g->nodes[i].attr.gemm.packed = NULL;
    }
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

/* The k values of a window, bin or region into one, by tidepool.h's words. */
static inline double judge_pool(const struct tp_pooling *pooling, const double *x, int64_t k)
{
    double sum = 0, norm = 0, gem = 0, most = -INFINITY, least = INFINITY, spread = 0;
    const double p = (double)pooling->p;
    for (int64_t i = 0; i < k; i++) {
        sum += x[i];
        most = fmax(most, x[i]);
        least = fmin(least, x[i]);
        norm += pow(fabs(x[i]), p);
        gem += pow(fmax(x[i], 1e-6), p);
    }
    const double mean = sum / (double)k;
    for (int64_t i = 0; i < k; i++) spread += (x[i] - mean) * (x[i] - mean);
    switch (pooling->kind) {
    case TP_POOL_MAX: return most;
    case TP_POOL_MIN: return least;
    case TP_POOL_AVG: return mean;
    case TP_POOL_SUM: return sum;
    case TP_POOL_LP: return pow(norm, 1 / p);
    case TP_POOL_GEM: return pow(gem / (double)k, 1 / p);
    case TP_POOL_STD: return sqrt(spread / (double)k);
    case TP_POOL_NONE: break;
    }
    return NAN;
}

enum { MOST_PLACES = 256 };          /* rows or columns of a window or bin */

/* A map in double precision and what is being made of it. */
struct judged {
    const struct tp_pooling *pooling;
    const double *map;
    struct tp_shape in;              /* [n, h, w, c] */
    bool argmax;
    double *values;                  /* room for h * w */
};

static inline double judge_at(const struct judged *j, int64_t n, int64_t y, int64_t x, int64_t c)
{
    return j->map[((n * j->in.dim[1] + y) * j->in.dim[2] + x) * j->in.dim[3] + c];
}

/* The pixels at ys[0..n_y) and xs[0..n_x), of which those outside the map do not count. */
static inline double judge_pixels(const struct judged *j, int64_t n, int64_t c, const int64_t *ys,
                                  int64_t n_y, const int64_t *xs, int64_t n_x)
{
    int64_t k = 0, place = -1;
    for (int64_t a = 0; a < n_y; a++)
        for (int64_t b = 0; b < n_x; b++) {
            int64_t y = ys[a], x = xs[b];
            if (y < 0 || x < 0 || y >= j->in.dim[1] || x >= j->in.dim[2]) continue;
            double value = judge_at(j, n, y, x, c);
            if (place < 0 || value > judge_at(j, n, place / j->in.dim[2], place % j->in.dim[2], c))
                place = y * j->in.dim[2] + x;
            j->values[k++] = value;
        }
    return j->argmax ? (double)place : judge_pool(j->pooling, j->values, k);
}

/* Rows or columns of the map that bin or window `o` of `n_out` reads. Returns how many. */
static inline int64_t judge_axis(const struct judged *j, int axis, int64_t o, int64_t n_out,
                                 int64_t *places)
{
    const struct tp_window *w = &j->pooling->window;
    const int64_t length = j->in.dim[axis + 1];
    int64_t n = 0;
    if (j->pooling->form != TP_POOL_WINDOW) {
        int64_t end = ((o + 1) * length + n_out - 1) / n_out;
        for (int64_t i = o * length / n_out; i < end; i++) places[n++] = i;
        return n;
    }
    int64_t reach = (n_out - 1) * w->strides[axis] +
                    (int64_t)(w->kernel[axis] - 1) * w->dilations[axis] + 1;
    int64_t before = w->padding == TP_PADDING_EXPLICIT ? w->pads[axis]
                   : w->padding == TP_PADDING_SAME && reach > length ? (reach - length) / 2 : 0;
    assert_true(w->kernel[axis] <= MOST_PLACES);
    for (; n < w->kernel[axis]; n++)
        places[n] = o * w->strides[axis] + n * w->dilations[axis] - before;
    return n;
}

/* [n, rows, columns, c] of windows or bins. */
static inline double *judge_grid(const struct judged *j, int64_t rows, int64_t columns)
{
    const int64_t channels = j->in.dim[3];
    int64_t n = j->in.dim[0] * rows * columns * channels, ys[MOST_PLACES], xs[MOST_PLACES];
    double *out = malloc((size_t)n * sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        int64_t n_y = judge_axis(j, 0, i / channels / columns % rows, rows, ys);
        int64_t n_x = judge_axis(j, 1, i / channels % columns, columns, xs);
        out[i] = judge_pixels(j, i / channels / columns / rows, i % channels, ys, n_y, xs, n_x);
    }
    return out;
}

/* torchvision's bilinear_interpolate(). */
static inline double judge_sample(const struct judged *j, int64_t n, int64_t c, double y, double x)
{
    const int64_t height = j->in.dim[1], width = j->in.dim[2];
    if (y < -1 || y > (double)height || x < -1 || x > (double)width) return 0;
    y = fmin(fmax(y, 0), (double)(height - 1));
    x = fmin(fmax(x, 0), (double)(width - 1));
    int64_t y0 = (int64_t)y, x0 = (int64_t)x;
    int64_t y1 = y0 + 1 < height ? y0 + 1 : y0, x1 = x0 + 1 < width ? x0 + 1 : x0;
    double down = y - (double)y0, right = x - (double)x0;
    return (1 - down) * ((1 - right) * judge_at(j, n, y0, x0, c) +
                         right * judge_at(j, n, y0, x1, c)) +
           down * ((1 - right) * judge_at(j, n, y1, x0, c) + right * judge_at(j, n, y1, x1, c));
}

/* RoIAlign, aligned, two samples by two: [n_boxes, rows, columns, c]; `input` is the model's. */
static inline double *judge_rois(const struct judged *j, const struct tp_shape *input)
{
    const struct tp_pooling *pooling = j->pooling;
    const int64_t rows = pooling->grid[0], columns = pooling->grid[1], channels = j->in.dim[3];
    const double down = (double)j->in.dim[1] / (double)input->dim[1];
    const double right = (double)j->in.dim[2] / (double)input->dim[2];
    int64_t n = pooling->n_boxes * rows * columns * channels;
    double *out = malloc((size_t)n * sizeof *out), x[4];
    for (int64_t i = 0; i < n; i++) {
        int64_t box = i / channels / columns / rows, image = box * j->in.dim[0] / pooling->n_boxes;
        const float *b = pooling->boxes + 4 * box;
        double top = (double)b[1] * down - 0.5, left = (double)b[0] * right - 0.5;
        double bin_h = ((double)b[3] - (double)b[1]) * down / (double)rows;
        double bin_w = ((double)b[2] - (double)b[0]) * right / (double)columns;
        for (int k = 0; k < 4; k++) {
            double row = (double)(i / channels / columns % rows) + (0.5 + k / 2) / 2;
            double column = (double)(i / channels % columns) + (0.5 + k % 2) / 2;
            x[k] = judge_sample(j, image, i % channels, top + row * bin_h, left + column * bin_w);
        }
        out[i] = judge_pool(pooling, x, 4);
    }
    return out;
}

static inline double *judge_channels_first(double *value, struct tp_shape *shape);

static inline double *judge_pyramid(const struct judged *j, struct tp_shape *shape)
{
    const struct tp_pooling *pooling = j->pooling;
    const int64_t n = j->in.dim[0], channels = j->in.dim[3];
    int64_t length = 0, at = 0;
    for (int i = 0; i < pooling->n_levels; i++)
        length += channels * pooling->levels[i] * pooling->levels[i];
    double *out = malloc((size_t)(n * length) * sizeof *out);
    for (int i = 0; i < pooling->n_levels; i++) {
        const int64_t side = pooling->levels[i], part = channels * side * side;
        struct tp_shape s = TP_SHAPE4(n, side, side, channels);
        double *level = judge_channels_first(judge_grid(j, side, side), &s);
        for (int64_t k = 0; k < n * part; k++) out[k / part * length + at + k % part] = level[k];
        free(level);
        at += part;
    }
    *shape = TP_SHAPE2(n, length);
    return out;
}

static inline void judge_window_shape(const struct tp_window *w, struct tp_shape *shape)
{
    struct tp_node nd = { .name = "tap", .type = "tap", .attr.pool.window = *w };
    struct tp_err err = { 0 };
    const struct tp_shape in = *shape;
    if (!tp_op_pool.shape(&nd, &in, shape, &err)) fail_msg("%s", err.message);
}

/* What the tap asks to be done with a map; *shape: the map's before, the answer's afterwards. */
static inline double *judge_pooling(const struct tp_pooling *pooling, bool argmax,
                                    const struct tp_shape *input, double *map,
                                    struct tp_shape *shape)
{
    struct judged j = { pooling, map, *shape, argmax, NULL };
    const int64_t *in = j.in.dim;
    double *out = NULL;
    j.values = malloc((size_t)(in[1] * in[2]) * sizeof *j.values);
    switch (pooling->form) {
    case TP_POOL_GLOBAL:
        *shape = TP_SHAPE2(in[0], in[3]);
        out = judge_grid(&j, 1, 1);
        break;
    case TP_POOL_WINDOW:
        judge_window_shape(&pooling->window, shape);
        out = judge_grid(&j, shape->dim[1], shape->dim[2]);
        break;
    case TP_POOL_GRID:
        *shape = TP_SHAPE4(in[0], pooling->grid[0], pooling->grid[1], in[3]);
        out = judge_grid(&j, pooling->grid[0], pooling->grid[1]);
        break;
    case TP_POOL_PYRAMID: out = judge_pyramid(&j, shape); break;
    case TP_POOL_ROIS:
        *shape = TP_SHAPE4(pooling->n_boxes, pooling->grid[0], pooling->grid[1], in[3]);
        out = judge_rois(&j, input);
        break;
    }
    free(j.values);
    free(map);
    return out;
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

static inline void judge_length(double *value, const struct tp_shape *shape)
{
    int64_t n = tp_shape_span(shape, 1, shape->rank);
    for (int64_t image = 0; image < shape->dim[0]; image++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += value[image * n + i] * value[image * n + i];
        for (int64_t i = 0; i < n && sum > 1e-24; i++) value[image * n + i] /= sqrt(sum);
    }
}

/* A tap's answer, but for its length. */
static inline double *judge_layer(const struct tp_graph *g, const struct tp_shape *input,
                                  const float *data, const struct tp_tap *tap, bool argmax,
                                  struct tp_shape *shape)
{
    int layer = tap->layer ? tp_graph_find(g, tap->layer) : g->outputs[0];
    double *value = ref_graph(g, input, data, layer, shape);
    if (tap->pooling.kind != TP_POOL_NONE)
        value = judge_pooling(&tap->pooling, argmax, input, value, shape);
    if (tap->channels_first && shape->rank == 4) value = judge_channels_first(value, shape);
    return value;
}

/* Answers of n taps, as one vector per image. */
static inline double *judge_joined(const struct tp_graph *g, const struct tp_shape *input,
                                   const float *data, const struct tp_tap *taps, int n,
                                   struct tp_shape *shape)
{
    struct tp_shape parts[16];
    double *values[16];
    int64_t length = 0, at = 0;
    assert_true(n <= 16);
    for (int i = 0; i < n; i++) {
        values[i] = judge_layer(g, input, data, &taps[i], false, &parts[i]);
        length += tp_shape_span(&parts[i], 1, parts[i].rank);
    }
    *shape = TP_SHAPE2(parts[0].dim[0], length);
    double *out = malloc((size_t)tp_shape_elements(shape) * sizeof *out);
    for (int i = 0; i < n; i++) {
        const int64_t part = tp_shape_span(&parts[i], 1, parts[i].rank);
        for (int64_t k = 0; k < part * shape->dim[0]; k++)
            out[k / part * length + at + k % part] = values[i][k];
        free(values[i]);
        at += part;
    }
    return out;
}

/* The answer to taps[0] and those joined to it, in double precision; the caller's to free(). */
static inline double *judge_tap(const struct tp_graph *g, const struct tp_shape *input,
                                const float *data, const struct tp_tap *taps, int n_joined,
                                bool argmax, struct tp_shape *shape)
{
    double *value = n_joined ? judge_joined(g, input, data, taps, 1 + n_joined, shape)
                             : judge_layer(g, input, data, taps, argmax, shape);
    if (taps->normalize && !argmax) judge_length(value, shape);
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
    t.outputs = malloc((size_t)tp_plan_n_outputs(t.plan) * sizeof *t.outputs);
    for (int i = 0; i < tp_plan_n_outputs(t.plan); i++)
        t.outputs[i] = guarded(output_bytes(&t, i));
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
                               const struct tp_tap *taps, int n_taps)
{
    for (int i = 0; i < tp_plan_n_outputs(t->plan); i++) {
        char what[96];
        struct tp_shape want_shape, shape = tp_plan_output_shape(t->plan, i);
        const int first = tp_plan_output_tap(t->plan, i);
        int end = first + 1;
        while (end < n_taps && taps[end].joined) end++;
        double *want = judge_tap(g, &t->shape, t->input, &taps[first], end - first - 1,
                                 tp_plan_output_is_argmax(t->plan, i), &want_shape);
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
    trial_judge(&t, g, taps, n_taps);
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
