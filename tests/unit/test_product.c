/* test_product.c - the tiled product: rows that lie anyhow. */
#include "check.h"
#include "ops/pack.h"
#include "ops/parallel.h"
#include "ops/product.h"

#include <math.h>
#include <stdlib.h>

static const struct tp_node node = { .name = "layer" };

/* One product over rows [2][3][n] whose steps are `step`, two segments of 3 floats each, against
 * the sum written out. */
static void check_rows(const struct tp_kernels *k, int n, const ptrdiff_t step[3], int n_threads)
{
    enum { COLUMNS = 11, DEPTH = 6 };
    static const ptrdiff_t seg[2] = { 0, 4 };
    const int rows = 2 * 3 * n;
    const int64_t n_in = step[2] + 2 * step[1] + (n - 1) * step[0] + 7;
    float *in = guarded_random(n_in, 1), *weights = guarded_random(DEPTH * COLUMNS, 2);
    float *out = guarded((size_t)(rows * COLUMNS) * sizeof *out);
    double *want = calloc((size_t)(rows * COLUMNS), sizeof *want);
    for (int i = 0; i < rows * COLUMNS; i++) {
        const int r = i / COLUMNS;
        const float *from = in + r / (3 * n) * step[2] + r / n % 3 * step[1] + r % n * step[0];
        for (int d = 0; d < DEPTH; d++)
            want[i] += (double)from[seg[d / 3] + d % 3] * weights[d * COLUMNS + i % COLUMNS];
    }
    struct tp_arena arena;
    struct tp_err err = { 0 };
    struct tp_product p = {
        .rows = { n, 3, 2 }, .step = { step[0], step[1], step[2] }, .seg = seg, .n_seg = 2,
        .seg_len = 3, .groups = 1, .columns = COLUMNS,
    };
    tp_arena_init(&arena, SIZE_MAX);
    const struct tp_pack_source w = { weights, .channel = COLUMNS, .column = 1 };
    assert_true(tp_pack_gemm(&p.packed, &w, DEPTH, COLUMNS, "layer", k, &arena, 1, &err));
    tp_product_run(&p, &node, k, in, out, NULL, n_threads);
    check_near(k->name, out, want, rows * COLUMNS, 1e-6);
    tp_arena_fini(&arena);
    free(want);
    guarded_free(out);
    guarded_free(weights);
    guarded_free(in);
}

static void rows_may_lie_anyhow(void **state)
{
    static const ptrdiff_t even[2] = { 5, 9 };
    const struct tp_kernels *k;
    (void)state;
    tp_parallel_set_grain(1);
    for (int table = 0; (k = tp_kernels_list(table)); table++)
        for (int n = 1; n <= 31; n += 3)
            for (int threads = 1; threads <= 3; threads++)
                for (int e = 0; e < 2; e++) {
                    const ptrdiff_t x = even[e];
                    check_rows(k, n, (const ptrdiff_t[]){ x, n * x, 3 * n * x }, threads);
                    check_rows(k, n, (const ptrdiff_t[]){ x, n * x + 2, 3 * n * x + 6 }, threads);
                    check_rows(k, n, (const ptrdiff_t[]){ x, n * x, 3 * n * x + 1 }, threads);
                    check_rows(k, n, (const ptrdiff_t[]){ x, 1, 3 * n * x }, threads);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_may_lie_anyhow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
