/* test_window.c - where windows lie, against counting every position and tap. */
#include "check.h"
#include "ops/window.h"

#include <string.h>

static const struct tp_node node = { .name = "w", .type = "Conv2D" };

static struct tp_window axis_window(int kernel, int stride, int dilation, enum tp_padding padding)
{
    return (struct tp_window){ .kernel = { kernel, 1 }, .strides = { stride, 1 },
                               .dilations = { dilation, 1 }, .padding = padding };
}

/* How many windows of `span` fit when they start at 0, stride, 2 stride ... of `padded` places. */
static int64_t count_fitting(int64_t padded, int span, int stride)
{
    int64_t n = 0;
    for (int64_t start = 0; start + span <= padded; start += stride) n++;
    return n;
}

static int64_t length(struct tp_window w, int64_t in, int64_t *before)
{
    struct tp_err err = { 0 };
    int64_t out = -9;
    assert_true(tp_window_length(&node, &w, 0, in, &out, before, &err));
    return out;
}

static void valid_counts_the_windows_that_fit(void **state)
{
    (void)state;
    for (int in = 1; in <= 12; in++)
        for (int kernel = 1; kernel <= 4; kernel++)
            for (int stride = 1; stride <= 5; stride++)
                for (int dilation = 1; dilation <= 3; dilation++) {
                    int span = dilation * (kernel - 1) + 1;
                    int64_t before = -9;
                    if (span > in) continue;
                    struct tp_window w = axis_window(kernel, stride, dilation, TP_PADDING_VALID);
                    w.pads[0] = w.pads[2] = 5;   /* not read */
                    assert_int_equal(length(w, in, &before), count_fitting(in, span, stride));
                    assert_int_equal(before, 0);
                }
}

static void explicit_pads_count_as_places(void **state)
{
    (void)state;
    for (int in = 1; in <= 9; in++)
        for (int front = 0; front <= 3; front++)
            for (int back = 0; back <= 3; back++)
                for (int stride = 1; stride <= 4; stride++) {
                    int64_t before = -9;
                    struct tp_window w = axis_window(3, stride, 1, TP_PADDING_EXPLICIT);
                    w.pads[0] = front;
                    w.pads[2] = back;
                    if (in + front + back < 3) continue;
                    assert_int_equal(length(w, in, &before),
                                     count_fitting(in + front + back, 3, stride));
                    assert_int_equal(before, front);
                }
}

/* Keras and TensorFlow: ceil(in / stride) windows, the padding they need split with the odd place
 * at the end. */
static void same_pads_evenly_with_the_odd_place_behind(void **state)
{
    (void)state;
    for (int in = 1; in <= 12; in++)
        for (int kernel = 1; kernel <= 5; kernel++)
            for (int stride = 1; stride <= 6; stride++)
                for (int dilation = 1; dilation <= 3; dilation++) {
                    int64_t before = -9, n = 0;
                    int span = dilation * (kernel - 1) + 1;
                    struct tp_window w = axis_window(kernel, stride, dilation, TP_PADDING_SAME);
                    for (int start = 0; start < in; start += stride) n++;
                    assert_int_equal(length(w, in, &before), n);
                    int padding = 0;             /* the least for which n windows fit */
                    while (count_fitting(in + padding, span, stride) < n) padding++;
                    assert_int_equal(before, padding / 2);
                    struct tp_window_fit fit = tp_window_fit(&node, &w, in, 1);
                    assert_int_equal(fit.before[0] + fit.after[0], padding);
                    assert_int_equal(fit.out[0], n);
                }
}

