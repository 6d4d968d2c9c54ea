/* test_graph.c - a network as its file describes it. */
#include "network.h"

#include "allocations.h"

static void check_not_added(struct tp_graph *g, const struct tp_node *nd, enum tp_code code,
                            const char *part)
{
    struct tp_err err = { 0 };
    int n_nodes = g->n_nodes;
    assert_false(tp_graph_add(g, nd, NULL, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
    assert_int_equal(g->n_nodes, n_nodes);
}

static void a_new_graph_has_its_input_and_nothing_to_ask_for(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 6, 3);
    assert_int_equal(g->n_nodes, 1);
    assert_string_equal(g->name, "net");
    assert_string_equal(TP_SHAPE(&g->shapes[0]), "[any, 8, 6, 3]");
    assert_int_equal(tp_graph_find(g, "input"), -1);
    tp_graph_free(g);
    tp_graph_free(NULL);
}

/* Names and inputs are the caller's and may be gone afterwards; the arrays grow several times. */
static void nodes_keep_their_own_names_and_inputs(void **state)
{
    (void)state;
    enum { N = 100 };
    struct tp_graph *g = network(4, 4, 2);
    struct tp_err err = { 0 };
    char name[16];
    for (int i = 1; i < N; i++) {
        int inputs[2] = { i - 1, i / 2 }, index;
        snprintf(name, sizeof name, "node %d", i);
        struct tp_node nd = { .name = name, .type = "Add", .op = &tp_op_combine, .n_inputs = 2,
                              .inputs = inputs };
        assert_true(tp_graph_add(g, &nd, &index, &err));
        assert_int_equal(index, i);
        inputs[0] = inputs[1] = -7;
    }
    for (int i = 1; i < N; i++) {
        snprintf(name, sizeof name, "node %d", i);
        assert_int_equal(tp_graph_find(g, name), i);
        assert_string_equal(g->nodes[i].name, name);
        assert_int_equal(g->nodes[i].inputs[0], i - 1);
        assert_int_equal(g->nodes[i].inputs[1], i / 2);
        assert_string_equal(TP_SHAPE(&g->shapes[i]), "[any, 4, 4, 2]");
    }
    tp_graph_free(g);
}

static void shapes_are_known_as_soon_as_a_node_is_there(void **state)
{
    (void)state;
    struct tp_graph *g = network(TP_ANY, 9, 3);
    int conv = put_conv(g, 0, 5), pool = put_max_pool(g, conv), global = put_global(g, pool);
    assert_string_equal(TP_SHAPE(&g->shapes[conv]), "[any, any, 9, 5]");
    assert_string_equal(TP_SHAPE(&g->shapes[pool]), "[any, any, 4, 5]");
    assert_string_equal(TP_SHAPE(&g->shapes[global]), "[any, 1, 1, 5]");
    tp_graph_free(g);
}

static void a_node_may_have_many_inputs(void **state)
{
    (void)state;
    struct tp_graph *g = network(2, 2, 3);
    int inputs[40] = { 0 };
    struct tp_node nd = { .op = &tp_op_concat, .attr.axis.axis = 3 };
    int concat = put(g, nd, 40, inputs);
    assert_string_equal(TP_SHAPE(&g->shapes[concat]), "[any, 2, 2, 120]");
    assert_int_equal(check_layers(g, ON(concat)), 1);
    tp_graph_free(g);
}

static void a_name_that_is_taken_is_refused(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 4, 2);
    struct tp_node nd = { .name = "twin", .op = &tp_op_identity };
    put(g, nd, ON(0));
    nd.n_inputs = 1;
    nd.inputs = (const int[]){ 0 };
    check_not_added(g, &nd, TP_INVALID_MODEL, "twin: two layers have this name");
    assert_int_equal(tp_graph_find(g, "twin"), 1);
    nd.name = "input";               /* the input itself is hidden and leaves its name free */
    assert_int_equal(put(g, nd, ON(1)), 2);
    assert_int_equal(tp_graph_find(g, "input"), 2);
    tp_graph_free(g);
}

static void hidden_nodes_are_not_found_and_may_share_names(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 4, 2);
    struct tp_node nd = { .name = "part", .op = &tp_op_identity, .hidden = true };
    put(g, nd, ON(0));
    put(g, nd, ON(1));
    assert_int_equal(tp_graph_find(g, "part"), -1);
    nd.hidden = false;
    assert_int_equal(put(g, nd, ON(2)), 3);
    assert_int_equal(tp_graph_find(g, "part"), 3);
    tp_graph_free(g);
}

static void a_node_that_does_not_fit_is_not_there_afterwards(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 4, 2);
    struct tp_node nd = { .name = "flat", .type = "Conv2D" }, conv;
    int flat = put_plain(g, &tp_op_flatten, 0);
    conv = conv_node(g, 0, 3, 1, 5, 5);
    conv.name = "conv";
    conv.type = "Conv2D";
    conv.n_inputs = 1;
    conv.inputs = (const int[]){ 0 };
    check_not_added(g, &conv, TP_INVALID_SHAPE, "conv: kernel 5x5 exceeds the padded input");
    conv.inputs = &flat;
    check_not_added(g, &conv, TP_INVALID_SHAPE, "conv: Conv2D needs a map");
    assert_int_equal(tp_graph_find(g, "conv"), -1);
    nd = (struct tp_node){ .name = "conv", .op = &tp_op_identity };
    assert_int_equal(put(g, nd, ON(0)), 2);              /* the name is still free */
    tp_graph_free(g);
}

