/* depthwise.c - convolution with one filter per channel, or a few channels to a group.
 *
 * Nothing is copied. Windows 3 and 5 wide slide along rows, over blocks of channels that the
 * first-level cache holds from one row to the next; for all others a row is cut into stretches of
 * pixels whose windows lie equally in the map, and taps that would fall on padding are left out.
 * Rows are shared out over threads. */
#include "ops/depthwise.h"
#include "base/cpu.h"
#include "ops/parallel.h"
#include "ops/window.h"

#include <math.h>

enum {
    LEAST_CHANNELS = 16,             /* the longest vector */
    LEAST_BLOCK = 32,                /* of channels: two lines of the cache */
};

/* Where the taps of a window n columns wide lie, counted from its first one. */
struct taps {
    const ptrdiff_t *offset;         /* [kh][n], floats in the map */
    const int *index;                /* [kh][n], places in the kernel */
};

/* Output pixels [begin, end) of a row, which all see columns [first, first + n) of the window. */
struct stretch {
    int begin, end;
    int first, n;
};

struct depthwise_plan {
    struct tp_window_fit fit;
    bool slides;                     /* a window that slides; else the stretches below */
    int block, n_blocks;             /* channels taken at a time; the last block has some more */
    int64_t some_rows;               /* of the output that are finished together */
    int n_stretches;
    struct stretch *stretches;
    struct taps *taps;               /* [kw + 1], by n; only those that occur are filled */
};

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    float lo, hi;
    bool activate;                   /* the activation is left to be done on the finished row */
};

bool tp_depthwise_is(const struct tp_conv_attr *a)
{
    if (a->groups < 2 || a->in_channels != a->filters) return false;
    const int group = a->in_channels / a->groups;
    return group == 1 ||
           (a->in_channels >= LEAST_CHANNELS && (group == 2 || group == 4 || group == 8));
}

static bool make_taps(struct taps *t, int n, const struct tp_window *w, const struct tp_shape *in,
                      struct tp_arena *arena, struct tp_err *err)
{
    const size_t size = (size_t)w->kernel[0] * (size_t)n;
    ptrdiff_t *offset = tp_arena_zalloc(arena, size, sizeof *offset);
    int *index = tp_arena_zalloc(arena, size, sizeof *index);
    if (!offset || !index) return tp_arena_fail(arena, err);
    const ptrdiff_t down = in->dim[2] * in->dim[3] * w->dilations[0];
    const ptrdiff_t right = in->dim[3] * w->dilations[1];
    for (int ky = 0, i = 0; ky < w->kernel[0]; ky++) {
        for (int kx = 0; kx < n; kx++, i++) {
            offset[i] = ky * down + kx * right;
            index[i] = ky * w->kernel[1] + kx;
        }
    }
    *t = (struct taps){ offset, index };
    return true;
}

/* Windows of which some row always lies in the map, and channels for a vector. */
static bool can_slide(const struct tp_window *w, const struct tp_window_fit *fit, int64_t channels)
{
    const int kernel = w->kernel[1];
    return (kernel == 3 || kernel == 5) && w->strides[1] <= 2 && w->dilations[1] == 1 &&
           channels >= LEAST_CHANNELS && w->dilations[0] == 1 && fit->before[0] < w->kernel[0] &&
           fit->after[0] < w->kernel[0];
}

/* The rows that a window slides along stay in the first-level cache from one output row to the
 * next: they take half of it. */
static void choose_block(struct depthwise_plan *plan, const struct tp_window *w,
                         const struct tp_shape *in)
{
    const int64_t floats = (int64_t)(tp_cpu_cache_bytes(1) / 2 / sizeof(float));
    const int64_t fit = floats / (w->kernel[0] * in->dim[2]) / LEAST_BLOCK * LEAST_BLOCK;
    plan->block = (int)(fit > LEAST_BLOCK ? fit : LEAST_BLOCK);
    plan->n_blocks = (int)(in->dim[3] / plan->block);
    if (!plan->n_blocks) plan->n_blocks = 1;
    const int64_t row = (in->dim[2] * w->strides[0] + plan->fit.out[1]) * in->dim[3];
    plan->some_rows = 1 + (int64_t)(tp_cpu_cache_bytes(2) / 4 / sizeof(float)) / row;
}

