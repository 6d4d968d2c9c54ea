/* test_onnx.c - ONNX files as networks: what is read. What is refused is in test_onnx_refused.c. */
#include "onnx_small.h"
#include "temp_dir.h"

static const int64_t one_dim[] = { 1 };

static const char *value_name(const struct tp_net *net, int value)
{
    return value < 0 ? "-" : net->values[value].name;
}

/* ---- what is read ---------------------------------------------------------------------------- */

static void a_network_is_read(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    struct tp_net *net = onnx_net(&m);
    assert_string_equal(net->name, "test");
    assert_int_equal(net->opset, 13);
    assert_string_equal(value_name(net, net->input), "x");
    assert_int_equal(net->input_type, TP_ONNX_FLOAT);
    assert_string_equal(TP_SHAPE(&net->input_shape), "[any, 3]");
    assert_int_equal(net->n_outputs, 1);
    assert_string_equal(value_name(net, net->outputs[0]), "y");
    assert_int_equal(net->n_nodes, 2);

    const struct tp_net_node *nd = &net->nodes[0];
    assert_string_equal(nd->name, "/fc/Gemm");
    assert_string_equal(nd->op, "Gemm");
    assert_string_equal(nd->domain, "");
    assert_int_equal(nd->n_inputs, 3);
    assert_string_equal(value_name(net, nd->inputs[0]), "x");
    assert_string_equal(value_name(net, nd->inputs[1]), "w");
    assert_int_equal(nd->inputs[2], -1);
    nd++;
    assert_string_equal(nd->name, "");
    assert_int_equal(nd->n_outputs, 2);
    assert_int_equal(nd->outputs[0], -1);
    assert_string_equal(value_name(net, nd->outputs[1]), "y");
    assert_int_equal(net->values[nd->outputs[1]].producer, 1);
    assert_int_equal(net->n_values, 4);
    assert_int_equal(tp_names_find(&net->tensors, "h"), nd->inputs[0]);
    tp_net_free(net);
    onnx_fini(&m);
}

static void attributes_are_read_by_kind(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    struct tp_net *net = onnx_net(&m);
    const struct tp_net_attr *a = tp_net_attr(&net->nodes[0], "alpha");
    assert_int_equal(a->kind, TP_ATTR_FLOAT);
    assert_true(a->f == 0.5f);
    a = tp_net_attr(&net->nodes[0], "transB");
    assert_int_equal(a->kind, TP_ATTR_INT);
    assert_int_equal(a->i, 1);
    a = tp_net_attr(&net->nodes[1], "mode");
    assert_int_equal(a->kind, TP_ATTR_STRING);
    assert_string_equal(a->s, "linear");
    a = tp_net_attr(&net->nodes[1], "pads");
    assert_int_equal(a->kind, TP_ATTR_INTS);
    assert_int_equal(a->n, 2);
    assert_int_equal(a->ints[1], -2);
    a = tp_net_attr(&net->nodes[1], "scales");
    assert_int_equal(a->kind, TP_ATTR_FLOATS);
    assert_true(a->n == 2 && a->floats[1] == 2.5f);
    a = tp_net_attr(&net->nodes[1], "value");
    assert_int_equal(a->kind, TP_ATTR_TENSOR);
    assert_int_equal(a->tensor.type, TP_ONNX_INT64);
    assert_true(tp_net_element(&a->tensor, 0) == 9);
    tp_net_free(net);
    onnx_fini(&m);
}

/* `attribute`: an AttributeProto, which it frees. */
static void check_kind(struct tp_buf attribute, enum tp_attr_kind want)
{
    struct onnx_of m = { .opset = 13 };
    onnx_input(&m, "x", TP_ONNX_FLOAT, DIMS(1));
    onnx_node(&m, "Odd", "x", "y");
    pb_message(&m.node, 5, &attribute);
    onnx_output(&m, "y");
    struct tp_net *net = onnx_net(&m);
    assert_int_equal(net->nodes[0].attrs[0].kind, want);
    tp_net_free(net);
    onnx_fini(&m);
}

