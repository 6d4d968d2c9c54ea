/* lower_conv.c - Conv and ConvTranspose of one to three axes.
 *
 * One axis is a map of height 1. Three are a sum over the kernel's depth of convolutions of the
 * planes. A transposed convolution is the convolution with the turned kernel of the map with
 * strides - 1 zeros between its pixels (Dumoulin & Visin, "A guide to convolution arithmetic"). */
#include "formats/lowering.h"
#include "ops/pack.h"
#include "ops/winograd.h"

#include <string.h>

enum { MOST_DEPTH = 256 };           /* of a kernel: each plane is a convolution */

struct conv {
    struct tp_low_window w;
    struct tp_conv_attr attr;        /* of one plane's convolution */
    bool turned;                     /* weights are [in, out / groups, ...] */
    struct tp_lowered *weights;
    const float *bias;
};

static bool read_sizes(struct tp_lowering *l, struct conv *c, const struct tp_shape *map)
{
    const struct tp_shape *w = &c->weights->shape;
    const int64_t groups = tp_low_int(l, "group", 1);
    const int64_t channels = map->dim[1];
    if (w->rank != map->rank || map->rank < 3)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its weights are %s and its input is %s; they must "
                           "have as many axes, 3 to 5", TP_SHAPE(w), TP_SHAPE(map));
    if (groups < 1 || groups > TP_MAX_CHANNELS)
        return tp_low_fail(l, TP_INVALID_MODEL, "group is %lld", (long long)groups);
    for (int i = 0; i < 2; i++)
        if (w->dim[i] < 1 || w->dim[i] > TP_MAX_CHANNELS)
            return tp_low_fail(l, TP_INVALID_MODEL, "its weights are %s; 1 to %d channels are "
                               "possible", TP_SHAPE(w), (int)TP_MAX_CHANNELS);
    const int64_t in = c->turned ? w->dim[0] : w->dim[1] * groups;
    const int64_t out = c->turned ? w->dim[1] * groups : w->dim[0];
    if (in != channels || in % groups || out % groups || out > TP_MAX_CHANNELS)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its weights %s in %lld groups do not fit its "
                           "input %s", TP_SHAPE(w), (long long)groups, TP_SHAPE(map));
    c->attr.groups = (int)groups;
    c->attr.in_channels = (int)in;
    c->attr.filters = (int)out;
    return true;
}

static bool read_conv(struct tp_lowering *l, struct conv *c)
{
    struct tp_lowered *x = tp_low_in(l, 0), *bias = tp_low_in(l, 2);
    c->weights = tp_low_in(l, 1);
    if (!c->weights->constant || (bias && !bias->constant))
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "its weights are computed from the model's "
                           "input; they must be constants");
    if (!read_sizes(l, c, &x->shape)) return false;
    if (bias && tp_shape_elements(&bias->shape) != c->attr.filters)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its bias is %s; expected [%d]",
                           TP_SHAPE(&bias->shape), c->attr.filters);
    c->bias = bias ? tp_low_floats(l, bias) : NULL;
    return !bias || c->bias;
}

/* Weights of plane `z` of the kernel, packed now or found in the net. For good they are packed for
 * the size of the first lowering, but suit every other. */
static bool pack_plane(struct tp_lowering *l, struct conv *c, int z, struct tp_conv_packed *packed)
{
    const int64_t depth = c->w.kernel[0], plane = c->w.kernel[1] * c->w.kernel[2];
    struct tp_lowered *v = c->weights;
    const bool lasts = l->first && v->fixed;
    if (l->nd->packed && l->nd->packed[z].data) {
        *packed = l->nd->packed[z];
        return true;
    }
    const bool raw = v->tensor && v->tensor->data && v->type == TP_ONNX_FLOAT;
    const char *data = raw ? v->tensor->data : (const char *)tp_low_floats(l, v);
    if (!data) return false;
    struct tp_arena *arena = lasts ? &l->net->arena : &l->graph->arena;
    if (lasts && !l->nd->packed)
        l->nd->packed = tp_arena_zalloc(arena, (size_t)depth, sizeof *l->nd->packed);
    if (lasts && !l->nd->packed) return tp_low_no_memory(l);
    data += (size_t)((c->turned ? depth - 1 - z : z) * plane) * sizeof(float);
    struct tp_pack_source w = c->turned ? tp_pack_turned(data, &c->attr)
                                    : tp_pack_oihw(data, &c->attr);
    w.channel *= depth;
    w.column *= depth;
    w.group *= depth;
    struct tp_err err = { 0 };
    const struct tp_kernels *k = tp_kernels_get();
    if (!tp_pack_conv(packed, tp_winograd_choose(&c->attr, c->w.out[1], c->w.out[2]), &w,
                      &c->attr, l->label, k, arena, l->limits->max_threads, &err))
        return tp_low_no_memory(l);
    if (lasts) l->nd->packed[z] = *packed;
    const ptrdiff_t index = v - l->values;
    if (lasts && raw && z == depth - 1) l->net->values[index].n_packed++;
    return true;
}

