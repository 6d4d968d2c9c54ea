/* place.c - where every value of a plan is.
 *
 * A view shares its input's bytes, so bytes belong to roots: values that are not views. A root that
 * is wanted is computed straight into the caller's output; the rest share the workspace by
 * lifetime. */
#include "graph/place.h"

#include <string.h>

#include "graph/memory.h"

struct lives {                       /* by value */
    int *root;                       /* the value whose bytes it shares */
    int *read;                       /* of roots: the last step that reads it */
    int *readers;                    /* of roots: how often a step reads it */
    int *whole;                      /* of roots: the Concat that it is written into, or -1 */
    size_t *at;                      /* of those: where in it, in bytes */
    int *first;                      /* of Concats: the first step that writes into it */
};

static int root_of(const struct tp_rewrite *rw, int value)
{
    while (rw->nodes[value].op->is_view) value = rw->nodes[value].inputs[0];
    return value;
}

static bool find_lives(struct lives *l, const struct tp_plan *plan, const struct tp_rewrite *rw,
                       struct tp_arena *arena)
{
    size_t n = (size_t)rw->n_nodes;
    l->root = tp_arena_zalloc(arena, n, sizeof *l->root);
    l->read = tp_arena_zalloc(arena, n, sizeof *l->read);
    l->readers = tp_arena_zalloc(arena, n, sizeof *l->readers);
    l->whole = tp_arena_zalloc(arena, n, sizeof *l->whole);
    l->at = tp_arena_zalloc(arena, n, sizeof *l->at);
    l->first = tp_arena_zalloc(arena, n, sizeof *l->first);
    if (!l->root || !l->read || !l->readers || !l->whole || !l->at || !l->first) return false;
    for (int i = 0; i < rw->n_nodes; i++) {
        l->root[i] = rw->alive[i] ? root_of(rw, i) : i;
        l->whole[i] = -1;
    }
    for (int s = 0; s < plan->n_steps; s++) {
        int value = plan->steps[s].value;
        const struct tp_node *nd = plan->steps[s].step.node;
        l->read[value] = s;
        l->first[value] = s;
        for (int j = 0; j < nd->n_inputs; j++) {
            l->read[l->root[nd->inputs[j]]] = s;
            l->readers[l->root[nd->inputs[j]]]++;
        }
    }
    return true;
}

static void place_fixed(struct tp_plan *plan, const struct tp_rewrite *rw)
{
    plan->values[0].kind = TP_PLACE_INPUT;
    for (int i = 1; i < rw->n_nodes; i++)
        if (rw->alive[i] && rw->nodes[i].op == &tp_op_constant)
            plan->values[i] = (struct tp_place){
                .kind = TP_PLACE_CONSTANT, .constant = rw->nodes[i].attr.constant.data,
            };
}

/* The first output that wants a root gets it in place; a second one, and those that want the input
 * or a constant, are copied. */
static void place_outputs(struct tp_plan *plan, const struct lives *l)
{
    for (int i = 0; i < plan->n_outputs; i++) {
        struct tp_place *p = &plan->values[l->root[plan->outputs[i].value]];
        plan->outputs[i].copied = p->kind != TP_PLACE_NONE;
        if (!plan->outputs[i].copied) *p = (struct tp_place){ .kind = TP_PLACE_OUTPUT, .index = i };
    }
}

/* Lets the makers of a Concat's inputs write into its output, where it is along the last axis and
 * nobody else reads what they make. */
static bool join_parts(struct tp_plan *plan, struct lives *l, struct tp_step *concat, int value,
                       struct tp_arena *arena)
{
    const struct tp_node *nd = concat->node;
    size_t at = 0;
    bool *in_place = tp_arena_zalloc(arena, (size_t)nd->n_inputs + 1, sizeof *in_place);
    if (!in_place) return false;
    if (nd->attr.axis.axis != concat->out.rank - 1) return true;
    for (int j = 0; j < nd->n_inputs; j++) {
        const int part = nd->inputs[j], s = l->first[part];
        struct tp_step *maker = &plan->steps[s].step;
        const size_t here = at;
        at += (size_t)concat->in[j].dim[concat->out.rank - 1] * sizeof(float);
        if (plan->steps[s].value != part || plan->values[part].kind != TP_PLACE_NONE ||
            l->readers[part] != 1 || !maker->node->op->strides_out ||
            !maker->node->op->strides_out(maker->node)) continue;
        maker->out_step = concat->out_step;
        in_place[j] = true;
        concat->in_place = in_place;
        l->whole[part] = value;
        l->at[part] = here;
        if (s < l->first[value]) l->first[value] = s;
    }
    return true;
}

