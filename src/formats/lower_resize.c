/* lower_resize.c - Resize and Upsample: per axis a table of places (nearest) or of weighted
 * neighbours (linear, cubic). Source: ONNX's Resize, whose attributes have these names. */
#include "formats/lowering.h"

#include <math.h>
#include <string.h>

struct resize {
    const char *coordinates, *nearest;
    bool linear, cubic, antialias, exclude_outside;
    float cubic_a, extrapolation;
    double roi[2 * TP_MAX_RANK];     /* starts, then ends, by axis */
};

/* Where the centre of output `i` lies in the input. */
static double source(const struct resize *r, int64_t i, int64_t in, int64_t out, double scale,
                     int axis)
{
    const char *c = r->coordinates;
    const double x = (double)i, begin = r->roi[axis], end = r->roi[TP_MAX_RANK + axis];
    const double length = scale * (double)in;        /* as ONNX has it: not rounded down */
    if (!strcmp(c, "asymmetric")) return x / scale;
    if (!strcmp(c, "align_corners"))
        return out == 1 ? 0 : x * (double)(in - 1) / (length - 1);
    if (!strcmp(c, "pytorch_half_pixel") && out == 1) return 0;
    if (!strcmp(c, "tf_half_pixel_for_nn")) return (x + 0.5) / scale;
    if (!strcmp(c, "tf_crop_and_resize")) {
        if (out == 1) return 0.5 * (begin + end) * (double)(in - 1);
        return begin * (double)(in - 1) + x * (end - begin) * (double)(in - 1) / (length - 1);
    }
    double at = (x + 0.5) / scale - 0.5;             /* half_pixel */
    if (!strcmp(c, "half_pixel_symmetric"))
        at += (double)in / 2 * (1 - (double)out / length);
    return at;
}

static double round_place(const struct resize *r, double x)
{
    if (!strcmp(r->nearest, "floor")) return floor(x);
    if (!strcmp(r->nearest, "ceil")) return ceil(x);
    return !strcmp(r->nearest, "round_prefer_ceil") ? floor(x + 0.5) : ceil(x - 0.5);
}

static int32_t inside(double place, int64_t length)
{
    return place > 0 ? place < (double)length ? (int32_t)place : (int32_t)(length - 1) : 0;
}

