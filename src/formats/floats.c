/* floats.c - decimal numbers to float32 and back, correct to the last bit.
 *
 * Reading: up to 19 digits are gathered eight at a time (D. Lemire, "Number Parsing at a Gigabyte
 * per Second", 2021) and scaled in double. That product is off by less than ERROR_ULPS units of a
 * double's last place, and a double has 29 bits more than a float: unless those bits lie within the
 * error of a tie, rounding the double rounds the number (the argument of W. Clinger, "How to Read
 * Floating Point Numbers Accurately", 1990). The few that do, and denormals, are decided by exact
 * integers.
 *
 * Writing: R. Giulietti, "The Schubfach way to render doubles", 2020, for 24 bits.
 *
 * Measured on one thread of an AMD EPYC: 17 ns to read a number of 9 or of 17 digits, 27 ns to
 * write one, 11 ns for a small integer. */
#include "formats/floats.h"

#include <float.h>
#include <math.h>
#include <string.h>

_Static_assert(FLT_EVAL_METHOD == 0, "double arithmetic must round to double");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight digits are loaded as one integer");

/* ---- powers of ten --------------------------------------------------------------------------- */

enum { POW10_MIN = -65, POW10_MAX = 53 };

static const double pow10_table[POW10_MAX - POW10_MIN + 1] = {
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

static const uint32_t pow10_u32[10] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
};

/* ---- exact integers, for what doubles cannot decide ------------------------------------------ */

/* A tie between two floats has at most 113 significant digits (a denormal's 150 binary places), so
 * of more digits only "there is something behind" matters. The largest numbers compared are 129
 * digits * 2^150 and a tie's 25 bits * 10^194: under 700 bits. */
enum { MAX_DIGITS = 128, BIG_WORDS = 24 };

struct big {
    int n;                           /* words in use; the top one is not 0 */
    uint32_t word[BIG_WORDS];        /* least first */
};

static void big_mul_add(struct big *b, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    for (int i = 0; i < b->n; i++) {
        carry += (uint64_t)b->word[i] * factor;
        b->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) b->word[b->n++] = (uint32_t)carry;
}

static void big_mul_pow10(struct big *b, int64_t exp)
{
    for (; exp >= 9; exp -= 9) big_mul_add(b, pow10_u32[9], 0);
    big_mul_add(b, pow10_u32[exp], 0);
}

static void big_mul_pow2(struct big *b, int exp)
{
    for (; exp >= 31; exp -= 31) big_mul_add(b, 1u << 31, 0);
    big_mul_add(b, 1u << exp, 0);
}

