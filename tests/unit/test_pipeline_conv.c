/* test_pipeline_conv.c - convolutions and Dense mean what Keras means by them. */
#include "graph_of.h"

static void conv_kernels_are_height_width_in_out(void **state)
{
    (void)state;
    check_values("[1, 2, 2]",
                 "{\"type\": \"Conv2D\", \"name\": \"c\", \"filters\": 3, \"kernel_size\": [1, 2], "
                 "\"kernel\": [[[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [0, 0, 1]]]], "
                 "\"bias\": [0.5, 0, -1]}", "c", FLOATS(1, 10, 100, 1000),
                 DOUBLES(1 + 40 + 700 + 0.5, 2 + 50 + 800, 3 + 60 + 900 + 1000 - 1), 3);
}

static void explicit_padding_is_top_left_bottom_right(void **state)
{
    (void)state;
    check_values("[1, 1, 1]",
                 "{\"type\": \"Conv2D\", \"name\": \"c\", \"filters\": 1, \"kernel_size\": 1, "
                 "\"padding\": [1, 2, 0, 1], \"kernel\": [[[[1]]]], \"use_bias\": false}", "c",
                 FLOATS(7), DOUBLES(0, 0, 0, 0, 0, 0, 7, 0), 8);
}

static void strides_and_dilations_are_height_then_width(void **state)
{
    (void)state;
    struct tp_graph *g = graph_of("[9, 9, 1]", "{\"type\": \"Conv2D\", \"filters\": 1, "
                                  "\"kernel_size\": [1, 2], \"strides\": [3, 2], "
                                  "\"dilation_rate\": [5, 4], \"kernel\": [[[[1]], [[1]]]], "
                                  "\"bias\": [0]}");
    const struct tp_window *w = &g->nodes[1].attr.conv.window;
    assert_int_equal(w->kernel[0], 1);
    assert_int_equal(w->kernel[1], 2);
    assert_int_equal(w->strides[0], 3);
    assert_int_equal(w->strides[1], 2);
    assert_int_equal(w->dilations[0], 5);
    assert_int_equal(w->dilations[1], 4);
    tp_graph_free(g);
}

static void groups_see_their_own_channels(void **state)
{
    (void)state;
    check_values("[1, 1, 4]",
                 "{\"type\": \"Conv2D\", \"name\": \"c\", \"filters\": 2, \"kernel_size\": 1, "
                 "\"groups\": 2, \"kernel\": [[[[1, 3], [2, 4]]]], \"use_bias\": false}", "c",
                 FLOATS(1, 10, 100, 1000), DOUBLES(21, 4300), 2);
}

static void depthwise_outputs_are_channel_major(void **state)
{
    (void)state;
    check_values("[1, 1, 2]",
                 "{\"type\": \"DepthwiseConv2D\", \"name\": \"d\", \"kernel_size\": 1, "
                 "\"depth_multiplier\": 2, \"depthwise_kernel\": [[[[1, 2], [3, 4]]]], "
                 "\"bias\": [0, 0, 0, 5]}", "d", FLOATS(10, 100), DOUBLES(10, 20, 300, 405), 4);
}

static void separable_is_depthwise_then_pointwise(void **state)
{
    (void)state;
    static const char layer[] =
        "{\"type\": \"SeparableConv2D\", \"name\": \"s\", \"filters\": 1, \"kernel_size\": [2, 1], "
        "\"strides\": 2, \"depthwise_kernel\": [[[[1], [2]]], [[[3], [4]]]], \"pointwise_kernel\": "
        "[[[[10], [-1]]]], \"bias\": [0.5], \"activation\": \"relu\"}";
    check_values("[2, 1, 2]", layer, "s", FLOATS(1, 10, 100, 1000),
                 DOUBLES(0), 1);                 /* 10 * 301 - 4020 + 0.5 is negative */
    check_values("[2, 1, 2]", layer, "s", FLOATS(1, 0, 100, 1), DOUBLES(3010 - 4 + 0.5), 1);

    struct tp_graph *g = graph_of("[2, 1, 2]", layer);
    assert_int_equal(g->n_nodes, 3);
    assert_string_equal(g->nodes[1].name, "s/depthwise");
    assert_true(g->nodes[1].hidden);
    assert_int_equal(g->nodes[1].n_parameters, 0);
    assert_int_equal(g->nodes[2].n_parameters, 4 + 2 + 1);
    tp_graph_free(g);
}

static void dense_multiplies_the_last_axis(void **state)
{
    (void)state;
    check_values("[2, 1, 2]",
                 "{\"type\": \"Dense\", \"name\": \"d\", \"units\": 3, \"kernel\": [[1, 2, 3], [4, "
                 "5, 6]], \"bias\": [0, 0, 1]}", "d", FLOATS(1, 10, 0, 1),
                 DOUBLES(41, 52, 64, 4, 5, 7), 6);
}

static void a_bias_is_needed_unless_use_bias_is_false(void **state)
{
    (void)state;
    check_refused("[2]",
                  "{\"type\": \"Dense\", \"name\": \"d\", \"units\": 1, \"kernel\": [[1], [1]]}",
                  "d: bias is missing; expected [1] numbers, or \"use_bias\": false");
    struct tp_graph *g = graph_of("[2]", "{\"type\": \"Dense\", \"units\": 1, \"kernel\": [[1], "
                                  "[1]], \"use_bias\": false}");
    assert_null(g->nodes[1].shift);
    assert_int_equal(g->nodes[1].n_parameters, 2);
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_kernels_are_height_width_in_out),
        cmocka_unit_test(explicit_padding_is_top_left_bottom_right),
        cmocka_unit_test(strides_and_dilations_are_height_then_width),
        cmocka_unit_test(groups_see_their_own_channels),
        cmocka_unit_test(depthwise_outputs_are_channel_major),
        cmocka_unit_test(separable_is_depthwise_then_pointwise),
        cmocka_unit_test(dense_multiplies_the_last_axis),
        cmocka_unit_test(a_bias_is_needed_unless_use_bias_is_false),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
