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

/* Starts the workers and their teams: n_threads compute at once, at most queue_depth jobs wait. */
bool tp_workers_new(struct tp_workers **out, int n_threads, int queue_depth,
                    struct tp_err *err) TP_MUST_USE;

/* Waits for all accepted jobs, then ends the threads. NULL is fine. */
void tp_workers_free(struct tp_workers *w);

/* Keeps a place in the queue for one job. False: full. A kept place is used by
 * tp_workers_submit(). */
bool tp_workers_reserve(struct tp_workers *w) TP_MUST_USE;

/* Hands a job over; a worker will call job->done(). */
void tp_workers_submit(struct tp_workers *w, struct tp_job *job);

/* What it has to do at this moment. */
struct tp_workers_load { int n_queued, n_running, n_threads; };
struct tp_workers_load tp_workers_load(struct tp_workers *w);

/* Waits until no job is queued or running. */
void tp_workers_drain(struct tp_workers *w);

#endif
