/* half.h - IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction. Every one is a float. */
#ifndef TP_HALF_H
#define TP_HALF_H

#include <stdint.h>
#include <string.h>

static inline float tp_half_float(uint32_t half)
{
    const uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    const uint32_t bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    float x;
    memcpy(&x, &bits, sizeof x);
    return exponent ? x : (sign ? -0x1p-24f : 0x1p-24f) * (float)fraction;      /* 0: denormal */
}

/* The nearest one, ties to even; infinity from 65520 on. NaN stays NaN, with what fits of its
 * payload, as NumPy has it. All cases are computed and masks choose: ?: becomes branches here, and
 * loops of it no vector code. */
static inline uint16_t tp_half_bits(float x)
{
    const float shift = 0.5f;        /* its last bit counts 2^-24, as the denormals' does */
    uint32_t bits, shifted, shift_bits;
    memcpy(&bits, &x, sizeof bits);
    memcpy(&shift_bits, &shift, sizeof shift_bits);
    const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    const uint32_t normal = (size - (112u << 23) + 0xFFF + (size >> 13 & 1)) >> 13;
    float sum;
    memcpy(&sum, &size, sizeof sum);
    sum += shift;
    memcpy(&shifted, &sum, sizeof shifted);
    const uint32_t payload = size >> 13 & 1023, nan = 0x7C00 | payload | (payload == 0);
    const uint32_t denormal = -(uint32_t)(size < 113u << 23);
    const uint32_t huge = -(uint32_t)(size >= 143u << 23);    /* 65536; `normal` rounds up to it */
    const uint32_t is_nan = -(uint32_t)(size > 255u << 23);
    uint32_t half = ((shifted - shift_bits) & denormal) | (normal & ~denormal);
    half = (0x7C00 & huge) | (half & ~huge);
    half = (nan & is_nan) | (half & ~is_nan);
    return (uint16_t)(sign | half);
}

#endif