bool tp_depthwise_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_window *w = &st->node->attr.conv.window;
    const struct tp_shape *in = &st->in[0];
    struct depthwise_plan *plan = tp_arena_zalloc(arena, 1, sizeof *plan);
    if (!plan) return tp_arena_fail(arena, err);
    st->state = plan;
    plan->fit = tp_window_fit(st->node, w, in->dim[1], in->dim[2]);
    plan->slides = st->node->attr.conv.groups == in->dim[3] &&
                   can_slide(w, &plan->fit, in->dim[3]);
    if (plan->slides) {
        choose_block(plan, w, in);
        return true;
    }
    plan->stretches = tp_arena_zalloc(arena, (size_t)plan->fit.out[1], sizeof *plan->stretches);
    plan->taps = tp_arena_zalloc(arena, (size_t)w->kernel[1] + 1, sizeof *plan->taps);
    if (!plan->stretches || !plan->taps) return tp_arena_fail(arena, err);
    struct stretch *s = NULL;
    for (int x = 0; x < plan->fit.out[1]; x++) {
        int first, end;
        tp_window_taps(x, w->strides[1], plan->fit.before[1], w->kernel[1], w->dilations[1],
                       (int)in->dim[2], &first, &end);
        const int n = end - first;
        if (!plan->taps[n].offset && !make_taps(&plan->taps[n], n, w, in, arena, err)) return false;
        if (!s || s->first != first || s->n != n) {
            s = &plan->stretches[plan->n_stretches++];
            *s = (struct stretch){ .begin = x, .first = first, .n = n };
        }
        s->end = x + 1;
    }
    return true;
}

static void run_stretch(const struct job *j, const struct stretch *s, int64_t image, int y,
                        float *row)
{
    const struct tp_step *st = j->st;
    const struct tp_node *nd = st->node;
    const struct tp_window *w = &nd->attr.conv.window;
    const struct depthwise_plan *plan = st->state;
    const int64_t height = st->in->dim[1], width = st->in->dim[2], channels = st->in->dim[3];
    int first, end;
    tp_window_taps(y, w->strides[0], plan->fit.before[0], w->kernel[0], w->dilations[0],
                   (int)height, &first, &end);
    const int n_taps = (end - first) * s->n;
    const float *in = j->io->in[0];
    if (n_taps) {
        const int64_t top = (int64_t)y * w->strides[0] - plan->fit.before[0] +
                            (int64_t)first * w->dilations[0];
        const int64_t left = (int64_t)s->begin * w->strides[1] - plan->fit.before[1] +
                             (int64_t)s->first * w->dilations[1];
        in += ((image * height + top) * width + left) * channels;
    }
    const struct tp_span span = {
        .out = row + s->begin * channels, .out_step = channels,
        .in = in, .in_step = w->strides[1] * channels,
        .taps = plan->taps[s->n].offset, .n_taps = n_taps,
        .n_pixels = s->end - s->begin, .channels = (int)channels,
    };
    const float *weights = nd->attr.conv.packed.data;
    const int *index = plan->taps[s->n].index;
    const int group = nd->attr.conv.in_channels / nd->attr.conv.groups;
    if (n_taps) weights += ((ptrdiff_t)first * w->kernel[1] + s->first) * group * channels;
    if (group == 1)
        st->k->depthwise(&span, weights, index, nd->scale, nd->shift, j->lo, j->hi);
    else
        st->k->grouped(&span, group, weights, index, nd->scale, nd->shift, j->lo, j->hi);
}

/* What comes behind the sums of n floats of a row. */
static void finish(const struct job *j, float *out, int64_t at, int64_t n)
{
    const struct tp_node *nd = j->st->node;
    if (nd->residual)
        j->st->k->binary[TP_BINARY_ADD](out, out, 1, j->io->in[nd->n_inputs - 1] + at, 1, n);
    if (j->activate) j->st->k->activate(out, out, n, &nd->act);
}