static void outputs_are_the_layers_that_nobody_reads(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 6, 2);
    struct tp_err err = { 0 };
    int a = put_conv(g, 0, 3), b = put_relu(g, a), c = put_relu(g, a), d = put_global(g, c);
    struct tp_node hidden = { .name = "h", .op = &tp_op_identity, .hidden = true };
    put(g, hidden, ON(a));
    assert_true(tp_graph_finish(g, tp_kernels_get(), &err));
    assert_int_equal(g->n_outputs, 2);
    assert_int_equal(g->outputs[0], b);
    assert_int_equal(g->outputs[1], d);
    tp_graph_free(g);
}

static void outputs_that_were_set_stay(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 6, 2);
    struct tp_err err = { 0 };
    int a = put_conv(g, 0, 3);
    put_relu(g, a);
    g->outputs = &a;
    g->n_outputs = 1;
    assert_true(tp_graph_finish(g, tp_kernels_get(), &err));
    assert_int_equal(g->n_outputs, 1);
    assert_int_equal(g->outputs[0], a);
    tp_graph_free(g);
}

static void a_model_without_layers_is_refused(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 6, 2);
    struct tp_err err = { 0 };
    assert_false(tp_graph_finish(g, tp_kernels_get(), &err));
    assert_int_equal(err.code, TP_INVALID_MODEL);
    assert_string_equal(err.message, "net: the model has no layers");
    tp_graph_free(g);
}

static void an_unknown_layer_is_answered_with_those_there_are(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 6, 2);
    struct tp_err err = { 0 };
    struct tp_node nd = { .name = "conv", .op = &tp_op_identity };
    put(g, nd, ON(0));
    nd.name = "part";
    nd.hidden = true;
    put(g, nd, ON(1));
    nd.name = "pool";
    nd.hidden = false;
    put(g, nd, ON(2));
    assert_false(tp_graph_fail_layer(g, "cnov", &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_string_equal(err.message, "model 'net' has no layer 'cnov'; it has: conv, pool");
    tp_graph_free(g);
}

static void of_very_many_layers_some_are_listed_and_the_rest_counted(void **state)
{
    (void)state;
    enum { N = 500 };
    struct tp_graph *g = network(2, 2, 1);
    struct tp_err err = { 0 };
    char asked[400];
    for (int i = 0; i < N; i++) put_plain(g, &tp_op_identity, 0);
    memset(asked, 'x', sizeof asked - 1);
    asked[sizeof asked - 1] = '\0';
    assert_false(tp_graph_fail_layer(g, asked, &err));
    int listed = 1, more = 0;
    const char *tail = strstr(err.message, " and ");
    assert_non_null(tail);
    for (const char *p = strstr(err.message, "it has: "); p < tail; p++) listed += *p == ',';
    assert_int_equal(sscanf(tail, " and %d more", &more), 1);
    assert_int_equal(listed + more, N);
    assert_in_range(listed, 20, N - 1);
    tp_graph_free(g);
}

#ifdef COUNTS_ALLOCATIONS
/* 2000 layers, the last reading many others. */
static bool build(struct tp_graph **g, struct tp_err *err)
{
    enum { N = 2000, READ = 10 };
    const struct tp_shape input = TP_SHAPE4(TP_ANY, 4, 4, 3);
    int inputs[READ];
    char name[16];
    if (!tp_graph_new(g, "net", &input, err)) return false;
    for (int i = 0; i < N; i++) {
        struct tp_node nd = { .name = name, .type = "Add", .op = &tp_op_combine, .inputs = inputs };
        snprintf(name, sizeof name, "%d", i);
        nd.n_inputs = i + 1 < N ? 2 : READ;
        for (int k = 0; k < nd.n_inputs; k++) inputs[k] = i;
        if (!tp_graph_add(*g, &nd, NULL, err)) return false;
    }
    return tp_graph_finish(*g, tp_kernels_get(), err);
}

static void running_out_of_memory_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    bool ok = false;
    int failures = 0;
    for (; !ok; failures += !ok) {
        struct tp_graph *g;
        struct tp_err err = { 0 };
        long live = n_live;
        n_granted = failures;
        ok = build(&g, &err);
        n_granted = -1;
        if (!ok) assert_int_equal(err.code, TP_NO_MEMORY);
        tp_graph_free(g);
        assert_int_equal(n_live, live);
    }
    assert_in_range(failures, 4, 1000);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_graph_has_its_input_and_nothing_to_ask_for),
        cmocka_unit_test(nodes_keep_their_own_names_and_inputs),
        cmocka_unit_test(shapes_are_known_as_soon_as_a_node_is_there),
        cmocka_unit_test(a_node_may_have_many_inputs),
        cmocka_unit_test(a_name_that_is_taken_is_refused),
        cmocka_unit_test(hidden_nodes_are_not_found_and_may_share_names),
        cmocka_unit_test(a_node_that_does_not_fit_is_not_there_afterwards),
        cmocka_unit_test(outputs_are_the_layers_that_nobody_reads),
        cmocka_unit_test(outputs_that_were_set_stay),
        cmocka_unit_test(a_model_without_layers_is_refused),
        cmocka_unit_test(an_unknown_layer_is_answered_with_those_there_are),
        cmocka_unit_test(of_very_many_layers_some_are_listed_and_the_rest_counted),
#ifdef COUNTS_ALLOCATIONS
        cmocka_unit_test(running_out_of_memory_is_an_error_and_leaks_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
