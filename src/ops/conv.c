/* conv.c - Conv: sliding filters over maps, as a product of matrices without im2col.
 *
 * A pixel's window is a few runs of contiguous floats: its rows, or its single taps when dilated or
 * grouped. Padding is made real first, by copying the map into one with a border of zeros; some
 * images at a time, so that the copy stays in cache and the scratch memory small. Sources: Keras
 * Conv2D, ONNX Conv. */
#include "ops/depthwise.h"
#include "ops/pack.h"
#include "ops/parallel.h"
#include "ops/product.h"
#include "ops/winograd.h"
#include "ops/window.h"

#include <inttypes.h>
#include <string.h>

enum { CHUNK_FLOATS = 1 << 20 };     /* 4 MB of padded images at a time, but at least one image */

struct conv_plan {
    struct tp_product product;       /* rows[2] is the batch's size */
    bool padded;
    int64_t top, left;               /* zeros in front */
    int64_t height, width;           /* of the map that the windows slide over, padding included */
    int64_t chunk;                   /* images copied at a time */
    int64_t own_floats;              /* of an image's own weights, in front of the copy: where the
                                        input is scaled by channel, its weights are instead */
};

/* One chunk of images on its way into the scratch map. */
struct copy {
    const struct conv_plan *plan;
    const struct tp_shape *in;
    const float *from;
    float *to;
};

static bool check_attributes(const struct tp_node *nd, struct tp_err *err)
{
    const struct tp_conv_attr *a = &nd->attr.conv;
    const struct tp_window *w = &a->window;
    for (int i = 0; i < 2; i++)
        if (w->kernel[i] < 1 || w->strides[i] < 1 || w->dilations[i] < 1)
            return tp_fail(err, TP_INVALID_MODEL, "%s: kernel %dx%d, strides %dx%d, dilations "
                           "%dx%d; each must be at least 1", nd->name, w->kernel[0], w->kernel[1],
                           w->strides[0], w->strides[1], w->dilations[0], w->dilations[1]);
    for (int i = 0; i < 4; i++)
        if (w->padding == TP_PADDING_EXPLICIT && w->pads[i] < 0)
            return tp_fail(err, TP_INVALID_MODEL, "%s: padding %d,%d,%d,%d; none may be negative",
                           nd->name, w->pads[0], w->pads[1], w->pads[2], w->pads[3]);
    if (a->filters < 1 || a->in_channels < 1)
        return tp_fail(err, TP_INVALID_MODEL, "%s: %d filters over %d channels; there must be at "
                       "least 1 of each", nd->name, a->filters, a->in_channels);
    if (a->groups < 1 || a->in_channels % a->groups || a->filters % a->groups)
        return tp_fail(err, TP_INVALID_MODEL, "%s: groups is %d; it must divide the %d input "
                       "channels and the %d filters", nd->name, a->groups, a->in_channels,
                       a->filters);
    return true;
}

static bool conv_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                       struct tp_err *err)
{
    const struct tp_conv_attr *a = &nd->attr.conv;
    if (!check_attributes(nd, err) || !tp_op_need_map(nd, in, err)) return false;
    if (in->dim[3] != TP_ANY && in->dim[3] != a->in_channels)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: kernel is for %d input channels, but its input "
                       "%s has %" PRId64, nd->name, a->in_channels, TP_SHAPE(in), in->dim[3]);
    if (!tp_window_shape(nd, &a->window, in, a->filters, out, err)) return false;
    for (int axis = 1; a->pooled && axis < 3; axis++) out->dim[axis] /= 2;
    return true;
}

static bool conv_prepare(struct tp_node *nd, const struct tp_shape *out,
                         const struct tp_kernels *k, struct tp_arena *arena, struct tp_err *err)
{
    struct tp_conv_attr *a = &nd->attr.conv;
    if (a->packed.data) return true;             /* straight from a file */
    if (tp_depthwise_is(a)) {
        a->packed.data = a->kernel;
        return true;
    }
    const struct tp_pack_source w = tp_pack_hwio(a->kernel, a);
    return tp_pack_conv(&a->packed, tp_winograd_choose(a, out->dim[1], out->dim[2]), &w, a,
                        nd->name, k, arena, 1, err);
}

