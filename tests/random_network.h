/* random_network.h - networks of random layers, and random questions to them. */
#ifndef RANDOM_NETWORK_H
#define RANDOM_NETWORK_H

#include "network.h"

enum { MOST_INPUTS = 3, MOST_IMAGE_FLOATS = 1500 };

/* A layer that is being thought of. */
struct idea {
    struct tp_graph *g;
    uint32_t *state;
    struct tp_node nd;
    int inputs[MOST_INPUTS];
};

static inline int roll(uint32_t *state, int n) { return (int)(next_random(state) % (uint32_t)n); }

/* Half of all layers read the one before: chains are what folding is about. */
static inline int random_node(const struct tp_graph *g, uint32_t *state)
{
    return roll(state, 2) ? g->n_nodes - 1 : roll(state, g->n_nodes);
}

static inline const struct tp_shape *first_shape(const struct idea *i)
{
    return &i->g->shapes[i->inputs[0]];
}

/* The roots and thresholds that multiply small errors are left out. */
static inline struct tp_act random_act(uint32_t *state)
{
    static const struct tp_act acts[] = {
        { .kind = TP_ACT_CLAMP, .beta = INFINITY }, { .kind = TP_ACT_CLAMP, .beta = 6 },
        { .kind = TP_ACT_LEAKY_RELU, .alpha = 0.3f }, { .kind = TP_ACT_ELU, .alpha = 1 },
        { .kind = TP_ACT_SIGMOID }, { .kind = TP_ACT_TANH },
        { .kind = TP_ACT_HARD_SIGMOID, .alpha = 1 / 6.0f, .beta = 0.5f },
        { .kind = TP_ACT_HARD_SWISH }, { .kind = TP_ACT_SWISH }, { .kind = TP_ACT_GELU },
        { .kind = TP_ACT_ABS }, { .kind = TP_ACT_LINEAR },
    };
    return acts[roll(state, sizeof acts / sizeof *acts)];
}

static inline struct tp_window random_window(uint32_t *state)
{
    struct tp_window w = { .padding = (enum tp_padding)roll(state, 3) };
    for (int axis = 0; axis < 2; axis++) {
        w.kernel[axis] = 1 + roll(state, 3);
        w.strides[axis] = 1 + roll(state, 2);
        w.dilations[axis] = roll(state, 4) ? 1 : 2;
    }
    for (int e = 0; e < 4; e++) w.pads[e] = roll(state, w.kernel[e % 2]);
    w.ceil_mode = roll(state, 2);
    return w;
}

static inline bool think_conv(struct idea *i)
{
    int channels, groups, filters;
    if (first_shape(i)->rank != 4) return false;
    channels = channels_of(i->g, i->inputs[0]);
    groups = roll(i->state, 3) ? 1 : roll(i->state, 2) || channels % 2 ? channels : 2;
    filters = groups * (1 + roll(i->state, groups > 1 ? 2 : 6));
    /* Sums can be folded only where a map keeps its shape. */
    bool keeps = roll(i->state, 2);
    if (keeps) filters = channels;
    struct tp_window w = random_window(i->state);
    i->nd = conv_node(i->g, i->inputs[0], filters, groups, w.kernel[0], w.kernel[1]);
    if (keeps) {
        w.strides[0] = w.strides[1] = 1;
        w.padding = TP_PADDING_SAME;
    }
    i->nd.attr.conv.window = w;
    i->nd.n_inputs = 1;
    if (roll(i->state, 3) == 0) i->nd.shift = NULL;
    if (roll(i->state, 3) == 0) i->nd.act = random_act(i->state);
    return true;
}

static inline bool think_dense(struct idea *i)
{
    int features = channels_of(i->g, i->inputs[0]), units = 1 + roll(i->state, 8);
    if (first_shape(i)->rank < 2 || features < 1) return false;
    if (roll(i->state, 2)) units = features;
    i->nd.op = &tp_op_gemm;
    i->nd.attr.gemm = (struct tp_gemm_attr){
        .units = units, .in_features = features,
        .kernel = weights(i->g, (int64_t)features * units, 0, 1.5 / sqrt(features)),
    };
    if (roll(i->state, 2)) i->nd.shift = weights(i->g, units, 0, 0.3);
    if (roll(i->state, 3) == 0) i->nd.act = random_act(i->state);
    return true;
}

