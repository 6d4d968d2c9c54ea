/* fold.c - nodes that become part of what makes their input. */
#include "graph/fold.h"

#include <math.h>
#include <string.h>

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

/* Behind (s, t) of the producer: s' = scale s, t' = scale t + shift. */
static bool fold_line(struct tp_rewrite *rw, int i, int p, const struct line *line)
{
    const struct tp_act act = rw->nodes[i].act;
    const struct tp_node *from = &rw->nodes[p];
    if (!from->op->fuses_affine || from->act.kind != TP_ACT_LINEAR || from->residual) return true;
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
    if (!rw->nodes[p].op->fuses_act || rw->nodes[p].act.kind != TP_ACT_LINEAR) return;
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
            from->act.kind != TP_ACT_LINEAR ||
            !tp_shape_equal(&rw->shapes[p], &rw->shapes[other])) continue;
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

static bool is_sum(const struct tp_node *nd)
{
    if (nd->n_inputs != 2) return false;
    return nd->op == &tp_op_combine ? !nd->attr.combine.mean
                                    : nd->op == &tp_op_binary && nd->attr.binary == TP_BINARY_ADD;
}

static bool fold_one(struct tp_rewrite *rw, int i, const int *uses)
{
    const struct tp_node *nd = &rw->nodes[i];
    if (nd->op == &tp_op_conv) return fold_padding(rw, i, uses);
    if (nd->op == &tp_op_binary && !fold_arithmetic(rw, i, uses)) return false;
    if (is_sum(nd)) return fold_residual(rw, i, uses);
    if (nd->n_inputs != 1 || uses[nd->inputs[0]] != 1) return true;
    if (nd->op == &tp_op_affine)
        return fold_line(rw, i, nd->inputs[0], &(const struct line){ nd->scale, nd->shift });
    if (nd->op == &tp_op_activation) fold_activation(rw, i, nd->inputs[0]);
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
