/* estimate.h - what a job will cost, told before it is begun from its body's size, its image's
 * header and its model, and corrected by what the jobs before it did cost. */
#ifndef TP_ESTIMATE_H
#define TP_ESTIMATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct tp_job;

/* What was learnt from the jobs of one model. Any thread may read and write it; of two that write
 * at once one is lost. */
struct tp_pace {
    _Atomic double factor;           /* time taken over time expected; 0: none was seen yet */
    _Atomic double usual_ms;         /* of all threads together, lately */
    _Atomic size_t rest_bytes;       /* memory taken besides what body and image account for */
};

struct tp_estimate {
    double ms;                       /* of one thread, or of several together */
    size_t n_bytes;                  /* of memory, besides the body */
    bool known;                      /* something was learnt before */
    double plain_ms;                 /* without that */
    size_t input_bytes;              /* of n_bytes, for what the body is turned into */
};

/* Of a job whose body is there. */
struct tp_estimate tp_estimate_make(const struct tp_job *job);

/* A job that went well has taken ms and n_bytes. job->pace may be NULL: nobody learns. */
void tp_estimate_learn(struct tp_job *job, double ms, size_t n_bytes);

/* The memory alone: of one that was refused some half way, what it would have had with that. */
void tp_estimate_learn_memory(struct tp_job *job, size_t n_bytes);

#endif
