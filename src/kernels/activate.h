/* activate.h - activation functions, vector by vector.
 *
 * Every function is its definition in IEEE arithmetic: NaN stays NaN, overflow is infinite, and
 * x * sigmoid(x) of -inf is NaN as it is everywhere; mish, softsign and gelu's approximation have
 * their limits there. Errors, over all floats, are held by tests/unit/test_activate.c to 4 units in
 * the last place (8 for gelu). */
#ifndef TP_KERNELS_ACTIVATE_H
#define TP_KERNELS_ACTIVATE_H

#include "kernels/kernels.h"
#include "kernels/power.h"
#include "kernels/vec.h"

enum { GATES = VL == 8 ? 2 : 4 };    /* vectors abreast; AVX2 has but 16 registers */

typedef uint32_t act_bits __attribute__((vector_size(4 * VL)));      /* of a NaN they overflow */

/* ---- exponentials: mostly of what is not positive, which is all that most functions need ----- */

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

/* e^x for any x: 2^n in two normal halves here too, so that overflow comes where it should. */
INLINE vec act_exp(vec x) { return exp_down(vmin(x, splat(89)), splat(0)); }

/* ln(1 + e) for 0 <= e <= 1: 2 atanh s = s P(s^2), s = e / (e + 2). P is minimax, its relative
 * error 4e-9 (Remez exchange in 50 digits). A denormal e is left as it is. */
INLINE vec log1p_unit(vec e)
{
    const vec over = 1 / (e + 2), s = e * over, t = s * s;
    vec p = splat(2.817833263e-1f);
    p = p * t + splat(2.796060759e-1f);
    p = p * t + splat(4.002490953e-1f);
    p = p * t + splat(6.666631471e-1f);
    p = p * t + splat(2.000000008f);
    return p * over * e;
}

/* ---- functions ------------------------------------------------------------------------------- */

INLINE vec act_abs(vec x) { return (vec)((veci)x & 0x7fffffff); }

/* |x| with the sign of `from`. */
INLINE vec act_with_sign(vec x, vec from)
{
    return (vec)((veci)act_abs(x) | ((veci)from & (veci)splat(-0.0f)));
}

/* x / (1 + e^-x), or 1 / (1 + e^-x), of n vectors; n and the choice are constants where this is
 * inlined. The sum would overflow where the result is a small number still: with e^-x = p 2^e it is
 * computed 2^-h times, h = e / 2, and that is made up for behind the division, which so rounds
 * denormals once. From x = 17.5 on the sum is 1, up to -176 the result 0. e is read off the digits
 * of `shifted`, two places higher for h. Vectors abreast hide that each step waits for the one
 * before: on AVX-512 4.6 ns each by way of e^-|x|, so 2.9 alone and 2.5 of four. */
#define EACH UNROLL for (int i = 0; i < n; i++)
INLINE void act_gates(vec *gate, const vec *x, const int n, const bool times_x)
{
    const vec round = splat(12582912.0f);
    vec r[GATES], whole[GATES], shifted[GATES], p[GATES], down[GATES];
    EACH r[i] = clamp(x[i], -176, 17.5f);
    EACH shifted[i] = round - r[i] * splat(1.44269504f);
    EACH whole[i] = shifted[i] - round;
    EACH r[i] += whole[i] * splat(0.693359375f);
    EACH r[i] -= whole[i] * splat(2.12194440e-4f);
    EACH p[i] = splat(1.9875691500e-4f) * r[i] - splat(1.3981999507e-3f);
    EACH p[i] = p[i] * r[i] + splat(8.3334519073e-3f);   /* e^-r: exp_reduce's polynomial */
    EACH p[i] = p[i] * r[i] - splat(4.1665795894e-2f);
    EACH p[i] = p[i] * r[i] + splat(1.6666665459e-1f);
    EACH p[i] = p[i] * r[i] - splat(5.0000001201e-1f);
    EACH p[i] = p[i] * r[i] + splat(1);
    EACH p[i] = splat(1) - p[i] * r[i];
    EACH {
        const act_bits one = (act_bits)splat(1), e = (act_bits)shifted[i] << 23;
        const act_bits h = ((act_bits)shifted[i] << 22) & ~0x7fffffu;
        down[i] = (vec)(one - h);
        p[i] = p[i] * (vec)(one + (e - h)) + down[i];
    }
    EACH gate[i] = (times_x ? x[i] : splat(1)) / p[i] * down[i];
}
#undef EACH

INLINE vec act_gate(vec x, const bool times_x)
{
    vec gate;
    act_gates(&gate, &x, 1, times_x);
    return gate;
}

/* |tanh x| = |m / (m + 2)|, m = e^(-2|x|) - 1. */
INLINE vec act_tanh(vec x)
{
    vec m = expm1_down(act_abs(x) * -2);
    return act_with_sign(m / (m + 2), x);
}

