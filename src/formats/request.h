/* request.h - a request's body: what is to be fed to the model, and what is asked beside it. */
#ifndef TP_REQUEST_H
#define TP_REQUEST_H

#include "formats/image.h"
#include "formats/options.h"

enum tp_source_kind {
    TP_SOURCE_FILE,                  /* an image file, not yet decoded */
    TP_SOURCE_PIXELS,                /* 8-bit pixels */
    TP_SOURCE_TENSOR,                /* float32, taken as it is */
};

struct tp_source {
    enum tp_source_kind kind;
    const uint8_t *bytes;            /* FILE */
    size_t n_bytes;
    struct tp_image image;           /* PIXELS */
    struct tp_tensor tensor;         /* TENSOR: of the shape that was sent */
};

struct tp_request {
    struct tp_source *sources;       /* in order: a batch; in the arena, like all below */
    int n_sources;
    const char **names;              /* JSON "outputs": layer names and their words */
    struct tp_options *outputs;
    int n_outputs;                   /* 0: not given */
    struct tp_options words;         /* JSON: those beside "outputs" */
    struct tp_json *pipeline_doc;    /* where "pipeline" stands; NULL: none */
    const struct json_t *pipeline;
};

enum tp_request_kind {
    TP_REQUEST_PLAIN,
    TP_REQUEST_CHANNELS_FIRST,       /* for a model whose own layout is [n, c, h, w] */
    TP_REQUEST_WITH_PIPELINE,        /* a pipeline is part of it (POST /v1/run) */
};

/* Reads a body of any form that the contract names, told by its first bytes and `content_type` (may
 * be NULL). `body` must outlive *rq. Values are checked as far as the model is not needed for it.
 * Release with tp_request_fini(). */
bool tp_request_read(struct tp_request *rq, const char *content_type, const void *body,
                     size_t n_bytes, enum tp_request_kind kind, const struct tp_limits *limits,
                     struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;
void tp_request_fini(struct tp_request *rq);

/* The shape that a tensor of shape *given has as the input of a model that takes *wanted, both in
 * the model's own layout ([TP_ANY, ...]): a missing batch axis and a missing channel axis of 1 are
 * put in. */
bool tp_request_fit(const struct tp_shape *given, const struct tp_shape *wanted,
                    bool channels_first, struct tp_shape *fitted, struct tp_err *err) TP_MUST_USE;

#endif