static bool join_all(struct tp_plan *plan, struct lives *l, struct tp_arena *arena)
{
    for (int s = 0; s < plan->n_steps; s++)
        if (plan->steps[s].step.node->op == &tp_op_concat &&
            !join_parts(plan, l, &plan->steps[s].step, plan->steps[s].value, arena)) return false;
    return true;
}

/* Whether step s may write over its first input: nobody needs that afterwards and the sizes
 * agree. */
static bool in_place(const struct tp_plan *plan, const struct lives *l, int s)
{
    const struct tp_step *st = &plan->steps[s].step;
    if (!st->node->op->in_place || !st->node->n_inputs) return false;
    int from = l->root[st->node->inputs[0]], to = plan->steps[s].value;
    return plan->values[from].kind == TP_PLACE_NONE && plan->values[to].kind == TP_PLACE_NONE &&
           l->read[from] == s && tp_shape_elements(&st->in[0]) == tp_shape_elements(&st->out);
}

/* One block per workspace root (block_of[value]) and one per step's scratch (scratch_of[step], -1
 * where it needs none). A value written over another shares its block. Returns how many. */
static int make_blocks(struct tp_plan *plan, struct lives *l, struct tp_block *blocks,
                       int *block_of, int *scratch_of)
{
    int n = 0;
    for (int s = 0; s < plan->n_steps; s++) {
        const struct tp_step *st = &plan->steps[s].step;
        int value = plan->steps[s].value;
        scratch_of[s] = -1;
        if (st->scratch_bytes) {
            blocks[n] = (struct tp_block){ .n_bytes = st->scratch_bytes, .first = s, .last = s };
            scratch_of[s] = n++;
        }
        if (plan->values[value].kind != TP_PLACE_NONE || l->whole[value] >= 0) continue;
        if (in_place(plan, l, s)) {
            int block = block_of[l->root[st->node->inputs[0]]];
            if (blocks[block].last < l->read[value]) blocks[block].last = l->read[value];
            block_of[value] = block;
            continue;
        }
        blocks[n] = (struct tp_block){
            .n_bytes = (size_t)tp_shape_elements(&st->out) * sizeof(float),
            .first = l->first[value], .last = l->read[value],
        };
        block_of[value] = n++;
    }
    return n;
}

bool tp_place_values(struct tp_plan *plan, const struct tp_rewrite *rw, int max_inputs,
                     struct tp_err *err)
{
    struct tp_arena *arena = &plan->arena;
    struct lives l;
    size_t n_values = (size_t)rw->n_nodes, n_steps = (size_t)plan->n_steps;
    struct tp_block *blocks = tp_arena_zalloc(arena, 2 * n_steps + 1, sizeof *blocks);
    int *block_of = tp_arena_zalloc(arena, n_values, sizeof *block_of);
    int *scratch_of = tp_arena_zalloc(arena, n_steps + 1, sizeof *scratch_of);
    if (!blocks || !block_of || !scratch_of || !find_lives(&l, plan, rw, arena))
        return tp_arena_fail(arena, err);
    place_fixed(plan, rw);
    place_outputs(plan, &l);
    if (!join_all(plan, &l, arena)) return tp_arena_fail(arena, err);

    int n = make_blocks(plan, &l, blocks, block_of, scratch_of);
    size_t total, pointers = ((size_t)max_inputs * sizeof(void *) + TP_BLOCK_ALIGN - 1) /
                             TP_BLOCK_ALIGN * TP_BLOCK_ALIGN;
    if (!tp_memory_place(blocks, n, &total, arena, err)) return false;
    for (int s = 0; s < plan->n_steps; s++) {
        struct tp_planned *p = &plan->steps[s];
        if (scratch_of[s] >= 0) p->scratch = pointers + blocks[scratch_of[s]].offset;
        if (plan->values[p->value].kind == TP_PLACE_NONE && l.whole[p->value] < 0)
            plan->values[p->value] = (struct tp_place){
                .kind = TP_PLACE_WORKSPACE, .offset = pointers + blocks[block_of[p->value]].offset,
            };
    }
    for (int i = 0; i < rw->n_nodes; i++) {           /* parts of Concats */
        if (l.whole[i] < 0) continue;
        plan->values[i] = plan->values[l.whole[i]];
        plan->values[i].offset += l.at[i];
    }
    for (int i = 0; i < rw->n_nodes; i++)             /* views */
        if (rw->alive[i] && l.root[i] != i) plan->values[i] = plan->values[l.root[i]];
    plan->workspace_bytes = pointers + total;
    return true;
}
