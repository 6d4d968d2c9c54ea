/* bench_machine.c - what the machine can do at most: multiply-adds, and reading memory. */
#include <string.h>
#include <unistd.h>

#include "base/pages.h"
#include "cli/bench.h"
#include "kernels/kernels.h"
#include "ops/parallel.h"
#include "service/clock.h"

enum {
    MOST_NUMBERS = 64,               /* tp_kernels.nr of any table */
    PEAK_ROUNDS = 100000,            /* some 0.5 ms */
    PEAK_MS = 60,
    READ_MS = 150, LEAST_READS = 3,
    ROW = 2048,                      /* floats that are read as a row */
    MIB = 1 << 20, LEAST_MIB = 16, MOST_MIB = 256,
};

/* All threads, whatever the work: it is the most there is. */
static void everywhere(int n_threads, int64_t n, tp_range_fn *fn, const void *ctx)
{
    tp_parallel_for(n_threads, n, INT64_MAX, fn, ctx);
}

/* ---- multiply-adds --------------------------------------------------------------------------- */

static int64_t compute_here(void)
{
    float numbers[MOST_NUMBERS];
    for (int i = 0; i < MOST_NUMBERS; i++) numbers[i] = 1 + (float)i / MOST_NUMBERS;
    return tp_kernels_get()->peak(numbers, PEAK_ROUNDS);
}

static void compute(const void *ctx, int64_t begin, int64_t end)
{
    (void)ctx;
    for (int64_t i = begin; i < end; i++) compute_here();
}

/* The best of many short stretches: neighbours and the kernel take some of them. */
static double measure_peak(int n_threads)
{
    const double n = (double)n_threads * (double)compute_here(), start = tp_clock_ms();
    double best = 0;
    for (double then = start, now; then < start + PEAK_MS; then = now) {
        everywhere(n_threads, n_threads, compute, NULL);
        now = tp_clock_ms();
        if (n / (now - then) > best) best = n / (now - then);
    }
    return best;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void touch(const void *ctx, int64_t begin, int64_t end)
{
    float *rows = *(float *const *)ctx;
    memset(rows + begin * ROW, 0, (size_t)(end - begin) * ROW * sizeof(float));
}

static void read_rows(const void *ctx, int64_t begin, int64_t end)
{
    const float *rows = *(float *const *)ctx;
    float sums[ROW] = { 0 };
    tp_kernels_get()->reduce[TP_REDUCE_SUM](sums, rows + begin * ROW, ROW, end - begin, ROW);
}

/* Far more than the caches that one has to oneself: where 500 MB of cache are a host's and shared,
 * it reads 3 to 10 % faster than a gigabyte. At most a quarter of the memory that is free. */
static int64_t rows_to_read(void)
{
    const int64_t pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    int64_t mib = pages > 0 && page > 0 ? pages / 4 * page / MIB : MOST_MIB;
    if (mib > MOST_MIB) mib = MOST_MIB;
    if (mib < LEAST_MIB) mib = LEAST_MIB;
    return mib * MIB / (int64_t)(ROW * sizeof(float));
}

static bool measure_bandwidth(double *bandwidth, int n_threads, struct tp_err *err)
{
    const int64_t n_rows = rows_to_read();
    const size_t n_bytes = (size_t)n_rows * ROW * sizeof(float);
    float *rows = tp_pages_alloc(n_bytes);
    if (!rows) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    everywhere(n_threads, n_rows, touch, &rows);
    const double start = tp_clock_ms();
    double then = start, now;
    for (int i = 0; i < LEAST_READS || then < start + READ_MS; i++, then = now) {
        everywhere(n_threads, n_rows, read_rows, &rows);
        now = tp_clock_ms();
        if ((double)n_bytes / (now - then) > *bandwidth)
            *bandwidth = (double)n_bytes / (now - then);
    }
    tp_pages_free(rows, n_bytes);
    return true;
}

bool tp_bench_machine_measure(struct tp_bench_machine *machine, int n_threads, struct tp_err *err)
{
    *machine = (struct tp_bench_machine){ .peak = measure_peak(n_threads) };
    return measure_bandwidth(&machine->bandwidth, n_threads, err);
}
