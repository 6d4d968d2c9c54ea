/* float_write.h - float32 as decimal text. */
#ifndef TP_FLOAT_WRITE_H
#define TP_FLOAT_WRITE_H

#include <stddef.h>
#include <stdint.h>

enum {
    TP_FLOAT_TEXT_BYTES = 16,        /* the longest: -0.0000123456789, -123456780000000 */
    TP_FLOAT_ROW_SPARE = 16,         /* bytes behind a row that may be written to */
};

/* Writes the shortest decimal that reads back to the same float ("0.1", "3", "1e-7"; "null" for NaN
 * and infinities), not NUL-terminated. to: TP_FLOAT_TEXT_BYTES. Returns the number of bytes. */
int tp_float_write(char *to, float x);

/* Writes n numbers with commas between them. digits > 0 rounds to that many significant digits (at
 * most 9) as printf's %.*g does, 0 is shortest. to: n * (TP_FLOAT_TEXT_BYTES + 1) +
 * TP_FLOAT_ROW_SPARE bytes. Returns the byte behind the last. */
char *tp_float_write_row(char *to, const float *x, int64_t n, int digits);

#endif
