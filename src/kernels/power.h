/* power.h - logarithm and power, in double precision on the way.
 *
 * y log2 x must be right to 2^-31 of itself for x^y to be right to a unit in the last place:
 * doubles give that without further ado, and neither overflow nor denormals trouble them. */
#ifndef TP_KERNELS_POWER_H
#define TP_KERNELS_POWER_H

#include "kernels/kernels.h"
#include "kernels/vec.h"

typedef double vecd __attribute__((vector_size(4 * VL)));      /* half the lanes of a vec */
typedef uint64_t vecu __attribute__((vector_size(4 * VL)));
typedef float vec_half __attribute__((vector_size(2 * VL)));

INLINE vecd widen(vec x, const size_t half)
{
    vec_half h;
    memcpy(&h, (const char *)&x + half * sizeof h, sizeof h);
    return __builtin_convertvector(h, vecd);
}

INLINE vec narrow(vecd low, vecd high)
{
    const vec_half h[2] = { __builtin_convertvector(low, vec_half),
                            __builtin_convertvector(high, vec_half) };
    vec x;
    memcpy(&x, h, sizeof x);
    return x;
}

/* log2 x for finite x > 0: x = 2^n m with m from sqrt(1/2) to sqrt 2, log2 m = s P(s^2) with
 * s = (m - 1) / (m + 1). P is minimax, its relative error 4.3e-12 (Remez exchange in 50 digits). */
INLINE vecd power_log2(vecd x)
{
    const uint64_t root = 0x3fe6a09e667f3bcd;            /* sqrt(1/2) */
    const vecu bits = (vecu)x - root + ((uint64_t)1023 << 52);
    const vecd n = (vecd)((bits >> 52) | 0x4330000000000000) - (4503599627370496.0 + 1023);
    const vecd m = (vecd)((bits & 0xfffffffffffff) + root);
    const vecd s = (m - 1) / (m + 1), t = s * s;
    vecd p = 3.4073010658534338e-1 + (vecd){ 0 };
    p = p * t + 4.1167271899777669e-1;
    p = p * t + 5.7708358496515137e-1;
    p = p * t + 9.6179667334179749e-1;
    p = p * t + 2.8853900817900862;
    return p * s + n;
}

/* 2^x for |x| <= 1000: a minimax polynomial on [-1/2, 1/2], its relative error 1.9e-9. */
INLINE vecd power_exp2(vecd x)
{
    const double round = 6755399441055744.0;             /* 1.5 * 2^52: adding it rounds to whole */
    const vecd shifted = x + round, r = x - (shifted - round);
    vecd p = 1.5345806273557664e-4 + (vecd){ 0 };
    p = p * r + 1.3399931573329350e-3;
    p = p * r + 9.6184889922049654e-3;
    p = p * r + 5.5503287761019204e-2;
    p = p * r + 2.4022646890049824e-1;
    p = p * r + 6.9314720573746514e-1;
    p = p * r + 1.0000000005543713;
    return (vecd)((vecu)p + ((vecu)shifted << 52));
}

/* ln x as C's logf. */
INLINE vec power_log(vec x)
{
    const double ln2 = 0.69314718055994531;
    const vec y = narrow(power_log2(widen(x, 0)) * ln2, power_log2(widen(x, 1)) * ln2);
    const vec infinity = splat(__builtin_inff()), nan = splat(__builtin_nanf(""));
    const vec edge = pick(x == 0, -infinity, pick(x < 0, nan, x));
    return pick((x > 0) & (x < infinity), y, edge);
}

/* |x|^y where neither is special. */
INLINE vecd power_half(vec a, vec y, const size_t half)
{
    typedef int64_t mask __attribute__((vector_size(4 * VL)));
    const vecd e = power_log2(widen(a, half)) * widen(y, half), most = 1000 + (vecd){ 0 };
    const mask over = e > most, under = e < -most;
    return power_exp2((vecd)(((mask)most & over) | ((mask)-most & under) |
                             ((mask)e & ~(over | under))));
}

/* x^y as C's powf, special cases included (C11, F.10.4.4). */
INLINE vec power(vec x, vec y)
{
    const vec infinity = splat(__builtin_inff()), nan = splat(__builtin_nanf(""));
    const veci sign = (veci)x & (veci)splat(-0.0f);
    const vec a = (vec)((veci)x ^ sign), b = (vec)((veci)y & 0x7fffffff);
    vec z = narrow(power_half(a, y, 0), power_half(a, y, 1));
    z = pick((a == 0) | (a == infinity), pick((a == 0) ^ (y < 0), splat(0), infinity), z);
    z = pick(a == 1, splat(1), z);

    const vec even = splat(16777216.0f);         /* 2^24: this and all beyond are even numbers */
    const vec size = pick(b < even, b, even);
    const veci whole = __builtin_convertvector(size, veci);
    const veci is_whole = __builtin_convertvector(whole, vec) == size;
    z = pick((x < 0) & (a < infinity) & ~is_whole, nan, z);
    z = (vec)((veci)z ^ (sign & is_whole & -(whole & 1)));
    z = pick((x != x) | (y != y), nan, z);
    return pick((x == 1) | (y == 0), splat(1), z);
}

#endif
