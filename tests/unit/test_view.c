/* test_view.c - the same elements under another shape. */
#include "check.h"

static struct tp_node view(struct tp_shape shape)
{
    return (struct tp_node){ .name = "flat", .type = "View", .op = &tp_op_view, .n_inputs = 1,
                             .attr.view.shape = shape };
}

static void the_shape_is_the_one_that_was_asked_for(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(2, 3, 4, 5);
    const struct tp_shape wanted[] = {
        TP_SHAPE2(6, 20), TP_SHAPE4(1, 1, 1, 120), { .rank = 1, .dim = { 120 } },
        { .rank = 8, .dim = { 2, 1, 3, 1, 4, 1, 5, 1 } },
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const struct tp_node nd = view(wanted[i]);
        struct tp_shape out;
        struct tp_err err = { 0 };
        assert_true(nd.op->shape(&nd, &in, &out, &err));
        assert_true(tp_shape_equal(&out, &wanted[i]));
    }
}

static void one_element_may_have_no_axis_at_all(void **state)
{
    (void)state;
    const struct tp_shape scalar = { 0 }, one = TP_SHAPE2(1, 1);
    const struct tp_node down = view(scalar), up = view(one);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(down.op->shape(&down, &one, &out, &err));
    assert_true(tp_shape_equal(&out, &scalar));
    assert_true(up.op->shape(&up, &scalar, &out, &err));
    assert_true(tp_shape_equal(&out, &one));
}

static void an_open_input_is_not_counted_yet(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(TP_ANY, 3, 4, 5);
    const struct tp_node nd = view(TP_SHAPE2(1, 7));
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_true(tp_shape_equal(&out, &nd.attr.view.shape));
}

static void other_numbers_of_elements_are_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 3, 4, 5);
    const struct tp_shape huge = { .rank = 3, .dim = { INT64_MAX, 2, 2 } };
    const struct tp_node more = view(TP_SHAPE2(1, 61)), none = view(TP_SHAPE2(0, 60));
    const struct tp_node open = view(TP_SHAPE2(TP_ANY, 60)), many = view(huge);
    const struct tp_node deep = view((struct tp_shape){ .rank = 9 });
    const struct tp_node negative = view((struct tp_shape){ .rank = -1 });
    check_node_refused(&more, &in, "flat: cannot see its input [1, 3, 4, 5] as [1, 61]; both must "
                       "have the same number of elements");
    check_node_refused(&none, &in, "flat: dimension 0 of [0, 60] is 0");
    check_node_refused(&open, &in, "flat: dimension 0 of [any, 60] is -1");
    check_node_refused(&many, &in, "flat: [9223372036854775807, 2, 2] has more than");
    check_node_refused(&many, &huge, "flat: [9223372036854775807, 2, 2] has more than");
    check_node_refused(&more, &huge, "flat: cannot see its input");
    check_node_refused(&deep, &in, "flat: 9 dimensions; at most 8 are possible");
    check_node_refused(&negative, &in, "flat: -1 dimensions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shape_is_the_one_that_was_asked_for),
        cmocka_unit_test(one_element_may_have_no_axis_at_all),
        cmocka_unit_test(an_open_input_is_not_counted_yet),
        cmocka_unit_test(other_numbers_of_elements_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