/* A row of the window is one segment where its taps are neighbours in memory, else each tap is. */
static bool make_segments(struct conv_plan *plan, const struct tp_conv_attr *a,
                          struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_window *w = &a->window;
    struct tp_product *p = &plan->product;
    const bool rows = a->groups == 1 && (w->dilations[1] == 1 || w->kernel[1] == 1);
    const int across = rows ? 1 : w->kernel[1];
    p->n_seg = w->kernel[0] * across;            /* fits: the packed weights' depth is an int */
    p->seg_len = a->in_channels / a->groups * (rows ? w->kernel[1] : 1);
    ptrdiff_t *seg = tp_arena_zalloc(arena, (size_t)p->n_seg, sizeof *seg);
    if (!seg) return tp_arena_fail(arena, err);
    for (int s = 0; s < p->n_seg; s++)
        seg[s] = (s / across * w->dilations[0] * plan->width + s % across * w->dilations[1]) *
                 a->in_channels;
    p->seg = seg;
    return true;
}

static bool make_room(struct conv_plan *plan, struct tp_step *st, struct tp_err *err)
{
    const int64_t image = !plan->padded ? 0 : tp_shape_elements(
        &(struct tp_shape){ 3, { plan->height, plan->width, st->in[0].dim[3] } });
    const int64_t room = image > 0 && image < CHUNK_FLOATS ? CHUNK_FLOATS / image : 1;
    int64_t floats;
    if (plan->padded && plan->chunk > room) plan->chunk = room;
    if (image < 0 ||
        __builtin_add_overflow(plan->chunk * image, plan->own_floats, &floats) ||
        __builtin_mul_overflow((size_t)floats, sizeof(float), &st->scratch_bytes))
        return tp_fail(err, TP_TOO_LARGE, "%s: its padded input, %" PRId64 "x%" PRId64 " pixels, "
                       "is too large", st->node->name, plan->height, plan->width);
    return true;
}

static bool conv_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_conv_attr *a = &st->node->attr.conv;
    const struct tp_window *w = &a->window;
    const struct tp_shape *in = &st->in[0];
    if (tp_depthwise_is(a)) return tp_depthwise_plan(st, arena, err);
    if (a->packed.form != TP_CONV_DIRECT) return tp_winograd_plan(st, arena, err);
    struct conv_plan *plan = tp_arena_zalloc(arena, 1, sizeof *plan);
    if (!plan) return tp_arena_fail(arena, err);
    st->state = plan;

    const struct tp_window_fit fit = tp_window_fit(st->node, w, in->dim[1], in->dim[2]);
    plan->top = fit.before[0];
    plan->left = fit.before[1];
    plan->padded = fit.before[0] || fit.before[1] || fit.after[0] || fit.after[1];
    plan->height = plan->top + in->dim[1] + fit.after[0];
    plan->width = plan->left + in->dim[2] + fit.after[1];
    plan->chunk = a->gated ? 1 : in->dim[0];
    if (a->gated)
        plan->own_floats = (int64_t)(a->filters + st->k->nr - 1) / st->k->nr * st->k->nr *
                           a->in_channels;
    if (!make_room(plan, st, err)) return false;
    plan->product = (struct tp_product){
        .rows = { fit.out[1], fit.out[0], in->dim[0] },
        .step = { w->strides[1] * in->dim[3], w->strides[0] * plan->width * in->dim[3],
                  plan->height * plan->width * in->dim[3] },
        .groups = a->groups, .columns = a->filters / a->groups, .packed = a->packed.data,
    };
    return make_segments(plan, a, arena, err);
}

/* Rows [begin, end) of the padded maps, counted through the chunk. */
static void copy_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct copy *c = ctx;
    const struct conv_plan *plan = c->plan;
    const int64_t channels = c->in->dim[3], height = c->in->dim[1];
    const size_t left = (size_t)(plan->left * channels);
    const size_t middle = (size_t)(c->in->dim[2] * channels);
    const size_t all = (size_t)(plan->width * channels), right = all - left - middle;
    for (int64_t i = begin; i < end; i++) {
        float *to = c->to + i * (ptrdiff_t)all;
        const int64_t y = i % plan->height - plan->top;
        if (y < 0 || y >= height) {
            memset(to, 0, all * sizeof *to);
            continue;
        }
        memset(to, 0, left * sizeof *to);
        memcpy(to + left, c->from + (i / plan->height * height + y) * (ptrdiff_t)middle,
               middle * sizeof *to);
        memset(to + left + middle, 0, right * sizeof *to);
    }
}

/* An image's own weights. */
struct scaling { const struct tp_step *st; const float *gate; float *to; };

