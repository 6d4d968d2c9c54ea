/* affine.c - scale and shift of every channel: BatchNormalization or Rescaling that could not be
 * folded into a convolution. */
#include "ops/op.h"
#include "ops/parallel.h"

enum { CHUNK_FLOATS = 4096 };        /* written and then activated while in the first cache */

struct factors { const float *scale, *shift; };          /* [channels] each */

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    int64_t channels;
};

static bool affine_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                         struct tp_err *err)
{
    int64_t channels = in->rank ? in->dim[in->rank - 1] : 0;
    if (channels < 1 || channels > TP_MAX_CHANNELS)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: %s scales every channel, the last axis of its "
                       "input %s; that must be known and at most %d", nd->name, nd->type,
                       TP_SHAPE(in), (int)TP_MAX_CHANNELS);
    *out = *in;
    return true;
}

static bool affine_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    int64_t channels = st->out.dim[st->out.rank - 1];
    struct factors *f = tp_arena_alloc(arena, sizeof *f);
    if (!f) return tp_arena_fail(arena, err);
    f->scale = tp_op_factors(st->node->scale, 1, channels, arena);
    f->shift = tp_op_factors(st->node->shift, 0, channels, arena);
    if (!f->scale || !f->shift) return tp_arena_fail(arena, err);
    st->state = f;
    return true;
}

static void affine_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct factors *f = j->st->state;
    const struct tp_act *act = &j->st->node->act;
    int64_t chunk = CHUNK_FLOATS / j->channels + 1;
    for (int64_t i = begin; i < end; i += chunk) {
        int64_t n = end - i < chunk ? end - i : chunk;
        float *out = j->io->out + i * j->channels;
        j->st->k->affine(out, j->io->in[0] + i * j->channels, f->scale, f->shift, n,
                         (int)j->channels);
        if (act->kind != TP_ACT_LINEAR) j->st->k->activate(out, out, n * j->channels, act);
    }
}

static void affine_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct job j = { st, io, st->out.dim[st->out.rank - 1] };
    int64_t n = tp_shape_elements(&st->out);
    tp_parallel_for(io->n_threads, n / j.channels, 8 * n, affine_range, &j);
}

const struct tp_op tp_op_affine = {
    .name = "BatchNormalization", .shape = affine_shape, .plan = affine_plan, .run = affine_run,
    .fuses_affine = true, .fuses_act = true, .in_place = true,
};
