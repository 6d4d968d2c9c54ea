/* tap.c - what is asked of a layer, as nodes behind the graph's own. */
#include "graph/tap.h"

#include <math.h>
#include <string.h>

struct work {
    struct tp_rewrite *rw;
    const struct tp_want *wants;
    int n_wants;
    int *maps;                       /* [n_wants] the layer as [n, h, w, c], once it was pooled */
    struct tp_tap_output *outputs;
    struct tp_err *err;
};

/* One want's value on its way: `value` is what the node appended last makes. */
struct path {
    struct work *w;
    const struct tp_want *want;
    int value;
};

static const struct tp_shape *shape_of(const struct path *p) { return &p->w->rw->shapes[p->value]; }

/* ---- one node -------------------------------------------------------------------------------- */

static bool append(struct path *p, struct tp_node nd, int n_inputs, const int *inputs)
{
    nd.name = p->want->name;
    if (!nd.type) nd.type = "pooling";
    nd.hidden = true;
    nd.n_inputs = n_inputs;
    nd.inputs = inputs;
    return tp_rewrite_append(p->w->rw, &nd, &p->value, p->w->err);
}

static bool append_one(struct path *p, struct tp_node nd)
{
    const int input = p->value;
    return append(p, nd, 1, &input);
}

static bool transpose(struct path *p, int a, int b, int c, int d)
{
    return append_one(p, (struct tp_node){
        .type = "layout", .op = &tp_op_transpose, .attr.transpose.perm = { a, b, c, d },
    });
}

static bool view(struct path *p, struct tp_shape shape)
{
    if (tp_shape_equal(shape_of(p), &shape)) return true;
    return append_one(p, (struct tp_node){ .op = &tp_op_view, .attr.view.shape = shape });
}

/* [n, all the rest] */
static bool flatten(struct path *p)
{
    const struct tp_shape s = *shape_of(p);
    int64_t n = s.rank ? s.dim[0] : 1;
    return view(p, TP_SHAPE2(n, tp_shape_elements(&s) / n));
}

static bool concat(struct path *p, int n, const int *values)
{
    p->value = values[0];
    return n == 1 ||
           append(p, (struct tp_node){ .op = &tp_op_concat, .attr.axis.axis = 1 }, n, values);
}

static bool normalize(struct path *p)
{
    const struct tp_shape *s = shape_of(p);
    if (s->rank < 2)
        return tp_fail(p->w->err, TP_INVALID_SHAPE, "%s: normalize divides the values of each "
                       "image; it needs [n, ...], and this layer is %s", p->want->name,
                       TP_SHAPE(s));
    struct tp_node nd = { .type = "normalize", .op = &tp_op_normalize };
    nd.attr.axes.axis = 1;
    nd.attr.axes.n_axes = s->rank - 1;
    nd.attr.axes.epsilon = 1e-12f;
    nd.attr.axes.p = 2;
    return append_one(p, nd);
}

/* ---- pooling --------------------------------------------------------------------------------- */

static enum tp_pool_op pool_op(enum tp_pool_kind kind)
{
    switch (kind) {
    case TP_POOL_MIN: return TP_OP_MIN;
    case TP_POOL_AVG: return TP_OP_AVG;
    case TP_POOL_SUM: return TP_OP_SUM;
    case TP_POOL_LP: return TP_OP_LP;
    case TP_POOL_GEM: return TP_OP_GEM;
    case TP_POOL_STD: return TP_OP_STD;
    case TP_POOL_MAX:
    case TP_POOL_NONE: break;
    }
    return TP_OP_MAX;
}

/* Whether the kind is one that the window and grid operators of old have. */
static bool is_plain(enum tp_pool_op kind)
{
    return kind == TP_OP_MAX || kind == TP_OP_AVG || kind == TP_OP_MIN || kind == TP_OP_SUM;
}

static struct tp_node pool_node(const struct tp_pooling *pooling)
{
    struct tp_node nd = { .op = NULL };
    nd.attr.pool.kind = pool_op(pooling->kind);
    nd.attr.pool.p = pooling->p;
    return nd;
}

