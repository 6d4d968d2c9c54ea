/* test_conv.c - convolution on every table: odd sizes, paddings, strides, dilations, groups,
 * batches, the fused epilogue, and what is refused. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

struct layer {
    int batch, height, width, channels;
    int filters, groups;
    int kernel[2], strides[2], dilations[2];
    enum tp_padding padding;
    int pads[4];
};

static struct tp_shape input_of(const struct layer *l)
{
    return TP_SHAPE4(l->batch, l->height, l->width, l->channels);
}

/* A Conv with random weights and bias; release with free_conv(). */
static struct tp_node conv(const struct layer *l)
{
    struct tp_node nd = { .name = "conv2", .type = "Conv2D", .op = &tp_op_conv, .n_inputs = 1 };
    struct tp_conv_attr *a = &nd.attr.conv;
    *a = (struct tp_conv_attr){
        .window = {
            .kernel = { l->kernel[0], l->kernel[1] }, .strides = { l->strides[0], l->strides[1] },
            .dilations = { l->dilations[0], l->dilations[1] }, .padding = l->padding,
            .pads = { l->pads[0], l->pads[1], l->pads[2], l->pads[3] },
        },
        .groups = l->groups, .filters = l->filters, .in_channels = l->channels,
    };
    a->kernel = guarded_random(
        (int64_t)l->kernel[0] * l->kernel[1] * (l->channels / l->groups) * l->filters, 7);
    nd.shift = guarded_random(l->filters, 9);
    return nd;
}

static void free_conv(struct tp_node *nd)
{
    guarded_free((void *)nd->attr.conv.kernel);
    guarded_free((void *)nd->shift);
}

static void check(const struct layer *l)
{
    struct tp_node nd = conv(l);
    const struct tp_shape in = input_of(l);
    check_node_random(&nd, &in, 3e-6);
    free_conv(&nd);
}

static void check_all(const struct layer *l, size_t n)
{
    for (size_t i = 0; i < n; i++) check(&l[i]);
}

#define CHECK_ALL(layers) check_all(layers, sizeof(layers) / sizeof *(layers))
#define PLAIN .strides = { 1, 1 }, .dilations = { 1, 1 }

static void pixels_alone_are_one_product_over_the_whole_batch(void **state)
{
    static const int channels[] = { 1, 3, 17, 64 }, filters[] = { 1, 5, 16, 33, 64 };
    static const int sizes[][3] = {
        { 1, 1, 1 }, { 3, 1, 1 }, { 1, 7, 7 }, { 2, 3, 5 }, { 1, 1, 29 },
    };
    (void)state;
    for (int c = 0; c < 4; c++)
        for (int f = 0; f < 5; f++)
            for (int s = 0; s < 5; s++)
                check(&(struct layer){ sizes[s][0], sizes[s][1], sizes[s][2], channels[c],
                                       filters[f], 1, { 1, 1 }, PLAIN });
}

static void windows_match_their_definition_at_odd_sizes(void **state)
{
    static const int channels[] = { 1, 3, 5, 33 }, filters[] = { 1, 7, 32, 35 };
    static const int kernels[][2] = { { 3, 3 }, { 1, 4 }, { 5, 2 }, { 3, 1 } };
    (void)state;
    for (int c = 0; c < 4; c++)
        for (int f = 0; f < 4; f++)
            for (int k = 0; k < 4; k++)
                for (int padding = TP_PADDING_VALID; padding <= TP_PADDING_SAME; padding++)
                    check(&(struct layer){ 1, 6, 9, channels[c], filters[f], 1,
                                           { kernels[k][0], kernels[k][1] }, PLAIN,
                                           .padding = (enum tp_padding)padding });
}

