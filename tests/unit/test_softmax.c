/* test_softmax.c - e^x over its sum along any axis, and its logarithm. */
#include "check.h"

#include <math.h>
#include <string.h>

typedef void softmax_fn(float *out, const float *in, int64_t n, ptrdiff_t step, int64_t inner);

static struct tp_node along(int axis)
{
    return (struct tp_node){ .name = "prob", .type = "Softmax", .op = &tp_op_softmax,
                             .n_inputs = 1, .attr.axis.axis = axis };
}

/* Both, the logarithm's error being counted against the largest of all logarithms. */
static void check_both(const struct tp_node *nd, const struct tp_shape *in, float *x)
{
    struct tp_node log = *nd;
    log.attr.axis.log = true;
    check_node(nd, in, &x, 1e-6);
    check_node(&log, in, &x, 1e-6);
}

static void any_axis_of_odd_sizes_works(void **state)
{
    (void)state;
    const struct tp_shape shapes[] = {
        TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(1, 3, 2, 67), TP_SHAPE4(1, 1, 9, 133),
        TP_SHAPE2(3, 1000), TP_SHAPE2(17, 1), TP_SHAPE2(1, 16),
    };
    for (int i = 0; i < 6; i++)
        for (int axis = 0; axis < shapes[i].rank; axis++) {
            const struct tp_node nd = along(axis);
            float *x = guarded_random(tp_shape_elements(&shapes[i]), 1);
            check_both(&nd, &shapes[i], x);
            guarded_free(x);
        }
}

static void large_inputs_neither_overflow_nor_vanish(void **state)
{
    (void)state;
    enum { N = 37 };
    const struct tp_shape in = TP_SHAPE4(1, 1, N, 2);
    float *x = guarded_random(2 * N, 5);
    for (int i = 0; i < 2 * N; i++) x[i] *= 3e38f;
    x[6] = x[8] = 3.3e38f;                               /* two winners share */
    for (int axis = 2; axis < 4; axis++) {
        const struct tp_node nd = along(axis);
        check_node(&nd, &in, &x, 1e-6);
    }
    for (int i = 0; i < 2 * N; i++) x[i] /= 4;           /* so that logarithms are finite */
    for (int axis = 2; axis < 4; axis++) {
        const struct tp_node nd = along(axis);
        check_both(&nd, &in, x);
    }
    guarded_free(x);
}

static void a_nan_or_infinity_spoils_its_own_row_only(void **state)
{
    (void)state;
    enum { N = 21 };
    const struct tp_kernels *k;
    static const float bad[] = { NAN, INFINITY };
    float out[2 * N], in[2 * N] = { 0 };
    for (int t = 0; (k = tp_kernels_list(t)); t++)
        for (int i = 0; i < 2 * N; i++) {
            memset(in, 0, sizeof in);
            in[i] = bad[i % 2];
            for (int log = 0; log < 2; log++) {
                softmax_fn *fn = log ? k->log_softmax : k->softmax;
                fn(out, in, N, 1, 1);
                fn(out + N, in + N, N, 1, 1);
                for (int j = 0; j < 2 * N; j++) assert_true(!!isnan(out[j]) == (i / N == j / N));
                fn(out, in, N, 2, 2);                    /* columns */
                for (int j = 0; j < 2 * N; j++) assert_true(!!isnan(out[j]) == (i % 2 == j % 2));
            }
        }
}

static void minus_infinity_gets_nothing(void **state)
{
    (void)state;
    const struct tp_node nd = along(1);
    const struct tp_shape in = TP_SHAPE2(2, 19);
    float *x = guarded_random(38, 5);
    x[0] = x[18] = x[20] = -INFINITY;
    check_both(&nd, &in, x);
    guarded_free(x);
}

static void writing_over_the_input_gives_the_same_bits(void **state)
{
    (void)state;
    enum { N = 5 * 37 };
    const struct tp_kernels *k;
    float in[N], apart[N], *random = guarded_random(N, 2);
    for (int t = 0; (k = tp_kernels_list(t)); t++)
        for (int inner = 1; inner <= 37; inner += 36)
            for (int log = 0; log < 2; log++) {
                softmax_fn *fn = log ? k->log_softmax : k->softmax;
                memcpy(in, random, sizeof in);
                fn(apart, in, N / inner, inner, inner);
                fn(in, in, N / inner, inner, inner);
                assert_memory_equal(in, apart, sizeof in);
            }
    guarded_free(random);
}

static void an_axis_that_is_not_there_is_refused(void **state)
{
    (void)state;
    const struct tp_node far = along(4), negative = along(-1);
    const struct tp_shape in = TP_SHAPE4(TP_ANY, 2, 2, 5);
    check_node_refused(&far, &in, "prob: no axis 4 in its input [any, 2, 2, 5]; it must be from 0 "
                       "to 3");
    check_node_refused(&negative, &in, "no axis -1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_axis_of_odd_sizes_works),
        cmocka_unit_test(large_inputs_neither_overflow_nor_vanish),
        cmocka_unit_test(a_nan_or_infinity_spoils_its_own_row_only),
        cmocka_unit_test(minus_infinity_gets_nothing),
        cmocka_unit_test(writing_over_the_input_gives_the_same_bits),
        cmocka_unit_test(an_axis_that_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
