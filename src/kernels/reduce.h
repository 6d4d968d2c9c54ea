/* reduce.h - many pixels folded into one: the sweep beneath global and adaptive pooling.
 *
 * A channel's pixels are folded in order, whatever other channels go along, as long as there are at
 * least VL of them. Fewer than VL are folded in lanes (below), in an order that depends on their
 * number alone. */
#ifndef TP_KERNELS_REDUCE_H
#define TP_KERNELS_REDUCE_H

#include "kernels/kernels.h"
#include "kernels/vec.h"
#include "kernels/pool.h"

/* Folds n pixels, `step` floats apart, into x. */
INLINE vec reduce_pixels(vec x, const float *in, ptrdiff_t step, const int n, const enum fold kind)
{
    UNROLL for (int i = 0; i < n; i++) x = fold(kind, x, load(in + i * step), 0);
    return x;
}

/* n pixels into acc: channels of whole vectors in memory, where acc stays in the nearest cache; the
 * last VL channels in *tail, since a vector that overlaps its neighbour must not count twice. */
INLINE void reduce_group(float *acc, vec *tail, const float *in, ptrdiff_t step, const int n,
                         int channels, const enum fold kind)
{
    int c = 0;
    for (; c + VL <= channels; c += VL)
        store(acc + c, reduce_pixels(load(acc + c), in + c, step, n, kind));
    if (c < channels) *tail = reduce_pixels(*tail, in + channels - VL, step, n, kind);
}

INLINE void reduce_wide(float *acc, const float *in, ptrdiff_t step, int64_t n_pixels, int channels,
                        const enum fold kind)
{
    enum { GROUP = 4 };              /* four rows are read side by side for each pass over acc */
    vec tail = load(acc + channels - VL);
    int64_t i = 0;
    for (; i + GROUP <= n_pixels; i += GROUP)
        reduce_group(acc, &tail, in + i * step, step, GROUP, channels, kind);
    for (; i < n_pixels; i++) reduce_group(acc, &tail, in + i * step, step, 1, channels, kind);
    if (channels % VL) store(acc + channels - VL, tail);
}

/* Pixels one by one, for what vectors cannot take. */
INLINE void reduce_narrow(float *acc, const float *in, ptrdiff_t step, int64_t n_pixels,
                          int channels, const enum fold kind)
{
    for (int c = 0; c < channels; c++) {
        vec x = splat(acc[c]);
        for (int64_t i = 0; i < n_pixels; i++) x = fold(kind, x, splat(in[i * step + c]), 0);
        acc[c] = x[0];
    }
}

/* Dense pixels of fewer than VL channels: n_chains * VL pixels are taken as one of so many more
 * channels. Returns how many pixels it did. */
INLINE int64_t reduce_lanes(float *acc, const float *in, int64_t n_pixels, int channels,
                            int n_chains, const enum fold kind)
{
    float flat[16 * VL];             /* 4 chains of at most 4 channels; or one of at most VL - 1 */
    const int narrow = channels * VL, wide = n_chains * narrow;
    const int64_t n = n_pixels / (n_chains * VL);
    if (n < 2) return 0;
    memcpy(flat, in, (size_t)wide * sizeof *flat);
    reduce_wide(flat, in + wide, wide, n - 1, wide, kind);
    if (n_chains > 1) reduce_wide(flat, flat + narrow, narrow, n_chains - 1, narrow, kind);
    reduce_narrow(acc, flat, channels, VL, channels, kind);
    return n * n_chains * VL;
}

INLINE void reduce(float *acc, const float *in, ptrdiff_t step, int64_t n_pixels, int channels,
                   const enum fold kind)
{
    if (channels >= VL) {
        reduce_wide(acc, in, step, n_pixels, channels, kind);
        return;
    }
    int64_t done = 0;
    if (step == channels) {
        if (channels <= 4) done = reduce_lanes(acc, in, n_pixels, channels, 4, kind);
        done += reduce_lanes(acc, in + done * step, n_pixels - done, channels, 1, kind);
    }
    reduce_narrow(acc, in + done * step, step, n_pixels - done, channels, kind);
}

static void reduce_max(float *acc, const float *in, ptrdiff_t step, int64_t n_pixels, int channels)
{
    reduce(acc, in, step, n_pixels, channels, FOLD_MAX);
}

static void reduce_min(float *acc, const float *in, ptrdiff_t step, int64_t n_pixels, int channels)
{
    reduce(acc, in, step, n_pixels, channels, FOLD_MIN);
}

static void reduce_sum(float *acc, const float *in, ptrdiff_t step, int64_t n_pixels, int channels)
{
    reduce(acc, in, step, n_pixels, channels, FOLD_SUM);
}

#endif
