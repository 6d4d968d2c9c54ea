/* test_gemm.c - Dense on every table: odd sizes, every rank, the epilogue; its kernel alone. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A Dense with random weights; release with free_dense(). */
static struct tp_node dense(int in_features, int units)
{
    struct tp_node nd = { .name = "fc", .type = "Dense", .op = &tp_op_gemm, .n_inputs = 1 };
    nd.attr.gemm.in_features = in_features;
    nd.attr.gemm.units = units;
    nd.attr.gemm.kernel = guarded_random((int64_t)in_features * units, 7);
    nd.scale = guarded_random(units, 8);
    nd.shift = guarded_random(units, 9);
    return nd;
}

static void free_dense(struct tp_node *nd)
{
    guarded_free((void *)nd->attr.gemm.kernel);
    guarded_free((void *)nd->scale);
    guarded_free((void *)nd->shift);
}

static void dense_matches_its_definition_at_odd_sizes(void **state)
{
    static const int rows[] = { 1, 2, 5, 6, 7, 13, 14, 15, 29 };
    static const int features[] = { 1, 3, 64, 257 };
    static const int units[] = { 1, 5, 8, 15, 16, 17, 32, 33, 70 };
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t f = 0; f < sizeof features / sizeof *features; f++)
            for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
                struct tp_node nd = dense(features[f], units[u]);
                const struct tp_shape in = TP_SHAPE2(rows[r], features[f]);
                check_node_random(&nd, &in, 2e-6);
                free_dense(&nd);
            }
}

