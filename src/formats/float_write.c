/* float_write.c - float32 as decimal text.
 *
 * The kernels find the shortest digits of a row, in doubles (kernels/decimal.h); what those leave
 * open is decided here by the same method (R. Giulietti, "The Schubfach way to render doubles",
 * 2020) in integers.
 *
 * Putting digits into the text has no branch on a number's value: activations are of either sign,
 * below 1 and above, of any length, and what is guessed wrong costs more than all the arithmetic.
 * Measured on one thread of an AMD EPYC, random normal numbers: 27 ns with branches, 8.3 without
 * (AVX2: 11; SSE2: 22). */
#include "formats/float_write.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "formats/float_exact.h"
#include "kernels/kernels.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight digits are stored as one integer");

#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

/* ---- digits ---------------------------------------------------------------------------------- */

/* [k + 31]: 10^k scaled by a power of two into [2^63, 2^64) and rounded up. */
static const uint64_t pow10_bits[77] = {
    0x81CEB32C4B43FCF5, 0xA2425FF75E14FC32, 0xCAD2F7F5359A3B3F, 0xFD87B5F28300CA0E,
    0x9E74D1B791E07E49, 0xC612062576589DDB, 0xF79687AED3EEC552, 0x9ABE14CD44753B53,
    0xC16D9A0095928A28, 0xF1C90080BAF72CB2, 0x971DA05074DA7BEF, 0xBCE5086492111AEB,
    0xEC1E4A7DB69561A6, 0x9392EE8E921D5D08, 0xB877AA3236A4B44A, 0xE69594BEC44DE15C,
    0x901D7CF73AB0ACDA, 0xB424DC35095CD810, 0xE12E13424BB40E14, 0x8CBCCC096F5088CC,
    0xAFEBFF0BCB24AAFF, 0xDBE6FECEBDEDD5BF, 0x89705F4136B4A598, 0xABCC77118461CEFD,
    0xD6BF94D5E57A42BD, 0x8637BD05AF6C69B6, 0xA7C5AC471B478424, 0xD1B71758E219652C,
    0x83126E978D4FDF3C, 0xA3D70A3D70A3D70B, 0xCCCCCCCCCCCCCCCD, 0x8000000000000000,
    0xA000000000000000, 0xC800000000000000, 0xFA00000000000000, 0x9C40000000000000,
    0xC350000000000000, 0xF424000000000000, 0x9896800000000000, 0xBEBC200000000000,
    0xEE6B280000000000, 0x9502F90000000000, 0xBA43B74000000000, 0xE8D4A51000000000,
    0x9184E72A00000000, 0xB5E620F480000000, 0xE35FA931A0000000, 0x8E1BC9BF04000000,
    0xB1A2BC2EC5000000, 0xDE0B6B3A76400000, 0x8AC7230489E80000, 0xAD78EBC5AC620000,
    0xD8D726B7177A8000, 0x878678326EAC9000, 0xA968163F0A57B400, 0xD3C21BCECCEDA100,
    0x84595161401484A0, 0xA56FA5B99019A5C8, 0xCECB8F27F4200F3A, 0x813F3978F8940985,
    0xA18F07D736B90BE6, 0xC9F2C9CD04674EDF, 0xFC6F7C4045812297, 0x9DC5ADA82B70B59E,
    0xC5371912364CE306, 0xF684DF56C3E01BC7, 0x9A130B963A6C115D, 0xC097CE7BC90715B4,
    0xF0BDC21ABB48DB21, 0x96769950B50D88F5, 0xBC143FA4E250EB32, 0xEB194F8E1AE525FE,
    0x92EFD1B8D0CF37BF, 0xB7ABC627050305AE, 0xE596B7B0C643C71A, 0x8F7E32CE7BEA5C70,
    0xB35DBF821AE4F38C,
};

struct decimal { uint32_t digits; int exp; };                 /* digits * 10^exp */

/* which ? a : b, and no branch. */
INLINE uint32_t pick(bool which, uint32_t a, uint32_t b)
{
    return b ^ ((a ^ b) & -(uint32_t)which);
}

/* The product's upper bits, the lowest of them also set when anything was cut off: enough to tell
 * on which side of a boundary a product lies (Giulietti, section 9). */
INLINE uint32_t scale_to_odd(uint64_t power, uint32_t c)
{
    unsigned __int128 product = (unsigned __int128)power * c;
    return (uint32_t)(product >> 64) | ((uint32_t)(product >> 32) > 1);
}