/* Weight of a neighbour at distance x. */
static double kernel(const struct resize *r, double x)
{
    const double a = (double)r->cubic_a;
    x = fabs(x);
    if (!r->cubic) return x < 1 ? 1 - x : 0;
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

static bool is_outside(const struct resize *r, double at, int64_t in)
{
    return !strcmp(r->coordinates, "tf_crop_and_resize") && (at < 0 || at > (double)(in - 1));
}

/* Along one axis of v, nearest. */
static bool pick(struct tp_lowering *l, const struct resize *r, struct tp_lowered *v, int axis,
                 int64_t out, double scale)
{
    const int64_t in = v->shape.dim[axis];
    int32_t *table = tp_low_room(l, out, sizeof *table);
    struct tp_take_attr take = { .fill = r->extrapolation };
    if (!table) return false;
    for (int64_t i = 0; i < out; i++) {
        const double at = source(r, i, in, out, scale, axis);
        table[i] = is_outside(r, at, in) ? -1 : inside(round_place(r, at), in);
    }
    take.index[axis] = table;
    take.n[axis] = out;
    struct tp_lowered from = *v;
    return tp_low_take_value(l, &from, &take, v);
}

/* Where the input does not reach, the value that the file names stands. */
static bool extrapolate(struct tp_lowering *l, const struct resize *r, struct tp_lowered *v,
                        int axis, int64_t in, int64_t out, double scale)
{
    int32_t *table = tp_low_room(l, out, sizeof *table);
    struct tp_take_attr take = { .fill = r->extrapolation };
    bool any = false;
    if (!table) return false;
    for (int64_t i = 0; i < out; i++) {
        const bool outside = is_outside(r, source(r, i, in, out, scale, axis), in);
        any = any || outside;
        table[i] = outside ? -1 : (int32_t)i;
    }
    if (!any) return true;
    take.index[axis] = table;
    take.n[axis] = out;
    struct tp_lowered from = *v;
    return tp_low_take_value(l, &from, &take, v);
}

/* Along one axis of v, from neighbours: weights sum to 1; beyond an edge its own pixel counts, or
 * nothing. */
static bool blend(struct tp_lowering *l, const struct resize *r, struct tp_lowered *v, int axis,
                  int64_t out, double scale)
{
    const int64_t in = v->shape.dim[axis];
    const bool wide = r->antialias && scale < 1;
    const double stretch = wide ? 1 / scale : 1, reach = (r->cubic ? 2 : 1) * stretch;
    const int n_taps = (int)(2 * ceil(reach));
    int32_t *index = tp_low_room(l, out * n_taps, sizeof *index);
    float *weight = tp_low_room(l, out * n_taps, sizeof *weight);
    double *w = tp_low_room(l, n_taps, sizeof *w);
    if (!index || !weight || !w) return false;
    for (int64_t i = 0; i < out; i++) {
        const double at = source(r, i, in, out, scale, axis);
        const double first = floor(at) - ceil(reach) + 1;
        double sum = 0;
        for (int t = 0; t < n_taps; t++) {
            const double place = first + t;
            const bool there = place >= 0 && place < (double)in;
            w[t] = kernel(r, (place - at) / stretch);
            if (!there && (r->exclude_outside || wide)) w[t] = 0;
            sum += w[t];
            index[i * n_taps + t] = inside(place, in);
        }
        for (int t = 0; t < n_taps; t++)
            weight[i * n_taps + t] = (float)(sum != 0 ? w[t] / sum : w[t]);
    }
    const struct tp_node nd = { .attr.interpolate = {
        .axis = v->constant ? axis : tp_low_place(v, axis), .n_out = out, .n_taps = n_taps,
        .index = index, .weight = weight,
    } };
    const int from = tp_low_node(l, v, v->shape.rank, v->constant ? NULL : v->perm);
    for (int k = 0; v->constant && k < v->shape.rank; k++) v->perm[k] = k;
    v->node = tp_low_add(l, &tp_op_interpolate, &nd, &from, 1);
    v->constant = false;
    v->shape.dim[axis] = out;
    return v->node >= 0 && extrapolate(l, r, v, axis, in, out, scale);
}

/* Output sizes and scales by axis, from input `sizes` or `scales` (-1: there is none), told for
 * the axes that the attribute names, else for all. */
static bool read_sizes(struct tp_lowering *l, const struct tp_shape *in, int scales, int sizes,
                       int64_t *out, double *scale)
{
    int64_t axes[TP_MAX_RANK], given[TP_MAX_RANK];
    int n_axes, n = -1;
    if (!tp_low_ints(l, "axes", -1, axes, TP_MAX_RANK, &n_axes)) return false;
    struct tp_lowered *s = scales >= 0 ? tp_low_in(l, scales) : NULL;
    const struct tp_net_attr *attr = tp_low_attr(l, "scales", TP_ATTR_FLOATS);
    const double *known = s ? tp_low_known(l, s) : NULL;
    const int count = n_axes >= 0 ? n_axes : in->rank;
    if (sizes >= 0 && !tp_low_ints(l, NULL, sizes, given, TP_MAX_RANK, &n)) return false;
    if (s && !known)
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "its scales depend on the values of the "
                           "model's input");
    const int n_scales = attr ? attr->n : s ? (int)tp_shape_elements(&s->shape) : 0;
    if (n > 0 ? n != count : n_scales != count)
        return tp_low_fail(l, TP_INVALID_MODEL, "it has %d sizes and %d scales; expected %d of "
                           "either", n > 0 ? n : 0, n_scales, count);
    for (int a = 0; a < in->rank; a++) {
        out[a] = in->dim[a];
        scale[a] = 1;
    }
    for (int i = 0; i < count; i++) {
        int axis;
        if (!tp_low_axis(l, n_axes >= 0 ? axes[i] : i, in->rank, &axis)) return false;
        scale[axis] = n > 0 ? (double)given[i] / (double)in->dim[axis]
                      : known ? known[i] : (double)attr->floats[i];
        const double size = n > 0 ? (double)given[i] : floor((double)in->dim[axis] * scale[axis]);
        if (!(scale[axis] > 0 && size >= 1 && size < INT32_MAX))
            return tp_low_fail(l, TP_INVALID_MODEL, "axis %d of size %lld scaled by %g", axis,
                               (long long)in->dim[axis], scale[axis]);
        out[axis] = (int64_t)size;
    }
    return true;
}

