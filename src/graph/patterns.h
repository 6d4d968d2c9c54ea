/* patterns.h - activations that exporters write as several nodes. */
#ifndef TP_PATTERNS_H
#define TP_PATTERNS_H

#include "graph/rewrite.h"

/* Makes the last node of every such pattern one Activation of the pattern's input: Swish,
 * HardSwish, HardSigmoid, Gelu (by erf, by tanh), Mish. The nodes before it stay as they are, for
 * those that want them. False when memory is out. */
bool tp_patterns_find(struct tp_rewrite *rw) TP_MUST_USE;

#endif
