/* lower_window.c - what convolutions and pooling read about their windows. */
#include "formats/lowering.h"

#include <limits.h>
#include <string.h>

enum { MOST = 1 << 20 };             /* of a kernel's side, stride, dilation or padding */

static bool read_three(struct tp_lowering *l, const char *name, int n_axes, int64_t least,
                       int64_t otherwise, int64_t out[3], bool *given)
{
    int64_t values[3];
    int n;
    if (!tp_low_ints(l, name, -1, values, 3, &n)) return false;
    for (int i = 0; i < 3; i++) out[i] = otherwise;
    *given = n >= 0;
    if (n < 0) return true;
    if (n != n_axes)
        return tp_low_fail(l, TP_INVALID_MODEL, "%s has %d numbers; its input has %d axes behind "
                           "the channels", name, n, n_axes);
    for (int i = 0; i < n; i++) {
        if (values[i] < least || values[i] > MOST)
            return tp_low_fail(l, TP_INVALID_MODEL, "%s has %lld; expected %lld to %d", name,
                               (long long)values[i], (long long)least, (int)MOST);
        out[3 - n_axes + i] = values[i];
    }
    return true;
}

static bool read_pads(struct tp_lowering *l, struct tp_low_window *w)
{
    int64_t pads[6];
    int n;
    if (!tp_low_ints(l, "pads", -1, pads, 6, &n)) return false;
    if (n >= 0 && n != 2 * w->n_axes)
        return tp_low_fail(l, TP_INVALID_MODEL, "pads has %d numbers; expected %d", n,
                           2 * w->n_axes);
    for (int i = 0; i < n; i++) {
        if (pads[i] < 0 || pads[i] > MOST)
            return tp_low_fail(l, TP_INVALID_MODEL, "pads has %lld; expected 0 to %d",
                               (long long)pads[i], (int)MOST);
        const int axis = 3 - w->n_axes + i % w->n_axes;
        if (i < w->n_axes) w->before[axis] = pads[i];
        else w->after[axis] = pads[i];
    }
    return true;
}

/* SAME_UPPER: an odd pixel goes behind; SAME_LOWER: in front. */
static bool pad_automatically(struct tp_lowering *l, struct tp_low_window *w)
{
    const char *mode = tp_low_string(l, "auto_pad", "NOTSET");
    const bool lower = !strcmp(mode, "SAME_LOWER");
    if (!strcmp(mode, "NOTSET") || !*mode) return read_pads(l, w);
    if (!strcmp(mode, "VALID")) return true;
    if (!lower && strcmp(mode, "SAME_UPPER"))
        return tp_low_fail(l, TP_INVALID_MODEL, "auto_pad is '%.32s'; there are NOTSET, VALID, "
                           "SAME_UPPER, SAME_LOWER", mode);
    for (int i = 3 - w->n_axes; i < 3; i++) {
        const int64_t out = (w->in[i] + w->strides[i] - 1) / w->strides[i];
        int64_t total = (out - 1) * w->strides[i] + (w->kernel[i] - 1) * w->dilations[i] + 1 -
                        w->in[i];
        if (total < 0) total = 0;
        w->before[i] = lower ? total - total / 2 : total / 2;
        w->after[i] = total - w->before[i];
    }
    return true;
}

/* In ceil_mode a last window may lie partly outside, but starts inside the map or the padding in
 * front of it (PyTorch; ONNX since opset 19, and what its runtimes do). */
static bool find_out(struct tp_lowering *l, struct tp_low_window *w)
{
    for (int i = 0; i < 3; i++) {
        const int64_t span = (w->kernel[i] - 1) * w->dilations[i] + 1;
        if (span > INT_MAX)
            return tp_low_fail(l, TP_INVALID_MODEL, "its window covers %lld pixels",
                               (long long)span);
        const int64_t room = w->in[i] + w->before[i] + w->after[i] - span;
        if (room < 0)
            return tp_low_fail(l, TP_INVALID_SHAPE, "its window covers %lld pixels of an axis that "
                               "has, with padding, %lld", (long long)span,
                               (long long)(room + span));
        w->out[i] = (room + (w->ceil_mode ? w->strides[i] - 1 : 0)) / w->strides[i] + 1;
        if (w->ceil_mode && (w->out[i] - 1) * w->strides[i] >= w->in[i] + w->before[i])
            w->out[i]--;
    }
    return true;
}

