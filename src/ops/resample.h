/* resample.h - resizing 8-bit images as PIL does it. */
#ifndef TP_RESAMPLE_H
#define TP_RESAMPLE_H

#include "base/arena.h"

enum tp_resample_filter { TP_RESAMPLE_NEAREST, TP_RESAMPLE_BILINEAR, TP_RESAMPLE_BICUBIC };

/* Resizes in: [in_h, in_w, channels] to out: [out_h, out_w, channels], both tightly packed bytes
 * of 1 or 3 channels. antialias: the filter is stretched when shrinking (PIL's Image.resize, to
 * the bit); else it keeps its size (PyTorch's interpolate(antialias=False,
 * align_corners=False)). NEAREST is PIL's either way. Tables and the intermediate image come
 * from `arena`; that is the only way to fail. */
bool tp_resample(uint8_t *out, int out_h, int out_w, const uint8_t *in, int in_h, int in_w,
                 int channels, enum tp_resample_filter filter, bool antialias, int n_threads,
                 struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

/* A part of the resized image: the same bytes as resizing to [out_h, out_w] and cutting out
 * [top, top + height) x [left, left + width), without computing the rest. out: [height, width,
 * channels]. The part lies inside the resized image and is not empty. */
struct tp_resample_part {
    int top, left, height, width;
    double span_h, span_w;           /* how many of the input's rows and columns the resized
                                      * image shows, from the first on (PIL's box); 0: all.
                                      * At least 1 each, at most what there is. */
};

bool tp_resample_part(uint8_t *out, const struct tp_resample_part *part, int out_h, int out_w,
                      const uint8_t *in, int in_h, int in_w, int channels,
                      enum tp_resample_filter filter, bool antialias, int n_threads,
                      struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

#endif