static void slide_row(const struct job *j, int64_t image, int y, int begin, int end)
{
    const struct tp_step *st = j->st;
    const struct tp_node *nd = st->node;
    const struct tp_window *w = &nd->attr.conv.window;
    const struct depthwise_plan *plan = st->state;
    const int height = (int)st->in->dim[1], width = (int)st->in->dim[2];
    const ptrdiff_t channels = st->in->dim[3];
    const int64_t at = (image * plan->fit.out[0] + y) * plan->fit.out[1] * channels;
    int first, stop;
    tp_window_taps(y, w->strides[0], plan->fit.before[0], w->kernel[0], 1, height, &first, &stop);
    const int64_t top = (int64_t)y * w->strides[0] - plan->fit.before[0] + first;
    const struct tp_depthwise_row r = {
        .out = j->io->out + at, .n_pixels = plan->fit.out[1], .channels = (int)channels,
        .begin = begin, .end = end,
        .in = j->io->in[0] + (image * height + top) * width * channels,
        .row = width * channels, .n_rows = stop - first, .width = width,
        .left = plan->fit.before[1], .stride = w->strides[1],
        .weights = nd->attr.conv.packed.data + (ptrdiff_t)first * w->kernel[1] * channels,
        .scale = nd->scale, .shift = nd->shift, .lo = j->lo, .hi = j->hi,
    };
    (w->kernel[1] == 3 ? st->k->depthwise_3 : st->k->depthwise_5)(&r);
}

/* Where the channels of a block end. */
static int block_end(const struct job *j, int64_t block)
{
    const struct depthwise_plan *plan = j->st->state;
    return block + 1 < plan->n_blocks ? (int)(block + 1) * plan->block : (int)j->st->in->dim[3];
}

static void slide_block(const struct job *j, int block, int64_t begin, int64_t end)
{
    const struct depthwise_plan *plan = j->st->state;
    const int height = plan->fit.out[0];
    for (int64_t i = begin; i < end; i++)
        slide_row(j, i / height, (int)(i % height), block * plan->block, block_end(j, block));
}

/* Rows [begin, end) of all images. What comes behind the sums is done on some whole rows that are
 * in the second-level cache still: by pixel and block, 56x56x144 with EfficientNet's swish took
 * 0.19 ms, so 0.15. */
static void slide_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct depthwise_plan *plan = j->st->state;
    const int64_t row = j->st->out.dim[2] * j->st->out.dim[3];
    const int64_t most = j->activate || j->st->node->residual ? plan->some_rows : end - begin;
    for (int64_t i = begin, stop; i < end; i = stop) {
        stop = end - i < most ? end : i + most;
        for (int block = 0; block < plan->n_blocks; block++) slide_block(j, block, i, stop);
        finish(j, j->io->out + i * row, i * row, (stop - i) * row);
    }
}

/* Blocks [begin, end), for more threads than there are rows. */
static void slide_blocks(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct depthwise_plan *plan = j->st->state;
    const int64_t rows = j->st->out.dim[0] * j->st->out.dim[1], channels = j->st->out.dim[3];
    for (int64_t block = begin; block < end; block++) {
        const int64_t first = block * plan->block, n = block_end(j, block) - first;
        slide_block(j, (int)block, 0, rows);
        for (int64_t pixel = 0; pixel < rows * j->st->out.dim[2]; pixel++)
            finish(j, j->io->out + pixel * channels + first, pixel * channels + first, n);
    }
}

static void run_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct tp_step *st = j->st;
    const struct depthwise_plan *plan = st->state;
    const int64_t height = st->out.dim[1], row_floats = st->out.dim[2] * st->out.dim[3];
    for (int64_t i = begin; i < end; i++) {
        float *row = j->io->out + i * row_floats;
        for (int s = 0; s < plan->n_stretches; s++)
            run_stretch(j, &plan->stretches[s], i / height, (int)(i % height), row);
        finish(j, row, i * row_floats, row_floats);
    }
}

void tp_depthwise_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct tp_node *nd = st->node;
    const struct tp_window *w = &nd->attr.conv.window;
    struct job j = { .st = st, .io = io };
    j.activate = !tp_op_clamp(&nd->act, &j.lo, &j.hi);
    if (nd->residual) {                          /* it comes before the activation */
        j.activate = nd->act.kind != TP_ACT_LINEAR;
        j.lo = -INFINITY;
        j.hi = INFINITY;
    }
    const int64_t rows = st->out.dim[0] * st->out.dim[1];
    const int64_t work = tp_shape_span(&st->out, 0, 4) * w->kernel[0] * w->kernel[1] *
                         (nd->attr.conv.in_channels / nd->attr.conv.groups);
    const struct depthwise_plan *plan = st->state;
    const bool by_block = plan->slides && rows < io->n_threads && rows < plan->n_blocks;
    tp_parallel_for(io->n_threads, by_block ? plan->n_blocks : rows, work,
                    by_block ? slide_blocks : plan->slides ? slide_rows : run_rows, &j);
}
