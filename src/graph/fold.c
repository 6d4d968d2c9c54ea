/* fold.c - nodes that become part of what makes their input. */
#include "graph/fold.h"

#include <math.h>
#include <string.h>

enum { GATE_PIXELS = 4 };            /* of a map for each filter: at 2, both ways cost alike */

/* x -> scale[c] x + shift[c]; NULL: 1 and 0. */
struct line { const float *scale, *shift; };

/* Node i takes over what its producer p does; p is gone. The caller then adds i's own part. */
static void take_over(struct tp_rewrite *rw, int i, int p)
{
    const char *name = rw->nodes[i].name;
    rw->nodes[i] = rw->nodes[p];
    rw->nodes[i].name = name;
    rw->alive[p] = false;
}

/* Whether nothing has been done yet to what node p computes but scaling and shifting. */
static bool is_bare(const struct tp_node *p)
{
    return p->act.kind == TP_ACT_LINEAR && !(p->op == &tp_op_conv && p->attr.conv.pooled);
}

/* Behind (s, t) of the producer: s' = scale s, t' = scale t + shift. */
static bool fold_line(struct tp_rewrite *rw, int i, int p, const struct line *line)
{
    const struct tp_act act = rw->nodes[i].act;
    const struct tp_node *from = &rw->nodes[p];
    if (!from->op->fuses_affine || !is_bare(from) || from->residual) return true;
    int64_t channels = rw->shapes[p].dim[rw->shapes[p].rank - 1];
    float *scale = tp_arena_floats(rw->arena, channels);
    float *shift = tp_arena_floats(rw->arena, channels);
    if (!scale || !shift) return false;
    for (int64_t c = 0; c < channels; c++) {
        float s = line->scale ? line->scale[c] : 1, t = line->shift ? line->shift[c] : 0;
        scale[c] = s * (from->scale ? from->scale[c] : 1);
        shift[c] = s * (from->shift ? from->shift[c] : 0) + t;
    }
    take_over(rw, i, p);
    rw->nodes[i].scale = scale;
    rw->nodes[i].shift = shift;
    rw->nodes[i].act = act;
    return true;
}

/* Whether the constant is one number, or one for each channel of `map`, and leaves its shape. */
static bool is_per_channel(const struct tp_rewrite *rw, int constant, int map, int result)
{
    const struct tp_shape *s = &rw->shapes[constant], *m = &rw->shapes[map];
    if (rw->nodes[constant].op != &tp_op_constant || !m->rank ||
        !tp_shape_equal(m, &rw->shapes[result])) return false;
    int64_t n = tp_shape_elements(s);
    return n == 1 || (s->dim[s->rank - 1] == n && n == m->dim[m->rank - 1]);
}

/* What x op constant (or constant op x, when `first`) is: scale and shift, each `channels` long.
 * False where it is neither, or not in floats. */
static bool line_of(enum tp_binary_kind kind, bool first, float constant, float *scale,
                    float *shift)
{
    *scale = 1;
    *shift = 0;
    switch (kind) {
    case TP_BINARY_ADD: *shift = constant; break;
    case TP_BINARY_SUB:
        *scale = first ? -1 : 1;
        *shift = first ? constant : -constant;
        break;
    case TP_BINARY_MUL: *scale = constant; break;
    case TP_BINARY_DIV: *scale = first ? NAN : 1 / constant; break;
    default: return false;
    }
    return isfinite(*scale) && isfinite(*shift);
}

/* Arithmetic with a constant, as a scale and shift of what nobody else reads. */
static bool fold_arithmetic(struct tp_rewrite *rw, int i, const int *uses)
{
    const struct tp_node *nd = &rw->nodes[i];
    const bool first = rw->nodes[nd->inputs[0]].op == &tp_op_constant;
    const int constant = nd->inputs[!first], p = nd->inputs[first];
    if (uses[p] != 1 || !rw->nodes[p].op->fuses_affine || !is_per_channel(rw, constant, p, i))
        return true;
    int64_t channels = rw->shapes[p].dim[rw->shapes[p].rank - 1];
    const float *values = rw->nodes[constant].attr.constant.data;
    const bool single = tp_shape_elements(&rw->shapes[constant]) == 1;
    float *scale = tp_arena_floats(rw->arena, channels);
    float *shift = tp_arena_floats(rw->arena, channels);
    if (!scale || !shift) return false;
    for (int64_t c = 0; c < channels; c++)
        if (!line_of(nd->attr.binary, first, values[single ? 0 : c], &scale[c], &shift[c]))
            return true;
    return fold_line(rw, i, p, &(const struct line){ scale, shift });
}

