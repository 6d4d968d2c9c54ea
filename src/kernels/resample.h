/* resample.h - weighted sums of bytes in fixed point: the two passes of resizing an image.
 *
 * Integer sums are exact in any order, so every table gives the same bytes. SSE2 has no 32-bit
 * multiplication; the plain loop is faster there. One thread, 4000x3000 RGB to 341x256 bilinear
 * (EPYC): plain 46 ms, AVX2 9.9 ms, AVX-512 9.5 ms. */
#ifndef TP_KERNELS_RESAMPLE_H
#define TP_KERNELS_RESAMPLE_H

#include "kernels/kernels.h"
#include "kernels/vec.h"

enum { RESAMPLE_HALF = 1 << (TP_RESAMPLE_BITS - 1) };

/* Sums are kept modulo 2^32, as vectors do: no overflow to reason about, the same bits. */
INLINE uint8_t to_byte(uint32_t sum)
{
    int32_t v = (int32_t)sum >> TP_RESAMPLE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* The outputs [begin, n) of a row, for any number of channels; reads only the taps themselves. */
INLINE void resample_plain(uint8_t *out, const uint8_t *in, const struct tp_row_taps *taps,
                           int channels, int i)
{
    const int32_t *k = taps->k + (ptrdiff_t)i * taps->k_step;
    const uint8_t *p = in + (ptrdiff_t)taps->first[i] * channels;
    uint32_t sum[3] = { RESAMPLE_HALF, RESAMPLE_HALF, RESAMPLE_HALF };
    for (int t = 0; t < taps->count[i] * channels; t += channels)
        for (int c = 0; c < channels; c++) sum[c] += (uint32_t)(p[t + c] * k[t + c]);
    for (int c = 0; c < channels; c++) out[i * channels + c] = to_byte(sum[c]);
}

#if defined(__AVX2__) || defined(__aarch64__)

/* 8 lanes also where there could be 16: half a step is wasted behind the taps on average. */
#if defined(__AVX2__)
enum { LANES = 8 };
typedef uint64_t packed;             /* LANES bytes */
#else
enum { LANES = 4 };
typedef uint32_t packed;
#endif
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));
typedef uint32_t lanes_loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t quad __attribute__((vector_size(16)));
typedef packed packed_splat __attribute__((vector_size(4 * LANES)));
typedef uint8_t bytes __attribute__((vector_size(4 * LANES)));

/* LANES bytes to LANES integers: all of them in every quarter, then each lane picks its own.
 * (gcc 12 makes __builtin_convertvector() of bytes one insertion per lane.) */
INLINE lanes load_bytes(const uint8_t *p)
{
    packed x;
    memcpy(&x, p, sizeof x);
    bytes all = (bytes)(x + (packed_splat){ 0 });
#if defined(__AVX2__)
    return (lanes)__builtin_shufflevector(all, all, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3,
                                          20, 20, 20, 20, 21, 21, 21, 21, 22, 22, 22, 22, 23, 23,
                                          23, 23) & 255u;
#else
    return (lanes)__builtin_shufflevector(all, all, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3,
                                          3) & 255u;
#endif
}

/* Steps of `channels` vectors hold whole pixels, so lane j always belongs to channel j %
 * channels. */
INLINE void resample_vector(uint8_t *out, const uint8_t *in, const struct tp_row_taps *taps,
                            const int channels, int i)
{
    const int32_t *k = taps->k + (ptrdiff_t)i * taps->k_step;
    const uint8_t *p = in + (ptrdiff_t)taps->first[i] * channels;
    lanes acc[3] = { { 0 }, { 0 }, { 0 } };
    for (int t = 0; t < taps->count[i] * channels; t += channels * LANES)
        UNROLL for (int v = 0; v < channels; v++)
            acc[v] += load_bytes(p + t + v * LANES) * *(const lanes_loose *)(k + t + v * LANES);
    quad part[3 * LANES / 4], sum[3] = { { 0 }, { 0 }, { 0 } };
    memcpy(part, acc, sizeof part);
    UNROLL for (int q = 0; q < channels * LANES / 4; q++) sum[q % channels] += part[q];
    UNROLL for (int c = 0; c < channels; c++) {
        uint32_t total = RESAMPLE_HALF;
        UNROLL for (int j = c; j < 4 * channels; j += channels) total += sum[j / 4][j % 4];
        out[i * channels + c] = to_byte(total);
    }
}

INLINE void resample_row_of(uint8_t *out, const uint8_t *in, ptrdiff_t in_bytes,
                            const struct tp_row_taps *taps, const int channels)
{
    const int step = channels * LANES;
    for (int i = 0; i < taps->n; i++) {
        ptrdiff_t whole = (taps->count[i] * channels + step - 1) / step * (ptrdiff_t)step;
        if ((ptrdiff_t)taps->first[i] * channels + whole <= in_bytes)
            resample_vector(out, in, taps, channels, i);
        else
            resample_plain(out, in, taps, channels, i);
    }
}

static void resample_columns(uint8_t *out, const uint8_t *in, ptrdiff_t in_step, const int32_t *k,
                             int n_taps, ptrdiff_t n_bytes)
{
    ptrdiff_t j = 0;
    for (; j + LANES <= n_bytes; j += LANES) {
        lanes sum = { 0 };
        for (int t = 0; t < n_taps; t++) sum += load_bytes(in + t * in_step + j) * (uint32_t)k[t];
        UNROLL for (int l = 0; l < LANES; l++) out[j + l] = to_byte(sum[l] + RESAMPLE_HALF);
    }
    for (; j < n_bytes; j++) {
        uint32_t sum = RESAMPLE_HALF;
        for (int t = 0; t < n_taps; t++) sum += (uint32_t)(in[t * in_step + j] * k[t]);
        out[j] = to_byte(sum);
    }
}

#else

INLINE void resample_row_of(uint8_t *out, const uint8_t *in, ptrdiff_t in_bytes,
                            const struct tp_row_taps *taps, const int channels)
{
    (void)in_bytes;
    for (int i = 0; i < taps->n; i++) resample_plain(out, in, taps, channels, i);
}

/* Strips keep the sums in the first-level cache while the rows stream by. */
static void resample_columns(uint8_t *out, const uint8_t *in, ptrdiff_t in_step, const int32_t *k,
                             int n_taps, ptrdiff_t n_bytes)
{
    enum { STRIP = 256 };
    uint32_t sum[STRIP];
    for (ptrdiff_t x = 0; x < n_bytes; x += STRIP) {
        int n = n_bytes - x < STRIP ? (int)(n_bytes - x) : STRIP;
        for (int j = 0; j < n; j++) sum[j] = RESAMPLE_HALF;
        for (int t = 0; t < n_taps; t++)
            for (int j = 0; j < n; j++) sum[j] += (uint32_t)(in[t * in_step + x + j] * k[t]);
        for (int j = 0; j < n; j++) out[x + j] = to_byte(sum[j]);
    }
}

#endif

static void resample_row(uint8_t *out, const uint8_t *in, ptrdiff_t in_bytes,
                         const struct tp_row_taps *taps, int channels)
{
    if (channels == 1) resample_row_of(out, in, in_bytes, taps, 1);
    else resample_row_of(out, in, in_bytes, taps, 3);
}

#endif
