/* resample.c - resizing 8-bit images as PIL does it.
 *
 * PIL's Image.resize (its Resample.c) is what vision models were trained behind, so it is
 * followed to the bit: coefficients in double, normalised, then fixed point with 22 bits; a
 * horizontal pass into an 8-bit intermediate, then a vertical pass. Networks notice the
 * difference between resizers.
 *
 * Without antialiasing the same two passes run with the taps of PyTorch's interpolate:
 * half-pixel centres, cubic a = -0.75, the border repeated. The intermediate is 8-bit there too,
 * so results lie within 1 level of the float computation.
 *
 * Only what is needed is computed: the columns of the wanted part, and of the input's rows those
 * that the vertical pass will read. */
#include "ops/resample.h"
#include "kernels/kernels.h"
#include "ops/parallel.h"

#include <math.h>
#include <string.h>

enum { FREE_TAPS = 4 };              /* of the cubic filter when it is not stretched */

/* What outputs [begin, begin + n) of one axis read: output i sums count[i] inputs from first[i] on,
 * weighted by k[i * k_step ...], each weight standing `repeat` times in a row. */
struct axis {
    int n, n_taps, repeat, k_step, pad;  /* k_step is a multiple of pad */
    int *first, *count;
    int32_t *k;
};

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic; a = -0.5 in PIL, -0.75 in PyTorch. */
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static void set_weight(struct axis *ax, int i, int t, double k)
{
    int32_t fixed = (int32_t)(k * (1 << TP_RESAMPLE_BITS) + (k < 0 ? -0.5 : 0.5));
    for (int c = 0; c < ax->repeat; c++)
        ax->k[(size_t)i * (size_t)ax->k_step + (size_t)(t * ax->repeat + c)] = fixed;
}

/* PIL's precompute_coeffs(): the filter is centred on the output pixel and cut at the border. */
static void antialiased_taps(struct axis *ax, int i, int o, double scale, double support, int in,
                             enum tp_resample_filter filter, double *weight)
{
    double stretch = scale < 1.0 ? 1.0 : scale, center = (o + 0.5) * scale, sum = 0.0;
    int lo = (int)(center - support + 0.5), hi = (int)(center + support + 0.5);
    if (lo < 0) lo = 0;
    if (hi > in) hi = in;
    for (int t = 0; t < hi - lo; t++) {
        double x = (t + lo - center + 0.5) * (1.0 / stretch);
        weight[t] = filter == TP_RESAMPLE_BICUBIC ? cubic(x, -0.5) : bilinear(x);
        sum += weight[t];
    }
    ax->first[i] = lo;
    ax->count[i] = hi - lo;
    for (int t = 0; t < hi - lo; t++)
        set_weight(ax, i, t, sum != 0.0 ? weight[t] / sum : weight[t]);
}

/* PyTorch's interpolate: 2 or 4 taps around the source position; those outside fall on the
 * border. */
static void free_taps(struct axis *ax, int i, int o, double scale, int in,
                      enum tp_resample_filter filter)
{
    bool is_cubic = filter == TP_RESAMPLE_BICUBIC;
    double source = (o + 0.5) * scale - 0.5, weight[FREE_TAPS] = { 0 };
    int base = (int)floor(source), lo = base - is_cubic, hi = base + 1 + is_cubic;
    int first = lo < 0 ? 0 : lo, last = hi > in - 1 ? in - 1 : hi;
    for (int t = lo; t <= hi; t++) {
        int at = t < first ? first : t > last ? last : t;
        weight[at - first] += is_cubic ? cubic(t - source, -0.75) : bilinear(t - source);
    }
    ax->first[i] = first;
    ax->count[i] = last - first + 1;
    for (int t = 0; t <= last - first; t++) set_weight(ax, i, t, weight[t]);
}

