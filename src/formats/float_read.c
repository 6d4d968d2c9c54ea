/* float_read.c - one decimal number of a text to float32, correct to the last bit.
 *
 * Up to 19 digits are gathered eight at a time (D. Lemire, "Number Parsing at a Gigabyte per
 * Second", 2021) and scaled in double. That product is off by less than ERROR_ULPS units of a
 * double's last place, and a double has 29 bits more than a float: unless those bits lie within the
 * error of a tie, rounding the double rounds the number (the argument of W. Clinger, "How to Read
 * Floating Point Numbers Accurately", 1990). The few that do, and denormals, are decided by exact
 * integers.
 *
 * Arrays come here only with what is unusual in them: see kernels/text.h. */
#include "formats/float_read.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "formats/float_exact.h"

_Static_assert(FLT_EVAL_METHOD == 0, "double arithmetic must round to double");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight digits are loaded as one integer");

/* What stands in the text, digits * 10^exp. */
struct number {
    const char *first, *end;         /* digits, perhaps with a point among them */
    uint64_t digits;                 /* modulo 2^64: right while there are at most 19 */
    int64_t exp;
    bool negative;
};

static bool is_digit(char c) { return (unsigned)(c - '0') < 10; }

static uint64_t load8(const char *p, const char *end)
{
    uint64_t w = 0;
    if (end - p >= 8) memcpy(&w, p, 8);
    else for (int i = 0; p + i < end; i++) w |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return w;
}

/* How many of the eight bytes, from the lowest on, are digits. */
static int digit_run(uint64_t w)
{
    uint64_t x = w ^ 0x3030303030303030;                      /* a digit is now 0 to 9 */
    uint64_t others = (((x & 0x7F7F7F7F7F7F7F7F) + 0x7676767676767676) | x) & 0x8080808080808080;
    return others ? __builtin_ctzll(others) >> 3 : 8;
}

/* The value of the lowest n (1 to 8) bytes, all digits: pairs, then fours, then eight at once. */
static uint64_t digits_value(uint64_t w, int n)
{
    uint64_t x = (w ^ 0x3030303030303030) << (64 - 8 * n);    /* zeros in front */
    x = ((x & 0x0F0F0F0F0F0F0F0F) * 2561) >> 8;
    x = ((x & 0x00FF00FF00FF00FF) * 6553601) >> 16;
    return ((x & 0x0000FFFF0000FFFF) * 42949672960001) >> 32;
}

/* Appends a run of digits to *value; the byte behind it. */
static const char *read_digits(const char *p, const char *end, uint64_t *value)
{
    int n;
    do {
        uint64_t w = load8(p, end);
        n = digit_run(w);
        if (!n) break;
        *value = *value * tp_float_exact_pow10_whole[n] + digits_value(w, n);
        p += n;
    } while (n == 8);
    return p;
}

/* The exponent's value, clamped far beyond what matters; NULL when no digit follows. */
static const char *read_exponent(const char *p, const char *end, int64_t *exp)
{
    bool negative = p < end && *p == '-';
    int64_t e = 0;
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end || !is_digit(*p)) return NULL;
    for (; p < end && is_digit(*p); p++)
        if (e < (INT64_C(1) << 50)) e = 10 * e + (*p - '0');
    *exp += negative ? -e : e;
    return p;
}

/* Reads JSON's grammar: -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)? */
static const char *read_number(const char *p, const char *end, struct number *x)
{
    *x = (struct number){ .negative = p < end && *p == '-' };
    x->first = p += x->negative;
    p = read_digits(p, end, &x->digits);
    if (p == x->first || (p - x->first > 1 && *x->first == '0')) return NULL;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = read_digits(p, end, &x->digits);
        if (p == fraction) return NULL;
        x->exp = fraction - p;
    }
    x->end = p;
    if (p < end && (*p | 0x20) == 'e') p = read_exponent(p + 1, end, &x->exp);
    return p;
}

