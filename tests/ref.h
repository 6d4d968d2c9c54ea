/* ref.h - the judge: every operator once more, naive, in double precision, sharing nothing with the
 * kernels. Slow and plain on purpose. */
#ifndef REF_H
#define REF_H

#include "graph/graph.h"

/* Computes one node on float inputs of the shapes `in`, result of shape *out (as the operator's own
 * shape function gave it; the loops here derive everything else from the definitions). Includes the
 * node's scale, shift, residual and activation. The result is malloc()ed, the caller's to
 * free(). */
double *ref_node(const struct tp_node *nd, const struct tp_shape *in, float *const *inputs,
                 const struct tp_shape *out);

/* Computes node `index` of a finished graph for an input of shape *input, everything in double from
 * end to end. *shape receives its shape. The caller's to free(). */
double *ref_graph(const struct tp_graph *g, const struct tp_shape *input, const float *data,
                  int index, struct tp_shape *shape);

#endif
