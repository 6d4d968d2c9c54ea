/* test_lower.c - from ONNX's operators to ours. That operators give the right numbers is what
 * tests/onnx judges; here is what it cannot see: in how few steps, for which sizes, and what is
 * said of files that are broken. */
#include "onnx_model.h"

#include <math.h>

static float *counting(int64_t n)
{
    float *p = malloc((size_t)n * sizeof *p);
    for (int64_t i = 0; i < n; i++) p[i] = (float)(i % 251);
    return p;
}

static struct onnx_of begin(int opset, const int64_t *dims, int rank)
{
    struct onnx_of m = { .opset = opset };
    onnx_input(&m, "x", TP_ONNX_FLOAT, dims, rank);
    return m;
}

/* A 1x1 convolution of `in` to `out` channels; weights 0, 1, 2, 0, 1, ... */
static void put_conv(struct onnx_of *m, const char *weights, int64_t in, int64_t out,
                     const char *inputs, const char *output)
{
    float *w = malloc((size_t)(in * out) * sizeof *w);
    for (int64_t i = 0; i < in * out; i++) w[i] = (float)(i % 3);
    onnx_floats(m, weights, DIMS(out, in, 1, 1), w);
    onnx_node(m, "Conv", inputs, output);
    free(w);
}

/* ---- layouts --------------------------------------------------------------------------------- */

static void maps_stay_channels_last_between_convolutions(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(-1, 2, 3, 3));
    put_conv(&m, "w", 2, 4, "x w", "a");
    onnx_node(&m, "Relu", "a", "b");
    put_conv(&m, "v", 4, 2, "b v", "c");
    onnx_node(&m, "GlobalAveragePool", "c", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    float *in = counting(18);
    /* Mean of x: 4 and 13. a = (c, 2 + 0 c, ...): by hand from w = 0 1 | 2 0 | 1 2 | 0 1. */
    const double a[4] = { 13, 8, 4 + 26, 13 };
    const double want[2] = { a[1] + 2 * a[2] + 0 * a[3], a[0] + 2 * a[1] + a[3] };
    const int steps = check_asked(model, "y", SHAPE(1, 2, 3, 3), in, SHAPE(1, 2, 1, 1), want);
    assert_int_equal(steps, 3);                      /* conv with relu, conv, pool */
    free(in);
    tp_model_free(model);
}

static void channel_shuffle_is_one_move(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(-1, 6, 2, 2));
    onnx_ints(&m, "apart", DIMS(5), (const int64_t[]){ 0, 2, 3, 2, 2 });
    onnx_ints(&m, "together", DIMS(4), (const int64_t[]){ 0, 6, 2, 2 });
    onnx_node(&m, "Reshape", "x apart", "a");
    onnx_node(&m, "Transpose", "a", "b");
    onnx_attr_ints(&m, "perm", DIMS(0, 2, 1, 3, 4));
    onnx_node(&m, "Reshape", "b together", "c");
    onnx_node(&m, "GlobalMaxPool", "c", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    float *in = counting(24);
    const int from[6] = { 0, 3, 1, 4, 2, 5 };
    double want[6];
    for (int c = 0; c < 6; c++) want[c] = from[c] * 4 + 3;
    assert_int_equal(check_asked(model, "y", SHAPE(1, 6, 2, 2), in, SHAPE(1, 6, 1, 1), want), 2);
    free(in);
    tp_model_free(model);
}

static void transposes_there_and_back_cost_nothing(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(-1, 3, 2, 2));
    onnx_node(&m, "Transpose", "x", "a");
    onnx_attr_ints(&m, "perm", DIMS(0, 2, 3, 1));
    onnx_node(&m, "Neg", "a", "b");
    onnx_node(&m, "Transpose", "b", "c");
    onnx_attr_ints(&m, "perm", DIMS(0, 3, 1, 2));
    onnx_node(&m, "GlobalMaxPool", "c", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    float *in = counting(12);
    const double want[3] = { 0, -4, -8 };
    assert_int_equal(check_asked(model, "y", SHAPE(1, 3, 2, 2), in, SHAPE(1, 3, 1, 1), want), 2);
    free(in);
    tp_model_free(model);
}

