/* float_exact.h - decimal numbers against binary ones in exact integers, where doubles cannot
 * decide. */
#ifndef TP_FLOAT_EXACT_H
#define TP_FLOAT_EXACT_H

#include <stdint.h>

/* A tie between two floats has at most 113 significant digits (a denormal's 150 binary places), so
 * of more digits only "there is something behind" matters. The largest numbers compared are 129
 * digits * 2^150 and a tie's 25 bits * 10^194: under 700 bits. */
enum { TP_FLOAT_EXACT_DIGITS = 128 };

struct tp_float_exact {
    int n;                           /* words in use; the top one is not 0 */
    uint32_t word[24];               /* least first */
};

/* b * factor + add */
void tp_float_exact_mul_add(struct tp_float_exact *b, uint32_t factor, uint32_t add);

/* The sign of decimal * 10^exp - x; x > 0 and finite. */
int tp_float_exact_compare(struct tp_float_exact decimal, int64_t exp, double x);

enum { TP_POW10_MIN = -65, TP_POW10_MAX = 53 };

/* [exp - TP_POW10_MIN]: 10^exp */
extern const double tp_float_exact_pow10[TP_POW10_MAX - TP_POW10_MIN + 1];

/* [exp]: 10^exp */
extern const uint32_t tp_float_exact_pow10_whole[10];

#endif
