/* test_standardize.c - mean 0 and variance 1 over neighbouring axes. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct tp_node over(int axis, int n_axes, float epsilon)
{
    return (struct tp_node){
        .name = "norm", .type = "LayerNormalization", .op = &tp_op_standardize, .n_inputs = 1,
        .attr.axes = { .axis = axis, .n_axes = n_axes, .epsilon = epsilon },
    };
}

static double *wanted(const struct tp_node *nd, const struct tp_shape *in, const float *x)
{
    const struct tp_axes_attr *a = &nd->attr.axes;
    const int64_t outer = tp_shape_span(in, 0, a->axis);
    const int64_t n = tp_shape_span(in, a->axis, a->axis + a->n_axes);
    const int64_t inner = tp_shape_span(in, a->axis + a->n_axes, in->rank);
    double *want = malloc((size_t)(outer * n * inner) * sizeof *want);
    for (int64_t i = 0; i < outer * inner; i++) {
        const int64_t at = i / inner * n * inner + i % inner;
        double mean = 0, variance = 0;
        for (int64_t t = 0; t < n; t++) mean += (double)x[at + t * inner] / (double)n;
        for (int64_t t = 0; t < n; t++)
            variance += pow((double)x[at + t * inner] - mean, 2) / (double)n;
        for (int64_t t = 0; t < n; t++) {
            const int64_t k = at + t * inner;
            want[k] = ((double)x[k] - mean) / sqrt(variance + (double)a->epsilon);
            if (nd->scale) want[k] *= (double)nd->scale[k % in->dim[in->rank - 1]];
            if (nd->shift) want[k] += (double)nd->shift[k % in->dim[in->rank - 1]];
            if (nd->act.kind == TP_ACT_ABS) want[k] = fabs(want[k]);
        }
    }
    return want;
}

static void check_standardize(const struct tp_node *nd, const struct tp_shape *in, float *x)
{
    double *want = wanted(nd, in, x);
    check_node_against(nd, in, &x, want, 1e-6);
    free(want);
}

static const struct { struct tp_shape shape; int axis, n; } cases[] = {
    { { .rank = 4, .dim = { 2, 11, 13, 19 } }, 1, 2 },     /* InstanceNormalization */
    { { .rank = 4, .dim = { 1, 90, 100, 5 } }, 1, 2 },     /* in blocks, few channels */
    { { .rank = 3, .dim = { 2, 300, 150 } }, 1, 1 },       /* in blocks, two units */
    { { .rank = 3, .dim = { 2, 9, 257 } }, 2, 1 },         /* LayerNormalization */
    { { .rank = 2, .dim = { 3, 40007 } }, 1, 1 },
    { { .rank = 4, .dim = { 1, 150, 31, 15 } }, 1, 3 },    /* blocks begin within a pixel */
    { { .rank = 4, .dim = { 2, 3, 5, 6 } }, 1, 1 },        /* units across pixels */
    { { .rank = 8, .dim = { 2, 1, 3, 2, 1, 2, 3, 2 } }, 3, 3 },
    { { .rank = 3, .dim = { 7, 1, 3 } }, 1, 1 },           /* one element each: 0 */
    { { .rank = 0 }, 0, 0 },
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void any_axes_of_any_rank(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        float *x = guarded_random(tp_shape_elements(&cases[i].shape), 3);
        const struct tp_node nd = over(cases[i].axis, cases[i].n, 1e-5f);
        check_standardize(&nd, &cases[i].shape, x);
        guarded_free(x);
    }
}

static void scale_shift_and_activation_follow(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES - 1; i++)
        for (int parts = 1; parts < 8; parts++) {
            const struct tp_shape *in = &cases[i].shape;
            float *x = guarded_random(tp_shape_elements(in), 3);
            float *scale = guarded_random(in->dim[in->rank - 1], 4);
            float *shift = guarded_random(in->dim[in->rank - 1], 5);
            struct tp_node nd = over(cases[i].axis, cases[i].n, 1e-5f);
            if (parts & 1) nd.scale = scale;
            if (parts & 2) nd.shift = shift;
            if (parts & 4) nd.act.kind = TP_ACT_ABS;
            if (parts == 3 || parts > 5 || i == 5) check_standardize(&nd, in, x);
            guarded_free(x);
            guarded_free(scale);
            guarded_free(shift);
        }
}

static void a_mean_far_from_zero_costs_nothing(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 64, 64, 8), row = TP_SHAPE2(2, 16384);
    const struct tp_node map = over(1, 2, 0), line = over(1, 1, 0);
    float *x = guarded_random(64 * 64 * 8, 3);
    for (int i = 0; i < 64 * 64 * 8; i++) x[i] = 4096 + x[i];
    check_standardize(&map, &in, x);
    check_standardize(&line, &row, x);
    guarded_free(x);
}

static void huge_values_do_not_overflow(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE2(1, 4);
    const struct tp_node nd = over(1, 1, 0);
    float *x = guarded_random(4, 1);
    x[0] = x[1] = 3e38f, x[2] = x[3] = -3e38f;
    check_node_against(&nd, &in, &x, (const double[]){ 1, 1, -1, -1 }, 1e-6);
    guarded_free(x);
}

static void equal_values_become_zeros_and_a_nan_spoils_its_own(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE2(2, 3);
    const struct tp_node nd = over(1, 1, 1e-5f);
    float *x = guarded_random(6, 1);
    for (int i = 0; i < 6; i++) x[i] = 0.1f;
    x[4] = NAN;
    check_node_against(&nd, &in, &x, (const double[]){ 0, 0, 0, NAN, NAN, NAN }, 0);
    guarded_free(x);
}

static void writing_over_the_input_gives_the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct tp_node nd = over(cases[i].axis, cases[i].n, 1e-5f);
        struct tp_err err = { 0 };
        struct tp_arena arena;
        const struct tp_shape *in = &cases[i].shape;
        const int64_t n = tp_shape_elements(in);
        float *x = guarded_random(n, 1), *out = guarded_random(n, 2);
        nd.act.kind = TP_ACT_SIGMOID;
        tp_arena_init(&arena, SIZE_MAX);
        struct tp_step st = { .node = &nd, .k = tp_kernels_get(), .in = in, .out = *in };
        assert_true(nd.op->plan(&st, &arena, &err));
        const float *inputs[] = { x };
        struct tp_io io = { inputs, out, tp_arena_alloc(&arena, st.scratch_bytes), 2 };
        nd.op->run(&st, &io);
        io.out = x;
        nd.op->run(&st, &io);
        assert_memory_equal(x, out, (size_t)n * sizeof *x);
        tp_arena_fini(&arena);
        guarded_free(x);
        guarded_free(out);
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(TP_ANY, TP_ANY, 4, 5);
    const struct tp_node negative = over(1, 2, -1e-5f), nan = over(1, 2, NAN), far = over(3, 2, 0);
    check_node_refused(&negative, &in, "norm: epsilon is -1e-05; it must be a number of at least "
                       "0");
    check_node_refused(&nan, &in, "norm: epsilon is nan");
    check_node_refused(&far, &in, "norm: no 2 axes from axis 3 on in its input [any, any, 4, 5]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_axes_of_any_rank),
        cmocka_unit_test(scale_shift_and_activation_follow),
        cmocka_unit_test(a_mean_far_from_zero_costs_nothing),
        cmocka_unit_test(huge_values_do_not_overflow),
        cmocka_unit_test(equal_values_become_zeros_and_a_nan_spoils_its_own),
        cmocka_unit_test(writing_over_the_input_gives_the_same_bits),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