static void attributes_without_a_type_are_what_they_have(void **state)
{
    (void)state;
    struct tp_buf a = { 0 }, t = onnx_tensor_head("t", TP_ONNX_FLOAT, DIMS(0));
    pb_float(&a, 2, 1);
    check_kind(a, TP_ATTR_FLOAT);
    a = (struct tp_buf){ 0 };
    pb_int(&a, 3, 0);
    check_kind(a, TP_ATTR_INT);
    a = (struct tp_buf){ 0 };
    pb_text(&a, 4, "");
    check_kind(a, TP_ATTR_STRING);
    a = (struct tp_buf){ 0 };
    pb_message(&a, 5, &t);
    check_kind(a, TP_ATTR_TENSOR);
    a = (struct tp_buf){ 0 };
    pb_float(&a, 7, 1);
    check_kind(a, TP_ATTR_FLOATS);
    a = (struct tp_buf){ 0 };
    pb_int(&a, 8, 1);
    check_kind(a, TP_ATTR_INTS);
    a = (struct tp_buf){ 0 };
    pb_text(&a, 9, "");
    check_kind(a, TP_ATTR_STRINGS);
    a = (struct tp_buf){ 0 };
    pb_text(&a, 1, "nothing");
    check_kind(a, TP_ATTR_OTHER);
}

static void what_attributes_do_not_say_is_zero(void **state)
{
    (void)state;
    check_kind(onnx_attr_head("a", 2), TP_ATTR_INT);     /* proto3 writers leave zeros out */
    check_kind(onnx_attr_head("a", 3), TP_ATTR_STRING);
    check_kind(onnx_attr_head("a", 7), TP_ATTR_INTS);
}

static void subgraphs_and_binary_strings_are_attributes_of_another_kind(void **state)
{
    (void)state;
    struct tp_buf a = onnx_attr_head("then_branch", 5);
    pb_text(&a, 6, "\x0A\x01");
    check_kind(a, TP_ATTR_OTHER);
    a = onnx_attr_head("blob", 3);
    pb_bytes(&a, 4, "a\0b", 3);
    check_kind(a, TP_ATTR_OTHER);
    a = onnx_attr_head("blobs", 8);
    pb_bytes(&a, 9, "a", 1);
    pb_bytes(&a, 9, "\0", 1);
    check_kind(a, TP_ATTR_OTHER);
}

static void tensors_of_other_types_in_attributes_are_left_to_the_node(void **state)
{
    (void)state;
    struct onnx_of m = { .opset = 13 };
    onnx_node(&m, "Constant", "", "y");
    onnx_attr_tensor(&m, "value", TP_ONNX_STRING, one_dim, 1, "", 0);
    onnx_output(&m, "y");
    struct tp_net *net = onnx_net(&m);
    const struct tp_net_attr *a = tp_net_attr(&net->nodes[0], "value");
    assert_int_equal(a->tensor.type, TP_ONNX_STRING);
    assert_null(a->tensor.data);
    tp_net_free(net);
    onnx_fini(&m);
}

static void weights_stay_where_they_are(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    struct tp_net *net = onnx_net(&m);
    const struct tp_net_tensor *w = net->values[tp_names_find(&net->tensors, "w")].weight;
    assert_string_equal(TP_SHAPE(&w->shape), "[3, 2]");
    assert_int_equal(w->n_elements, 6);
    assert_true((const char *)w->data > m.file.data);
    assert_true((const char *)w->data < m.file.data + m.file.n_bytes);
    assert_true(tp_net_element(w, 5) == 6);
    tp_net_free(net);
    onnx_fini(&m);
}

static void all_but_weights_is_copied(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    struct tp_net *net = onnx_net(&m);
    memset(m.file.data, 0xFF, m.file.n_bytes);
    assert_string_equal(net->nodes[0].op, "Gemm");
    assert_string_equal(tp_net_attr(&net->nodes[1], "mode")->s, "linear");
    assert_true(tp_net_element(&tp_net_attr(&net->nodes[1], "value")->tensor, 0) == 9);
    tp_net_free(net);
    onnx_fini(&m);
}

