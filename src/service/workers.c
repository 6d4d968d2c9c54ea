/* workers.c - the threads that compute, and the queue before them. */
#include "service/workers.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cpu.h"
#include "ops/parallel.h"
#include "service/queue.h"
#include "service/ration.h"

enum {
    MAX_WORKERS = 16,
    MAX_BOUND_CPUS = 1024,
    NICE = 5,                        /* behind the thread that reads and refuses: both on the one
                                        processor, at ten times the load there is time for, 99 %
                                        of refusals went out in 3 to 16 ms, without it 52 to 164 */
    PATIENCE_MS = 500,               /* of a job for memory, before it lets no other pass */
    LONG_MS = 100,                   /* of work: such a job lets short ones pass between layers */
    SHORT = 8,                       /* a job is short beside one that is so many times as long */
    SEATS_PART = 8,                  /* of the budget: what seats may keep between jobs */
};

struct worker {
    struct tp_workers *all;
    pthread_t thread;
    pthread_cond_t wake;
    int team;                        /* threads it can use, its own included */
    int *cpus;                       /* [team], where they run; NULL: where the kernel puts them */
    struct tp_job *job;              /* what it works on; NULL: idle */
    double begun_ms;                 /* that */
    struct tp_seat seat;
    struct tp_seat spare;            /* for a job that runs between the layers of another */
};

struct tp_workers {
    pthread_mutex_t lock;
    pthread_cond_t calm;             /* a job has ended, or a worker has started */
    struct tp_workers_options options;
    struct tp_queue queue;
    struct tp_ration ration;
    int n_reserved, n_running;
    int n_allowed;                   /* threads that may compute at once */
    int n_free;                      /* of those, that no job uses; below 0 when fewer are allowed
                                        than are at work */
    int n_started;
    bool stop;
    int n_workers;
    struct worker workers[MAX_WORKERS];
};

/* The idle worker with the largest team of at most `share` threads, else any idle one: it will run
 * alone. The one with the smallest team then, so that larger ones stay for later. */
static struct worker *pick(struct tp_workers *w, int share)
{
    struct worker *fits = NULL, *any = NULL;
    for (int i = 0; i < w->n_workers; i++) {
        struct worker *k = &w->workers[i];
        if (k->job) continue;
        any = k;                                   /* teams shrink with i */
        if (!fits && k->team <= share) fits = k;
    }
    return fits ? fits : any;
}

/* The first job of the queue whose memory is to be had; the very first if nothing runs, since
 * nothing would make room for it then. Holds the lock. */
static struct tp_job *next_job(struct tp_workers *w)
{
    const size_t most = tp_budget_most(w->options.budget);
    const double now = tp_clock_ms();
    for (struct tp_job *job = w->queue.first; job; job = job->next) {
        const size_t n_bytes = job->estimate.n_bytes < most ? job->estimate.n_bytes : most;
        if (tp_share_reserve(&job->share, n_bytes) || !w->n_running) return job;
        if (now > job->submitted_ms + PATIENCE_MS) return NULL;
    }
    return NULL;
}

static void take(struct tp_workers *w, struct tp_job *job)
{
    tp_queue_remove(&w->queue, job);
    job->share.refused_bytes = 0;
    w->n_running++;
}

/* Gives queued jobs to idle workers while threads are free. Holds the lock. */
static void dispatch(struct tp_workers *w)
{
    while (w->queue.n && w->n_free > 0) {
        int share = w->n_free / w->queue.n;
        if (share < 1) share = 1;
        struct worker *k = pick(w, share);
        struct tp_job *job = k ? next_job(w) : NULL;
        if (!job) return;
        take(w, job);
        job->n_threads = k->team <= share ? k->team : 1;
        w->n_free -= job->n_threads;
        k->job = job;
        k->begun_ms = tp_clock_ms();
        pthread_cond_signal(&k->wake);
    }
}

/* Gives a job back to its owner, then its memory and its place to those that wait. The lock is held
 * before and after. */
static void hand_back(struct tp_workers *w, struct tp_job *job)
{
    pthread_mutex_unlock(&w->lock);
    job->done(job);                                /* it is not ours from here on */
    pthread_mutex_lock(&w->lock);
    w->n_running--;
    dispatch(w);
    pthread_cond_broadcast(&w->calm);
}

/* Runs it, and gives it back. The lock is held before and after. */
static void run_job(struct worker *k, struct tp_job *job, struct tp_seat *seat)
{
    struct tp_workers *w = k->all;
    const int n_threads = job->n_threads;
    pthread_mutex_unlock(&w->lock);
    tp_ration_wait(&w->ration);
    tp_job_run(job, seat);                         /* a failure stands in job->err */
    pthread_mutex_lock(&w->lock);
    if (job == k->job) {
        k->job = NULL;
        w->n_free += n_threads;
        dispatch(w);
    }
    hand_back(w, job);
}

/* Tells those that waited in vain. The lock is held before and after. */
static void end_expired(struct tp_workers *w)
{
    struct tp_job *next, *job = tp_queue_take_expired(&w->queue, tp_clock_ms());
    for (; job; job = next) {
        next = job->next;
        job->next = NULL;
        w->n_running++;                            /* until its owner knows */
        tp_job_expire(job);
        hand_back(w, job);
    }
}

