/* rewrite.c - the same values with fewer steps. */
#include "graph/rewrite.h"

#include <string.h>

#include "graph/fold.h"
#include "graph/moves.h"
#include "graph/patterns.h"

enum { FIRST_NODES = 16 };

/* Gives the arrays room for `capacity` nodes; the old ones stay in the arena until it goes. */
static bool reserve(struct tp_rewrite *rw, int capacity)
{
    size_t n = (size_t)rw->n_nodes;
    struct tp_node *nodes = tp_arena_zalloc(rw->arena, (size_t)capacity, sizeof *nodes);
    struct tp_shape *shapes = tp_arena_zalloc(rw->arena, (size_t)capacity, sizeof *shapes);
    bool *alive = tp_arena_zalloc(rw->arena, (size_t)capacity, sizeof *alive);
    if (!nodes || !shapes || !alive) return false;
    if (n) {
        memcpy(nodes, rw->nodes, n * sizeof *nodes);
        memcpy(shapes, rw->shapes, n * sizeof *shapes);
        memcpy(alive, rw->alive, n * sizeof *alive);
    }
    rw->nodes = nodes;
    rw->shapes = shapes;
    rw->alive = alive;
    rw->capacity = capacity;
    return true;
}

bool tp_rewrite_init(struct tp_rewrite *rw, const struct tp_graph *g, const struct tp_shape *input,
                     struct tp_err *err)
{
    if (!reserve(rw, g->n_nodes + FIRST_NODES)) return tp_arena_fail(rw->arena, err);
    memcpy(rw->nodes, g->nodes, (size_t)g->n_nodes * sizeof *rw->nodes);
    rw->n_nodes = g->n_nodes;
    rw->shapes[0] = *input;
    return true;
}

void tp_rewrite_prune(struct tp_rewrite *rw)
{
    memset(rw->alive, 0, (size_t)rw->n_nodes * sizeof *rw->alive);
    for (int i = 0; i < rw->n_wanted; i++) rw->alive[rw->wanted[i]] = true;
    for (int i = rw->n_nodes - 1; i >= 0; i--)
        for (int j = 0; rw->alive[i] && j < rw->nodes[i].n_inputs; j++)
            rw->alive[rw->nodes[i].inputs[j]] = true;
}

/* in: room for the shapes of nd's inputs. */
static bool infer(const struct tp_rewrite *rw, const struct tp_node *nd, struct tp_shape *in,
                  struct tp_shape *out, struct tp_err *err)
{
    for (int j = 0; j < nd->n_inputs; j++) in[j] = rw->shapes[nd->inputs[j]];
    return nd->op->shape(nd, in, out, err) && tp_shape_check(out, rw->max_elements, nd->name, err);
}

bool tp_rewrite_shapes(struct tp_rewrite *rw, struct tp_err *err)
{
    int most = 1;
    for (int i = 0; i < rw->n_nodes; i++)
        if (rw->nodes[i].n_inputs > most) most = rw->nodes[i].n_inputs;
    struct tp_shape *in = tp_arena_zalloc(rw->arena, (size_t)most, sizeof *in);
    if (!in) return tp_arena_fail(rw->arena, err);
    for (int i = 1; i < rw->n_nodes; i++)
        if (rw->alive[i] && !infer(rw, &rw->nodes[i], in, &rw->shapes[i], err)) return false;
    return true;
}

bool tp_rewrite_append(struct tp_rewrite *rw, const struct tp_node *nd, int *index,
                       struct tp_err *err)
{
    size_t n_inputs = (size_t)nd->n_inputs;
    int *inputs = tp_arena_zalloc(rw->arena, n_inputs, sizeof *inputs);
    struct tp_shape *in = tp_arena_zalloc(rw->arena, n_inputs + 1, sizeof *in);
    if (!inputs || !in || (rw->n_nodes == rw->capacity && !reserve(rw, 2 * rw->capacity)))
        return tp_arena_fail(rw->arena, err);
    for (size_t j = 0; j < n_inputs; j++) inputs[j] = nd->inputs[j];
    rw->nodes[rw->n_nodes] = *nd;
    rw->nodes[rw->n_nodes].inputs = inputs;
    if (!infer(rw, nd, in, &rw->shapes[rw->n_nodes], err)) return false;
    rw->alive[rw->n_nodes] = true;
    *index = rw->n_nodes++;
    return true;
}

int *tp_rewrite_uses(const struct tp_rewrite *rw)
{
    int *uses = tp_arena_zalloc(rw->arena, (size_t)rw->n_nodes, sizeof *uses);
    if (!uses) return NULL;
    for (int i = 0; i < rw->n_nodes; i++)
        for (int j = 0; rw->alive[i] && j < rw->nodes[i].n_inputs; j++)
            uses[rw->nodes[i].inputs[j]]++;
    for (int i = 0; i < rw->n_wanted; i++) uses[rw->wanted[i]]++;
    return uses;
}

/* What stands behind a chain of identities. */
static int behind_identities(const struct tp_rewrite *rw, int value)
{
    while (rw->nodes[value].op == &tp_op_identity) value = rw->nodes[value].inputs[0];
    return value;
}

/* Lets every reader of an Identity read what the Identity reads. */
static bool skip_identities(struct tp_rewrite *rw)
{
    for (int i = 0; i < rw->n_nodes; i++) {
        struct tp_node *nd = &rw->nodes[i];
        bool any = false;
        for (int j = 0; rw->alive[i] && j < nd->n_inputs; j++)
            any |= rw->nodes[nd->inputs[j]].op == &tp_op_identity;
        if (!any) continue;
        int *inputs = tp_arena_alloc(rw->arena, (size_t)nd->n_inputs * sizeof *inputs);
        if (!inputs) return false;
        for (int j = 0; j < nd->n_inputs; j++) inputs[j] = behind_identities(rw, nd->inputs[j]);
        nd->inputs = inputs;
    }
    return true;
}

/* Patterns are sought behind the identities that moves leave, and these among others' identities. A
 * wanted identity stays, and is a view. */
bool tp_rewrite_run(struct tp_rewrite *rw, struct tp_err *err)
{
    if (!skip_identities(rw) || !tp_moves_drop(rw) || !skip_identities(rw) ||
        !tp_patterns_find(rw))
        return tp_arena_fail(rw->arena, err);
    tp_rewrite_prune(rw);
    return tp_fold_nodes(rw) || tp_arena_fail(rw->arena, err);
}
