/* half.h - IEEE 754 binary16, as weights are often stored: every one is a float. */
#ifndef TP_HALF_H
#define TP_HALF_H

#include <stdint.h>
#include <string.h>

/* 1 sign, 5 exponent, 10 fraction. */
static inline float tp_half_float(uint32_t half)
{
    const uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    const uint32_t bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    float x;
    memcpy(&x, &bits, sizeof x);
    return exponent ? x : (sign ? -0x1p-24f : 0x1p-24f) * (float)fraction;      /* 0: denormal */
}

#endif
