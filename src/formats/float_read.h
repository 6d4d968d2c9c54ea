/* float_read.h - one decimal number of a text to float32, correct to the last bit. */
#ifndef TP_FLOAT_READ_H
#define TP_FLOAT_READ_H

/* Reads one number of JSON's grammar from [text, end). Returns the byte behind it, or NULL when
 * there is no number (also for NaN, Infinity, +1, .5, 1., 01). *out is rounded to nearest, ties to
 * even; +-INFINITY when float32 cannot hold it, 0 when it is too small. Independent of the
 * locale. */
const char *tp_float_read(const char *text, const char *end, float *out);

/* The same without the value: where the number ends, or NULL. */
const char *tp_float_skip(const char *text, const char *end);

#endif
