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

static void the_maximum_and_minimum_with_nan_are_nan(void **state)
{
    (void)state;
    const struct tp_kernels *k;
    const float a[3] = { NAN, 1, NAN }, b[3] = { 1, NAN, NAN };
    float most[3], least[3];
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        k->binary[TP_BINARY_MAX](most, a, 1, b, 1, 3);
        k->binary[TP_BINARY_MIN](least, a, 1, b, 1, 3);
        for (int i = 0; i < 3; i++) assert_true(isnan(most[i]) && isnan(least[i]));
    }
}

/* The double nearest to what a float of value x may be: C's rounding to float. */
static bool same(float got, double want, int ulps)
{
    float next = (float)want;
    if (isnan(next)) return isnan(got);
    for (int i = 0; i < ulps; i++) next = nextafterf(next, got);
    return got == next && !signbit(got) == !signbit(next);
}

/* All pairs of numbers among which equal ones, zeros of both signs and every special value meet. */
static void every_kind_has_the_special_values_of_c(void **state)
{
    (void)state;
    static const float values[] = {
        0.0f, -0.0f, 1, -1, 2, -2, 3, -3, 0.5f, -0.5f, 1.5f, -2.5f, 7, -7, 1e-45f, -1e-45f, 1e-30f,
        3.4028235e38f, -3.4028235e38f, INFINITY, -INFINITY, NAN, 16777215, -16777217, 8388607.5f,
        0.99999994f, 1.0000001f, 127, -149, 88, 1 / 3.0f,
    };
    enum { N = sizeof values / sizeof *values };
    const struct tp_kernels *k;
    float *a = guarded(N * sizeof *a), out[N];
    memcpy(a, values, sizeof values);
    for (int t = 0; (k = tp_kernels_list(t)); t++)
        for (int i = 0; i < N * N; i++) {
            const double x = values[i % N], y = values[i / N], rest = fmod(x, y);
            const double want[TP_N_BINARY_KINDS] = {
                [TP_BINARY_DIV] = x / y, [TP_BINARY_POW] = pow(x, y),
                [TP_BINARY_MOD] = rest * y < 0 && fabs(rest) > 0 ? rest + y : rest,
                [TP_BINARY_EQUAL] = x == y, [TP_BINARY_LESS] = x < y,
                [TP_BINARY_LESS_EQUAL] = x <= y, [TP_BINARY_AND] = x != 0 && y != 0,
                [TP_BINARY_OR] = x != 0 || y != 0, [TP_BINARY_XOR] = (x != 0) != (y != 0),
            };
            for (int kind = TP_BINARY_DIV; kind < TP_N_BINARY_KINDS; kind++) {
                k->binary[kind](out, a, 1, &values[i / N], 0, N);
                if (!same(out[i % N], want[kind], kind == TP_BINARY_POW))
                    fail_msg("kind %d (%s) of %g and %g is %.9g, expected %.9g", kind, k->name, x,
                             y, (double)out[i % N], want[kind]);
            }
        }
    guarded_free(a);
}

/* Random magnitudes from 2^-60 to 2^60, exponents from -2 to 2. */
static void powers_are_right_to_a_unit_in_the_last_place(void **state)
{
    (void)state;
    enum { N = 20000 };
    const struct tp_kernels *k;
    float *x = guarded_random(N, 3), *y = guarded_random(N, 4), *out = guarded(N * sizeof *out);
    for (int i = 0; i < N; i++) {
        x[i] = exp2f(60 * x[i]);
        y[i] *= 2;
    }
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        k->binary[TP_BINARY_POW](out, x, 1, y, 1, N);
        for (int i = 0; i < N; i++)
            if (!same(out[i], pow(x[i], y[i]), 1))
                fail_msg("%s: %a to the %a is %a", k->name, (double)x[i], (double)y[i],
                         (double)out[i]);
    }
    guarded_free(x);
    guarded_free(y);
    guarded_free(out);
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
        cmocka_unit_test(the_maximum_and_minimum_with_nan_are_nan),
        cmocka_unit_test(every_kind_has_the_special_values_of_c),
        cmocka_unit_test(powers_are_right_to_a_unit_in_the_last_place),
        cmocka_unit_test(kernels_may_write_over_either_operand),
        cmocka_unit_test(open_sizes_take_the_size_they_meet),
        cmocka_unit_test(shapes_that_do_not_broadcast_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
