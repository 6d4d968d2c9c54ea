/* fold.h - nodes that become part of what makes their input. */
#ifndef TP_FOLD_H
#define TP_FOLD_H

#include "graph/rewrite.h"

/* Folds into their producer: ZeroPadding into the convolution behind it, then a scale and shift (a
 * batch normalization, arithmetic with constants), a residual sum and an activation, each only
 * where no one else reads or wants the value in between. A scale and shift are folded into the
 * epilogue, not into the weights: it costs the same (one fused multiply-add), and packed weights
 * serve every plan of the model. False when memory is out. */
bool tp_fold_nodes(struct tp_rewrite *rw) TP_MUST_USE;

#endif
