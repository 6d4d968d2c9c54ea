/* test_affine.c - scale and shift of every channel. */
#include "check.h"

#include <string.h>

static struct tp_node affine(const float *scale, const float *shift)
{
    return (struct tp_node){ .name = "bn", .type = "BatchNormalization", .op = &tp_op_affine,
                             .n_inputs = 1, .scale = scale, .shift = shift };
}

/* Narrow pixels are grouped, wide ones are not; both meet remainders here. */
static void channels_of_any_number_are_scaled_and_shifted(void **state)
{
    (void)state;
    static const int channels[] = { 1, 2, 3, 5, 16, 17, 31, 63, 64, 65, 130 };
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        float *scale = guarded_random(channels[i], 11), *shift = guarded_random(channels[i], 12);
        const struct tp_node nd = affine(scale, shift);
        const struct tp_shape small = TP_SHAPE4(1, 3, 1, channels[i]);
        const struct tp_shape large = TP_SHAPE4(2, 13, 11, channels[i]);
        const struct tp_shape vector = TP_SHAPE2(3, channels[i]);
        check_node_random(&nd, &small, 1e-6);
        check_node_random(&nd, &large, 1e-6);
        check_node_random(&nd, &vector, 1e-6);
        guarded_free(scale);
        guarded_free(shift);
    }
}

static void a_missing_scale_is_one_and_a_missing_shift_zero(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 4, 5, 6);
    float *factor = guarded_random(6, 3);
    const struct tp_node scaled = affine(factor, NULL), shifted = affine(NULL, factor);
    const struct tp_node neither = affine(NULL, NULL);
    check_node_random(&scaled, &in, 1e-6);
    check_node_random(&shifted, &in, 1e-6);
    check_node_random(&neither, &in, 0);
    guarded_free(factor);
}

static void an_activation_follows(void **state)
{
    (void)state;
    float *scale = guarded_random(7, 1), *shift = guarded_random(7, 2);
    struct tp_node nd = affine(scale, shift);
    const struct tp_shape in = TP_SHAPE4(2, 20, 31, 7);  /* more than one chunk */
    nd.act = (struct tp_act){ .kind = TP_ACT_SIGMOID };
    check_node_random(&nd, &in, 1e-6);
    guarded_free(scale);
    guarded_free(shift);
}

/* The plan may give a step its input's memory as output. */
static void writing_over_the_input_gives_the_same_bits(void **state)
{
    (void)state;
    enum { PIXELS = 150, CHANNELS = 19 };
    const struct tp_kernels *k;
    float *scale = guarded_random(CHANNELS, 1), *shift = guarded_random(CHANNELS, 2);
    float *in = guarded_random(PIXELS * CHANNELS, 3), *out = guarded_random(PIXELS * CHANNELS, 3);
    float *apart = guarded_random(PIXELS * CHANNELS, 4);
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        memcpy(out, in, PIXELS * CHANNELS * sizeof *in);
        k->affine(apart, in, scale, shift, PIXELS, CHANNELS);
        k->affine(out, out, scale, shift, PIXELS, CHANNELS);
        assert_memory_equal(out, apart, PIXELS * CHANNELS * sizeof *out);
    }
    guarded_free(scale);
    guarded_free(shift);
    guarded_free(in);
    guarded_free(out);
    guarded_free(apart);
}

static void channels_must_be_known(void **state)
{
    (void)state;
    const struct tp_node nd = affine(NULL, NULL);
    const struct tp_shape open = TP_SHAPE4(TP_ANY, 8, 8, TP_ANY);
    const struct tp_shape fine = TP_SHAPE4(TP_ANY, TP_ANY, 8, 3);
    struct tp_shape out;
    struct tp_err err = { 0 };
    check_node_refused(&nd, &open, "bn: BatchNormalization scales every channel, the last axis");
    assert_true(nd.op->shape(&nd, &fine, &out, &err));
    assert_true(tp_shape_equal(&out, &fine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_of_any_number_are_scaled_and_shifted),
        cmocka_unit_test(a_missing_scale_is_one_and_a_missing_shift_zero),
        cmocka_unit_test(an_activation_follows),
        cmocka_unit_test(writing_over_the_input_gives_the_same_bits),
        cmocka_unit_test(channels_must_be_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
