/* binary.h - two operands, elementwise, and the scale and shift of every channel. */
#ifndef TP_KERNELS_BINARY_H
#define TP_KERNELS_BINARY_H

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/power.h"
#include "kernels/vec.h"

/* C's exact remainder has the sign of a. Not worth vectors: networks take it of a few indices. */
INLINE vec binary_modulo(vec a, vec b)
{
    float x[VL], y[VL];
    store(x, a);
    store(y, b);
    for (int i = 0; i < VL; i++) {
        x[i] = fmodf(x[i], y[i]);
        if ((x[i] < 0 && y[i] > 0) || (x[i] > 0 && y[i] < 0)) x[i] += y[i];
    }
    return load(x);
}

INLINE vec binary_truth(veci mask) { return pick(mask, splat(1), splat(0)); }

/* `kind` is a constant wherever this is inlined. A NaN in either operand makes max and min NaN. */
INLINE vec binary_one(const enum tp_binary_kind kind, vec a, vec b)
{
    switch (kind) {
    case TP_BINARY_ADD: return a + b;
    case TP_BINARY_SUB: return a - b;
    case TP_BINARY_MUL: return a * b;
    case TP_BINARY_MAX: return pick((b > a) | (b != b), b, a);
    case TP_BINARY_PRELU: return pick(a < 0, a * b, a);
    case TP_BINARY_MIN: return pick((b < a) | (b != b), b, a);
    case TP_BINARY_DIV: return a / b;
    case TP_BINARY_POW: return power(a, b);
    case TP_BINARY_MOD: return binary_modulo(a, b);
    case TP_BINARY_EQUAL: return binary_truth(a == b);
    case TP_BINARY_LESS: return binary_truth(a < b);
    case TP_BINARY_LESS_EQUAL: return binary_truth(a <= b);
    case TP_BINARY_AND: return binary_truth((a != 0) & (b != 0));
    case TP_BINARY_OR: return binary_truth((a != 0) | (b != 0));
    case TP_BINARY_XOR: return binary_truth((a != 0) ^ (b != 0));
    case TP_N_BINARY_KINDS: break;
    }
    return a;
}

/* An operand of step 0 is read once, before anything is written. */
INLINE void binary_all(const enum tp_binary_kind kind, float *out, const float *a, const int a_step,
                       const float *b, const int b_step, int64_t n)
{
    const vec one_a = splat(*a), one_b = splat(*b);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vec x = a_step ? load(a + i) : one_a, y = b_step ? load(b + i) : one_b;
        store(out + i, binary_one(kind, x, y));
    }
    if (i < n) {
        int rest = (int)(n - i);
        vec x = a_step ? load_part(a + i, rest) : one_a;
        vec y = b_step ? load_part(b + i, rest) : one_b;
        store_part(out + i, binary_one(kind, x, y), rest);
    }
}

INLINE void binary_steps(const enum tp_binary_kind kind, float *out, const float *a, int a_step,
                         const float *b, int b_step, int64_t n)
{
    if (n < 1) return;
    if (a_step && b_step) binary_all(kind, out, a, 1, b, 1, n);
    else if (a_step) binary_all(kind, out, a, 1, b, 0, n);
    else if (b_step) binary_all(kind, out, a, 0, b, 1, n);
    else binary_all(kind, out, a, 0, b, 0, n);
}

#define BINARY(NAME, KIND)                                                                         \
    static void binary_##NAME(float *out, const float *a, int a_step, const float *b, int b_step,  \
                              int64_t n)                                                           \
    {                                                                                              \
        binary_steps(TP_BINARY_##KIND, out, a, a_step, b, b_step, n);                              \
    }
BINARY(add, ADD) BINARY(sub, SUB) BINARY(mul, MUL) BINARY(max, MAX) BINARY(prelu, PRELU)
BINARY(min, MIN) BINARY(div, DIV) BINARY(pow, POW) BINARY(mod, MOD) BINARY(equal, EQUAL)
BINARY(less, LESS) BINARY(less_equal, LESS_EQUAL) BINARY(and, AND) BINARY(or, OR) BINARY(xor, XOR)
#undef BINARY

/* ---- scale and shift ------------------------------------------------------------------------- */

/* The loads come first, so that product and sum meet in one fma wherever this is inlined: bits must
 * not depend on whether a channel was in a full vector. */
INLINE vec affine_one(vec scale, vec x, vec shift) { return scale * x + shift; }

INLINE void affine_pixel(float *out, const float *in, const float *scale, const float *shift, int n)
{
    int c = 0;
    for (; c + VL <= n; c += VL)
        store(out + c, affine_one(load(scale + c), load(in + c), load(shift + c)));
    if (c < n) {
        int rest = n - c;
        vec a = load_part(scale + c, rest), b = load_part(shift + c, rest);
        store_part(out + c, affine_one(a, load_part(in + c, rest), b), rest);
    }
}

enum { AFFINE_NARROW = 64 };         /* channels of a pixel that leaves much of a vector unused */

/* VL narrow pixels in a row are one wide pixel without a remainder. */
static void affine_narrow(float *out, const float *in, const float *scale, const float *shift,
                          int64_t n_wide, int channels)
{
    float wide_scale[AFFINE_NARROW * VL], wide_shift[AFFINE_NARROW * VL];
    int width = channels * VL;
    for (int i = 0; i < VL; i++) {
        memcpy(wide_scale + i * channels, scale, (size_t)channels * sizeof *scale);
        memcpy(wide_shift + i * channels, shift, (size_t)channels * sizeof *shift);
    }
    for (int64_t i = 0; i < n_wide; i++)
        affine_pixel(out + i * width, in + i * width, wide_scale, wide_shift, width);
}

static void affine(float *out, const float *in, const float *scale, const float *shift,
                   int64_t n_pixels, int channels)
{
    int64_t done = 0;
    if (channels < AFFINE_NARROW && channels % VL && n_pixels >= 4 * VL) {
        done = n_pixels / VL * VL;
        affine_narrow(out, in, scale, shift, n_pixels / VL, channels);
    }
    for (int64_t i = done; i < n_pixels; i++)
        affine_pixel(out + i * channels, in + i * channels, scale, shift, channels);
}

#endif
