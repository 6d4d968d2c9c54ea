/* test_answer.c - feature maps as JSON: what a client reads back is what was computed. */
#include "check.h"

#include <math.h>
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
        { "pool", { TP_SHAPE4(1, 2, 3, 2), values }, false },
        { "global", { TP_SHAPE2(3, 4), values }, false },
        { "chw", { TP_SHAPE4(1, 2, 2, 3), values }, true },
    };
    const struct tp_answer_input input = { 8, 6, 1 };
    const struct tp_answer a = { "net", outputs, 3, &input, 1, true, 0 };
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
    const struct tp_answer_output output = { "pool", { TP_SHAPE4(1, 2, 3, 2), values }, false };
    const struct tp_answer a = { "net", &output, 1, NULL, 0, false, 0 };
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
    const struct tp_answer_output output = { "x", { TP_SHAPE2(1, 2), x }, false };
    const struct tp_answer a = { "net", &output, 1, NULL, 0, false, 3 };
    json_t *root = answer(&a);
    const json_t *data = at(json_array_get(at(root, "outputs"), 0), "data");
    assert_true(json_number_value(json_array_get(data, 0)) == 0.333);
    assert_true(json_number_value(json_array_get(data, 1)) == 123000);
    json_decref(root);
}

static void what_json_cannot_hold_is_null(void **state)
{
    (void)state;
    float x[] = { NAN, INFINITY, -INFINITY, 1 };
    const struct tp_answer_output output = { "x", { TP_SHAPE2(1, 4), x }, false };
    for (int digits = 0; digits < 2; digits++) {
        const struct tp_answer a = { "net", &output, 1, NULL, 0, true, digits };
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
    const struct tp_answer a = { "net", NULL, 0, inputs, 2, true, 0 };
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
    const struct tp_answer_output output = { nasty, { TP_SHAPE2(1, 1), values }, false };
    const struct tp_answer a = { nasty, &output, 1, NULL, 0, true, 0 };
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
    const struct tp_answer_output output = { "x", { TP_SHAPE2(1, 12), values }, false };
    const struct tp_answer a = { "net", &output, 1, NULL, 0, true, 0 };
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
        cmocka_unit_test(what_json_cannot_hold_is_null),
        cmocka_unit_test(inputs_and_timing_are_told),
        cmocka_unit_test(names_cannot_break_out_of_their_quotes),
        cmocka_unit_test(an_answer_beyond_its_limit_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
