/* text.h - runs of decimal numbers in a JSON text, to float32.
 *
 * 64 bytes are sorted into classes at a time, one bit for each byte, and JSON's grammar is a few
 * operations on these bits (the idea of simdjson: G. Langdale, D. Lemire, "Parsing Gigabytes of
 * JSON per Second", 2019). Then four numbers are converted at once, or two of up to 31 digits,
 * without a branch on where their digits, signs and points are: what is guessed wrong costs more
 * than all else. Measured on one thread of an AMD EPYC, numbers of 9 digits: 17 ns each with such
 * branches and 10 to find where it ends, 5.8 without (AVX-512: 6.4, SSE2: 8); of 17 digits 9. */
#ifndef TP_KERNELS_TEXT_H
#define TP_KERNELS_TEXT_H

#include "kernels/kernels.h"
#include "kernels/vec.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

/* ---- classes of bytes ------------------------------------------------------------------------ */

/* Bit i is byte i's, as in all masks here. AVX-512's own byte masks are no faster. */
struct text_block { uint64_t digit, zero, point, minus, comma, close, blank; };

enum { TEXT_STEP = sizeof(vec) > 32 ? 32 : sizeof(vec), TEXT_STEPS = 64 / TEXT_STEP };

typedef uint8_t text_step __attribute__((vector_size(TEXT_STEP)));
typedef struct { text_step part[TEXT_STEPS]; } text_bytes;

INLINE text_bytes text_bytes_at(const char *p)
{
    text_bytes v;
    UNROLL for (int i = 0; i < TEXT_STEPS; i++) memcpy(&v.part[i], p + i * TEXT_STEP, TEXT_STEP);
    return v;
}

/* Of bytes that are 0 or 255. */
INLINE uint64_t text_bits(const text_bytes *m)
{
    uint64_t bits = 0;
#if defined(__AVX2__)
    typedef char chars __attribute__((vector_size(32)));
    UNROLL for (int i = 0; i < TEXT_STEPS; i++)
        bits |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb256((chars)m->part[i]) << 32 * i;
#elif defined(__SSE2__)
    typedef char chars __attribute__((vector_size(16)));
    UNROLL for (int i = 0; i < TEXT_STEPS; i++)
        bits |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128((chars)m->part[i]) << 16 * i;
#elif defined(__aarch64__)
    const uint8x16_t bit = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    uint8x16_t part[4];
    UNROLL for (int i = 0; i < 4; i++) part[i] = vandq_u8((uint8x16_t)m->part[i], bit);
    part[0] = vpaddq_u8(vpaddq_u8(part[0], part[1]), vpaddq_u8(part[2], part[3]));
    bits = vgetq_lane_u64((uint64x2_t)vpaddq_u8(part[0], part[0]), 0);
#else
    for (int i = 0; i < 64; i++)
        bits |= (uint64_t)(m->part[i / TEXT_STEP][i % TEXT_STEP] & 1) << i;
#endif
    return bits;
}

INLINE uint64_t text_equal(const text_bytes *v, uint8_t c)
{
    text_bytes m;
    UNROLL for (int i = 0; i < TEXT_STEPS; i++) m.part[i] = (text_step)(v->part[i] == c);
    return text_bits(&m);
}

INLINE uint64_t text_digits(const text_bytes *v)
{
    text_bytes m;
    UNROLL for (int i = 0; i < TEXT_STEPS; i++) m.part[i] = (text_step)(v->part[i] - '0' < 10);
    return text_bits(&m);
}

INLINE uint64_t text_blanks(const text_bytes *v)
{
    text_bytes m;
    UNROLL for (int i = 0; i < TEXT_STEPS; i++)
        m.part[i] = (text_step)((v->part[i] == ' ') | (v->part[i] == '\n') | (v->part[i] == '\r') |
                                (v->part[i] == '\t'));
    return text_bits(&m);
}

INLINE struct text_block text_classes(const char *p)
{
    const text_bytes v = text_bytes_at(p);
    return (struct text_block){
        .digit = text_digits(&v), .zero = text_equal(&v, '0'), .point = text_equal(&v, '.'),
        .minus = text_equal(&v, '-'), .comma = text_equal(&v, ','), .close = text_equal(&v, ']'),
        .blank = text_blanks(&v),
    };
}

