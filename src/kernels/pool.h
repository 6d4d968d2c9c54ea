/* pool.h - sliding max, min, sum and Lp over channels-last maps.
 *
 * All four share one walk: `kind` is a constant wherever it is passed, so each gets its own copy of
 * the loops. Vectors run over channels, since neighbouring taps are a pixel apart. */
#ifndef TP_KERNELS_POOL_H
#define TP_KERNELS_POOL_H

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/vec.h"

enum fold { FOLD_MAX, FOLD_MIN, FOLD_SUM, FOLD_ABS, FOLD_SQUARE, FOLD_POWER, FOLD_POW };

/* The greater (less) of two; NaN when either is: vmax() keeps those of a. Max pooling 3x3 by 2 of
 * 112x112x64 took 0.104 ms by compare and pick (AVX-512), 0.053 so. */
INLINE vec max_of(vec a, vec b) { return pick(b != b, b, vmax(a, b)); }
INLINE vec min_of(vec a, vec b) { return pick(b != b, b, vmin(a, b)); }

INLINE vec abs_of(vec x) { return (vec)((veci)x & 0x7fffffff); }

/* x^n for whole n >= 1 by squaring: 2x2 windows with p = 3 take a fifth of p = 2.5's time. */
INLINE vec power_of(vec x, int n)
{
    vec y = splat(1);
    for (; n > 1; n >>= 1, x *= x)
        if (n & 1) y *= x;
    return x * y;
}

static vec pow_of(vec x, float p)
{
    float lane[VL];
    store(lane, x);
    for (int i = 0; i < VL; i++) lane[i] = powf(lane[i], p);
    return load(lane);
}

static vec sqrt_of(vec x)
{
    float lane[VL];
    store(lane, x);
    for (int i = 0; i < VL; i++) lane[i] = __builtin_sqrtf(lane[i]);
    return load(lane);
}

INLINE vec term(const enum fold kind, vec x, float arg)
{
    switch (kind) {
    case FOLD_MAX: case FOLD_MIN: case FOLD_SUM: return x;
    case FOLD_ABS: return abs_of(x);
    case FOLD_SQUARE: return x * x;
    case FOLD_POWER: return power_of(abs_of(x), (int)arg);
    case FOLD_POW: return pow_of(abs_of(x), arg);
    }
    return x;
}

INLINE vec fold(const enum fold kind, vec acc, vec x, float arg)
{
    if (kind == FOLD_MAX) return max_of(acc, x);
    if (kind == FOLD_MIN) return min_of(acc, x);
    return acc + term(kind, x, arg);
}

INLINE vec finish(const enum fold kind, vec acc, float arg)
{
    if (kind == FOLD_SUM) return acc * splat(arg);
    if (kind == FOLD_SQUARE) return sqrt_of(acc);
    if (kind == FOLD_POWER || kind == FOLD_POW) return pow_of(acc, 1 / arg);
    return acc;
}

/* n_vec * VL neighbouring channels of one output pixel. */
INLINE void pool_vecs(float *out, const float *in, const struct tp_span *s, const int n_vec,
                      const enum fold kind, float arg)
{
    vec acc[4];
    UNROLL for (int v = 0; v < n_vec; v++) acc[v] = term(kind, load(in + s->taps[0] + v * VL), arg);
    for (int t = 1; t < s->n_taps; t++) {
        const float *tap = in + s->taps[t];
        UNROLL for (int v = 0; v < n_vec; v++) acc[v] = fold(kind, acc[v], load(tap + v * VL), arg);
    }
    UNROLL for (int v = 0; v < n_vec; v++) store(out + v * VL, finish(kind, acc[v], arg));
}

/* n < VL channels of one output pixel, one after the other: nothing beyond them is touched, and a
 * broadcast costs less than a copy of n floats into a vector. */
INLINE void pool_part(float *out, const float *in, const struct tp_span *s, int n,
                      const enum fold kind, float arg)
{
    for (int c = 0; c < n; c++) {
        vec acc = term(kind, splat(in[s->taps[0] + c]), arg);
        for (int t = 1; t < s->n_taps; t++)
            acc = fold(kind, acc, splat(in[s->taps[t] + c]), arg);
        out[c] = finish(kind, acc, arg)[0];
    }
}

/* n >= VL neighbouring channels. The last vector overlaps the one before: the same lanes get the
 * same values twice, and no lane lies beyond. */
INLINE void pool_channels(float *out, const float *in, const struct tp_span *s, int64_t n,
                          const enum fold kind, float arg)
{
    int64_t c = 0;
    for (; c + 4 * VL <= n; c += 4 * VL) pool_vecs(out + c, in + c, s, 4, kind, arg);
    for (; c + VL <= n; c += VL) pool_vecs(out + c, in + c, s, 1, kind, arg);
    if (c < n) pool_vecs(out + n - VL, in + n - VL, s, 1, kind, arg);
}

