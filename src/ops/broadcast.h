/* broadcast.h - NumPy's broadcasting, shared by the operators that combine maps element by element:
 * axes are matched from the last one backwards, and a size of 1 is repeated. */
#ifndef TP_BROADCAST_H
#define TP_BROADCAST_H

#include "ops/op.h"

enum { TP_PIECE_FLOATS = 2048 };     /* some pieces and their activation stay in the first cache */

/* The walk over an output, made by the plan: its axes joined where all inputs allow it. */
struct tp_broadcast {
    int rank;                        /* at least 1 */
    int64_t dim[TP_MAX_RANK];
    int64_t (*step)[TP_MAX_RANK];    /* [n_inputs]: floats to the next index; 0: the same again */
};

/* A run of outputs along the last axis. */
struct tp_piece {
    const struct tp_step *st;
    const struct tp_io *io;
    int64_t index[TP_MAX_RANK];      /* of its first element */
    float *out;
    int64_t n;                       /* at most TP_PIECE_FLOATS */
};

typedef void tp_piece_fn(const struct tp_piece *p);

/* The shape that all inputs broadcast to. Fails, naming two that do not fit. */
bool tp_broadcast_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                        struct tp_err *err) TP_MUST_USE;

/* st->state becomes the struct tp_broadcast of its inputs. */
bool tp_broadcast_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

/* Calls fn for every piece of the output, on many threads, and applies the node's activation. */
void tp_broadcast_run(const struct tp_step *st, const struct tp_io *io, tp_piece_fn *fn);

/* Where the piece starts in one of its inputs; *step (0 or 1) leads from element to element. */
const float *tp_piece_input(const struct tp_piece *p, int input, int *step);

#endif
