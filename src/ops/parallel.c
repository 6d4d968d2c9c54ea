/* parallel.c - the one parallel loop. */
#include "ops/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/cpu.h"

#ifdef _OPENMP
#include <omp.h>
#else                                /* fuzzers: one thread does everything */
static int omp_get_thread_num(void) { return 0; }
static int omp_get_num_threads(void) { return 1; }
#endif

/* Starting and joining two threads takes 3 us while they spin, 20 us when they sleep. A thread that
 * is to pay for itself needs some 20 us of work. Callers give multiply-adds, or for loops that only
 * move data the floats moved times four. */
static int64_t grain = 1 << 18;

static int most;                     /* 0: not asked yet */

int tp_parallel_most(void)
{
    if (!most) most = tp_cpu_count();
    return most;
}

void tp_parallel_set_most(int n_threads) { most = n_threads; }

void tp_parallel_set_grain(int64_t work_per_thread)
{
    grain = work_per_thread;
}

/* ---- a team that waits for loops ------------------------------------------------------------- */

enum { SPINS = 2000 };               /* looks before a thread goes to sleep: some 20 to 50 us */

/* A number that threads wait for. */
struct gate {
    _Alignas(64) atomic_uint value;
    atomic_int sleepers;
    pthread_mutex_t lock;
    pthread_cond_t moved;
};

struct team {
    int n_threads;
    struct gate loops;               /* begun so far */
    struct gate done;                /* members that are through with the loop at hand */
    tp_range_fn *fn;                 /* of it; NULL: there will be no more */
    const void *ctx;
    int64_t n, shares;
};

static _Thread_local struct team *team;      /* whose first member this thread is */

static inline void rest(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void gate_init(struct gate *g)
{
    atomic_init(&g->value, 0);
    atomic_init(&g->sleepers, 0);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->moved, NULL);
}

static void gate_fini(struct gate *g)
{
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->moved);
}

/* Whoever is about to sleep counts itself before it looks once more, whoever moves the value looks
 * for sleepers after: one of them sees the other. */
static void gate_add(struct gate *g)
{
    atomic_fetch_add(&g->value, 1);
    if (!atomic_load(&g->sleepers)) return;
    pthread_mutex_lock(&g->lock);
    pthread_cond_broadcast(&g->moved);
    pthread_mutex_unlock(&g->lock);
}

static void gate_wait(struct gate *g, unsigned value)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&g->value, memory_order_acquire) == value) return;
        rest();
    }
    pthread_mutex_lock(&g->lock);
    atomic_fetch_add(&g->sleepers, 1);
    while (atomic_load(&g->value) != value) pthread_cond_wait(&g->moved, &g->lock);
    atomic_fetch_sub(&g->sleepers, 1);
    pthread_mutex_unlock(&g->lock);
}

static void run_share(const struct team *t, int64_t i)
{
    if (i < t->shares) t->fn(t->ctx, t->n * i / t->shares, t->n * (i + 1) / t->shares);
}

/* The first member's part of a loop: all others are through with the one before. */
static void team_for(struct team *t, tp_range_fn *fn, const void *ctx, int64_t n, int64_t shares)
{
    t->fn = fn;
    t->ctx = ctx;
    t->n = n;
    t->shares = shares;
    atomic_store_explicit(&t->done.value, 0, memory_order_relaxed);
    gate_add(&t->loops);
    if (!fn) return;
    run_share(t, 0);
    gate_wait(&t->done, (unsigned)t->n_threads - 1);
}

static void follow(struct team *t, int member)
{
    for (unsigned loop = 1;; loop++) {
        gate_wait(&t->loops, loop);
        if (!t->fn) return;
        run_share(t, member);
        gate_add(&t->done);
    }
}

void tp_parallel_team(int n_threads, int64_t work, void (*fn)(void *ctx), void *ctx)
{
    if (n_threads < 2 || work / grain < 2) {
        fn(ctx);
        return;
    }
    struct team t = { 0 };
    gate_init(&t.loops);
    gate_init(&t.done);
#pragma omp parallel num_threads(n_threads)
    if (omp_get_thread_num() == 0) {
        t.n_threads = omp_get_num_threads();         /* fewer within somebody else's region */
        team = &t;
        fn(ctx);
        team = NULL;
        team_for(&t, NULL, NULL, 0, 0);
    } else {
        follow(&t, omp_get_thread_num());
    }
    gate_fini(&t.loops);
    gate_fini(&t.done);
}

/* ---- loops ----------------------------------------------------------------------------------- */

void tp_parallel_for(int n_threads, int64_t n, int64_t work, tp_range_fn *fn, const void *ctx)
{
    int64_t shares = work / grain;
    if (shares > n_threads) shares = n_threads;
    if (shares > n) shares = n;
    if (team && shares > team->n_threads) shares = team->n_threads;
    if (shares <= 1) {
        if (n > 0) fn(ctx, 0, n);
        return;
    }
    if (team) {
        team_for(team, fn, ctx, n, shares);
        return;
    }
    /* The region always has the caller's whole team, also where fewer shares are worth it: libgomp
     * ends the threads that a smaller team leaves over and creates them anew for the next large
     * one. */
#pragma omp parallel for num_threads(n_threads) schedule(static, 1)
    for (int t = 0; t < n_threads; t++)
        if (t < shares) fn(ctx, n * t / shares, n * (t + 1) / shares);
}

void tp_parallel_warm(int n_threads, const int *cpus)
{
#pragma omp parallel for num_threads(n_threads) schedule(static, 1)
    for (int t = 0; t < n_threads; t++)
        if (cpus) tp_cpu_pin(cpus[t]);
}
