/* combine.c - Keras's Add and Average of two or more maps. */
#include "ops/broadcast.h"

static bool combine_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                          struct tp_err *err)
{
    if (nd->n_inputs < 2)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: %s has %d input; it needs at least 2", nd->name,
                       nd->type, nd->n_inputs);
    return tp_broadcast_shape(nd, in, out, err);
}

/* The sum grows beside the output, which may be the memory of any input and so is written last. */
static void combine_piece(const struct tp_piece *p)
{
    const struct tp_kernels *k = p->st->k;
    float sum[TP_PIECE_FLOATS];
    int n_inputs = p->st->node->n_inputs, a_step, b_step;
    const float *a = tp_piece_input(p, 0, &a_step);
    for (int i = 1; i < n_inputs; i++) {
        const float *b = tp_piece_input(p, i, &b_step);
        float *to = i + 1 < n_inputs ? sum : p->out;
        k->binary[TP_BINARY_ADD](to, a, a_step, b, b_step, p->n);
        a = sum;
        a_step = 1;
    }
    if (!p->st->node->attr.combine.mean) return;
    const float share = 1.0f / (float)n_inputs;
    k->binary[TP_BINARY_MUL](p->out, p->out, 1, &share, 0, p->n);
}

static void combine_run(const struct tp_step *st, const struct tp_io *io)
{
    tp_broadcast_run(st, io, combine_piece);
}

const struct tp_op tp_op_combine = {
    .name = "Sum", .shape = combine_shape, .plan = tp_broadcast_plan, .run = combine_run,
    .fuses_act = true, .in_place = true,
};