bool tp_low_window(struct tp_lowering *l, const struct tp_shape *map, const int64_t *kernel,
                   struct tp_low_window *w)
{
    bool given, unused;
    *w = (struct tp_low_window){ .n_axes = map->rank - 2, .in = { 1, 1, 1 } };
    if (map->rank < 3 || map->rank > 5)
        return tp_low_fail(l, map->rank > 5 ? TP_UNSUPPORTED_FORMAT : TP_INVALID_SHAPE,
                           "its input is %s; windows need [n, c] and one to three axes more",
                           TP_SHAPE(map));
    for (int i = 0; i < w->n_axes; i++) w->in[3 - w->n_axes + i] = map->dim[2 + i];
    if (!read_three(l, "kernel_shape", w->n_axes, 1, 1, w->kernel, &given) ||
        !read_three(l, "strides", w->n_axes, 1, 1, w->strides, &unused) ||
        !read_three(l, "dilations", w->n_axes, 1, 1, w->dilations, &unused)) return false;
    if (!given && !kernel) return tp_low_fail(l, TP_INVALID_MODEL, "kernel_shape is not there");
    for (int i = 0; kernel && i < w->n_axes; i++) {
        const int axis = 3 - w->n_axes + i;
        if (given && w->kernel[axis] != kernel[i])
            return tp_low_fail(l, TP_INVALID_MODEL, "kernel_shape has %lld where its weights have "
                               "%lld", (long long)w->kernel[axis], (long long)kernel[i]);
        w->kernel[axis] = kernel[i];
        if (kernel[i] < 1 || kernel[i] > MOST)
            return tp_low_fail(l, TP_INVALID_MODEL, "its kernel has a side of %lld",
                               (long long)kernel[i]);
    }
    w->ceil_mode = tp_low_int(l, "ceil_mode", 0) != 0;
    return pad_automatically(l, w) && find_out(l, w);
}

int tp_low_volume(struct tp_lowering *l, struct tp_lowered *v)
{
    int perm[TP_MAX_RANK];
    struct tp_shape s = { .rank = 5, .dim = { v->shape.dim[0], 1, 1, 1, v->shape.dim[1] } };
    tp_low_channels_last(v->shape.rank, perm);
    for (int i = 2; i < v->shape.rank; i++) s.dim[i - v->shape.rank + 4] = v->shape.dim[i];
    return tp_low_view(l, tp_low_node(l, v, v->shape.rank, perm), &s);
}

bool tp_low_out_volume(struct tp_lowering *l, int o, int volume, int n_axes,
                       enum tp_onnx_type type)
{
    int perm[TP_MAX_RANK];
    if (volume < 0) return false;
    const struct tp_shape *all = tp_low_shape(l, volume);
    struct tp_shape s = { .rank = n_axes + 2, .dim = { all->dim[0] } };
    for (int i = 0; i < n_axes; i++) s.dim[1 + i] = all->dim[4 - n_axes + i];
    s.dim[n_axes + 1] = all->dim[4];
    tp_low_channels_last(s.rank, perm);
    return tp_low_out(l, o, tp_low_view(l, volume, &s), perm, type);
}

int tp_low_planes(struct tp_lowering *l, int volume)
{
    if (volume < 0) return -1;
    const int64_t *d = tp_low_shape(l, volume)->dim;
    return tp_low_view(l, volume, &TP_SHAPE4(d[0] * d[1], d[2], d[3], d[4]));
}

int tp_low_stack(struct tp_lowering *l, int planes, int64_t depth)
{
    if (planes < 0) return -1;
    const int64_t *d = tp_low_shape(l, planes)->dim;
    const struct tp_shape s = { 5, { d[0] / depth, depth, d[1], d[2], d[3] } };
    return tp_low_view(l, planes, &s);
}
