/* lower.h - from ONNX's operators to ours, for one input shape.
 *
 * All sizes are known then, so shape arithmetic is plain arithmetic, and layouts are chosen by what
 * is there. A value is kept in whatever order of axes its maker left it (maps: channels last); a
 * Transpose only renames axes, and data move where an operator needs them in another order.
 *
 * Weights are packed and folded once: the first lowering leaves them in the net; later ones only
 * read it, from any thread. */
#ifndef TP_LOWER_H
#define TP_LOWER_H

#include "formats/net.h"
#include "graph/graph.h"

struct tp_lower_want {
    int value;                       /* of the net */
    int node;                        /* out: its place in the graph */
    bool channels_last;              /* out: of rank 4, and [n, h, w, c] there; else in the file's
                                        own order */
};

/* What a lowering learns, for those who list layers. */
struct tp_lower_notes {
    struct tp_shape *shapes;         /* [n_values], in the file's own order; rank -1: not made */
    bool *constant;                  /* [n_values]: does not depend on what is fed */
    enum tp_onnx_type *types;        /* [n_values] */
    int64_t *macs;                   /* [n_nodes], of the whole batch */
};

/* The first lowering, of all nodes: fills every node's `why` that cannot be run. `input` is in the
 * file's own order, whole. Fails where the file is broken rather than beyond
 * us. */
bool tp_lower_first(struct tp_net *net, const struct tp_shape *input, struct tp_lower_notes *notes,
                    const struct tp_limits *limits, struct tp_err *err) TP_MUST_USE;

/* The same of all nodes that can be run, for another input shape; the net is only read. */
bool tp_lower_note(const struct tp_net *net, const struct tp_shape *input,
                   struct tp_lower_notes *notes, const struct tp_limits *limits,
                   struct tp_err *err) TP_MUST_USE;

/* The graph that computes the wanted values; the caller's to free. It borrows the net. Its input
 * (node 0) is [n, h, w, c] where the file's is of rank 4. */
bool tp_lower(struct tp_graph **out, const struct tp_net *net, const struct tp_shape *input,
              struct tp_lower_want *wants, int n_wants, const struct tp_limits *limits,
              struct tp_err *err) TP_MUST_USE;

/* Lets go of the file's bytes: copies what later lowerings may still read. After the first
 * lowering, before other threads see the net. */
bool tp_lower_release(struct tp_net *net, struct tp_err *err) TP_MUST_USE;

/* The input's shape as the graph has it, channels last, and back to the file's own order. */
struct tp_shape tp_lower_input(const struct tp_net *net, const struct tp_shape *file_order);
struct tp_shape tp_lower_file_order(const struct tp_net *net, const struct tp_shape *channels_last);

#endif
