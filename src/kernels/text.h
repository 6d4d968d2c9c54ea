/* text.h - runs of decimal numbers in a JSON text, to float32.
 *
 * 64 bytes are sorted into classes at a time, one bit a byte, and JSON's grammar is a few
 * operations on these bits (the idea of simdjson: G. Langdale, D. Lemire, "Parsing Gigabytes of
 * JSON per Second", 2019). Then four numbers are converted at once, without a branch on where their
 * digits, signs and points are: what is guessed wrong costs more than all else. */
#ifndef TP_KERNELS_TEXT_H
#define TP_KERNELS_TEXT_H

#include "kernels/kernels.h"
#include "kernels/vec.h"

#if defined(__AVX512BW__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* ---- classes of bytes ------------------------------------------------------------------------ */

/* Bit i is that of byte i, as in all masks here. */
struct text_block { uint64_t digit, zero, point, minus, comma, close, blank; };

typedef uint8_t text_u8 __attribute__((vector_size(16)));
typedef uint16_t text_u16 __attribute__((vector_size(16)));
typedef int16_t text_i16 __attribute__((vector_size(16)));
typedef int32_t text_i32 __attribute__((vector_size(16)));
typedef uint32_t text_u32 __attribute__((vector_size(16)));
typedef float text_f32 __attribute__((vector_size(16)));
enum { TEXT_F64 = VL < 8 ? 2 : 4 };
typedef double text_f64 __attribute__((vector_size(8 * TEXT_F64)));
typedef int64_t text_i64 __attribute__((vector_size(8 * TEXT_F64)));

INLINE text_u8 text_load(const void *p)
{
    text_u8 v;
    memcpy(&v, p, sizeof v);
    return v;
}

#if defined(__AVX512BW__)
typedef __m512i text_bytes;
INLINE text_bytes text_bytes_at(const char *p) { return _mm512_loadu_si512(p); }
INLINE uint64_t text_equal(text_bytes v, char c) { return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c)); }
INLINE uint64_t text_digits(text_bytes v)
{
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('0')), _mm512_set1_epi8(10));
}
#else
enum { TEXT_STEP = sizeof(vec) > 32 ? 32 : sizeof(vec), TEXT_STEPS = 64 / TEXT_STEP };
typedef uint8_t text_wide __attribute__((vector_size(TEXT_STEP)));
typedef struct { text_wide part[TEXT_STEPS]; } text_bytes;

INLINE text_bytes text_bytes_at(const char *p)
{
    text_bytes v;
    UNROLL for (int i = 0; i < TEXT_STEPS; i++) memcpy(&v.part[i], p + i * TEXT_STEP, TEXT_STEP);
    return v;
}

/* Lanes of *m are 0 or 255. */
INLINE uint64_t text_bits(const text_bytes *m)
{
    uint64_t bits = 0;
#if defined(__AVX2__)
    typedef char text_lanes __attribute__((vector_size(32)));
    UNROLL for (int i = 0; i < TEXT_STEPS; i++)
        bits |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb256((text_lanes)m->part[i]) << 32 * i;
#elif defined(__SSE2__)
    typedef char text_lanes __attribute__((vector_size(16)));
    UNROLL for (int i = 0; i < TEXT_STEPS; i++)
        bits |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128((text_lanes)m->part[i]) << 16 * i;
#elif defined(__aarch64__)
    const uint8x16_t bit = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    uint8x16_t low = vpaddq_u8(vandq_u8((uint8x16_t)m->part[0], bit), vandq_u8((uint8x16_t)m->part[1], bit));
    uint8x16_t high = vpaddq_u8(vandq_u8((uint8x16_t)m->part[2], bit), vandq_u8((uint8x16_t)m->part[3], bit));
    low = vpaddq_u8(low, high);
    bits = vgetq_lane_u64((uint64x2_t)vpaddq_u8(low, low), 0);
#else
    for (int i = 0; i < 64; i++)
        bits |= (uint64_t)(m->part[i / TEXT_STEP][i % TEXT_STEP] & 1) << i;
#endif
    return bits;
}

INLINE uint64_t text_equal(text_bytes v, char c)
{
    text_bytes m;
    UNROLL for (int i = 0; i < TEXT_STEPS; i++) m.part[i] = (text_wide)(v.part[i] == (uint8_t)c);
    return text_bits(&m);
}

