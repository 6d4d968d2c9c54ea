/* queue.c - jobs that wait, in the order in which they should be done. */
#include "service/queue.h"

static const double AGING = 2;       /* ms that others may overtake, for each ms of work */

double tp_queue_due(const struct tp_estimate *e, double now_ms) { return now_ms + AGING * e->ms; }

/* From the end: most jobs are like those before them. */
void tp_queue_put(struct tp_queue *q, struct tp_job *job)
{
    struct tp_job *before = q->last;
    job->due_ms = tp_queue_due(&job->estimate, job->submitted_ms);
    while (before && before->due_ms > job->due_ms) before = before->prev;
    job->prev = before;
    job->next = before ? before->next : q->first;
    *(job->next ? &job->next->prev : &q->last) = job;
    *(before ? &before->next : &q->first) = job;
    q->n++;
    q->ms += job->estimate.ms;
}

void tp_queue_remove(struct tp_queue *q, struct tp_job *job)
{
    *(job->next ? &job->next->prev : &q->last) = job->prev;
    *(job->prev ? &job->prev->next : &q->first) = job->next;
    job->next = job->prev = NULL;
    q->ms = --q->n ? q->ms - job->estimate.ms : 0;           /* and what rounding left with it */
}

double tp_queue_work_before(const struct tp_queue *q, double due_ms)
{
    double ms = q->ms;
    for (const struct tp_job *j = q->last; j && j->due_ms > due_ms; j = j->prev)
        ms -= j->estimate.ms;
    return ms > 0 ? ms : 0;
}

struct tp_job *tp_queue_take_expired(struct tp_queue *q, double now_ms)
{
    struct tp_job *expired = NULL, *next;
    for (struct tp_job *j = q->first; j; j = next) {
        next = j->next;
        if (!j->timeout_ms || now_ms <= j->deadline_ms) continue;
        tp_queue_remove(q, j);
        j->next = expired;
        expired = j;
    }
    return expired;
}
