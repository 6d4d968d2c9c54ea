/* test_lower_later.c - operators, and forms of them, that came with opsets 18 to 21: after the test
 * data which tests/onnx goes over. Expected values are PyTorch's. */
#include "onnx_model.h"

#include <math.h>

#include "data/onnx/later_ops.h"

static float *pattern(int64_t n)
{
    float *p = malloc((size_t)n * sizeof *p);
    for (int64_t i = 0; i < n; i++) p[i] = (float)(i * 37 % 61 - 30) / 8;
    return p;
}

static struct onnx_of begin(int opset, const int64_t *dims, int rank)
{
    struct onnx_of m = { .opset = opset };
    onnx_input(&m, "x", TP_ONNX_FLOAT, dims, rank);
    onnx_output(&m, "y");
    return m;
}

static void check(struct onnx_of *m, const struct tp_shape *in, const struct tp_shape *out,
                  const double *want)
{
    struct tp_model *model = model_of(m);
    float *x = pattern(tp_shape_elements(in));
    struct told told;
    struct tp_err err = { 0 };
    if (!ask_try(model, "y", in, x, &told, &err)) fail_msg("%s", err.message);
    assert_string_equal(TP_SHAPE(&told.shape), TP_SHAPE(out));
    check_near("y", told.data, want, tp_shape_elements(out), 2e-6);
    free(told.data);
    free(x);
    tp_model_free(model);
}

static void group_normalization_scales_channels_and_before_opset_21_groups(void **state)
{
    (void)state;
    const struct tp_shape *s = SHAPE(2, 4, 3, 5);
    struct onnx_of m = begin(21, DIMS(-1, 4, 3, 5));
    onnx_floats(&m, "scale", DIMS(4), (const float[]){ 1, 2, 3, 4 });
    onnx_floats(&m, "shift", DIMS(4), (const float[]){ 0.5f, 0, -0.5f, 1 });
    onnx_node(&m, "GroupNormalization", "x scale shift", "y");
    onnx_attr_int(&m, "num_groups", 2);
    check(&m, s, s, later_group_norm);
    m = begin(18, DIMS(-1, 4, 3, 5));
    onnx_floats(&m, "scale", DIMS(2), (const float[]){ 1, 3 });
    onnx_floats(&m, "shift", DIMS(2), (const float[]){ 0.5f, -0.5f });
    onnx_node(&m, "GroupNormalization", "x scale shift", "y");
    onnx_attr_int(&m, "num_groups", 2);
    check(&m, s, s, later_group_norm_by_group);
}

static void activations_of_opsets_18_and_20(void **state)
{
    (void)state;
    const struct tp_shape *s = SHAPE(2, 4, 3, 5);
    struct onnx_of m = begin(20, DIMS(-1, 4, 3, 5));
    onnx_node(&m, "Gelu", "x", "y");
    check(&m, s, s, later_gelu);
    m = begin(20, DIMS(-1, 4, 3, 5));
    onnx_node(&m, "Gelu", "x", "y");
    onnx_attr_text(&m, "approximate", "tanh");
    check(&m, s, s, later_gelu_tanh);
    m = begin(18, DIMS(-1, 4, 3, 5));
    onnx_node(&m, "Mish", "x", "y");
    check(&m, s, s, later_mish);
}

static void resize_may_name_axes_and_filter_what_it_shrinks(void **state)
{
    (void)state;
    struct onnx_of m = begin(18, DIMS(-1, 1, 8, 10));
    onnx_ints(&m, "sizes", DIMS(2), (const int64_t[]){ 4, 3 });
    onnx_node(&m, "Resize", "x - - sizes", "y");
    onnx_attr_text(&m, "mode", "linear");
    onnx_attr_int(&m, "antialias", 1);
    onnx_attr_ints(&m, "axes", DIMS(-1, 2));
    check(&m, SHAPE(1, 1, 8, 10), SHAPE(1, 1, 3, 4), later_linear_antialias);
    m = begin(18, DIMS(-1, 1, 8, 10));
    onnx_ints(&m, "sizes", DIMS(4), (const int64_t[]){ 1, 1, 11, 13 });
    onnx_node(&m, "Resize", "x - - sizes", "y");
    onnx_attr_text(&m, "mode", "cubic");
    check(&m, SHAPE(1, 1, 8, 10), SHAPE(1, 1, 11, 13), later_cubic_antialias_up);
}