/* keep_aspect_ratio_policy: one scale for all axes that are told by size. */
static void keep_aspect(const char *policy, const struct tp_shape *in, int64_t *out, double *scale)
{
    double one = 0;
    if (!strcmp(policy, "stretch")) return;
    for (int a = 0; a < in->rank; a++) {
        if (out[a] == in->dim[a]) continue;
        const bool better = !strcmp(policy, "not_larger") ? scale[a] < one : scale[a] > one;
        if (one == 0 || better) one = scale[a];
    }
    for (int a = 0; a < in->rank; a++) {
        if (out[a] == in->dim[a]) continue;
        scale[a] = one;
        out[a] = (int64_t)floor((double)in->dim[a] * one + 0.5);
    }
}

static bool read_roi(struct tp_lowering *l, struct resize *r, int rank)
{
    struct tp_lowered *roi = tp_low_in(l, 1);
    const double *known = roi ? tp_low_known(l, roi) : NULL;
    if (strcmp(r->coordinates, "tf_crop_and_resize")) return true;
    if (!known || tp_shape_elements(&roi->shape) != 2 * rank)
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "its roi must be %d constants", 2 * rank);
    for (int a = 0; a < rank; a++) {
        r->roi[a] = known[a];
        r->roi[TP_MAX_RANK + a] = known[rank + a];
    }
    return true;
}

bool tp_lower_resize(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    const bool old = l->nd->op[0] == 'U' || l->net->opset < 11;      /* Upsample, Resize-10 */
    const char *mode, *policy;
    struct resize r = {
        .antialias = tp_low_int(l, "antialias", 0) != 0,
        .exclude_outside = tp_low_int(l, "exclude_outside", 0) != 0,
        .cubic_a = tp_low_float(l, "cubic_coeff_a", -0.75f),
        .extrapolation = tp_low_float(l, "extrapolation_value", 0),
    };
    int64_t out[TP_MAX_RANK];
    double scale[TP_MAX_RANK];
    if (!tp_low_word(l, "mode", "nearest", "nearest linear bilinear trilinear cubic", &mode) ||
        !tp_low_word(l, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel",
                     "half_pixel half_pixel_symmetric pytorch_half_pixel align_corners asymmetric "
                     "tf_half_pixel_for_nn tf_crop_and_resize", &r.coordinates) ||
        !tp_low_word(l, "nearest_mode", old ? "floor" : "round_prefer_floor",
                     "round_prefer_floor round_prefer_ceil floor ceil", &r.nearest) ||
        !tp_low_word(l, "keep_aspect_ratio_policy", "stretch", "stretch not_larger not_smaller",
                     &policy)) return false;
    r.linear = strstr(mode, "linear") != NULL;
    r.cubic = *mode == 'c';
    const bool has_scales = tp_net_attr(l->nd, "scales") != NULL;
    if (!read_sizes(l, &x->shape, has_scales ? -1 : old ? 1 : 2, old ? -1 : 3, out, scale) ||
        !read_roi(l, &r, x->shape.rank)) return false;
    keep_aspect(policy, &x->shape, out, scale);
    struct tp_lowered v = *x;
    for (int a = 0; a < x->shape.rank; a++) {
        const bool cropped = !strcmp(r.coordinates, "tf_crop_and_resize") &&
                             (r.roi[a] != 0 || r.roi[TP_MAX_RANK + a] != 1);
        if (out[a] == v.shape.dim[a] && scale[a] == 1 && !cropped) continue;
        if (!(r.linear || r.cubic ? blend(l, &r, &v, a, out[a], scale[a])
                                  : pick(l, &r, &v, a, out[a], scale[a]))) return false;
    }
    return tp_low_out_value(l, 0, &v);
}
