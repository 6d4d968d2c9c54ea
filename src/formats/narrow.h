/* narrow.h - float32 as the types that an answer may have: itself, float16, or uint8.
 *
 * uint8 is min-max over each map: q = round((x - zero) / scale), x is about q * scale + zero, where
 * zero is the map's least value and scale 1/255 of its range; off by half a scale at most, but for
 * float32's own rounding. NaN and infinities count in neither; NaN and -infinity become 0,
 * +infinity 255. A map whose range is below 3e-36 has scale 0, and every q 0; one without finite
 * values also has zero 0. */
#ifndef TP_NARROW_H
#define TP_NARROW_H

#include "base/tensor.h"

enum tp_dtype { TP_FP32, TP_FP16, TP_UINT8 };

size_t tp_narrow_bytes(enum tp_dtype type);      /* of one value */

/* The shape of the scales (and zeros): [n, c] of maps of rank 4, [n] of rows of another rank, [] of
 * a lone number. */
struct tp_shape tp_narrow_maps(const struct tp_shape *s, bool channels_first);

/* Little-endian values of that type to `to`, and with TP_UINT8 float32 to `scale` and `zero` (else
 * NULL). None of the three needs to be aligned. */
void tp_narrow_write(void *to, void *scale, void *zero, const struct tp_tensor *t,
                     bool channels_first, enum tp_dtype type, int n_threads);

#endif