static void values_between_are_told_in_the_files_order(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(-1, 2, 1, 2));
    onnx_node(&m, "Transpose", "x", "t");
    onnx_attr_ints(&m, "perm", DIMS(3, 1, 0, 2));
    onnx_node(&m, "Flatten", "t", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    const float in[4] = { 1, 2, 3, 4 };
    const double turned[4] = { 1, 3, 2, 4 };
    check_asked(model, "x", SHAPE(1, 2, 1, 2), in, SHAPE(1, 2, 1, 2), (double[]){ 1, 2, 3, 4 });
    check_asked(model, "t", SHAPE(1, 2, 1, 2), in, SHAPE(2, 2, 1, 1), turned);
    check_asked(model, "y", SHAPE(1, 2, 1, 2), in, SHAPE(2, 2), turned);
    tp_model_free(model);
}

static void a_mean_over_height_and_width_is_global_pooling(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(-1, 2, 2, 2));
    onnx_node(&m, "ReduceMean", "x", "y");
    onnx_attr_ints(&m, "axes", DIMS(2, -1));
    onnx_attr_int(&m, "keepdims", 0);
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    const float in[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const double want[2] = { 2.5, 6.5 };
    assert_int_equal(check_asked(model, "y", SHAPE(1, 2, 2, 2), in, SHAPE(1, 2), want), 1);
    tp_model_free(model);
}

/* ---- shape arithmetic ------------------------------------------------------------------------ */

/* x.view(x.size(0), x.size(1), -1), as exporters write it. */
static void shapes_follow_the_input(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(-1, 2, -1, -1));
    onnx_ints(&m, "zero", DIMS(1), (const int64_t[]){ 0 });
    onnx_ints(&m, "one", DIMS(1), (const int64_t[]){ 1 });
    onnx_ints(&m, "rest", DIMS(1), (const int64_t[]){ -1 });
    onnx_node(&m, "Shape", "x", "s");
    onnx_node(&m, "Gather", "s zero", "n");
    onnx_node(&m, "Gather", "s one", "c");
    onnx_node(&m, "Concat", "n c rest", "to");
    onnx_attr_int(&m, "axis", 0);
    onnx_node(&m, "Reshape", "x to", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    for (int64_t side = 1; side <= 5; side += 2) {
        float *in = counting(2 * side * (side + 1));
        double *want = malloc((size_t)(2 * side * (side + 1)) * sizeof *want);
        for (int64_t i = 0; i < 2 * side * (side + 1); i++) want[i] = (double)in[i];
        check_asked(model, "y", SHAPE(1, 2, side, side + 1), in, SHAPE(1, 2, side * (side + 1)),
                    want);
        free(want);
        free(in);
    }
    assert_int_equal(model->n_layers, 1);            /* arithmetic is not listed */
    tp_model_free(model);
}

static void arithmetic_that_overflows_is_refused_by_name(void **state)
{
    (void)state;
    const int64_t huge = INT64_C(1) << 40;
    struct onnx_of m = begin(13, DIMS(-1, 2));
    onnx_ints(&m, "huge", DIMS(1), &huge);
    onnx_node(&m, "Mul", "huge huge", "n");
    onnx_node_name(&m, "square");
    onnx_node(&m, "Reshape", "x n", "y");
    onnx_output(&m, "y");
    check_model_refused(&m, "node 'square' (Mul): shape arithmetic overflows");
}

static void a_shape_that_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(1, 6));
    onnx_ints(&m, "to", DIMS(2), (const int64_t[]){ 1, 7 });
    onnx_node(&m, "Reshape", "x to", "y");
    onnx_node_name(&m, "view");
    onnx_output(&m, "y");
    check_model_refused(&m, "node 'view' (Reshape): cannot reshape [1, 6] to [1, 7]");
}

/* ---- weights --------------------------------------------------------------------------------- */

static void weights_may_come_through_other_nodes(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(-1, 2));
    onnx_floats(&m, "w", DIMS(3, 2), (const float[]){ 1, 2, 3, 4, 5, 6 });
    onnx_floats(&m, "s", DIMS(1), (const float[]){ 10 });
    onnx_node(&m, "Mul", "w s", "scaled");
    onnx_node(&m, "Transpose", "scaled", "wt");
    onnx_node(&m, "Identity", "wt", "same");
    onnx_node(&m, "MatMul", "x same", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    const float in[4] = { 1, 1, 0, 1 };
    const double want[6] = { 30, 70, 110, 20, 40, 60 };
    assert_int_equal(check_asked(model, "y", SHAPE(2, 2), in, SHAPE(2, 3), want), 1);
    tp_model_free(model);
}

