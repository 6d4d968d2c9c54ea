/* test_onnx.c - ONNX files as networks. */
#include "onnx_of.h"

#include "allocations.h"
#include "temp_dir.h"

static const int64_t one_dim[] = { 1 };

/* x [d0, 3] -> Gemm(w) -> Relu -> y, with attributes of every kind. */
static struct onnx_of small_model(void)
{
    struct onnx_of m = { .opset = 13 };
    onnx_input(&m, "x", TP_ONNX_FLOAT, DIMS(-1, 3));
    onnx_floats(&m, "w", DIMS(3, 2), (const float[]){ 1, 2, 3, 4, 5, 6 });
    onnx_node(&m, "Gemm", "x w -", "h");
    onnx_node_name(&m, "/fc/Gemm");
    onnx_attr_float(&m, "alpha", 0.5f);
    onnx_attr_int(&m, "transB", 1);
    onnx_node(&m, "Odd", "h", "- y");
    onnx_attr_text(&m, "mode", "linear");
    onnx_attr_ints(&m, "pads", DIMS(1, -2));
    onnx_attr_floats(&m, "scales", (const float[]){ 1, 2.5f }, 2);
    onnx_attr_tensor(&m, "value", TP_ONNX_INT64, one_dim, 1, (const int64_t[]){ 9 }, 8);
    onnx_output(&m, "y");
    return m;
}

static void check_refused(struct onnx_of *m, enum tp_code code, const char *message)
{
    struct tp_net *net = (struct tp_net *)m;         /* must be NULL afterwards */
    struct tp_err err = { 0 };
    if (onnx_try(m, &net, &err)) fail_msg("accepted; expected: %s", message);
    assert_null(net);
    assert_string_equal(err.message, message);
    assert_int_equal(err.code, code);
    onnx_fini(m);
}

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

/* ---- what is refused ------------------------------------------------------------------------- */

static void opsets_from_1_to_21_are_read(void **state)
{
    (void)state;
    struct onnx_of m;
    for (int64_t opset = 1; opset <= 21; opset++) {
        m = small_model();
        m.opset = opset;
        tp_net_free(onnx_net(&m));
        onnx_fini(&m);
    }
    m = small_model();
    m.opset = 22;
    check_refused(&m, TP_UNSUPPORTED_FORMAT, "opset 22; 1 to 21 are read");
    m = small_model();
    m.opset = 0;
    check_refused(&m, TP_INVALID_MODEL,
                  "opset_import has no version of ONNX's own operators; 1 to 21 are read");
}

