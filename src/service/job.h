/* job.h - a request's work: bytes in, an answer's bytes out. */
#ifndef TP_JOB_H
#define TP_JOB_H

#include "base/buf.h"
#include "formats/dialect.h"
#include "service/clock.h"
#include "service/estimate.h"
#include "service/models.h"

enum tp_job_kind {
    TP_JOB_FEATURES,                 /* a served model's layers */
    TP_JOB_PREPROCESS,               /* the tensor that it would be fed */
    TP_JOB_RUN,                      /* the layers of a pipeline that comes with the input */
};

/* Headers of the request that the work looks at; NULL where they were not sent. */
struct tp_job_headers {
    const char *content_type, *content_encoding, *accept, *accept_encoding;
    const char *json_bytes;          /* Inference-Header-Content-Length */
};

/* Travels from the connection to a worker and back; owned by one thread at a time. */
struct tp_job {
    enum tp_job_kind kind;
    const struct tp_dialect *dialect;            /* the service's own, unless the route says */
    struct tp_served *served;        /* held; NULL for RUN, and until the body has named it */
    struct tp_models *models;        /* where a body's name is looked up; else NULL */
    const struct tp_limits *limits;
    struct tp_options options;       /* the query's words, alive as long as the job */
    struct tp_job_headers headers;
    struct tp_pace *pace;            /* of jobs like this; NULL: nobody learns from it */
    struct tp_share share;           /* of the memory budget: for body, arena and reply */
    struct tp_buf body;
    struct tp_arena arena;           /* everything that lives as long as the job */

    struct tp_err err;               /* filled when it failed */
    struct tp_buf reply;             /* the answer when it did not, */
    struct tp_head head;             /* and what stands before it */
    struct tp_timing timing;
    int n_images;                    /* that the network has seen, or would have */

    int timeout_ms;                  /* 0: none */
    double deadline_ms;              /* where that ends, as tp_clock_ms() counts */
    bool (*wanted)(struct tp_job *job, struct tp_err *err);      /* whether somebody still waits
                                        for it, asked by the worker now and then; NULL: yes */
    void (*lend)(struct tp_job *job);            /* between layers: who has the threads may use them
                                        for something shorter; NULL: nobody does */
    void *lender;
    double lent_ms;                  /* that it took */
    struct tp_estimate estimate;     /* made before it is queued */
    double submitted_ms;             /* tp_clock_ms() */
    double due_ms;                   /* its place in the queue */
    int n_threads;                   /* that it may use, decided when it starts */
    struct tp_job *prev, *next;      /* in the queue */
    void (*done)(struct tp_job *job);            /* called by the worker, last */
    void *owner;
};

/* Room that stays warm between the jobs of one thread. */
struct tp_seat {
    void *memory;                    /* 64-byte aligned */
    size_t n_bytes;
    struct tp_budget *budget;        /* that n_bytes are taken from; NULL: none */
    size_t most_kept;                /* more is given back after a job; 0: a default */
};

void tp_seat_fini(struct tp_seat *seat);

/* An empty job; its memory is limited to what the limits allow one request. */
void tp_job_init(struct tp_job *job, const struct tp_limits *limits);
void tp_job_fini(struct tp_job *job);

/* From here on all it allocates is taken from that budget; the job must not move any more. */
void tp_job_account(struct tp_job *job, struct tp_budget *budget);

/* What it is told whose deadline has passed before anybody began with it. */
void tp_job_expire(struct tp_job *job);

/* Does the work, as long as it is wanted and its deadline has not passed. False: job->err says why.
 * Releases what only the work needed. */
bool tp_job_run(struct tp_job *job, struct tp_seat *seat);

/* Whether the job is so small that handing it to another thread would cost more than doing it; and
 * whether one could be whose body is yet to come, of that length. */
bool tp_job_is_tiny(const struct tp_job *job);
bool tp_job_may_be_tiny(const struct tp_job *job, size_t n_body_bytes);

/* Whether the body is JSON whose first key is "tensor": what is behind it is no image. */
bool tp_job_begins_with_tensor(const struct tp_job *job);

#endif