static void half_and_double_weights_are_read(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(-1, 1, 1, 1));
    const uint16_t half[2] = { 0x3c00, 0xc000 };     /* 1, -2 */
    const double shift[2] = { 0.5, 1e-3 };
    onnx_weight(&m, "w", TP_ONNX_FLOAT16, DIMS(2, 1, 1, 1), half, sizeof half);
    onnx_weight(&m, "b", TP_ONNX_DOUBLE, DIMS(2), shift, sizeof shift);
    onnx_node(&m, "Conv", "x w b", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    check_asked(model, "y", SHAPE(1, 1, 1, 1), (const float[]){ 3 }, SHAPE(1, 2, 1, 1),
                (double[]){ 3.5, -6 + 1e-3 });
    tp_model_free(model);
}

static void weights_that_are_computed_from_the_input_are_told(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(1, 1, 2, 2));
    onnx_node(&m, "Neg", "x", "a");
    onnx_node(&m, "Conv", "a a", "y");
    onnx_node_name(&m, "odd");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    assert_non_null(strstr(model->warning, "1 of 2 nodes cannot be run: node 'odd' (Conv): its "
                                           "weights are computed from the model's input"));
    tp_model_free(model);
}

/* ---- tapped layers --------------------------------------------------------------------------- */

static void a_folded_layer_still_answers_what_the_file_says(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(-1, 1, 1, 2));
    onnx_floats(&m, "w", DIMS(1, 1, 1, 1), (const float[]){ 2 });
    onnx_floats(&m, "three", DIMS(1), (const float[]){ 3 });
    onnx_floats(&m, "one", DIMS(1), (const float[]){ 1 });
    onnx_node(&m, "Conv", "x w", "conv");
    onnx_node(&m, "BatchNormalization", "conv three one one one", "norm");
    onnx_attr_float(&m, "epsilon", 0);
    onnx_node(&m, "Add", "norm x", "sum");
    onnx_node(&m, "Relu", "sum", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    const float in[2] = { 1, -1 };
    const struct tp_shape *s = SHAPE(1, 1, 1, 2);
    assert_int_equal(check_asked(model, "y", s, in, s, (double[]){ 5, 0 }), 1);
    check_asked(model, "conv", s, in, s, (double[]){ 2, -2 });
    check_asked(model, "norm", s, in, s, (double[]){ 4, -8 });
    check_asked(model, "sum", s, in, s, (double[]){ 5, -9 });
    tp_model_free(model);
}

/* ---- what is refused ------------------------------------------------------------------------- */

