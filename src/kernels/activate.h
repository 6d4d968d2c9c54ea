/* activate.h - activation functions, vector by vector.
 *
 * Every function is its definition in IEEE arithmetic: NaN stays NaN, overflow is infinite, and
 * x * sigmoid(x) of -inf is NaN as it is everywhere. Errors, over all floats, are held by
 * tests/unit/test_activate.c to 3 units in the last place (8 for gelu). */
#ifndef TP_KERNELS_ACTIVATE_H
#define TP_KERNELS_ACTIVATE_H

#include "kernels/kernels.h"
#include "kernels/vec.h"

/* ---- the exponential of what is not positive: all that the functions below need -------------- */

/* x + low = n ln 2 + r with |r| <= ln(2) / 2: returns e^r - 1 and n. ln 2 is taken off in two
 * parts, of which the first times n is exact. Polynomial and split: Cephes expf.c (S. Moshier). */
INLINE vec exp_reduce(vec x, vec low, veci *n)
{
    const vec round = splat(12582912.0f);                /* 1.5 * 2^23: adding it rounds to whole */
    vec shifted = x * splat(1.44269504f) + round;
    vec whole = shifted - round;
    vec r = x - whole * splat(0.693359375f);
    r = r - whole * splat(-2.12194440e-4f) + low;
    vec q = splat(1.9875691500e-4f);
    q = q * r + splat(1.3981999507e-3f);
    q = q * r + splat(8.3334519073e-3f);
    q = q * r + splat(4.1665795894e-2f);
    q = q * r + splat(1.6666665459e-1f);
    q = q * r + splat(5.0000001201e-1f);
    *n = (veci)shifted - (veci)round;
    return q * (r * r) + r;
}

/* 2^n for -126 <= n <= 127. */
INLINE vec exp_two(veci n) { return (vec)((n + 127) << 23); }

/* e^(x + low) for x <= 0 and a low that is small beside it. Denormal results are rounded once: the
 * power of two comes in two normal halves. */
INLINE vec exp_down(vec x, vec low)
{
    veci n;
    vec p = exp_reduce(vmax(x, splat(-104)), low, &n);   /* e^-104 is less than half a denormal */
    veci half = n >> 1;
    return (p + 1) * exp_two(half) * exp_two(n - half);
}

/* e^x - 1 for x <= 0, without the cancellation near 0. */
INLINE vec expm1_down(vec x)
{
    veci n;
    vec p = exp_reduce(vmax(x, splat(-30)), splat(0), &n);
    vec two = exp_two(n);
    return two * p + (two - 1);
}

/* ---- functions ------------------------------------------------------------------------------- */

INLINE vec act_abs(vec x) { return (vec)((veci)x & 0x7fffffff); }

/* |x| with the sign of `from`. */
INLINE vec act_with_sign(vec x, vec from)
{
    return (vec)((veci)act_abs(x) | ((veci)from & (veci)splat(-0.0f)));
}

/* Both halves from e^-|x|, which cannot overflow. */
INLINE vec act_sigmoid(vec x)
{
    vec e = exp_down(-act_abs(x), splat(0));
    return pick(x < 0, e, splat(1)) / (e + 1);
}

/* |tanh x| = |m / (m + 2)|, m = e^(-2|x|) - 1. */
INLINE vec act_tanh(vec x)
{
    vec m = expm1_down(act_abs(x) * -2);
    return act_with_sign(m / (m + 2), x);
}

/* The upper tail of the normal distribution, a >= 0: e^(-a^2/2) * t(a), where t(a) =
 * erfcx(a / sqrt 2) / 2 is v times a minimax polynomial of degree 9 in v = 4 / (a + 4) on [0, 14.5]
 * with a relative error of 8.6e-9 (Remez exchange in 40 digits). Of the variables tried, this one
 * makes the terms cancel least. a^2 is split so that its rounding does not grow in the
 * exponential. */
INLINE vec act_normal_tail(vec a)
{
    a = vmin(a, splat(14.5f));                           /* beyond, e^(-a^2/2) is 0 */
    vec high = (vec)((veci)a & -4096), low = (a - high) * (a + high) * -0.5f;
    vec v = 4 / (a + 4);
    vec t = splat(1.689242163e-2f);
    t = t * v + splat(-6.453724802e-2f);
    t = t * v + splat(5.587964177e-2f);
    t = t * v + splat(2.261070362e-2f);
    t = t * v + splat(1.773485648e-2f);
    t = t * v + splat(8.385116147e-2f);
    t = t * v + splat(7.301282401e-2f);
    t = t * v + splat(9.528785517e-2f);
    t = t * v + splat(9.952145863e-2f);
    t = t * v + splat(9.974632955e-2f);
    return t * v * exp_down(high * high * -0.5f, low);
}

