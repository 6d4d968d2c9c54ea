/* test_depthwise.c - convolution with one filter per channel on every table: odd channel counts,
 * borders, strides, dilations, the epilogue; the kernel alone. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

/* A depthwise Conv with random weights and bias; release with free_depthwise(). */
static struct tp_node depthwise(int channels, const struct tp_window *w)
{
    struct tp_node nd = {
        .name = "dw", .type = "DepthwiseConv2D", .op = &tp_op_conv, .n_inputs = 1,
    };
    nd.attr.conv = (struct tp_conv_attr){
        .window = *w, .groups = channels, .filters = channels, .in_channels = channels,
        .kernel = guarded_random((int64_t)w->kernel[0] * w->kernel[1] * channels, 7),
    };
    nd.shift = guarded_random(channels, 9);
    return nd;
}

static void free_depthwise(struct tp_node *nd)
{
    guarded_free((void *)nd->attr.conv.kernel);
    guarded_free((void *)nd->shift);
}

static void check(int channels, struct tp_window w, int batch, int height, int width)
{
    struct tp_node nd = depthwise(channels, &w);
    const struct tp_shape in = TP_SHAPE4(batch, height, width, channels);
    check_node_random(&nd, &in, 2e-6);
    free_depthwise(&nd);
}

static void every_channel_count_and_width_matches_the_definition(void **state)
{
    static const int channels[] = { 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 64 };
    static const int widths[] = { 1, 2, 3, 7, 8, 9, 17 };
    const struct tp_window w = {
        .kernel = { 3, 3 }, .strides = { 1, 1 }, .dilations = { 1, 1 }, .padding = TP_PADDING_SAME,
    };
    (void)state;
    for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            check(channels[c], w, 2, 4, widths[i]);
}

static void strides_dilations_and_paddings_combine(void **state)
{
    static const int strides[][2] = { { 1, 1 }, { 2, 2 }, { 1, 3 } };
    static const int dilations[][2] = { { 1, 1 }, { 2, 2 }, { 3, 1 } };
    static const int kernels[][2] = { { 3, 3 }, { 1, 2 }, { 4, 1 }, { 5, 5 } };
    static const struct tp_window paddings[] = {
        { .padding = TP_PADDING_VALID }, { .padding = TP_PADDING_SAME },
        { .padding = TP_PADDING_EXPLICIT, .pads = { 1, 2, 0, 3 } },
    };
    (void)state;
    for (int i = 0; i < 3 * 3 * 4 * 3; i++) {
        struct tp_window w = paddings[i % 3];
        for (int axis = 0; axis < 2; axis++) {
            w.strides[axis] = strides[i / 3 % 3][axis];
            w.dilations[axis] = dilations[i / 9 % 3][axis];
            w.kernel[axis] = kernels[i / 27][axis];
        }
        check(19, w, 1, 13, 11);
    }
}

static void a_window_that_sees_only_padding_gives_the_bias(void **state)
{
    const struct tp_window w = {
        .kernel = { 2, 2 }, .strides = { 1, 1 }, .dilations = { 1, 1 },
        .padding = TP_PADDING_EXPLICIT, .pads = { 3, 4, 3, 5 },
    };
    (void)state;
    check(3, w, 2, 2, 2);
    check(18, w, 1, 1, 3);
}

static void the_epilogue_is_scale_shift_residual_activation_in_that_order(void **state)
{
    static const struct tp_act acts[] = {
        { .kind = TP_ACT_LINEAR },
        { TP_ACT_CLAMP, 0, 1, 0 },
        { TP_ACT_LEAKY_RELU, 0.25f, 0, 0 },
    };
    static const int channels[] = { 3, 20, 32 };
    const struct tp_window w = {
        .kernel = { 3, 3 }, .strides = { 1, 1 }, .dilations = { 1, 1 }, .padding = TP_PADDING_SAME,
    };
    (void)state;
    for (size_t a = 0; a < sizeof acts / sizeof *acts; a++)
        for (int variant = 0; variant < 8 * 3; variant++) {
            const int n = channels[variant / 8];
            struct tp_node full = depthwise(n, &w), nd = full;
            float *scale = guarded_random(n, 11);
            if (variant & 1) nd.scale = scale;
            if (variant & 2) nd.shift = NULL;
            nd.residual = variant & 4;
            nd.n_inputs = nd.residual ? 2 : 1;
            nd.act = acts[a];
            const struct tp_shape in[2] = { TP_SHAPE4(1, 5, 6, n), TP_SHAPE4(1, 5, 6, n) };
            check_node_random(&nd, in, 2e-6);
            guarded_free(scale);
            free_depthwise(&full);
        }
}

/* Windows 3 and 5 wide slide over maps that are narrower than they are, and over ones whose
 * channels are taken in several blocks. */