static void resize_may_keep_the_proportions(void **state)
{
    (void)state;
    struct onnx_of m = begin(18, DIMS(-1, 1, 8, 10));
    onnx_ints(&m, "sizes", DIMS(2), (const int64_t[]){ 12, 20 });
    onnx_node(&m, "Resize", "x - - sizes", "y");
    onnx_attr_text(&m, "mode", "linear");
    onnx_attr_text(&m, "keep_aspect_ratio_policy", "not_larger");
    onnx_attr_ints(&m, "axes", DIMS(2, 3));
    check(&m, SHAPE(1, 1, 8, 10), SHAPE(1, 1, 12, 15), later_linear_up);
}

static void pooling_with_dilations_and_powers(void **state)
{
    (void)state;
    struct onnx_of m = begin(19, DIMS(-1, 1, 6, 7));
    onnx_node(&m, "AveragePool", "x", "y");
    onnx_attr_ints(&m, "kernel_shape", DIMS(2, 2));
    onnx_attr_ints(&m, "dilations", DIMS(2, 3));
    check(&m, SHAPE(1, 1, 6, 7), SHAPE(1, 1, 4, 4), later_dilated_average);
    m = begin(18, DIMS(-1, 1, 6, 7));
    onnx_node(&m, "LpPool", "x", "y");
    onnx_attr_ints(&m, "kernel_shape", DIMS(2, 3));
    onnx_attr_ints(&m, "strides", DIMS(2, 2));
    onnx_attr_int(&m, "p", 3);
    check(&m, SHAPE(1, 1, 6, 7), SHAPE(1, 1, 3, 3), later_lp_pool);
}

static void axes_and_parts_come_as_inputs_and_counts(void **state)
{
    (void)state;
    struct onnx_of m = begin(18, DIMS(-1, 4, 3, 5));
    onnx_ints(&m, "axes", DIMS(2), (const int64_t[]){ 1, -1 });
    onnx_node(&m, "ReduceMax", "x axes", "y");
    onnx_attr_int(&m, "keepdims", 0);
    check(&m, SHAPE(2, 4, 3, 5), SHAPE(2, 3), later_reduce_max);
    m = begin(18, DIMS(-1, 5));
    onnx_node(&m, "Split", "x", "a y");              /* 3 and 2 */
    onnx_attr_int(&m, "axis", 1);
    onnx_attr_int(&m, "num_outputs", 2);
    const double want[2] = { (3 * 37 % 61 - 30) / 8.0, (4 * 37 % 61 - 30) / 8.0 };
    check(&m, SHAPE(1, 5), SHAPE(1, 2), want);
}

static void pad_may_name_axes(void **state)
{
    (void)state;
    struct onnx_of m = begin(18, DIMS(-1, 3));
    onnx_ints(&m, "pads", DIMS(2), (const int64_t[]){ 1, 2 });
    onnx_ints(&m, "axes", DIMS(1), (const int64_t[]){ 1 });
    onnx_node(&m, "Pad", "x pads - axes", "y");
    onnx_attr_text(&m, "mode", "reflect");
    const double x[3] = { -30 / 8.0, 7 / 8.0, -17 / 8.0 };
    check(&m, SHAPE(1, 3), SHAPE(1, 6), (double[]){ x[1], x[0], x[1], x[2], x[1], x[0] });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_normalization_scales_channels_and_before_opset_21_groups),
        cmocka_unit_test(activations_of_opsets_18_and_20),
        cmocka_unit_test(resize_may_name_axes_and_filter_what_it_shrinks),
        cmocka_unit_test(resize_may_keep_the_proportions),
        cmocka_unit_test(pooling_with_dilations_and_powers),
        cmocka_unit_test(axes_and_parts_come_as_inputs_and_counts),
        cmocka_unit_test(pad_may_name_axes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
