/* vec.h - the vector types of the instruction set being compiled, and the product's tile for it.
 *
 * A vector type is never wider than the machine's registers: gcc lowers wider ones through memory,
 * 50 to 100 times slower. The tile keeps MR * NR / VL accumulators, NR / VL weights and one
 * broadcast input in registers: 28 + 2 + 1 of 32 (AVX-512), 12 + 2 + 1 of 16 (AVX2, SSE), 24 + 4 +
 * 1 of 32 (NEON). */
#ifndef TP_VEC_H
#define TP_VEC_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { VL = 16, MR = 14, NR = 32 };
#elif defined(__AVX2__)
enum { VL = 8, MR = 6, NR = 16 };
#elif defined(__aarch64__)
enum { VL = 4, MR = 6, NR = 16 };
#else
enum { VL = 4, MR = 6, NR = 8 };
#endif

typedef float vec __attribute__((vector_size(4 * VL)));
typedef int32_t veci __attribute__((vector_size(4 * VL)));
typedef float vec_loose __attribute__((vector_size(4 * VL), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

INLINE vec load(const float *p) { return *(const vec_loose *)p; }
INLINE void store(float *p, vec x) { *(vec_loose *)p = x; }
INLINE vec splat(float x) { return x - (vec){ 0 }; }

/* The first n < VL floats at p, zeros behind; reads nothing beyond them. */
INLINE vec load_part(const float *p, int n)
{
    float lane[VL] = { 0 };
    memcpy(lane, p, (size_t)n * sizeof *p);
    return load(lane);
}

INLINE void store_part(float *p, vec x, int n)
{
    float lane[VL];
    store(lane, x);
    memcpy(p, lane, (size_t)n * sizeof *p);
}

/* mask ? a : b, lane by lane; mask lanes are 0 or -1 (C has no vector ?: in gcc 12). */
INLINE vec pick(veci mask, vec a, vec b) { return (vec)(((veci)a & mask) | ((veci)b & ~mask)); }

/* Lane i of the result is lane at[i] of x. */
INLINE vec lanes_of(vec x, veci at)
{
#if defined(__clang__)               /* has it for constant lanes only; fuzzers are built with it */
    vec y;
    for (int i = 0; i < VL; i++) y[i] = x[at[i]];
    return y;
#else
    return __builtin_shuffle(x, at);
#endif
}

/* A NaN in x stays: only a comparison that holds replaces it. x86 has one instruction for that,
 * which gives its second operand where neither is larger; gcc makes three of the comparison, and of
 * one lane by lane too where it is clever with constants (hard swish of a vector on AVX-512: 0.82
 * ns by comparison, 0.74 lane by lane, so 0.42). */
#if defined(__AVX512F__)
INLINE vec vmax(vec x, vec least) { return (vec)_mm512_max_ps((__m512)least, (__m512)x); }
INLINE vec vmin(vec x, vec most) { return (vec)_mm512_min_ps((__m512)most, (__m512)x); }
#elif defined(__AVX2__)
INLINE vec vmax(vec x, vec least) { return (vec)_mm256_max_ps((__m256)least, (__m256)x); }
INLINE vec vmin(vec x, vec most) { return (vec)_mm256_min_ps((__m256)most, (__m256)x); }
#elif defined(__SSE__)
INLINE vec vmax(vec x, vec least) { return (vec)_mm_max_ps((__m128)least, (__m128)x); }
INLINE vec vmin(vec x, vec most) { return (vec)_mm_min_ps((__m128)most, (__m128)x); }
#else
INLINE vec vmax(vec x, vec least) { return pick(x < least, least, x); }
INLINE vec vmin(vec x, vec most) { return pick(x > most, most, x); }
#endif
INLINE vec clamp(vec x, float lo, float hi) { return vmin(vmax(x, splat(lo)), splat(hi)); }

#endif