static bool axis_init(struct axis *ax, int begin, int n, int out, int in, double span,
                      enum tp_resample_filter filter, bool antialias, struct tp_arena *arena)
{
    double scale = span / out;
    double support = (filter == TP_RESAMPLE_BICUBIC ? 2.0 : 1.0) * (scale < 1.0 ? 1.0 : scale);
    size_t n_coefficients;
    if (support > INT32_MAX / 16) return false;
    ax->n = n;
    ax->n_taps = antialias ? (int)ceil(support) * 2 + 1 : FREE_TAPS;
    ax->k_step = (ax->n_taps * ax->repeat + ax->pad - 1) / ax->pad * ax->pad;
    if (__builtin_mul_overflow((size_t)n, (size_t)ax->k_step, &n_coefficients)) return false;
    ax->first = tp_arena_zalloc(arena, (size_t)n, sizeof *ax->first);
    ax->count = tp_arena_zalloc(arena, (size_t)n, sizeof *ax->count);
    ax->k = tp_arena_zalloc(arena, n_coefficients, sizeof *ax->k);
    double *weight = tp_arena_zalloc(arena, (size_t)ax->n_taps, sizeof *weight);
    if (!ax->first || !ax->count || !ax->k || !weight) return false;
    for (int i = 0; i < n; i++) {
        if (antialias)
            antialiased_taps(ax, i, begin + i, scale, support, in, filter, weight);
        else
            free_taps(ax, i, begin + i, scale, in, filter);
    }
    return true;
}

/* ---- the two passes -------------------------------------------------------------------------- */

struct passes {
    const struct tp_kernels *kernels;
    const uint8_t *in;
    uint8_t *middle, *out;           /* middle: [n_rows, part width, channels] */
    size_t in_bytes, part_bytes;     /* of a row of the input; of a row of the middle and of out */
    const int *rows;                 /* which input row each row of the middle is */
    const int *slot;                 /* which row of the middle each input row is */
    struct axis x, y;
    int channels;
};

static void horizontal(const void *ctx, int64_t begin, int64_t end)
{
    const struct passes *p = ctx;
    const struct tp_row_taps taps = { p->x.n, p->x.first, p->x.count, p->x.k, p->x.k_step };
    for (int64_t r = begin; r < end; r++)
        p->kernels->resample_row(p->middle + (size_t)r * p->part_bytes,
                                 p->in + (size_t)p->rows[r] * p->in_bytes, (ptrdiff_t)p->in_bytes,
                                 &taps, p->channels);
}

/* The taps of an output are neighbours, and all of them were kept, so they are neighbours in the
 * middle as well. */
static void vertical(const void *ctx, int64_t begin, int64_t end)
{
    const struct passes *p = ctx;
    for (int64_t o = begin; o < end; o++)
        p->kernels->resample_columns(p->out + (size_t)o * p->part_bytes,
                                     p->middle + (size_t)p->slot[p->y.first[o]] * p->part_bytes,
                                     (ptrdiff_t)p->part_bytes,
                                     p->y.k + (size_t)o * (size_t)p->y.k_step, p->y.count[o],
                                     (ptrdiff_t)p->part_bytes);
}

/* Numbers the input rows that the vertical pass reads. *n_rows receives how many there are. */
static bool choose_rows(struct passes *p, int in_h, int *n_rows, struct tp_arena *arena)
{
    int *slot = tp_arena_zalloc(arena, (size_t)in_h, sizeof *slot);
    int *rows = tp_arena_zalloc(arena, (size_t)in_h, sizeof *rows);
    if (!slot || !rows) return false;
    for (int o = 0; o < p->y.n; o++)
        for (int t = 0; t < p->y.count[o]; t++) slot[p->y.first[o] + t] = 1;
    *n_rows = 0;
    for (int r = 0; r < in_h; r++) {
        if (!slot[r]) continue;
        slot[r] = *n_rows;
        rows[(*n_rows)++] = r;
    }
    p->slot = slot;
    p->rows = rows;
    return true;
}

/* PIL's ImagingScaleAffine(): the input pixel under each output pixel's centre, the position summed
 * step by step as there. */
static int *nearest_positions(int begin, int n, int out, int in, double span,
                              struct tp_arena *arena)
{
    int *at = tp_arena_zalloc(arena, (size_t)n, sizeof *at);
    double scale = span / out, position = scale * 0.5;
    if (!at) return NULL;
    for (int o = 0; o < begin + n; o++, position += scale)
        if (o >= begin) at[o - begin] = position < in ? (int)position : in - 1;
    return at;
}

