/* decimal.h - the shortest decimals of floats, in double.
 *
 * For a float x with a last place of 2^q let k be floor(log10(2^q)): of the multiples of 10^k and
 * of 10^(k+1) within half a place of x the shortest is chosen, and of those the nearest (R.
 * Giulietti, "The Schubfach way to render doubles", 2020). v = x / 10^k has up to 28 bits in front
 * of the point, so that a double leaves 24 behind it: enough but for one number in a million, which
 * is left to exact integers. */
#ifndef TP_KERNELS_DECIMAL_H
#define TP_KERNELS_DECIMAL_H

#include "kernels/kernels.h"
#include "kernels/vec.h"

enum { DECIMAL_LANES = VL / 2, DECIMAL_K_MIN = -46 };

typedef float decimal_f32 __attribute__((vector_size(4 * DECIMAL_LANES)));
typedef double decimal_f64 __attribute__((vector_size(8 * DECIMAL_LANES)));
typedef int64_t decimal_i64 __attribute__((vector_size(8 * DECIMAL_LANES)));
typedef uint32_t decimal_u32 __attribute__((vector_size(8 * DECIMAL_LANES)));
typedef uint16_t decimal_u16 __attribute__((vector_size(8 * DECIMAL_LANES)));

/* [k - DECIMAL_K_MIN]: 10^-k */
static const double decimal_power[79] = {
    1e46, 1e45, 1e44, 1e43, 1e42, 1e41, 1e40, 1e39, 1e38, 1e37, 1e36, 1e35, 1e34, 1e33, 1e32,
    1e31, 1e30, 1e29, 1e28, 1e27, 1e26, 1e25, 1e24, 1e23, 1e22, 1e21, 1e20, 1e19, 1e18, 1e17,
    1e16, 1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1e0,
    1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14,
    1e-15, 1e-16, 1e-17, 1e-18, 1e-19, 1e-20, 1e-21, 1e-22, 1e-23, 1e-24, 1e-25, 1e-26, 1e-27,
    1e-28, 1e-29, 1e-30, 1e-31, 1e-32,
};

INLINE decimal_f64 decimal_pick(decimal_i64 mask, decimal_f64 a, decimal_f64 b)
{
    return (decimal_f64)(((decimal_i64)a & mask) | ((decimal_i64)b & ~mask));
}

INLINE decimal_f64 decimal_all(double x) { return x - (decimal_f64){ 0 }; }

/* mask ? x : 0 */
INLINE decimal_f64 decimal_if(decimal_i64 mask, double x)
{
    return (decimal_f64)((decimal_i64)decimal_all(x) & mask);
}

/* To nearest; |x| < 2^51. */
INLINE decimal_f64 decimal_round(decimal_f64 x) { return (x + 0x1.8p52) - 0x1.8p52; }

INLINE decimal_f64 decimal_abs(decimal_f64 x)
{
    return (decimal_f64)((decimal_i64)x & INT64_MAX);
}

/* The bytes of two numbers below 10000, which are whole: the first's in front. */
INLINE decimal_i64 decimal_spread(decimal_f64 high, decimal_f64 low)
{
    const decimal_i64 h = (decimal_i64)(high + 0x1p52) & 0xFFFF;
    const decimal_u32 fours = (decimal_u32)(h | (decimal_i64)(low + 0x1p52) << 32);
    const decimal_u32 hundreds = (fours * 10486) >> 20;
    const decimal_u16 twos = (decimal_u16)(hundreds | (fours - 100 * hundreds) << 16);
    const decimal_u16 tens = (twos * 103) >> 10;
    return (decimal_i64)(tens | (twos - 10 * tens) << 8);
}

/* [biased exponent of a float, + 256 for a power of two]: k. Giulietti's formulas for
 * floor(log10(2^q)) and floor(log10(2^q * 3/4)). */
#define K1(b, log) (int8_t)((((b) - 150) * 1262611 - (log)) >> 22)
#define K4(b, log) K1(b, log), K1(b + 1, log), K1(b + 2, log), K1(b + 3, log)
#define K16(b, log) K4(b, log), K4(b + 4, log), K4(b + 8, log), K4(b + 12, log)
#define K64(b, log) K16(b, log), K16(b + 16, log), K16(b + 32, log), K16(b + 48, log)
#define K256(log) K64(0, log), K64(64, log), K64(128, log), K64(192, log)
static const int8_t decimal_k[512] = { K256(0), K256(524031) };
#undef K1
#undef K4
#undef K16
#undef K64
#undef K256

