/* parallel.c - the one parallel loop. */
#include "ops/parallel.h"

#include "base/cpu.h"

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

void tp_parallel_for(int n_threads, int64_t n, int64_t work, tp_range_fn *fn, const void *ctx)
{
    int64_t shares = work / grain;
    if (shares > n_threads) shares = n_threads;
    if (shares > n) shares = n;
    if (shares <= 1) {
        if (n > 0) fn(ctx, 0, n);
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
