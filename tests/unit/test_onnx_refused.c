/* test_onnx_refused.c - ONNX files that are none, broken or damaged. */
#include "onnx_small.h"

#include "allocations.h"

static const int64_t one_dim[] = { 1 };

/* ---- by what they say ------------------------------------------------------------------------ */

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
        cmocka_unit_test(files_may_end_at_any_byte),
        cmocka_unit_test(any_byte_may_be_another),
#ifdef COUNTS_ALLOCATIONS
        cmocka_unit_test(running_out_of_memory_is_an_error_and_leaks_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
