/* aggregate.c - one value for many pixels, channel by channel. */
#include "ops/aggregate.h"

#include <math.h>
#include <string.h>

enum { BLOCK_FLOATS = 1024 };        /* four blocks stay in the nearest cache */

/* Generalized-mean pooling is of positive values: `eps` of the authors' gem(x, p=3, eps=1e-6),
 * github.com/filipradenovic/cnnimageretrieval-pytorch, cirtorch/layers/functional.py. */
static const float gem_epsilon = 1e-6f;

struct work {
    const struct tp_aggregate *a;
    int most_pixels;                 /* of a block */
    bool is_read;                    /* `raw` holds all pixels there are */
    float raw[BLOCK_FLOATS], values[BLOCK_FLOATS], squares[BLOCK_FLOATS];
    float unit[BLOCK_FLOATS];        /* [most_pixels, channels], alike in all pixels: what values
                                        are divided by */
};

/* ---- blocks ---------------------------------------------------------------------------------- */

static int pixels_from(const struct work *w, int64_t first)
{
    const int64_t n = w->a->n_pixels - first;
    return n < w->most_pixels ? (int)n : w->most_pixels;
}

/* Pixels as they are; few enough of them are read once for all passes. */
static const float *read_block(struct work *w, int64_t first)
{
    if (!w->is_read) w->a->read(w->a->ctx, w->raw, first, pixels_from(w, first));
    w->is_read = w->a->n_pixels <= w->most_pixels;
    return w->raw;
}

/* Fills a block with copies of its first pixel. */
static void spread(const struct work *w, float *block)
{
    for (int i = 1; i < pixels_from(w, 0); i++)
        memcpy(block + i * w->a->channels, block, (size_t)w->a->channels * sizeof *block);
}

static void add_block(const struct work *w, double *sum, const float *block, int n)
{
    const int channels = w->a->channels;
    float part[TP_AGGREGATE_CHANNELS];
    memcpy(part, block, (size_t)channels * sizeof *part);
    w->a->k->reduce[TP_REDUCE_SUM](part, block + channels, channels, n - 1, channels);
    for (int c = 0; c < channels; c++) sum[c] += (double)part[c];
}

/* ---- extremes, sums -------------------------------------------------------------------------- */

/* The largest or smallest act(x). */
static void extreme(struct work *w, float *out, enum tp_reduce_kind kind, const struct tp_act *act)
{
    const struct tp_kernels *k = w->a->k;
    const int channels = w->a->channels;
    for (int64_t first = 0; first < w->a->n_pixels; first += w->most_pixels) {
        const int n = pixels_from(w, first);
        const float *block = read_block(w, first);
        if (act) k->activate(w->values, block, (int64_t)n * channels, act), block = w->values;
        if (!first) memcpy(out, block, (size_t)channels * sizeof *out);
        k->reduce[kind](out, block, channels, n, channels);
    }
}

static void largest(struct work *w, float *out)
{
    const bool max = w->a->kind == TP_OP_MAX;
    extreme(w, out, max ? TP_REDUCE_MAX : TP_REDUCE_MIN, NULL);
    for (int c = 0; c < w->a->channels && w->a->n_zeros > 0; c++)
        if (max ? out[c] < 0 : out[c] > 0) out[c] = 0;
}

static void add_up(struct work *w, float *out, double divisor)
{
    double sum[TP_AGGREGATE_CHANNELS] = { 0 };
    for (int64_t first = 0; first < w->a->n_pixels; first += w->most_pixels)
        add_block(w, sum, read_block(w, first), pixels_from(w, first));
    for (int c = 0; c < w->a->channels; c++) out[c] = (float)(sum[c] / divisor);
}

/* ---- powers ---------------------------------------------------------------------------------- */

/* Zero, infinity and NaN come out by themselves when they are not divided by. */
static float sound_unit(float x) { return x > 0 && isfinite(x) ? x : 1; }

/* n of w->values to the power of p. */
static void raise(struct work *w, int64_t n)
{
    const struct tp_kernels *k = w->a->k;
    const struct tp_act square = { .kind = TP_ACT_SQUARE };
    const struct tp_act power = { .kind = TP_ACT_POW, .alpha = w->a->p };
    if (w->a->p == 1) return;
    if (w->a->p == 2) k->activate(w->values, w->values, n, &square);
    else if (w->a->p == 3) {         /* a tenth of a general power's time; gem's usual p */
        k->activate(w->squares, w->values, n, &square);
        k->binary[TP_BINARY_MUL](w->values, w->values, 1, w->squares, 1, n);
    } else k->activate(w->values, w->values, n, &power);
}

static void root(const struct work *w, float *out)
{
    const float p = w->a->p;
    const struct tp_act act = { .kind = p == 2 ? TP_ACT_SQRT : TP_ACT_POW, .alpha = 1 / p };
    if (p != 1) w->a->k->activate(out, out, w->a->channels, &act);
}

