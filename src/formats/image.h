/* image.h - image files to pixels. */
#ifndef TP_IMAGE_H
#define TP_IMAGE_H

#include "base/arena.h"

enum tp_image_kind { TP_IMAGE_UNKNOWN, TP_IMAGE_JPEG, TP_IMAGE_PNG, TP_IMAGE_WEBP };

struct tp_image {
    uint8_t *pixels;                 /* [height, width, channels], tightly packed, in an arena */
    int width, height;
    int channels;                    /* 1 gray, 3 RGB */
};

struct tp_image_options {
    bool gray;   /* 1 channel (ITU-R 601 luma, as PIL's convert("L")) instead of RGB */
    int least_side;   /* > 0: a JPEG may be decoded at a reduced size as long as both of
                                      * its sides stay at least this long; 0: in full */
    int64_t max_pixels;              /* as the file's header declares them, before any allocation */
};

/* What the first bytes say. */
enum tp_image_kind tp_image_sniff(const void *bytes, size_t n_bytes);

/* Decodes a JPEG, PNG or WebP file to upright RGB or gray 8-bit pixels in `arena`: EXIF orientation
 * applied, alpha blended over white, 16 bits reduced to 8 as PIL does. full_size (may be NULL)
 * receives width and height of the upright image before any reduction. Truncated or corrupt data is
 * TP_INVALID_IMAGE, other bytes TP_UNSUPPORTED_FORMAT, too many pixels TP_TOO_LARGE. */
bool tp_image_decode(struct tp_image *out, const void *bytes, size_t n_bytes,
                     const struct tp_image_options *options, int full_size[2],
                     struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

/* Fails, naming --max-pixels, when an image has more pixels than that; width and height are at
 * least 1. For the decoders, before they allocate. */
bool tp_image_check_size(int64_t width, int64_t height, int64_t max_pixels,
                         struct tp_err *err) TP_MUST_USE;

/* gray[i] = ITU-R 601 luma of rgb[3 i ...] as PIL's convert("L") rounds it; gray may be rgb. */
void tp_image_luma(uint8_t *gray, const uint8_t *rgb, int64_t n_pixels);

/* rgb[3 i ...] = rgba[4 i ...] over white, as PIL's paste with the alpha as mask; rgb may be
 * rgba. */
void tp_image_over_white(uint8_t *rgb, const uint8_t *rgba, int64_t n_pixels);

#endif
