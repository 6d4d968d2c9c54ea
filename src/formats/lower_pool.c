/* lower_pool.c - pooling by window, of whole maps, and by region.
 *
 * One axis is a map of height 1. Three axes are pooled plane by plane, then in depth: maxima,
 * sums of powers, and averages of averages over equal counts all come apart like that. */
#include "formats/lowering.h"

#include <math.h>
#include <string.h>

/* Flat indices of maps begin at 0 each; ONNX's count through the whole tensor [n, c, h, w]. */
static int map_offsets(struct tp_lowering *l, int64_t n, int64_t channels, int64_t map)
{
    float *at = tp_low_room(l, n * channels, sizeof *at);
    if (!at) return -1;
    for (int64_t i = 0; i < n * channels; i++) at[i] = (float)(i * map);
    return tp_low_constant(l, at, &TP_SHAPE4(n, 1, 1, channels));
}

static struct tp_window plane_window(const struct tp_low_window *w)
{
    return (struct tp_window){
        .kernel = { (int)w->kernel[1], (int)w->kernel[2] },
        .strides = { (int)w->strides[1], (int)w->strides[2] },
        .dilations = { (int)w->dilations[1], (int)w->dilations[2] },
        .pads = { (int)w->before[1], (int)w->before[2], (int)w->after[1], (int)w->after[2] },
        .padding = TP_PADDING_EXPLICIT, .ceil_mode = w->ceil_mode,
    };
}

/* Over the depth of a volume that has been pooled plane by plane. */
static int pool_depth(struct tp_lowering *l, const struct tp_low_window *w, struct tp_node nd,
                      int volume)
{
    if (volume < 0) return -1;
    const struct tp_shape *s = tp_low_shape(l, volume);
    const int64_t d[5] = { s->dim[0], s->dim[1], s->dim[2], s->dim[3], s->dim[4] };
    nd.attr.pool.window = (struct tp_window){
        .kernel = { (int)w->kernel[0], 1 }, .strides = { (int)w->strides[0], 1 },
        .dilations = { (int)w->dilations[0], 1 },
        .pads = { (int)w->before[0], 0, (int)w->after[0], 0 },
        .padding = TP_PADDING_EXPLICIT, .ceil_mode = w->ceil_mode,
    };
    int map = tp_low_view(l, volume, &TP_SHAPE4(d[0], d[1], d[2] * d[3], d[4]));
    map = tp_low_add(l, &tp_op_pool, &nd, &map, 1);
    return tp_low_view(l, map, &(struct tp_shape){ 5, { d[0], w->out[0], d[2], d[3], d[4] } });
}

/* ONNX's Indices of MaxPool, row-major or (storage_order=1) column-major within each map. */
static bool pool_indices(struct tp_lowering *l, const struct tp_low_window *w, int planes)
{
    if (w->n_axes == 3)
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "Indices of three axes are not there");
    if (planes < 0) return false;
    const struct tp_shape s = *tp_low_shape(l, planes);
    struct tp_node nd = { .attr.pool = { .kind = TP_OP_MAX, .window = plane_window(w) } };
    int at = tp_low_add(l, &tp_op_pool_index, &nd, &planes, 1);
    if (tp_low_int(l, "storage_order", 0)) {         /* y w + x  ->  x h + y */
        const int width = tp_low_scalar(l, (float)s.dim[2]);
        const int y = tp_low_binary(l, TP_BINARY_DIV, at, width, TP_ACT_FLOOR);
        const int yw = tp_low_binary(l, TP_BINARY_MUL, y, width, TP_ACT_LINEAR);
        const int x = tp_low_binary(l, TP_BINARY_SUB, at, yw, TP_ACT_LINEAR);
        const int xh = tp_low_binary(l, TP_BINARY_MUL, x, tp_low_scalar(l, (float)s.dim[1]),
                              TP_ACT_LINEAR);
        at = tp_low_binary(l, TP_BINARY_ADD, xh, y, TP_ACT_LINEAR);
    }
    const int offset = map_offsets(l, s.dim[0], s.dim[3], s.dim[1] * s.dim[2]);
    at = tp_low_binary(l, TP_BINARY_ADD, at, offset, TP_ACT_LINEAR);
    return tp_low_out_volume(l, 1, tp_low_stack(l, at, 1), w->n_axes, TP_ONNX_INT64);
}

static enum tp_pool_op kind_of(const char *op)
{
    if (strstr(op, "Max")) return TP_OP_MAX;
    return strstr(op, "Lp") ? TP_OP_LP : TP_OP_AVG;
}

/* Of LpPool; in opset 1 any number. */
static float power_of(struct tp_lowering *l)
{
    return l->net->opset < 2 ? tp_low_float(l, "p", 2) : (float)tp_low_int(l, "p", 2);
}

