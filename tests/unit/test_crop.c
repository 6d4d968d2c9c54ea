/* test_crop.c - maps without their edges. */
#include "check.h"

static struct tp_node crop(int top, int left, int bottom, int right)
{
    return (struct tp_node){
        .name = "crop", .type = "Cropping2D", .op = &tp_op_crop, .n_inputs = 1,
        .attr.pad.edge = { top, left, bottom, right },
    };
}

static void each_edge_loses_its_own_width(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(2, 7, 9, 3);
    const struct tp_node cases[] = {
        crop(1, 2, 3, 4), crop(0, 0, 0, 0), crop(6, 0, 0, 0), crop(0, 8, 0, 0), crop(0, 0, 0, 3),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_node_random(&cases[i], &in, 0);
}

static void open_sizes_stay_open(void **state)
{
    (void)state;
    const struct tp_node nd = crop(1, 2, 3, 4);
    const struct tp_shape in = TP_SHAPE4(TP_ANY, TP_ANY, 7, 3);
    const struct tp_shape want = TP_SHAPE4(TP_ANY, TP_ANY, 1, 3);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_true(tp_shape_equal(&out, &want));
}

static void cropping_everything_is_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 5, 6, 1), vector = TP_SHAPE2(1, 5);
    const struct tp_node tall = crop(2, 0, 3, 0), wide = crop(0, 2147483647, 0, 2147483647);
    const struct tp_node negative = crop(0, -1, 0, 0);
    check_node_refused(&tall, &in, "crop: cropping 2 and 3 leaves nothing of the height 5");
    check_node_refused(&wide, &in, "leaves nothing of the width 6; together they must be less");
    check_node_refused(&negative, &in, "crop: cropping of -1; it must be 0 or more");
    check_node_refused(&tall, &vector, "crop: Cropping2D needs a map");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_edge_loses_its_own_width),
        cmocka_unit_test(open_sizes_stay_open),
        cmocka_unit_test(cropping_everything_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