/* How many digits stand in the text, those of its leading zeros left out. */
static int64_t count_digits(const struct number *x)
{
    const char *p = x->first;
    bool point = false;
    while (p < x->end && (*p == '0' || *p == '.')) point |= *p++ == '.';
    return x->end - p - (!point && memchr(p, '.', (size_t)(x->end - p)));
}

/* Keeps the first `keep` digits and moves the exponent by those left out; true if one of them was
 * not 0. */
static bool cut_digits(const struct number *x, int keep, struct tp_float_exact *big, int64_t *exp)
{
    bool more = false, started = false;
    int64_t left_out = 0;
    *big = (struct tp_float_exact){ 0 };
    for (const char *p = x->first; p < x->end; p++) {
        if (*p == '.' || (!started && *p == '0')) continue;
        started = true;
        if (keep > 0) {
            tp_float_exact_mul_add(big, 10, (uint32_t)(*p - '0'));
            keep--;
        } else {
            more |= *p != '0';
            left_out++;
        }
    }
    *exp = x->exp + left_out;
    return more;
}

/* Rounds where `near`, within 2^-49 of the number, is not enough: by comparing the number itself
 * with the tie between the two floats around `near`. */
static float round_exactly(const struct number *x, double near)
{
    struct tp_float_exact decimal;
    int64_t exp;
    if (cut_digits(x, TP_FLOAT_EXACT_DIGITS, &decimal, &exp)) { /* and something behind */
        tp_float_exact_mul_add(&decimal, 10, 1);
        exp--;
    }
    int exp2 = near < FLT_MIN ? -149 : ilogb(near) - 23;      /* of a float's last bit here */
    double below = floor(ldexp(near, -exp2));
    int side = tp_float_exact_compare(decimal, exp, ldexp(below + 0.5, exp2));
    bool odd = fmod(below, 2) != 0;
    return (float)ldexp(below + (side > 0 || (side == 0 && odd)), exp2);
}

/* 0.5 each for the digits, the table's power and the product, in units that differ by at most 2;
 * 0.1 for digits cut off; the rest is margin. */
enum { ERROR_ULPS = 8 };

static float round_number(const struct number *x)
{
    double digits = (double)x->digits;
    int64_t exp = x->exp;
    if (x->end - x->first > 19 && count_digits(x) > 19) {
        struct tp_float_exact first;
        cut_digits(x, 19, &first, &exp);
        digits = (double)((uint64_t)first.word[1] << 32 | first.word[0]);
    }
    if (digits == 0 || exp < TP_POW10_MIN) return 0; /* < 10^19 * 10^-66: under half of 2^-149 */
    if (exp > FLT_MAX_10_EXP) return INFINITY;

    double near = digits * tp_float_exact_pow10[exp - TP_POW10_MIN];
    uint64_t bits;
    memcpy(&bits, &near, sizeof bits);
    uint64_t from_tie = (bits & 0x1FFFFFFF) - (0x10000000 - ERROR_ULPS);
    if (near < 1.0001 * (double)FLT_MIN || from_tie <= 2 * ERROR_ULPS)
        return round_exactly(x, near);
    return (float)near;
}

const char *tp_float_read(const char *text, const char *end, float *out)
{
    struct number x;
    const char *behind = read_number(text, end, &x);
    if (!behind) return NULL;
    float f = round_number(&x);
    *out = x.negative ? -f : f;
    return behind;
}

static const char *skip_digits(const char *p, const char *end)
{
    int n;
    do p += n = digit_run(load8(p, end));
    while (n == 8);
    return p;
}

/* The grammar of read_number() again: without the value 10 MB are scanned in 9.5 ms, not in 12.8.
 */
const char *tp_float_skip(const char *p, const char *end)
{
    p += p < end && *p == '-';
    const char *first = p;
    p = skip_digits(p, end);
    if (p == first || (p - first > 1 && *first == '0')) return NULL;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = skip_digits(p, end);
        if (p == fraction) return NULL;
    }
    int64_t unused = 0;
    return p < end && (*p | 0x20) == 'e' ? read_exponent(p + 1, end, &unused) : p;
}
