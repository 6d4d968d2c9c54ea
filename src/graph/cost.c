/* cost.c - what a step costs. */
#include "graph/cost.h"

int64_t tp_cost_plus(int64_t a, int64_t b)
{
    int64_t n;
    return __builtin_add_overflow(a, b, &n) ? INT64_MAX : n;
}

int64_t tp_cost_times(int64_t a, int64_t b)
{
    int64_t n;
    return __builtin_mul_overflow(a, b, &n) ? INT64_MAX : n;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t tp_cost_macs(const struct tp_step *st)
{
    const struct tp_op *op = st->node->op;
    if (!op->macs) return 0;
    return tp_cost_times(op->macs(st->node, st->in, &st->out), st->out.rank ? st->out.dim[0] : 1);
}

int64_t tp_cost_weights(const struct tp_step *st)
{
    const struct tp_node *nd = st->node;
    const struct tp_conv_attr *c = &nd->attr.conv;
    if (nd->op == &tp_op_gemm) return (int64_t)nd->attr.gemm.in_features * nd->attr.gemm.units;
    if (nd->op != &tp_op_conv) return 0;
    return tp_shape_elements(&TP_SHAPE4(c->filters, c->in_channels / c->groups,
                                        c->window.kernel[0], c->window.kernel[1]));
}

/* Taps of a window that lie in the map; those beside it are not read. */
static int64_t window_taps(const struct tp_step *st)
{
    const int *kernel = st->node->attr.pool.window.kernel;
    return tp_cost_times(least(kernel[0], st->in->dim[1]), least(kernel[1], st->in->dim[2]));
}

/* Four neighbours of every sample; without a fixed number of samples a bin has about as many as it
 * covers pixels, and a quantized one reads just those. */
static int64_t roi_taps(const struct tp_step *st)
{
    const struct tp_roi_attr *a = &st->node->attr.roi;
    if (a->sampling_ratio > 0 && !a->quantized)
        return tp_cost_times(4, tp_cost_times(a->sampling_ratio, a->sampling_ratio));
    return tp_cost_times(4, tp_cost_times(st->in->dim[1], st->in->dim[2]));
}

/* What one element of the output reads, for operators of which that is more than their inputs'
 * elements tell; 0 for the others. */
static int64_t taps(const struct tp_step *st)
{
    const struct tp_node *nd = st->node;
    const bool slides = nd->op == &tp_op_pool ||
                        ((nd->op == &tp_op_bin_pool || nd->op == &tp_op_pool_index) &&
                         !nd->attr.pool.bins[0]);
    if (slides) return window_taps(st);
    if (nd->op == &tp_op_roi) return roi_taps(st);
    if (nd->op == &tp_op_interpolate) return nd->attr.interpolate.n_taps;
    if (nd->op == &tp_op_lrn) return least(nd->attr.lrn.size, st->out.dim[st->out.rank - 1]);
    return 0;
}

int64_t tp_cost_operations(const struct tp_step *st)
{
    int64_t elements = tp_shape_elements(&st->out), per_element = taps(st);
    if (st->node->op->macs) return tp_cost_plus(tp_cost_macs(st), elements);
    if (per_element) return tp_cost_times(elements, per_element);
    for (int i = 0; i < st->node->n_inputs; i++)
        elements = tp_cost_plus(elements, tp_shape_elements(&st->in[i]));
    return elements;
}
