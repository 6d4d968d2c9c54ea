/* rewrite.h - the same values with fewer steps: what a plan runs instead of what the file says. */
#ifndef TP_REWRITE_H
#define TP_REWRITE_H

#include "graph/graph.h"

/* A plan's own copy of the nodes. Index = value, as in the graph; a node that is not `alive` is not
 * run. Rewriting may change what a node does but never the value that its index stands for. */
struct tp_rewrite {
    struct tp_arena *arena;          /* the plan's */
    struct tp_node *nodes;
    struct tp_shape *shapes;         /* [n_nodes], whole; of the alive nodes */
    bool *alive;
    int n_nodes, capacity;
    int64_t max_elements;            /* of one value */
    int *wanted;                     /* the values that must come out as they are */
    int n_wanted;
};

/* Takes the graph's nodes and an input of shape *input; nothing is wanted yet. */
bool tp_rewrite_init(struct tp_rewrite *rw, const struct tp_graph *g, const struct tp_shape *input,
                     struct tp_err *err) TP_MUST_USE;

/* Marks what the wanted values need; nothing else is alive. */
void tp_rewrite_prune(struct tp_rewrite *rw);

/* Works out the alive nodes' shapes; shapes[0] is given. */
bool tp_rewrite_shapes(struct tp_rewrite *rw, struct tp_err *err) TP_MUST_USE;

/* Adds a copy of *nd (its inputs too) behind the nodes there are, alive and with its shape. *index
 * receives its place. */
bool tp_rewrite_append(struct tp_rewrite *rw, const struct tp_node *nd, int *index,
                       struct tp_err *err) TP_MUST_USE;

/* Makes the steps fewer: drops moves that move nothing (moves.h), recognises what exporters write
 * as several nodes (patterns.h), takes identities out, folds nodes into their producers
 * (fold.h). */
bool tp_rewrite_run(struct tp_rewrite *rw, struct tp_err *err) TP_MUST_USE;

/* Readers of every value, a wanted one counting as read once more. NULL when memory is out. */
int *tp_rewrite_uses(const struct tp_rewrite *rw);

#endif
