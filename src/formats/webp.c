/* webp.c - WebP files through libwebp: lossy, lossless, with alpha. Animations are refused:
 * which of their frames is meant is the sender's to say. */
#include "formats/webp.h"
#include "formats/exif.h"
#include "formats/libraries.h"

#include <stdio.h>
#include <string.h>

#include <webp/decode.h>

enum {
    RIFF_HEADER_BYTES = 12,
    CHUNK_HEADER_BYTES = 8,
    BASE_MEMORY_BYTES = 256 << 10,   /* libwebp's own, besides its pixels */
};

bool tp_webp_sniff(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= RIFF_HEADER_BYTES && !memcmp(bytes, "RIFF", 4) &&
           !memcmp(bytes + 8, "WEBP", 4);
}

static bool refuse(VP8StatusCode code, size_t n_bytes, struct tp_err *err)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return tp_fail(err, TP_NO_MEMORY, "WebP: out of memory");
    case VP8_STATUS_NOT_ENOUGH_DATA: case VP8_STATUS_SUSPENDED:
        return tp_fail(err, TP_INVALID_IMAGE, "WebP: truncated: the file of %zu bytes ends before "
                       "the image does", n_bytes);
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return tp_fail(err, TP_UNSUPPORTED_FORMAT, "WebP: uses a feature that libwebp cannot "
                       "decode");
    default:
        return tp_fail(err, TP_INVALID_IMAGE, "WebP: broken: the %zu bytes hold no image that can "
                       "be decoded", n_bytes);
    }
}

static uint32_t read_32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Walks the RIFF chunks (padded to even lengths) to "EXIF". */
static int find_orientation(const uint8_t *p, size_t n)
{
    size_t at = RIFF_HEADER_BYTES;
    while (at <= n && n - at >= CHUNK_HEADER_BYTES) {
        size_t length = read_32(p + at + 4);
        size_t room = n - at - CHUNK_HEADER_BYTES;
        if (length > room) break;
        if (!memcmp(p + at, "EXIF", 4))
            return tp_exif_orientation(p + at + CHUNK_HEADER_BYTES, length);
        at += CHUNK_HEADER_BYTES + length + (length & 1);
    }
    return 1;
}

static bool decode(struct tp_image *out, const uint8_t *bytes, size_t n_bytes,
                   WebPDecoderConfig *config, struct tp_arena *arena, struct tp_err *err)
{
    size_t width = (size_t)config->input.width, height = (size_t)config->input.height;
    size_t pixel_bytes = config->input.has_alpha ? 4 : 3;
    uint8_t *pixels = tp_arena_alloc(arena, width * height * pixel_bytes);
    if (!pixels) return tp_arena_fail(arena, err);
    config->output.colorspace = pixel_bytes == 4 ? MODE_RGBA : MODE_RGB;
    config->output.is_external_memory = 1;
    config->output.u.RGBA.rgba = pixels;
    config->output.u.RGBA.stride = (int)(width * pixel_bytes);
    config->output.u.RGBA.size = width * height * pixel_bytes;
    const size_t own_bytes = BASE_MEMORY_BYTES + 4 * width * height;     /* a lossless file's */
    if (!tp_arena_charge(arena, own_bytes)) return tp_arena_fail(arena, err);
    VP8StatusCode code = WebPDecode(bytes, n_bytes, config);
    WebPFreeDecBuffer(&config->output);
    tp_arena_credit(arena, own_bytes);
    if (code != VP8_STATUS_OK) return refuse(code, n_bytes, err);
    if (pixel_bytes == 4) tp_image_over_white(pixels, pixels, (int64_t)(width * height));
    *out = (struct tp_image){ pixels, (int)width, (int)height, 3 };
    return true;
}

bool tp_webp_decode(struct tp_image *out, const uint8_t *bytes, size_t n_bytes,
                    const struct tp_image_options *options, int full_size[2], int *orientation,
                    struct tp_arena *arena, struct tp_err *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return tp_fail(err, TP_INTERNAL, "WebP: the library is not the version it was built "
                       "against");
    VP8StatusCode code = WebPGetFeatures(bytes, n_bytes, &config.input);
    if (code != VP8_STATUS_OK) return refuse(code, n_bytes, err);
    full_size[0] = config.input.width;
    full_size[1] = config.input.height;
    if (!tp_image_check_size(full_size[0], full_size[1], options->max_pixels, err)) return false;
    if (config.input.has_animation)
        return tp_fail(err, TP_UNSUPPORTED_FORMAT, "WebP: an animation; send one of its frames as "
                       "a still image");
    *orientation = find_orientation(bytes, n_bytes);
    return decode(out, bytes, n_bytes, &config, arena, err);
}

const char *tp_webp_library(void)
{
    static char text[16];            /* the same bytes, whoever writes them */
    int v = WebPGetDecoderVersion();
    snprintf(text, sizeof text, "%d.%d.%d", v >> 16 & 255, v >> 8 & 255, v & 255);
    return text;
}