static inline bool think_affine(struct idea *i)
{
    i->nd.op = &tp_op_affine;
    if (roll(i->state, 4)) i->nd.scale = weights(i->g, channels_of(i->g, i->inputs[0]), 1, 0.5);
    if (roll(i->state, 4)) i->nd.shift = weights(i->g, channels_of(i->g, i->inputs[0]), 0, 0.5);
    if (roll(i->state, 4) == 0) i->nd.act = random_act(i->state);
    return true;
}

static inline bool think_activation(struct idea *i)
{
    i->nd.op = &tp_op_activation;
    i->nd.act = random_act(i->state);
    return true;
}

static inline bool think_pool(struct idea *i)
{
    static const struct tp_op *const ops[] = { &tp_op_pool, &tp_op_global_pool,
                                               &tp_op_adaptive_pool };
    static const enum tp_pool_op kinds[] = { TP_OP_MAX, TP_OP_AVG, TP_OP_MIN };
    i->nd.op = ops[roll(i->state, 3)];
    i->nd.attr.pool.kind = kinds[roll(i->state, 3)];
    i->nd.attr.pool.keep_dims = roll(i->state, 2);
    i->nd.attr.pool.bins[0] = 1 + roll(i->state, 3);
    i->nd.attr.pool.bins[1] = 1 + roll(i->state, 3);
    i->nd.attr.pool.window = random_window(i->state);
    if (i->nd.op == &tp_op_pool && roll(i->state, 3) == 0) i->nd.act = random_act(i->state);
    return true;
}

/* Makes the other inputs alike to the first, where there are such; some broadcast. Ranks agree, or
 * the batch of one would meet another's rows or columns. */
static inline void find_partners(struct idea *i, int n_inputs)
{
    i->nd.n_inputs = n_inputs;
    for (int k = 1; k < n_inputs; k++) {
        i->inputs[k] = i->inputs[0];
        for (int tries = 0; tries < 8; tries++) {
            int other = roll(i->state, i->g->n_nodes);
            if (!tp_shape_equal(&i->g->shapes[other], first_shape(i))) continue;
            i->inputs[k] = other;
            break;
        }
        int any = roll(i->state, i->g->n_nodes), rank = i->g->shapes[any].rank;
        if (roll(i->state, 3) == 0 && (rank == 1 || rank == first_shape(i)->rank))
            i->inputs[k] = any;
    }
    if (roll(i->state, 2)) return;
    int first = i->inputs[0];
    i->inputs[0] = i->inputs[n_inputs - 1];
    i->inputs[n_inputs - 1] = first;
}

static inline bool think_sum(struct idea *i)
{
    i->nd.op = &tp_op_combine;
    i->nd.attr.combine.mean = roll(i->state, 4) == 0;
    find_partners(i, roll(i->state, 3) ? 2 : 3);
    if (roll(i->state, 3) == 0) i->nd.act = random_act(i->state);
    return true;
}

static inline bool think_binary(struct idea *i)
{
    static const enum tp_binary_kind kinds[] = { TP_BINARY_ADD, TP_BINARY_SUB, TP_BINARY_MAX,
                                                 TP_BINARY_MUL, TP_BINARY_PRELU };
    i->nd.op = &tp_op_binary;
    i->nd.attr.binary = kinds[roll(i->state, 5)];
    find_partners(i, 2);
    return true;
}

static inline bool think_concat(struct idea *i)
{
    i->nd.op = &tp_op_concat;
    i->nd.attr.axis.axis = first_shape(i)->rank - 1 - roll(i->state, 2);
    find_partners(i, 2 + roll(i->state, 2));
    return i->nd.attr.axis.axis > 0;
}

static inline bool think_softmax(struct idea *i)
{
    i->nd.op = &tp_op_softmax;
    i->nd.attr.axis.axis = first_shape(i)->rank - 1;
    return i->nd.attr.axis.axis > 0;
}

static inline bool think_view(struct idea *i)
{
    const struct tp_shape *s = first_shape(i);
    struct tp_shape *target = &i->nd.attr.reshape.target;
    static const struct tp_op *const ops[] = { &tp_op_identity, &tp_op_flatten, &tp_op_reshape };
    i->nd.op = ops[roll(i->state, 3)];
    if (s->rank < 2) return i->nd.op == &tp_op_identity;
    target->rank = 1 + roll(i->state, 2);                /* [all], [rest, last], [last, rest] */
    for (int k = 0; k < target->rank; k++) target->dim[k] = TP_ANY;
    if (target->rank == 2) target->dim[roll(i->state, 2)] = s->dim[s->rank - 1];
    return true;
}

