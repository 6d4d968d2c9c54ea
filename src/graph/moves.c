/* moves.c - data that are moved twice, or not at all. */
#include "graph/moves.h"

/* Transposing by `inner` and then by `outer`, as one: axis k of the result is the input's
 * inner[outer[k]]. */
static bool join_transposes(struct tp_rewrite *rw, int i)
{
    struct tp_node *outer = &rw->nodes[i];
    const struct tp_node *inner = &rw->nodes[outer->inputs[0]];
    if (outer->op != &tp_op_transpose || inner->op != &tp_op_transpose) return true;
    int *input = tp_arena_alloc(rw->arena, sizeof *input);
    if (!input) return false;
    *input = inner->inputs[0];
    for (int k = 0; k < rw->shapes[i].rank; k++)
        outer->attr.transpose.perm[k] = inner->attr.transpose.perm[outer->attr.transpose.perm[k]];
    outer->inputs = input;
    return true;
}

/* Whether the axes that are longer than 1 stay in their order. */
static bool keeps_order(const struct tp_node *nd, const struct tp_shape *in)
{
    int last = -1;
    for (int k = 0; k < in->rank; k++) {
        int axis = nd->attr.transpose.perm[k];
        if (in->dim[axis] == 1) continue;
        if (axis < last) return false;
        last = axis;
    }
    return true;
}

static bool takes_all(const struct tp_node *nd, const struct tp_shape *in)
{
    for (int axis = 0; axis < in->rank; axis++) {
        const int32_t *index = nd->attr.take.index[axis];
        if (!index) continue;
        if (nd->attr.take.n[axis] != in->dim[axis]) return false;
        for (int64_t i = 0; i < in->dim[axis]; i++)
            if (index[i] != i) return false;
    }
    return true;
}

/* Whether the output is the first input's elements in their order. */
static bool is_still(const struct tp_rewrite *rw, int i)
{
    const struct tp_node *nd = &rw->nodes[i];
    const struct tp_shape *in = &rw->shapes[nd->inputs[0]];
    if (nd->op == &tp_op_transpose) return keeps_order(nd, in);
    if (nd->op == &tp_op_take) return takes_all(nd, in);
    return nd->op->is_view || (nd->op == &tp_op_concat && nd->n_inputs == 1);
}

/* A view of what the chain of views in front of it begins with. */
static bool make_view(struct tp_rewrite *rw, int i)
{
    struct tp_node *nd = &rw->nodes[i];
    int *input = tp_arena_alloc(rw->arena, sizeof *input);
    if (!input) return false;
    *input = nd->inputs[0];
    while (rw->nodes[*input].op->is_view) *input = rw->nodes[*input].inputs[0];
    nd->inputs = input;
    if (tp_shape_equal(&rw->shapes[*input], &rw->shapes[i])) {
        nd->op = &tp_op_identity;
        return true;
    }
    nd->op = &tp_op_view;
    nd->attr.view.shape = rw->shapes[i];
    return true;
}

bool tp_moves_drop(struct tp_rewrite *rw)
{
    for (int i = 1; i < rw->n_nodes; i++)
        if (rw->alive[i] && rw->nodes[i].n_inputs && !join_transposes(rw, i)) return false;
    for (int i = 1; i < rw->n_nodes; i++)
        if (rw->alive[i] && rw->nodes[i].n_inputs && is_still(rw, i) && !make_view(rw, i))
            return false;
    return true;
}
