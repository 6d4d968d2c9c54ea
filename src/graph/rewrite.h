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
    int n_nodes;
    int *wanted;                     /* the values that must come out as they are */
    int n_wanted;
};

/* Marks what the wanted values need; nothing else is alive. */
bool tp_rewrite_prune(struct tp_rewrite *rw, struct tp_err *err) TP_MUST_USE;

/* Works out the alive nodes' shapes; shapes[0] is given. */
bool tp_rewrite_shapes(struct tp_rewrite *rw, int64_t max_elements, struct tp_err *err) TP_MUST_USE;

/* Takes identities out and folds into their producer: ZeroPadding into the convolution behind it,
 * then a batch normalization, a residual sum and an activation, each only where no one else reads
 * or wants the value in between. A scale and shift are folded into the epilogue, not into the
 * weights: it costs the same (one fused multiply-add), and packed weights serve every plan of the
 * model. */
bool tp_rewrite_fold(struct tp_rewrite *rw, struct tp_err *err) TP_MUST_USE;

#endif
