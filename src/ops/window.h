/* window.h - the arithmetic of sliding windows, shared by convolution and pooling. */
#ifndef TP_WINDOW_H
#define TP_WINDOW_H

#include "ops/op.h"

struct tp_window_fit {               /* a window laid on a map of known size */
    int out[2];                      /* output height, width */
    int before[2], after[2]; /* padding: top, left; bottom, right (after may exceed what is used) */
};

/* Whether in[0] is a map and the window one that pooling can slide over it: at least one pixel each
 * way, padding smaller than the window, nothing that int arithmetic could not hold. */
bool tp_window_check(const struct tp_node *nd, const struct tp_window *w, const struct tp_shape *in,
                     struct tp_err *err) TP_MUST_USE;

/* Output length along one axis (0 height, 1 width) of a map of length `in`, TP_ANY staying TP_ANY:
 *   valid, explicit: floor((in + pads - span) / stride) + 1, span = dilation * (kernel - 1) + 1,
 *                    ceil instead under ceil_mode, less a window that starts in the far padding
 *   same:            ceil(in / stride)
 * Sources: Keras Conv2D, ONNX Conv and MaxPool (auto_pad, ceil_mode), PyTorch MaxPool2d. Fails,
 * naming the layer, when the window exceeds the padded input. `before` receives the padding in
 * front. */
bool tp_window_length(const struct tp_node *nd, const struct tp_window *w, int axis, int64_t in,
                      int64_t *out, int64_t *before, struct tp_err *err) TP_MUST_USE;

/* Shape of sliding `w` over the map in[0] of nd, with `channels` channels coming out. */
bool tp_window_shape(const struct tp_node *nd, const struct tp_window *w, const struct tp_shape *in,
                     int64_t channels, struct tp_shape *out, struct tp_err *err) TP_MUST_USE;

/* The same for a map whose size is known and was checked. */
struct tp_window_fit tp_window_fit(const struct tp_node *nd, const struct tp_window *w,
                                   int64_t height, int64_t width);

/* Which taps of the window at output position `o` lie inside a map of length `in`: [*first,
 * *end). */
static inline void tp_window_taps(int o, int stride, int before, int kernel, int dilation, int in,
                                  int *first, int *end)
{
    int start = o * stride - before;
    int lo = start < 0 ? (-start + dilation - 1) / dilation : 0;
    int hi = start < in ? (in - start + dilation - 1) / dilation : 0;
    *first = lo < kernel ? lo : kernel;
    *end = hi < kernel ? hi : kernel;
    if (*end < *first) *end = *first;
}

#endif
