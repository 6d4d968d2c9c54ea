/* job.h - a request's work: bytes in, an answer's bytes out. */
#ifndef TP_JOB_H
#define TP_JOB_H

#include "base/buf.h"
#include "formats/dialect.h"
#include "service/clock.h"
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
    double submitted_ms;             /* tp_clock_ms() */
    int n_threads;                   /* that it may use, decided when it starts */
    struct tp_job *next;             /* in the queue */
    void (*done)(struct tp_job *job);            /* called by the worker, last */
    void *owner;
};

/* Room that stays warm between the jobs of one thread. */
struct tp_seat {
    void *memory;                    /* 64-byte aligned */
    size_t n_bytes;
};

void tp_seat_fini(struct tp_seat *seat);

/* An empty job; its memory is limited to what the limits allow one request. */
void tp_job_init(struct tp_job *job, const struct tp_limits *limits);
void tp_job_fini(struct tp_job *job);

/* Does the work, as long as it is wanted and its deadline has not passed. False: job->err says why.
 * Releases what only the work needed. */
bool tp_job_run(struct tp_job *job, struct tp_seat *seat);

/* Whether the job is so small that handing it to another thread would cost more than doing it. */
bool tp_job_is_tiny(const struct tp_job *job);

#endif
