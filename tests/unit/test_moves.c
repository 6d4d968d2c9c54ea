/* test_moves.c - data that are moved twice, or not at all. */
#include "network.h"

static int put_turn(struct tp_graph *g, int from, int a, int b, int c, int d)
{
    struct tp_node nd = { .op = &tp_op_transpose, .attr.transpose.perm = { a, b, c, d } };
    return put(g, nd, ON(from));
}

static int put_rows(struct tp_graph *g, int from, int64_t a, int64_t b)
{
    struct tp_node nd = { .op = &tp_op_reshape, .attr.reshape.target = { 2, { a, b } } };
    return put(g, nd, ON(from));
}

static void transposes_that_follow_each_other_become_one(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 3, 5);
    int a = put_turn(g, 0, 0, 3, 1, 2), b = put_turn(g, a, 0, 2, 1, 3);
    int c = put_turn(g, b, 0, 3, 1, 2);
    assert_int_equal(check_layers(g, ON(c)), 1);
    assert_int_equal(check_layers(g, ON(b)), 1);
    assert_int_equal(check_layers(g, ON(a, c)), 2);
    assert_int_equal(check_layers(g, ON(c, b, a)), 3);
    tp_graph_free(g);
}

static void transposes_that_undo_each_other_are_gone(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 3, 5);
    int pool = put_max_pool(g, 0), a = put_turn(g, pool, 0, 3, 1, 2);
    int back = put_turn(g, put_plain(g, &tp_op_identity, a), 0, 2, 3, 1);
    int relu = put_relu(g, put_batch_norm(g, back)), end = put_conv(g, back, 4);
    assert_int_equal(check_layers(g, ON(back)), 1);
    assert_int_equal(check_layers(g, ON(relu)), 2);
    assert_int_equal(check_layers(g, ON(end)), 2);
    assert_int_equal(check_layers(g, ON(a, back)), 2);
    tp_graph_free(g);
}

/* What stands between a convolution and its activation hides it no more. */
static void what_is_dropped_is_folded_through(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 3, 5);
    int conv = put_conv(g, 0, 6), there = put_turn(g, conv, 0, 3, 2, 1);
    int back = put_turn(g, there, 0, 3, 2, 1), relu = put_relu(g, back);
    assert_int_equal(check_layers(g, ON(relu)), 1);
    assert_int_equal(check_layers(g, ON(conv, relu)), 2);
    tp_graph_free(g);
}

static void an_axis_of_one_element_is_moved_for_nothing(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 3, 5);
    int pixel = put_global(g, 0), turned = put_turn(g, pixel, 0, 3, 1, 2);
    int still = put_turn(g, 0, 0, 1, 2, 3), relu = put_relu(g, still);
    int flat = put_plain(g, &tp_op_flatten, turned);
    int column = put_turn(g, put_rows(g, flat, 5, 1), 0, 2, 1, 3);
    assert_int_equal(check_layers(g, ON(turned)), 1);
    assert_int_equal(check_layers(g, ON(turned, pixel, flat)), 1);
    assert_int_equal(check_layers(g, ON(still)), 0);
    assert_int_equal(check_layers(g, ON(relu)), 1);
    assert_int_equal(check_layers(g, ON(column)), 1);
    tp_graph_free(g);
}

static void transposes_that_move_something_stay(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 1, 5);
    int a = put_turn(g, 0, 0, 3, 2, 1), b = put_turn(g, 0, 0, 2, 1, 3);
    assert_int_equal(check_layers(g, ON(a)), 1);
    assert_int_equal(check_layers(g, ON(b)), 0);         /* only the width, which is 1 */
    assert_int_equal(check_layers(g, ON(put_turn(g, b, 0, 3, 2, 1))), 1);
    tp_graph_free(g);
}

static void a_concat_of_one_and_views_of_views_take_no_step(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 3, 6);
    int conv = put_conv(g, 0, 6), rows = put_rows(g, put_plain(g, &tp_op_flatten, conv), 6, 12);
    int again = put_rows(g, rows, 12, 6), flat = put_plain(g, &tp_op_flatten, again);
    int one = put(g, (struct tp_node){ .op = &tp_op_concat, .attr.axis.axis = 3 }, ON(conv));
    int relu = put_relu(g, one), two = put_relu(g, put_rows(g, put_rows(g, again, 3, 24), 12, 6));
    assert_int_equal(check_layers(g, ON(flat)), 1);
    assert_int_equal(check_layers(g, ON(flat, again, rows, conv)), 1);
    assert_int_equal(check_layers(g, ON(one)), 1);
    assert_int_equal(check_layers(g, ON(relu)), 1);
    assert_int_equal(check_layers(g, ON(relu, one, two)), 3);
    tp_graph_free(g);
}

/* The judge knows no Take: the answer is held against that of the layer in front. */
static void check_take(bool changed, int n_steps)
{
    static const int32_t rows[] = { 0, 1, 2, 3 }, mixed[] = { 0, 1, 3, 2 };
    struct tp_graph *g = network(4, 3, 6);
    struct tp_node nd = { .op = &tp_op_take };
    nd.attr.take.index[1] = changed ? mixed : rows;
    nd.attr.take.n[1] = 4;
    int conv = put_conv(g, 0, 6), take = put(g, nd, ON(conv)), relu = put_relu(g, take);
    assert_true(use_table(g, 0));
    const struct tp_tap taps[] = { tap_of(g, conv), tap_of(g, take) }, last = tap_of(g, relu);
    struct trial t = trial_of(g, 1, taps, 2);
    assert_int_equal(tp_plan_n_steps(t.plan), n_steps);
    trial_run(&t, 1, true);
    const int64_t row = 3 * 6;
    for (int y = 0; y < 4; y++)
        assert_memory_equal(t.outputs[1] + y * row,
                            t.outputs[0] + (changed ? mixed : rows)[y] * row,
                            (size_t)row * sizeof(float));
    trial_free(&t);
    struct tp_plan *plan = plan_of(g, 1, &last, 1);
    assert_int_equal(tp_plan_n_steps(plan), changed ? 3 : 1);
    tp_plan_free(plan);
    tp_graph_free(g);
}

static void taking_everything_as_it_is_takes_no_step(void **state)
{
    (void)state;
    check_take(false, 1);
    check_take(true, 2);
}

static void taking_a_part_stays(void **state)
{
    (void)state;
    static const int32_t rows[] = { 0, 1, 2, 3, 0 };
    struct tp_graph *g = network(4, 3, 6);
    for (int n = 1; n <= 5; n += 2) {
        struct tp_node nd = { .op = &tp_op_take };
        nd.attr.take.index[1] = rows;
        nd.attr.take.n[1] = n;
        const struct tp_tap tap = tap_of(g, put(g, nd, ON(0)));
        struct tp_plan *plan = plan_of(g, 1, &tap, 1);
        assert_int_equal(tp_plan_n_steps(plan), 1);
        tp_plan_free(plan);
    }
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transposes_that_follow_each_other_become_one),
        cmocka_unit_test(transposes_that_undo_each_other_are_gone),
        cmocka_unit_test(what_is_dropped_is_folded_through),
        cmocka_unit_test(an_axis_of_one_element_is_moved_for_nothing),
        cmocka_unit_test(transposes_that_move_something_stay),
        cmocka_unit_test(a_concat_of_one_and_views_of_views_take_no_step),
        cmocka_unit_test(taking_everything_as_it_is_takes_no_step),
        cmocka_unit_test(taking_a_part_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
