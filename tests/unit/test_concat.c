/* test_concat.c - inputs one behind the other along any axis. */
#include "check.h"

static struct tp_node concat(int n_inputs, int axis)
{
    return (struct tp_node){ .name = "cat", .type = "Concatenate", .op = &tp_op_concat,
                             .n_inputs = n_inputs, .attr.axis.axis = axis };
}

static void any_axis_takes_inputs_of_different_lengths(void **state)
{
    (void)state;
    for (int axis = 0; axis < 4; axis++) {
        const struct tp_shape map = TP_SHAPE4(2, 3, 5, 7);
        struct tp_shape in[3] = { map, map, map };
        const struct tp_node nd = concat(3, axis);
        in[1].dim[axis] = 1;
        in[2].dim[axis] = 9;
        check_node_random(&nd, in, 0);
    }
}

static void one_input_is_copied(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE2(3, 5);
    const struct tp_node nd = concat(1, 1);
    check_node_random(&nd, &in, 0);
}

static void open_sizes_become_known_where_an_input_knows_them(void **state)
{
    (void)state;
    const struct tp_shape in[2] = {
        TP_SHAPE4(TP_ANY, TP_ANY, 6, 3), TP_SHAPE4(TP_ANY, 4, TP_ANY, 2),
    };
    const struct tp_shape by_channel = TP_SHAPE4(TP_ANY, 4, 6, 5);
    const struct tp_node nd = concat(2, 3), tall = concat(2, 1);
    struct tp_shape out, same[2] = { in[0], in[0] };
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, in, &out, &err));
    assert_true(tp_shape_equal(&out, &by_channel));
    assert_true(tall.op->shape(&tall, same, &out, &err));
    assert_true(tp_shape_equal(&out, &in[0]));           /* two unknown heights: still unknown */
}

static void inputs_that_do_not_fit_are_named(void **state)
{
    (void)state;
    const struct tp_shape in[3] = {
        TP_SHAPE4(1, 4, 4, 8), TP_SHAPE4(1, 4, 4, 2), TP_SHAPE4(1, 2, 2, 8),
    };
    const struct tp_shape ranks[2] = { TP_SHAPE4(1, 4, 4, 8), TP_SHAPE2(1, 8) };
    const struct tp_node three = concat(3, 3), two = concat(2, 3), far = concat(3, 4);
    check_node_refused(&three, in, "cat: inputs 0 and 2 have shapes [1, 4, 4, 8] and [1, 2, 2, 8]; "
                       "all axes but axis 3 must be equal");
    check_node_refused(&two, ranks, "inputs 0 and 1");
    check_node_refused(&far, in, "no axis 4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_axis_takes_inputs_of_different_lengths),
        cmocka_unit_test(one_input_is_copied),
        cmocka_unit_test(open_sizes_become_known_where_an_input_knows_them),
        cmocka_unit_test(inputs_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