/* A job known to be short that no thread is free for, where `long_job` has had its own way for as
 * long as it has let others pass. Holds the lock. */
static struct tp_job *short_job(struct worker *k, const struct tp_job *long_job)
{
    struct tp_workers *w = k->all;
    const double so_far = (tp_clock_ms() - k->begun_ms - long_job->lent_ms) * long_job->n_threads;
    const double length = so_far > long_job->estimate.ms ? so_far : long_job->estimate.ms;
    struct tp_job *job = w->n_free > 0 || !w->queue.n || length < LONG_MS ? NULL : next_job(w);
    if (!job || !job->estimate.known || job->estimate.ms * SHORT > length) return NULL;
    return long_job->lent_ms * long_job->n_threads <= so_far ? job : NULL;
}

/* Called by the job that the worker runs, between two of its layers. */
static void lend(struct tp_job *long_job)
{
    struct worker *k = long_job->lender;
    struct tp_workers *w = k->all;
    struct tp_job *job;
    tp_ration_wait(&w->ration);
    pthread_mutex_lock(&w->lock);
    end_expired(w);
    while ((job = short_job(k, long_job))) {
        const double start_ms = tp_clock_ms();
        take(w, job);
        job->n_threads = long_job->n_threads;
        run_job(k, job, &k->spare);
        long_job->lent_ms += tp_clock_ms() - start_ms;
    }
    pthread_mutex_unlock(&w->lock);
}

static void *work(void *arg)
{
    struct worker *k = arg;
    struct tp_workers *w = k->all;
    setpriority(PRIO_PROCESS, 0, NICE);            /* of this thread, and those it will start */
    tp_parallel_warm(k->team, k->cpus);
    pthread_mutex_lock(&w->lock);
    w->n_started++;
    pthread_cond_broadcast(&w->calm);
    for (;;) {
        while (!k->job && !w->stop) pthread_cond_wait(&k->wake, &w->lock);
        if (!k->job) break;
        k->job->lend = lend;
        k->job->lender = k;
        run_job(k, k->job, &k->seat);
        end_expired(w);
    }
    pthread_mutex_unlock(&w->lock);
    tp_seat_fini(&k->seat);
    tp_seat_fini(&k->spare);
    return NULL;
}

/* Binds teams to processors where the process has all that it may use for itself. Not under a
 * quota: a container with 2 of 64 processors must not sit on the same two as its neighbours. Worker
 * 0, which has all, starts on the last one; the others lie one behind the other, so that two of
 * them meet late. */
static bool choose_cpus(struct tp_workers *w, int n_workers, int n_threads)
{
    int allowed[MAX_BOUND_CPUS], start = 0;
    if (tp_cpu_allowed(allowed, MAX_BOUND_CPUS) != n_threads || n_threads > MAX_BOUND_CPUS)
        return true;
    for (int i = 0; i < n_workers; i++) {
        struct worker *k = &w->workers[i];
        k->cpus = calloc((size_t)k->team, sizeof *k->cpus);
        if (!k->cpus) return false;
        for (int t = 0; t < k->team; t++)
            k->cpus[t] = allowed[(i ? start + t : n_threads - 1 + t) % n_threads];
        if (i) start += k->team;
    }
    return true;
}

static void init_seats(struct worker *k, const struct tp_workers_options *o, int n_workers)
{
    k->seat.budget = k->spare.budget = o->budget;
    if (o->budget && o->budget->limit_bytes)
        k->seat.most_kept = k->spare.most_kept =
            o->budget->limit_bytes / SEATS_PART / (2 * (size_t)n_workers);
}

bool tp_workers_new(struct tp_workers **out, const struct tp_workers_options *options,
                    struct tp_err *err)
{
    const int n_threads = options->n_threads;
    pthread_condattr_t monotonic;
    struct tp_workers *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    pthread_mutex_init(&w->lock, NULL);
    tp_ration_init(&w->ration);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->calm, &monotonic);
    pthread_condattr_destroy(&monotonic);
    w->options = *options;
    w->n_free = w->n_allowed = n_threads;
    int n = n_threads < MAX_WORKERS ? n_threads : MAX_WORKERS;
    for (int i = 0; i < n; i++) {
        w->workers[i].team = n_threads / (i + 1);
        init_seats(&w->workers[i], options, n);
    }
    if (!choose_cpus(w, n, n_threads)) {
        tp_workers_free(w);
        return tp_fail(err, TP_NO_MEMORY, "out of memory");
    }
    for (int i = 0; i < n; i++) {
        struct worker *k = &w->workers[i];
        k->all = w;
        pthread_cond_init(&k->wake, NULL);
        int failed = pthread_create(&k->thread, NULL, work, k);
        if (failed) {
            tp_fail(err, TP_NO_MEMORY, "cannot start compute thread %d of %d: %s", i + 1, n,
                    strerror(failed));
            tp_workers_free(w);
            return false;
        }
        w->n_workers++;
    }
    pthread_mutex_lock(&w->lock);
    while (w->n_started < n) pthread_cond_wait(&w->calm, &w->lock);
    pthread_mutex_unlock(&w->lock);
    *out = w;
    return true;
}

