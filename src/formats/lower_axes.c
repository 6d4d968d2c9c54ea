/* lower_axes.c - operators along axes: reductions, softmax, normalizations. */
#include "formats/lowering.h"

#include <math.h>
#include <string.h>

/* The axes of v's memory that hold ONNX's axes marked in `chosen`, brought together where they are
 * apart. *first: where they begin; perm: the node's order. */
static int gather_axes(struct tp_lowering *l, struct tp_lowered *v, const bool *chosen,
                       int perm[TP_MAX_RANK], int *first)
{
    const int rank = v->shape.rank;
    int n = 0, begin = -1, end = -1;
    for (int k = 0; k < rank; k++) {
        perm[k] = v->constant ? k : v->perm[k];
        if (!chosen[perm[k]]) continue;
        if (begin < 0) begin = k;
        end = k;
        n++;
    }
    *first = begin;
    if (end - begin + 1 != n) {                      /* apart: the chosen ones go last, in order */
        int at = 0;
        for (int k = 0; k < rank; k++) {
            const int axis = v->constant ? k : v->perm[k];
            if (!chosen[axis]) perm[at++] = axis;
        }
        *first = at;
        for (int axis = 0; axis < rank; axis++)
            if (chosen[axis]) perm[at++] = axis;
    }
    return tp_low_node(l, v, rank, perm);
}

/* The reduced axes, which are 1 each now, are left out. */
static bool drop_axes(struct tp_lowering *l, int node, const int *perm, const bool *chosen,
                      enum tp_onnx_type type)
{
    const struct tp_shape *s = tp_low_shape(l, node);
    struct tp_shape memory = { .rank = 0 };
    int order[TP_MAX_RANK];
    for (int k = 0; k < s->rank; k++) {
        if (chosen[perm[k]]) continue;
        int before = 0;
        for (int a = 0; a < perm[k]; a++) before += chosen[a];
        order[memory.rank] = perm[k] - before;
        memory.dim[memory.rank++] = s->dim[k];
    }
    return tp_low_out(l, 0, tp_low_view(l, node, &memory), order, type);
}

/* ---- reductions ------------------------------------------------------------------------------ */

static const struct { const char *op; enum tp_reduction kind; } reductions[] = {
    { "ReduceMean", TP_REDUCTION_MEAN }, { "ReduceMax", TP_REDUCTION_MAX },
    { "ReduceMin", TP_REDUCTION_MIN }, { "ReduceSum", TP_REDUCTION_SUM },
    { "ReduceProd", TP_REDUCTION_PROD }, { "ReduceL1", TP_REDUCTION_L1 },
    { "ReduceL2", TP_REDUCTION_L2 }, { "ReduceSumSquare", TP_REDUCTION_SUM_SQUARE },
    { "ReduceLogSum", TP_REDUCTION_LOG_SUM }, { "ReduceLogSumExp", TP_REDUCTION_LOG_SUM_EXP },
};

static bool choose_axes(struct tp_lowering *l, int rank, bool *chosen, int *n)
{
    int64_t axes[TP_MAX_RANK];
    int axis;
    if (!tp_low_ints(l, "axes", 1, axes, TP_MAX_RANK, n)) return false;
    memset(chosen, 0, TP_MAX_RANK * sizeof *chosen);
    for (int i = 0; i < *n; i++) {
        if (!tp_low_axis(l, axes[i], rank, &axis)) return false;
        if (chosen[axis])
            return tp_low_fail(l, TP_INVALID_MODEL, "axes names axis %d twice", axis);
        chosen[axis] = true;
    }
    return true;
}

bool tp_lower_reduce(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), single;
    bool chosen[TP_MAX_RANK];
    int n, perm[TP_MAX_RANK], first;
    if (!choose_axes(l, x->shape.rank, chosen, &n)) return false;
    if (n <= 0 && tp_low_int(l, "noop_with_empty_axes", 0)) return tp_low_out_value(l, 0, x);
    const bool scalar = !x->shape.rank;              /* reduced like one of rank 1 */
    if (scalar && !tp_low_reshape(l, x, &(struct tp_shape){ 1, { 1 } }, &single)) return false;
    if (scalar) x = &single;
    const int rank = x->shape.rank;
    if (n <= 0) for (int a = 0; a < rank; a++) chosen[a] = true;
    if (n <= 0) n = rank;
    struct tp_node nd = { .attr.axes = { .n_axes = n } };
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++)
        if (!strcmp(l->nd->op, reductions[i].op)) nd.attr.axes.reduction = reductions[i].kind;
    int node = gather_axes(l, x, chosen, perm, &first);
    if (node < 0) return false;
    nd.attr.axes.axis = first;
    const enum tp_reduction kind = nd.attr.axes.reduction;
    if (rank == 4 && n == 2 && first == 1 &&         /* a mean over maps is global pooling */
        (kind == TP_REDUCTION_MEAN || kind == TP_REDUCTION_MAX)) {
        const struct tp_node pool = { .attr.pool = {
            .kind = kind == TP_REDUCTION_MEAN ? TP_OP_AVG : TP_OP_MAX, .keep_dims = true,
        } };
        node = tp_low_add(l, &tp_op_global_pool, &pool, &node, 1);
    } else {
        node = tp_low_add(l, &tp_op_reduce, &nd, &node, 1);
    }
    if (node < 0) return false;
    if (tp_low_int(l, "keepdims", 1) && !scalar) return tp_low_out(l, 0, node, perm, x->type);
    return drop_axes(l, node, perm, chosen, x->type);
}