static void initializers_among_the_inputs_are_no_inputs(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    onnx_input(&m, "w", TP_ONNX_FLOAT, DIMS(3, 2));
    onnx_input(&m, "unread", TP_ONNX_FLOAT, DIMS(1));
    onnx_floats(&m, "unread", DIMS(1), (const float[]){ 1 });
    struct tp_net *net = onnx_net(&m);
    assert_string_equal(value_name(net, net->input), "x");
    assert_true(tp_names_find(&net->tensors, "unread") < 0);
    tp_net_free(net);
    onnx_fini(&m);
}

static void a_network_may_have_no_input(void **state)
{
    (void)state;
    struct onnx_of m = { .opset = 13 };
    onnx_floats(&m, "w", DIMS(1), (const float[]){ 1 });
    onnx_node(&m, "Relu", "w", "y");
    onnx_output(&m, "y");
    struct tp_net *net = onnx_net(&m);
    assert_int_equal(net->input, -1);
    tp_net_free(net);
    onnx_fini(&m);
}

static void inputs_can_be_bound_to_constants(void **state)
{
    (void)state;
    struct onnx_of m = { .opset = 13 };
    struct tp_net *net;
    struct tp_err err = { 0 };
    onnx_input(&m, "a", TP_ONNX_FLOAT, DIMS(1));
    onnx_input(&m, "b", TP_ONNX_FLOAT, DIMS(1));
    onnx_input(&m, "unread", TP_ONNX_FLOAT, DIMS(1));
    onnx_floats(&m, "c", DIMS(1), (const float[]){ 1 });
    onnx_node(&m, "Sum", "a b c", "y");
    onnx_output(&m, "y");
    const float seven = 7;
    const struct tp_net_tensor t = {
        .type = TP_ONNX_FLOAT, .shape = { .rank = 0 }, .n_elements = 1, .data = &seven,
    };
    const struct tp_onnx_binding bindings[] = { { "b", t }, { "unread", t }, { "c", t } };
    const struct tp_buf *f = onnx_file(&m);
    if (!tp_onnx_parse_bound(&net, f->data, f->n_bytes, "test", bindings, 3, &onnx_limits, &err))
        fail_msg("%s", err.message);
    assert_string_equal(value_name(net, net->input), "a");
    assert_true(tp_net_element(net->values[net->nodes[0].inputs[1]].weight, 0) == 7);
    assert_true(tp_net_element(net->values[net->nodes[0].inputs[2]].weight, 0) == 7);
    tp_net_free(net);
    onnx_fini(&m);
}

static void the_domain_has_two_names_and_others_stay(void **state)
{
    (void)state;
    struct onnx_of m = { .opset = 0 };
    struct tp_buf opset = { 0 };
    pb_text(&opset, 1, "ai.onnx");
    pb_int(&opset, 2, 17);
    pb_message(&m.extra, 8, &opset);
    pb_text(&opset, 1, "com.microsoft");
    pb_int(&opset, 2, 1);
    pb_message(&m.extra, 8, &opset);
    onnx_input(&m, "x", TP_ONNX_FLOAT, DIMS(1));
    onnx_node(&m, "Relu", "x", "h");
    pb_text(&m.node, 7, "ai.onnx");
    onnx_node(&m, "FusedConv", "h", "y");
    pb_text(&m.node, 7, "com.microsoft");
    onnx_output(&m, "y");
    struct tp_net *net = onnx_net(&m);
    assert_int_equal(net->opset, 17);
    assert_string_equal(net->nodes[0].domain, "");
    assert_string_equal(net->nodes[1].domain, "com.microsoft");
    tp_net_free(net);
    onnx_fini(&m);
}