INLINE uint64_t text_digits(text_bytes v)
{
    text_bytes m;
    UNROLL for (int i = 0; i < TEXT_STEPS; i++) m.part[i] = (text_wide)(v.part[i] - '0' < 10);
    return text_bits(&m);
}
#endif

INLINE struct text_block text_classes(const char *p)
{
    text_bytes v = text_bytes_at(p);
    return (struct text_block){
        .digit = text_digits(v), .zero = text_equal(v, '0'), .point = text_equal(v, '.'),
        .minus = text_equal(v, '-'), .comma = text_equal(v, ','), .close = text_equal(v, ']'),
        .blank = text_equal(v, ' ') | text_equal(v, '\n') | text_equal(v, '\r') |
                 text_equal(v, '\t'),
    };
}

/* ---- grammar --------------------------------------------------------------------------------- */

/* Where the block's numbers begin and end, as far as they are of the usual kind. */
struct text_numbers { uint64_t begin, end, wrong; };

/* The block begins where a number is due, perhaps behind blanks. `begin` has the first byte of each
 * number (its sign), `end` the comma or bracket right behind it; there are no more ends than
 * begins. An exponent, a blank in front of an end, or what is not JSON ends them, and the first
 * bracket does. */
INLINE struct text_numbers text_grammar(const struct text_block *b)
{
    const uint64_t due = b->comma << 1 | 1;
    const uint64_t begin = (due & ~b->blank) | (((due & b->blank) + b->blank) & ~b->blank);
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

enum { TEXT_AHEAD = 40 };            /* bytes in front of a number that are read */

/* Sums of neighbours: a[2i] * b[2i] + a[2i+1] * b[2i+1]. */
INLINE text_i32 text_pairs(text_i16 a, text_i16 b)
{
#if defined(__SSE2__)
    return (text_i32)__builtin_ia32_pmaddwd128(a, b);
#else
    const text_u32 p = (text_u32)((text_u16)a * (text_u16)b);      /* for products below 2^16 */
    return (text_i32)((p & 0xFFFF) + (p >> 16));
#endif
}

/* Two times 16 bytes 0 to 9 to two times two numbers of eight digits, the first first. */
INLINE text_i32 text_eights(text_u8 a, text_u8 b)
{
    const text_i16 tens = { 10, 1, 10, 1, 10, 1, 10, 1 };
    const text_i16 hundreds = { 100, 1, 100, 1, 100, 1, 100, 1 };
    const text_i16 ten_thousands = { 10000, 1, 10000, 1, 10000, 1, 10000, 1 };
    (void)tens;
#if defined(__SSSE3__)
    typedef char chars __attribute__((vector_size(16)));
    const chars ten = { 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1 };
    const text_i16 pa = (text_i16)__builtin_ia32_pmaddubsw128((chars)a, ten);
    const text_i16 pb = (text_i16)__builtin_ia32_pmaddubsw128((chars)b, ten);
#else
    const text_u16 wa = (text_u16)a, wb = (text_u16)b;
    const text_i16 pa = (text_i16)((wa & 0xFF) * 10 + (wa >> 8));
    const text_i16 pb = (text_i16)((wb & 0xFF) * 10 + (wb >> 8));
#endif
    const text_i32 fa = text_pairs(pa, hundreds), fb = text_pairs(pb, hundreds);
#if defined(__SSE2__)
    const text_i16 fours = (text_i16)__builtin_ia32_packssdw128(fa, fb);
    return text_pairs(fours, ten_thousands);
#else
    const text_i32 even = __builtin_shufflevector(fa, fb, 0, 2, 4, 6), odd = __builtin_shufflevector(fa, fb, 1, 3, 5, 7);
    return even * 10000 + odd;
#endif
}

static const uint8_t text_slide[96] = {
    [32] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
           255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
           255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
           255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

/* [sign][i]: 10^-i, from 1 */
static const double text_scale[2][32] = {
    { 1e-0, 1e-0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14,
      1e-15, 1e-16, 1e-17, 1e-18, 1e-19, 1e-20, 1e-21, 1e-22, 1e-23, 1e-24, 1e-25, 1e-26, 1e-27, 1e-28,
      1e-29, 1e-30 },
    { -1e-0, -1e-0, -1e-1, -1e-2, -1e-3, -1e-4, -1e-5, -1e-6, -1e-7, -1e-8, -1e-9, -1e-10, -1e-11, -1e-12, -1e-13,
      -1e-14, -1e-15, -1e-16, -1e-17, -1e-18, -1e-19, -1e-20, -1e-21, -1e-22, -1e-23, -1e-24, -1e-25,
      -1e-26, -1e-27, -1e-28, -1e-29, -1e-30 },
};

struct text_number {
    unsigned behind;                 /* from p on: the byte behind it */
    unsigned digits, fraction;       /* of them behind the point; -1: no point */
    double scale;
};

/* The number between the lowest bits. */
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
        .digits = before - minus + (fraction + 1 ? fraction : 0),
        .fraction = fraction,
        .scale = text_scale[minus][(fraction + 1) & 31],
    };
}