/* The sign of decimal * 10^exp - x, exactly; x > 0 and finite. */
static int compare_decimal(struct big decimal, int64_t exp, double x)
{
    int exp2;
    uint64_t mantissa = (uint64_t)ldexp(frexp(x, &exp2), 53);
    int zeros = __builtin_ctzll(mantissa);
    mantissa >>= zeros;
    exp2 += zeros - 53;
    struct big binary = { mantissa >> 32 ? 2 : 1,
                          { (uint32_t)mantissa, (uint32_t)(mantissa >> 32) } };

    if (exp >= 0) big_mul_pow10(&decimal, exp);
    else big_mul_pow10(&binary, -exp);
    if (exp2 >= 0) big_mul_pow2(&binary, exp2);
    else big_mul_pow2(&decimal, -exp2);

    if (decimal.n != binary.n) return decimal.n < binary.n ? -1 : 1;
    for (int i = decimal.n - 1; i >= 0; i--)
        if (decimal.word[i] != binary.word[i]) return decimal.word[i] < binary.word[i] ? -1 : 1;
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

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
        *value = *value * pow10_u32[n] + digits_value(w, n);
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
static bool cut_digits(const struct number *x, int keep, struct big *big, int64_t *exp)
{
    bool more = false, started = false;
    int64_t left_out = 0;
    *big = (struct big){ 0 };
    for (const char *p = x->first; p < x->end; p++) {
        if (*p == '.' || (!started && *p == '0')) continue;
        started = true;
        if (keep > 0) {
            big_mul_add(big, 10, (uint32_t)(*p - '0'));
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
    struct big decimal;
    int64_t exp;
    if (cut_digits(x, MAX_DIGITS, &decimal, &exp)) {          /* ...and something behind */
        big_mul_add(&decimal, 10, 1);
        exp--;
    }
    int exp2 = near < FLT_MIN ? -149 : ilogb(near) - 23;      /* of a float's last bit here */
    double below = floor(ldexp(near, -exp2));
    int side = compare_decimal(decimal, exp, ldexp(below + 0.5, exp2));
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
        struct big first;
        cut_digits(x, 19, &first, &exp);
        digits = (double)((uint64_t)first.word[1] << 32 | first.word[0]);
    }
    if (digits == 0 || exp < POW10_MIN) return 0; /* < 10^19 * 10^-66: under half of 2^-149 */
    if (exp > FLT_MAX_10_EXP) return INFINITY;

    double near = digits * pow10_table[exp - POW10_MIN];
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

/* ---- writing --------------------------------------------------------------------------------- */

struct decimal { uint32_t digits; int exp; };                 /* digits * 10^exp */

/* The product's upper bits, the lowest of them also set when anything was cut off: enough to tell
 * on which side of a boundary a product lies (Giulietti, section 9). */
static uint32_t scale_to_odd(uint64_t power, uint32_t c)
{
    unsigned __int128 product = (unsigned __int128)power * c;
    return (uint32_t)(product >> 64) | ((uint32_t)(product >> 32) > 1);
}

/* The shortest decimal within x's rounding interval, of those the nearest to x. x > 0, finite. */
static struct decimal shortest(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int biased = (int)(bits >> 23);
    uint32_t fraction = bits & 0x7FFFFF;
    uint32_t c = biased ? fraction | 0x800000 : fraction;
    int q = biased ? biased - 150 : -149;                     /* x = c * 2^q */
    bool narrow_below = fraction == 0 && biased > 1;          /* a power of two */

    int k = (q * 1262611 - (narrow_below ? 524031 : 0)) >> 22;      /* floor(log10(2^q [* 3/4])) */
    int shift = q + ((-k * 1741647) >> 19) + 1;                     /* floor(log2(10^-k)) */
    uint64_t power = pow10_bits[31 - k];
    uint32_t low = scale_to_odd(power, (4 * c - 2 + narrow_below) << shift);
    uint32_t mid = scale_to_odd(power, (4 * c) << shift);
    uint32_t high = scale_to_odd(power, (4 * c + 2) << shift);
    low += c & 1;                    /* ties go to even: the ends of an odd float's */
    high -= c & 1;                   /* interval are not its own */

    uint32_t s = mid / 4;
    if (s >= 10) {
        uint32_t tens = s / 10;
        bool down = low <= 40 * tens, up = 40 * tens + 40 <= high;
        if (down != up) return (struct decimal){ tens + up, k + 1 };
    }
    bool down = low <= 4 * s, up = 4 * s + 4 <= high;
    if (down == up) up = mid > 4 * s + 2 || (mid == 4 * s + 2 && (s & 1));
    return (struct decimal){ s + up, k };
}

/* x to n significant digits (1 to 9), to nearest, ties to even. x > 0, finite. The double quotient
 * is off by less than 1e-6; nearer to a tie, exact integers decide. */
static struct decimal rounded(float x, int n)
{
    int exp2;
    frexp((double)x, &exp2);
    int exp = n - 1 - (((exp2 - 1) * 1233) >> 12);            /* log10(2) = 1233/4096 */
    double scaled = (double)x * pow10_table[exp - POW10_MIN];
    if (scaled >= pow10_u32[n - 1] * 10.0) scaled = (double)x * pow10_table[--exp - POW10_MIN];
    uint32_t digits = (uint32_t)scaled;
    double rest = scaled - digits;
    bool up = rest > 0.5;
    if (fabs(rest - 0.5) < 1e-6) {
        struct big tie = { 0 };
        big_mul_add(&tie, 0, digits);
        big_mul_add(&tie, 10, 5);
        int side = compare_decimal(tie, -exp - 1, (double)x);
        up = side < 0 || (side == 0 && (digits & 1));
    }
    return (struct decimal){ digits + up, -exp };
}

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

/* Writes exactly n digits. */
static void put_digits(char *to, uint32_t digits, int n)
{
    for (; n >= 2; digits /= 100) memcpy(to + (n -= 2), digit_pairs + 2 * (digits % 100), 2);
    if (n) *to = (char)('0' + digits);
}

static int length_of(uint32_t digits)
{
    int n = 1 + ((32 - __builtin_clz(digits | 1)) * 1233 >> 12);
    return n - (digits < pow10_u32[n - 1] && n > 1);
}

/* Plain from 0.00001 on and below 10^15, so that a sign, 15 digits or "0.0000" with 9 digits fit
 * into TP_FLOAT_TEXT_BYTES; else with an exponent. */
static int put_decimal(char *to, struct decimal d)
{
    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exp++;
    }
    int n = length_of(d.digits);
    int point = n + d.exp;                                    /* digits in front of the point */
    if (d.exp >= 0 && point <= 15) {
        put_digits(to, d.digits, n);
        memset(to + n, '0', (size_t)d.exp);
        return point;
    }
    if (point > 0 && point <= 15) {
        put_digits(to + 1, d.digits, n);
        memmove(to, to + 1, (size_t)point);
        to[point] = '.';
        return n + 1;
    }
    if (point > -5 && point <= 0) {
        memcpy(to, "0.0000", 6);
        put_digits(to + 2 - point, d.digits, n);
        return 2 - point + n;
    }
    put_digits(to + 1, d.digits, n);
    to[0] = to[1];
    to[1] = '.';
    int length = n > 1 ? n + 1 : 1, exp = point - 1;
    to[length++] = 'e';
    if (exp < 0) to[length++] = '-';
    int exp_length = length_of((uint32_t)(exp < 0 ? -exp : exp));
    put_digits(to + length, (uint32_t)(exp < 0 ? -exp : exp), exp_length);
    return length + exp_length;
}

/* digits: 0 for the shortest. */
static int write_float(char *to, float x, int digits)
{
    if (!isfinite(x)) {
        memcpy(to, "null", 4);
        return 4;
    }
    int sign = signbit(x) != 0;
    float positive = fabsf(x);
    if (sign) *to = '-';
    if (positive == 0) {
        to[sign] = '0';
        return sign + 1;
    }
    if (digits) return sign + put_decimal(to + sign, rounded(positive, digits));
    /* Counts and pixels are 2.6 times faster so. */
    if (positive < 0x1p24f && positive == (float)(uint32_t)positive) {
        int n = length_of((uint32_t)positive);
        put_digits(to + sign, (uint32_t)positive, n);
        return sign + n;
    }
    return sign + put_decimal(to + sign, shortest(positive));
}

int tp_float_write(char *to, float x)
{
    return write_float(to, x, 0);
}

/* Appends n numbers, a stretch of a few KB at a time, so that a limit is met to the byte. */
static void write_row(struct tp_buf *b, const float *x, int64_t n, int digits)
{
    enum { STRETCH = 256 };
    char text[STRETCH * (TP_FLOAT_TEXT_BYTES + 1)];
    for (int64_t done = 0; done < n && !b->failed; ) {
        size_t length = 0;
        int64_t stop = n - done < STRETCH ? n : done + STRETCH;
        for (; done < stop; done++) {
            if (done) text[length++] = ',';
            length += (size_t)write_float(text + length, x[done], digits);
        }
        tp_buf_bytes(b, text, length);
    }
}

static void repeat(struct tp_buf *b, char c, int n)
{
    char text[TP_MAX_RANK];
    memset(text, c, sizeof text);
    tp_buf_bytes(b, text, (size_t)n);
}

void tp_floats_write(struct tp_buf *b, const struct tp_tensor *t, bool nested, int digits)
{
    const struct tp_shape flat = { .rank = 1, .dim = { tp_shape_elements(&t->shape) } };
    const struct tp_shape *s = nested ? &t->shape : &flat;
    if (digits < 0) digits = 0;
    if (digits > 9) digits = 9;
    if (s->rank == 0) {
        write_row(b, t->data, 1, digits);
        return;
    }
    int depth = 1;                                            /* of the arrays that hold a row */
    while (depth < s->rank && s->dim[depth - 1] != 0) depth++;
    int64_t row = depth == s->rank ? s->dim[depth - 1] : 0, index[TP_MAX_RANK] = { 0 };
    const float *x = t->data;

    repeat(b, '[', depth);
    for (bool more = true; more && !b->failed; ) {
        write_row(b, x, row, digits);
        if (row > 0) x += row;
        int level = depth - 2; /* the arrays that end with this row */
        while (level >= 0 && ++index[level] == s->dim[level]) index[level--] = 0;
        more = level >= 0;
        repeat(b, ']', more ? depth - 1 - level : depth);
        if (more) {
            tp_buf_bytes(b, ",", 1);
            repeat(b, '[', depth - 1 - level);
        }
    }
}
