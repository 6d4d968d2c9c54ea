/* test_pipeline_layers.c - layer classes without kernels mean what Keras means by them, and the
 * table of classes says the same as the schema. */
#include "graph_of.h"

#include <stdio.h>

#include "formats/pipeline_layers.h"

static void batch_normalization_is_worked_out_per_channel(void **state)
{
    (void)state;
    check_values("[1, 1, 2]",
                 "{\"type\": \"BatchNormalization\", \"name\": \"bn\", \"gamma\": [1, 2], "
                 "\"beta\": [0, 1], \"moving_mean\": [0.5, -1], \"moving_variance\": [1, 4], "
                 "\"epsilon\": 0.25}",
                 "bn", FLOATS(3, 3), DOUBLES(2.5 / sqrt(1.25), 2 * 4 / sqrt(4.25) + 1), 2);
    check_values("[1]",
                 "{\"type\": \"BatchNormalization\", \"name\": \"bn\", \"scale\": false, "
                 "\"center\": false, \"moving_mean\": [1], \"moving_variance\": [0]}",
                 "bn", FLOATS(3), DOUBLES(2 / sqrt(1e-3)), 1);
}

static void relu_has_slope_maximum_and_threshold(void **state)
{
    (void)state;
    check_values("[5]", "{\"type\": \"ReLU\", \"name\": \"r\", \"max_value\": 6, "
                 "\"negative_slope\": 0.5, \"threshold\": 1}", "r", FLOATS(-3, 0, 1, 5, 7),
                 DOUBLES(-2, -0.5, 1, 5, 6), 5);
    check_values("[3]", "{\"type\": \"ReLU\", \"name\": \"r\"}", "r", FLOATS(-3, 0, 1e9f),
                 DOUBLES(0, 0, 1e9), 3);
    check_values("[2]", "{\"type\": \"LeakyReLU\", \"name\": \"r\"}", "r", FLOATS(-3, 2),
                 DOUBLES(-0.9, 2), 2);
    check_values("[2]", "{\"type\": \"LeakyReLU\", \"name\": \"r\", \"alpha\": 0.1}", "r",
                 FLOATS(-3, 2), DOUBLES(-0.3, 2), 2);
}

static void prelu_shares_its_slope_along_the_named_axes(void **state)
{
    (void)state;
    check_values("[1, 2, 2]", "{\"type\": \"PReLU\", \"name\": \"p\", \"alpha\": [[[0.1, 0.2]]], "
                 "\"shared_axes\": [1, 2]}", "p", FLOATS(-1, -1, 2, -3),
                 DOUBLES(-0.1, -0.2, 2, -0.6), 4);
    check_values("[1, 2, 2]",
                 "{\"type\": \"PReLU\", \"name\": \"p\", \"alpha\": [[[1, 2], [3, 4]]]}", "p",
                 FLOATS(-1, -1, -1, -1), DOUBLES(-1, -2, -3, -4), 4);
}

static void average_pooling_does_not_count_padding(void **state)
{
    (void)state;
    check_values("[1, 3, 1]",
                 "{\"type\": \"AveragePooling2D\", \"name\": \"p\", \"padding\": \"same\"}",
                 "p", FLOATS(1, 3, 8), DOUBLES(2, 8), 2);
}

static void pooling_strides_default_to_the_window(void **state)
{
    (void)state;
    static const char *const layers[] = {
        "{\"type\": \"MaxPooling2D\", \"pool_size\": [1, 3]}",
        "{\"type\": \"MaxPooling2D\", \"pool_size\": [1, 3], \"strides\": null}",
        "{\"type\": \"MaxPooling2D\", \"pool_size\": [1, 3], \"strides\": 1}",
    };
    static const int width[] = { 3, 3, 7 };
    for (int i = 0; i < 3; i++) {
        struct tp_graph *g = graph_of("[9, 9, 1]", layers[i]);
        assert_int_equal(g->shapes[1].dim[1], 9);
        assert_int_equal(g->shapes[1].dim[2], width[i]);
        tp_graph_free(g);
    }
}

static void lp_and_global_and_adaptive_pooling_are_what_they_say(void **state)
{
    (void)state;
    check_values("[1, 2, 1]", "{\"type\": \"LpPooling2D\", \"name\": \"l\", \"pool_size\": [1, 2]}",
                 "l", FLOATS(3, -4), DOUBLES(5), 1);
    check_values("[1, 2, 2]", "{\"type\": \"GlobalSumPooling2D\", \"name\": \"g\"}", "g",
                 FLOATS(1, 2, 3, 5), DOUBLES(4, 7), 2);
    check_values("[1, 2, 2]", "{\"type\": \"GlobalAveragePooling2D\", \"name\": \"g\"}", "g",
                 FLOATS(1, 2, 3, 5), DOUBLES(2, 3.5), 2);
    check_values("[1, 2, 2]", "{\"type\": \"GlobalMaxPooling2D\", \"name\": \"g\"}", "g",
                 FLOATS(1, 6, 3, 5), DOUBLES(3, 6), 2);
    check_values("[1, 3, 1]", "{\"type\": \"AdaptiveAveragePooling2D\", \"name\": \"a\", "
                 "\"output_size\": [1, 2]}", "a", FLOATS(1, 2, 4), DOUBLES(1.5, 3), 2);
    check_values("[1, 3, 1]", "{\"type\": \"AdaptiveMaxPooling2D\", \"name\": \"a\", "
                 "\"output_size\": [1, 2]}", "a", FLOATS(1, 2, 4), DOUBLES(2, 4), 2);
}

