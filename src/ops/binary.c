/* binary.c - Subtract, Multiply, Maximum, PReLU, and ONNX's Add: two operands that broadcast. */
#include "ops/broadcast.h"

static void binary_piece(const struct tp_piece *p)
{
    int a_step, b_step;
    const float *a = tp_piece_input(p, 0, &a_step), *b = tp_piece_input(p, 1, &b_step);
    p->st->k->binary[p->st->node->attr.binary](p->out, a, a_step, b, b_step, p->n);
}

static void binary_run(const struct tp_step *st, const struct tp_io *io)
{
    tp_broadcast_run(st, io, binary_piece);
}

const struct tp_op tp_op_binary = {
    .name = "Binary", .shape = tp_broadcast_shape, .plan = tp_broadcast_plan, .run = binary_run,
    .fuses_act = true, .in_place = true,
};
