/* test_reshape.c - other axes for the same elements. */
#include "check.h"

static struct tp_node reshape(struct tp_shape target)
{
    return (struct tp_node){ .name = "flat", .type = "Reshape", .op = &tp_op_reshape,
                             .n_inputs = 1, .attr.reshape.target = target };
}

static void check_shape(struct tp_shape target, struct tp_shape in, struct tp_shape want)
{
    const struct tp_node nd = reshape(target);
    struct tp_shape out;
    struct tp_err err = { 0 };
    if (!nd.op->shape(&nd, &in, &out, &err)) fail_msg("%s", err.message);
    if (!tp_shape_equal(&out, &want)) fail_msg("%s, not %s", TP_SHAPE(&out), TP_SHAPE(&want));
}

static void the_batch_stays_and_one_size_is_inferred(void **state)
{
    (void)state;
    check_shape(TP_SHAPE2(4, 3), TP_SHAPE2(5, 12), (struct tp_shape){ 3, { 5, 4, 3 } });
    check_shape(TP_SHAPE2(TP_ANY, 3), TP_SHAPE4(TP_ANY, 2, 2, 3),
                (struct tp_shape){ 3, { TP_ANY, 4, 3 } });
    check_shape((struct tp_shape){ 1, { TP_ANY } }, TP_SHAPE4(7, 2, 2, 3), TP_SHAPE2(7, 12));
    check_shape((struct tp_shape){ 0, { 0 } }, TP_SHAPE2(7, 1), (struct tp_shape){ 1, { 7 } });
}

static void an_open_input_leaves_the_inferred_size_open(void **state)
{
    (void)state;
    check_shape(TP_SHAPE2(TP_ANY, 3), TP_SHAPE4(1, TP_ANY, 2, 3),
                (struct tp_shape){ 3, { 1, TP_ANY, 3 } });
    check_shape(TP_SHAPE2(4, 3), TP_SHAPE4(1, TP_ANY, 2, 3), (struct tp_shape){ 3, { 1, 4, 3 } });
}

static void it_moves_no_data(void **state)
{
    (void)state;
    assert_true(tp_op_reshape.is_view);
    assert_null(tp_op_reshape.run);
}

static void what_does_not_multiply_out_is_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 2, 2, 3);
    const struct tp_node five = reshape(TP_SHAPE2(5, TP_ANY)), ten = reshape(TP_SHAPE2(5, 2));
    const struct tp_node two_open = reshape(TP_SHAPE2(TP_ANY, TP_ANY));
    const struct tp_node zero = reshape(TP_SHAPE2(0, TP_ANY)), less = reshape(TP_SHAPE2(-2, 6));
    const struct tp_node huge = reshape(TP_SHAPE4(1LL << 40, 1LL << 40, 1, 1));
    const struct tp_node deep = reshape((struct tp_shape){ 8, { 12, 1, 1, 1, 1, 1, 1, 1 } });
    check_node_refused(&five, &in, "flat: cannot reshape 12 elements to [5, any]; its sizes must "
                       "multiply to 12");
    check_node_refused(&ten, &in, "12 elements to [5, 2]");
    check_node_refused(&two_open, &in, "[any, any] leaves two sizes open; at most one");
    check_node_refused(&zero, &in, "each size must be at least 1");
    check_node_refused(&less, &in, "each size must be at least 1");
    check_node_refused(&huge, &in, "product countable");
    check_node_refused(&deep, &in, "8 axes and the batch; at most 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_batch_stays_and_one_size_is_inferred),
        cmocka_unit_test(an_open_input_leaves_the_inferred_size_open),
        cmocka_unit_test(it_moves_no_data),
        cmocka_unit_test(what_does_not_multiply_out_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