/* The convolution of planes with plane `z` of the kernel. */
static int convolve(struct tp_lowering *l, struct conv *c, int z, int planes, bool with_bias)
{
    struct tp_node nd = { .attr.conv = c->attr, .shift = with_bias ? c->bias : NULL };
    if (!pack_plane(l, c, z, &nd.attr.conv.packed)) return -1;
    return tp_low_add(l, &tp_op_conv, &nd, &planes, 1);
}

/* Plane z of the kernel meets these planes of the volume; those beyond it are zeros. */
static int shifted(struct tp_lowering *l, const struct conv *c, int z, int volume)
{
    const struct tp_low_window *w = &c->w;
    int32_t *table = tp_low_room(l, w->out[0], sizeof *table);
    struct tp_take_attr take = { .index = { NULL, table }, .n = { 0, w->out[0] } };
    if (!table) return -1;
    for (int64_t i = 0; i < w->out[0]; i++) {
        const int64_t at = i * w->strides[0] + z * w->dilations[0] - w->before[0];
        table[i] = at >= 0 && at < w->in[0] ? (int32_t)at : -1;
    }
    return tp_low_take(l, volume, &take);
}

static bool finish(struct tp_lowering *l, struct conv *c, int volume)
{
    const struct tp_low_window *w = &c->w;
    for (int i = 0; i < 2; i++) {
        c->attr.window.kernel[i] = (int)w->kernel[1 + i];
        c->attr.window.strides[i] = (int)w->strides[1 + i];
        c->attr.window.dilations[i] = (int)w->dilations[1 + i];
        c->attr.window.pads[i] = (int)w->before[1 + i];
        c->attr.window.pads[2 + i] = (int)w->after[1 + i];
    }
    c->attr.window.padding = TP_PADDING_EXPLICIT;
    int sum = -1;
    if (w->kernel[0] > MOST_DEPTH)
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "a kernel with a depth of %lld; at most %d is "
                           "there", (long long)w->kernel[0], (int)MOST_DEPTH);
    if (w->kernel[0] == 1 && w->strides[0] == 1 && !w->before[0] && !w->after[0]) {
        sum = convolve(l, c, 0, tp_low_planes(l, volume), true);
    } else {
        const struct tp_node add = { .attr.binary = TP_BINARY_ADD };
        for (int z = 0; z < w->kernel[0]; z++) {
            const int part = convolve(l, c, z, tp_low_planes(l, shifted(l, c, z, volume)), !z);
            const int both[2] = { sum, part };
            sum = z ? tp_low_add(l, &tp_op_binary, &add, both, 2) : part;
            if (sum < 0) return false;
        }
    }
    return tp_low_out_volume(l, 0, tp_low_stack(l, sum, w->out[0]), w->n_axes,
                             tp_low_in(l, 0)->type);
}

bool tp_lower_conv(struct tp_lowering *l)
{
    struct conv c = { 0 };
    if (!read_conv(l, &c)) return false;
    struct tp_lowered *x = tp_low_in(l, 0);
    if (!tp_low_window(l, &x->shape, &c.weights->shape.dim[2], &c.w)) return false;
    const int volume = tp_low_volume(l, x);
    return volume >= 0 && finish(l, &c, volume);
}

/* ---- transposed ------------------------------------------------------------------------------ */

/* The output's size along axis i and the padding that is cut off in front. */
struct reach { int64_t out, cut; };

