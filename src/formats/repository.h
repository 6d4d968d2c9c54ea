/* repository.h - the model repository's documents, in the words of Triton's extensions of the Open
 * Inference Protocol: index, load, unload, statistics. */
#ifndef TP_REPOSITORY_H
#define TP_REPOSITORY_H

#include "base/buf.h"

enum tp_model_state {
    TP_MODEL_READY, TP_MODEL_LOADING, TP_MODEL_UNLOADING, TP_MODEL_UNAVAILABLE,
};

struct tp_index_line {
    const char *name;
    enum tp_model_state state;
    const char *reason;              /* "" where there is nothing to tell */
};

struct tp_duration {                 /* of `count` requests together */
    uint64_t count, ns;
};

struct tp_batch_figures {            /* of the requests of one size */
    int64_t size;
    struct tp_duration input, infer, output;
};

enum { TP_FIGURES_BATCHES = 32 };    /* distinct sizes that are told apart */

/* What a model has done. */
struct tp_figures {
    int64_t last_ms;                 /* since 1970; 0: nothing yet */
    uint64_t n_images, n_requests;   /* that were answered */
    struct tp_duration success, fail, queue, input, infer, output;
    struct tp_batch_figures batches[TP_FIGURES_BATCHES];     /* by size */
    int n_batches;
};

/* Each reads a request's body; an empty one (n_bytes 0) asks for the defaults. */

/* POST /v2/repository/index: {"ready": true} asks for those alone that can be used. */
bool tp_repository_read_index(const char *text, size_t n_bytes, bool *ready_only,
                              struct tp_err *err) TP_MUST_USE;

/* POST /v2/repository/models/{m}/load: fails on "config" and "file:..." among the parameters, since
 * models come from the folder alone; others mean nothing here. */
bool tp_repository_read_load(const char *text, size_t n_bytes, struct tp_err *err) TP_MUST_USE;

/* POST .../unload: "unload_dependents" is accepted; no model depends on another. */
bool tp_repository_read_unload(const char *text, size_t n_bytes, struct tp_err *err) TP_MUST_USE;

/* One element of the index's array. */
void tp_repository_write_line(struct tp_buf *b, const struct tp_index_line *line);

/* One element of "model_stats". n_bytes: the memory that the model takes; 0: not known. */
void tp_repository_write_figures(struct tp_buf *b, const char *name, const struct tp_figures *f,
                                 size_t n_bytes);

#endif