/* The shortest decimal within the rounding interval of the float of these bits, of those the
 * nearest to it; perhaps with a zero at its end. Positive and finite. */
static struct decimal shortest(uint32_t bits)
{
    const int biased = (int)(bits >> 23);
    const uint32_t fraction = bits & 0x7FFFFF;
    const uint32_t c = fraction | (uint32_t)(biased > 0) << 23;
    const int q = biased - 150 + (biased == 0);               /* the float is c * 2^q */
    const bool narrow_below = (fraction == 0) & (biased > 1); /* a power of two */

    const int k = (q * 1262611 - 524031 * narrow_below) >> 22; /* floor(log10(2^q [* 3/4])) */
    const int shift = q + ((-k * 1741647) >> 19) + 1;                /* floor(log2(10^-k)) */
    const uint64_t power = pow10_bits[31 - k];
    const uint32_t odd = c & 1;      /* ties go to even: the ends of an odd float's interval are */
    const uint32_t low = scale_to_odd(power, (4 * c - 2 + narrow_below) << shift) + odd;
    const uint32_t mid = scale_to_odd(power, (4 * c) << shift);
    const uint32_t high = scale_to_odd(power, (4 * c + 2) << shift) - odd;     /* not its own */

    const uint32_t s = mid / 4, tens = s / 10;
    const bool down10 = low <= 40 * tens, up10 = 40 * tens + 40 <= high;
    const bool down = low <= 4 * s, up = 4 * s + 4 <= high;
    const bool nearer_up = (mid > 4 * s + 2) | ((mid == 4 * s + 2) & (s & 1));
    const uint32_t one = s + pick(down == up, nearer_up, up), ten = 10 * (tens + up10);
    return (struct decimal){ pick((down10 != up10) & (s >= 10), ten, one), k };
}

/* x to n significant digits (1 to 9), to nearest, ties to even. x > 0, finite. The double quotient
 * is off by less than 1e-6; nearer to a tie, exact integers decide. */
static struct decimal rounded(float x, int n)
{
    int exp2;
    frexp((double)x, &exp2);
    int exp = n - 1 - (((exp2 - 1) * 1233) >> 12);            /* log10(2) = 1233/4096 */
    double scaled = (double)x * tp_float_exact_pow10[exp - TP_POW10_MIN];
    if (scaled >= tp_float_exact_pow10_whole[n - 1] * 10.0)
        scaled = (double)x * tp_float_exact_pow10[--exp - TP_POW10_MIN];
    uint32_t digits = (uint32_t)scaled;
    double rest = scaled - digits;
    bool up = rest > 0.5;
    if (fabs(rest - 0.5) < 1e-6) {
        struct tp_float_exact tie = { 0 };
        tp_float_exact_mul_add(&tie, 0, digits);
        tp_float_exact_mul_add(&tie, 10, 5);
        int side = tp_float_exact_compare(tie, -exp - 1, (double)x);
        up = side < 0 || (side == 0 && (digits & 1));
    }
    return (struct decimal){ digits + up, -exp };
}

/* ---- text ------------------------------------------------------------------------------------ */

typedef uint8_t chars __attribute__((vector_size(16)));

/* Nine digits, a zero in front only of 0. */
struct nine { uint32_t digits; int point; };                  /* 0.digits * 10^point */

INLINE struct nine nine_digits(struct decimal d)
{
    while (__builtin_expect(d.digits - 1 < 999999, 0)) {      /* denormal */
        d.digits *= 10;
        d.exp--;
    }
    const int missing = (d.digits < 100000000) + (d.digits < 10000000);
    return (struct nine){ d.digits * tp_float_exact_pow10_whole[missing],
                          (int)pick(d.digits != 0, (uint32_t)(9 + d.exp - missing), 1) };
}

/* The eight digits of x, one a byte, the first lowest. */
INLINE uint64_t spread(uint32_t x)
{
    const uint32_t high = x / 10000;
    const uint64_t fours = high | (uint64_t)(x - 10000 * high) << 32;
    const uint64_t hundreds = (fours * 10486) >> 20 & 0x7F0000007F;
    const uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
    const uint64_t tens = (twos * 103) >> 10 & 0x000F000F000F000F;
    return tens | (twos - 10 * tens) << 8;
}

