/* test_describe.c - models told as JSON and as a table: the numbers that Keras's summary would
 * give. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "formats/describe.h"
#include "formats/json.h"

static const struct tp_limits limits = {
    .max_body_bytes = 1 << 20, .max_elements = 1 << 20, .max_layers = 64,
};

static struct tp_model *parsed(const char *json)
{
    struct tp_model *m;
    struct tp_err err = { 0 };
    if (!tp_model_parse(&m, json, strlen(json), &limits, &err)) fail_msg("%s", err.message);
    return m;
}

static struct tp_model *opened(const char *name)
{
    struct tp_model *m;
    struct tp_err err = { 0 };
    if (!tp_model_open(&m, name, NULL, &limits, &err)) fail_msg("%s", err.message);
    return m;
}

typedef void describe_fn(struct tp_buf *b, const struct tp_model *m);

static json_t *as_json(describe_fn *describe, const struct tp_model *m)
{
    struct tp_buf b = { 0 };
    json_error_t error;
    describe(&b, m);
    json_t *root = json_loadb(b.data, b.n_bytes, 0, &error);
    if (!root) fail_msg("%s in %.*s", error.text, (int)b.n_bytes, b.data);
    tp_buf_fini(&b);
    return root;
}

static char *as_table(const struct tp_model *m)
{
    struct tp_buf b = { 0 };
    tp_describe_table(&b, m);
    tp_buf_bytes(&b, "", 1);
    assert_false(b.failed);
    return b.data;
}

static void check_shape(const json_t *v, const char *want)
{
    char *text = json_dumps(v, JSON_COMPACT);
    assert_string_equal(text, want);
    free(text);
}

static void check_layer(const json_t *root, size_t i, const char *name, const char *type,
                        const char *shape, long long parameters, long long macs)
{
    const json_t *l = json_array_get(json_object_get(root, "layers"), i);
    assert_string_equal(json_string_value(json_object_get(l, "name")), name);
    assert_string_equal(json_string_value(json_object_get(l, "type")), type);
    check_shape(json_object_get(l, "shape"), shape);
    assert_int_equal(json_integer_value(json_object_get(l, "parameters")), parameters);
    if (macs < 0) assert_true(json_is_null(json_object_get(l, "macs")));
    else assert_int_equal(json_integer_value(json_object_get(l, "macs")), macs);
}

static void the_tutorials_model_has_10_parameters_and_its_shapes(void **state)
{
    (void)state;
    struct tp_model *m = opened("line-detector");
    json_t *root = as_json(tp_describe_model, m);
    assert_string_equal(json_string_value(json_object_get(root, "name")), "line-detector");
    const json_t *input = json_array_get(json_object_get(root, "inputs"), 0);
    assert_string_equal(json_string_value(json_object_get(input, "name")), "input");
    check_shape(json_object_get(input, "shape"), "[null,8,8,1]");
    check_shape(json_object_get(root, "outputs"), "[\"pool\"]");
    check_layer(root, 0, "conv", "Conv2D", "[null,6,6,1]", 10, 6 * 6 * 9);
    check_layer(root, 1, "pool", "MaxPooling2D", "[null,3,3,1]", 0, 0);
    assert_int_equal(json_array_size(json_object_get(root, "layers")), 2);
    assert_int_equal(json_integer_value(json_object_get(root, "parameters")), 10);
    assert_int_equal(json_integer_value(json_object_get(root, "macs")), 324);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(root, "preprocess"), "color")), "gray");
    json_decref(root);

    root = as_json(tp_describe_brief, m);
    check_shape(json_object_get(root, "input"), "[null,8,8,1]");
    assert_int_equal(json_integer_value(json_object_get(root, "layers")), 2);
    assert_int_equal(json_integer_value(json_object_get(root, "parameters")), 10);
    assert_string_equal(json_string_value(json_object_get(root, "source")), "builtin");
    json_decref(root);

    char *table = as_table(m);
    assert_string_equal(table,
        "model line-detector, input (8,8,1)\n\n"
        "layer  type          output shape  parameters   multiply-adds\n"
        "conv   Conv2D        (6,6,1)               10             324\n"
        "pool   MaxPooling2D  (3,3,1)                0               0\n"
        "\ntotal: 2 layers, 10 parameters, 324 multiply-adds per image\n");
    free(table);
    tp_model_free(m);
}

static void sizes_that_follow_the_input_are_open(void **state)
{
    (void)state;
    struct tp_model *m = opened("edges");
    json_t *root = as_json(tp_describe_model, m);
    check_layer(root, 0, "filters", "Conv2D", "[null,null,null,6]", 54, -1);
    assert_true(json_is_null(json_object_get(root, "macs")));
    json_decref(root);
    char *table = as_table(m);
    assert_non_null(strstr(table, "input (any,any,1)\n"));
    assert_non_null(strstr(table, "(any,any,6)"));
    assert_non_null(strstr(table, "54 parameters, any number of multiply-adds"));
    free(table);
    tp_model_free(m);
}

/* SeparableConv2D is two nodes inside; a user sees one layer with the sums of both. */
static void a_layer_of_two_nodes_is_counted_once(void **state)
{
    (void)state;
    struct tp_model *m = parsed(
        "{\"name\": \"s\", \"input\": {\"shape\": [4, 4, 2]}, \"layers\": ["
        "{\"type\": \"ReLU\", \"name\": \"r\"},"
        "{\"type\": \"SeparableConv2D\", \"name\": \"sep\", \"filters\": 3, \"kernel_size\": 1,"
        " \"depthwise_kernel\": [[[[1], [2]]]], \"pointwise_kernel\": [[[[1, 2, 3], [4, 5, 6]]]],"
        " \"bias\": [0, 0, 0]}]}");
    json_t *root = as_json(tp_describe_model, m);
    assert_int_equal(json_array_size(json_object_get(root, "layers")), 2);
    check_layer(root, 0, "r", "ReLU", "[null,4,4,2]", 0, 0);
    check_layer(root, 1, "sep", "SeparableConv2D", "[null,4,4,3]", 2 + 6 + 3, 16 * (2 + 6));
    assert_int_equal(json_integer_value(json_object_get(root, "parameters")), 11);
    json_decref(root);
    root = as_json(tp_describe_brief, m);
    assert_string_equal(json_string_value(json_object_get(root, "source")), "file");
    json_decref(root);
    tp_model_free(m);
}

