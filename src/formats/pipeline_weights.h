/* pipeline_weights.h - the weights of a pipeline's layers: inline, flat, or from a file. */
#ifndef TP_PIPELINE_WEIGHTS_H
#define TP_PIPELINE_WEIGHTS_H

#include "formats/pipeline.h"
#include "formats/fields.h"

struct tp_pipeline_weights {                  /* where weights come from and go to */
    const struct tp_weight_source *source;       /* NULL: inline only */
    const struct tp_limits *limits;
    struct tp_arena *arena;
};

/* Reads the required field `key`: nested numbers, {"shape": [..], "data": [flat]}, or {"file":
 * "..", "tensor": ".."}. Its shape must be exactly *expected, whose axes `axes` explains in
 * messages ("input channels, units"); every number must be finite. */
bool tp_pipeline_weights_read(const struct tp_pipeline_weights *from, const struct tp_fields *f,
                              const char *key, const struct tp_shape *expected, const char *axes,
                              const float **out, struct tp_err *err) TP_MUST_USE;

#endif