/* 16 bytes from [16 - n] on: the first n are set; behind n bytes there is a point. */
static const uint8_t first_bytes[33] = { 255, 255, 255, 255, 255, 255, 255, 255,
                                         255, 255, 255, 255, 255, 255, 255, 255 };
static const uint8_t point_byte[33] = { [16] = '.' };

INLINE chars load(const uint8_t *p)
{
    chars v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* d.ddde-7; n digits are used. */
static char *put_scientific(char *to, uint64_t first, uint64_t others, int n, int point)
{
    int exp = point - 1;
    *to++ = (char)('0' + first);
    if (n > 1) *to++ = '.';
    for (int i = 1; i < n; i++, others >>= 8) *to++ = (char)('0' + (others & 0xFF));
    *to++ = 'e';
    if (exp < 0) *to++ = '-';
    if (exp < 0) exp = -exp;
    if (exp > 9) *to++ = (char)('0' + exp / 10);
    *to++ = (char)('0' + exp % 10);
    return to;
}

/* Plain from 0.00001 on and below 10^15, so that a sign, 15 digits or "0.0000" with 9 digits fit
 * into TP_FLOAT_TEXT_BYTES; else with an exponent. Writes up to 16 bytes. */
INLINE char *put_nine(char *to, uint64_t first, uint64_t others, int point)
{
    typedef uint64_t words __attribute__((vector_size(16)));
    const int last = 63 - __builtin_clzll(others << 4 | 1);   /* a bit of the last that is not 0 */
    const int n = (last + 12) / 8;                            /* digits without zeros at the end */
    if (__builtin_expect((unsigned)(point + 4) > 19, 0))
        return put_scientific(to, first, others, n, point);
    const int zeros = (1 - point) & -(point < 1);             /* in front */
    const int whole = point + zeros;                          /* digits in front of the point */
    const uint64_t begin = first | others << 8, end = others >> 56;
    const uint64_t low = begin << 8 * zeros;
    const uint64_t high = end << 8 * zeros | begin >> 1 >> (63 - 8 * zeros);
    const words digits = { low, high }, behind = { low << 8, high << 8 | low >> 56 };
    const chars text = (((chars)digits + '0') & load(first_bytes + 16 - whole)) |
                       (((chars)behind + '0') & ~load(first_bytes + 15 - whole)) |
                       load(point_byte + 16 - whole);
    memcpy(to, &text, sizeof text);
    return to + pick(zeros + n > whole, (uint32_t)(zeros + n + 1), (uint32_t)whole);
}

INLINE char *put_decimal(char *to, struct decimal decimal)
{
    const struct nine x = nine_digits(decimal);
    const uint32_t first = x.digits / 100000000;
    return put_nine(to, first, spread(x.digits - 100000000 * first), x.point);
}

/* digits: 0 for the shortest. Writes up to 17 bytes. */
static char *put_float(char *to, float x, int digits)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t positive = bits & 0x7FFFFFFF;
    if (positive >= 0x7F800000) {
        memcpy(to, "null", 4);
        return to + 4;
    }
    if (bits >> 31) *to++ = '-';
    if (!positive) {
        *to = '0';
        return to + 1;
    }
    return put_decimal(to, digits == 0 ? shortest(positive) : rounded(fabsf(x), digits));
}

int tp_float_write(char *to, float x)
{
    char text[TP_FLOAT_TEXT_BYTES + 1];
    const int n = (int)(put_float(text, x, 0) - text);
    memcpy(to, text, (size_t)n);
    return n;
}

static char *put_shortest(char *to, const float *x, int n)
{
    struct tp_decimals d;
    tp_kernels_get()->decimals(&d, x, n);
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        *to = '-';
        if (__builtin_expect(d.point[i] == TP_DECIMAL_ODD, 0)) to = put_float(to, x[i], 0);
        else to = put_nine(to + (bits >> 31), d.first[i], d.others[i], (int)d.point[i]);
        *to++ = ',';
    }
    return to;
}

char *tp_float_write_row(char *to, const float *x, int64_t n, int digits)
{
    if (n <= 0) return to;
    if (digits == 0) {
        for (int64_t i = 0; i < n; i += TP_DECIMALS)
            to = put_shortest(to, x + i, n - i < TP_DECIMALS ? (int)(n - i) : TP_DECIMALS);
    } else {
        for (int64_t i = 0; i < n; i++) {
            to = put_float(to, x[i], digits);
            *to++ = ',';
        }
    }
    return to - 1;
}
