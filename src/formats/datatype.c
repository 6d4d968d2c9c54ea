/* datatype.c - the element types of the Open Inference Protocol. */
#include "formats/datatype.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/half.h"

static const struct {
    const char *name;
    size_t n_bytes;
    uint64_t below, most;            /* of whole numbers: -below to most; both 0: any number */
} types[] = {
    [TP_DT_BOOL] = { "BOOL", 1, 0, 1 },
    [TP_DT_UINT8] = { "UINT8", 1, 0, UINT8_MAX },
    [TP_DT_UINT16] = { "UINT16", 2, 0, UINT16_MAX },
    [TP_DT_UINT32] = { "UINT32", 4, 0, UINT32_MAX },
    [TP_DT_UINT64] = { "UINT64", 8, 0, UINT64_MAX },
    [TP_DT_INT8] = { "INT8", 1, 128, INT8_MAX },
    [TP_DT_INT16] = { "INT16", 2, 32768, INT16_MAX },
    [TP_DT_INT32] = { "INT32", 4, 1u << 31, INT32_MAX },
    [TP_DT_INT64] = { "INT64", 8, 1ull << 63, INT64_MAX },
    [TP_DT_FP16] = { "FP16", 2, 0, 0 },
    [TP_DT_BF16] = { "BF16", 2, 0, 0 },
    [TP_DT_FP32] = { "FP32", 4, 0, 0 },
    [TP_DT_FP64] = { "FP64", 8, 0, 0 },
    [TP_DT_BYTES] = { "BYTES", 0, 0, 0 },
};

enum { N_TYPES = sizeof types / sizeof *types };

bool tp_datatype_read(const char *name, enum tp_datatype *out, struct tp_err *err)
{
    for (int i = 0; i < N_TYPES; i++)
        if (!strcmp(name, types[i].name)) {
            *out = (enum tp_datatype)i;
            return true;
        }
    return tp_fail(err, TP_INVALID_ARGUMENT, "datatype '%.32s' is not known; there are BOOL, UINT8 "
                   "to UINT64, INT8 to INT64, FP16, BF16, FP32, FP64 and BYTES", name);
}

const char *tp_datatype_name(enum tp_datatype type) { return types[type].name; }
size_t tp_datatype_bytes(enum tp_datatype type) { return types[type].n_bytes; }

/* ---- packed elements ------------------------------------------------------------------------- */

static float bf16_float(uint32_t bits)
{
    float x;
    bits <<= 16;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* One element. The type is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) float element(enum tp_datatype type, const uint8_t *p)
{
    uint64_t bits = 0;
    double d;
    memcpy(&bits, p, types[type].n_bytes);
    switch (type) {
    case TP_DT_BOOL: return bits != 0;
    case TP_DT_UINT8:
    case TP_DT_UINT16:
    case TP_DT_UINT32:
    case TP_DT_UINT64: return (float)bits;
    case TP_DT_INT8: return (int8_t)bits;
    case TP_DT_INT16: return (int16_t)bits;
    case TP_DT_INT32: return (float)(int32_t)bits;
    case TP_DT_INT64: return (float)(int64_t)bits;
    case TP_DT_FP16: return tp_half_float((uint32_t)bits);
    case TP_DT_BF16: return bf16_float((uint32_t)bits);
    case TP_DT_FP64: memcpy(&d, &bits, sizeof d); return (float)d;
    case TP_DT_FP32:
    case TP_DT_BYTES: break;
    }
    return 0;
}

static inline __attribute__((always_inline)) void convert(enum tp_datatype type, size_t n_bytes,
                                                          const uint8_t *p, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) out[i] = element(type, p + (size_t)i * n_bytes);
}

void tp_datatype_floats(enum tp_datatype type, const void *bytes, int64_t n, float *out)
{
    switch (type) {
    case TP_DT_BOOL: convert(TP_DT_BOOL, 1, bytes, n, out); break;
    case TP_DT_UINT8: convert(TP_DT_UINT8, 1, bytes, n, out); break;
    case TP_DT_UINT16: convert(TP_DT_UINT16, 2, bytes, n, out); break;
    case TP_DT_UINT32: convert(TP_DT_UINT32, 4, bytes, n, out); break;
    case TP_DT_UINT64: convert(TP_DT_UINT64, 8, bytes, n, out); break;
    case TP_DT_INT8: convert(TP_DT_INT8, 1, bytes, n, out); break;
    case TP_DT_INT16: convert(TP_DT_INT16, 2, bytes, n, out); break;
    case TP_DT_INT32: convert(TP_DT_INT32, 4, bytes, n, out); break;
    case TP_DT_INT64: convert(TP_DT_INT64, 8, bytes, n, out); break;
    case TP_DT_FP16: convert(TP_DT_FP16, 2, bytes, n, out); break;
    case TP_DT_BF16: convert(TP_DT_BF16, 2, bytes, n, out); break;
    case TP_DT_FP64: convert(TP_DT_FP64, 8, bytes, n, out); break;
    case TP_DT_FP32: memcpy(out, bytes, (size_t)n * sizeof *out); break;
    case TP_DT_BYTES: break;
    }
}