/* The upper half of x's digits: products of two such are exact. */
INLINE vec upper(vec x) { return (vec)((veci)x & -4096); }

/* The upper tail of the normal distribution, a >= 0: e^(-a^2/2) * t(a), where t(a) =
 * erfcx(a / sqrt 2) / 2 is v times a minimax polynomial of degree 9 in v = 4 / (a + 4) on [0, 14.5]
 * with a relative error of 8.6e-9 (Remez exchange in 40 digits). Of the variables tried, this one
 * makes the terms cancel least. a^2 is split so that its rounding does not grow in the
 * exponential. */
INLINE vec act_normal_tail(vec a)
{
    a = vmin(a, splat(14.5f));                           /* beyond, e^(-a^2/2) is 0 */
    vec high = upper(a), low = (a - high) * (a + high) * -0.5f;
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

/* Near 0 x times a minimax polynomial in x^2, its relative error 1.2e-9 (Remez exchange in 50
 * digits); from 1 on the complement of two tails. */
INLINE vec act_erf(vec x)
{
    const vec a = act_abs(x), t = vmin(x * x, splat(1));
    vec p = splat(7.853860784e-5f);
    p = p * t + splat(-8.010193446e-4f);
    p = p * t + splat(5.188327665e-3f);
    p = p * t + splat(-2.685381192e-2f);
    p = p * t + splat(1.128358515e-1f);
    p = p * t + splat(-3.761262582e-1f);
    p = p * t + splat(1.128379166f);
    const vec far = 1 - 2 * act_normal_tail(a * 1.41421356f);
    return pick(a < 1, x * p, act_with_sign(far, x));
}

/* 2 sqrt(2 / pi) (a + 0.044715 a^3) = a (b + c a^2) to 2^-33 of itself, in two parts, so that its
 * rounding does not grow in an exponential. b and c are the sums of two constants each. */
INLINE vec gelu_exponent(vec a, vec *low)
{
    const vec b = splat(1.59576917f), c = splat(0.0713500977f);        /* c: 12 digits */
    const vec high = upper(a), square = high * high, square_low = (a - high) * (a + high);
    const vec top = upper(square), p = c * top, s = p + b, added = s - p;
    const vec lost = (p - (s - added)) + (b - added);    /* in s: Knuth's two-sum */
    const vec rest = c * (square - top + square_low) + a * a * 4.71861631e-6f - 4.53406805e-8f;
    const vec factor = upper(s), factor_low = s - factor + (lost + rest);
    const vec most = high * factor, less = high * factor_low + (a - high) * (factor + factor_low);
    const vec sum = most + less;
    *low = less - (sum - most);
    return sum;
}

/* (1 + tanh u) / 2 is sigmoid(2u). From |x| = 15 on that is 0 or 1. */
INLINE vec act_gelu_tanh(vec x)
{
    const vec a = vmin(act_abs(x), splat(15));
    vec low, high = gelu_exponent(a, &low);
    const vec e = exp_down(-high, -low);
    return pick(x < 0, -a * e, x) / (e + 1);
}

/* max(x, 0) + ln(1 + e^-|x|). */
INLINE vec act_softplus(vec x)
{
    return vmax(x, splat(0)) + log1p_unit(exp_down(-act_abs(x), splat(0)));
}

/* tanh(ln(1 + e^x)) = q / (q + 2) with q = e^x (e^x + 2), for positive x both taken e^-2x times. */
INLINE vec act_mish(vec x)
{
    const vec e = exp_down(-act_abs(x), splat(0)), q = pick(x < 0, e * (e + 2), e * 2 + 1);
    const vec below = vmax(x, splat(-200));              /* -inf * 0 would be NaN */
    return below * (q / (q + 2 * pick(x < 0, splat(1), e * e)));
}

INLINE vec act_softsign(vec x)
{
    const vec finite = clamp(x, -3.40282347e38f, 3.40282347e38f);
    return finite / (act_abs(finite) + 1);
}

/* The nearest whole number, halves to even: adding 2^23 leaves no room for a fraction. */
INLINE vec act_round(vec x)
{
    const vec room = act_with_sign(splat(8388608.0f), x), whole = (x + room) - room;
    return pick(act_abs(x) < 8388608.0f, act_with_sign(whole, x), x);
}

INLINE vec act_floor(vec x)
{
    const vec whole = act_round(x);
    return act_with_sign(whole - pick(whole > x, splat(1), splat(0)), x);
}

INLINE vec act_trunc(vec x) { return act_with_sign(act_floor(act_abs(x)), x); }

/* Exponents that GeM and variances use, without the logarithm. */
INLINE vec act_pow(vec x, float y)
{
    if (y == 2) return x * x;
    if (y == 3) return x * x * x;
    return power(x, splat(y));
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
    case TP_ACT_SIGMOID: return act_gate(x, false);
    case TP_ACT_TANH: return act_tanh(x);
    case TP_ACT_HARD_SIGMOID: return clamp(x * a->alpha + a->beta, 0, 1);
    case TP_ACT_HARD_SWISH: return x * clamp(x * (1 / 6.0f) + 0.5f, 0, 1);
    case TP_ACT_SWISH: return act_gate(x, true);
    case TP_ACT_GELU: return act_gelu(x);
    case TP_ACT_ABS: return act_abs(x);
    case TP_ACT_SQUARE: return x * x;
    case TP_ACT_SQRT: return act_sqrt(x);
    case TP_ACT_SELU:
        return pick(x < 0, expm1_down(vmin(x, splat(0))) * a->alpha, x) * a->beta;
    case TP_ACT_CELU: return pick(x < 0, expm1_down(vmin(x, splat(0)) / a->alpha) * a->alpha, x);
    case TP_ACT_THRESHOLDED_RELU: return pick(x <= a->alpha, splat(0), x);
    case TP_ACT_SOFTPLUS: return act_softplus(x);
    case TP_ACT_SOFTSIGN: return act_softsign(x);
    case TP_ACT_ERF: return act_erf(x);
    case TP_ACT_GELU_TANH: return act_gelu_tanh(x);
    case TP_ACT_MISH: return act_mish(x);
    case TP_ACT_NEG: return -x;
    case TP_ACT_EXP: return act_exp(x);
    case TP_ACT_LOG: return power_log(x);
    case TP_ACT_POW: return act_pow(x, a->alpha);
    case TP_ACT_RECIPROCAL: return 1 / x;
    case TP_ACT_FLOOR: return act_floor(x);
    case TP_ACT_CEIL: return -act_floor(-x);
    case TP_ACT_ROUND: return act_round(x);
    case TP_ACT_TRUNC: return act_trunc(x);
    case TP_ACT_SIGN: return pick(x > 0, splat(1), pick(x < 0, splat(-1), x));
    case TP_ACT_NOT: return pick(x == 0, splat(1), splat(0));
    case TP_ACT_LINEAR: case TP_N_ACT_KINDS: break;
    }
    return x;
}