static void sliding_windows_match_the_definition(void **state)
{
    static const int kernels[][2] = { { 3, 3 }, { 5, 5 }, { 1, 3 }, { 4, 5 }, { 2, 3 } };
    static const int strides[][2] = { { 1, 1 }, { 2, 2 }, { 3, 1 }, { 1, 2 } };
    static const int sizes[][4] = {          /* batch, height, width, channels */
        { 1, 1, 1, 16 }, { 2, 5, 2, 35 }, { 1, 4, 7, 40 }, { 1, 3, 50, 100 }, { 1, 2, 70, 129 },
    };
    (void)state;
    for (int i = 0; i < 5 * 4 * 5; i++) {
        const int *size = sizes[i / 20], *kernel = kernels[i % 5];
        const int *stride = strides[i / 5 % 4];
        const struct tp_window w = {
            .kernel = { kernel[0], kernel[1] }, .strides = { stride[0], stride[1] },
            .dilations = { 1, 1 }, .padding = TP_PADDING_EXPLICIT,
            .pads = { kernel[0] - 1, i % kernel[1], kernel[0] - 1, kernel[1] - 1 },
        };
        check(size[3], w, size[0], size[1], size[2]);
    }
}

static void sliding_windows_have_the_epilogue_too(void **state)
{
    static const struct tp_act acts[] = { { .kind = TP_ACT_LINEAR }, { TP_ACT_CLAMP, 0, 1, 0 },
                                          { .kind = TP_ACT_SWISH } };
    (void)state;
    for (int i = 0; i < 12; i++) {
        const int side = i & 1 ? 5 : 3, n = i & 2 ? 100 : 33;
        const struct tp_window w = { .kernel = { side, side }, .strides = { 1, 1 },
                                     .dilations = { 1, 1 }, .padding = TP_PADDING_SAME };
        struct tp_node nd = depthwise(n, &w);
        const struct tp_shape in[2] = { TP_SHAPE4(2, 4, 50, n), TP_SHAPE4(2, 4, 50, n) };
        float *scale = guarded_random(n, 11);
        nd.scale = scale;
        nd.act = acts[i % 3];
        nd.residual = i % 4 != 3;
        nd.n_inputs = nd.residual ? 2 : 1;
        check_node_random(&nd, in, 3e-6);
        guarded_free(scale);
        free_depthwise(&nd);
    }
}

static void a_nan_stays_in_its_channel_and_passes_relu(void **state)
{
    static const int channels[] = { 3, 17 };
    const struct tp_window w = {
        .kernel = { 3, 3 }, .strides = { 1, 1 }, .dilations = { 1, 1 }, .padding = TP_PADDING_SAME,
    };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tp_node nd = depthwise(channels[i], &w);
        const struct tp_shape in = TP_SHAPE4(1, 4, 4, channels[i]);
        float *x = guarded_random(tp_shape_elements(&in), 1);
        x[5 * channels[i] + channels[i] - 1] = NAN;
        nd.act = (struct tp_act){ TP_ACT_CLAMP, 0, 6, 0 };
        check_node(&nd, &in, &x, 2e-6);
        guarded_free(x);
        free_depthwise(&nd);
    }
}

static void multiply_adds_count_one_filter_per_channel(void **state)
{
    const struct tp_window w = { .kernel = { 3, 5 }, .strides = { 1, 1 }, .dilations = { 1, 1 } };
    struct tp_node nd = depthwise(6, &w);
    struct tp_shape in = TP_SHAPE4(TP_ANY, 4, 9, 6), out;
    struct tp_err err = { 0 };
    (void)state;
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_string_equal(TP_SHAPE(&out), "[any, 2, 5, 6]");
    assert_int_equal(nd.op->macs(&nd, &in, &out), 2 * 5 * 6 * 3 * 5);
    free_depthwise(&nd);
}

/* Pixels of `channels` floats; GAP floats between them in the output must stay as they are. */
static void a_span_writes_its_own_channels_only(void **state)
{
    enum { PIXELS = 15, GAP = 3 };
    static const ptrdiff_t taps[1] = { 0 };
    static const int index[1] = { 0 };
    const struct tp_kernels *k;
    (void)state;
    for (int table = 0; (k = tp_kernels_list(table)); table++)
        for (int channels = 1; channels <= 40; channels++) {
            const int step = channels + GAP, n = (PIXELS - 1) * step + channels;
            float *in = guarded_random(PIXELS * channels, 1);
            float *weights = guarded_random(channels, 2);
            float *out = guarded((size_t)n * sizeof *out);
            for (int i = 0; i < n; i++) out[i] = -7;
            const struct tp_span s = {
                .out = out, .out_step = step, .in = in, .in_step = channels, .taps = taps,
                .n_taps = 1, .n_pixels = PIXELS, .channels = channels,
            };
            k->depthwise(&s, weights, index, NULL, NULL, -INFINITY, INFINITY);
            for (int i = 0; i < n; i++) {
                const int c = i % step;
                const float want = c < channels ? weights[c] * in[i / step * channels + c] : -7;
                assert_true(out[i] == want);
            }
            guarded_free(out);
            guarded_free(weights);
            guarded_free(in);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_channel_count_and_width_matches_the_definition),
        cmocka_unit_test(strides_dilations_and_paddings_combine),
        cmocka_unit_test(a_window_that_sees_only_padding_gives_the_bias),
        cmocka_unit_test(the_epilogue_is_scale_shift_residual_activation_in_that_order),
        cmocka_unit_test(sliding_windows_match_the_definition),
        cmocka_unit_test(sliding_windows_have_the_epilogue_too),
        cmocka_unit_test(a_nan_stays_in_its_channel_and_passes_relu),
        cmocka_unit_test(multiply_adds_count_one_filter_per_channel),
        cmocka_unit_test(a_span_writes_its_own_channels_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