/* ---- numbers of a text ----------------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool times_ten(uint64_t *x, int64_t n)
{
    for (; *x && n > 0; n--)
        if (__builtin_mul_overflow(*x, 10, x)) return false;
    return true;
}

/* At most 19 digits and nothing else, as nearly all numbers are: 0.4 to 0.7 of the time that the
 * long way takes. */
static bool read_digits(const char **p, uint64_t *size)
{
    const char *c = *p;
    uint64_t x = 0;
    while (is_digit(*c)) x = 10 * x + (uint64_t)(*c++ - '0');
    *size = x;
    if (c - *p > 19 || *c == '.' || *c == 'e' || *c == 'E') return false;
    *p = c;
    return true;
}

/* The power of ten behind *p, if one is there. */
static int64_t read_exponent(const char **p)
{
    const char *c = *p;
    int64_t e = 0;
    if (*c != 'e' && *c != 'E') return 0;
    const bool negative = *++c == '-';
    for (c += negative || *c == '+'; is_digit(*c); c++)
        if (e < INT32_MAX) e = 10 * e + (*c - '0');
    *p = c;
    return negative ? -e : e;
}

/* The number at *p, which then is behind it, as it stands there: float32 would hide a fraction, and
 * what is beyond a limit. False when it is not whole, or its size is beyond 64 bits. */
static bool read_whole(const char **p, bool *negative, uint64_t *size)
{
    const char *c = *p;
    int64_t scale = 0, zeros = 0;    /* the power of ten; zeros that may turn out to be its */
    bool fraction = false;
    *negative = *c == '-';
    c += *negative;
    if (read_digits(&c, size)) {
        *p = c;
        return true;
    }
    *size = 0;
    for (; is_digit(*c) || *c == '.'; c++) {
        if (*c == '.') {
            fraction = true;
            continue;
        }
        scale -= fraction;
        if (*c == '0') {
            zeros++;
            continue;
        }
        if (!times_ten(size, zeros + 1) ||
            __builtin_add_overflow(*size, (uint64_t)(*c - '0'), size)) return false;
        zeros = 0;
    }
    scale += zeros + read_exponent(&c);
    *p = c;
    return !*size || (scale >= 0 && times_ten(size, scale));
}

static bool check_whole(enum tp_datatype type, const char *text, const char *end, const char *where,
                        struct tp_err *err)
{
    const uint64_t below = types[type].below, most = types[type].most;
    bool negative;
    uint64_t size;
    for (int64_t i = 0; ; i++) {
        while (text < end && *text != '-' && !is_digit(*text)) text++;
        if (text == end) return true;
        const char *number = text;
        if (read_whole(&text, &negative, &size) && size <= (negative ? below : most)) continue;
        int n_bytes = 0;
        while (n_bytes < 32 && number + n_bytes < end && !strchr(",] \t\r\n", number[n_bytes]))
            n_bytes++;
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: number %" PRId64 " is %.*s; %s holds whole "
                       "numbers from %s%" PRIu64 " to %" PRIu64, where, i, n_bytes, number,
                       types[type].name, below ? "-" : "", below, most);
    }
}

static float to_fp16(float x) { return tp_half_float(tp_half_bits(x)); }

static float to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bf16_float((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);   /* to nearest, ties to even */
}

static bool round_all(enum tp_datatype type, float *x, int64_t n, const char *where,
                      struct tp_err *err)
{
    for (int64_t i = 0; i < n; i++) {
        const float rounded = type == TP_DT_FP16 ? to_fp16(x[i]) : to_bf16(x[i]);
        if (isinf(rounded))
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: number %" PRId64 " is %.9g; %s holds "
                           "numbers up to %s", where, i, (double)x[i], types[type].name,
                           type == TP_DT_FP16 ? "65504" : "3.38953139e38");
        x[i] = rounded;
    }
    return true;
}

bool tp_datatype_check(enum tp_datatype type, float *x, int64_t n, const char *text,
                       const char *end, const char *where, struct tp_err *err)
{
    if (types[type].most) return check_whole(type, text, end, where, err);
    if (type == TP_DT_FP16 || type == TP_DT_BF16) return round_all(type, x, n, where, err);
    return true;
}