static bool pool_window(struct path *p, const struct tp_pooling *pooling, bool argmax)
{
    struct tp_node nd = pool_node(pooling);
    nd.attr.pool.window = pooling->window;
    nd.op = argmax ? &tp_op_pool_index : is_plain(nd.attr.pool.kind) ? &tp_op_pool
                                                                     : &tp_op_bin_pool;
    return append_one(p, nd);
}

static bool pool_grid(struct path *p, const struct tp_pooling *pooling, int rows, int columns,
                      bool argmax)
{
    struct tp_node nd = pool_node(pooling);
    if (rows < 1 || columns < 1)
        return tp_fail(p->w->err, TP_INVALID_ARGUMENT, "%s: grid %dx%d; each side must be at "
                       "least 1", p->want->name, rows, columns);
    nd.attr.pool.bins[0] = rows;
    nd.attr.pool.bins[1] = columns;
    nd.attr.pool.keep_dims = true;
    nd.op = argmax ? &tp_op_pool_index : is_plain(nd.attr.pool.kind) ? &tp_op_adaptive_pool
                                                                     : &tp_op_bin_pool;
    return append_one(p, nd);
}

static bool pool_global(struct path *p, const struct tp_pooling *pooling, bool argmax)
{
    struct tp_node nd = pool_node(pooling);
    nd.op = &tp_op_global_pool;
    if (!argmax && is_plain(nd.attr.pool.kind)) return append_one(p, nd);
    return pool_grid(p, pooling, 1, 1, argmax) && flatten(p);
}

/* Every level as [n, c, l, l], flat, one behind the other. */
static bool pool_pyramid(struct path *p, const struct tp_pooling *pooling, bool argmax)
{
    const int map = p->value;
    int levels[TP_MAX_LEVELS];
    if (pooling->n_levels < 1 || pooling->n_levels > TP_MAX_LEVELS)
        return tp_fail(p->w->err, TP_INVALID_ARGUMENT, "%s: a pyramid of %d levels; it must have "
                       "1 to %d", p->want->name, pooling->n_levels, (int)TP_MAX_LEVELS);
    for (int i = 0; i < pooling->n_levels; i++) {
        p->value = map;
        if (!pool_grid(p, pooling, pooling->levels[i], pooling->levels[i], argmax) ||
            !transpose(p, 0, 3, 1, 2) || !flatten(p))
            return false;
        levels[i] = p->value;
    }
    return concat(p, pooling->n_levels, levels);
}

/* ---- regions --------------------------------------------------------------------------------- */

static bool check_boxes(const struct path *p, const struct tp_pooling *pooling)
{
    const struct tp_shape *input = &p->w->rw->shapes[0], *map = shape_of(p);
    const char *name = p->want->name;
    struct tp_err *err = p->w->err;
    if (input->rank != 4 || input->dim[0] != map->dim[0])
        return tp_fail(err, TP_INVALID_SHAPE, "%s: rois need one map for each image; the input is "
                       "%s and this layer %s", name, TP_SHAPE(input), TP_SHAPE(map));
    if (pooling->n_boxes < 1 || pooling->n_boxes % map->dim[0])
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: %d rois for %lld images; every image must "
                       "have as many, and at least one", name, pooling->n_boxes,
                       (long long)map->dim[0]);
    for (int i = 0; i < pooling->n_boxes; i++)
        for (int k = 0; k < 4; k++)
            if (!isfinite(pooling->boxes[4 * (size_t)i + (size_t)k]))
                return tp_fail(err, TP_INVALID_ARGUMENT, "%s: roi %d is not x0, y0, x1, y1, four "
                               "finite numbers", name, i);
    return true;
}

static bool append_constant(struct path *p, const float *data, struct tp_shape shape)
{
    struct tp_node nd = { .type = "rois", .op = &tp_op_constant };
    nd.attr.constant.data = data;
    nd.attr.constant.shape = shape;
    return append(p, nd, 0, NULL);
}

