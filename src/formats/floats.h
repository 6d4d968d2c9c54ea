/* floats.h - numbers as text: JSON's decimal numbers to float32 and back, correct to the last bit.
 */
#ifndef TP_FLOATS_H
#define TP_FLOATS_H

#include "base/buf.h"
#include "base/tensor.h"

/* Reads one number of JSON's grammar from [text, end). Returns the byte behind it, or NULL when
 * there is no number (also for NaN, Infinity, +1, .5, 1., 01). *out is rounded to nearest, ties to
 * even;
 * +-INFINITY when float32 cannot hold it, 0 when it is too small. Independent of the locale. */
const char *tp_float_read(const char *text, const char *end, float *out);

/* The same without the value: where the number ends, or NULL. */
const char *tp_float_skip(const char *text, const char *end);

enum { TP_FLOAT_TEXT_BYTES = 16 };   /* the longest: -0.0000123456789, -123456780000000 */

/* Writes the shortest decimal that reads back to the same float ("0.1", "3", "1e-7"; "null" for NaN
 * and infinities), not NUL-terminated. to: TP_FLOAT_TEXT_BYTES. Returns the number of bytes. */
int tp_float_write(char *to, float x);

/* Appends a tensor's data as a JSON array: nested by its dimensions, or flat. digits > 0 rounds to
 * that many significant digits (at most 9) as printf's %.*g does, 0 is shortest. */
void tp_floats_write(struct tp_buf *b, const struct tp_tensor *t, bool nested, int digits);

#endif
