/* test_upsample.c - larger maps, against the judge and figures of Keras's own. */
#include "check.h"

#include <math.h>
#include <string.h>

static struct tp_node upsample_node(int down, int right, enum tp_interpolation mode)
{
    struct tp_node nd = { .name = "u", .type = "UpSampling2D", .op = &tp_op_upsample,
                          .n_inputs = 1 };
    nd.attr.upsample.scale[0] = down;
    nd.attr.upsample.scale[1] = right;
    nd.attr.upsample.mode = mode;
    return nd;
}

static void check_both(int down, int right, struct tp_shape in)
{
    struct tp_node nearest = upsample_node(down, right, TP_NEAREST);
    struct tp_node bilinear = upsample_node(down, right, TP_BILINEAR);
    check_node_random(&nearest, &in, 0);
    check_node_random(&bilinear, &in, 5e-7);
}

static void every_factor_is_exact(void **state)
{
    (void)state;
    for (int down = 1; down <= 5; down++)
        for (int right = 1; right <= 5; right++) {
            check_both(down, right, TP_SHAPE4(2, 3, 5, 3));
            check_both(down, right, TP_SHAPE4(1, 4, 2, 18));
        }
    check_both(16, 9, TP_SHAPE4(1, 2, 3, 1));
}

static void every_number_of_channels_is_exact(void **state)
{
    (void)state;
    for (int c = 1; c <= 40; c++) check_both(2, 3, TP_SHAPE4(1, 3, 7, c));
}

static void a_single_pixel_fills_the_map(void **state)
{
    (void)state;
    for (int c = 1; c <= 33; c += 8) check_both(3, 4, TP_SHAPE4(2, 1, 1, c));
}

static void rows_longer_than_a_tile_are_exact(void **state)
{
    (void)state;
    for (int c = 1; c <= 15; c += 7)
        for (int width = 500; width <= 514; width += 2)
            check_both(2, 2, TP_SHAPE4(1, 2, width / c, c));
    check_both(1, 3, TP_SHAPE4(1, 2, 1100, 1));
}

static void run_node(const struct tp_node *nd, struct tp_shape in, const float *input,
                     float *output)
{
    struct tp_err err = { 0 };
    struct tp_step st = { .node = nd, .k = tp_kernels_get(), .in = &in };
    struct tp_io io = { &input, output, NULL, 1 };
    assert_true(nd->op->shape(nd, &in, &st.out, &err));
    nd->op->run(&st, &io);
}

/* keras.layers.UpSampling2D(2, interpolation="bilinear") over [[1, 2], [3, 4]]. */
static void bilinear_is_keras(void **state)
{
    (void)state;
    const float in[4] = { 1, 2, 3, 4 };
    const float want[16] = { 1,   1.25f, 1.75f, 2,   1.5f, 1.75f, 2.25f, 2.5f,
                             2.5f, 2.75f, 3.25f, 3.5f, 3,   3.25f, 3.75f, 4 };
    float out[16];
    struct tp_node nd = upsample_node(2, 2, TP_BILINEAR);
    run_node(&nd, TP_SHAPE4(1, 2, 2, 1), in, out);
    for (int i = 0; i < 16; i++) assert_float_equal(out[i], want[i], 1e-6);
}

static void nearest_keeps_every_bit(void **state)
{
    (void)state;
    const uint32_t bits[3] = { 0x7fc12345, 0xff800000, 0x80000000 };   /* a NaN, -infinity, -0 */
    uint32_t got[12];
    float in[3], out[12];
    memcpy(in, bits, sizeof in);
    struct tp_node nd = upsample_node(2, 2, TP_NEAREST);
    run_node(&nd, TP_SHAPE4(1, 1, 3, 1), in, out);
    memcpy(got, out, sizeof got);
    for (int i = 0; i < 12; i++) assert_int_equal(got[i], bits[i % 6 / 2]);
}

static void open_sizes_stay_open(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    struct tp_shape out;
    struct tp_node nd = upsample_node(2, 3, TP_NEAREST);
    assert_true(nd.op->shape(&nd, &TP_SHAPE4(TP_ANY, TP_ANY, 5, 7), &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(TP_ANY, TP_ANY, 15, 7)));
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    struct tp_node none = upsample_node(0, 2, TP_NEAREST);
    struct tp_node negative = upsample_node(2, -2, TP_BILINEAR);
    struct tp_node huge = upsample_node(1, 1 << 30, TP_NEAREST);
    check_node_refused(&none, &TP_SHAPE4(1, 2, 2, 1), "size 0x2");
    check_node_refused(&negative, &TP_SHAPE4(1, 2, 2, 1), "size 2x-2");
    check_node_refused(&huge, &TP_SHAPE4(1, 2, 1LL << 40, 1), "beyond any size");
    check_node_refused(&huge, &TP_SHAPE2(1, 2), "needs a map");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_factor_is_exact),
        cmocka_unit_test(every_number_of_channels_is_exact),
        cmocka_unit_test(a_single_pixel_fills_the_map),
        cmocka_unit_test(rows_longer_than_a_tile_are_exact),
        cmocka_unit_test(bilinear_is_keras),
        cmocka_unit_test(nearest_keeps_every_bit),
        cmocka_unit_test(open_sizes_stay_open),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