static bool pool_rois(struct path *p, const struct tp_pooling *pooling)
{
    if (!check_boxes(p, pooling)) return false;
    const struct tp_shape input = p->w->rw->shapes[0], map = *shape_of(p);
    const int64_t n = pooling->n_boxes, per_image = n / map.dim[0];
    float *boxes = tp_arena_floats(p->w->rw->arena, 4 * n);
    float *images = tp_arena_floats(p->w->rw->arena, n);
    if (!boxes || !images) return tp_arena_fail(p->w->rw->arena, p->w->err);
    memcpy(boxes, pooling->boxes, 4 * (size_t)n * sizeof *boxes);
    for (int64_t i = 0; i < n; i++) images[i] = (float)(i / per_image);

    int inputs[3] = { p->value };
    if (!append_constant(p, boxes, TP_SHAPE2(n, 4))) return false;
    inputs[1] = p->value;
    if (!append_constant(p, images, (struct tp_shape){ .rank = 1, .dim = { n } })) return false;
    inputs[2] = p->value;
    struct tp_node nd = { .op = &tp_op_roi };
    nd.attr.roi = (struct tp_roi_attr){
        .kind = pool_op(pooling->kind), .bins = { pooling->grid[0], pooling->grid[1] },
        .sampling_ratio = 2, .half_pixel = true, .p = pooling->p,
        .scale = { (float)((double)map.dim[1] / (double)input.dim[1]),
                   (float)((double)map.dim[2] / (double)input.dim[2]) },
    };
    return append(p, nd, 3, inputs);
}

/* ---- one want -------------------------------------------------------------------------------- */

/* The layer as [n, h, w, c]; taps that pool one layer share it. */
static bool find_map(struct path *p)
{
    struct work *w = p->w;
    const int index = (int)(p->want - w->wants);
    if (shape_of(p)->rank != 4)
        return tp_fail(w->err, TP_INVALID_SHAPE, "%s: pooling needs a map [n, height, width, "
                       "channels]; this layer is %s, which pool=none answers as it is",
                       p->want->name, TP_SHAPE(shape_of(p)));
    for (int i = 0; i < index && !p->want->channels_last; i++)
        if (w->maps[i] && w->wants[i].node == p->want->node) {
            p->value = w->maps[index] = w->maps[i];
            return true;
        }
    if (!p->want->channels_last && !transpose(p, 0, 2, 3, 1)) return false;
    w->maps[index] = p->value;
    return true;
}

static bool pool(struct path *p, bool argmax)
{
    const struct tp_pooling *pooling = &p->want->tap->pooling;
    if (!find_map(p)) return false;
    switch (pooling->form) {
    case TP_POOL_GLOBAL: return pool_global(p, pooling, argmax);
    case TP_POOL_WINDOW: return pool_window(p, pooling, argmax);
    case TP_POOL_GRID: return pool_grid(p, pooling, pooling->grid[0], pooling->grid[1], argmax);
    case TP_POOL_PYRAMID: return pool_pyramid(p, pooling, argmax);
    case TP_POOL_ROIS: return pool_rois(p, pooling);
    }
    return tp_fail(p->w->err, TP_INVALID_ARGUMENT, "%s: no such pooling form", p->want->name);
}

/* Brings a map into the order that is asked for. */
static bool lay_out(struct path *p, bool channels_last)
{
    const bool first = p->want->tap->channels_first;
    if (shape_of(p)->rank != 4 || channels_last != first) return true;
    return first ? transpose(p, 0, 3, 1, 2) : transpose(p, 0, 2, 3, 1);
}