static void strides_dilations_and_paddings_combine(void **state)
{
    static const int strides[][2] = { { 1, 1 }, { 2, 2 }, { 1, 3 }, { 4, 1 } };
    static const int dilations[][2] = { { 1, 1 }, { 2, 2 }, { 1, 2 }, { 3, 1 } };
    static const int pads[][4] = { { 0, 0, 0, 0 }, { 1, 2, 0, 3 }, { 0, 0, 2, 0 }, { 0, 1, 0, 0 } };
    (void)state;
    for (int s = 0; s < 4; s++)
        for (int d = 0; d < 4; d++)
            for (int p = 0; p < 5; p++) {
                struct layer l = {
                    2, 9, 8, 5, 9, 1, { 3, 3 }, { strides[s][0], strides[s][1] },
                    { dilations[d][0], dilations[d][1] }, TP_PADDING_SAME, { 0 },
                };
                if (p < 4) l.padding = TP_PADDING_EXPLICIT;
                for (int i = 0; p < 4 && i < 4; i++) l.pads[i] = pads[p][i];
                check(&l);
            }
}

static void groups_see_their_own_channels_only(void **state)
{
    static const struct layer layers[] = {
        { 1, 5, 6, 4, 4, 2, { 3, 3 }, PLAIN },
        { 2, 5, 6, 6, 9, 3, { 1, 1 }, PLAIN },
        { 1, 7, 7, 34, 68, 2, { 3, 3 }, PLAIN, TP_PADDING_SAME, { 0 } },
        { 1, 7, 7, 66, 66, 2, { 3, 2 }, { 2, 1 }, { 1, 2 }, TP_PADDING_SAME, { 0 } },
        { 1, 4, 5, 5, 10, 5, { 3, 3 }, PLAIN, TP_PADDING_SAME, { 0 } },     /* depth multiplier 2 */
        { 2, 6, 6, 3, 9, 3, { 2, 2 }, { 2, 2 }, { 1, 1 }, TP_PADDING_VALID, { 0 } },
        { 1, 6, 6, 17, 51, 17, { 3, 3 }, { 1, 1 }, { 2, 2 }, TP_PADDING_EXPLICIT, { 2, 1, 0, 2 } },
        { 1, 7, 6, 32, 32, 16, { 3, 3 }, PLAIN, TP_PADDING_SAME, { 0 } },   /* 2 to a group */
        { 1, 3, 20, 18, 18, 9, { 3, 1 }, PLAIN },
        { 2, 5, 19, 40, 40, 10, { 3, 3 }, PLAIN, TP_PADDING_SAME, { 0 } },  /* 4 */
        { 1, 4, 3, 20, 20, 5, { 5, 5 }, { 2, 1 }, { 1, 1 }, TP_PADDING_SAME, { 0 } },
        { 1, 9, 11, 24, 24, 3, { 3, 3 }, { 2, 2 }, { 1, 1 }, TP_PADDING_EXPLICIT, { 1, 2, 1, 0 } },
        { 1, 6, 27, 72, 72, 9, { 3, 3 }, { 1, 1 }, { 2, 2 }, TP_PADDING_SAME, { 0 } },     /* 8 */
        { 1, 8, 8, 16, 16, 2, { 1, 1 }, PLAIN },
    };
    (void)state;
    CHECK_ALL(layers);
}

static void maps_of_one_pixel_and_windows_as_large_as_the_map_work(void **state)
{
    static const struct layer layers[] = {
        { 1, 1, 1, 1, 1, 1, { 1, 1 }, PLAIN },
        { 5, 1, 1, 3, 4, 1, { 3, 3 }, PLAIN, TP_PADDING_SAME, { 0 } },
        { 20, 4, 6, 3, 33, 1, { 4, 6 }, PLAIN },                /* one line over the batch */
        { 2, 17, 1, 5, 8, 1, { 3, 1 }, PLAIN },                 /* one line down each map */
        { 2, 17, 4, 5, 8, 1, { 2, 4 }, { 3, 1 }, { 1, 1 }, TP_PADDING_VALID, { 0 } },
        { 2, 1, 33, 2, 3, 1, { 1, 5 }, PLAIN, TP_PADDING_SAME, { 0 } },
        { 1, 2, 2, 3, 4, 1, { 2, 2 }, PLAIN, TP_PADDING_EXPLICIT, { 3, 4, 5, 2 } },
        { 2, 3, 3, 4, 5, 1, { 1, 1 }, { 2, 2 }, { 1, 1 }, TP_PADDING_EXPLICIT, { 2, 0, 0, 1 } },
        { 1, 5, 5, 2, 3, 1, { 1, 1 }, { 7, 7 }, { 9, 9 }, TP_PADDING_SAME, { 0 } },
    };
    (void)state;
    CHECK_ALL(layers);
}