static void fold_activation(struct tp_rewrite *rw, int i, int p)
{
    const struct tp_act act = rw->nodes[i].act;
    if (!rw->nodes[p].op->fuses_act || !is_bare(&rw->nodes[p])) return;
    take_over(rw, i, p);
    rw->nodes[i].act = act;
}

/* a + b, one of them a convolution that nobody else reads: it adds the other on its way out. */
static bool fold_residual(struct tp_rewrite *rw, int i, const int *uses)
{
    const struct tp_node add = rw->nodes[i];
    for (int j = 1; j >= 0; j--) {
        int p = add.inputs[j], other = add.inputs[1 - j];
        const struct tp_node *from = &rw->nodes[p];
        if (uses[p] != 1 || !from->op->fuses_residual || from->residual ||
            !is_bare(from) || !tp_shape_equal(&rw->shapes[p], &rw->shapes[other])) continue;
        int *inputs = tp_arena_alloc(rw->arena, (size_t)(from->n_inputs + 1) * sizeof *inputs);
        if (!inputs) return false;
        memcpy(inputs, from->inputs, (size_t)from->n_inputs * sizeof *inputs);
        inputs[from->n_inputs] = other;
        take_over(rw, i, p);
        rw->nodes[i].inputs = inputs;
        rw->nodes[i].n_inputs++;
        rw->nodes[i].residual = true;
        rw->nodes[i].act = add.act;
        return true;
    }
    return true;
}

/* Zeros around a map are what a convolution's own padding is. (Not in ceil_mode: a last window may
 * lie beyond a map, but not beyond a map and its padding.) */
static bool fold_padding(struct tp_rewrite *rw, int i, const int *uses)
{
    struct tp_node *conv = &rw->nodes[i];
    struct tp_window *w = &conv->attr.conv.window;
    int p = conv->inputs[0];
    const struct tp_node *pad = &rw->nodes[p];
    if (pad->op != &tp_op_pad || pad->attr.pad.value != 0 || uses[p] != 1 ||
        w->padding == TP_PADDING_SAME || w->ceil_mode) return true;
    int pads[4];
    for (int e = 0; e < 4; e++)
        if (__builtin_add_overflow(w->padding == TP_PADDING_EXPLICIT ? w->pads[e] : 0,
                                   pad->attr.pad.edge[e], &pads[e])) return true;
    int *inputs = tp_arena_alloc(rw->arena, (size_t)conv->n_inputs * sizeof *inputs);
    if (!inputs) return false;
    memcpy(inputs, conv->inputs, (size_t)conv->n_inputs * sizeof *inputs);
    inputs[0] = pad->inputs[0];
    conv->inputs = inputs;
    memcpy(w->pads, pads, sizeof pads);
    w->padding = TP_PADDING_EXPLICIT;
    rw->alive[p] = false;
    return true;
}

/* Whether s scales the channels of x, a map of many pixels: then scaling the weights that read x is
 * less work. */
static bool is_gate(const struct tp_rewrite *rw, int x, int s, int filters)
{
    const struct tp_shape *map = &rw->shapes[x], *gate = &rw->shapes[s];
    return map->rank == 4 && gate->rank == 4 && gate->dim[0] == map->dim[0] && gate->dim[1] == 1 &&
           gate->dim[2] == 1 && gate->dim[3] == map->dim[3] &&
           map->dim[1] * map->dim[2] >= GATE_PIXELS * filters;
}

/* A map scaled channel by channel (squeeze and excitation) in front of a 1x1 convolution: its
 * weights are scaled instead (EfficientNet-B0 on one thread: 6.35 to 6.04 ms). Scaling the map's
 * rows on their way into the product would still touch each of its values. */
