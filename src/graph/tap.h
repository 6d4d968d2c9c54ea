/* tap.h - what is asked of a layer, as nodes behind the graph's own: pooling, joining, unit length,
 * layout. Being nodes, they are fused and placed like any other. */
#ifndef TP_TAP_H
#define TP_TAP_H

#include "graph/rewrite.h"

/* A tap whose layer has been found. */
struct tp_want {
    const struct tp_tap *tap;
    const char *name;                /* of the output; copied */
    int node;                        /* in the graph */
    bool channels_last;              /* a value of rank 4 is [n, h, w, c] there (always, in a
                                        pipeline), else [n, c, h, w] */
};

/* What comes out for a want. */
struct tp_tap_output {
    const char *name;                /* the want's, with ".argmax" behind it for those; "concat"
                                        where wants are joined */
    int want;                        /* the first of those that it answers */
    bool argmax;
};

/* Appends to rw (whose nodes are the graph's so far, those that the wants need alive and of known
 * shapes, shapes[0] the input's) and sets rw->wanted: one value per output, in the order of the
 * wants; an argmax right behind its maxima; no value for joined wants. outputs[i] (in the arena) is
 * of rw->wanted[i]. */
bool tp_tap_append(struct tp_rewrite *rw, const struct tp_want *wants, int n_wants,
                   const struct tp_tap_output **outputs, struct tp_err *err) TP_MUST_USE;

#endif
