/* test_floats.c - tensors as JSON text. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/floats.h"
#include "ops/parallel.h"

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static void check_array(const struct tp_shape *shape, float *data, bool nested, int digits,
                        const char *want)
{
    struct tp_buf b = { 0 };
    const struct tp_tensor t = { *shape, data };
    tp_floats_write(&b, &t, nested, digits, 1);
    tp_buf_bytes(&b, "", 1);
    assert_string_equal(b.data, want);
    tp_buf_fini(&b);
}

static void arrays_nest_as_their_shape_says(void **state)
{
    (void)state;
    float x[] = { 0, 1.5f, -2, 3, 4, 5, 6, 7 };
    check_array(&TP_SHAPE2(2, 2), x, true, 0, "[[0,1.5],[-2,3]]");
    check_array(&TP_SHAPE2(2, 2), x, false, 0, "[0,1.5,-2,3]");
    check_array(&TP_SHAPE4(1, 2, 2, 1), x, true, 0, "[[[[0],[1.5]],[[-2],[3]]]]");
    check_array(&TP_SHAPE4(2, 1, 1, 2), x, true, 0, "[[[[0,1.5]]],[[[-2,3]]]]");
    check_array(&(struct tp_shape){ .rank = 3, .dim = { 2, 2, 2 } }, x, true, 0,
                "[[[0,1.5],[-2,3]],[[4,5],[6,7]]]");
    check_array(&(struct tp_shape){ .rank = 1, .dim = { 1 } }, x, true, 0, "[0]");
    check_array(&(struct tp_shape){ .rank = 0 }, x + 1, true, 0, "1.5");
    check_array(&(struct tp_shape){ .rank = 0 }, x + 1, false, 0, "[1.5]");
}

static void empty_arrays_keep_their_shape(void **state)
{
    (void)state;
    check_array(&(struct tp_shape){ .rank = 1, .dim = { 0 } }, NULL, true, 0, "[]");
    check_array(&TP_SHAPE2(2, 0), NULL, true, 0, "[[],[]]");
    check_array(&TP_SHAPE2(0, 2), NULL, true, 0, "[]");
    check_array(&(struct tp_shape){ .rank = 3, .dim = { 2, 0, 3 } }, NULL, true, 0, "[[],[]]");
    check_array(&TP_SHAPE2(0, 2), NULL, false, 0, "[]");
}

static void infinities_and_nan_are_null_in_arrays(void **state)
{
    (void)state;
    float x[] = { NAN, INFINITY, -INFINITY, -0.0f };
    check_array(&TP_SHAPE2(2, 2), x, true, 0, "[[null,null],[null,-0]]");
    check_array(&TP_SHAPE2(2, 2), x, true, 4, "[[null,null],[null,-0]]");
}

static void digits_round_and_drop_zeros(void **state)
{
    (void)state;
    float x[] = { 3.14159274f, 0.5f, 2.5f, 3.5f, 99999, 0.000123456f, 1e-30f, 1e10f };
    check_array(&TP_SHAPE2(1, 8), x, false, 3,
                "[3.14,0.5,2.5,3.5,100000,0.000123,1e-30,10000000000]");
    check_array(&TP_SHAPE2(1, 8), x, false, 1, "[3,0.5,2,4,100000,0.0001,1e-30,10000000000]");
    check_array(&TP_SHAPE2(1, 1), (float[]){ 0.1f }, false, 9, "[0.100000001]");
    check_array(&TP_SHAPE2(1, 1), (float[]){ 0.1f }, false, 8, "[0.1]");
}

static void digits_round_as_printf_does(void **state)
{
    (void)state;
    uint32_t seed = 5;
    for (int i = 0; i < 100000; i++) {
        float x = i & 1 ? from_bits(next_random(&seed))
                        : (float)((int)(next_random(&seed) % 200001) - 100000) / 64;
        int digits = 1 + i % 9;
        if (!isfinite(x)) continue;
        char want[32];
        struct tp_buf b = { 0 };
        const struct tp_tensor t = { { 0, { 0 } }, &x };
        tp_floats_write(&b, &t, true, digits, 1);
        tp_buf_bytes(&b, "", 1);
        snprintf(want, sizeof want, "%.*e", digits - 1, (double)x);
        if (strtod(b.data, NULL) != strtod(want, NULL))
            fail_msg("%.9g to %d digits is written as %s, expected %s", (double)x, digits, b.data,
                     want);
        tp_buf_fini(&b);
    }
}

static void a_limit_is_met_to_the_byte(void **state)
{
    (void)state;
    enum { N = 1000 };
    float *x = guarded_random(N, 1);
    const struct tp_tensor t = { { 1, { N } }, x };
    struct tp_buf b = { 0 };
    tp_floats_write(&b, &t, true, 0, 1);
    size_t n = b.n_bytes;
    tp_buf_fini(&b);

    b = (struct tp_buf){ .limit_bytes = n };
    tp_floats_write(&b, &t, true, 0, 1);
    assert_false(b.failed);
    tp_buf_fini(&b);
    b = (struct tp_buf){ .limit_bytes = n - 1 };
    tp_floats_write(&b, &t, true, 0, 1);
    assert_true(b.failed);
    tp_buf_fini(&b);
    guarded_free(x);
}

/* Any number of threads writes the same bytes, nested deep, with rows that its shares cut. */
static void threads_write_the_same_bytes(void **state)
{
    (void)state;
    static const struct tp_shape shapes[] = {
        { .rank = 1, .dim = { 300000 } }, { .rank = 2, .dim = { 100000, 1 } },
        { .rank = 4, .dim = { 2, 31, 57, 3 } }, { .rank = 5, .dim = { 1, 1, 70001, 1, 1 } },
        { .rank = 3, .dim = { 3, 1, 33333 } }, { .rank = 2, .dim = { 40000, 0 } },
    };
    enum { MOST = 300000 };
    float *x = guarded_random(MOST, 3);
    for (int i = 0; i < MOST; i += 7) x[i] = i % 3 ? 0 : 1e-30f;
    tp_parallel_set_grain(1);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct tp_tensor t = { shapes[i], x };
        struct tp_buf one = { 0 };
        tp_buf_text(&one, "{");
        tp_floats_write(&one, &t, true, 0, 1);
        for (int n_threads = 2; n_threads < 6; n_threads += 3) {
            struct tp_buf many = { .limit_bytes = n_threads == 2 ? 0 : one.n_bytes };
            tp_buf_text(&many, "{");
            tp_floats_write(&many, &t, true, 0, n_threads);
            assert_false(many.failed);
            assert_int_equal(many.n_bytes, one.n_bytes);
            assert_memory_equal(many.data, one.data, one.n_bytes);
            tp_buf_fini(&many);
            many.limit_bytes = one.n_bytes - 1;
            tp_floats_write(&many, &t, true, 0, n_threads);
            tp_buf_text(&many, "}");
            assert_true(many.failed || many.n_bytes < one.n_bytes);
            tp_buf_fini(&many);
        }
        tp_buf_fini(&one);
    }
    tp_parallel_set_grain(1 << 18);
    guarded_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_nest_as_their_shape_says),
        cmocka_unit_test(empty_arrays_keep_their_shape),
        cmocka_unit_test(infinities_and_nan_are_null_in_arrays),
        cmocka_unit_test(digits_round_and_drop_zeros),
        cmocka_unit_test(digits_round_as_printf_does),
        cmocka_unit_test(a_limit_is_met_to_the_byte),
        cmocka_unit_test(threads_write_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