/* (1 + erf(x / sqrt 2)) / 2 is the tail beyond -x: no cancellation where x is negative. */
INLINE vec act_gelu(vec x)
{
    vec tail = act_normal_tail(act_abs(x));
    return x * pick(x < 0, tail, 1 - tail);
}

INLINE vec act_relu(vec x, const struct tp_act *a)
{
    vec below = a->alpha != 0 ? (x - a->gamma) * a->alpha : splat(0);
    vec y = pick(x < a->gamma, below, x);
    return pick(x >= a->beta, splat(a->beta), y);
}

INLINE vec act_sqrt(vec x)
{
    float lane[VL];
    store(lane, x);
    for (int i = 0; i < VL; i++) lane[i] = __builtin_sqrtf(lane[i]);     /* gcc: one vsqrtps */
    return load(lane);
}

/* `kind` is a constant wherever this is inlined. */
INLINE vec act_one(const enum tp_act_kind kind, vec x, const struct tp_act *a)
{
    switch (kind) {
    case TP_ACT_CLAMP: return clamp(x, a->alpha, a->beta);
    case TP_ACT_LEAKY_RELU: return pick(x < 0, x * a->alpha, x);
    case TP_ACT_RELU: return act_relu(x, a);
    case TP_ACT_ELU: return pick(x < 0, expm1_down(vmin(x, splat(0))) * a->alpha, x);
    case TP_ACT_SIGMOID: return act_sigmoid(x);
    case TP_ACT_TANH: return act_tanh(x);
    case TP_ACT_HARD_SIGMOID: return clamp(x * a->alpha + a->beta, 0, 1);
    case TP_ACT_HARD_SWISH: return x * clamp(x * (1 / 6.0f) + 0.5f, 0, 1);
    case TP_ACT_SWISH: return x * act_sigmoid(x);
    case TP_ACT_GELU: return act_gelu(x);
    case TP_ACT_ABS: return act_abs(x);
    case TP_ACT_SQUARE: return x * x;
    case TP_ACT_SQRT: return act_sqrt(x);
    case TP_ACT_LINEAR: case TP_N_ACT_KINDS: break;
    }
    return x;
}

INLINE void act_all(const enum tp_act_kind kind, float *out, const float *in, int64_t n,
                    const struct tp_act *a)
{
    const struct tp_act local = *a;                      /* out cannot alias it */
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(out + i, act_one(kind, load(in + i), &local));
    if (i < n) {
        int rest = (int)(n - i);
        store_part(out + i, act_one(kind, load_part(in + i, rest), &local), rest);
    }
}

static void activate(float *out, const float *in, int64_t n, const struct tp_act *a)
{
    switch (a->kind) {
    case TP_ACT_CLAMP: act_all(TP_ACT_CLAMP, out, in, n, a); break;
    case TP_ACT_LEAKY_RELU: act_all(TP_ACT_LEAKY_RELU, out, in, n, a); break;
    case TP_ACT_RELU: act_all(TP_ACT_RELU, out, in, n, a); break;
    case TP_ACT_ELU: act_all(TP_ACT_ELU, out, in, n, a); break;
    case TP_ACT_SIGMOID: act_all(TP_ACT_SIGMOID, out, in, n, a); break;
    case TP_ACT_TANH: act_all(TP_ACT_TANH, out, in, n, a); break;
    case TP_ACT_HARD_SIGMOID: act_all(TP_ACT_HARD_SIGMOID, out, in, n, a); break;
    case TP_ACT_HARD_SWISH: act_all(TP_ACT_HARD_SWISH, out, in, n, a); break;
    case TP_ACT_SWISH: act_all(TP_ACT_SWISH, out, in, n, a); break;
    case TP_ACT_GELU: act_all(TP_ACT_GELU, out, in, n, a); break;
    case TP_ACT_ABS: act_all(TP_ACT_ABS, out, in, n, a); break;
    case TP_ACT_SQUARE: act_all(TP_ACT_SQUARE, out, in, n, a); break;
    case TP_ACT_SQRT: act_all(TP_ACT_SQRT, out, in, n, a); break;
    case TP_ACT_LINEAR: case TP_N_ACT_KINDS:
        if (out != in) memmove(out, in, (size_t)n * sizeof *out);
        break;
    }
}

#endif
