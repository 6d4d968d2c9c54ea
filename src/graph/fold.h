/* fold.h - nodes that become part of what makes their input. */
#ifndef TP_FOLD_H
#define TP_FOLD_H

#include "graph/rewrite.h"

/* Folds into their producer: ZeroPadding and a scaling by channel that is computed (squeeze and
 * excitation) into the convolution behind them, then a scale and shift (a batch normalization,
 * arithmetic with constants), a residual sum, an activation and maxima of 2x2 pixels, each only
 * where no one else reads or wants the value in between. A scale and shift are folded into the
 * epilogue, not into the weights: it costs the same (one fused multiply-add), and packed weights
 * serve every plan of the model. False when memory is out. */
bool tp_fold_nodes(struct tp_rewrite *rw) TP_MUST_USE;

#endif
