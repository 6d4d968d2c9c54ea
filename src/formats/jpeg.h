/* jpeg.h - JPEG files, and the one door to libjpeg-turbo. */
#ifndef TP_JPEG_H
#define TP_JPEG_H

#include "formats/image.h"

bool tp_jpeg_sniff(const uint8_t *bytes, size_t n_bytes);

/* Decodes as the file stores it, not yet turned: *orientation receives EXIF's 1 to 8, full_size the
 * stored width and height before any reduction. out->channels is 3, or 1 where gray was asked for
 * and the file (or a reduced decoding of it) is gray. */
bool tp_jpeg_decode(struct tp_image *out, const uint8_t *bytes, size_t n_bytes,
                    const struct tp_image_options *options, int full_size[2], int *orientation,
                    struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

#endif
