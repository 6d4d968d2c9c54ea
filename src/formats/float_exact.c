/* float_exact.c - decimal numbers against binary ones in exact integers. */
#include "formats/float_exact.h"

#include <math.h>

const double tp_float_exact_pow10[TP_POW10_MAX - TP_POW10_MIN + 1] = {
    1e-65, 1e-64, 1e-63, 1e-62, 1e-61, 1e-60, 1e-59, 1e-58, 1e-57, 1e-56, 1e-55, 1e-54,
    1e-53, 1e-52, 1e-51, 1e-50, 1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42,
    1e-41, 1e-40, 1e-39, 1e-38, 1e-37, 1e-36, 1e-35, 1e-34, 1e-33, 1e-32, 1e-31, 1e-30,
    1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20, 1e-19, 1e-18,
    1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6,
    1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6,
    1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30,
    1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40, 1e41, 1e42,
    1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50, 1e51, 1e52, 1e53,
};

const uint32_t tp_float_exact_pow10_whole[10] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
};

void tp_float_exact_mul_add(struct tp_float_exact *b, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    for (int i = 0; i < b->n; i++) {
        carry += (uint64_t)b->word[i] * factor;
        b->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) b->word[b->n++] = (uint32_t)carry;
}

static void mul_pow10(struct tp_float_exact *b, int64_t exp)
{
    for (; exp >= 9; exp -= 9) tp_float_exact_mul_add(b, tp_float_exact_pow10_whole[9], 0);
    tp_float_exact_mul_add(b, tp_float_exact_pow10_whole[exp], 0);
}

static void mul_pow2(struct tp_float_exact *b, int exp)
{
    for (; exp >= 31; exp -= 31) tp_float_exact_mul_add(b, 1u << 31, 0);
    tp_float_exact_mul_add(b, 1u << exp, 0);
}

int tp_float_exact_compare(struct tp_float_exact decimal, int64_t exp, double x)
{
    int exp2;
    uint64_t mantissa = (uint64_t)ldexp(frexp(x, &exp2), 53);
    int zeros = __builtin_ctzll(mantissa);
    mantissa >>= zeros;
    exp2 += zeros - 53;
    struct tp_float_exact binary = { mantissa >> 32 ? 2 : 1,
                                     { (uint32_t)mantissa, (uint32_t)(mantissa >> 32) } };

    if (exp >= 0) mul_pow10(&decimal, exp);
    else mul_pow10(&binary, -exp);
    if (exp2 >= 0) mul_pow2(&binary, exp2);
    else mul_pow2(&decimal, -exp2);

    if (decimal.n != binary.n) return decimal.n < binary.n ? -1 : 1;
    for (int i = decimal.n - 1; i >= 0; i--)
        if (decimal.word[i] != binary.word[i]) return decimal.word[i] < binary.word[i] ? -1 : 1;
    return 0;
}