INLINE void act_all(const enum tp_act_kind kind, float *out, const float *in, int64_t n,
                    const struct tp_act *a)
{
    const struct tp_act local = *a;                      /* out cannot alias it */
    int64_t i = 0;
    for (; (kind == TP_ACT_SIGMOID || kind == TP_ACT_SWISH) && i + GATES * VL <= n;
         i += GATES * VL) {
        vec x[GATES];
        UNROLL for (int v = 0; v < GATES; v++) x[v] = load(in + i + v * VL);
        act_gates(x, x, GATES, kind == TP_ACT_SWISH);
        UNROLL for (int v = 0; v < GATES; v++) store(out + i + v * VL, x[v]);
    }
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
    case TP_ACT_SELU: act_all(TP_ACT_SELU, out, in, n, a); break;
    case TP_ACT_CELU: act_all(TP_ACT_CELU, out, in, n, a); break;
    case TP_ACT_THRESHOLDED_RELU: act_all(TP_ACT_THRESHOLDED_RELU, out, in, n, a); break;
    case TP_ACT_SOFTPLUS: act_all(TP_ACT_SOFTPLUS, out, in, n, a); break;
    case TP_ACT_SOFTSIGN: act_all(TP_ACT_SOFTSIGN, out, in, n, a); break;
    case TP_ACT_ERF: act_all(TP_ACT_ERF, out, in, n, a); break;
    case TP_ACT_GELU_TANH: act_all(TP_ACT_GELU_TANH, out, in, n, a); break;
    case TP_ACT_MISH: act_all(TP_ACT_MISH, out, in, n, a); break;
    case TP_ACT_NEG: act_all(TP_ACT_NEG, out, in, n, a); break;
    case TP_ACT_EXP: act_all(TP_ACT_EXP, out, in, n, a); break;
    case TP_ACT_LOG: act_all(TP_ACT_LOG, out, in, n, a); break;
    case TP_ACT_POW: act_all(TP_ACT_POW, out, in, n, a); break;
    case TP_ACT_RECIPROCAL: act_all(TP_ACT_RECIPROCAL, out, in, n, a); break;
    case TP_ACT_FLOOR: act_all(TP_ACT_FLOOR, out, in, n, a); break;
    case TP_ACT_CEIL: act_all(TP_ACT_CEIL, out, in, n, a); break;
    case TP_ACT_ROUND: act_all(TP_ACT_ROUND, out, in, n, a); break;
    case TP_ACT_TRUNC: act_all(TP_ACT_TRUNC, out, in, n, a); break;
    case TP_ACT_SIGN: act_all(TP_ACT_SIGN, out, in, n, a); break;
    case TP_ACT_NOT: act_all(TP_ACT_NOT, out, in, n, a); break;
    case TP_ACT_LINEAR: case TP_N_ACT_KINDS:
        if (out != in) memmove(out, in, (size_t)n * sizeof *out);
        break;
    }
}

#endif
