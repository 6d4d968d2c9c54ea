/* test_interpolate.c - weighted sums of places along one axis. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

static struct tp_node along(int axis, int64_t n_out, int n_taps, const int32_t *index,
                            const float *weight)
{
    return (struct tp_node){
        .name = "up", .type = "Resize", .op = &tp_op_interpolate, .n_inputs = 1,
        .attr.interpolate = { axis, n_out, n_taps, index, weight },
    };
}

static void check_interpolate(const struct tp_node *nd, const struct tp_shape *in, float *x)
{
    const struct tp_interpolate_attr *a = &nd->attr.interpolate;
    const int64_t outer = tp_shape_span(in, 0, a->axis), length = in->dim[a->axis];
    const int64_t inner = tp_shape_span(in, a->axis + 1, in->rank);
    double *want = calloc((size_t)(outer * a->n_out * inner), sizeof *want);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < a->n_out; i++)
            for (int64_t t = i * a->n_taps; t < (i + 1) * a->n_taps; t++)
                for (int64_t j = 0; j < inner && a->weight[t] != 0; j++)
                    want[(o * a->n_out + i) * inner + j] +=
                        (double)a->weight[t] *
                        (double)x[(o * length + a->index[t]) * inner + j];
    check_node_against(nd, in, &x, want, 2e-7 * a->n_taps);
    free(want);
}

static void any_axis_and_any_number_of_taps(void **state)
{
    (void)state;
    enum { N_OUT = 7, MOST_TAPS = 5 };
    int32_t index[N_OUT * MOST_TAPS];
    float weight[N_OUT * MOST_TAPS];
    uint32_t seed = 5;
    const struct tp_shape shapes[] = {
        TP_SHAPE4(2, 3, 5, 7), TP_SHAPE4(1, 6, 1, 67), { .rank = 1, .dim = { 9 } },
        TP_SHAPE2(3, 2500), { .rank = 8, .dim = { 1, 2, 1, 3, 2, 1, 2, 3 } },
    };
    for (int s = 0; s < 5; s++)
        for (int axis = 0; axis < shapes[s].rank; axis++)
            for (int n_taps = 1; n_taps <= MOST_TAPS; n_taps++) {
                for (int t = 0; t < N_OUT * n_taps; t++) {
                    index[t] = (int32_t)(next_random(&seed) % shapes[s].dim[axis]);
                    weight[t] = (float)(next_random(&seed) % 5) / 2 - 1;    /* 0 and 1 among them */
                }
                const struct tp_node nd = along(axis, N_OUT, n_taps, index, weight);
                float *x = guarded_random(tp_shape_elements(&shapes[s]), (uint32_t)s);
                check_interpolate(&nd, &shapes[s], x);
                guarded_free(x);
            }
}

static void a_tap_without_weight_is_not_read(void **state)
{
    (void)state;
    static const int32_t index[] = { 0, 1, 2, 1 };
    static const float weight[] = { 1, 0, 0.5f, 0 };
    const struct tp_shape row = TP_SHAPE2(1, 3), column = TP_SHAPE2(3, 2);
    float *x = guarded_random(6, 1);
    const double places[] = { x[0], 0.5 * (double)x[2] };
    const struct tp_node across = along(1, 2, 2, index, weight);
    const float was = x[1];
    x[1] = INFINITY;
    float *first = x;
    float *line = guarded_random(3, 1);
    for (int i = 0; i < 3; i++) line[i] = x[i];
    check_node_against(&across, &row, &line, places, 1e-6);
    x[1] = was;
    x[2] = x[3] = NAN;                                   /* row 1 */
    const double rows[] = { x[0], x[1], 0.5 * (double)x[4], 0.5 * (double)x[5] };
    const struct tp_node down = along(0, 2, 2, index, weight);
    check_node_against(&down, &column, &first, rows, 1e-6);
    guarded_free(line);
    guarded_free(x);
}

static void without_any_weight_it_is_zero(void **state)
{
    (void)state;
    static const int32_t index[] = { 0, 1 };
    static const float weight[] = { 0, 0 };
    const struct tp_shape in = TP_SHAPE2(2, 5);
    const struct tp_node down = along(0, 1, 2, index, weight);
    const struct tp_node across = along(1, 2, 1, index, weight);
    const double want[5] = { 0 };
    float *x = guarded_random(10, 1);
    check_node_against(&down, &in, &x, want, 0);
    check_node_against(&across, &in, &x, want, 0);
    guarded_free(x);
}

static void open_sizes_stay_open_but_for_the_axis(void **state)
{
    (void)state;
    static const int32_t index[] = { 0, 99 };
    static const float weight[] = { 1, 1 };
    const struct tp_node nd = along(1, 2, 1, index, weight);
    const struct tp_shape in = TP_SHAPE4(TP_ANY, TP_ANY, TP_ANY, 3);
    const struct tp_shape want = TP_SHAPE4(TP_ANY, 2, TP_ANY, 3);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_true(tp_shape_equal(&out, &want));
}

static void tables_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const int32_t index[] = { 0, 3, -1 };
    static const float weight[] = { 1, 1, 1 }, bad[] = { 1, NAN, 1 };
    const struct tp_shape in = TP_SHAPE4(1, 3, 4, 5), huge = TP_SHAPE4(4, INT32_MAX, INT32_MAX, 1);
    const struct tp_node far = along(1, 2, 1, index, weight), low = along(2, 3, 1, index, weight);
    const struct tp_node none = along(1, 0, 1, index, weight), tapless = along(1, 1, 0, index, bad);
    const struct tp_node many = along(1, INT64_MAX, 2, index, weight);
    const struct tp_node nan = along(2, 2, 1, index, bad), axis = along(4, 1, 1, index, weight);
    check_node_refused(&far, &in, "up: place 1 of the output reads place 3 of axis 1 of its input "
                       "[1, 3, 4, 5]");
    check_node_refused(&low, &in, "up: place 2 of the output reads place -1 of axis 2");
    check_node_refused(&none, &in, "up: 0 places of 1 taps; both must be at least 1");
    check_node_refused(&tapless, &in, "up: 1 places of 0 taps");
    check_node_refused(&many, &in, "up: 9223372036854775807 places of 2 taps");
    check_node_refused(&nan, &in, "up: place 1 of the output has the weight nan");
    check_node_refused(&axis, &in, "up: no axis 4 in its input [1, 3, 4, 5]");
    const struct tp_node wide = along(3, 3, 1, (const int32_t[]){ 0, 0, 0 }, weight);
    check_node_refused(&wide, &huge, "has too many elements to count");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_axis_and_any_number_of_taps),
        cmocka_unit_test(a_tap_without_weight_is_not_read),
        cmocka_unit_test(without_any_weight_it_is_zero),
        cmocka_unit_test(open_sizes_stay_open_but_for_the_axis),
        cmocka_unit_test(tables_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