static void many_tiles_and_padded_batches_are_cut_without_a_seam(void **state)
{
    static const struct layer layers[] = {
        { 1, 40, 41, 64, 8, 1, { 1, 1 }, PLAIN },               /* input outweighs the weights */
        { 1, 60, 50, 30, 40, 1, { 1, 1 }, { 2, 1 }, { 1, 1 }, TP_PADDING_VALID, { 0 } },
        { 1, 7, 7, 70, 100, 1, { 3, 3 }, PLAIN, TP_PADDING_SAME, { 0 } },         /* the reverse */
        { 3, 302, 302, 5, 2, 1, { 3, 3 }, { 7, 7 }, { 1, 1 }, TP_PADDING_SAME, { 0 } },
    };                                                          /* the last: two images at a time */
    (void)state;
    CHECK_ALL(layers);
}

static void the_epilogue_is_scale_shift_residual_activation_in_that_order(void **state)
{
    static const struct tp_act acts[] = {
        { .kind = TP_ACT_LINEAR },
        { TP_ACT_CLAMP, 0, INFINITY, 0 },
        { TP_ACT_CLAMP, -1, 2, 0 },
        { TP_ACT_LEAKY_RELU, 0.25f, 0, 0 },
        { .kind = TP_ACT_TANH },
        { TP_ACT_RELU, 0.1f, 2, 0.5f },
    };
    static const int filters[] = { 3, 32, 37 };
    (void)state;
    for (size_t a = 0; a < sizeof acts / sizeof *acts; a++)
        for (int variant = 0; variant < 8 * 3; variant++) {
            const int n = filters[variant / 8];
            struct layer l = { 2, 5, 9, 3, n, 1, { 3, 2 }, PLAIN, TP_PADDING_SAME, { 0 } };
            struct tp_node full = conv(&l), nd = full;
            float *scale = guarded_random(n, 11);
            if (variant & 1) nd.scale = scale;
            if (variant & 2) nd.shift = NULL;
            nd.residual = variant & 4;
            nd.n_inputs = nd.residual ? 2 : 1;
            nd.act = acts[a];
            const struct tp_shape in[2] = { input_of(&l), TP_SHAPE4(2, 5, 9, n) };
            check_node_random(&nd, in, 3e-6);
            guarded_free(scale);
            free_conv(&full);
        }
}

static void a_gate_scales_the_input_channels_of_its_own_image(void **state)
{
    static const struct layer layers[] = {
        { 1, 7, 9, 5, 3, 1, { 1, 1 }, PLAIN },
        { 3, 5, 6, 40, 70, 1, { 1, 1 }, PLAIN },
        { 2, 6, 7, 33, 17, 1, { 1, 1 }, { 2, 2 }, { 1, 1 }, TP_PADDING_EXPLICIT, { 1, 0, 2, 1 } },
    };
    (void)state;
    for (int i = 0; i < 3; i++)
        for (int residual = 0; residual < 2; residual++) {
            const struct layer *l = &layers[i];
            struct tp_node nd = conv(l);
            struct tp_shape in[3] = { input_of(l), TP_SHAPE4(l->batch, 1, 1, l->channels) };
            struct tp_err err = { 0 };
            nd.attr.conv.gated = true;
            nd.act.kind = TP_ACT_TANH;
            nd.residual = residual;
            nd.n_inputs = 2 + residual;
            assert_true(nd.op->shape(&nd, in, &in[2], &err));
            check_node_random(&nd, in, 3e-6);
            free_conv(&nd);
        }
}

