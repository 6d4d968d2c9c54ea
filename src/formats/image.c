/* image.c - image files to pixels: what the decoders share, and the turn that makes a photo
 * upright. */
#include "formats/image.h"
#include "formats/jpeg.h"
#include "formats/png.h"
#include "formats/webp.h"

#include <inttypes.h>
#include <string.h>

enum { TILE = 32 };                  /* pixels a side: both faces of a turned tile stay in cache */

enum tp_image_kind tp_image_sniff(const void *bytes, size_t n_bytes)
{
    if (tp_jpeg_sniff(bytes, n_bytes)) return TP_IMAGE_JPEG;
    if (tp_png_sniff(bytes, n_bytes)) return TP_IMAGE_PNG;
    if (tp_webp_sniff(bytes, n_bytes)) return TP_IMAGE_WEBP;
    return TP_IMAGE_UNKNOWN;
}

bool tp_image_check_size(int64_t width, int64_t height, int64_t max_pixels, struct tp_err *err)
{
    int64_t n;
    if (!__builtin_mul_overflow(width, height, &n) && n <= max_pixels) return true;
    return tp_fail(err, TP_TOO_LARGE, "image: %" PRId64 "x%" PRId64 " has more than the %" PRId64
                   " pixels that an image may have; send a smaller one or raise --max-pixels",
                   width, height, max_pixels);
}

void tp_image_luma(uint8_t *gray, const uint8_t *rgb, int64_t n_pixels)
{
    for (int64_t i = 0; i < n_pixels; i++, rgb += 3)
        gray[i] = (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/* x / 255, rounded, for x up to 255 * 255. */
static unsigned div_255(unsigned x)
{
    x += 128;
    return ((x >> 8) + x) >> 8;
}

void tp_image_over_white(uint8_t *rgb, const uint8_t *rgba, int64_t n_pixels)
{
    for (int64_t i = 0; i < n_pixels; i++, rgb += 3, rgba += 4) {
        unsigned alpha = rgba[3], white = 255 * (255 - alpha);
        for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)div_255(rgba[c] * alpha + white);
    }
}

static void swap_pixels(uint8_t *a, uint8_t *b, int channels)
{
    for (int c = 0; c < channels; c++) {
        uint8_t old = a[c];
        a[c] = b[c];
        b[c] = old;
    }
}

static void flip_rows(struct tp_image *im)
{
    size_t row = (size_t)im->width * (size_t)im->channels;
    for (int y = 0; y < im->height / 2; y++) {
        uint8_t *a = im->pixels + (size_t)y * row;
        uint8_t *b = im->pixels + (size_t)(im->height - 1 - y) * row;
        for (size_t i = 0; i < row; i++) swap_pixels(a + i, b + i, 1);
    }
}

static void mirror_rows(struct tp_image *im)
{
    for (int y = 0; y < im->height; y++) {
        uint8_t *a = im->pixels + (size_t)y * (size_t)im->width * (size_t)im->channels;
        uint8_t *b = a + (size_t)(im->width - 1) * (size_t)im->channels;
        for (; a < b; a += im->channels, b -= im->channels) swap_pixels(a, b, im->channels);
    }
}

static void transpose_tile(uint8_t *out, const struct tp_image *im, int top, int left)
{
    size_t c = (size_t)im->channels;
    int bottom = top + TILE < im->height ? top + TILE : im->height;
    int right = left + TILE < im->width ? left + TILE : im->width;
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++)
            memcpy(out + ((size_t)x * (size_t)im->height + (size_t)y) * c,
                   im->pixels + ((size_t)y * (size_t)im->width + (size_t)x) * c, c);
}

static bool transpose(struct tp_image *im, struct tp_arena *arena, struct tp_err *err)
{
    uint8_t *out = tp_arena_alloc(arena, (size_t)im->width * (size_t)im->height *
                                         (size_t)im->channels);
    if (!out) return tp_arena_fail(arena, err);
    for (int y = 0; y < im->height; y += TILE)
        for (int x = 0; x < im->width; x += TILE) transpose_tile(out, im, y, x);
    *im = (struct tp_image){ out, im->height, im->width, im->channels };
    return true;
}

/* Undoes what the camera's position did. EXIF: where the stored row 0 and column 0 lie: 1 top
 * left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right bottom, 8
 * left bottom. */
static bool make_upright(struct tp_image *im, int orientation, struct tp_arena *arena,
                         struct tp_err *err)
{
    if (orientation >= 5 && !transpose(im, arena, err)) return false;
    switch (orientation) {
    case 2: case 6: mirror_rows(im); break;
    case 4: case 8: flip_rows(im); break;
    case 3: case 7: mirror_rows(im); flip_rows(im); break;
    default: break;
    }
    return true;
}

static bool decode_stored(struct tp_image *out, const void *bytes, size_t n_bytes,
                          const struct tp_image_options *options, int full_size[2],
                          int *orientation, struct tp_arena *arena, struct tp_err *err)
{
    if (!n_bytes)
        return tp_fail(err, TP_UNSUPPORTED_FORMAT, "image: 0 bytes; a JPEG, PNG or WebP file is "
                       "expected");
    switch (tp_image_sniff(bytes, n_bytes)) {
    case TP_IMAGE_JPEG:
        return tp_jpeg_decode(out, bytes, n_bytes, options, full_size, orientation, arena, err);
    case TP_IMAGE_PNG:
        return tp_png_decode(out, bytes, n_bytes, options, full_size, orientation, arena, err);
    case TP_IMAGE_WEBP:
        return tp_webp_decode(out, bytes, n_bytes, options, full_size, orientation, arena, err);
    case TP_IMAGE_UNKNOWN: break;
    }
    return tp_fail(err, TP_UNSUPPORTED_FORMAT, "image: the first bytes are not those of a JPEG, "
                   "PNG or WebP file, which are the formats that are read");
}

bool tp_image_decode(struct tp_image *out, const void *bytes, size_t n_bytes,
                     const struct tp_image_options *options, int full_size[2],
                     struct tp_arena *arena, struct tp_err *err)
{
    int stored[2], orientation = 1;
    struct tp_image im;
    if (!decode_stored(&im, bytes, n_bytes, options, stored, &orientation, arena, err))
        return false;
    if (options->gray && im.channels == 3) {
        tp_image_luma(im.pixels, im.pixels, (int64_t)im.width * im.height);
        im.channels = 1;
    }
    if (!make_upright(&im, orientation, arena, err)) return false;
    if (full_size) {
        full_size[0] = stored[orientation >= 5];
        full_size[1] = stored[orientation < 5];
    }
    *out = im;
    return true;
}
