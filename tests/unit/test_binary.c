/* test_binary.c - two operands: their kernels, and the operator that broadcasts them. */
#include "check.h"

#include <math.h>
#include <string.h>

static struct tp_node binary(enum tp_binary_kind kind)
{
    return (struct tp_node){ .name = "join", .type = "Multiply", .op = &tp_op_binary,
                             .n_inputs = 2, .attr.binary = kind };
}

/* Equal maps, a value per channel, per map, per pixel, per row, for all; either way round. */
static void every_kind_broadcasts_as_numpy_does(void **state)
{
    (void)state;
    const struct tp_shape shapes[][2] = {
        { TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(2, 5, 7, 3) },
        { TP_SHAPE4(2, 5, 7, 19), { .rank = 1, .dim = { 19 } } },
        { TP_SHAPE4(2, 5, 7, 19), TP_SHAPE4(2, 1, 1, 19) },
        { TP_SHAPE4(2, 5, 7, 19), TP_SHAPE4(2, 5, 7, 1) },
        { TP_SHAPE4(2, 5, 7, 19), TP_SHAPE4(1, 5, 1, 19) },
        { TP_SHAPE4(2, 5, 7, 19), { .rank = 3, .dim = { 5, 7, 19 } } },
        { TP_SHAPE4(2, 5, 7, 3), { .rank = 1, .dim = { 1 } } },
        { TP_SHAPE4(2, 1, 7, 1), TP_SHAPE4(1, 5, 1, 3) },
        { TP_SHAPE2(3, 41), TP_SHAPE2(3, 1) },
        { TP_SHAPE2(1, 1), TP_SHAPE2(1, 1) },
        { TP_SHAPE2(2, 5001), TP_SHAPE2(1, 5001) },      /* rows longer than a piece */
    };
    for (int kind = 0; kind < TP_N_BINARY_KINDS; kind++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const struct tp_node nd = binary(kind);
            const struct tp_shape turned[2] = { shapes[i][1], shapes[i][0] };
            check_node_random(&nd, shapes[i], 1e-6);
            check_node_random(&nd, turned, 1e-6);
        }
}

static void eight_axes_are_possible(void **state)
{
    (void)state;
    const struct tp_node nd = binary(TP_BINARY_SUB);
    const struct tp_shape in[2] = {
        { .rank = 8, .dim = { 2, 1, 3, 1, 2, 1, 3, 1 } },
        { .rank = 8, .dim = { 1, 2, 1, 3, 1, 2, 1, 3 } },
    };
    check_node_random(&nd, in, 1e-6);
}

static void an_activation_follows(void **state)
{
    (void)state;
    struct tp_node nd = binary(TP_BINARY_ADD);
    const struct tp_shape in[2] = { TP_SHAPE4(1, 29, 31, 5), TP_SHAPE4(1, 1, 1, 5) };
    nd.act = (struct tp_act){ .kind = TP_ACT_CLAMP, .alpha = 0, .beta = 0.5f };
    check_node_random(&nd, in, 1e-6);
    nd.act = (struct tp_act){ .kind = TP_ACT_SWISH };
    check_node_random(&nd, in, 1e-6);
}

static void the_maximum_with_nan_is_nan(void **state)
{
    (void)state;
    const struct tp_kernels *k;
    const float a[3] = { NAN, 1, NAN }, b[3] = { 1, NAN, NAN };
    float out[3];
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        k->binary[TP_BINARY_MAX](out, a, 1, b, 1, 3);
        for (int i = 0; i < 3; i++) assert_true(isnan(out[i]));
    }
}

/* A single operand is read before anything is written, even where it lies in the output. */
static void kernels_may_write_over_either_operand(void **state)
{
    (void)state;
    enum { N = 53 };
    const struct tp_kernels *k;
    float *a = guarded_random(N, 1), *b = guarded_random(N, 2), want[N], out[N];
    for (int t = 0; (k = tp_kernels_list(t)); t++)
        for (int kind = 0; kind < TP_N_BINARY_KINDS; kind++)
            for (int steps = 0; steps < 4; steps++) {
                int a_step = steps & 1, b_step = steps >> 1;
                k->binary[kind](want, a, a_step, b, b_step, N);
                memcpy(out, a, sizeof out);
                k->binary[kind](out, out, a_step, b, b_step, N);
                assert_memory_equal(out, want, sizeof out);
                memcpy(out, b, sizeof out);
                k->binary[kind](out, a, a_step, out, b_step, N);
                assert_memory_equal(out, want, sizeof out);
            }
    guarded_free(a);
    guarded_free(b);
}

static void open_sizes_take_the_size_they_meet(void **state)
{
    (void)state;
    const struct tp_node nd = binary(TP_BINARY_MUL);
    const struct tp_shape in[2] = {
        TP_SHAPE4(TP_ANY, TP_ANY, 7, 1), TP_SHAPE4(TP_ANY, 1, TP_ANY, 5),
    };
    const struct tp_shape want = TP_SHAPE4(TP_ANY, TP_ANY, 7, 5);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, in, &out, &err));
    assert_true(tp_shape_equal(&out, &want));
}

static void shapes_that_do_not_broadcast_are_named(void **state)
{
    (void)state;
    const struct tp_node nd = binary(TP_BINARY_MUL);
    const struct tp_shape in[2] = { TP_SHAPE4(TP_ANY, 6, 6, 8), TP_SHAPE4(TP_ANY, 3, 6, 8) };
    const struct tp_shape flat[2] = { TP_SHAPE4(2, 6, 6, 8), TP_SHAPE2(2, 8) };
    check_node_refused(&nd, in, "join: inputs 0 and 1 have shapes [any, 6, 6, 8] and "
                       "[any, 3, 6, 8], which do not broadcast");
    check_node_refused(&nd, flat, "[2, 6, 6, 8] and [2, 8]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_broadcasts_as_numpy_does),
        cmocka_unit_test(eight_axes_are_possible),
        cmocka_unit_test(an_activation_follows),
        cmocka_unit_test(the_maximum_with_nan_is_nan),
        cmocka_unit_test(kernels_may_write_over_either_operand),
        cmocka_unit_test(open_sizes_take_the_size_they_meet),
        cmocka_unit_test(shapes_that_do_not_broadcast_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
