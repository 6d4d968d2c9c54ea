/* ration.c - no more processor time than a quota gives, spent evenly. */
#include "service/ration.h"

#include <math.h>
#include <time.h>

#include "service/clock.h"

/* What is left of the quota, in processors and in parts of it, whichever is more. The kernel counts
 * in periods that nobody here sees the edges of (100 ms, usually): what falls into one at either
 * end must fit as well. */
static const double MARGIN = 0.02;
static const double MOST_CREDIT_MS = 1;          /* for having rested before */
static const double LEAST_DEBT_MS = 0.5;         /* shorter sleeps would be spent on waking up */
static const double LONGEST_MS = 100;

void tp_ration_init(struct tp_ration *r)
{
    *r = (struct tp_ration){ 0 };
    pthread_mutex_init(&r->lock, NULL);
}

void tp_ration_fini(struct tp_ration *r) { pthread_mutex_destroy(&r->lock); }

void tp_ration_set(struct tp_ration *r, double cpus) { atomic_store(&r->cpus, cpus); }

double tp_ration_rest_ms(struct tp_ration *r, double wall_ms, double used_ms)
{
    const double cpus = atomic_load(&r->cpus);
    const double rate = fmax(cpus - MARGIN * fmax(cpus, 1), cpus / 2);
    if (rate <= 0) return 0;
    pthread_mutex_lock(&r->lock);
    const double credit = r->credit_ms + (wall_ms - r->wall_ms) * rate - (used_ms - r->used_ms);
    r->credit_ms = fmax(-LONGEST_MS * rate, fmin(credit, MOST_CREDIT_MS));
    r->wall_ms = wall_ms;
    r->used_ms = used_ms;
    pthread_mutex_unlock(&r->lock);
    return credit < -LEAST_DEBT_MS ? fmin(-credit / rate, LONGEST_MS) : 0;
}

static double process_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void tp_ration_wait(struct tp_ration *r)
{
    if (atomic_load_explicit(&r->cpus, memory_order_relaxed) <= 0) return;
    const double ms = tp_ration_rest_ms(r, tp_clock_ms(), process_ms());
    const struct timespec rest = { (time_t)(ms / 1e3), (long)(fmod(ms, 1e3) * 1e6) };
    if (ms > 0) nanosleep(&rest, NULL);
}
