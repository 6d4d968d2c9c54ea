/* workers.h - the threads that compute, and the queue before them.
 *
 * Each worker owns one OpenMP team for good: a lone job gets the worker with the largest team,
 * several get smaller ones, and never are more threads busy than the process has processors. Team
 * sizes are total / 1, total / 2, total / 3, ...; a worker runs a job with its whole team or alone,
 * since libgomp ends and creates threads whenever a caller's team changes its size. */
#ifndef TP_WORKERS_H
#define TP_WORKERS_H

#include "service/job.h"

struct tp_workers;

struct tp_workers_options {
    int n_threads;                   /* that compute at once */
    int queue_depth;                 /* jobs that may wait, */
    double queue_ms;                 /* each for at most so long, by estimate; 0: any time */
    struct tp_budget *budget;        /* of the jobs' memory; NULL: none */
};

/* Starts the workers and their teams. */
bool tp_workers_new(struct tp_workers **out, const struct tp_workers_options *options,
                    struct tp_err *err) TP_MUST_USE;

/* Waits for all accepted jobs, then ends the threads. NULL is fine. */
void tp_workers_free(struct tp_workers *w);

/* So many threads may compute at once from now on, at least 1 and never more than it was started
 * with: jobs at work go on with theirs. All together use no more than so many processors (0: what
 * they like), see ration.h. Returns how many threads that are. */
int tp_workers_allow(struct tp_workers *w, int n_threads, double cpus);

/* Whether there is a place in the queue, and how long one would wait there. */
enum tp_place {
    TP_PLACE_FREE,
    TP_PLACE_NONE,                   /* as many jobs wait as may */
    TP_PLACE_LONG,                   /* the wait would be longer than it may */
    TP_PLACE_LATE,                   /* than the job's deadline allows */
};
struct tp_wait {
    enum tp_place place;
    double ms;                       /* until a worker would begin, by estimate */
};

/* Makes job->estimate and keeps a place for the job, if there is one, for tp_workers_submit(). */
struct tp_wait tp_workers_reserve(struct tp_workers *w, struct tp_job *job) TP_MUST_USE;

/* What a job of that much work would be told that came now. */
struct tp_wait tp_workers_ask(struct tp_workers *w, double ms);

/* Hands a job over; a worker will call job->done(). */
void tp_workers_submit(struct tp_workers *w, struct tp_job *job);

/* What it has to do at this moment. */
struct tp_workers_load { int n_queued, n_running, n_threads; double wait_ms; };
struct tp_workers_load tp_workers_load(struct tp_workers *w);

/* Waits until no job is queued or running, at most until tp_clock_ms() is that. False: some are. */
bool tp_workers_drain(struct tp_workers *w, double deadline_ms);

#endif