/* ---- grammar --------------------------------------------------------------------------------- */

struct text_numbers {
    uint64_t begin;                  /* the first byte of each, its sign perhaps */
    uint64_t end;                    /* the commas and brackets */
    uint64_t wrong;                  /* what cannot be there, or is not read here */
};

/* The block begins where a number is due, perhaps behind blanks. Up to the first wrong bit each
 * `begin` has its `end`, and what is between them is JSON. */
INLINE struct text_numbers text_grammar(const struct text_block *b)
{
    const uint64_t due = b->comma << 1 | 1;
    const uint64_t begin = (due | ((due & b->blank) + b->blank)) & ~b->blank;
    const uint64_t first = (begin & ~b->minus) | (begin & b->minus) << 1;      /* digits */
    const uint64_t behind_fraction = (b->digit + (b->point << 1)) & ~b->digit;
    uint64_t wrong = ~(b->digit | b->point | b->minus | b->comma | b->close | b->blank);
    wrong |= b->blank & ~(b->blank << 1) & ~due;
    wrong |= b->minus & ~begin;
    wrong |= first & ~b->digit;
    wrong |= first & b->zero & b->digit >> 1;
    wrong |= b->point & ~(b->digit << 1 & b->digit >> 1);
    wrong |= b->point & behind_fraction;
    wrong |= b->close << 1;
    return (struct text_numbers){ begin, b->comma | b->close, wrong };
}

/* ---- digits ---------------------------------------------------------------------------------- */

typedef uint8_t text_u8 __attribute__((vector_size(16)));
typedef uint16_t text_u16 __attribute__((vector_size(16)));
typedef int16_t text_i16 __attribute__((vector_size(16)));
typedef int32_t text_i32 __attribute__((vector_size(16)));
typedef uint32_t text_u32 __attribute__((vector_size(16)));

