/* workers.c - the threads that compute, and the queue before them. */
#include "service/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "ops/parallel.h"

enum { MAX_WORKERS = 16, MAX_BOUND_CPUS = 1024 };

struct worker {
    struct tp_workers *all;
    pthread_t thread;
    pthread_cond_t wake;
    int team;                        /* threads it can use, its own included */
    int *cpus;                       /* [team], where they run; NULL: where the kernel puts them */
    struct tp_job *job;              /* what it works on; NULL: idle */
    struct tp_seat seat;
};

struct tp_workers {
    pthread_mutex_t lock;
    pthread_cond_t calm;             /* a job has ended, or a worker has started */
    struct tp_job *first, *last;     /* the queue */
    int n_queued, n_reserved, n_running, depth;
    int n_threads;                   /* that compute at once */
    int n_free;                      /* threads that no job uses */
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

/* Gives queued jobs to idle workers while threads are free. Holds the lock. */
static void dispatch(struct tp_workers *w)
{
    while (w->first && w->n_free > 0) {
        int share = w->n_free / w->n_queued;
        if (share < 1) share = 1;
        struct worker *k = pick(w, share);
        if (!k) return;
        struct tp_job *job = w->first;
        w->first = job->next;
        if (!w->first) w->last = NULL;
        w->n_queued--;
        w->n_running++;
        job->n_threads = k->team <= share ? k->team : 1;
        w->n_free -= job->n_threads;
        k->job = job;
        pthread_cond_signal(&k->wake);
    }
}

static void *work(void *arg)
{
    struct worker *k = arg;
    struct tp_workers *w = k->all;
    tp_parallel_warm(k->team, k->cpus);
    pthread_mutex_lock(&w->lock);
    w->n_started++;
    pthread_cond_broadcast(&w->calm);
    for (;;) {
        while (!k->job && !w->stop) pthread_cond_wait(&k->wake, &w->lock);
        if (!k->job) break;
        struct tp_job *job = k->job;
        int n_threads = job->n_threads;
        pthread_mutex_unlock(&w->lock);
        tp_job_run(job, &k->seat);                 /* a failure stands in job->err */
        pthread_mutex_lock(&w->lock);
        k->job = NULL;
        w->n_free += n_threads;
        dispatch(w);
        pthread_mutex_unlock(&w->lock);
        job->done(job);                            /* the job is its owner's again */
        pthread_mutex_lock(&w->lock);
        w->n_running--;
        pthread_cond_broadcast(&w->calm);
    }
    pthread_mutex_unlock(&w->lock);
    tp_seat_fini(&k->seat);
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

bool tp_workers_new(struct tp_workers **out, int n_threads, int queue_depth, struct tp_err *err)
{
    struct tp_workers *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->calm, NULL);
    w->depth = queue_depth;
    w->n_free = w->n_threads = n_threads;
    int n = n_threads < MAX_WORKERS ? n_threads : MAX_WORKERS;
    for (int i = 0; i < n; i++) w->workers[i].team = n_threads / (i + 1);
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
    tp_workers_drain(w);
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
    free(w);
}

bool tp_workers_reserve(struct tp_workers *w)
{
    pthread_mutex_lock(&w->lock);
    bool room = w->n_queued + w->n_reserved < w->depth;
    if (room) w->n_reserved++;
    pthread_mutex_unlock(&w->lock);
    return room;
}

void tp_workers_submit(struct tp_workers *w, struct tp_job *job)
{
    job->next = NULL;
    job->submitted_ms = tp_clock_ms();
    pthread_mutex_lock(&w->lock);
    w->n_reserved--;
    if (w->last) w->last->next = job;
    else w->first = job;
    w->last = job;
    w->n_queued++;
    dispatch(w);
    pthread_mutex_unlock(&w->lock);
}

struct tp_workers_load tp_workers_load(struct tp_workers *w)
{
    pthread_mutex_lock(&w->lock);
    const struct tp_workers_load load = { w->n_queued, w->n_running, w->n_threads };
    pthread_mutex_unlock(&w->lock);
    return load;
}

void tp_workers_drain(struct tp_workers *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->n_queued || w->n_reserved || w->n_running) pthread_cond_wait(&w->calm, &w->lock);
    pthread_mutex_unlock(&w->lock);
}
