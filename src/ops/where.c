/* where.c - Where: each element from one of two operands, as a third one says. All broadcast. */
#include "ops/broadcast.h"

static void where_piece(const struct tp_piece *p)
{
    int if_step, a_step, b_step;
    const float *condition = tp_piece_input(p, 0, &if_step);
    const float *a = tp_piece_input(p, 1, &a_step), *b = tp_piece_input(p, 2, &b_step);
    for (int64_t i = 0; i < p->n; i++)
        p->out[i] = condition[i * if_step] != 0 ? a[i * a_step] : b[i * b_step];
}

static void where_run(const struct tp_step *st, const struct tp_io *io)
{
    tp_broadcast_run(st, io, where_piece);
}

const struct tp_op tp_op_where = {
    .name = "Where", .shape = tp_broadcast_shape, .plan = tp_broadcast_plan, .run = where_run,
    .fuses_act = true, .in_place = true,
};