static void a_nan_pixel_reaches_all_windows_over_it_through_relu(void **state)
{
    struct layer l = { 1, 5, 5, 2, 33, 1, { 3, 3 }, PLAIN, TP_PADDING_SAME, { 0 } };
    struct tp_node nd = conv(&l);
    const struct tp_shape in = input_of(&l);
    float *x = guarded_random(5 * 5 * 2, 1);
    (void)state;
    x[0] = NAN;
    nd.act = (struct tp_act){ TP_ACT_CLAMP, 0, 6, 0 };
    check_node(&nd, &in, &x, 3e-6);
    guarded_free(x);
    free_conv(&nd);
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
    const struct layer l = { 1, 3, 3, 4, 8, 1, { 5, 5 }, PLAIN };
    struct tp_node nd = conv(&l), bad = nd;
    struct tp_shape in = input_of(&l), flat = TP_SHAPE2(1, 4), other = TP_SHAPE4(1, 3, 3, 1);
    (void)state;
    check_node_refused(&nd, &in, "conv2: kernel 5x5 exceeds the padded input");
    check_node_refused(&nd, &flat, "conv2: Conv2D needs a map");
    check_node_refused(&nd, &other, "conv2: kernel is for 4 input channels, but its input "
                                    "[1, 3, 3, 1] has 1");
    bad.attr.conv.groups = 3;
    check_node_refused(&bad, &in, "conv2: groups is 3; it must divide the 4 input channels and "
                                  "the 8 filters");
    bad.attr.conv.groups = 0;
    check_node_refused(&bad, &in, "conv2: groups is 0");
    bad = nd;
    bad.attr.conv.filters = 0;
    check_node_refused(&bad, &in, "conv2: 0 filters");
    bad = nd;
    bad.attr.conv.window.strides[1] = -1;
    check_node_refused(&bad, &in, "conv2: kernel 5x5, strides 1x-1, dilations 1x1; each must be");
    bad = nd;
    bad.attr.conv.window.padding = TP_PADDING_EXPLICIT;
    bad.attr.conv.window.pads[2] = -2;
    check_node_refused(&bad, &in, "conv2: padding 0,0,-2,0; none may be negative");
    free_conv(&nd);
}

static void open_sizes_stay_open_and_multiply_adds_are_counted(void **state)
{
    const struct layer l = { 1, 9, 9, 6, 4, 2, { 3, 3 }, PLAIN, TP_PADDING_SAME, { 0 } };
    struct tp_node nd = conv(&l);
    struct tp_shape in = TP_SHAPE4(TP_ANY, TP_ANY, 9, 6), out;
    struct tp_err err = { 0 };
    (void)state;
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_string_equal(TP_SHAPE(&out), "[any, any, 9, 4]");
    assert_int_equal(nd.op->macs(&nd, &in, &out), TP_ANY);
    in.dim[1] = 9;
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_int_equal(nd.op->macs(&nd, &in, &out), 9 * 9 * 4 * 3 * 3 * 3);
    free_conv(&nd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_alone_are_one_product_over_the_whole_batch),
        cmocka_unit_test(windows_match_their_definition_at_odd_sizes),
        cmocka_unit_test(strides_dilations_and_paddings_combine),
        cmocka_unit_test(groups_see_their_own_channels_only),
        cmocka_unit_test(maps_of_one_pixel_and_windows_as_large_as_the_map_work),
        cmocka_unit_test(many_tiles_and_padded_batches_are_cut_without_a_seam),
        cmocka_unit_test(the_epilogue_is_scale_shift_residual_activation_in_that_order),
        cmocka_unit_test(a_gate_scales_the_input_channels_of_its_own_image),
        cmocka_unit_test(a_nan_pixel_reaches_all_windows_over_it_through_relu),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(open_sizes_stay_open_and_multiply_adds_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