/* PyTorch's rule: round up, but no window may start behind the input and the padding in front. */
static void ceil_mode_adds_a_window_that_starts_early_enough(void **state)
{
    (void)state;
    for (int in = 1; in <= 12; in++)
        for (int kernel = 1; kernel <= 4; kernel++)
            for (int stride = 1; stride <= 6; stride++)
                for (int pad = 0; pad <= kernel / 2; pad++) {
                    int64_t before, n = 0;
                    struct tp_window w = axis_window(kernel, stride, 1, TP_PADDING_EXPLICIT);
                    w.ceil_mode = true;
                    w.pads[0] = w.pads[2] = pad;
                    int padded = in + 2 * pad;
                    if (padded < kernel) continue;
                    n = count_fitting(padded, kernel, stride);
                    bool all_covered = (n - 1) * stride + kernel >= padded;
                    if (!all_covered && n * stride < in + pad) n++;
                    assert_int_equal(length(w, in, &before), n);
                    struct tp_window_fit fit = tp_window_fit(&node, &w, in, 1);
                    int reach = (int)(n - 1) * stride + kernel - in - pad;
                    assert_int_equal(fit.after[0], reach > 0 ? reach : 0);
                }
}

static void known_cases_of_the_libraries(void **state)
{
    (void)state;
    int64_t before;
    struct tp_window w = axis_window(7, 2, 1, TP_PADDING_EXPLICIT);      /* ResNet's stem */
    w.pads[0] = w.pads[2] = 3;
    assert_int_equal(length(w, 224, &before), 112);
    w = axis_window(3, 2, 1, TP_PADDING_SAME);   /* Keras MobileNet: nothing in front, one behind */
    assert_int_equal(length(w, 224, &before), 112);
    assert_int_equal(before, 0);
    w = axis_window(3, 2, 1, TP_PADDING_VALID);  /* SqueezeNet: MaxPool2d(3, 2, ceil_mode) */
    assert_int_equal(length(w, 110, &before), 54);
    w.ceil_mode = true;
    assert_int_equal(length(w, 110, &before), 55);
}

static void height_and_width_are_not_mixed_up(void **state)
{
    (void)state;
    struct tp_window w = { .kernel = { 2, 3 }, .strides = { 1, 2 }, .dilations = { 3, 1 },
                           .pads = { 1, 2, 3, 4 }, .padding = TP_PADDING_EXPLICIT };
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(tp_window_shape(&node, &w, &TP_SHAPE4(5, 6, 7, 8), 9, &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(5, 7, 6, 9)));
    struct tp_window_fit fit = tp_window_fit(&node, &w, 6, 7);
    assert_int_equal(fit.out[0], 7);
    assert_int_equal(fit.out[1], 6);
    assert_int_equal(fit.before[0], 1);
    assert_int_equal(fit.before[1], 2);
    assert_int_equal(fit.after[0], 3);
    assert_int_equal(fit.after[1], 4);
}

static void open_lengths_stay_open(void **state)
{
    (void)state;
    struct tp_shape out;
    struct tp_err err = { 0 };
    for (int padding = TP_PADDING_VALID; padding <= TP_PADDING_EXPLICIT; padding++) {
        struct tp_window w = axis_window(3, 1, 1, (enum tp_padding)padding);
        assert_true(tp_window_shape(&node, &w, &TP_SHAPE4(TP_ANY, TP_ANY, 7, 3), 4, &out, &err));
        assert_true(tp_shape_equal(&out, &TP_SHAPE4(TP_ANY, TP_ANY, 7, 4)));
    }
}

