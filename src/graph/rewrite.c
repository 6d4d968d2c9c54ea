/* rewrite.c - the same values with fewer steps. */
#include "graph/rewrite.h"

#include <string.h>

bool tp_rewrite_prune(struct tp_rewrite *rw, struct tp_err *err)
{
    rw->alive = tp_arena_zalloc(rw->arena, (size_t)rw->n_nodes, sizeof *rw->alive);
    if (!rw->alive) return tp_arena_fail(rw->arena, err);
    for (int i = 0; i < rw->n_wanted; i++) rw->alive[rw->wanted[i]] = true;
    for (int i = rw->n_nodes - 1; i >= 0; i--)
        for (int j = 0; rw->alive[i] && j < rw->nodes[i].n_inputs; j++)
            rw->alive[rw->nodes[i].inputs[j]] = true;
    return true;
}

bool tp_rewrite_shapes(struct tp_rewrite *rw, int64_t max_elements, struct tp_err *err)
{
    int most = 1;
    for (int i = 0; i < rw->n_nodes; i++)
        if (rw->nodes[i].n_inputs > most) most = rw->nodes[i].n_inputs;
    struct tp_shape *in = tp_arena_zalloc(rw->arena, (size_t)most, sizeof *in);
    if (!in) return tp_arena_fail(rw->arena, err);
    for (int i = 1; i < rw->n_nodes; i++) {
        const struct tp_node *nd = &rw->nodes[i];
        if (!rw->alive[i]) continue;
        for (int j = 0; j < nd->n_inputs; j++) in[j] = rw->shapes[nd->inputs[j]];
        if (!nd->op->shape(nd, in, &rw->shapes[i], err) ||
            !tp_shape_check(&rw->shapes[i], max_elements, nd->name, err))
            return false;
    }
    return true;
}

static bool is_wanted(const struct tp_rewrite *rw, int value)
{
    for (int i = 0; i < rw->n_wanted; i++)
        if (rw->wanted[i] == value) return true;
    return false;
}

/* Readers of every value, a wanted one counting as read once more. */
static int *count_uses(const struct tp_rewrite *rw)
{
    int *uses = tp_arena_zalloc(rw->arena, (size_t)rw->n_nodes, sizeof *uses);
    if (!uses) return NULL;
    for (int i = 0; i < rw->n_nodes; i++)
        for (int j = 0; rw->alive[i] && j < rw->nodes[i].n_inputs; j++)
            uses[rw->nodes[i].inputs[j]]++;
    for (int i = 0; i < rw->n_wanted; i++) uses[rw->wanted[i]]++;
    return uses;
}

/* Lets every reader of an Identity read what the Identity reads. A wanted one stays. */
static bool skip_identities(struct tp_rewrite *rw)
{
    for (int i = 0; i < rw->n_nodes; i++) {
        struct tp_node *nd = &rw->nodes[i];
        if (!rw->alive[i] || !nd->n_inputs) continue;
        int *inputs = tp_arena_alloc(rw->arena, (size_t)nd->n_inputs * sizeof *inputs);
        if (!inputs) return false;
        for (int j = 0; j < nd->n_inputs; j++) {
            inputs[j] = nd->inputs[j];
            while (rw->nodes[inputs[j]].op == &tp_op_identity)
                inputs[j] = rw->nodes[inputs[j]].inputs[0];
        }
        nd->inputs = inputs;
    }
    for (int i = 0; i < rw->n_nodes; i++)
        if (rw->nodes[i].op == &tp_op_identity && !is_wanted(rw, i)) rw->alive[i] = false;
    return true;
}

/* Node i takes over what its producer p does; p is gone. The caller then adds i's own part. */
static void take_over(struct tp_rewrite *rw, int i, int p)
{
    const char *name = rw->nodes[i].name;
    rw->nodes[i] = rw->nodes[p];
    rw->nodes[i].name = name;
    rw->alive[p] = false;
}

/* x -> scale x + shift behind (s, t): s' = scale s, t' = scale t + shift. */
static bool fold_affine(struct tp_rewrite *rw, int i, int p)
{
    const struct tp_node bn = rw->nodes[i], *from = &rw->nodes[p];
    if (!from->op->fuses_affine || from->act.kind != TP_ACT_LINEAR || from->residual) return true;
    int64_t channels = rw->shapes[p].dim[rw->shapes[p].rank - 1];
    float *scale = tp_arena_floats(rw->arena, channels);
    float *shift = tp_arena_floats(rw->arena, channels);
    if (!scale || !shift) return false;
    for (int64_t c = 0; c < channels; c++) {
        float s = bn.scale ? bn.scale[c] : 1, t = bn.shift ? bn.shift[c] : 0;
        scale[c] = s * (from->scale ? from->scale[c] : 1);
        shift[c] = s * (from->shift ? from->shift[c] : 0) + t;
    }
    take_over(rw, i, p);
    rw->nodes[i].scale = scale;
    rw->nodes[i].shift = shift;
    rw->nodes[i].act = bn.act;
    return true;
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

static bool fold_one(struct tp_rewrite *rw, int i, const int *uses)
{
    const struct tp_node *nd = &rw->nodes[i];
    if (nd->op == &tp_op_conv) return fold_padding(rw, i, uses);
    if (nd->op == &tp_op_combine && nd->n_inputs == 2 && !nd->attr.combine.mean)
        return fold_residual(rw, i, uses);
    if (nd->n_inputs != 1 || uses[nd->inputs[0]] != 1) return true;
    if (nd->op == &tp_op_affine) return fold_affine(rw, i, nd->inputs[0]);
    if (nd->op == &tp_op_activation) fold_activation(rw, i, nd->inputs[0]);
    return true;
}

bool tp_rewrite_fold(struct tp_rewrite *rw, struct tp_err *err)
{
    if (!skip_identities(rw)) return tp_arena_fail(rw->arena, err);
    int *uses = count_uses(rw);
    if (!uses) return tp_arena_fail(rw->arena, err);
    for (int i = 1; i < rw->n_nodes; i++)
        if (rw->alive[i] && !fold_one(rw, i, uses)) return tp_arena_fail(rw->arena, err);
    return true;
}
