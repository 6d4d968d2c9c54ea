/* mosaic.h - feature maps as one picture: a tile for each, in matplotlib's viridis. */
#ifndef TP_MOSAIC_H
#define TP_MOSAIC_H

#include "formats/answer.h"

enum { TP_MOSAIC_MAX_PIXELS = 1 << 26, TP_MOSAIC_MAX_TILES = 1 << 14 };

/* Whether the outputs can be drawn within these limits; reads no values. */
bool tp_mosaic_check(const struct tp_answer *a, struct tp_err *err) TP_MUST_USE;

/* Appends the picture as a PNG file. For each output and image a title (name, size, least and
 * greatest value), then its maps, numbered by channel, each coloured between its own least and
 * greatest value and magnified by a whole number, with the values in the cells where these are
 * large enough; a vector [n, c] is a strip a row. NaN is gray. */
bool tp_mosaic_write(struct tp_buf *b, const struct tp_answer *a, struct tp_err *err) TP_MUST_USE;

#endif