/* Rows [begin, end) of all panels; a row belongs to one input channel. */
static void scale_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct scaling *s = ctx;
    const struct tp_conv_attr *a = &s->st->node->attr.conv;
    const int64_t nr = s->st->k->nr;
    for (int64_t i = begin; i < end; i++)
        s->st->k->binary[TP_BINARY_MUL](s->to + i * nr, a->packed.data + i * nr, 1,
                                        s->gate + i % a->in_channels, 0, nr);
}

static const float *own_weights(const struct tp_step *st, const struct tp_io *io, int64_t image)
{
    const struct conv_plan *plan = st->state;
    const struct scaling s = { st, io->in[1] + image * st->in[0].dim[3], io->scratch };
    tp_parallel_for(io->n_threads, plan->own_floats / st->k->nr, 4 * plan->own_floats, scale_rows,
                    &s);
    return s.to;
}

static void conv_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct tp_node *nd = st->node;
    if (tp_depthwise_is(&nd->attr.conv)) {
        tp_depthwise_run(st, io);
        return;
    }
    if (nd->attr.conv.packed.form != TP_CONV_DIRECT) {
        tp_winograd_run(st, io);
        return;
    }
    const struct conv_plan *plan = st->state;
    const int64_t in_image = tp_shape_span(&st->in[0], 1, 4);
    const int64_t out_pixels = tp_shape_span(&st->out, 1, 3);
    const int64_t out_image = out_pixels * st->out.dim[3];
    const int64_t padded_image = plan->height * plan->width * st->in[0].dim[3];
    const float *residual = nd->residual ? io->in[nd->n_inputs - 1] : NULL;
    for (int64_t first = 0; first < st->out.dim[0]; first += plan->chunk) {
        const int64_t left = st->out.dim[0] - first;
        const int64_t images = left < plan->chunk ? left : plan->chunk;
        const float *in = io->in[0] + first * in_image;
        if (plan->padded) {
            float *to = (float *)io->scratch + plan->own_floats;
            const struct copy copy = { plan, &st->in[0], in, to };
            const int64_t work = images * padded_image * 4;
            tp_parallel_for(io->n_threads, images * plan->height, work, copy_rows, &copy);
            in = to;
        }
        struct tp_product product = plan->product;
        if (nd->attr.conv.gated) product.packed = own_weights(st, io, first);
        product.rows[2] = images;
        product.out_step = st->out_step;
        tp_product_run(&product, nd, st->k, in, io->out + first * out_pixels * st->out_step,
                       residual ? residual + first * out_image : NULL, io->n_threads);
    }
}

static int64_t conv_macs(const struct tp_node *nd, const struct tp_shape *in,
                         const struct tp_shape *out)
{
    const struct tp_conv_attr *a = &nd->attr.conv;
    int64_t height = out->dim[1], width = out->dim[2];
    if (a->pooled) {                 /* only once sizes are known */
        const struct tp_window_fit fit = tp_window_fit(nd, &a->window, in->dim[1], in->dim[2]);
        height = fit.out[0];
        width = fit.out[1];
    }
    const int64_t n = tp_shape_elements(&(struct tp_shape){
        6, { height, width, out->dim[3], a->window.kernel[0], a->window.kernel[1],
             a->in_channels / a->groups } });
    return n < TP_ANY ? INT64_MAX : n;
}

static bool conv_strides_out(const struct tp_node *nd)
{
    return !tp_depthwise_is(&nd->attr.conv) && !nd->residual;
}

static const char *conv_algorithm(const struct tp_step *st)
{
    const struct tp_conv_attr *a = &st->node->attr.conv;
    if (tp_depthwise_is(a)) return a->groups == a->filters ? "depthwise" : "in groups";
    switch (a->packed.form) {
    case TP_CONV_DIRECT: break;
    case TP_CONV_WINOGRAD_2: return a->pooled ? "winograd 2x2, max" : "winograd 2x2";
    case TP_CONV_WINOGRAD_4: return a->pooled ? "winograd 4x4, max" : "winograd 4x4";
    }
    return a->groups > 1 ? "direct in groups" : "direct";
}

const struct tp_op tp_op_conv = {
    .name = "Conv", .shape = conv_shape, .prepare = conv_prepare, .plan = conv_plan,
    .run = conv_run, .macs = conv_macs, .algorithm = conv_algorithm,
    .fuses_affine = true, .fuses_act = true, .fuses_residual = true,
    .strides_out = conv_strides_out,
};