/* A shuffle of two vectors by a variable: SSE2 has none, and clang has no name for it. */
#if !defined(__clang__) && (defined(__AVX2__) || defined(__aarch64__))
enum { SHUFFLES = 1 };
INLINE vec shuffle(vec a, vec b, veci lane) { return __builtin_shuffle(a, b, lane); }
#else
enum { SHUFFLES = 0 };
INLINE vec shuffle(vec a, vec b, veci lane) { (void)b, (void)lane; return a; }
#endif

/* How `group` pixels of few channels are read at once: two vectors, the second of which ends where
 * the last pixel ends, and lane l taken from place lane[l] of the 2 * VL floats. */
struct packing {
    int group;                       /* pixels; below 2: it cannot be done */
    ptrdiff_t second;
    veci lane;
};

INLINE struct packing pack(int channels, ptrdiff_t step)
{
    struct packing k = { .group = (int)((2 * VL - channels) / step) + 1 };
    if (k.group > VL / channels) k.group = VL / channels;
    k.second = (k.group - 1) * step + channels - VL;
    if (k.second < 0) k.group = 1;
    for (int l = 0; l < VL; l++) {
        int place = l < k.group * channels ? (int)(l / channels * step) + l % channels : 0;
        k.lane[l] = place < VL ? place : place - (int)k.second + VL;
    }
    return k;
}

INLINE vec load_packed(const float *p, const struct packing *k)
{
    return shuffle(load(p), load(p + k->second), k->lane);
}

INLINE vec pool_group(const float *in, const struct tp_span *s, const struct packing *k,
                      const enum fold kind, float arg)
{
    vec acc = term(kind, load_packed(in + s->taps[0], k), arg);
    for (int t = 1; t < s->n_taps; t++) acc = fold(kind, acc, load_packed(in + s->taps[t], k), arg);
    return finish(kind, acc, arg);
}

/* Pixels of few channels, dense on the way out, `group` at a time; the lanes left over write what
 * the next group overwrites. The last group overlaps the one before. Returns how many pixels it
 * did: all or none. 1000x1000x1 by 2x2 takes 0.1 ms so, and 0.6 to 1.0 one pixel at a time. */
INLINE int64_t pool_packed(const struct tp_span *s, const enum fold kind, float arg)
{
    const struct packing k = pack(s->channels, s->in_step);
    const int64_t n_pixels = s->n_pixels, n = s->channels;
    if (!SHUFFLES || k.group < 2 || n_pixels < k.group) return 0;
    int64_t i = 0;
    for (; i + k.group <= n_pixels && i * n + VL <= n_pixels * n; i += k.group)
        store(s->out + i * n, pool_group(s->in + i * s->in_step, s, &k, kind, arg));
    for (; i < n_pixels; i += k.group) {
        if (i + k.group > n_pixels) i = n_pixels - k.group;
        store_part(s->out + i * n, pool_group(s->in + i * s->in_step, s, &k, kind, arg),
                   k.group * (int)n);
    }
    return n_pixels;
}

/* Pixels of few channels one at a time, as long as a full vector can be read and written: it reads
 * on into the pixels that follow and writes what they overwrite. Returns how many it did. */
INLINE int64_t pool_loose(const struct tp_span *s, const enum fold kind, float arg)
{
    const int64_t n_pixels = s->n_pixels, n = s->channels;
    const int64_t room = (n_pixels - 1) * s->in_step + n;
    int64_t i = 0;
    for (; i * n + VL <= n_pixels * n && i * s->in_step + VL <= room; i++)
        pool_vecs(s->out + i * n, s->in + i * s->in_step, s, 1, kind, arg);
    return i;
}

INLINE void pool(const struct tp_span *s, const enum fold kind, float arg)
{
    int64_t n = s->channels, n_pixels = s->n_pixels;
    if (s->in_step == n && s->out_step == n) {   /* stride 1: the whole run is one long pixel */
        n *= n_pixels;
        n_pixels = 1;
    }
    if (n >= VL) {
        for (int64_t i = 0; i < n_pixels; i++)
            pool_channels(s->out + i * s->out_step, s->in + i * s->in_step, s, n, kind, arg);
        return;
    }
    int64_t done = 0;
    if (s->out_step == n && s->in_step > n) {
        done = pool_packed(s, kind, arg);
        if (!done) done = pool_loose(s, kind, arg);
    }
    for (int64_t i = done; i < n_pixels; i++)
        pool_part(s->out + i * s->out_step, s->in + i * s->in_step, s, (int)n, kind, arg);
}

static void pool_max(const struct tp_span *s) { pool(s, FOLD_MAX, 0); }
static void pool_min(const struct tp_span *s) { pool(s, FOLD_MIN, 0); }
static void pool_sum(const struct tp_span *s, float scale) { pool(s, FOLD_SUM, scale); }

static void pool_lp(const struct tp_span *s, float p)
{
    enum { MOST = 1 << 24 };         /* whole floats are exact up to here */
    if (p == 1) pool(s, FOLD_ABS, p);
    else if (p == 2) pool(s, FOLD_SQUARE, p);
    else if (p <= MOST && p == (float)(int)p) pool(s, FOLD_POWER, p);
    else pool(s, FOLD_POW, p);
}

#endif