/* What is packed for good follows from weights alone. */
static void weights_whose_shape_follows_the_input_are_packed_for_each_size(void **state)
{
    (void)state;
    const float w[6] = { 1, 2, 3, 4, 5, 6 }, in[3] = { 1, 1, 1 };
    struct onnx_of m = begin(13, DIMS(-1, -1));
    onnx_floats(&m, "w", DIMS(6), w);
    onnx_ints(&m, "one", DIMS(1), (const int64_t[]){ 1 });
    onnx_ints(&m, "rest", DIMS(1), (const int64_t[]){ -1 });
    onnx_node(&m, "Shape", "x", "s");
    onnx_node(&m, "Gather", "s one", "c");
    onnx_node(&m, "Concat", "c rest", "to");
    onnx_attr_int(&m, "axis", 0);
    onnx_node(&m, "Reshape", "w to", "v");
    onnx_node(&m, "Exp", "v", "e");                  /* is run, not renamed */
    onnx_node(&m, "Log", "e", "l");
    onnx_node(&m, "MatMul", "x v", "a");
    onnx_node(&m, "MatMul", "x l", "b");
    onnx_node(&m, "Sum", "a b", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    const double two[3] = { 10, 14, 18 }, three[2] = { 18, 24 };
    check_asked(model, "y", SHAPE(1, 2), in, SHAPE(1, 3), two);
    check_asked(model, "y", SHAPE(1, 3), in, SHAPE(1, 2), three);
    tp_model_free(model);
}

static void a_scalar_is_reduced_like_one_number(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(1, 1));
    onnx_ints(&m, "both", DIMS(2), (const int64_t[]){ 0, 1 });
    onnx_node(&m, "Squeeze", "x both", "s");
    onnx_node(&m, "ReduceSumSquare", "s", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    check_asked(model, "y", SHAPE(1, 1), (const float[]){ 3 }, &(struct tp_shape){ .rank = 0 },
                (const double[]){ 9 });
    tp_model_free(model);
}

/* In opset 1 types are texts, and powers any numbers. */
static void attributes_of_the_first_opset_are_read(void **state)
{
    (void)state;
    struct onnx_of m = begin(1, DIMS(1, 1, 2, 1));
    onnx_node(&m, "Cast", "x", "c");
    onnx_attr_text(&m, "to", "INT32");
    onnx_node(&m, "Pad", "c", "d");
    onnx_attr_ints(&m, "paddings", DIMS(0, 0, 1, 0, 0, 0, 0, 0));
    onnx_node(&m, "GlobalLpPool", "d", "y");
    onnx_attr_float(&m, "p", 1);
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    check_asked(model, "y", SHAPE(1, 1, 2, 1), (const float[]){ 2.5f, -3.5f }, SHAPE(1, 1, 1, 1),
                (const double[]){ 5 });
    tp_model_free(model);
}

/* The largest of four neighbours times their weights: ONNX's op_roi_align.py. */
static void the_maximum_of_a_region_is_of_weighted_neighbours(void **state)
{
    (void)state;
    struct onnx_of m = begin(16, DIMS(1, 1, 2, 2));
    onnx_floats(&m, "boxes", DIMS(1, 4), (const float[]){ 0, 0, 2, 2 });
    onnx_ints(&m, "images", DIMS(1), (const int64_t[]){ 0 });
    onnx_node(&m, "RoiAlign", "x boxes images", "y");
    onnx_attr_text(&m, "mode", "max");
    onnx_attr_int(&m, "sampling_ratio", 1);
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    check_asked(model, "y", SHAPE(1, 1, 2, 2), (const float[]){ 1, 2, 3, 8 }, SHAPE(1, 1, 1, 1),
                (const double[]){ 2 });              /* the sample is in the middle: 8 / 4 */
    tp_model_free(model);
}

/* The same where the broken node is the last. */
static void check_broken(struct onnx_of *m, const char *part)
{
    onnx_output(m, "y");
    check_model_refused(m, part);
}

static void broken_nodes_are_refused_by_name(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(1, 3, 4, 4));
    put_conv(&m, "w", 2, 2, "x w", "y");
    onnx_node_name(&m, "stem");
    check_broken(&m, "node 'stem' (Conv): its weights [2, 2, 1, 1] in 1 groups do not fit");

    m = begin(13, DIMS(1, 3, 4, 4));
    onnx_node(&m, "MaxPool", "x", "y");
    onnx_attr_ints(&m, "kernel_shape", DIMS(5, 5));
    check_broken(&m, "its window covers 5 pixels of an axis that has, with padding, 4");

    m = begin(13, DIMS(1, 3, 4, 4));
    onnx_node(&m, "MaxPool", "x", "y");
    onnx_attr_ints(&m, "kernel_shape", DIMS(2, 2));
    onnx_attr_ints(&m, "strides", DIMS(0, 1));
    check_broken(&m, "strides has 0; expected 1 to");

    m = begin(13, DIMS(1, 3, 4, 4));
    onnx_node(&m, "AveragePool", "x", "y");
    onnx_attr_ints(&m, "kernel_shape", DIMS(2, 2));
    onnx_attr_ints(&m, "pads", DIMS(-1, 0, 0, 0));
    check_broken(&m, "pads has -1");

    m = begin(13, DIMS(1, 3));
    onnx_node(&m, "Softmax", "x", "y");
    onnx_attr_int(&m, "axis", 2);
    check_broken(&m, "axis 2; its input has rank 2");

    m = begin(13, DIMS(1, 3));
    onnx_ints(&m, "at", DIMS(1), (const int64_t[]){ 3 });
    onnx_node(&m, "Gather", "x at", "y");
    onnx_attr_int(&m, "axis", 1);
    check_broken(&m, "index 3; axis 1 has size 3");

    m = begin(13, DIMS(1, 3));
    onnx_floats(&m, "b", DIMS(2), (const float[]){ 1, 2 });
    onnx_node(&m, "Add", "x b", "y");
    check_broken(&m, "do not broadcast");

    m = begin(13, DIMS(1, 3));
    onnx_ints(&m, "shape", DIMS(2), (const int64_t[]){ 1 << 20, 1 << 20 });
    onnx_node(&m, "ConstantOfShape", "shape", "c");
    onnx_node(&m, "Add", "x c", "y");
    check_broken(&m, "has more elements than the limit");

    m = begin(13, DIMS(1, 3));
    onnx_ints(&m, "n", DIMS(2), (const int64_t[]){ 1, INT64_MAX });
    onnx_node(&m, "Tile", "x n", "y");
    check_broken(&m, "repeats along axis 1");

    m = begin(13, DIMS(1, 3));
    onnx_ints(&m, "a", DIMS(1), (const int64_t[]){ 2 });
    onnx_ints(&m, "b", DIMS(1), (const int64_t[]){ 2 });
    onnx_node(&m, "Slice", "x a b", "y");
    check_broken(&m, "(Slice)");
}

