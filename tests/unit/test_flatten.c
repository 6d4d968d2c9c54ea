/* test_flatten.c - all axes but the batch as one. */
#include "check.h"

static const struct tp_node flatten = {
    .name = "flat", .type = "Flatten", .op = &tp_op_flatten, .n_inputs = 1,
};

static void check_shape(struct tp_shape in, struct tp_shape want)
{
    struct tp_shape out;
    struct tp_err err = { 0 };
    if (!flatten.op->shape(&flatten, &in, &out, &err)) fail_msg("%s", err.message);
    if (!tp_shape_equal(&out, &want)) fail_msg("%s, not %s", TP_SHAPE(&out), TP_SHAPE(&want));
}

static void all_axes_but_the_batch_become_one(void **state)
{
    (void)state;
    check_shape(TP_SHAPE4(TP_ANY, 3, 5, 7), TP_SHAPE2(TP_ANY, 105));
    check_shape(TP_SHAPE2(4, 9), TP_SHAPE2(4, 9));
    check_shape((struct tp_shape){ 1, { 4 } }, TP_SHAPE2(4, 1));
}

static void an_open_size_leaves_the_length_open(void **state)
{
    (void)state;
    check_shape(TP_SHAPE4(TP_ANY, TP_ANY, 5, 7), TP_SHAPE2(TP_ANY, TP_ANY));
}

static void a_product_that_overflows_is_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 1LL << 31, 1LL << 31, 1LL << 31);
    check_node_refused(&flatten, &in, "flat: [1, 2147483648, 2147483648, 2147483648] has too many");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_axes_but_the_batch_become_one),
        cmocka_unit_test(an_open_size_leaves_the_length_open),
        cmocka_unit_test(a_product_that_overflows_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
