/* test_activate.c - activation kernels: accuracy over all floats, special values, tails. */
#include "check.h"
#include "ref.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ulps: of the exact value; absolute: what a cancellation that the definition itself has may add,
 * or a result in the denormals times a number under 128. */
static const struct accuracy {
    struct tp_act act;
    const char *name;
    double ulps, absolute;
} all[] = {
    { { TP_ACT_LINEAR, 0, 0, 0 }, "linear", 0, 0 },
    { { TP_ACT_CLAMP, 0, 6, 0 }, "clamp(0, 6)", 0, 0 },
    { { TP_ACT_CLAMP, 0, INFINITY, 0 }, "clamp(0, inf)", 0, 0 },
    { { TP_ACT_LEAKY_RELU, 0.3f, 0, 0 }, "leaky_relu", 0.5, 0 },
    { { TP_ACT_RELU, 0.25f, 6, 1 }, "relu(slope, 6, 1)", 1, 6e-8 },
    { { TP_ACT_RELU, 0, INFINITY, 1 }, "relu(0, inf, 1)", 0, 0 },
    { { TP_ACT_ELU, 1, 0, 0 }, "elu", 1.5, 0 },
    { { TP_ACT_ELU, 1.3f, 0, 0 }, "elu(1.3)", 2, 0 },
    { { TP_ACT_SIGMOID, 0, 0, 0 }, "sigmoid", 3, 0 },
    { { TP_ACT_TANH, 0, 0, 0 }, "tanh", 3, 0 },
    { { TP_ACT_HARD_SIGMOID, 1 / 6.0f, 0.5f, 0 }, "hard_sigmoid", 1, 6e-8 },
    { { TP_ACT_HARD_SWISH, 0, 0, 0 }, "hard_swish", 1.5, 4e-7 },
    { { TP_ACT_SWISH, 0, 0, 0 }, "swish", 3, 2e-43 },
    { { TP_ACT_GELU, 0, 0, 0 }, "gelu", 8, 2e-43 },
    { { TP_ACT_ABS, 0, 0, 0 }, "abs", 0, 0 },
    { { TP_ACT_SQUARE, 0, 0, 0 }, "square", 0.5, 0 },
    { { TP_ACT_SQRT, 0, 0, 0 }, "sqrt", 0.5, 0 },
    { { TP_ACT_SELU, 1.67326319f, 1.05070102f, 0 }, "selu", 3, 0 },
    { { TP_ACT_CELU, 1, 0, 0 }, "celu", 2, 0 },
    { { TP_ACT_CELU, 0.3f, 0, 0 }, "celu(0.3)", 3, 0 },
    { { TP_ACT_THRESHOLDED_RELU, 1, 0, 0 }, "thresholded_relu", 0, 0 },
    { { TP_ACT_SOFTPLUS, 0, 0, 0 }, "softplus", 4, 0 },
    { { TP_ACT_SOFTSIGN, 0, 0, 0 }, "softsign", 1.5, 0 },
    { { TP_ACT_ERF, 0, 0, 0 }, "erf", 3, 0 },
    { { TP_ACT_GELU_TANH, 0, 0, 0 }, "gelu_tanh", 4, 2e-43 },
    { { TP_ACT_MISH, 0, 0, 0 }, "mish", 4, 2e-43 },
    { { TP_ACT_NEG, 0, 0, 0 }, "neg", 0, 0 },
    { { TP_ACT_EXP, 0, 0, 0 }, "exp", 2, 0 },
    { { TP_ACT_LOG, 0, 0, 0 }, "log", 0.6, 0 },
    { { TP_ACT_POW, 0, 0, 0 }, "pow(0)", 0, 0 },
    { { TP_ACT_POW, 0.5f, 0, 0 }, "pow(0.5)", 0.6, 0 },
    { { TP_ACT_POW, 1, 0, 0 }, "pow(1)", 0.6, 0 },
    { { TP_ACT_POW, 2, 0, 0 }, "pow(2)", 0.5, 0 },
    { { TP_ACT_POW, 3, 0, 0 }, "pow(3)", 1.5, 0 },
    { { TP_ACT_POW, -1, 0, 0 }, "pow(-1)", 0.6, 0 },
    { { TP_ACT_POW, 1 / 3.0f, 0, 0 }, "pow(1/3)", 0.6, 0 },
    { { TP_ACT_POW, -7.3f, 0, 0 }, "pow(-7.3)", 0.6, 0 },
    { { TP_ACT_POW, INFINITY, 0, 0 }, "pow(inf)", 0.6, 0 },
    { { TP_ACT_RECIPROCAL, 0, 0, 0 }, "reciprocal", 0.5, 0 },
    { { TP_ACT_FLOOR, 0, 0, 0 }, "floor", 0, 0 },
    { { TP_ACT_CEIL, 0, 0, 0 }, "ceil", 0, 0 },
    { { TP_ACT_ROUND, 0, 0, 0 }, "round", 0, 0 },
    { { TP_ACT_TRUNC, 0, 0, 0 }, "trunc", 0, 0 },
    { { TP_ACT_SIGN, 0, 0, 0 }, "sign", 0, 0 },
    { { TP_ACT_NOT, 0, 0, 0 }, "not", 0, 0 },
};
enum { N_ALL = sizeof all / sizeof *all };

static double *exact(const struct tp_act *act, float *x, int64_t n)
{
    const struct tp_node nd = { .name = "x", .op = &tp_op_activation, .n_inputs = 1, .act = *act };
    const struct tp_shape shape = { .rank = 1, .dim = { n } };
    return ref_node(&nd, &shape, &x, &shape);
}

