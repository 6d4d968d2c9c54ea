/* pool.c - sliding pooling over channels-last maps: max, average, min, sum, Lp.
 *
 * Padding never wins a max or min and adds nothing to a sum. An average is of the real pixels
 * (Keras, ONNX count_include_pad=0), or with count_include_pad of the whole window, less what
 * ceil_mode lets it reach beyond the padding (PyTorch AvgPool2d). */
#include "ops/parallel.h"
#include "ops/window.h"

#include <inttypes.h>
#include <math.h>

enum {
    UNIT_CHANNELS = 64,              /* what channels are dealt out in, when there are few rows */
    ROWS_PER_THREAD = 4,
};

/* Output columns that see the same columns of the window: one span per output row. */
struct run {
    int begin, end;                  /* output columns */
    int kx, n_columns;               /* columns of the window that lie inside the map */
    int divisor;                     /* columns that an average counts */
    const ptrdiff_t *taps;           /* [rows, n_columns] from the first that is inside; a window
                                        with fewer rows inside uses the beginning */
};

struct plan {
    struct tp_window_fit fit;
    int height, width, channels;     /* of the input */
    int64_t n_rows;                  /* of all images' outputs */
    int n_runs;
    struct run *runs;
};

static const char *const axis_name[2] = { "height", "width" };

/* ---- shape ----------------------------------------------------------------------------------- */

/* A dilation wider than the map may leave a window with every tap beside the map; only windows that
 * start in front of it can. A tap hits at one of `length` places, and places recur with a period:
 * when the first length + 1 windows hit, one has come twice and all later ones hit too. */
static bool check_hits(const struct tp_node *nd, int axis, int64_t length, int64_t n_out,
                       int64_t before, struct tp_err *err)
{
    const struct tp_window *w = &nd->attr.pool.window;
    int64_t dilation = w->dilations[axis], stride = w->strides[axis];
    if (length == TP_ANY || w->kernel[axis] == 1 || dilation <= length) return true;
    for (int64_t o = 0; o < n_out && o <= length && o * stride < before; o++) {
        int64_t first = (before - o * stride + dilation - 1) / dilation * dilation;
        if (o * stride - before + first >= length)
            return tp_fail(err, TP_INVALID_SHAPE, "%s: with dilation %d a window lies on padding "
                           "alone, since the input's %s is %" PRId64 "; use at most that",
                           nd->name, w->dilations[axis], axis_name[axis], length);
    }
    return true;
}

static bool pool_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                       struct tp_err *err)
{
    const struct tp_pool_attr *a = &nd->attr.pool;
    if (a->kind == TP_OP_GEM || a->kind == TP_OP_STD)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: sliding %s pooling is not done here; there "
                       "are max, avg, min, sum and lp", nd->name,
                       a->kind == TP_OP_GEM ? "gem" : "std");
    if (a->kind == TP_OP_LP && !(a->p >= 1 && isfinite(a->p)))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: p is %g; it must be a number of at least 1",
                       nd->name, (double)a->p);
    if (!tp_window_check(nd, &a->window, in, err) ||
        !tp_window_shape(nd, &a->window, in, in->dim[3], out, err))
        return false;
    for (int axis = 0; axis < 2; axis++) {
        int64_t n_out, before;
        if (!tp_window_length(nd, &a->window, axis, in->dim[axis + 1], &n_out, &before, err) ||
            !check_hits(nd, axis, in->dim[axis + 1], n_out, before, err))
            return false;
    }
    return true;
}

/* ---- plan ------------------------------------------------------------------------------------ */

/* The window's taps [*first, *end) that lie inside the map at output position o, and how many of
 * the whole window an average counts. */
static void taps_at(const struct tp_pool_attr *a, const struct tp_window_fit *fit, int axis,
                    int length, int o, int *first, int *end, int *divisor)
{
    const struct tp_window *w = &a->window;
    int kernel = w->kernel[axis], stride = w->strides[axis], before = fit->before[axis];
    int dilation = kernel > 1 ? w->dilations[axis] : 1;
    tp_window_taps(o, stride, before, kernel, dilation, length, first, end);
    *divisor = *end - *first;
    if (!a->count_include_pad) return;
    int after = w->padding == TP_PADDING_EXPLICIT ? w->pads[axis + 2]
              : w->padding == TP_PADDING_SAME     ? fit->after[axis] : 0;
    int from, to;
    tp_window_taps(o, stride, 0, kernel, dilation, before + length + after, &from, &to);
    *divisor = to - from;
}

/* The longest run of alike columns that begins at output column `begin`. */
static struct run run_at(const struct tp_pool_attr *a, const struct plan *p, int begin)
{
    struct run r = { .begin = begin, .end = begin };
    int first, end, divisor;
    taps_at(a, &p->fit, 1, p->width, begin, &r.kx, &end, &r.divisor);
    r.n_columns = end - r.kx;
    do {
        r.end++;
        if (r.end == p->fit.out[1]) break;
        taps_at(a, &p->fit, 1, p->width, r.end, &first, &end, &divisor);
    } while (first == r.kx && end - first == r.n_columns && divisor == r.divisor);
    return r;
}

/* Offsets of `rows` rows of n_columns taps. Runs of the same width share them. */
static const ptrdiff_t *taps_of(const struct tp_window *w, const struct plan *p, int index,
                                struct tp_arena *arena)
{
    int n_columns = p->runs[index].n_columns;
    for (int i = 0; i < index; i++)
        if (p->runs[i].n_columns == n_columns) return p->runs[i].taps;
    int rows = w->kernel[0] < p->height ? w->kernel[0] : p->height;
    ptrdiff_t *taps = tp_arena_zalloc(arena, (size_t)rows * (size_t)n_columns, sizeof *taps);
    if (!taps) return NULL;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < n_columns; x++)
            taps[(ptrdiff_t)y * n_columns + x] =
                ((ptrdiff_t)y * w->dilations[0] * p->width + (ptrdiff_t)x * w->dilations[1]) *
                p->channels;
    return taps;
}

