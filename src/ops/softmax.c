/* softmax.c - e^x over its sum along one axis, or the logarithm of that. */
#include "ops/op.h"
#include "ops/parallel.h"

enum { COLUMNS = 64 };               /* neighbouring columns that one task takes */

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    int64_t length, inner;           /* of the axis; of all axes behind it together */
    int64_t blocks;                  /* tasks per run of `inner` columns */
    void (*kernel)(float *out, const float *in, int64_t n, ptrdiff_t step, int64_t inner);
};

static bool softmax_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                          struct tp_err *err)
{
    int axis = nd->attr.axis.axis;
    if (axis < 0 || axis >= in->rank)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: no axis %d in its input %s; it must be from 0 "
                       "to %d", nd->name, axis, TP_SHAPE(in), in->rank - 1);
    *out = *in;
    return true;
}

static void softmax_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t column = i % j->blocks * COLUMNS;
        int64_t at = i / j->blocks * j->length * j->inner + column;
        int64_t n = j->inner - column < COLUMNS ? j->inner - column : COLUMNS;
        j->kernel(j->io->out + at, j->io->in[0] + at, j->length, (ptrdiff_t)j->inner, n);
    }
}

static void softmax_run(const struct tp_step *st, const struct tp_io *io)
{
    int axis = st->node->attr.axis.axis;
    struct job j = { .st = st, .io = io, .length = st->out.dim[axis] };
    j.inner = tp_shape_span(&st->out, axis + 1, st->out.rank);
    j.kernel = st->node->attr.axis.log ? st->k->log_softmax : st->k->softmax;
    j.blocks = (j.inner + COLUMNS - 1) / COLUMNS;
    int64_t n = tp_shape_elements(&st->out);
    tp_parallel_for(io->n_threads, tp_shape_span(&st->out, 0, axis) * j.blocks, 16 * n,
                    softmax_range, &j);
}

const struct tp_op tp_op_softmax = {
    .name = "Softmax", .shape = softmax_shape, .run = softmax_run, .in_place = true,
};