void tp_workers_free(struct tp_workers *w)
{
    if (!w) return;
    tp_workers_drain(w, INFINITY);
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    for (int i = 0; i < w->n_workers; i++) pthread_cond_signal(&w->workers[i].wake);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->n_workers; i++) {
        pthread_join(w->workers[i].thread, NULL);
        pthread_cond_destroy(&w->workers[i].wake);
    }
    for (int i = 0; i < MAX_WORKERS; i++) free(w->workers[i].cpus);
    pthread_cond_destroy(&w->calm);
    pthread_mutex_destroy(&w->lock);
    tp_ration_fini(&w->ration);
    free(w);
}

int tp_workers_allow(struct tp_workers *w, int n_threads, double cpus)
{
    tp_ration_set(&w->ration, cpus);
    pthread_mutex_lock(&w->lock);
    int n = n_threads < w->options.n_threads ? n_threads : w->options.n_threads;
    if (n < 1) n = 1;
    w->n_free += n - w->n_allowed;
    w->n_allowed = n;
    dispatch(w);
    pthread_mutex_unlock(&w->lock);
    return n;
}

/* Thread-milliseconds that the jobs at work still need. Holds the lock. */
static double work_left(const struct tp_workers *w, double now)
{
    double ms = 0;
    for (int i = 0; i < w->n_workers; i++) {
        const struct worker *k = &w->workers[i];
        if (!k->job) continue;
        const double left = k->job->estimate.ms - (now - k->begun_ms) * k->job->n_threads;
        if (left > 0) ms += left;
    }
    return ms;
}

/* Until a job that is due then would begin. Holds the lock. */
static double wait_of(const struct tp_workers *w, double due_ms, double now)
{
    if (!w->queue.n && w->n_free > 0) return 0;
    return (tp_queue_work_before(&w->queue, due_ms) + work_left(w, now)) / w->n_allowed;
}

static enum tp_place place_of(const struct tp_workers *w, double wait_ms)
{
    const struct tp_workers_options *o = &w->options;
    if (w->queue.n + w->n_reserved >= o->queue_depth) return TP_PLACE_NONE;
    return o->queue_ms > 0 && wait_ms > o->queue_ms ? TP_PLACE_LONG : TP_PLACE_FREE;
}

struct tp_wait tp_workers_reserve(struct tp_workers *w, struct tp_job *job)
{
    const double now = tp_clock_ms();
    job->estimate = tp_estimate_make(job);
    pthread_mutex_lock(&w->lock);
    struct tp_wait wait = { .ms = wait_of(w, tp_queue_due(&job->estimate, now), now) };
    wait.place = place_of(w, wait.ms);
    const bool passed = job->timeout_ms && now > job->deadline_ms;     /* the worker tells */
    if (wait.place == TP_PLACE_FREE && job->timeout_ms && !passed &&
        now + wait.ms > job->deadline_ms)
        wait.place = TP_PLACE_LATE;
    if (wait.place == TP_PLACE_FREE) w->n_reserved++;
    pthread_mutex_unlock(&w->lock);
    return wait;
}

struct tp_wait tp_workers_ask(struct tp_workers *w, double ms)
{
    const double now = tp_clock_ms();
    const struct tp_estimate e = { .ms = ms };
    pthread_mutex_lock(&w->lock);
    struct tp_wait wait = { .ms = wait_of(w, tp_queue_due(&e, now), now) };
    wait.place = place_of(w, wait.ms);
    pthread_mutex_unlock(&w->lock);
    return wait;
}

void tp_workers_submit(struct tp_workers *w, struct tp_job *job)
{
    job->submitted_ms = tp_clock_ms();
    pthread_mutex_lock(&w->lock);
    w->n_reserved--;
    tp_queue_put(&w->queue, job);
    dispatch(w);
    pthread_mutex_unlock(&w->lock);
}

struct tp_workers_load tp_workers_load(struct tp_workers *w)
{
    const double now = tp_clock_ms();
    pthread_mutex_lock(&w->lock);
    const struct tp_workers_load load = { w->queue.n, w->n_running, w->n_allowed,
                                          wait_of(w, INFINITY, now) };
    pthread_mutex_unlock(&w->lock);
    return load;
}

bool tp_workers_drain(struct tp_workers *w, double deadline_ms)
{
    const bool bounded = isfinite(deadline_ms);
    const struct timespec until = { (time_t)(bounded ? deadline_ms / 1e3 : 0),
                                    (long)(bounded ? fmod(deadline_ms, 1e3) * 1e6 : 0) };
    pthread_mutex_lock(&w->lock);
    while ((w->queue.n || w->n_reserved || w->n_running) && tp_clock_ms() < deadline_ms) {
        if (bounded) pthread_cond_timedwait(&w->calm, &w->lock, &until);
        else pthread_cond_wait(&w->calm, &w->lock);
    }
    const bool calm = !w->queue.n && !w->n_reserved && !w->n_running;
    pthread_mutex_unlock(&w->lock);
    return calm;
}