static bool nearest(uint8_t *out, const struct tp_resample_part *part, int out_h, int out_w,
                    const uint8_t *in, int in_h, int in_w, int channels, struct tp_arena *arena,
                    struct tp_err *err)
{
    const int *x = nearest_positions(part->left, part->width, out_w, in_w, part->span_w, arena);
    const int *y = nearest_positions(part->top, part->height, out_h, in_h, part->span_h, arena);
    if (!x || !y) return tp_arena_fail(arena, err);
    for (int i = 0; i < part->height; i++) {
        const uint8_t *row = in + (size_t)y[i] * (size_t)in_w * (size_t)channels;
        for (int j = 0; j < part->width; j++)
            for (int c = 0; c < channels; c++) *out++ = row[(size_t)x[j] * (size_t)channels + c];
    }
    return true;
}

static void copy_part(uint8_t *out, const struct tp_resample_part *part, const uint8_t *in,
                      int in_w, int channels)
{
    size_t bytes = (size_t)part->width * (size_t)channels, step = (size_t)in_w * (size_t)channels;
    const uint8_t *from = in + (size_t)part->top * step + (size_t)part->left * (size_t)channels;
    for (int i = 0; i < part->height; i++) memcpy(out + i * bytes, from + i * step, bytes);
}

bool tp_resample_part(uint8_t *out, const struct tp_resample_part *wanted, int out_h, int out_w,
                      const uint8_t *in, int in_h, int in_w, int channels,
                      enum tp_resample_filter filter, bool antialias, int n_threads,
                      struct tp_arena *arena, struct tp_err *err)
{
    struct tp_resample_part part = *wanted;
    struct passes p = { .kernels = tp_kernels_get(), .in = in, .out = out, .channels = channels,
                        .in_bytes = (size_t)in_w * (size_t)channels,
                        .part_bytes = (size_t)part.width * (size_t)channels,
                        .x = { .repeat = channels, .pad = TP_RESAMPLE_PAD },
                        .y = { .repeat = 1, .pad = 1 } };
    size_t middle_bytes;
    int n_rows;
    if (part.span_h <= 0) part.span_h = in_h;
    if (part.span_w <= 0) part.span_w = in_w;
    if (part.span_h == out_h && part.span_w == out_w) {
        copy_part(out, &part, in, in_w, channels);
        return true;
    }
    if (filter == TP_RESAMPLE_NEAREST)
        return nearest(out, &part, out_h, out_w, in, in_h, in_w, channels, arena, err);
    if (!axis_init(&p.x, part.left, part.width, out_w, in_w, part.span_w, filter, antialias,
                   arena) ||
        !axis_init(&p.y, part.top, part.height, out_h, in_h, part.span_h, filter, antialias,
                   arena) ||
        !choose_rows(&p, in_h, &n_rows, arena) ||
        __builtin_mul_overflow((size_t)n_rows, p.part_bytes, &middle_bytes))
        return tp_arena_fail(arena, err);
    p.middle = tp_arena_alloc(arena, middle_bytes);
    if (!p.middle) return tp_arena_fail(arena, err);
    tp_parallel_for(n_threads, n_rows, (int64_t)middle_bytes * p.x.n_taps, horizontal, &p);
    tp_parallel_for(n_threads, part.height,
                    (int64_t)part.height * (int64_t)p.part_bytes * p.y.n_taps, vertical, &p);
    return true;
}

bool tp_resample(uint8_t *out, int out_h, int out_w, const uint8_t *in, int in_h, int in_w,
                 int channels, enum tp_resample_filter filter, bool antialias, int n_threads,
                 struct tp_arena *arena, struct tp_err *err)
{
    struct tp_resample_part all = { .height = out_h, .width = out_w };
    return tp_resample_part(out, &all, out_h, out_w, in, in_h, in_w, channels, filter, antialias,
                            n_threads, arena, err);
}
