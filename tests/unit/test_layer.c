/* test_layer.c - what the readers of all layer classes share: activations, hidden parts, limits. */
#include "graph_of.h"

/* From the definitions at keras.io/api/layers/activations. */
static double activation(const char *name, double x)
{
    double gate = fmin(fmax(x + 3, 0), 6) / 6;
    if (!strcmp(name, "linear")) return x;
    if (!strcmp(name, "relu")) return fmax(x, 0);
    if (!strcmp(name, "relu6")) return fmin(fmax(x, 0), 6);
    if (!strcmp(name, "leaky_relu")) return x < 0 ? 0.2 * x : x;
    if (!strcmp(name, "elu")) return x < 0 ? exp(x) - 1 : x;
    if (!strcmp(name, "sigmoid")) return 1 / (1 + exp(-x));
    if (!strcmp(name, "tanh")) return tanh(x);
    if (!strcmp(name, "hard_sigmoid")) return gate;
    if (!strcmp(name, "hard_swish") || !strcmp(name, "hard_silu")) return x * gate;
    if (!strcmp(name, "swish") || !strcmp(name, "silu")) return x / (1 + exp(-x));
    if (!strcmp(name, "gelu")) return x * (1 + erf(x / sqrt(2))) / 2;
    if (!strcmp(name, "abs")) return fabs(x);
    if (!strcmp(name, "square")) return x * x;
    assert_string_equal(name, "sqrt");
    return sqrt(x);
}

static const char *const names[] = {
    "linear", "relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "hard_sigmoid", "hard_swish",
    "hard_silu", "swish", "silu", "gelu", "abs", "square", "sqrt", NULL,
};

static void activations_have_the_constants_of_keras_as_layer_and_as_argument(void **state)
{
    (void)state;
    static const float x[6] = { -4, -1, -0.25f, 0, 1.5f, 7 };
    static const char one[] = "{\"type\": \"Activation\", \"name\": \"a\", \"activation\": \"%s\"}";
    static const char other[] = "{\"type\": \"DepthwiseConv2D\", \"name\": \"a\", \"kernel_size\": "
                                "1, \"kernel\": [[[[1], [1], [1], [1], [1], [1]]]], \"use_bias\": "
                                "false, \"activation\": \"%s\"}";
    for (int i = 0; names[i]; i++) {
        bool root = !strcmp(names[i], "sqrt");
        char text[256];
        float in[6];
        double want[6];
        for (int k = 0; k < 6; k++) {
            in[k] = root ? fabsf(x[k]) : x[k];
            want[k] = activation(names[i], (double)in[k]);
        }
        snprintf(text, sizeof text, one, names[i]);
        check_values("[6]", text, "a", in, want, 6);
        snprintf(text, sizeof text, other, names[i]);
        check_values("[1, 1, 6]", text, "a", in, want, 6);
    }
}

static void softmax_as_an_argument_becomes_a_layer_of_that_name(void **state)
{
    (void)state;
    static const char dense[] = "{\"type\": \"Dense\", \"name\": \"d\", \"units\": 2, \"kernel\": "
                                "[[1, -1]], \"bias\": [0, 0], \"activation\": \"softmax\"}";
    check_values("[1]", dense, "d", FLOATS(0.5f),
                 DOUBLES(1 / (1 + exp(-1)), 1 / (1 + exp(1))), 2);
    struct tp_graph *g = graph_of("[1]", dense);
    assert_int_equal(g->n_nodes, 3);
    assert_string_equal(g->nodes[1].name, "d/linear");
    assert_true(g->nodes[1].hidden);
    assert_int_equal(tp_graph_find(g, "d"), 2);
    assert_int_equal(tp_graph_find(g, "d/linear"), -1);
    assert_string_equal(g->nodes[2].type, "Dense");
    assert_int_equal(g->nodes[1].n_parameters, 0);
    assert_int_equal(g->nodes[2].n_parameters, 4);
    tp_graph_free(g);
}

static void softmax_runs_over_the_channels_of_a_map(void **state)
{
    (void)state;
    check_values("[1, 2, 2]",
                 "{\"type\": \"Activation\", \"name\": \"s\", \"activation\": \"softmax\"}",
                 "s", FLOATS(0, 0, 1, 2),
                 DOUBLES(0.5, 0.5, 1 / (1 + exp(1)), 1 / (1 + exp(-1))), 4);
}

static void axes_count_the_batch(void **state)
{
    (void)state;
    struct tp_graph *g = graph_of("[4, 5, 6]", "{\"type\": \"Softmax\", \"axis\": 1}, "
                                  "{\"type\": \"Softmax\", \"axis\": -2}, {\"type\": \"Softmax\"}");
    assert_int_equal(g->nodes[1].attr.axis.axis, 1);
    assert_int_equal(g->nodes[2].attr.axis.axis, 2);
    assert_int_equal(g->nodes[3].attr.axis.axis, 3);
    tp_graph_free(g);
}

static void open_sizes_are_no_obstacle_where_they_do_not_matter(void **state)
{
    (void)state;
    struct tp_graph *g = graph_of("[null, 8, null]",
                                  "{\"type\": \"ReLU\"}, {\"type\": \"MaxPooling2D\"}");
    assert_string_equal(TP_SHAPE(&g->shapes[2]), "[any, any, 4, any]");
    tp_graph_free(g);
}

static void sizes_that_multiply_beyond_the_limit_are_refused_as_they_appear(void **state)
{
    (void)state;
    check_refused("[null, 64, 64]", "{\"type\": \"UpSampling2D\", \"name\": \"u\", \"size\": "
                  "4096}, {\"type\": \"UpSampling2D\", \"name\": \"v\", \"size\": 4096}",
                  "v: [1, 1, 1073741824, 64] has more than the 16777216 elements");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_have_the_constants_of_keras_as_layer_and_as_argument),
        cmocka_unit_test(softmax_as_an_argument_becomes_a_layer_of_that_name),
        cmocka_unit_test(softmax_runs_over_the_channels_of_a_map),
        cmocka_unit_test(axes_count_the_batch),
        cmocka_unit_test(open_sizes_are_no_obstacle_where_they_do_not_matter),
        cmocka_unit_test(sizes_that_multiply_beyond_the_limit_are_refused_as_they_appear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