static inline bool think_transpose(struct idea *i)
{
    int *perm = i->nd.attr.transpose.perm, rank = first_shape(i)->rank;
    i->nd.op = &tp_op_transpose;
    for (int k = 0; k < rank; k++) perm[k] = k;
    for (int k = 1; k + 1 < rank; k++) {
        int other = k + roll(i->state, rank - k), was = perm[k];
        perm[k] = perm[other];
        perm[other] = was;
    }
    return rank > 1;
}

static inline bool think_frame(struct idea *i)
{
    i->nd.op = roll(i->state, 4) ? &tp_op_pad : &tp_op_crop;
    for (int e = 0; e < 4; e++) i->nd.attr.pad.edge[e] = roll(i->state, 3);
    if (i->nd.op == &tp_op_pad && roll(i->state, 4) == 0) i->nd.attr.pad.value = 1;
    return true;
}

static inline bool think_upsample(struct idea *i)
{
    i->nd.op = &tp_op_upsample;
    i->nd.attr.upsample.scale[0] = 1 + roll(i->state, 2);
    i->nd.attr.upsample.scale[1] = 1 + roll(i->state, 3);
    i->nd.attr.upsample.mode = roll(i->state, 2) ? TP_BILINEAR : TP_NEAREST;
    return true;
}

static inline bool think_constant(struct idea *i)
{
    int64_t n = channels_of(i->g, i->inputs[0]);
    i->nd.op = &tp_op_constant;
    i->nd.n_inputs = 0;
    i->nd.attr.constant.data = weights(i->g, n, 0, 1);
    i->nd.attr.constant.shape = (struct tp_shape){ .rank = 1, .dim = { n } };
    return true;
}

/* Arithmetic with one number, or one for each channel. */
static inline bool think_arithmetic(struct idea *i)
{
    static const enum tp_binary_kind kinds[] = { TP_BINARY_ADD, TP_BINARY_SUB, TP_BINARY_MUL,
                                                 TP_BINARY_DIV };
    int64_t n = roll(i->state, 2) ? 1 : channels_of(i->g, i->inputs[0]);
    struct tp_node constant = { .op = &tp_op_constant };
    constant.attr.constant.data = weights(i->g, n, 1, 0.4);
    constant.attr.constant.shape = (struct tp_shape){ .rank = 1, .dim = { n } };
    i->nd.op = &tp_op_binary;
    i->nd.attr.binary = kinds[roll(i->state, 4)];
    i->nd.n_inputs = 2;
    i->inputs[1] = put(i->g, constant, 0, NULL);
    if (roll(i->state, 2) || i->nd.attr.binary == TP_BINARY_DIV) return true;
    i->inputs[1] = i->inputs[0];
    i->inputs[0] = i->g->n_nodes - 1;
    return true;
}

static inline int put_number(struct tp_graph *g, double value)
{
    struct tp_node nd = { .op = &tp_op_constant };
    nd.attr.constant.data = weights(g, 1, value, 0);
    nd.attr.constant.shape = (struct tp_shape){ .rank = 1, .dim = { 1 } };
    return put(g, nd, 0, NULL);
}

static inline int put_binary(struct tp_graph *g, enum tp_binary_kind kind, int a, int b)
{
    return put(g, (struct tp_node){ .op = &tp_op_binary, .attr.binary = kind }, ON(a, b));
}

static inline int put_act(struct tp_graph *g, enum tp_act_kind kind, double beta, int from)
{
    struct tp_node nd = { .op = &tp_op_activation, .act = { .kind = kind, .beta = (float)beta } };
    return put(g, nd, ON(from));
}

/* x times a gate, as exporters write Swish, HardSwish, Gelu, Mish; all but the last node, and now
 * and then not quite as they do. */