static bool pool_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_pool_attr *a = &st->node->attr.pool;
    const int64_t *in = st->in[0].dim;
    struct plan *p = tp_arena_zalloc(arena, 1, sizeof *p);
    if (!p) return tp_arena_fail(arena, err);
    p->fit = tp_window_fit(st->node, &a->window, in[1], in[2]);
    p->height = (int)in[1];
    p->width = (int)in[2];
    p->channels = (int)in[3];
    p->n_rows = in[0] * p->fit.out[0];
    for (int x = 0; x < p->fit.out[1]; p->n_runs++) x = run_at(a, p, x).end;
    p->runs = tp_arena_zalloc(arena, (size_t)p->n_runs, sizeof *p->runs);
    if (!p->runs) return tp_arena_fail(arena, err);
    for (int i = 0, x = 0; i < p->n_runs; x = p->runs[i++].end) {
        p->runs[i] = run_at(a, p, x);
        p->runs[i].taps = taps_of(&a->window, p, i, arena);
        if (!p->runs[i].taps) return tp_arena_fail(arena, err);
    }
    st->state = p;
    return true;
}

/* ---- run ------------------------------------------------------------------------------------- */

struct work {
    const struct tp_step *st;
    const struct tp_io *io;
    int n_units;                     /* stretches of channels in a row */
};

static void pool_span(const struct tp_step *st, const struct tp_span *s, int64_t divisor)
{
    const struct tp_pool_attr *a = &st->node->attr.pool;
    switch (a->kind) {
    case TP_OP_MAX: st->k->pool_max(s); break;
    case TP_OP_MIN: st->k->pool_min(s); break;
    case TP_OP_SUM: st->k->pool_sum(s, 1); break;
    case TP_OP_AVG: st->k->pool_sum(s, 1 / (float)divisor); break;
    case TP_OP_LP: st->k->pool_lp(s, a->p); break;
    case TP_OP_GEM:
    case TP_OP_STD: break;           /* refused by shape() */
    }
}

/* The activation over [pixels, n of channels], in one go when all channels are there. */
static void activate(const struct tp_step *st, float *row, int n_pixels, int channels, int n)
{
    const struct tp_act *act = &st->node->act;
    if (act->kind == TP_ACT_LINEAR) return;
    if (n == channels) st->k->activate(row, row, (int64_t)n_pixels * n, act);
    else
        for (int x = 0; x < n_pixels; x++, row += channels) st->k->activate(row, row, n, act);
}

/* One output row, channels [begin, end). */
static void pool_row(const struct tp_step *st, const struct tp_io *io, int64_t row, int begin,
                     int end)
{
    const struct plan *p = st->state;
    const struct tp_window *w = &st->node->attr.pool.window;
    const int64_t image = row / p->fit.out[0];
    const int oy = (int)(row % p->fit.out[0]);
    int ky, ky_end, divisor;
    taps_at(&st->node->attr.pool, &p->fit, 0, p->height, oy, &ky, &ky_end, &divisor);
    int64_t y = (int64_t)oy * w->strides[0] - p->fit.before[0] + (int64_t)ky * w->dilations[0];
    const float *in = io->in[0] + (image * p->height + y) * p->width * p->channels + begin;
    float *out = io->out + row * p->fit.out[1] * p->channels + begin;
    for (int i = 0; i < p->n_runs; i++) {
        const struct run *r = &p->runs[i];
        int64_t x = (int64_t)r->begin * w->strides[1] - p->fit.before[1] +
                    (int64_t)r->kx * w->dilations[1];
        struct tp_span s = {
            .out = out + (int64_t)r->begin * p->channels, .out_step = p->channels,
            .in = in + x * p->channels, .in_step = (ptrdiff_t)w->strides[1] * p->channels,
            .taps = r->taps, .n_taps = (ky_end - ky) * r->n_columns,
            .n_pixels = r->end - r->begin, .channels = end - begin,
        };
        pool_span(st, &s, (int64_t)divisor * r->divisor);
    }
    activate(st, out, p->fit.out[1], p->channels, end - begin);
}

/* Items are stretches of channels of rows; neighbours in one row are done together. */
static void pool_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const int n = work->n_units, channels = ((const struct plan *)work->st->state)->channels;
    while (begin < end) {
        int from = (int)(begin % n);
        int to = end - begin < n - from ? from + (int)(end - begin) : n;
        pool_row(work->st, work->io, begin / n, from * UNIT_CHANNELS,
                 to == n ? channels : to * UNIT_CHANNELS);
        begin += to - from;
    }
}

static void pool_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct plan *p = st->state;
    const struct tp_window *w = &st->node->attr.pool.window;
    struct work work = { st, io, 1 };
    if (p->n_rows < ROWS_PER_THREAD * io->n_threads && p->channels > UNIT_CHANNELS)
        work.n_units = p->channels / UNIT_CHANNELS;
    double cost = (double)tp_shape_elements(&st->out) * w->kernel[0] * w->kernel[1] +
                  4.0 * (double)tp_shape_elements(&st->in[0]);
    tp_parallel_for(io->n_threads, p->n_rows * work.n_units, (int64_t)fmin(cost, 1e18), pool_range,
                    &work);
}

const struct tp_op tp_op_pool = {
    .name = "Pool", .shape = pool_shape, .plan = pool_plan, .run = pool_run, .fuses_act = true,
};
