/* peak.h - as many multiply-adds as the processor can do: what a bench measures others by.
 *
 * Two to four start in each cycle, and the next of a chain may start 4 cycles later (8 without
 * FMA): as many chains as the product's tile has accumulators keep all units busy. Numbers of the
 * caller's start them, or a compiler might find that all are one. A chain adds to itself: NEON adds
 * to no other register without a move. What it adds rounds away. */
#ifndef TP_KERNELS_PEAK_H
#define TP_KERNELS_PEAK_H

#include "kernels/vec.h"

static int64_t peak(float *numbers, int64_t n_rounds)
{
    enum { N = NR / VL };
    const vec tiny = splat(0x1p-30f);
    vec x[MR][N], sum = { 0 };
    UNROLL for (int i = 0; i < MR; i++)
        UNROLL for (int j = 0; j < N; j++) x[i][j] = load(numbers + j * VL) + splat((float)i);
    for (int64_t n = 0; n < n_rounds; n++)
        UNROLL for (int i = 0; i < MR; i++)
            UNROLL for (int j = 0; j < N; j++) x[i][j] += x[i][j] * tiny;
    UNROLL for (int i = 0; i < MR; i++)
        UNROLL for (int j = 0; j < N; j++) sum += x[i][j];
    store(numbers, sum);
    return n_rounds * MR * NR * 2;
}

#endif
