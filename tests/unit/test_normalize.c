/* test_normalize.c - norm 1 over neighbouring axes. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static struct tp_node over(int axis, int n_axes, float p, float epsilon)
{
    return (struct tp_node){
        .name = "unit", .type = "LpNormalization", .op = &tp_op_normalize, .n_inputs = 1,
        .attr.axes = { .axis = axis, .n_axes = n_axes, .p = p, .epsilon = epsilon },
    };
}

static void check_normalize(const struct tp_node *nd, const struct tp_shape *in, float *x)
{
    const struct tp_axes_attr *a = &nd->attr.axes;
    const int64_t outer = tp_shape_span(in, 0, a->axis);
    const int64_t n = tp_shape_span(in, a->axis, a->axis + a->n_axes);
    const int64_t inner = tp_shape_span(in, a->axis + a->n_axes, in->rank);
    double *want = malloc((size_t)(outer * n * inner) * sizeof *want);
    for (int64_t i = 0; i < outer * inner; i++) {
        const int64_t at = i / inner * n * inner + i % inner;
        double one = 0, two = 0, most = 0;
        for (int64_t t = 0; t < n; t++) {
            const double v = fabs((double)x[at + t * inner]);
            one += v;
            two += v * v;
            if (!(v <= most)) most = v;
        }
        double norm = a->p == 1 ? one : a->p == 2 ? sqrt(two) : isnan(one) ? NAN : most;
        if (norm < (double)a->epsilon) norm = (double)a->epsilon;
        for (int64_t t = 0; t < n; t++) want[at + t * inner] = (double)x[at + t * inner] / norm;
    }
    check_node_against(nd, in, &x, want, 1e-7);
    free(want);
}

static void any_axes_and_all_norms(void **state)
{
    (void)state;
    static const struct { struct tp_shape shape; int axis, n; } cases[] = {
        { { .rank = 4, .dim = { 2, 11, 13, 19 } }, 1, 3 },
        { { .rank = 2, .dim = { 3, 40007 } }, 1, 1 },
        { { .rank = 4, .dim = { 1, 90, 100, 5 } }, 1, 2 },
        { { .rank = 3, .dim = { 2, 300, 150 } }, 1, 1 },
        { { .rank = 4, .dim = { 2, 3, 5, 6 } }, 3, 1 },
        { { .rank = 2, .dim = { 5, 300 } }, 0, 1 },
        { { .rank = 8, .dim = { 2, 1, 3, 2, 1, 2, 3, 2 } }, 3, 3 },
        { { .rank = 0 }, 0, 0 },
    };
    static const float ps[] = { 1, 2, INFINITY };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 3; k++) {
            const struct tp_node nd = over(cases[i].axis, cases[i].n, ps[k], 1e-12f);
            float *x = guarded_random(tp_shape_elements(&cases[i].shape), 3);
            check_normalize(&nd, &cases[i].shape, x);
            guarded_free(x);
        }
}

static void small_norms_count_as_epsilon(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE2(3, 2);
    const struct tp_node nd = over(1, 1, 2, 1e-3f), tiny = over(1, 1, 2, FLT_MIN);
    float *x = guarded_random(6, 1);
    x[0] = 3e-4f, x[1] = 4e-4f, x[2] = x[3] = 0, x[4] = 3e30f, x[5] = -4e30f;
    const double epsilon = 1e-3f;
    check_node_against(&nd, &in, &x, (const double[]){ 3e-4f / epsilon, 4e-4f / epsilon, 0, 0, 0.6,
                       -0.8 }, 1e-7);
    check_node_against(&tiny, &in, &x, (const double[]){ 0.6, 0.8, 0, 0, 0.6, -0.8 }, 1e-7);
    guarded_free(x);
}

static void nans_and_infinities_spoil_their_own_rows_only(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE2(3, 2);
    static const float ps[] = { 1, 2, INFINITY };
    for (int k = 0; k < 3; k++) {
        const struct tp_node nd = over(1, 1, ps[k], 1e-3f);
        float *x = guarded_random(6, 1);
        x[0] = 1, x[1] = NAN, x[2] = 1, x[3] = -INFINITY, x[4] = 0, x[5] = 2;
        check_node_against(&nd, &in, &x, (const double[]){ NAN, NAN, 0, NAN, 0, 1 }, 0);
        guarded_free(x);
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 3, 4, 5);
    const struct tp_node three = over(1, 1, 3, 0), nan = over(1, 1, NAN, 0);
    const struct tp_node low = over(1, 1, 2, -1), far = over(4, 1, 2, 0), more = over(0, 5, 2, 0);
    check_node_refused(&three, &in, "unit: p is 3; it must be 1, 2 or infinity");
    check_node_refused(&nan, &in, "unit: p is nan");
    check_node_refused(&low, &in, "unit: epsilon is -1; it must be a number of at least 0");
    check_node_refused(&far, &in, "unit: no axis 4 in its input [1, 3, 4, 5]");
    check_node_refused(&more, &in, "unit: no 5 axes from axis 0 on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_axes_and_all_norms),
        cmocka_unit_test(small_norms_count_as_epsilon),
        cmocka_unit_test(nans_and_infinities_spoil_their_own_rows_only),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
