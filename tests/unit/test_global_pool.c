/* test_global_pool.c - one value per map, against the judge and against what is known exactly. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

static const enum tp_pool_op kinds[] = { TP_OP_MAX, TP_OP_AVG, TP_OP_MIN, TP_OP_SUM, TP_OP_LP };

static struct tp_node global_node(enum tp_pool_op kind)
{
    struct tp_node nd = { .name = "g", .type = "GlobalPooling", .op = &tp_op_global_pool,
                          .n_inputs = 1 };
    nd.attr.pool.kind = kind;
    nd.attr.pool.p = 2;
    return nd;
}

/* Random sums nearly cancel, so the tolerance is of the largest sum there could be. */
static void check_kinds(struct tp_shape in)
{
    const double n_pixels = (double)(in.dim[1] * in.dim[2]);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct tp_node nd = global_node(kinds[i]);
        nd.attr.pool.keep_dims = i % 2;
        check_node_random(&nd, &in, kinds[i] == TP_OP_SUM ? 1e-6 + 1e-8 * n_pixels : 1e-6);
    }
}

static void every_number_of_channels_is_exact(void **state)
{
    (void)state;
    for (int c = 1; c <= 40; c++) check_kinds(TP_SHAPE4(2, 5, 13, c));
    check_kinds(TP_SHAPE4(1, 7, 7, 67));
    check_kinds(TP_SHAPE4(1, 7, 7, 321));
    check_kinds(TP_SHAPE4(3, 7, 7, 1000));
}

static void one_pixel_is_its_own_pool(void **state)
{
    (void)state;
    for (int c = 1; c <= 70; c += 23) check_kinds(TP_SHAPE4(2, 1, 1, c));
}

static void every_number_of_pixels_is_exact(void **state)
{
    (void)state;
    for (int width = 1; width <= 80; width += 6)
        for (int c = 1; c <= 5; c += 2) check_kinds(TP_SHAPE4(1, 1, width, c));
}

static void maps_of_several_blocks_are_exact(void **state)
{
    (void)state;
    check_kinds(TP_SHAPE4(1, 181, 191, 1));
    check_kinds(TP_SHAPE4(2, 101, 103, 3));
    check_kinds(TP_SHAPE4(1, 37, 41, 17));
    check_kinds(TP_SHAPE4(2, 29, 31, 70));
    check_kinds(TP_SHAPE4(1, 23, 29, 130));
}

static void every_p_of_lp_is_exact(void **state)
{
    (void)state;
    const float ps[] = { 1, 1.5f, 2, 3, 7 };
    for (size_t i = 0; i < sizeof ps / sizeof *ps; i++)
        for (int c = 1; c <= 67; c += 33) {
            struct tp_node nd = global_node(TP_OP_LP);
            nd.attr.pool.p = ps[i];
            check_node_random(&nd, &TP_SHAPE4(1, 9, 31, c), 2e-6);
        }
}

static void nan_and_infinity_go_through(void **state)
{
    (void)state;
    for (int c = 1; c <= 33; c += 4) {
        struct tp_shape in = TP_SHAPE4(1, 17, 43, c);
        float *data = guarded_random(tp_shape_elements(&in), 3);
        data[50 * c] = INFINITY;
        data[90 * c + c - 1] = NAN;
        data[400 * c + c / 2] = -INFINITY;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            struct tp_node nd = global_node(kinds[i]);
            check_node(&nd, &in, &data, 2e-6);
        }
        guarded_free(data);
    }
}

/* The last channel's pool of a map that is `value` everywhere but in its last pixel, `last`. */
static float run_constant(enum tp_pool_op kind, struct tp_shape in, float value, float last)
{
    struct tp_node nd = global_node(kind);
    struct tp_err err = { 0 };
    struct tp_arena arena;
    struct tp_step st = { .node = &nd, .k = tp_kernels_get(), .in = &in };
    int64_t n = tp_shape_elements(&in), channels = in.dim[3];
    float *data = malloc((size_t)n * sizeof *data), *out = malloc((size_t)channels * sizeof *out);
    for (int64_t i = 0; i < n; i++) data[i] = i < n - channels ? value : last;
    tp_arena_init(&arena, SIZE_MAX);
    assert_true(nd.op->shape(&nd, &in, &st.out, &err));
    assert_true(nd.op->plan(&st, &arena, &err));
    void *scratch = malloc(st.scratch_bytes + 1);
    struct tp_io io = { (const float *const *)&data, out, scratch, 1 };
    nd.op->run(&st, &io);
    float result = out[channels - 1];
    free(scratch);
    free(data);
    free(out);
    tp_arena_fini(&arena);
    return result;
}