bool tp_lower_arg_max(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    bool chosen[TP_MAX_RANK] = { false };
    int axis, perm[TP_MAX_RANK], first;
    if (!x->shape.rank)
        return tp_low_fail(l, TP_INVALID_MODEL, "it needs an input with axes");
    if (!tp_low_axis(l, tp_low_int(l, "axis", 0), x->shape.rank, &axis)) return false;
    chosen[axis] = true;
    int node = gather_axes(l, x, chosen, perm, &first);
    const struct tp_node nd = { .attr.axes = {
        .axis = first, .n_axes = 1, .min = !strcmp(l->nd->op, "ArgMin"),
        .last = tp_low_int(l, "select_last_index", 0) != 0,
    } };
    node = tp_low_add(l, &tp_op_arg_max, &nd, &node, 1);
    if (node < 0) return false;
    if (tp_low_int(l, "keepdims", 1)) return tp_low_out(l, 0, node, perm, TP_ONNX_INT64);
    return drop_axes(l, node, perm, chosen, TP_ONNX_INT64);
}

/* ---- softmax --------------------------------------------------------------------------------- */

/* Until opset 12 all axes from `axis` on count as one; from 13 on it is one axis. */
bool tp_lower_softmax(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    const bool flat = l->net->opset < 13;
    int axis;
    if (!x->shape.rank)
        return tp_low_fail(l, TP_INVALID_MODEL, "it needs an input with axes");
    if (!tp_low_axis(l, tp_low_int(l, "axis", flat ? 1 : -1), x->shape.rank, &axis)) return false;
    struct tp_node nd = { .attr.axis.log = l->nd->op[0] == 'L' };
    const int rank = x->shape.rank;
    if (flat && tp_shape_span(&x->shape, axis + 1, rank) > 1) {
        const struct tp_shape s = x->shape;
        int node = tp_low_node(l, x, rank, NULL);
        node = tp_low_view(l, node, &TP_SHAPE2(tp_shape_span(&s, 0, axis),
                                               tp_shape_span(&s, axis, rank)));
        nd.attr.axis.axis = 1;
        node = tp_low_add(l, &tp_op_softmax, &nd, &node, 1);
        return tp_low_out(l, 0, tp_low_view(l, node, &s), NULL, x->type);
    }
    const int *perm = x->constant ? NULL : x->perm;
    nd.attr.axis.axis = x->constant ? axis : tp_low_place(x, axis);
    int node = tp_low_node(l, x, rank, perm);
    node = tp_low_add(l, &tp_op_softmax, &nd, &node, 1);
    return tp_low_out(l, 0, node, perm, x->type);
}

/* ---- normalizations -------------------------------------------------------------------------- */

/* Parameter `i`, which has one number per channel. */
static const float *per_channel(struct tp_lowering *l, int i, int64_t channels)
{
    struct tp_lowered *v = tp_low_in(l, i);
    if (!v->constant) {
        tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "input %d must be a constant", i);
        return NULL;
    }
    if (tp_shape_elements(&v->shape) == channels) return tp_low_floats(l, v);
    tp_low_fail(l, TP_INVALID_SHAPE, "input %d is %s; expected one number for each of %lld "
                "channels", i, TP_SHAPE(&v->shape), (long long)channels);
    return NULL;
}

bool tp_lower_batch_norm(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    int perm[TP_MAX_RANK];
    if (x->shape.rank < 2)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its input must be [n, c] or more");
    bool more = tp_low_int(l, "training_mode", 0) != 0;
    for (int o = 1; o < l->nd->n_outputs; o++) more = more || tp_low_wants(l, o);
    if (more)
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "training mode is not there");
    const int64_t channels = x->shape.dim[1];
    const float *p[4], epsilon = tp_low_float(l, "epsilon", 1e-5f);
    for (int i = 0; i < 4; i++)
        if (!(p[i] = per_channel(l, 1 + i, channels))) return false;
    float *scale = tp_low_room(l, channels, sizeof *scale);
    float *shift = tp_low_room(l, channels, sizeof *shift);
    if (!scale || !shift) return false;
    for (int64_t c = 0; c < channels; c++) {
        const double s = (double)p[0][c] / sqrt((double)p[3][c] + (double)epsilon);
        scale[c] = (float)s;
        shift[c] = (float)((double)p[1][c] - (double)p[2][c] * s);
    }
    tp_low_channels_last(x->shape.rank, perm);
    const struct tp_node nd = { .scale = scale, .shift = shift };
    int node = tp_low_node(l, x, x->shape.rank, perm);
    node = tp_low_add(l, &tp_op_affine, &nd, &node, 1);
    return tp_low_out(l, 0, node, perm, x->type);
}

