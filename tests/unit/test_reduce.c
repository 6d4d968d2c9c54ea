/* test_reduce.c - neighbouring axes folded into one value. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

enum { N_KINDS = TP_REDUCTION_LOG_SUM_EXP + 1 };

static struct tp_node reduce(enum tp_reduction kind, int axis, int n_axes)
{
    return (struct tp_node){
        .name = "mean", .type = "ReduceMean", .op = &tp_op_reduce, .n_inputs = 1,
        .attr.axes = { .axis = axis, .n_axes = n_axes, .reduction = kind },
    };
}

/* Of n elements, `step` apart. */
static double folded(enum tp_reduction kind, const float *x, int64_t n, int64_t step)
{
    double sum = 0, product = 1, one = 0, two = 0, most = -INFINITY, least = INFINITY, e = 0;
    bool nan = false;
    for (int64_t i = 0; i < n; i++) {
        const double v = x[i * step];
        nan |= isnan(v);
        sum += v;
        product *= v;
        one += fabs(v);
        two += v * v;
        if (v > most) most = v;
        if (v < least) least = v;
    }
    for (int64_t i = 0; i < n; i++) e += exp((double)x[i * step] - (isfinite(most) ? most : 0));
    switch (kind) {
    case TP_REDUCTION_MEAN: return sum / (double)n;
    case TP_REDUCTION_MAX: return nan ? NAN : most;
    case TP_REDUCTION_MIN: return nan ? NAN : least;
    case TP_REDUCTION_SUM: return sum;
    case TP_REDUCTION_PROD: return product;
    case TP_REDUCTION_L1: return one;
    case TP_REDUCTION_L2: return sqrt(two);
    case TP_REDUCTION_SUM_SQUARE: return two;
    case TP_REDUCTION_LOG_SUM: return log(sum);
    case TP_REDUCTION_LOG_SUM_EXP: return log(e) + (isfinite(most) ? most : 0);
    }
    return 0;
}

static void check_reduce(const struct tp_node *nd, const struct tp_shape *in, float *x,
                         double tolerance)
{
    const struct tp_axes_attr *a = &nd->attr.axes;
    const int64_t outer = tp_shape_span(in, 0, a->axis);
    const int64_t n = tp_shape_span(in, a->axis, a->axis + a->n_axes);
    const int64_t inner = tp_shape_span(in, a->axis + a->n_axes, in->rank);
    double *want = malloc((size_t)(outer * inner) * sizeof *want);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < inner; j++)
            want[o * inner + j] = folded(a->reduction, x + o * n * inner + j, n, inner);
    check_node_against(nd, in, &x, want, tolerance);
    free(want);
}

static void any_axes_of_any_rank(void **state)
{
    (void)state;
    const struct tp_shape shapes[] = {
        { .rank = 0 }, { .rank = 1, .dim = { 37 } }, TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(1, 9, 4, 17),
        TP_SHAPE2(3, 131), TP_SHAPE2(129, 2), { .rank = 8, .dim = { 2, 1, 3, 2, 1, 2, 3, 2 } },
    };
    for (int s = 0; s < 7; s++) {
        float *x = guarded_random(tp_shape_elements(&shapes[s]), (uint32_t)s);
        for (int axis = 0; axis <= shapes[s].rank; axis++)
            for (int n = 0; n <= shapes[s].rank - axis; n += shapes[s].rank > 4 ? 3 : 1) {
                const enum tp_reduction kind = (enum tp_reduction)((s + 3 * axis + n) % N_KINDS);
                const struct tp_node nd = reduce(kind, axis, n);
                check_reduce(&nd, &shapes[s], x, 1e-6);
            }
        guarded_free(x);
    }
}

static void every_kind_over_maps_rows_and_columns(void **state)
{
    (void)state;
    static const struct { struct tp_shape shape; int axis, n; } cases[] = {
        { { .rank = 4, .dim = { 2, 11, 13, 19 } }, 1, 2 }, /* pooling of maps */
        { { .rank = 4, .dim = { 1, 90, 100, 5 } }, 1, 2 }, /* in blocks, few channels */
        { { .rank = 3, .dim = { 2, 300, 150 } }, 1, 1 },   /* in blocks, two units */
        { { .rank = 2, .dim = { 3, 40007 } }, 1, 1 },      /* long rows */
        { { .rank = 2, .dim = { 5, 300 } }, 0, 1 },
        { { .rank = 3, .dim = { 7, 1, 3 } }, 1, 1 },       /* one element each */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *x = guarded_random(tp_shape_elements(&cases[i].shape), 11);
        for (int kind = 0; kind < N_KINDS; kind++) {
            const struct tp_node nd = reduce((enum tp_reduction)kind, cases[i].axis, cases[i].n);
            check_reduce(&nd, &cases[i].shape, x, 1e-6);
        }
        guarded_free(x);
    }
}

static void long_sums_lose_nothing(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    const struct tp_shape in = TP_SHAPE2(N / 4, 4), row = TP_SHAPE2(1, N);
    float *x = guarded_random(N, 3);
    for (int i = 0; i < N; i++) x[i] = 1000 + x[i];      /* a float sum is off by 1e-4 here */
    const struct tp_node down = reduce(TP_REDUCTION_MEAN, 0, 1);
    const struct tp_node across = reduce(TP_REDUCTION_SUM, 1, 1);
    check_reduce(&down, &in, x, 1e-7);
    check_reduce(&across, &row, x, 1e-7);
    guarded_free(x);
}