static void attributes_of_another_kind_are_refused_by_name(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(1, 3, 4, 4));
    onnx_node(&m, "MaxPool", "x", "y");
    onnx_attr_ints(&m, "kernel_shape", DIMS(2, 2));
    onnx_attr_float(&m, "strides", 2);
    check_broken(&m, "(MaxPool): attribute strides is a number; expected a list of whole numbers");

    m = begin(13, DIMS(1, 3, 4, 4));
    onnx_node(&m, "Softmax", "x", "y");
    onnx_attr_ints(&m, "axis", DIMS(1));
    check_broken(&m, "attribute axis is a list of whole numbers; expected a whole number");

    m = begin(13, DIMS(1, 3, 4, 4));
    onnx_node(&m, "Elu", "x", "y");
    onnx_attr_int(&m, "alpha", 2);
    check_broken(&m, "attribute alpha is a whole number; expected a number");

    m = begin(13, DIMS(1, 3, 4, 4));                 /* of constants, which are computed at once */
    onnx_ints(&m, "a", DIMS(2), (const int64_t[]){ 5, 6 });
    onnx_ints(&m, "b", DIMS(1), (const int64_t[]){ 0 });
    onnx_node(&m, "Gather", "a b", "y");
    onnx_attr_text(&m, "axis", "0");
    check_broken(&m, "attribute axis is text; expected a whole number");
}

static void nodes_have_the_inputs_outputs_and_attributes_that_their_operator_needs(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(1, 3));
    onnx_node(&m, "Relu", "x", "z y");
    check_broken(&m, "(Relu): it has 2 outputs; expected at most 1");

    m = begin(13, DIMS(1, 3));
    onnx_node(&m, "Add", "x", "y");
    check_broken(&m, "(Add): it has 1 inputs; expected 2");

    m = begin(13, DIMS(1, 3));
    onnx_node(&m, "Concat", "x x", "y");
    check_broken(&m, "(Concat): attribute axis is not there");

    m = begin(13, DIMS(1, 3));
    onnx_node(&m, "Clip", "x x x x", "y");
    check_broken(&m, "it has 4 inputs; expected at most 3");

    m = begin(13, DIMS(1, 3));
    onnx_node(&m, "Where", "x - x", "y");
    check_broken(&m, "(Where): input 1 is left out");
}

