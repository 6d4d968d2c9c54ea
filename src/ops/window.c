/* window.c - the arithmetic of sliding windows. */
#include "ops/window.h"

#include <inttypes.h>

enum { MOST_SPAN = 1 << 28 };        /* window arithmetic is int: sums of three of these must fit */

static const char *const axis_name[2] = { "height", "width" };

static bool check_axis(const struct tp_node *nd, const struct tp_window *w, int axis,
                       int64_t length, struct tp_err *err)
{
    const char *name = axis_name[axis];
    if (length > MOST_SPAN)
        return tp_fail(err, TP_TOO_LARGE, "%s: the input's %s is %" PRId64 "; at most %d is "
                       "possible", nd->name, name, length, MOST_SPAN);
    if (w->kernel[axis] < 1 || w->strides[axis] < 1 || w->dilations[axis] < 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: window %s %d, stride %d, dilation %d; each "
                       "must be at least 1", nd->name, name, w->kernel[axis], w->strides[axis],
                       w->dilations[axis]);
    const int64_t span = (int64_t)(w->kernel[axis] - 1) * w->dilations[axis] + 1;
    if (span > MOST_SPAN)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: the window spans a %s of %" PRId64 "; at "
                       "most %d is possible", nd->name, name, span, MOST_SPAN);
    if (w->padding != TP_PADDING_EXPLICIT) return true;
    for (int side = axis; side < 4; side += 2)
        if (w->pads[side] < 0 || w->pads[side] >= span)
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: pads [%d, %d, %d, %d] must be at least 0 "
                           "and smaller than the window, whose %s is %" PRId64, nd->name,
                           w->pads[0], w->pads[1], w->pads[2], w->pads[3], name, span);
    return true;
}

bool tp_window_check(const struct tp_node *nd, const struct tp_window *w, const struct tp_shape *in,
                     struct tp_err *err)
{
    return tp_op_need_map(nd, in, err) && check_axis(nd, w, 0, in->dim[1], err) &&
           check_axis(nd, w, 1, in->dim[2], err);
}

bool tp_window_length(const struct tp_node *nd, const struct tp_window *w, int axis, int64_t in,
                      int64_t *out, int64_t *before, struct tp_err *err)
{
    int64_t kernel = w->kernel[axis], stride = w->strides[axis];
    int64_t span = (kernel - 1) * w->dilations[axis] + 1;
    int64_t front = 0, back = 0;
    *before = 0;
    *out = TP_ANY;
    if (w->padding == TP_PADDING_SAME) {
        if (in == TP_ANY) return true;
        *out = (in + stride - 1) / stride;
        int64_t total = (*out - 1) * stride + span - in;
        *before = total > 0 ? total / 2 : 0;
        return true;
    }
    if (w->padding == TP_PADDING_EXPLICIT) {
        front = w->pads[axis];
        back = w->pads[axis + 2];
    }
    *before = front;
    if (in == TP_ANY) return true;
    int64_t room = in + front + back - span;
    if (room < 0)
        return tp_fail(err, TP_INVALID_SHAPE,
                       "%s: kernel %dx%d%s exceeds the padded input: its %s "
                       "is %" PRId64 ", the window's %" PRId64,
                       nd->name, w->kernel[0], w->kernel[1],
                       w->dilations[axis] > 1 ? " (dilated)" : "", axis_name[axis],
                       in + front + back, span);
    *out = room / stride + 1;
    /* One more, partly outside, unless it would start in the far padding. */
    if (w->ceil_mode && room % stride && *out * stride < in + front) *out += 1;
    return true;
}

bool tp_window_shape(const struct tp_node *nd, const struct tp_window *w, const struct tp_shape *in,
                     int64_t channels, struct tp_shape *out, struct tp_err *err)
{
    int64_t before, height, width;
    if (!tp_op_need_map(nd, in, err) ||
        !tp_window_length(nd, w, 0, in->dim[1], &height, &before, err) ||
        !tp_window_length(nd, w, 1, in->dim[2], &width, &before, err))
        return false;
    *out = TP_SHAPE4(in->dim[0], height, width, channels);
    return true;
}

struct tp_window_fit tp_window_fit(const struct tp_node *nd, const struct tp_window *w,
                                   int64_t height, int64_t width)
{
    const int64_t in[2] = { height, width };
    struct tp_window_fit fit = { 0 };
    struct tp_err ignored = { 0 };               /* the shape function has reported it already */
    for (int axis = 0; axis < 2; axis++) {
        int64_t out = 0, before = 0;
        if (!tp_window_length(nd, w, axis, in[axis], &out, &before, &ignored)) return fit;
        int64_t span = (int64_t)(w->kernel[axis] - 1) * w->dilations[axis] + 1;
        int64_t after = (out - 1) * w->strides[axis] + span - in[axis] - before;
        fit.out[axis] = (int)out;
        fit.before[axis] = (int)before;
        fit.after[axis] = after > 0 ? (int)after : 0;
    }
    return fit;
}