static void long_and_odd_names_keep_the_table_and_the_json_whole(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    char name[129];
    memset(name, 'n', 127);
    name[126] = '%';
    name[127] = '\0';
    tp_buf_printf(
        &b,
        "{\"name\": \"q\\\"q\", \"input\": {\"shape\": [2, 2, 1]}, \"layers\": "
        "[{\"type\": \"ReLU\", \"name\": \"%s\"}, {\"type\": \"Flatten\", \"name\": \"\\\"f\"}]}",
        name);
    tp_buf_bytes(&b, "", 1);
    struct tp_model *m = parsed(b.data);
    tp_buf_fini(&b);
    json_t *root = as_json(tp_describe_model, m);
    assert_string_equal(json_string_value(json_object_get(root, "name")), "q\"q");
    check_layer(root, 0, name, "ReLU", "[null,2,2,1]", 0, 0);
    check_layer(root, 1, "\"f", "Flatten", "[null,4]", 0, 0);
    json_decref(root);
    json_decref(as_json(tp_describe_brief, m));
    char *table = as_table(m), *rest;
    size_t width = 0;
    int n = 0;
    for (char *line = strtok_r(table, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
        if (n == 1) width = strlen(line);          /* the table's head; its rows are as wide */
        if (n == 2 || n == 3) assert_int_equal(strlen(line), width);
    }
    assert_int_equal(n, 5);
    free(table);
    tp_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tutorials_model_has_10_parameters_and_its_shapes),
        cmocka_unit_test(sizes_that_follow_the_input_are_open),
        cmocka_unit_test(a_layer_of_two_nodes_is_counted_once),
        cmocka_unit_test(long_and_odd_names_keep_the_table_and_the_json_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
