/* parallel.h - the one parallel loop. All of OpenMP is behind it.
 *
 * Work is cut by output, never by summand, so results are the same bits for any number of
 * threads. */
#ifndef TP_PARALLEL_H
#define TP_PARALLEL_H

#include <stdint.h>

/* Does items [begin, end) of the work that `ctx` describes. */
typedef void tp_range_fn(const void *ctx, int64_t begin, int64_t end);

/* Runs fn over [0, n) on at most n_threads threads, the caller's among them. With one thread (or
 * one item) it is a plain call, and no parallel region is entered: that is what lets threads that
 * must not own a team (libgomp keeps one per caller) run small work. `work` is the whole loop's
 * cost in multiply-adds or floats moved; too little work takes fewer threads. */
void tp_parallel_for(int n_threads, int64_t n, int64_t work, tp_range_fn *fn, const void *ctx);

/* Calls fn(ctx), and gives the loops in it a team that stays awake from one to the next
 * (MobileNet v2, 53 loops on two threads: 2.84 to 2.75 ms). `work` is that of all loops together;
 * too little of it wakes nobody. Teams do not nest. */
void tp_parallel_team(int n_threads, int64_t work, void (*fn)(void *ctx), void *ctx);

/* The most threads that operators keep scratch memory for: the number of processors that this
 * process may use, unless a test says otherwise (0: back to that). */
int tp_parallel_most(void);
void tp_parallel_set_most(int n_threads);

/* How much work a thread must have to be worth waking. For tests (1: always all threads) and
 * tuning. */
void tp_parallel_set_grain(int64_t work_per_thread);

/* Starts the calling thread's team of n_threads now, so that no request pays for it (or dies of
 * it). Member i (0: the caller) is bound to processor cpus[i]; NULL: none is. Unbound, a member
 * that wakes may share the caller's processor until the kernel moves it, 16 ms later. */
void tp_parallel_warm(int n_threads, const int *cpus);

#endif