/* x, -x and 2x are the inputs of `type`. */
static void check_merge(const char *type, double want_of_3)
{
    char text[512];
    snprintf(text, sizeof text, "{\"type\": \"Rescaling\", \"name\": \"a\", \"scale\": -1}, "
             "{\"type\": \"Rescaling\", \"name\": \"b\", \"scale\": 2, \"inputs\": [\"input\"]}, "
             "{\"type\": \"%s\", \"name\": \"m\", \"inputs\": [\"input\", \"a\", \"b\"]}", type);
    check_values("[1]", text, "m", FLOATS(3), &want_of_3, 1);
}

static void merges_take_any_number_of_inputs(void **state)
{
    (void)state;
    check_merge("Add", 6);
    check_merge("Multiply", -54);
    check_merge("Maximum", 6);
    check_merge("Average", 2);
    check_values("[1]", "{\"type\": \"Rescaling\", \"name\": \"a\", \"scale\": 5}, {\"type\": "
                 "\"Subtract\", \"name\": \"s\", \"inputs\": [\"a\", \"input\"]}", "s", FLOATS(3),
                 DOUBLES(12), 1);
    check_values("[2]", "{\"type\": \"Rescaling\", \"name\": \"a\", \"scale\": 5}, {\"type\": "
                 "\"Concatenate\", \"name\": \"c\", \"inputs\": [\"a\", \"input\", \"a\"]}", "c",
                 FLOATS(3, 1), DOUBLES(15, 5, 3, 1, 15, 5), 6);
}

static void a_gate_per_channel_broadcasts_over_the_map(void **state)
{
    (void)state;
    check_values("[1, 2, 2]", "{\"type\": \"GlobalMaxPooling2D\", \"name\": \"g\", \"keepdims\": "
                 "true}, {\"type\": \"Multiply\", \"name\": \"m\", \"inputs\": [\"input\", \"g\"]}",
                 "m", FLOATS(1, 2, 3, 4), DOUBLES(3, 8, 9, 16), 4);
}

static void edges_are_top_bottom_then_left_right(void **state)
{
    (void)state;
    check_values("[1, 1, 1]", "{\"type\": \"ZeroPadding2D\", \"name\": \"z\", \"padding\": [[1, "
                 "0], [2, 1]]}", "z", FLOATS(7), DOUBLES(0, 0, 0, 0, 0, 0, 7, 0), 8);
    check_values("[2, 4, 1]", "{\"type\": \"Cropping2D\", \"name\": \"z\", \"cropping\": [[1, 0], "
                 "[2, 1]]}", "z", FLOATS(0, 1, 2, 3, 4, 5, 6, 7), DOUBLES(6), 1);
    check_values("[3, 3, 1]", "{\"type\": \"Cropping2D\", \"name\": \"z\", \"cropping\": [1, 0]}",
                 "z", FLOATS(0, 1, 2, 3, 4, 5, 6, 7, 8), DOUBLES(3, 4, 5), 3);
}

static void permute_counts_axes_from_one(void **state)
{
    (void)state;
    check_values("[1, 2, 2]", "{\"type\": \"Permute\", \"name\": \"p\", \"dims\": [3, 2, 1]}", "p",
                 FLOATS(1, 2, 3, 4), DOUBLES(1, 3, 2, 4), 4);
}

static void up_sampling_repeats_rows_and_columns(void **state)
{
    (void)state;
    check_values("[1, 2, 1]", "{\"type\": \"UpSampling2D\", \"name\": \"u\", \"size\": [2, 1]}",
                 "u", FLOATS(1, 2), DOUBLES(1, 2, 1, 2), 4);
    check_values("[1, 2, 1]", "{\"type\": \"UpSampling2D\", \"name\": \"u\", \"size\": [1, 2], "
                 "\"interpolation\": \"bilinear\"}", "u", FLOATS(0, 4), DOUBLES(0, 1, 3, 4), 4);
}

