/* image_size.c - what an image file's header claims, read without a decoder. */
#include "formats/image_size.h"

#include <string.h>

static uint32_t big_16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t big_32(const uint8_t *p) { return big_16(p) << 16 | big_16(p + 2); }
static uint32_t little_16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t little_24(const uint8_t *p) { return little_16(p) | (uint32_t)p[2] << 16; }
static uint32_t little_32(const uint8_t *p) { return little_16(p) | little_16(p + 2) << 16; }

static struct tp_image_size of(int64_t width, int64_t height, bool whole)
{
    return (struct tp_image_size){ width * height, whole };
}

/* The first frame header (ITU-T T.81, B.2.2); in several scans where its marker is not 0xC0. */
static struct tp_image_size of_jpeg(const uint8_t *p, size_t n)
{
    enum { SOF0 = 0xC0, SOF15 = 0xCF, DHT = 0xC4, JPG = 0xC8, DAC = 0xCC };
    for (size_t at = 2; at + 9 <= n && p[at] == 0xFF;) {
        const uint8_t marker = p[at + 1];
        if (marker == 0xFF) {                      /* a fill byte */
            at++;
            continue;
        }
        if (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC)
            return of(big_16(p + at + 7), big_16(p + at + 5), marker > SOF0 + 1);
        at += 2 + (size_t)big_16(p + at + 2);
    }
    return of(0, 0, false);
}

/* IHDR is the first chunk; its last byte tells interlaced files. */
static struct tp_image_size of_png(const uint8_t *p, size_t n)
{
    if (n < 29 || memcmp(p + 12, "IHDR", 4)) return of(0, 0, false);
    const uint32_t width = big_32(p + 16), height = big_32(p + 20);
    return width > INT32_MAX || height > INT32_MAX ? of(0, 0, false) : of(width, height, p[28]);
}

/* RFC 9649: the extended, the lossless and the lossy form. */
static struct tp_image_size of_webp(const uint8_t *p, size_t n)
{
    if (n < 30) return of(0, 0, false);
    if (!memcmp(p + 12, "VP8X", 4))
        return of(little_24(p + 24) + 1, little_24(p + 27) + 1, true);
    if (!memcmp(p + 12, "VP8L", 4)) {
        const uint32_t bits = little_32(p + 21);
        return of((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, true);
    }
    return of(little_16(p + 26) & 0x3FFF, little_16(p + 28) & 0x3FFF, false);
}

struct tp_image_size tp_image_size(const void *bytes, size_t n_bytes)
{
    switch (tp_image_sniff(bytes, n_bytes)) {
    case TP_IMAGE_JPEG: return of_jpeg(bytes, n_bytes);
    case TP_IMAGE_PNG: return of_png(bytes, n_bytes);
    case TP_IMAGE_WEBP: return of_webp(bytes, n_bytes);
    case TP_IMAGE_UNKNOWN: break;
    }
    return of(0, 0, false);
}
