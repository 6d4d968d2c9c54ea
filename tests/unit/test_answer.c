/* test_answer.c - feature maps as JSON: what a client reads back is what was computed. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/answer.h"
#include "formats/json.h"

/* The whole answer as Jansson sees it. */
static json_t *parse(struct tp_buf *b)
{
    json_error_t error;
    assert_false(b->failed);
    json_t *root = json_loadb(b->data, b->n_bytes, 0, &error);
    if (!root) fail_msg("%s in %.*s", error.text, (int)b->n_bytes, b->data);
    assert_int_equal(b->data[b->n_bytes - 1], '\n');
    tp_buf_fini(b);
    return root;
}

static json_t *answer(const struct tp_answer *a)
{
    struct tp_buf b = { 0 };
    const struct tp_timing t = { 0.125, 1.5, 20, 0.0625 };
    tp_answer_begin(&b, a);
    tp_answer_end(&b, &t);
    return parse(&b);
}

static const json_t *at(const json_t *v, const char *key)
{
    const json_t *field = json_object_get(v, key);
    if (!field) fail_msg("no key %s", key);
    return field;
}

static void check_text(const json_t *v, const char *key, const char *want)
{
    assert_true(json_is_string(at(v, key)));
    assert_string_equal(json_string_value(at(v, key)), want);
}

static void check_number(const json_t *v, const char *key, double want)
{
    assert_true(json_is_number(at(v, key)));
    assert_true(json_number_value(at(v, key)) == want);
}

static void check_shape(const json_t *output, const struct tp_shape *want)
{
    const json_t *shape = at(output, "shape");
    assert_int_equal(json_array_size(shape), want->rank);
    for (int i = 0; i < want->rank; i++)
        assert_int_equal(json_integer_value(json_array_get(shape, (size_t)i)), want->dim[i]);
}

/* Walks nested arrays of the given shape, comparing numbers in row-major order. */
static void check_nested(const json_t *v, const struct tp_shape *s, int axis, const float **next)
{
    if (axis == s->rank) {
        assert_true((float)json_number_value(v) == *(*next)++);
        return;
    }
    assert_int_equal(json_array_size(v), s->dim[axis]);
    for (size_t i = 0; i < json_array_size(v); i++)
        check_nested(json_array_get(v, i), s, axis + 1, next);
}

static float values[12] = { 0, 1, -1, 0.1f, 1e-20f, 3e30f, 16777216, 1.0f / 3, -0.5f, 7, 8, 9 };

static void maps_read_back_to_the_same_floats_nested(void **state)
{
    (void)state;
    const struct tp_answer_output outputs[] = {
        { .name = "pool", .tensor = { TP_SHAPE4(1, 2, 3, 2), values } },
        { .name = "global", .tensor = { TP_SHAPE2(3, 4), values } },
        { .name = "chw", .tensor = { TP_SHAPE4(1, 2, 2, 3), values }, .channels_first = true },
    };
    const struct tp_answer_input input = { 8, 6, 1 };
    const struct tp_answer a = { .model = "net", .outputs = outputs, .n_outputs = 3,
                                 .inputs = &input, .n_inputs = 1, .nested = true };
    json_t *root = answer(&a);
    check_text(root, "model", "net");
    assert_int_equal(json_array_size(at(root, "outputs")), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *o = json_array_get(at(root, "outputs"), i);
        const float *next = values;
        check_text(o, "name", outputs[i].name);
        check_text(o, "datatype", "FP32");
        check_shape(o, &outputs[i].tensor.shape);
        check_nested(at(o, "data"), &outputs[i].tensor.shape, 0, &next);
        assert_ptr_equal(next, values + 12);
    }
    check_text(json_array_get(at(root, "outputs"), 0), "layout", "NHWC");
    assert_null(json_object_get(json_array_get(at(root, "outputs"), 1), "layout"));
    check_text(json_array_get(at(root, "outputs"), 2), "layout", "NCHW");
    json_decref(root);
}

static void flat_data_is_one_array(void **state)
{
    (void)state;
    const struct tp_answer_output output = { .name = "pool",
                                             .tensor = { TP_SHAPE4(1, 2, 3, 2), values } };
    const struct tp_answer a = { .model = "net", .outputs = &output, .n_outputs = 1,
                                 .nested = false };
    json_t *root = answer(&a);
    const json_t *data = at(json_array_get(at(root, "outputs"), 0), "data");
    assert_int_equal(json_array_size(data), 12);
    for (size_t i = 0; i < 12; i++)
        assert_true((float)json_number_value(json_array_get(data, i)) == values[i]);
    json_decref(root);
}