static void dense_acts_on_the_last_axis_of_any_rank(void **state)
{
    struct tp_node nd = dense(19, 21);
    const struct tp_shape shapes[] = {
        TP_SHAPE2(3, 19), { 3, { 2, 5, 19 } }, TP_SHAPE4(2, 3, 4, 19), { 5, { 1, 2, 1, 3, 19 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct tp_shape out;
        struct tp_err err = { 0 };
        assert_true(nd.op->shape(&nd, &shapes[i], &out, &err));
        assert_int_equal(out.rank, shapes[i].rank);
        assert_int_equal(out.dim[out.rank - 1], 21);
        check_node_random(&nd, &shapes[i], 2e-6);
    }
    free_dense(&nd);
}

static void dense_applies_scale_shift_residual_and_activation_in_that_order(void **state)
{
    static const struct tp_act acts[] = {
        { .kind = TP_ACT_LINEAR },
        { TP_ACT_CLAMP, 0, 6, 0 },
        { TP_ACT_CLAMP, 0, INFINITY, 0 },
        { TP_ACT_LEAKY_RELU, 0.25f, 0, 0 },
        { .kind = TP_ACT_SIGMOID },
        { .kind = TP_ACT_SQUARE },
    };
    static const int units[] = { 3, 32, 41 };
    (void)state;
    for (size_t a = 0; a < sizeof acts / sizeof *acts; a++)
        for (int variant = 0; variant < 8 * 3; variant++) {
            struct tp_node full = dense(33, units[variant / 8]), nd = full;
            if (!(variant & 1)) nd.scale = NULL;
            if (!(variant & 2)) nd.shift = NULL;
            nd.residual = variant & 4;
            nd.n_inputs = nd.residual ? 2 : 1;
            nd.act = acts[a];
            const struct tp_shape in[2] = { TP_SHAPE2(17, 33), TP_SHAPE2(17, units[variant / 8]) };
            check_node_random(&nd, in, 5e-6);
            free_dense(&full);
        }
}

/* A row alone is computed by another loop than rows together: by the same sums. */
static void a_row_has_the_same_bits_alone_and_in_a_batch(void **state)
{
    static const int units[] = { 64, 128, 300, 1000 };
    (void)state;
    for (int variant = 0; variant < 4 * 8; variant++) {
        struct tp_node full = dense(77, units[variant / 8]), nd = full;
        if (!(variant & 1)) nd.scale = NULL;
        if (!(variant & 2)) nd.shift = NULL;
        nd.residual = variant & 4;
        nd.n_inputs = nd.residual ? 2 : 1;
        nd.act = (struct tp_act){ TP_ACT_CLAMP, -1, 2, 0 };
        const int n = units[variant / 8];
        struct tp_shape in[2] = { TP_SHAPE2(2, 77), TP_SHAPE2(2, n) };
        float *x[2] = { guarded_random(2 * 77, 1), guarded_random(2 * n, 2) };
        const struct tp_kernels *k;
        for (int t = 0; (k = tp_kernels_list(t)); t++) {
            float *both = check_node_once(&nd, k, in, x, &TP_SHAPE2(2, n), 1);
            in[0].dim[0] = in[1].dim[0] = 1;
            float *one = check_node_once(&nd, k, in, x, &TP_SHAPE2(1, n), 1);
            in[0].dim[0] = in[1].dim[0] = 2;
            assert_memory_equal(one, both, (size_t)n * sizeof *one);
            guarded_free(one);
            guarded_free(both);
        }
        in[0].dim[0] = in[1].dim[0] = 1;
        check_node(&nd, in, x, 5e-6);
        guarded_free(x[0]);
        guarded_free(x[1]);
        free_dense(&full);
    }
}

static void dense_keeps_a_nan_through_relu(void **state)
{
    struct tp_node nd = dense(4, 33);
    nd.act = (struct tp_act){ TP_ACT_CLAMP, 0, 6, 0 };
    float *x = guarded_random(3 * 4, 1);
    x[5] = NAN;                                  /* row 1 */
    const struct tp_shape in = TP_SHAPE2(3, 4);
    (void)state;
    check_node(&nd, &in, &x, 2e-6);
    guarded_free(x);
    free_dense(&nd);
}

static void dense_refuses_what_does_not_fit(void **state)
{
    struct tp_node nd = dense(10, 3), none = nd;
    struct tp_shape in = TP_SHAPE2(1, 11);
    (void)state;
    check_node_refused(&nd, &in, "fc: kernel is for 10 features, but the last dimension of its "
                                 "input [1, 11] is 11");
    in = (struct tp_shape){ 1, { 10 } };
    check_node_refused(&nd, &in, "fc: Dense needs [n, features]");
    in = TP_SHAPE2(1, 10);
    none.attr.gemm.units = 0;
    check_node_refused(&none, &in, "fc: units is 0; it must be at least 1");
    free_dense(&nd);
}

static void dense_leaves_open_sizes_open(void **state)
{
    struct tp_node nd = dense(10, 3);
    struct tp_shape in = { 3, { TP_ANY, TP_ANY, 10 } }, out;
    struct tp_err err = { 0 };
    (void)state;
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_string_equal(TP_SHAPE(&out), "[any, any, 3]");
    assert_int_equal(nd.op->macs(&nd, &in, &out), TP_ANY);
    in.dim[1] = 7;
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_int_equal(nd.op->macs(&nd, &in, &out), 7 * 10 * 3);
    in = TP_SHAPE2(TP_ANY, TP_ANY);
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_string_equal(TP_SHAPE(&out), "[any, 3]");
    assert_int_equal(nd.op->macs(&nd, &in, &out), 10 * 3);
    free_dense(&nd);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

/* One tile over two segments of 9 floats, rows 23 floats apart; c has rows of `ldc` floats, ends at
 * a guard page and is filled with -7. */
static float *run_tile(const struct tp_kernels *k, const float *a, const float *b, int m, int n,
                       ptrdiff_t ldc, float lo, float hi)
{
    static const ptrdiff_t seg[2] = { 12, 0 };
    const int64_t n_floats = (m - 1) * ldc + n;
    float *c = guarded((size_t)n_floats * sizeof *c);
    for (int64_t i = 0; i < n_floats; i++) c[i] = -7;
    const struct tp_tile t = {
        .a = a, .lda = 23, .seg = seg, .n_seg = 2, .seg_len = 9, .b = b, .c = c, .ldc = ldc,
        .m = m, .n = n, .lo = lo, .hi = hi,
    };
    k->gemm(&t);
    return c;
}

/* A panel of 18 rows, zeros behind column n. */
static float *panel(const struct tp_kernels *k, int n)
{
    const size_t n_bytes = (size_t)(18 * k->nr) * sizeof(float);
    float *b = aligned_alloc(64, n_bytes), *random = guarded_random(18 * n, 3);
    memset(b, 0, n_bytes);
    for (int i = 0; i < 18; i++) memcpy(b + i * k->nr, random + i * n, (size_t)n * sizeof *b);
    guarded_free(random);
    return b;
}

static void a_row_of_a_tile_has_the_same_bits_whatever_rows_are_with_it(void **state)
{
    const struct tp_kernels *k;
    (void)state;
    for (int table = 0; (k = tp_kernels_list(table)); table++)
        for (int n = 1; n <= k->nr; n++) {
            float *a = guarded_random((k->mr - 1) * 23 + 21, 5), *b = panel(k, n);
            float *all = run_tile(k, a, b, k->mr, n, n, -INFINITY, INFINITY);
            for (int m = 1; m < k->mr; m++) {
                float *some = run_tile(k, a + (k->mr - m) * 23, b, m, n, n, -INFINITY, INFINITY);
                assert_memory_equal(some, all + (k->mr - m) * n, (size_t)(m * n) * sizeof *some);
                guarded_free(some);
            }
            guarded_free(all);
            guarded_free(a);
            free(b);
        }
}

static void a_tile_writes_its_columns_only(void **state)
{
    const struct tp_kernels *k;
    (void)state;
    for (int table = 0; (k = tp_kernels_list(table)); table++)
        for (int n = 1; n <= k->nr; n++) {
            float *a = guarded_random((k->mr - 1) * 23 + 21, 5), *b = panel(k, n);
            float *c = run_tile(k, a, b, k->mr, n, n + 3, -1, 1);
            for (int r = 0; r < k->mr; r++)
                for (int j = 0; j < n + 3 && r * (n + 3) + j < (k->mr - 1) * (n + 3) + n; j++) {
                    const float x = c[r * (n + 3) + j];
                    if (j < n) assert_true(x >= -1 && x <= 1);
                    else assert_true(x == -7);
                }
            guarded_free(c);
            guarded_free(a);
            free(b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_matches_its_definition_at_odd_sizes),
        cmocka_unit_test(dense_acts_on_the_last_axis_of_any_rank),
        cmocka_unit_test(dense_applies_scale_shift_residual_and_activation_in_that_order),
        cmocka_unit_test(a_row_has_the_same_bits_alone_and_in_a_batch),
        cmocka_unit_test(dense_keeps_a_nan_through_relu),
        cmocka_unit_test(dense_refuses_what_does_not_fit),
        cmocka_unit_test(dense_leaves_open_sizes_open),
        cmocka_unit_test(a_row_of_a_tile_has_the_same_bits_whatever_rows_are_with_it),
        cmocka_unit_test(a_tile_writes_its_columns_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