/* The 16 digits that end at `behind`, zeros in front of the first. half: 1, or 0 for the 16 in
 * front of these. */
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

/* A value in double is off by less than TEXT_ERROR units of the last place. */
enum { TEXT_ERROR = 32 };

/* Lanes are -1 where rounding to float32 might go wrong: the 29 bits that are cut off lie near a
 * tie. */
INLINE text_i64 text_near_tie(text_f64 x)
{
    const text_i64 bits = (text_i64)x - (0x10000000 - TEXT_ERROR);
    return (bits & 0x1FFFFFFF & ~(2 * TEXT_ERROR - 1)) == 0;
}

INLINE unsigned text_any(text_i64 m)
{
    unsigned bits = 0;
    UNROLL for (int i = 0; i < TEXT_F64; i++) bits |= (unsigned)(m[i] & 1) << i;
    return bits;
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

/* Four numbers of up to 16 digits; not 0: one of them is near a tie. */
INLINE unsigned text_narrow(float *out, const text_u8 *digits, const struct text_number *x)
{
    const struct text_wholes w = text_wholes_of(digits);
#if defined(__AVX2__)
    const text_f64 scale = { x[0].scale, x[1].scale, x[2].scale, x[3].scale };
    const text_f64 value = w.part[0] * scale;
    const text_f32 rounded = __builtin_convertvector(value, text_f32);
    memcpy(out, &rounded, sizeof rounded);
    return text_any(text_near_tie(value));
#else
    const text_f64 a = w.part[0] * (text_f64){ x[0].scale, x[1].scale };
    const text_f64 b = w.part[1] * (text_f64){ x[2].scale, x[3].scale };
    out[0] = (float)a[0];
    out[1] = (float)a[1];
    out[2] = (float)b[0];
    out[3] = (float)b[1];
    return text_any(text_near_tie(a) | text_near_tie(b));
#endif
}

/* Two numbers of up to 31 digits, the upper sixteen of each first. */
INLINE unsigned text_pair(float *out, const text_u8 *digits, const struct text_number *x)
{
    const struct text_wholes w = text_wholes_of(digits);
    double v[4];
    memcpy(v, &w, sizeof v);
    unsigned odd = 0;
    UNROLL for (int i = 0; i < 2; i++) {
        const double value = (v[2 * i] * 1e16 + v[2 * i + 1]) * x[i].scale;
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        odd |= ((bits - (0x10000000 - TEXT_ERROR)) & 0x1FFFFFFF & ~(2 * TEXT_ERROR - 1)) == 0;
        out[i] = (float)value;
    }
    return odd;
}

INLINE void text_next(struct text_numbers *n)
{
    n->begin &= n->begin - 1;
    n->end &= n->end - 1;
}

/* How many of n numbers, of which the first `right` are JSON, can be taken. */
INLINE int text_good(struct tp_text *t, const struct text_number *x, int n, int right, unsigned most)
{
    if (right < n) n = right;
    for (int i = 0; i < n; i++) {
        if (x[i].digits <= most) continue;
        t->wide = true;
        return i;
    }
    return n;
}

/* Two wide numbers at a time, or four others. */
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
        const unsigned tie = wide ? text_pair(t->out, digits, x) : text_narrow(t->out, digits, x);
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