static void digits_round(void **state)
{
    (void)state;
    float x[] = { 1.0f / 3, 123456 };
    const struct tp_answer_output output = { .name = "x", .tensor = { TP_SHAPE2(1, 2), x } };
    const struct tp_answer a = { .model = "net", .outputs = &output, .n_outputs = 1,
                                 .nested = false, .digits = 3 };
    json_t *root = answer(&a);
    const json_t *data = at(json_array_get(at(root, "outputs"), 0), "data");
    assert_true(json_number_value(json_array_get(data, 0)) == 0.333);
    assert_true(json_number_value(json_array_get(data, 1)) == 123000);
    json_decref(root);
}

static void places_of_maxima_stand_beside_them_in_the_same_form(void **state)
{
    (void)state;
    float places[] = { 0, 7, 16777216, 123456, 5, 6, 1e7f, 8, 9, 10, 11, 12 };
    const struct tp_answer_output outputs[] = {
        { .name = "a", .tensor = { TP_SHAPE4(1, 2, 3, 2), values }, .argmax = places },
        { .name = "b", .tensor = { TP_SHAPE2(1, 1), values } },
    };
    for (int nested = 0; nested < 2; nested++) {
        const struct tp_answer a = { .model = "net", .outputs = outputs, .n_outputs = 2,
                                     .nested = nested, .digits = 2 };
        const struct tp_shape flat = { .rank = 1, .dim = { 12 } };
        const float *next = places;
        json_t *root = answer(&a);
        const json_t *o = json_array_get(at(root, "outputs"), 0);
        check_nested(at(o, "argmax"), nested ? &outputs[0].tensor.shape : &flat, 0, &next);
        assert_ptr_equal(next, places + 12);                     /* digits do not round places */
        assert_null(json_object_get(json_array_get(at(root, "outputs"), 1), "argmax"));
        json_decref(root);
    }
}

/* One image's best values as "label:index:score ..." */
static void check_best(const json_t *best, const char *want)
{
    char text[512] = "";
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(best); i++) {
        const json_t *b = json_array_get(best, i), *label = at(b, "label"), *score = at(b, "score");
        assert_int_equal(json_object_size(b), 3);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s:%d:", i ? " " : "",
                              json_is_null(label) ? "null" : json_string_value(label),
                              (int)json_integer_value(at(b, "index")));
        n += (size_t)snprintf(text + n, sizeof text - n, json_is_null(score) ? "null" : "%g",
                              json_number_value(score));
    }
    assert_string_equal(text, want);
}

