/* global_pool.c - one value per map: max, average, min, sum or Lp over height and width.
 *
 * The map is cut into blocks of pixels, fixed by its shape alone, whose results are folded into
 * one: that keeps float sums short (the blocks' sums are added in double) and gives threads work
 * when there are few channels, with the same bits for any number of them. */
#include "ops/op.h"
#include "ops/parallel.h"

#include <math.h>
#include <string.h>

enum {
    UNIT_CHANNELS = 64,              /* what channels are dealt out in */
    BLOCK_FLOATS = 2048,             /* of a block: enough to be worth a call */
    LEAST_BLOCK_PIXELS = 128,        /* more would only lengthen the sums */
};

struct plan {
    int64_t n_pixels, block_pixels, n_blocks;
    int channels, n_units;
    /* Lp only: pixels are taps. A norm of norms is the norm of all, so few channels go `group`
     * pixels at a time as if they were group * channels channels. */
    int group;
    const ptrdiff_t *pixels;         /* [i] = i * channels */
    const ptrdiff_t *groups;         /* [i] = i * group * channels */
};

struct work {
    const struct tp_step *st;
    const struct tp_io *io;
    float *partial;                  /* [n, n_blocks, channels]; the output itself for one block */
};

static bool global_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                         struct tp_err *err)
{
    const struct tp_pool_attr *a = &nd->attr.pool;
    if (a->kind == TP_OP_GEM || a->kind == TP_OP_STD)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: global %s pooling is not done here; there "
                       "are max, avg, min, sum and lp", nd->name,
                       a->kind == TP_OP_GEM ? "gem" : "std");
    if (a->kind == TP_OP_LP && !(a->p >= 1 && isfinite(a->p)))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: p is %g; it must be a number of at least 1",
                       nd->name, (double)a->p);
    if (!tp_op_need_map(nd, in, err)) return false;
    *out = a->keep_dims ? TP_SHAPE4(in->dim[0], 1, 1, in->dim[3])
                        : TP_SHAPE2(in->dim[0], in->dim[3]);
    return true;
}

/* i * step for i < n. */
static const ptrdiff_t *stairs(struct tp_arena *arena, int64_t n, ptrdiff_t step)
{
    ptrdiff_t *taps = tp_arena_zalloc(arena, (size_t)n, sizeof *taps);
    for (int64_t i = 0; taps && i < n; i++) taps[i] = i * step;
    return taps;
}

static int64_t greater(int64_t a, int64_t b) { return a > b ? a : b; }

static bool global_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const int64_t *in = st->in[0].dim;
    struct plan *p = tp_arena_zalloc(arena, 1, sizeof *p);
    if (!p) return tp_arena_fail(arena, err);
    p->n_pixels = in[1] * in[2];
    p->channels = (int)in[3];
    p->n_units = p->channels > UNIT_CHANNELS ? p->channels / UNIT_CHANNELS : 1;
    p->group = p->channels < UNIT_CHANNELS ? UNIT_CHANNELS / p->channels : 1;
    p->block_pixels = greater(LEAST_BLOCK_PIXELS, BLOCK_FLOATS / p->channels);
    if (p->block_pixels > p->n_pixels) p->block_pixels = p->n_pixels;
    p->n_blocks = (p->n_pixels + p->block_pixels - 1) / p->block_pixels;
    if (p->n_blocks > 1)
        st->scratch_bytes = (size_t)(in[0] * p->n_blocks * p->channels) * sizeof(float);
    if (st->node->attr.pool.kind == TP_OP_LP) {
        int64_t n = greater(p->n_blocks, p->group > 1 ? 2 * p->group : p->block_pixels);
        p->pixels = stairs(arena, n, p->channels);
        p->groups = stairs(arena, p->block_pixels / p->group + 1,
                           (ptrdiff_t)p->group * p->channels);
        if (!p->pixels || !p->groups) return tp_arena_fail(arena, err);
    }
    st->state = p;
    return true;
}

/* The Lp norm over n_taps places: out[c] for c < channels. */
static void norm(const struct tp_step *st, float *out, const float *in, const ptrdiff_t *taps,
                 int64_t n_taps, int channels)
{
    const struct tp_span s = {
        .out = out, .in = in, .taps = taps, .n_taps = (int)n_taps, .n_pixels = 1,
        .in_step = channels, .out_step = channels, .channels = channels,
    };
    st->k->pool_lp(&s, st->node->attr.pool.p);
}

/* The norm over n pixels of all channels, which are few: groups of pixels first, then the pixels of
 * the group, then with them those that are left over. */