static void rescaling_takes_numbers_or_one_per_channel(void **state)
{
    (void)state;
    check_values("[1, 1, 2]",
                 "{\"type\": \"Rescaling\", \"name\": \"r\", \"scale\": 2, \"offset\": -1}",
                 "r", FLOATS(3, 4), DOUBLES(5, 7), 2);
    check_values("[1, 1, 2]", "{\"type\": \"Rescaling\", \"name\": \"r\", \"scale\": [2, 3], "
                 "\"offset\": -1}", "r", FLOATS(3, 4), DOUBLES(5, 11), 2);
    check_values("[1, 1, 2]", "{\"type\": \"Rescaling\", \"name\": \"r\", \"scale\": 2, "
                 "\"offset\": [1, 2]}", "r", FLOATS(3, 4), DOUBLES(7, 10), 2);
}

/* A lone number stays one, however many channels it stands for. */
static void rescaling_does_not_multiply_memory(void **state)
{
    (void)state;
    struct tp_graph *g = graph_of("[1, 1, 1048576]", "{\"type\": \"Rescaling\", \"scale\": 2, "
                                  "\"offset\": 1}, {\"type\": \"Rescaling\", \"scale\": 2}");
    assert_true(g->arena.total_bytes < 1 << 20);
    tp_graph_free(g);
}

static void dropout_is_identity(void **state)
{
    (void)state;
    check_values("[2]", "{\"type\": \"Dropout\", \"name\": \"d\", \"rate\": 0.5}", "d",
                 FLOATS(3, -4), DOUBLES(3, -4), 2);
}

/* ---- the schema ------------------------------------------------------------------------------ */

/* Every item of "a, b, c" is a property; returns how many there are. */
static size_t check_properties(const char *type, const json_t *properties, const char *fields)
{
    char list[512];
    size_t n = 0;
    snprintf(list, sizeof list, "%s", fields);
    for (char *save, *p = strtok_r(list, ", ", &save); p; p = strtok_r(NULL, ", ", &save), n++)
        if (!json_object_get(properties, p)) fail_msg("the schema's %s lacks %s", type, p);
    return n;
}

static void the_schema_has_the_classes_and_fields_of_the_table(void **state)
{
    (void)state;
    json_error_t error;
    json_t *schema = json_load_file("api/pipeline.schema.json", JSON_REJECT_DUPLICATES, &error);
    if (!schema) fail_msg("api/pipeline.schema.json: line %d: %s", error.line, error.text);
    const json_t *defs = json_object_get(schema, "$defs");
    const json_t *items = json_object_get(json_object_get(json_object_get(schema, "properties"),
                                                          "layers"), "items");
    const json_t *types = json_object_get(json_object_get(json_object_get(items, "properties"),
                                                          "type"),
                                          "enum");
    int n = 0;
    for (const struct tp_layer_class *c; (c = tp_pipeline_layers_get(n)); n++) {
        assert_string_equal(json_string_value(json_array_get(types, (size_t)n)), c->type);
        const json_t *properties = json_object_get(json_object_get(defs, c->type), "properties");
        const json_t *inputs = json_object_get(properties, "inputs");
        assert_int_equal(json_object_size(properties),
                         check_properties(c->type, properties, tp_pipeline_layers_common) +
                         check_properties(c->type, properties, c->fields));
        assert_int_equal(json_integer_value(json_object_get(inputs, "minItems")), c->min_inputs);
        assert_int_equal(json_integer_value(json_object_get(inputs, "maxItems")), c->max_inputs);
    }
    assert_int_equal(json_array_size(types), n);
    assert_int_equal(json_array_size(json_object_get(items, "oneOf")), n);
    json_decref(schema);
}

static void classes_are_found_by_their_exact_name(void **state)
{
    (void)state;
    assert_string_equal(tp_pipeline_layers_find("ReLU")->type, "ReLU");
    assert_null(tp_pipeline_layers_find("relu"));
    assert_null(tp_pipeline_layers_find("Conv"));
    assert_null(tp_pipeline_layers_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_normalization_is_worked_out_per_channel),
        cmocka_unit_test(relu_has_slope_maximum_and_threshold),
        cmocka_unit_test(prelu_shares_its_slope_along_the_named_axes),
        cmocka_unit_test(average_pooling_does_not_count_padding),
        cmocka_unit_test(pooling_strides_default_to_the_window),
        cmocka_unit_test(lp_and_global_and_adaptive_pooling_are_what_they_say),
        cmocka_unit_test(merges_take_any_number_of_inputs),
        cmocka_unit_test(a_gate_per_channel_broadcasts_over_the_map),
        cmocka_unit_test(edges_are_top_bottom_then_left_right),
        cmocka_unit_test(permute_counts_axes_from_one),
        cmocka_unit_test(up_sampling_repeats_rows_and_columns),
        cmocka_unit_test(rescaling_takes_numbers_or_one_per_channel),
        cmocka_unit_test(rescaling_does_not_multiply_memory),
        cmocka_unit_test(dropout_is_identity),
        cmocka_unit_test(the_schema_has_the_classes_and_fields_of_the_table),
        cmocka_unit_test(classes_are_found_by_their_exact_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