static void the_best_are_named_in_order_ties_by_place_and_nan_last(void **state)
{
    (void)state;
    static const char *const names[] = { "zero", "o\"ne", "two", "three", "four", "five" };
    float x[] = { 1, 3, 2, 3, NAN, -INFINITY,
                  NAN, 0, -0.0f, INFINITY, 0, NAN };
    const struct tp_answer_output output = { .name = "x", .tensor = { TP_SHAPE2(2, 6), x } };
    static const struct { int top; bool labels; const char *first, *second; } cases[] = {
        { 1, true, "o\"ne:1:3", "three:3:null" },
        { 3, true, "o\"ne:1:3 three:3:3 two:2:2", "three:3:null o\"ne:1:0 two:2:0" },
        { 2, false, "null:1:3 null:3:3", "null:3:null null:1:0" },
        { 6, false, "null:1:3 null:3:3 null:2:2 null:0:1 null:5:null null:4:null",
          "null:3:null null:1:0 null:2:0 null:4:0 null:0:null null:5:null" },
        { 100, false, "null:1:3 null:3:3 null:2:2 null:0:1 null:5:null null:4:null",
          "null:3:null null:1:0 null:2:0 null:4:0 null:0:null null:5:null" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct tp_answer a = { .model = "net", .outputs = &output, .n_outputs = 1,
                                     .top = cases[i].top,
                                     .labels = cases[i].labels ? names : NULL };
        json_t *root = answer(&a);
        const json_t *o = json_array_get(at(root, "outputs"), 0), *top = at(o, "top");
        assert_int_equal(json_array_size(top), 2);
        assert_int_equal(json_array_size(at(o, "data")), 12);    /* is there as well */
        check_best(json_array_get(top, 0), cases[i].first);
        check_best(json_array_get(top, 1), cases[i].second);
        json_decref(root);
    }
}

static void the_best_of_many_are_those_that_sorting_gives(void **state)
{
    (void)state;
    enum { N = 1000, TOP = 100 };
    static float x[N];
    uint32_t seed = 5;
    bool taken[N] = { false };
    for (int i = 0; i < N; i++) x[i] = (float)(next_random(&seed) % 300);
    const struct tp_answer_output output = { .name = "x", .tensor = { TP_SHAPE2(1, N), x } };
    const struct tp_answer a = { .model = "net", .outputs = &output, .n_outputs = 1, .top = TOP };
    json_t *root = answer(&a);
    const json_t *best = json_array_get(at(json_array_get(at(root, "outputs"), 0), "top"), 0);
    assert_int_equal(json_array_size(best), TOP);
    for (size_t k = 0; k < TOP; k++) {
        int want = -1;
        for (int i = 0; i < N; i++)
            if (!taken[i] && (want < 0 || x[i] > x[want])) want = i;
        taken[want] = true;
        assert_int_equal(json_integer_value(at(json_array_get(best, k), "index")), want);
    }
    json_decref(root);
}

static void what_json_cannot_hold_is_null(void **state)
{
    (void)state;
    float x[] = { NAN, INFINITY, -INFINITY, 1 };
    const struct tp_answer_output output = { .name = "x", .tensor = { TP_SHAPE2(1, 4), x } };
    for (int digits = 0; digits < 2; digits++) {
        const struct tp_answer a = { .model = "net", .outputs = &output, .n_outputs = 1,
                                     .nested = true, .digits = digits };
        json_t *root = answer(&a);
        const json_t *row = json_array_get(at(json_array_get(at(root, "outputs"), 0), "data"), 0);
        for (size_t i = 0; i < 3; i++) assert_true(json_is_null(json_array_get(row, i)));
        assert_true(json_number_value(json_array_get(row, 3)) == 1);
        json_decref(root);
    }
}

static void inputs_and_timing_are_told(void **state)
{
    (void)state;
    const struct tp_answer_input inputs[] = { { 640, 480, 3 }, { 0, 0, 128 } };
    const struct tp_answer a = { .model = "net",
                                 .inputs = inputs, .n_inputs = 2, .nested = true };
    json_t *root = answer(&a);
    const json_t *image = json_array_get(at(root, "inputs"), 0);
    const json_t *vector = json_array_get(at(root, "inputs"), 1);
    check_number(image, "width", 640);
    check_number(image, "height", 480);
    check_number(image, "channels", 3);
    check_number(vector, "features", 128);
    assert_null(json_object_get(vector, "width"));
    check_number(at(root, "timing_ms"), "queue", 0.125);
    check_number(at(root, "timing_ms"), "decode", 1.5);
    check_number(at(root, "timing_ms"), "infer", 20);
    check_number(at(root, "timing_ms"), "encode", 0.063);    /* halves are rounded up */
    json_decref(root);
}

static void names_cannot_break_out_of_their_quotes(void **state)
{
    (void)state;
    const char *nasty = "a\"b\\c\n\x01\xc3\xa4";
    const struct tp_answer_output output = { .name = nasty, .tensor = { TP_SHAPE2(1, 1), values } };
    const struct tp_answer a = { .model = nasty, .outputs = &output, .n_outputs = 1,
                                 .nested = true };
    json_t *root = answer(&a);
    check_text(root, "model", nasty);
    check_text(json_array_get(at(root, "outputs"), 0), "name", nasty);
    json_decref(root);

    struct tp_buf b = { 0 };
    tp_answer_error(&b, nasty, "invalid_shape", "id\"7");
    root = parse(&b);
    check_text(root, "error", nasty);
    check_text(root, "code", "invalid_shape");
    check_text(root, "request_id", "id\"7");
    assert_int_equal(json_object_size(root), 3);
    json_decref(root);
}

static void an_answer_beyond_its_limit_says_so(void **state)
{
    (void)state;
    const struct tp_answer_output output = { .name = "x", .tensor = { TP_SHAPE2(1, 12), values } };
    const struct tp_answer a = { .model = "net", .outputs = &output, .n_outputs = 1,
                                 .nested = true };
    const struct tp_timing t = { 0 };
    for (size_t limit = 1; limit < 150; limit++) {
        struct tp_buf b = { .limit_bytes = limit };
        struct tp_err err = { 0 };
        tp_answer_begin(&b, &a);
        tp_answer_end(&b, &t);
        assert_true(b.n_bytes <= limit);
        assert_false(tp_buf_ok(&b, "the answer", &err));
        assert_int_equal(err.code, TP_TOO_LARGE);
        tp_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_read_back_to_the_same_floats_nested),
        cmocka_unit_test(flat_data_is_one_array),
        cmocka_unit_test(digits_round),
        cmocka_unit_test(places_of_maxima_stand_beside_them_in_the_same_form),
        cmocka_unit_test(the_best_are_named_in_order_ties_by_place_and_nan_last),
        cmocka_unit_test(the_best_of_many_are_those_that_sorting_gives),
        cmocka_unit_test(what_json_cannot_hold_is_null),
        cmocka_unit_test(inputs_and_timing_are_told),
        cmocka_unit_test(names_cannot_break_out_of_their_quotes),
        cmocka_unit_test(an_answer_beyond_its_limit_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