/* A want's value, but for its length; argmax: the places of its maxima instead. */
static bool answer(struct work *w, struct path *p, int index, bool argmax)
{
    const struct tp_want *want = &w->wants[index];
    *p = (struct path){ w, want, want->node };
    if (want->tap->pooling.kind == TP_POOL_NONE) return lay_out(p, want->channels_last);
    return pool(p, argmax) && lay_out(p, true);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool check_argmax(const struct work *w, int first, int end)
{
    for (int i = first; i < end; i++) {
        const struct tp_pooling *pooling = &w->wants[i].tap->pooling;
        if (!w->wants[i].tap->argmax) continue;
        if (end - first > 1)
            return tp_fail(w->err, TP_INVALID_ARGUMENT, "%s: argmax is an answer of its own; it "
                           "cannot be joined to others", w->wants[i].name);
        if (pooling->kind != TP_POOL_MAX || pooling->form == TP_POOL_ROIS)
            return tp_fail(w->err, TP_INVALID_ARGUMENT, "%s: argmax is of maxima; it needs "
                           "pool=max, by window, grid or pyramid or of the whole map, not by rois",
                           w->wants[i].name);
    }
    return true;
}

static bool emit(struct work *w, const struct path *p, int index, bool argmax, const char *name)
{
    struct tp_rewrite *rw = w->rw;
    if (!name)
        name = tp_arena_printf(rw->arena, argmax ? "%s.argmax" : "%s", w->wants[index].name);
    if (!name) return tp_arena_fail(rw->arena, w->err);
    w->outputs[rw->n_wanted] = (struct tp_tap_output){ name, index, argmax };
    rw->wanted[rw->n_wanted++] = p->value;
    return true;
}

/* Wants [first, end) as one vector per image. */
static bool join(struct work *w, int first, int end, struct path *p)
{
    int *values = tp_arena_zalloc(w->rw->arena, (size_t)(end - first), sizeof *values);
    int64_t n = 0;
    if (!values) return tp_arena_fail(w->rw->arena, w->err);
    for (int i = first; i < end; i++) {
        if (!answer(w, p, i, false) || !flatten(p)) return false;
        if (i > first && shape_of(p)->dim[0] != n)
            return tp_fail(w->err, TP_INVALID_SHAPE, "%s: its answer begins with %lld, that of "
                           "%s with %lld; only layers with as many vectors can be joined",
                           p->want->name, (long long)shape_of(p)->dim[0], w->wants[first].name,
                           (long long)n);
        n = shape_of(p)->dim[0];
        values[i - first] = p->value;
    }
    p->want = &w->wants[first];
    return concat(p, end - first, values);
}

/* Wants [first, end): one, and those that are joined to it. */
static bool append_group(struct work *w, int first, int end)
{
    const bool single = end - first == 1, argmax = w->wants[first].tap->argmax;
    struct path p;
    if (!check_argmax(w, first, end)) return false;
    if (!(single ? answer(w, &p, first, false) : join(w, first, end, &p))) return false;
    if (w->wants[first].tap->normalize && !normalize(&p)) return false;
    if (!emit(w, &p, first, false, single ? NULL : "concat")) return false;
    return !argmax || (answer(w, &p, first, true) && emit(w, &p, first, true, NULL));
}

bool tp_tap_append(struct tp_rewrite *rw, const struct tp_want *wants, int n_wants,
                   const struct tp_tap_output **outputs, struct tp_err *err)
{
    const size_t n = (size_t)n_wants;
    struct work w = { .rw = rw, .wants = wants, .n_wants = n_wants, .err = err };
    w.maps = tp_arena_zalloc(rw->arena, n, sizeof *w.maps);
    w.outputs = tp_arena_zalloc(rw->arena, 2 * n, sizeof *w.outputs);
    rw->wanted = tp_arena_zalloc(rw->arena, 2 * n, sizeof *rw->wanted);
    rw->n_wanted = 0;
    if (!w.maps || !w.outputs || !rw->wanted) return tp_arena_fail(rw->arena, err);
    if (wants[0].tap->joined)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: joined to the answer before it, but it is "
                       "the first", wants[0].name);
    for (int first = 0, end; first < n_wants; first = end) {
        for (end = first + 1; end < n_wants && wants[end].tap->joined;) end++;
        if (!append_group(&w, first, end)) return false;
    }
    *outputs = w.outputs;
    return true;
}
