/* base64.c - RFC 4648 text to bytes. */
#include "formats/base64.h"

#include <string.h>

#include "base/buf.h"
#include <strings.h>

enum { SPACE = 64, PAD = 65, OTHER = 66 };

/* 0 to 63, or what else a byte is. Both alphabets at once: "+/" and "-_" stand for the same. */
static unsigned value_of(unsigned char c)
{
    static const uint8_t plus_to_z['z' - '+' + 1] = {
        62,    OTHER, 62,    OTHER, 63,    52,    53, 54, 55, 56, 57, 58, 59, 60, 61, OTHER,
        OTHER, OTHER, PAD,   OTHER, OTHER, OTHER, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,
        10,    11,    12,    13,    14,    15,    16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
        OTHER, OTHER, OTHER, OTHER, 63,    OTHER, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
        36,    37,    38,    39,    40,    41,    42, 43, 44, 45, 46, 47, 48, 49, 50, 51,
    };
    if (c >= '+' && c <= 'z') return plus_to_z[c - '+'];
    return c == ' ' || (c >= '\t' && c <= '\r') ? SPACE : OTHER;
}

/* Where the base64 begins: behind a data: URI's head, if there is one. */
static bool skip_head(const char *text, size_t n_bytes, const char *where, size_t *begin,
                      struct tp_err *err)
{
    static const char mark[] = ";base64";
    const size_t mark_bytes = sizeof mark - 1;
    *begin = 0;
    if (n_bytes < 5 || strncasecmp(text, "data:", 5)) return true;
    const char *comma = memchr(text, ',', n_bytes);
    if (!comma) return tp_fail(err, TP_INVALID_ARGUMENT, "%s: a data: URI without a comma", where);
    if ((size_t)(comma - text) < 5 + mark_bytes ||
        strncasecmp(comma - mark_bytes, mark, mark_bytes))
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "%s: a data: URI that is not base64; it must begin like "
                       "data:image/png;base64,",
                       where);
    *begin = (size_t)(comma - text) + 1;
    return true;
}

struct decoder {
    uint8_t *to;
    size_t n_bytes;
    uint32_t bits;                   /* of the group of four, so far */
    int n_values, n_pads;            /* in the group; of the text */
};

/* Groups without blanks or padding, from p on; where it stopped. */
static const unsigned char *decode_groups(struct decoder *d, const unsigned char *p,
                                          const unsigned char *end)
{
    for (; end - p >= 4; p += 4, d->n_bytes += 3) {
        unsigned a = value_of(p[0]), b = value_of(p[1]), c = value_of(p[2]), e = value_of(p[3]);
        if ((a | b | c | e) >= SPACE) break;
        uint32_t bits = a << 18 | b << 12 | c << 6 | e;
        d->to[d->n_bytes] = (uint8_t)(bits >> 16);
        d->to[d->n_bytes + 1] = (uint8_t)(bits >> 8);
        d->to[d->n_bytes + 2] = (uint8_t)bits;
    }
    return p;
}

/* One byte of text; false when it may not stand there. */
static bool decode_byte(struct decoder *d, unsigned char byte)
{
    unsigned value = value_of(byte);
    if (value == SPACE) return true;
    if (value == PAD) return d->n_values >= 2 && ++d->n_pads + d->n_values <= 4;
    if (value == OTHER || d->n_pads) return false;
    d->bits = d->bits << 6 | value;
    if (++d->n_values < 4) return true;
    d->to[d->n_bytes++] = (uint8_t)(d->bits >> 16);
    d->to[d->n_bytes++] = (uint8_t)(d->bits >> 8);
    d->to[d->n_bytes++] = (uint8_t)d->bits;
    d->n_values = 0;
    return true;
}

/* The last, incomplete group: 2 values make a byte, 3 make two. */
static bool finish(struct decoder *d)
{
    if (d->n_values == 1 || (d->n_pads && d->n_values + d->n_pads != 4)) return false;
    if (d->n_values == 2) d->to[d->n_bytes++] = (uint8_t)(d->bits >> 4);
    if (d->n_values == 3) {
        d->to[d->n_bytes++] = (uint8_t)(d->bits >> 10);
        d->to[d->n_bytes++] = (uint8_t)(d->bits >> 2);
    }
    return true;
}

bool tp_base64_decode(const uint8_t **out, size_t *n_out, const char *text, size_t n_bytes,
                      const char *where, struct tp_arena *arena, struct tp_err *err)
{
    size_t begin;
    if (!skip_head(text, n_bytes, where, &begin, err)) return false;
    struct decoder d = { .to = tp_arena_alloc(arena, (n_bytes - begin) / 4 * 3 + 3) };
    if (!d.to) return tp_arena_fail(arena, err);

    const unsigned char *p = (const unsigned char *)text + begin;
    const unsigned char *const end = (const unsigned char *)text + n_bytes;
    while (p < end) {
        if (!d.n_values && !d.n_pads) p = decode_groups(&d, p, end);
        if (p == end) break;
        if (!decode_byte(&d, *p))
            return tp_fail(err, TP_INVALID_ARGUMENT,
                           "%s: byte %zu: 0x%02X does not belong into base64 "
                           "there",
                           where, (size_t)(p - (const unsigned char *)text), *p);
        p++;
    }
    if (!finish(&d))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: the base64 is cut off at byte %zu", where,
                       n_bytes);
    if (!d.n_bytes)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: empty; base64 was expected", where);
    *out = d.to;
    *n_out = d.n_bytes;
    return true;
}

void tp_base64_write(struct tp_buf *b, const void *bytes, size_t n_bytes)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = bytes;
    char *to = tp_buf_reserve(b, (n_bytes + 2) / 3 * 4);
    if (!to) return;
    for (size_t i = 0; i < n_bytes; i += 3) {
        const size_t left = n_bytes - i;
        const unsigned bits = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                              (left > 2 ? p[i + 2] : 0);
        *to++ = letters[bits >> 18];
        *to++ = letters[bits >> 12 & 63];
        *to++ = left > 1 ? letters[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? letters[bits & 63] : '=';
    }
    b->n_bytes += (n_bytes + 2) / 3 * 4;
}
