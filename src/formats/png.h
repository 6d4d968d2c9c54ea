/* png.h - PNG files, and the one door to libspng. */
#ifndef TP_PNG_H
#define TP_PNG_H

#include "formats/image.h"

bool tp_png_sniff(const uint8_t *bytes, size_t n_bytes);

/* Decodes as the file stores it, not yet turned: *orientation receives EXIF's 1 to 8, full_size the
 * stored width and height before any reduction. out->channels is 3, or 1 where gray was asked for
 * and the file holds gray only. */
bool tp_png_decode(struct tp_image *out, const uint8_t *bytes, size_t n_bytes,
                    const struct tp_image_options *options, int full_size[2], int *orientation,
                    struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

/* Writes a file row by row: width bytes each, indices into 256 colours of 0xRRGGBB. The file is
 * whole when `height` rows were written; out of room shows in b->failed. */
struct tp_buf;
struct tp_png;
bool tp_png_begin(struct tp_png **out, struct tp_buf *b, int width, int height,
                  const uint32_t colors[256], struct tp_err *err) TP_MUST_USE;
bool tp_png_row(struct tp_png *png, const uint8_t *row, struct tp_err *err) TP_MUST_USE;
void tp_png_end(struct tp_png *png);             /* NULL is fine */

#endif
