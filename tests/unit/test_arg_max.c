/* test_arg_max.c - the place of the greatest element along one axis. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

static struct tp_node along(int axis, bool min, bool last)
{
    return (struct tp_node){
        .name = "top", .type = "ArgMax", .op = &tp_op_arg_max, .n_inputs = 1,
        .attr.axes = { .axis = axis, .n_axes = 1, .min = min, .last = last },
    };
}

/* NaN is the greatest of all, and the least of all. */
static bool is_before(float a, float b, bool min)
{
    if (isnan(b)) return false;
    return isnan(a) || (min ? a < b : a > b);
}

static void check_arg(const struct tp_node *nd, const struct tp_shape *in, float *x)
{
    const struct tp_axes_attr *a = &nd->attr.axes;
    const int64_t outer = tp_shape_span(in, 0, a->axis), n = in->dim[a->axis];
    const int64_t inner = tp_shape_span(in, a->axis + 1, in->rank);
    double *want = malloc((size_t)(outer * inner) * sizeof *want);
    for (int64_t i = 0; i < outer * inner; i++) {
        const float *column = x + i / inner * n * inner + i % inner;
        int64_t best = 0;
        for (int64_t t = 1; t < n; t++) {
            const float here = column[t * inner], top = column[best * inner];
            const bool tie = !is_before(top, here, a->min);
            if (is_before(here, top, a->min) || (a->last && tie)) best = t;
        }
        want[i] = (double)best;
    }
    check_node_against(nd, in, &x, want, 0);
    free(want);
}

static void any_axis_first_or_last_greatest_or_least(void **state)
{
    (void)state;
    static const float values[] = { -1, 0, -0.0f, 1, 2, INFINITY, -INFINITY, NAN };
    const struct tp_shape shapes[] = {
        TP_SHAPE4(2, 5, 7, 3), TP_SHAPE2(3, 301), TP_SHAPE2(41, 131), { .rank = 1, .dim = { 1 } },
        { .rank = 8, .dim = { 2, 1, 3, 2, 1, 2, 3, 2 } },
    };
    uint32_t seed = 3;
    for (int s = 0; s < 5; s++)
        for (int axis = 0; axis < shapes[s].rank; axis++)
            for (int mode = 0; mode < 8; mode++) {       /* half of them with many equal ones */
                const int64_t n = tp_shape_elements(&shapes[s]);
                const struct tp_node nd = along(axis, mode & 1, mode & 2);
                float *x = guarded_random(n, (uint32_t)mode + 1);
                for (int64_t i = 0; i < n && mode & 4; i++)
                    x[i] = values[next_random(&seed) % (shapes[s].dim[axis] > 9 ? 7 : 8)];
                check_arg(&nd, &shapes[s], x);
                guarded_free(x);
            }
}

static void nothing_but_the_lowest_values_has_a_first_and_a_last(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE2(2, 3);
    for (int i = 0; i < 2; i++) {
        const struct tp_node first = along(1, i, false), last = along(1, i, true);
        float *x = guarded_random(6, 1);
        for (int j = 0; j < 6; j++) x[j] = i ? INFINITY : -INFINITY;
        check_node_against(&first, &in, &x, (const double[]){ 0, 0 }, 0);
        check_node_against(&last, &in, &x, (const double[]){ 2, 2 }, 0);
        guarded_free(x);
    }
}

static void open_sizes_stay_open_but_for_the_axis(void **state)
{
    (void)state;
    const struct tp_node nd = along(1, false, false);
    const struct tp_shape in = TP_SHAPE2(TP_ANY, TP_ANY), want = TP_SHAPE2(TP_ANY, 1);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_true(tp_shape_equal(&out, &want));
}

static void places_that_floats_cannot_tell_apart_are_refused(void **state)
{
    (void)state;
    const struct tp_node nd = along(1, false, false), far = along(2, false, false);
    const struct tp_node low = along(-1, false, false), none = along(0, false, false);
    const struct tp_shape in = TP_SHAPE2(1, (1 << 24) + 1), scalar = { 0 };
    check_node_refused(&nd, &in, "top: axis 1 of its input [1, 16777217] is longer than the "
                       "16777216 places that floats can tell apart");
    check_node_refused(&far, &in, "top: no axis 2 in its input");
    check_node_refused(&low, &in, "top: no axis -1");
    check_node_refused(&none, &scalar, "top: no axis 0 in its input []");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_axis_first_or_last_greatest_or_least),
        cmocka_unit_test(nothing_but_the_lowest_values_has_a_first_and_a_last),
        cmocka_unit_test(open_sizes_stay_open_but_for_the_axis),
        cmocka_unit_test(places_that_floats_cannot_tell_apart_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