INLINE void decimal_lanes(struct tp_decimals *d, int at, const float *from)
{
    decimal_f32 single;
    memcpy(&single, from, sizeof single);
    const decimal_f64 given = decimal_abs(__builtin_convertvector(single, decimal_f64));
    const decimal_i64 zero = given == 0, usable = (given >= 0x1p-126) & (given < 0x1p128);
    const decimal_f64 x = decimal_pick(usable, given, decimal_all(1));
    const decimal_i64 bits = (decimal_i64)x, two = (bits << 12) == 0;
    const decimal_i64 index = (bits >> 52) - (1023 - 127) + (two & 256);
    decimal_f64 p;
    int64_t k[DECIMAL_LANES];
    UNROLL for (int i = 0; i < DECIMAL_LANES; i++) {
        k[i] = decimal_k[index[i]];
        p[i] = decimal_power[k[i] - DECIMAL_K_MIN];
    }
    /* From v up to `above` and down to `below` everything reads back to x. */
    const decimal_f64 v = x * p;
    const decimal_i64 place = (bits & 0x7FF0000000000000) - ((int64_t)24 << 52);
    const decimal_f64 above = (decimal_f64)place * p;
    const decimal_f64 below = above - (decimal_f64)(two & (decimal_i64)(above * 0.5));

    /* The multiple of ten that may be there, and the whole number that surely is: the nearest, or
     * below a power of two, where there is less room, that behind it. */
    const decimal_f64 t = decimal_round(v * 0.1) * 10, t_off = v - t;
    const decimal_i64 t_low = t_off > below;
    const decimal_f64 ten = t + decimal_if(t_low, 10), ten_off = v - ten;
    const decimal_f64 s = decimal_round(v), s_off = v - s;
    const decimal_f64 one = s + decimal_if(s_off > below, 1);
    const decimal_i64 fits = (ten_off <= below) & (-ten_off <= above);
    const decimal_f64 shortest = decimal_pick(fits, ten, one);
    const decimal_i64 odd = (decimal_abs(t_off - below) < 1e-7) |
                            (decimal_abs(ten_off + above) < 1e-7) |
                            (decimal_abs(s_off - below) < 1e-7) |
                            (decimal_abs(s_off) > 0.5 - 1e-7);

    const decimal_i64 eight = shortest < 1e8, seven = shortest < 1e7;
    const decimal_f64 factor = decimal_pick(seven, decimal_all(100),
                                            decimal_pick(eight, decimal_all(10), decimal_all(1)));
    const decimal_f64 nine = (decimal_f64)((decimal_i64)(shortest * factor) & ~zero);
    const decimal_f64 first = decimal_round(nine * 1e-8 - (0.5 - 0.5e-8));
    const decimal_f64 rest = nine - first * 1e8;
    const decimal_f64 high = decimal_round(rest * 1e-4 - (0.5 - 0.5e-4));
    const decimal_i64 others = decimal_spread(high, rest - high * 1e4);
    const decimal_i64 digit = (decimal_i64)(first + 0x1p52) & 0xF;
    decimal_i64 point;
    memcpy(&point, k, sizeof point);
    point += 9 + eight + seven;
    point = (zero & 1) | (~zero & ((point & usable & ~odd) | ((odd | ~usable) & TP_DECIMAL_ODD)));
    memcpy(d->first + at, &digit, sizeof digit);
    memcpy(d->others + at, &others, sizeof others);
    memcpy(d->point + at, &point, sizeof point);
}

static void decimals(struct tp_decimals *d, const float *x, int n)
{
    int i = 0;
    for (; i + DECIMAL_LANES <= n; i += DECIMAL_LANES) decimal_lanes(d, i, x + i);
    if (i == n) return;
    float last[DECIMAL_LANES] = { 0 };
    memcpy(last, x + i, (size_t)(n - i) * sizeof *x);
    decimal_lanes(d, i, last);
}

#endif
