/* activation.c - an activation that could not be fused into what makes its input. */
#include "ops/op.h"
#include "ops/parallel.h"

struct job { const struct tp_step *st; const struct tp_io *io; };

static void activate_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    j->st->k->activate(j->io->out + begin, j->io->in[0] + begin, end - begin, &j->st->node->act);
}

static void activation_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct job j = { st, io };
    int64_t n = tp_shape_elements(&st->out);
    tp_parallel_for(io->n_threads, n, 8 * n, activate_range, &j);
}

const struct tp_op tp_op_activation = {
    .name = "Activation", .shape = tp_op_shape_same, .run = activation_run, .in_place = true,
};