bool tp_lower_pool(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    struct tp_low_window w;
    if (!tp_low_window(l, &x->shape, NULL, &w)) return false;
    struct tp_node nd = { .attr.pool = {
        .kind = kind_of(l->nd->op), .window = plane_window(&w),
        .count_include_pad = tp_low_int(l, "count_include_pad", 0) != 0,
        .p = power_of(l),
    } };
    const int volume = tp_low_volume(l, x), planes = tp_low_planes(l, volume);
    int pooled = tp_low_add(l, &tp_op_pool, &nd, &planes, 1);
    pooled = tp_low_stack(l, pooled, w.in[0]);
    if (w.n_axes == 3) pooled = pool_depth(l, &w, nd, pooled);
    if (pooled < 0 || (tp_low_wants(l, 1) && !pool_indices(l, &w, planes))) return false;
    return tp_low_out_volume(l, 0, pooled, w.n_axes, x->type);
}

bool tp_lower_global_pool(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    if (x->shape.rank < 3 || x->shape.rank > 5)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its input is %s; expected [n, c] and one to three "
                           "axes more", TP_SHAPE(&x->shape));
    const struct tp_node nd = { .attr.pool = {
        .kind = kind_of(l->nd->op), .p = power_of(l), .keep_dims = true,
    } };
    const int volume = tp_low_volume(l, x);
    if (volume < 0) return false;
    const int64_t *d = tp_low_shape(l, volume)->dim;
    int map = tp_low_view(l, volume, &TP_SHAPE4(d[0], d[1] * d[2], d[3], d[4]));
    map = tp_low_add(l, &tp_op_global_pool, &nd, &map, 1);
    return tp_low_out_volume(l, 0, tp_low_stack(l, map, 1), x->shape.rank - 2, x->type);
}

/* ---- the way back ---------------------------------------------------------------------------- */

/* The unpooled map placed at the top left of a larger one. */
static int enlarge(struct tp_lowering *l, int map, const int64_t size[2])
{
    struct tp_take_attr take = { .fill = 0 };
    for (int i = 0; map >= 0 && i < 2; i++) {
        const int64_t own = tp_low_shape(l, map)->dim[1 + i];
        int32_t *table = tp_low_room(l, size[i], sizeof *table);
        if (!table) return -1;
        for (int64_t j = 0; j < size[i]; j++) table[j] = j < own ? (int32_t)j : -1;
        take.index[1 + i] = table;
        take.n[1 + i] = size[i];
    }
    return map < 0 ? -1 : tp_low_take(l, map, &take);
}

bool tp_lower_max_unpool(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), *at = tp_low_in(l, 1);
    struct tp_low_window w;
    int64_t shape[5], size[2];
    int n;
    struct tp_shape wide = x->shape;
    for (int i = 2; i < wide.rank; i++) wide.dim[i] = INT32_MAX;
    if (!tp_low_window(l, &wide, NULL, &w) || !tp_low_ints(l, NULL, 2, shape, 5, &n)) return false;
    if (w.n_axes == 3 || !tp_shape_equal(&x->shape, &at->shape))
        return tp_low_fail(l, w.n_axes == 3 ? TP_UNSUPPORTED_FORMAT : TP_INVALID_SHAPE,
                           "its inputs are %s and %s; expected the same shape, of one or two axes "
                           "behind the channels", TP_SHAPE(&x->shape), TP_SHAPE(&at->shape));
    if (n >= 0 && n != x->shape.rank)
        return tp_low_fail(l, TP_INVALID_MODEL, "output_shape has %d numbers; expected %d", n,
                           x->shape.rank);
    int64_t own[2];
    for (int i = 0; i < 2; i++) {
        const int axis = i + x->shape.rank - 2;
        const int64_t in = i + w.n_axes >= 2 ? x->shape.dim[axis] : 1;
        own[i] = (in - 1) * w.strides[1 + i] + w.kernel[1 + i] - w.before[1 + i] - w.after[1 + i];
        size[i] = n >= 0 && i + w.n_axes >= 2 ? shape[axis] : own[i];
        if (own[i] < 1 || size[i] < own[i] || size[i] > INT32_MAX)
            return tp_low_fail(l, TP_INVALID_SHAPE, "its output would be of size %lld where %lld "
                               "is needed", (long long)size[i], (long long)own[i]);
    }
    const struct tp_shape out_shape = TP_SHAPE4(x->shape.dim[0], x->shape.dim[1], own[0], own[1]);
    if (!tp_shape_check(&out_shape, l->limits->max_elements, l->label, l->err)) return false;
    const int map = tp_low_planes(l, tp_low_volume(l, x));
    int index = tp_low_planes(l, tp_low_volume(l, at));
    const int offset = map_offsets(l, x->shape.dim[0], x->shape.dim[1], own[0] * own[1]);
    index = tp_low_binary(l, TP_BINARY_SUB, index, offset, TP_ACT_LINEAR);
    const struct tp_node nd = { .attr.unpool = { own[0], own[1] } };
    const int inputs[2] = { map, index };
    int out = tp_low_add(l, &tp_op_max_unpool, &nd, inputs, 2);
    if (n >= 0) out = enlarge(l, out, size);
    return tp_low_out_volume(l, 0, tp_low_stack(l, out, 1), w.n_axes, x->type);
}