/* |got - want| in units of the last place of a float near `want`. */
static double ulps_apart(float got, double want)
{
    int exponent;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1, exponent - 24 > -149 ? exponent - 24 : -149);
}

static bool close_enough(const struct accuracy *a, float got, double want)
{
    if (isnan(want)) return isnan(got);
    if (fabs(want) > 3.402823567797336e38) return got == (want > 0 ? INFINITY : -INFINITY);
    if (isnan(got) || isinf(got)) return false;
    return ulps_apart(got, want) <= a->ulps || fabs(got - want) <= a->absolute;
}

static void check_accuracy(const struct accuracy *a, float *x, int64_t n)
{
    const struct tp_kernels *k;
    double *want = exact(&a->act, x, n);
    float *got = guarded((size_t)n * sizeof *got);
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        k->activate(got, x, n, &a->act);
        for (int64_t i = 0; i < n; i++)
            if (!close_enough(a, got[i], want[i]))
                fail_msg("%s (%s): f(%a) is %.9g, expected %.12g, %.2f ulps apart", a->name,
                         k->name, (double)x[i], (double)got[i], want[i],
                         ulps_apart(got[i], want[i]));
    }
    guarded_free(got);
    free(want);
}

/* Every 40009th bit pattern: all exponents and both signs, NaNs among them. */
static void every_function_is_accurate_over_all_floats(void **state)
{
    (void)state;
    enum { STEP = 40009, N = (int)(0x100000000 / STEP) };
    float *x = guarded(N * sizeof *x);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t bits = i * STEP;
        memcpy(&x[i], &bits, sizeof bits);
    }
    for (int i = 0; i < N_ALL; i++) check_accuracy(&all[i], x, N);
    guarded_free(x);
}

/* Where ranges meet and polynomials bend. */
static void every_function_is_accurate_where_it_bends(void **state)
{
    (void)state;
    enum { N = 40000 };
    float *x = guarded(N * sizeof *x);
    for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) * (110.0f / (N / 2));
    for (int i = 0; i < N_ALL; i++) check_accuracy(&all[i], x, N);
    for (int i = 0; i < N; i++) x[i] *= 0.05f;
    for (int i = 0; i < N_ALL; i++) check_accuracy(&all[i], x, N);
    guarded_free(x);
}

static void special_values_are_those_of_the_definition(void **state)
{
    (void)state;
    static const float special[] = {
        0.0f, -0.0f, INFINITY, -INFINITY, NAN, -NAN, 3.4028235e38f, -3.4028235e38f, 1e-45f, -1e-45f,
        1.17549435e-38f, -1.17549435e-38f, 88.72283f, 88.72284f, -87.33654f, -87.33655f,
        -103.97208f, -103.97209f, -103.2789f, 1, -1, 3, -3, 6, 14.5f, -14.5f, -30, -31,
        0.5f, -0.5f, 1.5f, -1.5f, 2.5f, 8388607.5f, -8388607.5f, 8388609, 16777216, 100, -100, 15,
        -15, -15.000001f, -199, -201, 0.99999994f, 1.0000001f, 0.70710677f, 0.70710683f,
    };
    enum { N = sizeof special / sizeof *special };
    float *x = guarded(sizeof special);
    memcpy(x, special, sizeof special);
    for (int i = 0; i < N_ALL; i++) check_accuracy(&all[i], x, N);
    guarded_free(x);
}

/* The sign of zero goes through the odd functions. */
static void zeros_keep_their_sign(void **state)
{
    (void)state;
    static const enum tp_act_kind odd[] = { TP_ACT_TANH, TP_ACT_SWISH, TP_ACT_GELU, TP_ACT_SQRT,
                                            TP_ACT_ELU, TP_ACT_SELU, TP_ACT_CELU, TP_ACT_SOFTSIGN,
                                            TP_ACT_ERF, TP_ACT_GELU_TANH, TP_ACT_MISH, TP_ACT_FLOOR,
                                            TP_ACT_CEIL, TP_ACT_ROUND, TP_ACT_TRUNC };
    const struct tp_kernels *k;
    for (int t = 0; (k = tp_kernels_list(t)); t++)
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            const struct tp_act act = { odd[i], 1, 0, 0 };
            float y[2] = { 0.0f, -0.0f };
            k->activate(y, y, 2, &act);
            if (y[0] != 0 || y[1] != 0 || signbit(y[0]) || !signbit(y[1]))
                fail_msg("kind %d (%s): %g and %g", odd[i], k->name, (double)y[0], (double)y[1]);
        }
}

/* Guard pages catch a step too far; the bits must not depend on an element's place in a vector. */
static void every_length_and_place_gives_the_same_bits(void **state)
{
    (void)state;
    enum { MOST = 70 };
    const struct tp_kernels *k;
    float *x = guarded_random(MOST, 7), *whole = guarded(MOST * sizeof *whole);
    for (int t = 0; (k = tp_kernels_list(t)); t++)
        for (int i = 0; i < N_ALL; i++) {
            k->activate(whole, x, MOST, &all[i].act);
            for (int n = 1; n < MOST; n++) {
                float *tail = guarded((size_t)n * sizeof *tail);
                memcpy(tail, x + MOST - n, (size_t)n * sizeof *tail);
                k->activate(tail, tail, n, &all[i].act);       /* in place */
                assert_memory_equal(tail, whole + MOST - n, (size_t)n * sizeof *tail);
                guarded_free(tail);
            }
        }
    guarded_free(x);
    guarded_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_is_accurate_over_all_floats),
        cmocka_unit_test(every_function_is_accurate_where_it_bends),
        cmocka_unit_test(special_values_are_those_of_the_definition),
        cmocka_unit_test(zeros_keep_their_sign),
        cmocka_unit_test(every_length_and_place_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
