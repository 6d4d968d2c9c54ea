/* queue.h - jobs that wait, in the order in which they should be done.
 *
 * That is not the order in which they came: a job is due some time after it came, the longer the
 * more work it is. So short ones overtake long ones, but nothing is overtaken for ever. Not for
 * several threads at once: the workers' lock guards it. */
#ifndef TP_QUEUE_H
#define TP_QUEUE_H

#include "service/job.h"

struct tp_queue {
    struct tp_job *first, *last;
    int n;
    double ms;                       /* thread-milliseconds of work in all of them */
};

/* When a job of that estimate is due that comes at now_ms; tp_clock_ms()'s time. */
double tp_queue_due(const struct tp_estimate *e, double now_ms);

/* Puts it in its place; job->submitted_ms and job->estimate stand. */
void tp_queue_put(struct tp_queue *q, struct tp_job *job);
void tp_queue_remove(struct tp_queue *q, struct tp_job *job);

/* Thread-milliseconds of work in front of a job that is due then. */
double tp_queue_work_before(const struct tp_queue *q, double due_ms);

/* Takes out those whose deadline has passed: a list by job->next. */
struct tp_job *tp_queue_take_expired(struct tp_queue *q, double now_ms);

#endif
