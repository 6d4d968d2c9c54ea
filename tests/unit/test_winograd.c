/* test_winograd.c - 3x3 convolution by Winograd's method on every table: maps that tiles do not
 * fit, paddings, batches, panels that are not full, the epilogue; and when it is chosen. */
#include "check.h"
#include "ops/parallel.h"
#include "ops/winograd.h"
#include "ref.h"

#include <math.h>
#include <stdlib.h>

struct layer {
    int batch, height, width, channels, filters;
    int pads[4];
};

static struct tp_node conv(const struct layer *l)
{
    struct tp_node nd = { .name = "conv", .type = "Conv2D", .op = &tp_op_conv, .n_inputs = 1 };
    nd.attr.conv = (struct tp_conv_attr){
        .window = {
            .kernel = { 3, 3 }, .strides = { 1, 1 }, .dilations = { 1, 1 },
            .padding = TP_PADDING_EXPLICIT,
            .pads = { l->pads[0], l->pads[1], l->pads[2], l->pads[3] },
        },
        .groups = 1, .filters = l->filters, .in_channels = l->channels,
    };
    nd.attr.conv.kernel = guarded_random((int64_t)9 * l->channels * l->filters, 7);
    nd.shift = guarded_random(l->filters, 9);
    return nd;
}

static void free_conv(struct tp_node *nd)
{
    guarded_free((void *)nd->attr.conv.kernel);
    guarded_free((void *)nd->shift);
}

static struct tp_shape input_of(const struct layer *l)
{
    return TP_SHAPE4(l->batch, l->height, l->width, l->channels);
}

/* By both forms. The largest errors of F(4, 3) are some 3e-6 of the largest output at these
 * sizes. */
static void check(const struct layer *l)
{
    struct tp_node nd = conv(l);
    const struct tp_shape in = input_of(l);
    tp_winograd_set_form(TP_CONV_WINOGRAD_2);
    check_node_random(&nd, &in, 6e-6);
    tp_winograd_set_form(TP_CONV_WINOGRAD_4);
    check_node_random(&nd, &in, 6e-6);
    tp_winograd_set_form(TP_CONV_DIRECT);
    free_conv(&nd);
}