static void a_window_larger_than_the_padded_input_is_refused_by_name(void **state)
{
    (void)state;
    struct tp_shape out;
    struct tp_err err = { 0 }, again = { 0 }, third = { 0 };
    struct tp_window w = axis_window(5, 1, 1, TP_PADDING_EXPLICIT);
    w.pads[0] = 1;
    assert_false(tp_window_shape(&node, &w, &TP_SHAPE4(1, 3, 7, 3), 3, &out, &err));
    assert_int_equal(err.code, TP_INVALID_SHAPE);
    assert_string_equal(err.message, "w: kernel 5x1 exceeds the padded input: its height is 4, the "
                                     "window's 5");
    w.dilations[0] = 2;
    assert_false(tp_window_shape(&node, &w, &TP_SHAPE4(1, 3, 7, 3), 3, &out, &again));
    assert_non_null(strstr(again.message, "(dilated)"));
    assert_non_null(strstr(again.message, "the window's 9"));
    assert_false(tp_window_shape(&node, &w, &TP_SHAPE2(1, 3), 3, &out, &third));
    assert_non_null(strstr(third.message, "needs a map"));
    w.padding = TP_PADDING_SAME;                 /* "same" always fits */
    assert_true(tp_window_shape(&node, &w, &TP_SHAPE4(1, 3, 7, 3), 3, &out, &third));
}

static void windows_that_pooling_cannot_slide_are_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 5, 5, 2), huge = TP_SHAPE4(1, 5, 1LL << 40, 2);
    const struct { struct tp_window w; const struct tp_shape *in; const char *part; } cases[] = {
        { { { 0, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, 0 }, &in, "window height 0" },
        { { { 1, 1 }, { 1, 0 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, 0 }, &in, "stride 0" },
        { { { 1, 1 }, { 1, 1 }, { -1, 1 }, { 0 }, TP_PADDING_SAME, 0 }, &in, "dilation -1" },
        { { { 1, 3 }, { 1, 1 }, { 1, INT32_MAX }, { 0 }, TP_PADDING_SAME, 0 }, &in,
          "spans a width of 4294967295" },
        { { { 2, 2 }, { 1, 1 }, { 1, 1 }, { 0, 0, 2, 0 }, TP_PADDING_EXPLICIT, 0 }, &in,
          "smaller than the window, whose height is 2" },
        { { { 2, 2 }, { 1, 1 }, { 1, 1 }, { 0, -1, 0, 0 }, TP_PADDING_EXPLICIT, 0 }, &in,
          "must be at least 0" },
        { { { 2, 2 }, { 1, 1 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, 0 }, &huge,
          "the input's width" },
    };
    const struct tp_node nd = { .name = "w", .type = "Pooling" };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_err err = { 0 };
        assert_false(tp_window_check(&nd, &cases[i].w, cases[i].in, &err));
        if (!strstr(err.message, cases[i].part)) fail_msg("%s", err.message);
    }
}

static void taps_are_those_inside_the_map(void **state)
{
    (void)state;
    for (int in = 1; in <= 8; in++)
        for (int kernel = 1; kernel <= 4; kernel++)
            for (int dilation = 1; dilation <= 4; dilation++)
                for (int before = 0; before <= 9; before++)
                    for (int stride = 1; stride <= 3; stride++)
                        for (int o = 0; o * stride - before < in + 3; o++) {
                            int first = -9, end = -9, n = 0, lowest = -1;
                            tp_window_taps(o, stride, before, kernel, dilation, in, &first, &end);
                            for (int k = 0; k < kernel; k++) {
                                int place = o * stride - before + k * dilation;
                                if (place < 0 || place >= in) continue;
                                if (!n++) lowest = k;
                            }
                            assert_int_equal(end - first, n);
                            if (n) assert_int_equal(first, lowest);
                        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_counts_the_windows_that_fit),
        cmocka_unit_test(explicit_pads_count_as_places),
        cmocka_unit_test(same_pads_evenly_with_the_odd_place_behind),
        cmocka_unit_test(ceil_mode_adds_a_window_that_starts_early_enough),
        cmocka_unit_test(known_cases_of_the_libraries),
        cmocka_unit_test(height_and_width_are_not_mixed_up),
        cmocka_unit_test(open_lengths_stay_open),
        cmocka_unit_test(a_window_larger_than_the_padded_input_is_refused_by_name),
        cmocka_unit_test(windows_that_pooling_cannot_slide_are_refused),
        cmocka_unit_test(taps_are_those_inside_the_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
