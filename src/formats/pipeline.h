/* pipeline.h - pipelines: small networks as JSON in Keras's words (api/pipeline.schema.json). */
#ifndef TP_PIPELINE_H
#define TP_PIPELINE_H

#include <jansson.h>

#include "formats/json.h"
#include "graph/graph.h"

/* Weights that a pipeline names by file come from here: returns false (err filled) where that is
 * not allowed or not there. The tensor goes into `arena`. */
struct tp_weight_source {
    bool (*read)(void *ctx, const char *file, const char *tensor, struct tp_tensor *out,
                 struct tp_arena *arena, struct tp_err *err);
    void *ctx;
};

/* Reads the pipeline that `value` (a part of doc) describes into a finished graph (weights packed
 * for the chosen kernels), which is the caller's to tp_graph_free(). `default_name` is used when it
 * has no "name". `weights` may be NULL: only inline weights then. Every message names the layer,
 * the field and what would be right. */
bool tp_pipeline_read(struct tp_graph **out, const struct tp_json *doc, const json_t *value,
                      const char *default_name, const struct tp_weight_source *weights,
                      const struct tp_limits *limits, struct tp_err *err) TP_MUST_USE;

/* The same from text. */
bool tp_pipeline_parse(struct tp_graph **out, const char *text, size_t n_bytes,
                       const char *default_name, const struct tp_weight_source *weights,
                       const struct tp_limits *limits, struct tp_err *err) TP_MUST_USE;

#endif