static void maps_of_any_size_match_the_definition(void **state)
{
    static const struct layer layers[] = {
        { 1, 16, 16, 32, 32, { 1, 1, 1, 1 } }, { 1, 16, 17, 32, 16, { 1, 1, 1, 1 } },
        { 1, 19, 18, 33, 35, { 1, 1, 1, 1 } }, { 1, 18, 20, 40, 17, { 0, 0, 0, 0 } },
        { 1, 17, 16, 37, 20, { 2, 0, 1, 3 } }, { 1, 20, 16, 32, 16, { 0, 2, 0, 0 } },
        { 3, 17, 19, 35, 18, { 1, 1, 1, 1 } }, { 1, 40, 37, 32, 20, { 1, 1, 1, 1 } },
        { 1, 7, 7, 64, 33, { 1, 1, 1, 1 } },   { 1, 1, 1, 32, 16, { 1, 1, 1, 1 } },
        { 1, 2, 3, 33, 31, { 1, 1, 1, 1 } },   { 1, 3, 3, 32, 17, { 0, 0, 0, 0 } },
        { 5, 3, 4, 47, 65, { 1, 0, 1, 2 } },   { 2, 14, 14, 32, 100, { 1, 1, 1, 1 } },
        { 1, 9, 15, 48, 24, { 3, 3, 3, 3 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) check(&layers[i]);
}

/* Several blocks of tiles and several groups of panels, cut anywhere by threads. */
static void many_blocks_and_panels_match_the_definition(void **state)
{
    (void)state;
    check(&(struct layer){ 2, 33, 41, 32, 96, { 1, 1, 1, 1 } });
    check(&(struct layer){ 3, 12, 13, 64, 300, { 1, 1, 1, 1 } });
}

/* Scale, shift, residual and activation, with full panels and one that is not. */
static void the_epilogue_is_that_of_every_convolution(void **state)
{
    static const struct tp_act acts[] = {
        { .kind = TP_ACT_LINEAR }, { .kind = TP_ACT_CLAMP, .alpha = 0, .beta = 0.5f },
        { .kind = TP_ACT_SWISH },
    };
    (void)state;
    for (int i = 0; i < 12; i++) {
        const struct layer l = { 2, i & 1 ? 18 : 6, i & 1 ? 17 : 9, 32, i & 2 ? 37 : 32,
                                 { 1, 1, 1, 1 } };
        const struct tp_shape in[2] = { input_of(&l),
                                        TP_SHAPE4(l.batch, l.height, l.width, l.filters) };
        struct tp_node nd = conv(&l);
        float *scale = guarded_random(l.filters, 5);
        nd.scale = scale;
        nd.act = acts[i % 3];
        nd.residual = i % 4 < 3;
        nd.n_inputs = 1 + nd.residual;
        tp_winograd_set_form(i & 1 ? TP_CONV_WINOGRAD_4 : TP_CONV_WINOGRAD_2);
        check_node_random(&nd, in, 5e-5);        /* sums reach 10, what is left of them not 1 */
        guarded_free(scale);
        free_conv(&nd);
    }
    tp_winograd_set_form(TP_CONV_DIRECT);
}

/* The largest of each four that lie whole in the map. */
static void maxima_of(double *to, const double *map, const struct tp_shape *whole,
                      const struct tp_shape *out)
{
    const int64_t width = whole->dim[2], channels = whole->dim[3];
    for (int64_t i = 0; i < tp_shape_elements(out); i++) {
        const int64_t c = i % channels, x = i / channels % out->dim[2];
        const int64_t y = i / channels / out->dim[2] % out->dim[1];
        const int64_t n = i / channels / out->dim[2] / out->dim[1];
        to[i] = -INFINITY;
        for (int k = 0; k < 4; k++) {
            const int64_t row = n * whole->dim[1] + 2 * y + k / 2;
            const double v = map[(row * width + 2 * x + k % 2) * channels + c];
            if (v > to[i]) to[i] = v;
        }
    }
}

static void maxima_of_four_are_those_of_the_finished_map(void **state)
{
    static const struct layer layers[] = {
        { 1, 16, 16, 32, 32, { 1, 1, 1, 1 } }, { 2, 19, 18, 33, 35, { 1, 1, 1, 1 } },
        { 1, 18, 21, 40, 17, { 0, 0, 0, 0 } }, { 3, 7, 7, 32, 65, { 1, 1, 1, 1 } },
        { 1, 2, 3, 33, 31, { 1, 1, 1, 1 } },   { 1, 41, 6, 16, 300, { 2, 0, 1, 3 } },
    };
    (void)state;
    for (int i = 0; i < 12; i++) {
        const struct layer *l = &layers[i / 2];
        const struct tp_shape in = input_of(l);
        struct tp_shape whole, out;
        struct tp_err err = { 0 };
        struct tp_node nd = conv(l);
        float *x = guarded_random(tp_shape_elements(&in), 3);
        nd.act = (struct tp_act){ TP_ACT_CLAMP, 0, 6, 0 };
        assert_true(nd.op->shape(&nd, &in, &whole, &err));
        double *map = ref_node(&nd, &in, &x, &whole);
        nd.attr.conv.pooled = true;
        assert_true(nd.op->shape(&nd, &in, &out, &err));
        assert_int_equal(out.dim[2], whole.dim[2] / 2);
        assert_int_equal(nd.op->macs(&nd, &in, &out),
                         whole.dim[1] * whole.dim[2] * 9 * l->channels * l->filters);
        double *want = calloc((size_t)tp_shape_elements(&out), sizeof *want);
        maxima_of(want, map, &whole, &out);
        tp_winograd_set_form(i % 2 ? TP_CONV_WINOGRAD_4 : TP_CONV_WINOGRAD_2);
        check_node_against(&nd, &in, &x, want, 6e-6);
        guarded_free(x);
        free(map);
        free(want);
        free_conv(&nd);
    }
    tp_winograd_set_form(TP_CONV_DIRECT);
}

static void it_is_chosen_where_it_is_faster(void **state)
{
    const struct layer l = { 1, 56, 56, 64, 64, { 1, 1, 1, 1 } };
    struct tp_node nd = conv(&l);
    struct tp_conv_attr *a = &nd.attr.conv;
    (void)state;
    assert_int_equal(tp_winograd_choose(a, 56, 56), TP_CONV_WINOGRAD_4);
    assert_int_equal(tp_winograd_choose(a, TP_ANY, TP_ANY), TP_CONV_WINOGRAD_4);
    assert_int_equal(tp_winograd_choose(a, 14, 14), TP_CONV_WINOGRAD_2);
    assert_int_equal(tp_winograd_choose(a, TP_ANY, 8), TP_CONV_WINOGRAD_4);
    assert_int_equal(tp_winograd_choose(a, 7, 7), TP_CONV_DIRECT);
    a->in_channels = a->filters = 512;
    assert_int_equal(tp_winograd_choose(a, 7, 7), TP_CONV_WINOGRAD_2);
    a->in_channels = a->filters = TP_MAX_CHANNELS;
    assert_int_equal(tp_winograd_choose(a, INT32_MAX, INT32_MAX), TP_CONV_WINOGRAD_4);
    a->in_channels = a->filters = 64;
    assert_int_equal(tp_winograd_choose(a, 3, 3), TP_CONV_DIRECT);
    a->window.strides[1] = 2;
    assert_int_equal(tp_winograd_choose(a, 56, 56), TP_CONV_DIRECT);
    a->window.strides[1] = 1;
    a->window.dilations[0] = 2;
    assert_int_equal(tp_winograd_choose(a, 56, 56), TP_CONV_DIRECT);
    a->window.dilations[0] = 1;
    a->window.kernel[0] = 1;
    assert_int_equal(tp_winograd_choose(a, 56, 56), TP_CONV_DIRECT);
    a->window.kernel[0] = 3;
    a->groups = 2;
    assert_int_equal(tp_winograd_choose(a, 56, 56), TP_CONV_DIRECT);
    a->groups = 1;
    a->in_channels = 3;
    assert_int_equal(tp_winograd_choose(a, 56, 56), TP_CONV_DIRECT);
    a->in_channels = 64;
    a->filters = 8;
    assert_int_equal(tp_winograd_choose(a, 56, 56), TP_CONV_DIRECT);
    free_conv(&nd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_of_any_size_match_the_definition),
        cmocka_unit_test(many_blocks_and_panels_match_the_definition),
        cmocka_unit_test(the_epilogue_is_that_of_every_convolution),
        cmocka_unit_test(maxima_of_four_are_those_of_the_finished_map),
        cmocka_unit_test(it_is_chosen_where_it_is_faster),
    };
    tp_parallel_set_most(4);         /* as many as check.h runs with, wherever this is */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