/* ---- regions --------------------------------------------------------------------------------- */

static bool roi_map(struct tp_lowering *l, struct tp_lowered *x, int *map)
{
    int perm[TP_MAX_RANK];
    if (x->shape.rank != 4)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its first input must be a map [n, c, h, w]");
    tp_low_channels_last(4, perm);
    *map = tp_low_node(l, x, 4, perm);
    return *map >= 0;
}

static bool roi_out(struct tp_lowering *l, const struct tp_roi_attr *attr, const int inputs[3])
{
    int perm[TP_MAX_RANK];
    const struct tp_node nd = { .attr.roi = *attr };
    tp_low_channels_last(4, perm);
    return tp_low_out(l, 0, tp_low_add(l, &tp_op_roi, &nd, inputs, 3), perm,
                      tp_low_in(l, 0)->type);
}

bool tp_lower_roi_align(struct tp_lowering *l)
{
    struct tp_lowered *boxes = tp_low_in(l, 1), *images = tp_low_in(l, 2);
    const float scale = tp_low_float(l, "spatial_scale", 1);
    const char *mode, *coordinates;
    struct tp_roi_attr attr = { .scale = { scale, scale } };
    int inputs[3];
    if (!tp_low_word(l, "mode", "avg", "avg max", &mode) ||
        !tp_low_word(l, "coordinate_transformation_mode",
                     l->net->opset >= 16 ? "half_pixel" : "output_half_pixel",
                     "half_pixel output_half_pixel", &coordinates) ||
        !tp_low_int_in(l, "output_height", 1, 1, TP_MAX_CHANNELS, &attr.bins[0]) ||
        !tp_low_int_in(l, "output_width", 1, 1, TP_MAX_CHANNELS, &attr.bins[1]) ||
        !tp_low_int_in(l, "sampling_ratio", 0, 0, TP_MAX_CHANNELS, &attr.sampling_ratio))
        return false;
    attr.half_pixel = *coordinates == 'h';
    attr.by_neighbour = *mode == 'm';
    attr.kind = *mode == 'm' ? TP_OP_MAX : TP_OP_AVG;
    if (!roi_map(l, tp_low_in(l, 0), &inputs[0])) return false;
    if (boxes->shape.rank != 2 || images->shape.rank != 1)
        return tp_low_fail(l, TP_INVALID_SHAPE, "it needs boxes [r, 4] and their images [r]");
    inputs[1] = tp_low_node(l, boxes, 2, NULL);
    inputs[2] = tp_low_node(l, images, 1, NULL);
    return inputs[1] >= 0 && inputs[2] >= 0 && roi_out(l, &attr, inputs);
}

bool tp_lower_max_roi_pool(struct tp_lowering *l)
{
    static const int32_t image_column[1] = { 0 }, box_columns[4] = { 1, 2, 3, 4 };
    struct tp_lowered *rois = tp_low_in(l, 1);
    const float scale = tp_low_float(l, "spatial_scale", 1);
    int64_t bins[2];
    int n, inputs[3];
    if (!tp_low_ints(l, "pooled_shape", -1, bins, 2, &n)) return false;
    if (n != 2 || bins[0] < 1 || bins[1] < 1 || bins[0] > TP_MAX_CHANNELS ||
        bins[1] > TP_MAX_CHANNELS)
        return tp_low_fail(l, TP_INVALID_MODEL, "pooled_shape must be two sizes");
    if (rois->shape.rank != 2 || rois->shape.dim[1] != 5)
        return tp_low_fail(l, TP_INVALID_SHAPE, "it needs rois [r, 5]");
    if (!roi_map(l, tp_low_in(l, 0), &inputs[0])) return false;
    const int all = tp_low_node(l, rois, 2, NULL);
    if (all < 0) return false;
    const struct tp_take_attr boxes = { .index = { NULL, box_columns }, .n = { 0, 4 } };
    const struct tp_take_attr images = { .index = { NULL, image_column }, .n = { 0, 1 } };
    inputs[1] = tp_low_take(l, all, &boxes);
    inputs[2] = tp_low_view(l, tp_low_take(l, all, &images),
                            &(struct tp_shape){ 1, { rois->shape.dim[0] } });
    const struct tp_roi_attr attr = {
        .kind = TP_OP_MAX, .quantized = true, .bins = { (int)bins[0], (int)bins[1] },
        .scale = { scale, scale },
    };
    return inputs[1] >= 0 && inputs[2] >= 0 && roi_out(l, &attr, inputs);
}