static void files_that_are_no_network_are_refused(void **state)
{
    (void)state;
    static const struct { const char *bytes, *message; } files[] = {
        { "", "not an ONNX file: it is empty" },
        { "{\"layers\": []}", "not an ONNX file, or a damaged one: byte 0: a field of a kind that "
          "ONNX does not have" },
        { "\x08\x08", "not an ONNX file: it has no graph" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct tp_net *net;
        struct tp_err err = { 0 };
        assert_false(tp_onnx_parse(&net, files[i].bytes, strlen(files[i].bytes), "test", -1,
                                   &(struct tp_onnx_files){ 0 }, &onnx_limits, &err));
        assert_string_equal(err.message, files[i].message);
        assert_int_equal(err.code, TP_INVALID_MODEL);
    }
    struct onnx_of m = { .opset = 13 };
    check_refused(&m, TP_INVALID_MODEL, "the graph has no nodes");
    m = (struct onnx_of){ .opset = 13 };
    onnx_node(&m, "Constant", "", "y");
    check_refused(&m, TP_INVALID_MODEL, "the graph has no outputs");
    m = small_model();
    onnx_output(&m, "");
    check_refused(&m, TP_INVALID_MODEL, "output 1 has no name");
    m = small_model();
    onnx_output(&m, "z");
    check_refused(&m, TP_INVALID_MODEL, "output 'z': no node makes it");
}

static void several_inputs_are_refused_by_name(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    onnx_input(&m, "z", TP_ONNX_FLOAT, DIMS(1));
    check_refused(&m, TP_INVALID_MODEL,
                  "the model has inputs 'x', 'z'; networks of one input are served");
    m = small_model();
    for (int i = 0; i < 4; i++)
        onnx_input(&m, (const char *[]){ "a", "b", "c", "d" }[i], TP_ONNX_FLOAT, DIMS(1));
    check_refused(&m, TP_INVALID_MODEL, "the model has inputs 'x', 'a', 'b', 'c', ...; networks "
                  "of one input are served");
}

/* An input `info` of type `type` with the dims. */
static void check_input_refused(int type, const int64_t *dims, int rank, enum tp_code code,
                                const char *message)
{
    struct onnx_of m = { .opset = 13 };
    onnx_input(&m, "x", type, dims, rank);
    onnx_node(&m, "Relu", "x", "y");
    onnx_output(&m, "y");
    check_refused(&m, code, message);
}

static void inputs_that_are_no_tensors_of_numbers_are_refused(void **state)
{
    (void)state;
    check_input_refused(TP_ONNX_FLOAT, NULL, -1, TP_INVALID_MODEL, "input 'x': has no shape");
    check_input_refused(TP_ONNX_STRING, DIMS(1), TP_UNSUPPORTED_FORMAT,
                        "input 'x': its elements are string; numbers are served");
    check_input_refused(0, DIMS(1), TP_UNSUPPORTED_FORMAT,
                        "input 'x': its elements are no type; numbers are served");
    check_input_refused(TP_ONNX_FLOAT, DIMS(1, 2, 3, 4, 5, 6, 7, 8, 9), TP_INVALID_MODEL,
                        "input 'x': 9 dimensions; at most 8 are possible");
    check_input_refused(TP_ONNX_FLOAT, DIMS(1, 0), TP_INVALID_SHAPE,
                        "input 'x': shape: dimension 1 of [1, 0] is 0; each must be at least 1");
    check_input_refused(TP_ONNX_FLOAT, DIMS((int64_t)1 << 40, (int64_t)1 << 40), TP_TOO_LARGE,
                        "input 'x': shape: [1099511627776, 1099511627776] has more than the "
                        "16777216 elements that one tensor may have");
    struct onnx_of m = { .opset = 13 };
    struct tp_buf info = { 0 };
    pb_text(&info, 1, "x");
    pb_message(&m.graph, 11, &info);
    onnx_node(&m, "Relu", "x", "y");
    onnx_output(&m, "y");
    check_refused(&m, TP_INVALID_MODEL, "input 'x': is not said to be a tensor");
    m = (struct onnx_of){ .opset = 13 };
    onnx_input(&m, "", TP_ONNX_FLOAT, DIMS(1));
    onnx_node(&m, "Constant", "", "y");
    onnx_output(&m, "y");
    check_refused(&m, TP_INVALID_MODEL, "the input has no name");
}

/* An explicit dim_value of `size`. */
static void check_size(int64_t size, const char *shape, const char *message)
{
    struct onnx_of m = { .opset = 13 };
    struct tp_buf dim = { 0 }, dims = { 0 }, tensor = { 0 }, type = { 0 }, info = { 0 };
    pb_int(&dim, 1, size);
    pb_message(&dims, 1, &dim);
    pb_int(&tensor, 1, TP_ONNX_FLOAT);
    pb_message(&tensor, 2, &dims);
    pb_message(&type, 1, &tensor);
    pb_text(&info, 1, "x");
    pb_message(&info, 2, &type);
    pb_message(&m.graph, 11, &info);
    onnx_node(&m, "Relu", "x", "y");
    onnx_output(&m, "y");
    if (message) {
        check_refused(&m, TP_INVALID_SHAPE, message);
        return;
    }
    struct tp_net *net = onnx_net(&m);
    assert_string_equal(TP_SHAPE(&net->input_shape), shape);
    tp_net_free(net);
    onnx_fini(&m);
}

static void minus_one_is_an_open_size_as_old_exporters_have_it(void **state)
{
    (void)state;
    check_size(-1, "[any]", NULL);
    check_size(-2, NULL,
               "input 'x': shape: dimension 0 of [-2] is -2; each must be at least 1");
}

static void nodes_without_an_operator_are_refused(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    onnx_node(&m, "", "h", "z");
    check_refused(&m, TP_INVALID_MODEL, "node that makes 'z' (): has no op_type");
}

static void too_many_nodes_are_refused(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    struct tp_net *net;
    struct tp_err err = { 0 };
    struct tp_limits limits = onnx_limits;
    limits.max_layers = 1;
    for (int i = 0; i < 15; i++) onnx_node(&m, "Relu", "h", "");
    const struct tp_buf *f = onnx_file(&m);
    assert_false(tp_onnx_parse(&net, f->data, f->n_bytes, "test", -1,
                               &(struct tp_onnx_files){ 0 }, &limits, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_string_equal(err.message, "the graph has 17 nodes; at most 16 are read, 16 for each of "
                        "the 1 layers that a model may have");
    onnx_fini(&m);
}

static void broken_initializers_are_refused_by_name(void **state)
{
    (void)state;
    const float one = 1;
    struct onnx_of m = small_model();
    onnx_node(&m, "Relu", "v", "z");
    onnx_weight(&m, "v", TP_ONNX_FLOAT, DIMS(64, 3, 7, 7), &one, 4);
    check_refused(&m, TP_INVALID_MODEL,
                  "initializer 'v': shape [64, 3, 7, 7] needs 37632 bytes, raw_data has 4");
    m = small_model();
    onnx_node(&m, "Relu", "v", "z");
    onnx_weight(&m, "v", 16, DIMS(2), &one, 4);
    check_refused(&m, TP_UNSUPPORTED_FORMAT, "initializer 'v': its elements are bfloat16; float, "
                  "float16, double, bool and integers of 8 to 64 bits are read");
    m = small_model();
    onnx_floats(&m, "w", DIMS(1), &one);
    check_refused(&m, TP_INVALID_MODEL, "initializer 'w': stands there twice");
    m = small_model();
    onnx_floats(&m, "", DIMS(1), &one);
    check_refused(&m, TP_INVALID_MODEL, "initializer 1 has no name");
    m = small_model();
    onnx_floats(&m, "y", DIMS(1), &one);
    check_refused(&m, TP_INVALID_MODEL,
                  "node that makes 'y' (Odd): makes 'y', which is an initializer already");
}

static void initializers_that_nobody_reads_may_be_anything(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    onnx_weight(&m, "v", TP_ONNX_STRING, DIMS(64, 3, 7, 7), "", 0);
    onnx_weight(&m, "u", TP_ONNX_FLOAT, DIMS(-1), "", 0);
    tp_net_free(onnx_net(&m));
    onnx_fini(&m);
}

static void sparse_initializers_are_refused_by_name(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    struct tp_buf sparse = { 0 }, values = onnx_tensor_head("s", TP_ONNX_FLOAT, DIMS(1));
    pb_message(&sparse, 1, &values);
    pb_message(&m.graph, 15, &sparse);
    check_refused(&m, TP_UNSUPPORTED_FORMAT,
                  "sparse_initializer 's': sparse weights are not read");
}

static void broken_attributes_are_refused_by_name(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    onnx_attr_tensor(&m, "broken", TP_ONNX_FLOAT, one_dim, 1, "abc", 3);
    check_refused(&m, TP_INVALID_MODEL, "node that makes 'y' (Odd): attribute 'broken': shape [1] "
                  "needs 4 bytes, raw_data has 3");
    m = small_model();
    struct tp_buf a = onnx_attr_head("empty", 4);
    pb_message(&m.node, 5, &a);
    check_refused(&m, TP_INVALID_MODEL, "node that makes 'y' (Odd): attribute 'empty': is a "
                  "tensor and has none");
}

static void dangling_and_circular_names_are_refused(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    onnx_node(&m, "Relu", "nowhere", "z");
    onnx_node_name(&m, "lost");
    check_refused(&m, TP_INVALID_MODEL, "node 'lost' (Relu): reads 'nowhere', which is neither "
                  "made by a node nor an initializer nor the input");
    m = small_model();
    onnx_node(&m, "A", "b", "a");
    onnx_node(&m, "B", "a", "b");
    check_refused(&m, TP_INVALID_MODEL, "node that makes 'b' (B): reads 'a', which is computed "
                  "from what it makes; the graph has a cycle");
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

/* ---- damage ---------------------------------------------------------------------------------- */

/* Whatever `bytes` are: a network or a message. True for a network. */
static bool survives(const void *bytes, size_t n_bytes)
{
    struct tp_net *net;
    struct tp_err err = { 0 };
    const bool ok = tp_onnx_parse(&net, bytes, n_bytes, "test", -1, &(struct tp_onnx_files){ 0 },
                                  &onnx_limits, &err);
    if (ok != (err.code == TP_OK) || ok != !err.message[0] || ok != !!net)
        fail_msg("code %d, message '%s'", err.code, err.message);
    tp_net_free(net);
    return ok;
}

static void files_may_end_at_any_byte(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    const struct tp_buf *f = onnx_file(&m);
    assert_true(survives(f->data, f->n_bytes));
    for (size_t n = 0; n < f->n_bytes; n++) {
        char *start = guarded(n);
        memcpy(start, f->data, n);
        if (survives(start, n)) fail_msg("read with %zu of %zu bytes", n, f->n_bytes);
        guarded_free(start);
    }
    onnx_fini(&m);
}

static void any_byte_may_be_another(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    const struct tp_buf *f = onnx_file(&m);
    char *bytes = guarded(f->n_bytes);
    int n_read = 0;
    memcpy(bytes, f->data, f->n_bytes);
    for (size_t i = 0; i < f->n_bytes; i++) {
        for (int byte = 0; byte < 256; byte++) {
            bytes[i] = (char)byte;
            n_read += survives(bytes, f->n_bytes);
        }
        bytes[i] = f->data[i];
    }
    assert_in_range(n_read, f->n_bytes, 256 * f->n_bytes);
    guarded_free(bytes);
    onnx_fini(&m);
}

#ifdef COUNTS_ALLOCATIONS
static void running_out_of_memory_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    struct onnx_of m = small_model();
    struct tp_buf *f = onnx_file(&m);
    bool ok = false;
    int failures = 0;
    for (; !ok; failures += !ok) {
        struct tp_net *net;
        struct tp_err err = { 0 };
        const long live = n_live;
        n_granted = failures;
        ok = tp_onnx_parse(&net, f->data, f->n_bytes, "test", -1, &(struct tp_onnx_files){ 0 },
                           &onnx_limits, &err);
        n_granted = -1;
        if (!ok) assert_int_equal(err.code, TP_NO_MEMORY);
        tp_net_free(net);
        assert_int_equal(n_live, live);
    }
    assert_in_range(failures, 20, 1000);
    onnx_fini(&m);
}
#endif

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
        cmocka_unit_test(opsets_from_1_to_21_are_read),
        cmocka_unit_test(files_that_are_no_network_are_refused),
        cmocka_unit_test(several_inputs_are_refused_by_name),
        cmocka_unit_test(inputs_that_are_no_tensors_of_numbers_are_refused),
        cmocka_unit_test(minus_one_is_an_open_size_as_old_exporters_have_it),
        cmocka_unit_test(nodes_without_an_operator_are_refused),
        cmocka_unit_test(too_many_nodes_are_refused),
        cmocka_unit_test(broken_initializers_are_refused_by_name),
        cmocka_unit_test(initializers_that_nobody_reads_may_be_anything),
        cmocka_unit_test(sparse_initializers_are_refused_by_name),
        cmocka_unit_test(broken_attributes_are_refused_by_name),
        cmocka_unit_test(dangling_and_circular_names_are_refused),
        TEMP_TEST(external_data_are_mapped_until_closed),
        TEMP_TEST(external_data_elsewhere_are_refused_by_name),
        cmocka_unit_test(files_may_end_at_any_byte),
        cmocka_unit_test(any_byte_may_be_another),
#ifdef COUNTS_ALLOCATIONS
        cmocka_unit_test(running_out_of_memory_is_an_error_and_leaks_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