static inline bool think_gated(struct idea *i)
{
    struct tp_graph *g = i->g;
    const int x = i->inputs[0];
    const bool nearly = roll(i->state, 4) == 0;
    int gate = x;
    switch (roll(i->state, 4)) {
    case 0: gate = put_act(g, TP_ACT_SIGMOID, 0, x); break;
    case 1:
        gate = put_binary(g, TP_BINARY_ADD, x, put_number(g, 3));
        gate = put_act(g, TP_ACT_CLAMP, 6, gate);
        gate = put_binary(g, TP_BINARY_DIV, gate, put_number(g, nearly ? 5 : 6));
        break;
    case 2:
        gate = put_binary(g, TP_BINARY_MUL, put_number(g, nearly ? 0.7 : M_SQRT1_2), x);
        gate = put_binary(g, TP_BINARY_ADD, put_act(g, TP_ACT_ERF, 0, gate), put_number(g, 1));
        gate = put_binary(g, TP_BINARY_MUL, gate, put_number(g, 0.5));
        break;
    case 3: gate = put_act(g, TP_ACT_TANH, 0, put_act(g, TP_ACT_SOFTPLUS, 0, x)); break;
    }
    i->nd.op = &tp_op_binary;
    i->nd.attr.binary = TP_BINARY_MUL;
    i->nd.n_inputs = 2;
    i->inputs[0] = roll(i->state, 2) ? x : gate;
    i->inputs[1] = i->inputs[0] == x ? gate : x;
    return true;
}

/* Floats of one image; too many are not worth the judge's time. */
static inline bool is_small(const struct idea *i)
{
    struct tp_shape in[MOST_INPUTS], out;
    struct tp_err err = { 0 };
    struct tp_node nd = i->nd;
    nd.name = nd.type = "idea";
    for (int k = 0; k < nd.n_inputs; k++) in[k] = i->g->shapes[i->inputs[k]];
    if (!nd.op->shape(&nd, in, &out, &err)) return false;
    if (out.rank && out.dim[0] == TP_ANY) out.dim[0] = 1;
    int64_t n = tp_shape_elements(&out);
    return n > 0 && n <= MOST_IMAGE_FLOATS;
}

/* A network of up to `n_layers` layers, the same for the same seed. Layers that do not fit are
 * thought of and dropped, as a broken file's would be. */
static inline struct tp_graph *random_network(uint32_t seed, int n_layers)
{
    static bool (*const think[])(struct idea *) = {
        think_conv, think_conv, think_conv, think_conv, think_dense, think_affine, think_affine,
        think_activation, think_activation, think_pool, think_sum, think_sum, think_sum,
        think_binary, think_concat, think_softmax, think_view, think_view, think_transpose,
        think_frame, think_upsample, think_constant, think_arithmetic, think_arithmetic,
        think_gated,
    };
    uint32_t state = seed * 2654435761u + 97;
    int64_t height = 3 + roll(&state, 8), width = 3 + roll(&state, 8);
    struct tp_graph *g = network(height, width, 1 + roll(&state, 9));
    for (int tries = 0; tries < 4 * n_layers && g->n_nodes <= n_layers; tries++) {
        struct idea i = { .g = g, .state = &state, .nd.n_inputs = 1 };
        i.inputs[0] = random_node(g, &state);
        if (!think[roll(&state, sizeof think / sizeof *think)](&i) || !is_small(&i)) continue;
        put(g, i.nd, i.nd.n_inputs, i.inputs);
    }
    if (g->n_nodes == 1) put_relu(g, 0);
    g->name = tp_arena_printf(&g->arena, "net %u", (unsigned)seed);
    return g;
}

/* A layer, in one case of two pooled in some way that its shape allows; never by regions, which are
 * as many as images. No lengths and places: where a network makes zeros of rounding, so do they. */
static inline struct tp_tap random_tap(const struct tp_graph *g, uint32_t *state)
{
    int layer = 1 + roll(state, g->n_nodes - 1);
    const struct tp_shape *s = &g->shapes[layer];
    struct tp_tap tap = tap_of(g, layer);
    tap.channels_first = roll(state, 2);
    if (s->rank != 4 || roll(state, 2)) return tap;
    struct tp_pooling *p = &tap.pooling;
    p->kind = (enum tp_pool_kind)(1 + roll(state, 7));
    p->form = (enum tp_pool_form)roll(state, 4);
    p->p = 1 + (float)roll(state, 5) / 2;
    p->window = random_window(state);
    p->n_levels = 1 + roll(state, 3);
    for (int i = 0; i < p->n_levels; i++) p->levels[i] = 1 + roll(state, 4);
    for (int axis = 0; axis < 2; axis++) {
        p->grid[axis] = 1 + roll(state, 5);
        p->window.dilations[axis] = 1;
        if (p->window.kernel[axis] > s->dim[axis + 1]) p->kind = TP_POOL_NONE;
    }
    return tap;
}

#endif
