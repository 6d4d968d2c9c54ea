/* test_cost.c - what a step costs, near enough to tell what is too much. */
#include "check.h"

#include "graph/cost.h"

static const struct tp_shape map = { .rank = 4, .dim = { 2, 9, 7, 3 } };

static int64_t operations(struct tp_node nd, int n_inputs, const struct tp_shape *in,
                          struct tp_shape out)
{
    nd.n_inputs = n_inputs;
    const struct tp_step st = { .node = &nd, .in = in, .out = out };
    return tp_cost_operations(&st);
}

static void what_cannot_be_counted_is_the_most_there_is(void **state)
{
    (void)state;
    assert_int_equal(tp_cost_plus(3, 4), 7);
    assert_int_equal(tp_cost_times(3, 4), 12);
    assert_int_equal(tp_cost_plus(INT64_MAX, 1), INT64_MAX);
    assert_int_equal(tp_cost_times((int64_t)1 << 40, (int64_t)1 << 40), INT64_MAX);
}

static void a_step_without_products_costs_its_elements(void **state)
{
    (void)state;
    const struct tp_shape both[] = { map, map };
    struct tp_node relu = { .op = &tp_op_activation }, add = { .op = &tp_op_binary };
    assert_int_equal(operations(relu, 1, &map, map), 2 * 378);
    assert_int_equal(operations(add, 2, both, map), 3 * 378);
}

static void multiply_adds_are_those_of_all_images(void **state)
{
    (void)state;
    struct tp_node nd = { .op = &tp_op_gemm, .attr.gemm = { .units = 5, .in_features = 3 } };
    const struct tp_shape out = TP_SHAPE4(2, 9, 7, 5);
    const struct tp_step st = { .node = &nd, .in = &map, .out = out };
    nd.n_inputs = 1;
    assert_int_equal(tp_cost_macs(&st), 2 * 63 * 3 * 5);
    assert_int_equal(tp_cost_operations(&st), 2 * 63 * 3 * 5 + 2 * 63 * 5);
    nd.op = &tp_op_pool;
    assert_int_equal(tp_cost_macs(&st), 0);
}

static void a_window_costs_its_taps_inside_the_map(void **state)
{
    (void)state;
    static const struct tp_op *const ops[] = { &tp_op_pool, &tp_op_bin_pool, &tp_op_pool_index };
    for (int i = 0; i < 3; i++) {
        struct tp_node nd = { .op = ops[i] };
        nd.attr.pool.window = (struct tp_window){ .kernel = { 3, 1 << 28 } };
        assert_int_equal(operations(nd, 1, &map, TP_SHAPE4(2, 4, 4, 3)), 96 * 3 * 7);
        nd.attr.pool.bins[0] = nd.attr.pool.bins[1] = 4;
        if (i) assert_int_equal(operations(nd, 1, &map, TP_SHAPE4(2, 4, 4, 3)), 96 + 378);
    }
}

static void regions_cost_their_samples(void **state)
{
    (void)state;
    const struct tp_shape in[] = { map, TP_SHAPE2(5, 4), { .rank = 1, .dim = { 5 } } };
    const struct tp_shape out = TP_SHAPE4(5, 2, 2, 3);
    struct tp_node nd = { .op = &tp_op_roi, .attr.roi.sampling_ratio = 2 };
    assert_int_equal(operations(nd, 3, in, out), 60 * 16);
    nd.attr.roi.sampling_ratio = 0;                      /* as many as the map has pixels */
    assert_int_equal(operations(nd, 3, in, out), 60 * 4 * 63);
    nd.attr.roi.sampling_ratio = 2;
    nd.attr.roi.quantized = true;
    assert_int_equal(operations(nd, 3, in, out), 60 * 4 * 63);
}

static void sums_over_neighbours_cost_their_neighbours(void **state)
{
    (void)state;
    struct tp_node lrn = { .op = &tp_op_lrn, .attr.lrn.size = 2 };
    struct tp_node lines = { .op = &tp_op_interpolate, .attr.interpolate.n_taps = 4 };
    assert_int_equal(operations(lrn, 1, &map, map), 378 * 2);
    lrn.attr.lrn.size = 1 << 30;
    assert_int_equal(operations(lrn, 1, &map, map), 378 * 3);
    assert_int_equal(operations(lines, 1, &map, TP_SHAPE4(2, 18, 7, 3)), 756 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_counted_is_the_most_there_is),
        cmocka_unit_test(a_step_without_products_costs_its_elements),
        cmocka_unit_test(multiply_adds_are_those_of_all_images),
        cmocka_unit_test(a_window_costs_its_taps_inside_the_map),
        cmocka_unit_test(regions_cost_their_samples),
        cmocka_unit_test(sums_over_neighbours_cost_their_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
