/* ration.h - no more processor time than a quota gives, spent evenly.
 *
 * A control group that has used up its quota stands still, all of it, until the next period begins:
 * the thread that reads, refuses and answers probes as well. So those that compute rest a little
 * between layers, before it comes to that. */
#ifndef TP_RATION_H
#define TP_RATION_H

#include <pthread.h>
#include <stdatomic.h>

/* Shared by all threads. */
struct tp_ration {
    pthread_mutex_t lock;
    _Atomic double cpus;             /* 0: no quota */
    double wall_ms, used_ms;         /* when it was last looked at, and what was used until then */
    double credit_ms;                /* of processor time; below 0: used before its time */
};

void tp_ration_init(struct tp_ration *r);
void tp_ration_fini(struct tp_ration *r);

/* So many processors from now on; 0: as many as there are. */
void tp_ration_set(struct tp_ration *r, double cpus);

/* Sleeps for as long as the whole process is ahead of its quota, at most a tenth of a second; not
 * at all without one. For threads that compute, whenever they could as well not. */
void tp_ration_wait(struct tp_ration *r);

/* That decision: how long to rest when used_ms of processor time have been used by wall_ms. */
double tp_ration_rest_ms(struct tp_ration *r, double wall_ms, double used_ms);

#endif