static void numbers_beyond_what_can_be_meant_are_refused_by_name(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(1, 1, 4, 4));
    onnx_floats(&m, "w", DIMS(1, 1, 1, 1), (const float[]){ 1 });
    onnx_node(&m, "ConvTranspose", "x w", "y");
    onnx_attr_ints(&m, "output_padding", DIMS(INT64_MAX, 0));
    check_broken(&m, "output_padding has 9223372036854775807");

    m = begin(13, DIMS(1, 1, 4, 4));
    onnx_floats(&m, "w", DIMS(1, 1, 1, 1), (const float[]){ 1 });
    onnx_node(&m, "ConvTranspose", "x w", "y");
    onnx_attr_ints(&m, "output_shape", DIMS(INT64_MIN, 4));
    check_broken(&m, "output_shape has -9223372036854775808");

    m = begin(13, DIMS(1, 1, 4, 4));
    onnx_node(&m, "MaxPool", "x", "y");
    onnx_attr_ints(&m, "kernel_shape", DIMS(1 << 20, 1));
    onnx_attr_ints(&m, "dilations", DIMS(1 << 20, 1));
    onnx_attr_text(&m, "auto_pad", "SAME_UPPER");
    check_broken(&m, "its window covers 1099510579201 pixels");

    m = begin(16, DIMS(1, 1, 4, 4));
    onnx_floats(&m, "boxes", DIMS(1, 4), (const float[]){ 0, 0, 2, 2 });
    onnx_ints(&m, "images", DIMS(1), (const int64_t[]){ 0 });
    onnx_node(&m, "RoiAlign", "x boxes images", "y");
    onnx_attr_int(&m, "output_height", ((int64_t)1 << 32) + 1);
    check_broken(&m, "output_height is 4294967297; it must be from 1");

    m = begin(13, DIMS(1, 1, 4, 4));
    onnx_node(&m, "Cast", "x", "y");
    onnx_attr_int(&m, "to", ((int64_t)1 << 32) + 1);
    check_broken(&m, "a cast to element type no type is not there");

    m = begin(11, DIMS(1, 1, 1, 1));
    onnx_ints(&m, "at", DIMS(1, 1, 1, 1), (const int64_t[]){ 0 });
    onnx_node(&m, "MaxUnpool", "x at", "y");
    onnx_attr_ints(&m, "kernel_shape", DIMS(1 << 20, 1 << 20));
    check_broken(&m, "has more than the");
}

static void words_that_are_not_there_are_refused_by_name(void **state)
{
    (void)state;
    struct onnx_of m = begin(13, DIMS(1, 4, 4, 4));
    onnx_node(&m, "DepthToSpace", "x", "y");
    onnx_attr_int(&m, "blocksize", 2);
    onnx_attr_text(&m, "mode", "DC");
    check_broken(&m, "mode is 'DC'; there are: DCR CRD");

    m = begin(13, DIMS(1, 4, 4, 4));
    onnx_floats(&m, "twice", DIMS(4), (const float[]){ 1, 1, 2, 2 });
    onnx_node(&m, "Resize", "x - twice", "y");
    onnx_attr_text(&m, "nearest_mode", "");
    check_broken(&m, "nearest_mode is ''; there are: round_prefer_floor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_stay_channels_last_between_convolutions),
        cmocka_unit_test(channel_shuffle_is_one_move),
        cmocka_unit_test(transposes_there_and_back_cost_nothing),
        cmocka_unit_test(values_between_are_told_in_the_files_order),
        cmocka_unit_test(a_mean_over_height_and_width_is_global_pooling),
        cmocka_unit_test(shapes_follow_the_input),
        cmocka_unit_test(arithmetic_that_overflows_is_refused_by_name),
        cmocka_unit_test(a_shape_that_does_not_fit_is_refused_by_name),
        cmocka_unit_test(weights_may_come_through_other_nodes),
        cmocka_unit_test(half_and_double_weights_are_read),
        cmocka_unit_test(weights_that_are_computed_from_the_input_are_told),
        cmocka_unit_test(a_folded_layer_still_answers_what_the_file_says),
        cmocka_unit_test(weights_whose_shape_follows_the_input_are_packed_for_each_size),
        cmocka_unit_test(a_scalar_is_reduced_like_one_number),
        cmocka_unit_test(attributes_of_the_first_opset_are_read),
        cmocka_unit_test(the_maximum_of_a_region_is_of_weighted_neighbours),
        cmocka_unit_test(broken_nodes_are_refused_by_name),
        cmocka_unit_test(attributes_of_another_kind_are_refused_by_name),
        cmocka_unit_test(nodes_have_the_inputs_outputs_and_attributes_that_their_operator_needs),
        cmocka_unit_test(numbers_beyond_what_can_be_meant_are_refused_by_name),
        cmocka_unit_test(words_that_are_not_there_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
