/* test_onnx_document.c - an ONNX file as protobuf-c's structs. */
#include "onnx_of.h"

#include "formats/libraries.h"
#include "formats/onnx_document.h"

static void a_model_is_read_and_freed(void **state)
{
    (void)state;
    struct onnx_of m = { .opset = 13 };
    struct tp_onnx_document doc;
    struct tp_err err = { 0 };
    onnx_input(&m, "x", TP_ONNX_FLOAT, DIMS(-1, 3));
    onnx_node(&m, "Relu", "x", "y");
    onnx_attr_ints(&m, "a", DIMS(1, 2));
    onnx_output(&m, "y");
    const struct tp_buf *f = onnx_file(&m);
    if (!tp_onnx_document_open(&doc, TP_ONNX_MODEL, f->data, f->n_bytes, &err))
        fail_msg("%s", err.message);
    const Onnx__GraphProto *g = doc.model->graph;
    assert_int_equal(doc.model->opset_import[0]->version, 13);
    assert_int_equal(g->n_node, 1);
    assert_string_equal(g->node[0]->op_type, "Relu");
    assert_int_equal(g->node[0]->attribute[0]->ints[1], 2);
    assert_false(g->input[0]->type->tensor_type->shape->dim[0]->has_dim_value);
    assert_int_equal(g->input[0]->type->tensor_type->shape->dim[1]->dim_value, 3);
    tp_onnx_document_close(&doc);
    assert_int_equal(doc.used_bytes, 0);
    tp_onnx_document_close(&doc);            /* once more is fine */
    onnx_fini(&m);
}

static void contents_are_spans_of_the_file(void **state)
{
    (void)state;
    const float data[100] = { 0 };
    struct tp_onnx_document doc;
    struct tp_onnx_span span;
    struct tp_err err = { 0 };
    struct tp_buf f = onnx_tensor("w", TP_ONNX_FLOAT, DIMS(100), data, sizeof data);
    assert_true(tp_onnx_document_open(&doc, TP_ONNX_TENSOR, f.data, f.n_bytes, &err));
    assert_int_equal(doc.tensor->n_raw_data, 1);
    assert_int_equal(doc.tensor->raw_data[0].len, sizeof span);
    memcpy(&span, doc.tensor->raw_data[0].data, sizeof span);
    assert_int_equal(span.n_bytes, sizeof data);
    assert_int_equal(span.begin + span.n_bytes, f.n_bytes);
    tp_onnx_document_close(&doc);
    tp_buf_fini(&f);
}

/* `n` times the bytes as field `field` of the graph. */
static void check_bomb(int field, const void *bytes, size_t n_bytes, int n)
{
    struct tp_buf graph = { 0 }, f = { 0 };
    struct tp_onnx_document doc;
    struct tp_err err = { 0 };
    for (int i = 0; i < n; i++) pb_bytes(&graph, field, bytes, n_bytes);
    pb_message(&f, 7, &graph);
    assert_false(tp_onnx_document_open(&doc, TP_ONNX_MODEL, f.data, f.n_bytes, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    if (!strstr(err.message, "bytes of file; it has too many small fields"))
        fail_msg("%s", err.message);
    assert_true(doc.limit_bytes <= (8 << 20) + 24 * f.n_bytes);
    tp_onnx_document_close(&doc);
    assert_int_equal(doc.used_bytes, 0);     /* whatever had been read is freed */
    tp_buf_fini(&f);
}

static void bombs_of_small_fields_are_refused(void **state)
{
    (void)state;
    check_bomb(1, "", 0, 300000);            /* empty nodes */
    check_bomb(1, "\x2A\x00\x2A\x00", 4, 300000);        /* of empty attributes */
    check_bomb(5, "", 0, 300000);            /* empty initializers */
    check_bomb(11, "\x12\x02\x0A\x00", 4, 300000);       /* inputs of no shape */
}

static void nothing_is_no_model(void **state)
{
    (void)state;
    struct tp_onnx_document doc;
    struct tp_err err = { 0 };
    assert_false(tp_onnx_document_open(&doc, TP_ONNX_MODEL, NULL, 0, &err));
    assert_string_equal(err.message, "not an ONNX file: it is empty");
    tp_onnx_document_close(&doc);
}

/* A file without a field that is known gives an empty message. */
static void an_empty_message_is_fine(void **state)
{
    (void)state;
    struct tp_onnx_document doc;
    struct tp_err err = { 0 };
    assert_true(tp_onnx_document_open(&doc, TP_ONNX_MODEL, "\x08\x01", 2, &err));
    assert_null(doc.model->graph);
    tp_onnx_document_close(&doc);
}

static void packed_numbers_that_do_not_end_are_refused(void **state)
{
    (void)state;
    struct tp_onnx_document doc;
    struct tp_err err = { 0 };
    assert_false(tp_onnx_document_open(&doc, TP_ONNX_TENSOR, "\x0A\x01\x80", 3, &err));
    assert_string_equal(err.message,
                        "not an ONNX file, or a damaged one: protobuf-c cannot read it");
    tp_onnx_document_close(&doc);
}

static void the_library_tells_its_version(void **state)
{
    (void)state;
    assert_int_equal(strspn(tp_protobuf_library(), "0123456789."), strlen(tp_protobuf_library()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_read_and_freed),
        cmocka_unit_test(contents_are_spans_of_the_file),
        cmocka_unit_test(bombs_of_small_fields_are_refused),
        cmocka_unit_test(nothing_is_no_model),
        cmocka_unit_test(an_empty_message_is_fine),
        cmocka_unit_test(packed_numbers_that_do_not_end_are_refused),
        cmocka_unit_test(the_library_tells_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