static void unsorted_nodes_are_sorted(void **state)
{
    (void)state;
    struct onnx_of m = { .opset = 13 };
    onnx_input(&m, "x", TP_ONNX_FLOAT, DIMS(1));
    onnx_node(&m, "B", "h", "y");
    onnx_node(&m, "A", "x", "h");
    onnx_output(&m, "y");
    struct tp_net *net = onnx_net(&m);
    assert_string_equal(net->nodes[0].op, "A");
    tp_net_free(net);
    onnx_fini(&m);
}

/* ---- external data --------------------------------------------------------------------------- */

static struct onnx_of external_model(const char *location)
{
    static const char *const keys[] = { "location", "checksum", "offset", "length" };
    const char *const values[] = { location, "whatever", "4", "8" };
    struct onnx_of m = { .opset = 13 };
    struct tp_buf t = onnx_tensor_head("w", TP_ONNX_FLOAT, DIMS(2));
    for (int i = 0; i < 4; i++) {
        struct tp_buf entry = { 0 };
        pb_text(&entry, 1, keys[i]);
        pb_text(&entry, 2, values[i]);
        pb_message(&t, 13, &entry);
    }
    pb_int(&t, 14, 1);
    pb_message(&m.graph, 5, &t);
    onnx_node(&m, "Relu", "w", "y");
    onnx_output(&m, "y");
    return m;
}

static void external_data_are_mapped_until_closed(void **state)
{
    (void)state;
    struct onnx_of m = external_model("weights.bin");
    struct tp_onnx_files files = { 0 };
    struct tp_net *net;
    struct tp_err err = { 0 };
    temp_write("weights.bin", (const float[]){ 1, 2, 3 }, 12);
    const int dir = open(temp_dir, O_RDONLY | O_DIRECTORY);
    const struct tp_buf *f = onnx_file(&m);
    if (!tp_onnx_parse(&net, f->data, f->n_bytes, "test", dir, &files, &onnx_limits, &err))
        fail_msg("%s", err.message);
    close(dir);
    const struct tp_net_tensor *w = net->values[net->nodes[0].inputs[0]].weight;
    assert_true(tp_net_element(w, 0) == 2 && tp_net_element(w, 1) == 3);
    tp_net_free(net);
    tp_onnx_close(&files);
    onnx_fini(&m);
}

static void external_data_elsewhere_are_refused_by_name(void **state)
{
    (void)state;
    struct onnx_of m = external_model("../weights.bin");
    struct tp_onnx_files files = { 0 };
    struct tp_net *net;
    struct tp_err err = { 0 };
    const int dir = open(temp_dir, O_RDONLY | O_DIRECTORY);
    const struct tp_buf *f = onnx_file(&m);
    assert_false(tp_onnx_parse(&net, f->data, f->n_bytes, "test", dir, &files, &onnx_limits,
                               &err));
    assert_string_equal(err.message, "initializer 'w': external data ../weights.bin: is not a path "
                        "beneath its folder");
    close(dir);
    tp_onnx_close(&files);
    check_refused(&m, TP_INVALID_MODEL,
                  "initializer 'w': external data '../weights.bin' cannot be read here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_is_read),
        cmocka_unit_test(attributes_are_read_by_kind),
        cmocka_unit_test(attributes_without_a_type_are_what_they_have),
        cmocka_unit_test(what_attributes_do_not_say_is_zero),
        cmocka_unit_test(subgraphs_and_binary_strings_are_attributes_of_another_kind),
        cmocka_unit_test(tensors_of_other_types_in_attributes_are_left_to_the_node),
        cmocka_unit_test(weights_stay_where_they_are),
        cmocka_unit_test(all_but_weights_is_copied),
        cmocka_unit_test(initializers_among_the_inputs_are_no_inputs),
        cmocka_unit_test(a_network_may_have_no_input),
        cmocka_unit_test(inputs_can_be_bound_to_constants),
        cmocka_unit_test(the_domain_has_two_names_and_others_stay),
        cmocka_unit_test(unsorted_nodes_are_sorted),
        TEMP_TEST(external_data_are_mapped_until_closed),
        TEMP_TEST(external_data_elsewhere_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