/* A running float sum of 0.1 over 10^6 pixels is off by 1 %. */
static void a_million_pixels_sum_without_drift(void **state)
{
    (void)state;
    const struct tp_kernels *k, *before = tp_kernels_get();
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        tp_kernels_use(k);
        for (int c = 1; c <= 7; c += 6) {
            float sum = run_constant(TP_OP_SUM, TP_SHAPE4(1, 1000, 1000, c), 0.1f, 0.1f);
            assert_float_equal(sum, 100000, 0.5);
            float mean = run_constant(TP_OP_AVG, TP_SHAPE4(1, 1, 1000000, c), 0.1f, 0.1f);
            assert_float_equal(mean, 0.1f, 5e-7);
        }
    }
    tp_kernels_use(before);
}

static void the_last_pixel_counts(void **state)
{
    (void)state;
    assert_float_equal(run_constant(TP_OP_MAX, TP_SHAPE4(1, 101, 331, 3), 1, 9), 9, 0);
    assert_float_equal(run_constant(TP_OP_MIN, TP_SHAPE4(1, 101, 331, 3), 1, -9), -9, 0);
    assert_float_equal(run_constant(TP_OP_SUM, TP_SHAPE4(1, 101, 331, 3), 0, 5), 5, 0);
}

/* The tutorial's figure: twelve threes among 36 values. */
static void an_average_of_whole_numbers_is_exact(void **state)
{
    (void)state;
    for (int pixels = 1; pixels < 60; pixels++)
        assert_float_equal(run_constant(TP_OP_AVG, TP_SHAPE4(1, pixels, 1, 1), 3, 3), 3, 0);
}

static void shapes_follow_keep_dims_and_open_sizes(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    struct tp_shape out;
    struct tp_node nd = global_node(TP_OP_MAX);
    assert_true(nd.op->shape(&nd, &TP_SHAPE4(TP_ANY, TP_ANY, TP_ANY, 7), &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE2(TP_ANY, 7)));
    nd.attr.pool.keep_dims = true;
    assert_true(nd.op->shape(&nd, &TP_SHAPE4(2, 5, TP_ANY, 7), &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(2, 1, 1, 7)));
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    struct tp_node nd = global_node(TP_OP_LP);
    check_node_refused(&nd, &TP_SHAPE2(1, 5), "needs a map");
    nd.attr.pool.p = 0.5f;
    check_node_refused(&nd, &TP_SHAPE4(1, 2, 2, 1), "at least 1");
    nd.attr.pool.p = NAN;
    check_node_refused(&nd, &TP_SHAPE4(1, 2, 2, 1), "at least 1");
    nd = global_node(TP_OP_GEM);
    check_node_refused(&nd, &TP_SHAPE4(1, 2, 2, 1), "global gem pooling is not done here");
    nd = global_node(TP_OP_STD);
    check_node_refused(&nd, &TP_SHAPE4(1, 2, 2, 1), "global std pooling is not done here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_channels_is_exact),
        cmocka_unit_test(one_pixel_is_its_own_pool),
        cmocka_unit_test(every_number_of_pixels_is_exact),
        cmocka_unit_test(maps_of_several_blocks_are_exact),
        cmocka_unit_test(every_p_of_lp_is_exact),
        cmocka_unit_test(nan_and_infinity_go_through),
        cmocka_unit_test(a_million_pixels_sum_without_drift),
        cmocka_unit_test(the_last_pixel_counts),
        cmocka_unit_test(an_average_of_whole_numbers_is_exact),
        cmocka_unit_test(shapes_follow_keep_dims_and_open_sizes),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
