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
    const char **names;              /* "outputs": layer names and their words */
    struct tp_options *outputs;
    int n_outputs;                   /* 0: not given */
    struct tp_options words;         /* those beside "outputs" */
    struct tp_json *doc;             /* what `pipeline` and the words may point into; NULL: none */
    const struct json_t *pipeline;
    const void *said;                /* what else a protocol keeps for its answer */
};

/* What came, and what its headers said of it. Must outlive the request. */
struct tp_body {
    const void *bytes;
    size_t n_bytes;
    const char *content_type;        /* may be NULL */
    const char *json_bytes;          /* Inference-Header-Content-Length; NULL: not said */
};

/* What a reader fills, and what it may know and use. */
struct tp_intake {
    struct tp_request *rq;           /* empty at first; release with tp_request_fini() */
    const struct tp_model *model;    /* that it is for; NULL: the body names or brings it */
    const struct tp_model *(*find)(void *ctx, const char *name, struct tp_err *err);
    void *ctx;                       /* of find, which may be NULL where `model` is not */
    const struct tp_limits *limits;
    int n_threads;                   /* that reading may use */
    struct tp_arena *arena;
    struct tp_err *err;
};

/* Reads a body of any form that the contract names, told by its first bytes and content_type.
 * Values are checked as far as the model is not needed for it. Without a model a pipeline is part
 * of the body (POST /v1/run). */
bool tp_request_read(struct tp_intake *in, const struct tp_body *body) TP_MUST_USE;
void tp_request_fini(struct tp_request *rq);

/* The shape that a tensor of shape *given has as the input of a model that takes *wanted, both in
 * the model's own layout ([TP_ANY, ...]): a missing batch axis and a missing channel axis of 1 are
 * put in. */
bool tp_request_fit(const struct tp_shape *given, const struct tp_shape *wanted,
                    bool channels_first, struct tp_shape *fitted, struct tp_err *err) TP_MUST_USE;

#endif