INLINE text_u8 text_load(const void *p)
{
    text_u8 v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Digits by two: 10 * d[2i] + d[2i+1]. */
INLINE text_i16 text_tens(text_u8 d)
{
#if defined(__SSSE3__)
    typedef char chars __attribute__((vector_size(16)));
    const chars ten = { 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1 };
    return (text_i16)__builtin_ia32_pmaddubsw128((chars)d, ten);
#else
    const text_u16 w = (text_u16)d;
    return (text_i16)((w & 0xFF) * 10 + (w >> 8));
#endif
}

/* factor * x[2i] + x[2i+1]. */
INLINE text_i32 text_pairs(text_i16 x, int16_t factor)
{
#if defined(__SSE2__)
    const text_i16 f = { factor, 1, factor, 1, factor, 1, factor, 1 };
    return (text_i32)__builtin_ia32_pmaddwd128(x, f);
#else
    const text_u32 w = (text_u32)x;
    return (text_i32)((w & 0xFFFF) * (uint32_t)factor + (w >> 16));
#endif
}

/* Two times 16 digits as two numbers of eight digits each, the first first. */
INLINE text_i32 text_eights(text_u8 a, text_u8 b)
{
    const text_i32 fa = text_pairs(text_tens(a), 100), fb = text_pairs(text_tens(b), 100);
#if defined(__SSE2__)
    const text_i16 fours = (text_i16)__builtin_ia32_packssdw128(fa, fb);
#else
    const text_i16 fours = __builtin_shufflevector((text_i16)fa, (text_i16)fb, 0, 2, 4, 6, 8, 10,
                                                   12, 14);
#endif
    return text_pairs(fours, 10000);
}

/* Of the 32 bytes from [n] on, the last n are set. */
static const uint8_t text_slide[80] = {
    [32] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
           255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
           255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

#define TEXT_SCALE(sign)                                                                           \
    { sign 1e0, sign 1e0, sign 1e-1, sign 1e-2, sign 1e-3, sign 1e-4, sign 1e-5, sign 1e-6,        \
      sign 1e-7, sign 1e-8, sign 1e-9, sign 1e-10, sign 1e-11, sign 1e-12, sign 1e-13, sign 1e-14, \
      sign 1e-15, sign 1e-16, sign 1e-17, sign 1e-18, sign 1e-19, sign 1e-20, sign 1e-21,          \
      sign 1e-22, sign 1e-23, sign 1e-24, sign 1e-25, sign 1e-26, sign 1e-27, sign 1e-28,          \
      sign 1e-29, sign 1e-30 }

/* [negative][digits behind the point + 1; 0: no point] */
static const double text_scale[2][32] = { TEXT_SCALE(+), TEXT_SCALE(-) };

struct text_number {
    unsigned behind;                 /* the byte behind it, in the block */
    unsigned digits, fraction;       /* those behind the point; -1: no point */
    double scale;
};

/* The number at the lowest bits; behind the last of them, anything within the block. */
INLINE struct text_number text_first(const struct text_block *b, const struct text_numbers *n)
{
    const uint64_t last = 1ull << 63;
    const unsigned begin = (unsigned)__builtin_ctzll(n->begin | last);
    const unsigned behind = (unsigned)__builtin_ctzll(n->end | last);
    const unsigned minus = b->minus >> begin & 1;
    const unsigned before = (unsigned)__builtin_ctzll((b->point | n->end | last) >> begin);
    const unsigned fraction = behind - begin - before - 1;
    return (struct text_number){
        .behind = behind,
        .digits = behind - begin - minus - (fraction + 1 != 0),
        .fraction = fraction,
        .scale = text_scale[minus][(fraction + 1) & 31],
    };
}

INLINE void text_next(struct text_numbers *n)
{
    n->begin &= n->begin - 1;
    n->end &= n->end - 1;
}

/* Of the 32 digits that end with the number, zeros in front of its own, the first (half 0) or last
 * 16. Those in front of the point are one byte further away than they would be without it. */
INLINE text_u8 text_digits_of(const char *p, const struct text_number *x, int half)
{
    const char *at = p + x->behind - 32 + 16 * half;
    const uint8_t *slide = text_slide + 16 * half;
    const text_u8 fraction = text_load(slide + (x->fraction & 31));
    const text_u8 used = text_load(slide + (x->digits & 31));
    const text_u8 digits = (text_load(at) & fraction) | (text_load(at - 1) & ~fraction);
    return (digits - '0') & used;
}

/* ---- values ---------------------------------------------------------------------------------- */

#if defined(__AVX2__)
enum { TEXT_F64 = 4 };
#else
enum { TEXT_F64 = 2 };
#endif

typedef float text_f32 __attribute__((vector_size(16)));
typedef double text_f64 __attribute__((vector_size(8 * TEXT_F64)));
typedef int64_t text_i64 __attribute__((vector_size(8 * TEXT_F64)));
typedef uint64_t text_u64 __attribute__((vector_size(8 * TEXT_F64)));

/* A value in double is off by less than TEXT_ERROR units of its last place: half of one each for
 * the halves of its digits, their sum, the power of ten and the product, in units that may differ
 * by two from one to the next. The rest is margin. */
enum { TEXT_ERROR = 32 };

/* Whether rounding to float32 might go wrong: the 29 bits that are cut off lie near a tie. */
INLINE bool text_near_tie(uint64_t bits)
{
    const uint64_t from = bits - (0x10000000 - TEXT_ERROR);
    return (from & 0x1FFFFFFF & ~(2 * TEXT_ERROR - 1)) == 0;
}

INLINE bool text_any_near_tie(text_f64 x)
{
    const text_u64 from = (text_u64)x - (0x10000000 - TEXT_ERROR);
    const text_i64 near = (from & (0x1FFFFFFF & ~(2 * TEXT_ERROR - 1))) == 0;
    int64_t any = 0;
    UNROLL for (int i = 0; i < TEXT_F64; i++) any |= near[i];
    return any != 0;
}

/* Four times 16 digits as whole numbers. */
struct text_wholes { text_f64 part[4 / TEXT_F64]; };

INLINE struct text_wholes text_wholes_of(const text_u8 *digits)
{
    const text_i32 a = text_eights(digits[0], digits[1]), b = text_eights(digits[2], digits[3]);
    struct text_wholes w;
#if defined(__AVX2__)
    const text_i32 high = __builtin_shufflevector(a, b, 0, 2, 4, 6);
    const text_i32 low = __builtin_shufflevector(a, b, 1, 3, 5, 7);
    w.part[0] = __builtin_convertvector(high, text_f64) * 1e8 +
                __builtin_convertvector(low, text_f64);
#else
    w.part[0] = (text_f64){ a[0], a[2] } * 1e8 + (text_f64){ a[1], a[3] };
    w.part[1] = (text_f64){ b[0], b[2] } * 1e8 + (text_f64){ b[1], b[3] };
#endif
    return w;
}

/* Four numbers of up to 16 digits. True: one of them is near a tie. */
INLINE bool text_four(float *out, const text_u8 *digits, const struct text_number *x)
{
    const struct text_wholes w = text_wholes_of(digits);
#if defined(__AVX2__)
    const text_f64 value = w.part[0] * (text_f64){ x[0].scale, x[1].scale, x[2].scale, x[3].scale };
    const text_f32 rounded = __builtin_convertvector(value, text_f32);
    memcpy(out, &rounded, sizeof rounded);
    return text_any_near_tie(value);
#else
    const text_f64 a = w.part[0] * (text_f64){ x[0].scale, x[1].scale };
    const text_f64 b = w.part[1] * (text_f64){ x[2].scale, x[3].scale };
    out[0] = (float)a[0];
    out[1] = (float)a[1];
    out[2] = (float)b[0];
    out[3] = (float)b[1];
    return text_any_near_tie(a) | text_any_near_tie(b);
#endif
}

/* Two numbers of up to 31 digits, in halves, the first first. */
INLINE bool text_two(float *out, const text_u8 *digits, const struct text_number *x)
{
    const struct text_wholes w = text_wholes_of(digits);
    double half[4];
    bool tie = false;
    memcpy(half, &w, sizeof half);
    UNROLL for (int i = 0; i < 2; i++) {
        const double value = (half[2 * i] * 1e16 + half[2 * i + 1]) * x[i].scale;
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        tie |= text_near_tie(bits);
        out[i] = (float)value;
    }
    return tie;
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* How many of n numbers, of which the first `right` are JSON, can be taken. */
INLINE int text_good(struct tp_text *t, const struct text_number *x, int n, int right,
                     unsigned most)
{
    if (right < n) n = right;
    for (int i = 0; i < n; i++) {
        if (x[i].digits <= most) continue;
        t->wide = true;
        return i;
    }
    return n;
}

/* Two wide numbers at a time, or four others. So many are converted before it is asked how many
 * there are: a processor that guesses right never waits for the answer. */
INLINE void text_run(struct tp_text *t, const bool wide)
{
    const int n = wide ? 2 : 4;
    const unsigned most = wide ? 31 : 15;
    while (t->p <= t->last && t->out_end - t->out >= 4) {
        const struct text_block b = text_classes(t->p);
        struct text_numbers found = text_grammar(&b);
        const uint64_t ends = found.end;
        struct text_number x[4];
        text_u8 digits[4];
        unsigned longest = 0;        /* its bits, at least */
        bool full = true;
        UNROLL for (int i = 0; i < n; i++) {
            x[i] = text_first(&b, &found);
            longest |= x[i].digits;
            if (wide) digits[2 * i] = text_digits_of(t->p, &x[i], 0);
            digits[wide ? 2 * i + 1 : i] = text_digits_of(t->p, &x[i], 1);
            full = found.end != 0;
            text_next(&found);
        }
        const bool tie = wide ? text_two(t->out, digits, x) : text_four(t->out, digits, x);
        const uint64_t upto = (2ull << x[n - 1].behind) - 1;
        int count = n;
        if (__builtin_expect(!full || tie || longest > most || (found.wrong & upto), 0)) {
            const uint64_t right = (found.wrong & -found.wrong) - 1;   /* below the first */
            count = text_good(t, x, n, __builtin_popcountll(ends & right), most);
            if (!count || tie) return;
        }
        t->p += x[count - 1].behind + 1;
        t->out += count;
        if (t->p[-1] == ']') return;
    }
}

static void read_numbers(struct tp_text *t)
{
    const float *begin = t->out;
    if (!t->wide) text_run(t, false);
    if (t->wide && (t->out == begin || t->p[-1] != ']')) text_run(t, true);
}

#endif
