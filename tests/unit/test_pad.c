/* test_pad.c - a frame around maps. */
#include "check.h"

#include <string.h>

static struct tp_node pad(int top, int left, int bottom, int right, float value)
{
    return (struct tp_node){
        .name = "pad", .type = "ZeroPadding2D", .op = &tp_op_pad, .n_inputs = 1,
        .attr.pad = { .edge = { top, left, bottom, right }, .value = value },
    };
}

static void each_edge_has_its_own_width(void **state)
{
    (void)state;
    const struct tp_shape shapes[] = { TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(3, 1, 1, 19) };
    const struct tp_node cases[] = {
        pad(1, 2, 3, 4, 0), pad(0, 0, 0, 0, 0), pad(5, 0, 0, 0, -1.5f), pad(0, 3, 0, 0, 2),
        pad(0, 0, 2, 0, 2), pad(0, 0, 0, 1, 2),
    };
    for (int i = 0; i < 2; i++)
        for (size_t j = 0; j < sizeof cases / sizeof *cases; j++)
            check_node_random(&cases[j], &shapes[i], 0);
}

static void open_sizes_stay_open(void **state)
{
    (void)state;
    const struct tp_node nd = pad(1, 2, 3, 4, 0);
    const struct tp_shape in = TP_SHAPE4(TP_ANY, TP_ANY, 7, 3);
    const struct tp_shape want = TP_SHAPE4(TP_ANY, TP_ANY, 13, 3);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_true(tp_shape_equal(&out, &want));
}

static void what_cannot_be_padded_is_refused(void **state)
{
    (void)state;
    const struct tp_node negative = pad(0, 0, -1, 0, 0), good = pad(1, 1, 1, 1, 0);
    const struct tp_shape map = TP_SHAPE4(1, 5, 5, 1), vector = TP_SHAPE2(1, 5);
    check_node_refused(&negative, &map, "pad: padding of -1; it must be 0 or more");
    check_node_refused(&good, &vector, "pad: ZeroPadding2D needs a map");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_edge_has_its_own_width),
        cmocka_unit_test(open_sizes_stay_open),
        cmocka_unit_test(what_cannot_be_padded_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