static void norm_grouped(const struct tp_step *st, float *out, const float *in, int64_t n)
{
    const struct plan *p = st->state;
    const int width = p->group * p->channels;
    const int64_t n_groups = n / p->group, rest = n % p->group;
    float lanes[2 * UNIT_CHANNELS];
    int64_t n_lanes = n_groups ? p->group : 0;
    if (n_groups) norm(st, lanes, in, p->groups, n_groups, width);
    memcpy(lanes + n_lanes * p->channels, in + n_groups * width,
           (size_t)(rest * p->channels) * sizeof *lanes);
    norm(st, out, lanes, p->pixels, n_lanes + rest, p->channels);
}

static enum tp_reduce_kind reduction(enum tp_pool_op kind)
{
    return kind == TP_OP_MAX ? TP_REDUCE_MAX : kind == TP_OP_MIN ? TP_REDUCE_MIN : TP_REDUCE_SUM;
}

/* Channels [begin, end) of block `index` (counted over all images). */
static void fold_block(const struct work *work, int64_t index, int begin, int end)
{
    const struct tp_step *st = work->st;
    const struct plan *p = st->state;
    const enum tp_pool_op kind = st->node->attr.pool.kind;
    const int64_t first = index % p->n_blocks * p->block_pixels;
    const float *in = work->io->in[0] + begin +
                      (index / p->n_blocks * p->n_pixels + first) * p->channels;
    float *out = work->partial + index * p->channels + begin;
    int64_t n = p->n_pixels - first < p->block_pixels ? p->n_pixels - first : p->block_pixels;
    if (kind == TP_OP_LP) {
        if (p->group > 1) norm_grouped(st, out, in, n);
        else norm(st, out, in, p->pixels, n, end - begin);
        return;
    }
    memcpy(out, in, (size_t)(end - begin) * sizeof *out);
    st->k->reduce[reduction(kind)](out, in + p->channels, p->channels, n - 1, end - begin);
}

/* Items are stretches of channels of blocks; neighbours in one block are done together. */
static void blocks_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const struct plan *p = work->st->state;
    const int n = p->n_units;
    while (begin < end) {
        int from = (int)(begin % n);
        int to = end - begin < n - from ? from + (int)(end - begin) : n;
        fold_block(work, begin / n, from * UNIT_CHANNELS,
                   to == n ? p->channels : to * UNIT_CHANNELS);
        begin += to - from;
    }
}

/* Sums of [n, channels] over n in double, divided by `divisor`; out may be the first row. */
static void add_blocks(float *out, const float *partial, int64_t n, int channels, double divisor)
{
    for (int begin = 0; begin < channels; begin += UNIT_CHANNELS) {
        const int n_here = channels - begin < UNIT_CHANNELS ? channels - begin : UNIT_CHANNELS;
        double sum[UNIT_CHANNELS] = { 0 };
        for (int64_t i = 0; i < n; i++)
            for (int c = 0; c < n_here; c++) sum[c] += (double)partial[i * channels + begin + c];
        for (int c = 0; c < n_here; c++) out[begin + c] = (float)(sum[c] / divisor);
    }
}

/* The blocks of images [begin, end) into one value per map. */
static void images_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const struct tp_step *st = work->st;
    const struct plan *p = st->state;
    const enum tp_pool_op kind = st->node->attr.pool.kind;
    for (int64_t i = begin; i < end; i++) {
        const float *partial = work->partial + i * p->n_blocks * p->channels;
        float *out = work->io->out + i * p->channels;
        if (kind == TP_OP_SUM || kind == TP_OP_AVG) {
            add_blocks(out, partial, p->n_blocks, p->channels,
                       kind == TP_OP_AVG ? (double)p->n_pixels : 1);
        } else if (kind == TP_OP_LP) {
            norm(st, out, partial, p->pixels, p->n_blocks, p->channels);
        } else {
            memcpy(out, partial, (size_t)p->channels * sizeof *out);
            st->k->reduce[reduction(kind)](out, partial + p->channels, p->channels, p->n_blocks - 1,
                                           p->channels);
        }
    }
}

static void global_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct plan *p = st->state;
    const bool single = p->n_blocks == 1;
    const struct work work = { st, io, single ? io->out : io->scratch };
    const int64_t n_images = st->in[0].dim[0];
    tp_parallel_for(io->n_threads, n_images * p->n_blocks * p->n_units,
                    4 * tp_shape_elements(&st->in[0]), blocks_range, &work);
    if (!single || st->node->attr.pool.kind == TP_OP_AVG)
        tp_parallel_for(io->n_threads, n_images, 4 * n_images * p->n_blocks * p->channels,
                        images_range, &work);
}

const struct tp_op tp_op_global_pool = {
    .name = "GlobalPool", .shape = global_shape, .plan = global_plan, .run = global_run,
};