/* (x - mean) / sqrt(var + epsilon) over `n_axes` axes of node `from`, which are together. */
static int standardize(struct tp_lowering *l, int from, int axis, int n_axes, float epsilon)
{
    const struct tp_node nd = { .attr.axes = { .axis = axis, .n_axes = n_axes,
                                               .epsilon = epsilon } };
    return tp_low_add(l, &tp_op_standardize, &nd, &from, 1);
}

static int scale_shift(struct tp_lowering *l, int from, const float *scale, const float *shift)
{
    const struct tp_node nd = { .scale = scale, .shift = shift };
    return tp_low_add(l, &tp_op_affine, &nd, &from, 1);
}

bool tp_lower_instance_norm(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    int perm[TP_MAX_RANK];
    if (x->shape.rank < 3)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its input must be [n, c] and at least one axis "
                           "more");
    const float *scale = per_channel(l, 1, x->shape.dim[1]);
    const float *shift = scale ? per_channel(l, 2, x->shape.dim[1]) : NULL;
    if (!shift) return false;
    tp_low_channels_last(x->shape.rank, perm);
    int node = tp_low_node(l, x, x->shape.rank, perm);
    node = standardize(l, node, 1, x->shape.rank - 2, tp_low_float(l, "epsilon", 1e-5f));
    return tp_low_out(l, 0, scale_shift(l, node, scale, shift), perm, x->type);
}

/* Groups of channels, each standardized with its pixels; scale and shift per channel (opset 21)
 * or per group (opset 18). */
bool tp_lower_group_norm(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), *scale = tp_low_in(l, 1);
    const int64_t groups = tp_low_int(l, "num_groups", 0);
    int perm[TP_MAX_RANK];
    if (x->shape.rank < 3)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its input must be [n, c] and at least one axis "
                           "more");
    const struct tp_shape s = x->shape;
    const int64_t channels = s.dim[1];
    if (groups < 1 || channels % groups)
        return tp_low_fail(l, TP_INVALID_MODEL, "num_groups is %lld; it must divide the %lld "
                           "channels", (long long)groups, (long long)channels);
    const int64_t n_factors = tp_shape_elements(&scale->shape) == groups ? groups : channels;
    const float *factor[2] = { per_channel(l, 1, n_factors), NULL };
    if (!factor[0] || !(factor[1] = per_channel(l, 2, n_factors))) return false;
    float *wide[2];
    for (int i = 0; i < 2; i++) {
        if (!(wide[i] = tp_low_room(l, channels, sizeof **wide))) return false;
        for (int64_t c = 0; c < channels; c++)
            wide[i][c] = factor[i][n_factors == channels ? c : c / (channels / groups)];
    }
    int node = tp_low_node(l, x, s.rank, NULL);
    node = tp_low_view(l, node, &TP_SHAPE2(s.dim[0] * groups,
                                           tp_shape_elements(&s) / s.dim[0] / groups));
    node = standardize(l, node, 1, 1, tp_low_float(l, "epsilon", 1e-5f));
    struct tp_lowered whole = { .made = true, .type = x->type, .shape = s,
                                .node = tp_low_view(l, node, &s) };
    if (whole.node < 0) return false;
    for (int k = 0; k < s.rank; k++) whole.perm[k] = k;
    tp_low_channels_last(s.rank, perm);
    node = tp_low_node(l, &whole, s.rank, perm);
    return tp_low_out(l, 0, scale_shift(l, node, wide[0], wide[1]), perm, x->type);
}