static void a_nan_anywhere_makes_nan_of_its_own_column(void **state)
{
    (void)state;
    const struct tp_shape shapes[] = { TP_SHAPE4(1, 3, 7, 5), TP_SHAPE4(1, 3, 7, 21),
                                       TP_SHAPE4(1, 21, 1, 1) };
    for (int s = 0; s < 3; s++)
        for (int kind = 0; kind < N_KINDS; kind++) {
            const int64_t channels = shapes[s].dim[3];
            const struct tp_node nd = reduce((enum tp_reduction)kind, 1, 2);
            for (int64_t at = 0; at < 21 * channels; at += channels + 1) {
                float *x = guarded_random(21 * channels, 1);
                x[at] = NAN;
                x[(at + 2) % (21 * channels)] = INFINITY;
                check_reduce(&nd, &shapes[s], x, 1e-6);
                guarded_free(x);
            }
        }
}

static void norms_of_huge_and_tiny_values_stay_finite(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE2(2, 3);
    float *x = guarded_random(6, 1);
    const struct tp_node nd = reduce(TP_REDUCTION_L2, 1, 1);
    x[0] = 1e30f, x[1] = -2e30f, x[2] = 2e30f;
    x[3] = 1e-30f, x[4] = -2e-30f, x[5] = 2e-30f;
    struct tp_err err = { 0 };
    struct tp_arena arena;
    float out[2];
    tp_arena_init(&arena, SIZE_MAX);
    struct tp_step st = { .node = &nd, .k = tp_kernels_get(), .in = &in, .out = TP_SHAPE2(2, 1) };
    assert_true(nd.op->plan(&st, &arena, &err));
    const float *inputs[] = { x };
    nd.op->run(&st, &(struct tp_io){ inputs, out, tp_arena_alloc(&arena, st.scratch_bytes), 1 });
    assert_float_equal(out[0], 3e30f, 1e24f);
    assert_float_equal(out[1], 3e-30f, 1e-36f);
    tp_arena_fini(&arena);
    guarded_free(x);
}

static void log_sum_exp_neither_overflows_nor_vanishes(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE2(5, 3), huge = TP_SHAPE2(1, 3);
    const struct tp_node nd = reduce(TP_REDUCTION_LOG_SUM_EXP, 1, 1);
    static const float rows[] = {
        1000, 999, -1000,  -1000, -1001, -1002,  -INFINITY, -INFINITY, -INFINITY,
        -INFINITY, 3, -INFINITY,  INFINITY, 0, -INFINITY,  3.4e38f, -3.4e38f, 0,
    };
    const double want[] = { 1000 + log1p(exp(-1)), -1000 + log(1 + exp(-1) + exp(-2)), -INFINITY, 3,
                            INFINITY };
    float *x = guarded_random(15, 1), *y = guarded_random(3, 1);
    for (int i = 0; i < 15; i++) x[i] = rows[i];
    for (int i = 0; i < 3; i++) y[i] = rows[15 + i];
    check_node_against(&nd, &in, &x, want, 1e-6);
    check_node_against(&nd, &huge, &y, (const double[]){ (double)3.4e38f }, 0);
    guarded_free(x);
    guarded_free(y);
}

static void open_sizes_stay_open_but_for_the_axes(void **state)
{
    (void)state;
    const struct tp_node nd = reduce(TP_REDUCTION_MEAN, 1, 2);
    const struct tp_shape in = TP_SHAPE4(TP_ANY, TP_ANY, 7, TP_ANY);
    const struct tp_shape want = TP_SHAPE4(TP_ANY, 1, 1, TP_ANY);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_true(tp_shape_equal(&out, &want));
}

static void axes_that_are_not_there_are_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 3, 4, 5);
    const struct tp_node far = reduce(TP_REDUCTION_SUM, 2, 3);
    const struct tp_node low = reduce(TP_REDUCTION_SUM, -1, 1);
    const struct tp_node one = reduce(TP_REDUCTION_SUM, 4, 1);
    const struct tp_node none = reduce(TP_REDUCTION_SUM, 1, -1);
    const struct tp_node huge = reduce(TP_REDUCTION_SUM, 1, INT32_MAX);
    const struct tp_node kind = reduce((enum tp_reduction)99, 1, 1);
    check_node_refused(&far, &in, "mean: no 3 axes from axis 2 on in its input [1, 3, 4, 5]; it "
                       "has axes 0 to 3");
    check_node_refused(&low, &in, "mean: no axis -1 in its input [1, 3, 4, 5]; it must be from 0");
    check_node_refused(&one, &in, "mean: no axis 4");
    check_node_refused(&none, &in, "mean: no -1 axes from axis 1 on");
    check_node_refused(&huge, &in, "mean: no 2147483647 axes");
    check_node_refused(&kind, &in, "mean: no reduction 99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_axes_of_any_rank),
        cmocka_unit_test(every_kind_over_maps_rows_and_columns),
        cmocka_unit_test(long_sums_lose_nothing),
        cmocka_unit_test(a_nan_anywhere_makes_nan_of_its_own_column),
        cmocka_unit_test(norms_of_huge_and_tiny_values_stay_finite),
        cmocka_unit_test(log_sum_exp_neither_overflows_nor_vanishes),
        cmocka_unit_test(open_sizes_stay_open_but_for_the_axes),
        cmocka_unit_test(axes_that_are_not_there_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