static bool find_reach(struct tp_lowering *l, const struct tp_low_window *w, int i,
                       const int64_t *extra, const int64_t *shape, struct reach *r)
{
    const char *mode = tp_low_string(l, "auto_pad", "NOTSET");
    const int64_t full = w->strides[i] * (w->in[i] - 1) + extra[i] +
                         (w->kernel[i] - 1) * w->dilations[i] + 1;
    const bool same = !strncmp(mode, "SAME", 4);
    r->out = full - w->before[i] - w->after[i];
    r->cut = w->before[i];
    if (shape || same) {
        r->out = shape ? shape[i] : w->in[i] * w->strides[i];
        const int64_t total = full > r->out ? full - r->out : 0;
        r->cut = !strcmp(mode, "SAME_UPPER") ? total / 2 : total - total / 2;
    }
    if (r->out < 1 || r->out > INT32_MAX)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its output would have a size of %lld",
                           (long long)r->out);
    return true;
}

static bool read_extent(struct tp_lowering *l, const struct tp_low_window *w, const char *name,
                        int64_t out[3], bool *given)
{
    int64_t values[5];
    int n;
    if (!tp_low_ints(l, name, -1, values, 5, &n)) return false;
    *given = n >= 0;
    for (int i = 0; i < 3; i++) out[i] = !strcmp(name, "output_shape");
    if (n < 0) return true;
    if (n != w->n_axes && n != w->n_axes + 2)
        return tp_low_fail(l, TP_INVALID_MODEL, "%s has %d numbers; expected %d", name, n,
                           w->n_axes);
    for (int i = 0; i < w->n_axes; i++) {
        const int64_t value = values[n - w->n_axes + i];
        if (value < 0 || value > INT32_MAX)
            return tp_low_fail(l, TP_INVALID_MODEL, "%s has %lld", name, (long long)value);
        out[3 - w->n_axes + i] = value;
    }
    return true;
}

bool tp_lower_conv_transpose(struct tp_lowering *l)
{
    struct conv c = { .turned = true };
    int64_t extra[3], shape[3];
    bool has_extra, has_shape;
    if (!read_conv(l, &c)) return false;
    struct tp_lowered *x = tp_low_in(l, 0);
    struct tp_low_window *w = &c.w;
    struct tp_shape wide = x->shape;                 /* so that any window fits: sizes come below */
    for (int i = 2; i < wide.rank; i++) wide.dim[i] = INT32_MAX;
    if (!tp_low_window(l, &wide, &c.weights->shape.dim[2], w)) return false;
    for (int i = 0; i < w->n_axes; i++) w->in[3 - w->n_axes + i] = x->shape.dim[2 + i];
    if (!strncmp(tp_low_string(l, "auto_pad", "NOTSET"), "SAME", 4))
        memset(w->before, 0, sizeof w->before), memset(w->after, 0, sizeof w->after);
    if (!read_extent(l, w, "output_padding", extra, &has_extra) ||
        !read_extent(l, w, "output_shape", shape, &has_shape)) return false;

    struct tp_take_attr take = { .fill = 0 };
    for (int i = 0; i < 3; i++) {
        struct reach r;
        if (!find_reach(l, w, i, extra, has_shape ? shape : NULL, &r)) return false;
        const int64_t around = (w->kernel[i] - 1) * w->dilations[i], n = r.out + around;
        int32_t *table = tp_low_room(l, n, sizeof *table);
        if (!table) return false;
        for (int64_t j = 0; j < n; j++) {
            const int64_t at = j - around + r.cut;
            const bool there = at >= 0 && at % w->strides[i] == 0 && at / w->strides[i] < w->in[i];
            table[j] = there ? (int32_t)(at / w->strides[i]) : -1;
        }
        take.index[1 + i] = table;
        take.n[1 + i] = n;
        w->out[i] = r.out;
    }
    l->macs = tp_shape_elements(&x->shape) *
              (tp_shape_elements(&c.weights->shape) / c.weights->shape.dim[0]);
    const int stuffed = tp_low_take(l, tp_low_volume(l, x), &take);
    if (stuffed < 0) return false;
    for (int i = 0; i < 3; i++) {
        w->in[i] = take.n[1 + i];
        w->strides[i] = 1;
        w->before[i] = w->after[i] = 0;
    }
    return finish(l, &c, stuffed);
}