/* Mean and 1 / sqrt(var + epsilon), which LayerNormalization answers where they are wanted. */
static bool layer_statistics(struct tp_lowering *l, int x, int axis, int n_axes, float epsilon)
{
    const struct tp_node mean = { .attr.axes = { .axis = axis, .n_axes = n_axes,
                                                 .reduction = TP_REDUCTION_MEAN } };
    const struct tp_node sub = { .attr.binary = TP_BINARY_SUB };
    const struct tp_node add = { .attr.binary = TP_BINARY_ADD, .act.kind = TP_ACT_SQRT };
    struct tp_node act = { .act.kind = TP_ACT_SQUARE };
    const int m = tp_low_add(l, &tp_op_reduce, &mean, &x, 1);
    const int both[2] = { x, m };
    int d = tp_low_add(l, &tp_op_binary, &sub, both, 2);
    d = tp_low_add(l, &tp_op_activation, &act, &d, 1);
    d = tp_low_add(l, &tp_op_reduce, &mean, &d, 1);
    const int sum[2] = { d, tp_low_scalar(l, epsilon) };
    d = tp_low_add(l, &tp_op_binary, &add, sum, 2);
    act.act.kind = TP_ACT_RECIPROCAL;
    d = tp_low_add(l, &tp_op_activation, &act, &d, 1);
    return tp_low_out(l, 1, m, NULL, TP_ONNX_FLOAT) && tp_low_out(l, 2, d, NULL, TP_ONNX_FLOAT);
}

bool tp_lower_layer_norm(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), *scale = tp_low_in(l, 1), *shift = tp_low_in(l, 2);
    int axis, perm[TP_MAX_RANK];
    if (!x->shape.rank) return tp_low_fail(l, TP_INVALID_MODEL, "it needs an input with axes");
    const int rank = x->shape.rank;
    if (!tp_low_axis(l, tp_low_int(l, "axis", -1), rank, &axis)) return false;
    const float epsilon = tp_low_float(l, "epsilon", 1e-5f);
    const bool statistics = tp_low_wants(l, 1) || tp_low_wants(l, 2);
    /* The last axis alone, last in memory: as the map lies; else ONNX's own order. */
    const bool as_is = !x->constant && axis == rank - 1 && x->perm[rank - 1] == axis && !statistics;
    for (int k = 0; k < rank; k++) perm[k] = as_is ? x->perm[k] : k;
    const int from = tp_low_node(l, x, rank, perm);
    if (from < 0 || (statistics && !layer_statistics(l, from, axis, rank - axis, epsilon)))
        return false;
    int node = standardize(l, from, axis, rank - axis, epsilon);
    if (axis == rank - 1 && scale->constant && (!shift || shift->constant) &&
        tp_shape_elements(&scale->shape) == x->shape.dim[axis] &&
        x->shape.dim[axis] <= TP_MAX_CHANNELS) {
        const float *s = tp_low_floats(l, scale);
        const float *t = shift ? per_channel(l, 2, x->shape.dim[axis]) : NULL;
        if (!s || (shift && !t)) return false;
        return tp_low_out(l, 0, scale_shift(l, node, s, t), perm, x->type);
    }
    struct tp_node nd = { .attr.binary = TP_BINARY_MUL };
    const int product[2] = { node, tp_low_node(l, scale, rank, NULL) };
    node = tp_low_add(l, &tp_op_binary, &nd, product, 2);
    if (shift) {
        nd.attr.binary = TP_BINARY_ADD;
        const int sum[2] = { node, tp_low_node(l, shift, rank, NULL) };
        node = tp_low_add(l, &tp_op_binary, &nd, sum, 2);
    }
    return tp_low_out(l, 0, node, perm, x->type);
}

bool tp_lower_lrn(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    const int64_t size = tp_low_int(l, "size", 0);
    int perm[TP_MAX_RANK];
    struct tp_node nd = { 0 };
    if (x->shape.rank < 2)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its input must be [n, c] or more");
    if (size < 1 || size > TP_MAX_CHANNELS)
        return tp_low_fail(l, TP_INVALID_MODEL, "size is %lld; it must be at least 1",
                           (long long)size);
    nd.attr.lrn.size = (int)size;
    nd.attr.lrn.alpha = tp_low_float(l, "alpha", 0.0001f);
    nd.attr.lrn.beta = tp_low_float(l, "beta", 0.75f);
    nd.attr.lrn.bias = tp_low_float(l, "bias", 1);
    tp_low_channels_last(x->shape.rank, perm);
    const int from = tp_low_node(l, x, x->shape.rank, perm);
    return tp_low_out(l, 0, tp_low_add(l, &tp_op_lrn, &nd, &from, 1), perm, x->type);
}

bool tp_lower_lp_norm(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    int axis;
    if (!x->shape.rank)
        return tp_low_fail(l, TP_INVALID_MODEL, "it needs an input with axes");
    if (!tp_low_axis(l, tp_low_int(l, "axis", -1), x->shape.rank, &axis)) return false;
    const int *perm = x->constant ? NULL : x->perm;
    const struct tp_node nd = { .attr.axes = {
        .axis = x->constant ? axis : tp_low_place(x, axis), .n_axes = 1,
        .p = (float)tp_low_int(l, "p", 2), .epsilon = 0,
    } };
    int node = tp_low_node(l, x, x->shape.rank, perm);
    node = tp_low_add(l, &tp_op_normalize, &nd, &node, 1);
    return tp_low_out(l, 0, node, perm, x->type);
}