/* Lp and gem: the largest value's power is 1, all others are smaller. */
static void power_mean(struct work *w, float *out)
{
    const struct tp_aggregate *a = w->a;
    const bool gem = a->kind == TP_OP_GEM;
    const struct tp_act size = { .kind = gem ? TP_ACT_CLAMP : TP_ACT_ABS, .alpha = gem_epsilon,
                                 .beta = INFINITY };
    double sum[TP_AGGREGATE_CHANNELS] = { 0 };
    extreme(w, w->unit, TP_REDUCE_MAX, &size);
    for (int c = 0; c < a->channels; c++) w->unit[c] = sound_unit(w->unit[c]);
    spread(w, w->unit);
    for (int64_t first = 0; first < a->n_pixels; first += w->most_pixels) {
        const int64_t n = (int64_t)pixels_from(w, first) * a->channels;
        a->k->activate(w->values, read_block(w, first), n, &size);
        a->k->binary[TP_BINARY_DIV](w->values, w->values, 1, w->unit, 1, n);
        raise(w, n);
        add_block(w, sum, w->values, pixels_from(w, first));
    }
    for (int c = 0; c < a->channels && gem; c++) {
        if (a->n_zeros > 0)
            sum[c] += a->n_zeros * pow((double)gem_epsilon / (double)w->unit[c], (double)a->p);
        sum[c] /= (double)a->n_pixels + a->n_zeros;
    }
    for (int c = 0; c < a->channels; c++) out[c] = (float)sum[c];
    root(w, out);
    for (int c = 0; c < a->channels; c++) out[c] *= w->unit[c];
}

/* ---- standard deviation ---------------------------------------------------------------------- */

/* Divided by a power of two, which is exact. */
static void read_scaled(struct work *w, int64_t first, int64_t n)
{
    w->a->k->binary[TP_BINARY_DIV](w->values, read_block(w, first), 1, w->unit, 1, n);
}

static void deviation(struct work *w, float *out)
{
    const struct tp_aggregate *a = w->a;
    const struct tp_act size = { .kind = TP_ACT_ABS }, square = { .kind = TP_ACT_SQUARE };
    const double count = (double)a->n_pixels + a->n_zeros;
    double sum[TP_AGGREGATE_CHANNELS] = { 0 }, rest[TP_AGGREGATE_CHANNELS] = { 0 };
    double squares[TP_AGGREGATE_CHANNELS] = { 0 };
    float mean[BLOCK_FLOATS];
    extreme(w, w->unit, TP_REDUCE_MAX, &size);
    for (int c = 0; c < a->channels; c++)
        w->unit[c] = ldexpf(1, ilogbf(sound_unit(w->unit[c])));
    spread(w, w->unit);
    for (int64_t first = 0; first < a->n_pixels; first += w->most_pixels) {
        read_scaled(w, first, (int64_t)pixels_from(w, first) * a->channels);
        add_block(w, sum, w->values, pixels_from(w, first));
    }
    for (int c = 0; c < a->channels; c++) mean[c] = (float)(sum[c] / count);
    spread(w, mean);
    for (int64_t first = 0; first < a->n_pixels; first += w->most_pixels) {
        const int64_t n = (int64_t)pixels_from(w, first) * a->channels;
        read_scaled(w, first, n);
        a->k->binary[TP_BINARY_SUB](w->values, w->values, 1, mean, 1, n);
        a->k->activate(w->squares, w->values, n, &square);
        add_block(w, rest, w->values, pixels_from(w, first));
        add_block(w, squares, w->squares, pixels_from(w, first));
    }
    for (int c = 0; c < a->channels; c++) {
        const double m = (double)mean[c], off = (rest[c] - a->n_zeros * m) / count;
        const double variance = (squares[c] + a->n_zeros * m * m) / count - off * off;
        out[c] = (float)(sqrt(variance < 0 ? 0 : variance) * (double)w->unit[c]);
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

void tp_aggregate(const struct tp_aggregate *a, float *out)
{
    struct work w;
    w.a = a;
    w.most_pixels = BLOCK_FLOATS / a->channels;
    w.is_read = false;
    if (!a->n_pixels) {
        const bool clamped = a->kind == TP_OP_GEM && a->n_zeros > 0;
        for (int c = 0; c < a->channels; c++) out[c] = clamped ? gem_epsilon : 0;
        return;
    }
    switch (a->kind) {
    case TP_OP_MAX:
    case TP_OP_MIN: largest(&w, out); break;
    case TP_OP_SUM: add_up(&w, out, 1); break;
    case TP_OP_AVG: add_up(&w, out, (double)a->n_pixels + a->n_zeros); break;
    case TP_OP_LP:
    case TP_OP_GEM: power_mean(&w, out); break;
    case TP_OP_STD: deviation(&w, out); break;
    }
}

bool tp_aggregate_check(const struct tp_node *nd, enum tp_pool_op kind, float p,
                        struct tp_err *err)
{
    if ((kind != TP_OP_LP && kind != TP_OP_GEM) || (p >= 1 && isfinite(p))) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "%s: p is %g; it must be a number of at least 1",
                   nd->name, (double)p);
}