static bool fold_gate(struct tp_rewrite *rw, int i, const int *uses)
{
    struct tp_node *conv = &rw->nodes[i];
    struct tp_conv_attr *a = &conv->attr.conv;
    const int p = conv->inputs[0];
    const struct tp_node *mul = &rw->nodes[p];
    if (mul->op != &tp_op_binary || mul->attr.binary != TP_BINARY_MUL || uses[p] != 1 ||
        mul->act.kind != TP_ACT_LINEAR || a->gated || a->groups != 1 || a->window.kernel[0] != 1 ||
        a->window.kernel[1] != 1) return true;
    const bool second = is_gate(rw, mul->inputs[0], mul->inputs[1], a->filters);
    if (!second && !is_gate(rw, mul->inputs[1], mul->inputs[0], a->filters)) return true;
    int *inputs = tp_arena_alloc(rw->arena, (size_t)(conv->n_inputs + 1) * sizeof *inputs);
    if (!inputs) return false;
    inputs[0] = mul->inputs[!second];
    inputs[1] = mul->inputs[second];
    memcpy(inputs + 2, conv->inputs + 1, (size_t)(conv->n_inputs - 1) * sizeof *inputs);
    conv->inputs = inputs;
    conv->n_inputs++;
    a->gated = true;
    rw->alive[p] = false;
    return true;
}

/* Maxima of 2x2 pixels, side by side: a tile of Winograd's method holds whole ones, and the map
 * itself is never written (VGG-16's first, 224x224x64, on one thread: 8.1 to 7.2 ms; the whole of
 * it 2 % faster). Windows that overlap would need rows from other tiles. The one that is common,
 * 3x3 by 2 behind a stem, is 0.3 % of ResNet-50's time; done by rows behind the product, a
 * prototype saved 1 to 2 % of its stem. */
static void fold_pool(struct tp_rewrite *rw, int i, int p)
{
    const struct tp_pool_attr *pool = &rw->nodes[i].attr.pool;
    const struct tp_node *from = &rw->nodes[p];
    const struct tp_shape *in = &rw->shapes[p], *out = &rw->shapes[i];
    float lo, hi;
    if (pool->kind != TP_OP_MAX || from->op != &tp_op_conv || from->residual ||
        from->attr.conv.pooled || from->attr.conv.packed.form == TP_CONV_DIRECT ||
        !tp_op_clamp(&from->act, &lo, &hi)) return;
    for (int axis = 0; axis < 2; axis++)
        if (pool->window.kernel[axis] != 2 || pool->window.strides[axis] != 2 ||
            pool->window.dilations[axis] != 1 || out->dim[1 + axis] != in->dim[1 + axis] / 2)
            return;
    if (pool->window.padding == TP_PADDING_EXPLICIT)
        for (int e = 0; e < 4; e++)
            if (pool->window.pads[e]) return;
    take_over(rw, i, p);
    rw->nodes[i].attr.conv.pooled = true;
}

static bool is_sum(const struct tp_node *nd)
{
    if (nd->n_inputs != 2) return false;
    return nd->op == &tp_op_combine ? !nd->attr.combine.mean
                                    : nd->op == &tp_op_binary && nd->attr.binary == TP_BINARY_ADD;
}

static bool fold_one(struct tp_rewrite *rw, int i, const int *uses)
{
    const struct tp_node *nd = &rw->nodes[i];
    if (nd->op == &tp_op_conv) return fold_padding(rw, i, uses) && fold_gate(rw, i, uses);
    if (nd->op == &tp_op_binary && !fold_arithmetic(rw, i, uses)) return false;
    if (is_sum(nd)) return fold_residual(rw, i, uses);
    if (nd->n_inputs != 1 || uses[nd->inputs[0]] != 1) return true;
    if (nd->op == &tp_op_affine)
        return fold_line(rw, i, nd->inputs[0], &(const struct line){ nd->scale, nd->shift });
    if (nd->op == &tp_op_activation) fold_activation(rw, i, nd->inputs[0]);
    if (nd->op == &tp_op_pool) fold_pool(rw, i, nd->inputs[0]);
    return true;
}

bool tp_fold_nodes(struct tp_rewrite *rw)
{
    int *uses = tp_rewrite_uses(rw);
    if (!uses) return false;
    for (int i = 1; i < rw->n_nodes; i++)
        if (rw->alive[i] && !fold_one(rw, i, uses)) return false;
    return true;
}
