/* test_onnx_cut.c - an ONNX file without its tensors' contents. */
#include "onnx_of.h"

#include "formats/onnx_cut.h"

/* A submessage as onnx_cut.c writes it: the length in five bytes. */
static void cut_message(struct tp_buf *b, int field, struct tp_buf *message)
{
    size_t n = message->n_bytes;
    pb_varint(b, (uint64_t)field << 3 | 2);
    for (int i = 0; i < 5; i++, n >>= 7)
        tp_buf_bytes(b, (uint8_t[]){ (uint8_t)((n & 127) | (i < 4 ? 128 : 0)) }, 1);
    tp_buf_bytes(b, message->data, message->n_bytes);
    tp_buf_fini(message);
}

static void cut_span(struct tp_buf *b, int field, uint64_t begin, uint64_t n_bytes)
{
    const struct tp_onnx_span span = { begin, n_bytes };
    pb_bytes(b, field, &span, sizeof span);
}

/* Cuts a copy of *file against a guard page, frees it, and expects *want, which it frees too. */
static void check_cut(enum tp_onnx_kind kind, struct tp_buf *file, struct tp_buf *want)
{
    struct tp_buf got = { 0 };
    struct tp_err err = { 0 };
    char *copy = guarded(file->n_bytes);
    memcpy(copy, file->data, file->n_bytes);
    if (!tp_onnx_cut(&got, kind, copy, file->n_bytes, &err)) fail_msg("%s", err.message);
    assert_int_equal(got.n_bytes, want->n_bytes);
    if (got.n_bytes) assert_memory_equal(got.data, want->data, got.n_bytes);
    guarded_free(copy);
    tp_buf_fini(&got);
    tp_buf_fini(file);
    tp_buf_fini(want);
}

static void check_bytes_refused(enum tp_onnx_kind kind, const void *bytes, size_t n_bytes,
                                const char *message)
{
    struct tp_buf got = { 0 };
    struct tp_err err = { 0 };
    char *copy = guarded(n_bytes), whole[TP_MESSAGE_BYTES];
    memcpy(copy, bytes, n_bytes);
    snprintf(whole, sizeof whole, "not an ONNX file, or a damaged one: %s", message);
    if (tp_onnx_cut(&got, kind, copy, n_bytes, &err)) fail_msg("accepted; expected: %s", message);
    assert_int_equal(err.code, TP_INVALID_MODEL);
    assert_string_equal(err.message, whole);
    guarded_free(copy);
    tp_buf_fini(&got);
}

static void check_refused(enum tp_onnx_kind kind, struct tp_buf *file, const char *message)
{
    check_bytes_refused(kind, file->data, file->n_bytes, message);
    tp_buf_fini(file);
}

#define REFUSED(bytes, message) \
    check_bytes_refused(TP_ONNX_TENSOR, bytes, sizeof bytes - 1, message)

static void contents_become_spans(void **state)
{
    (void)state;
    const float data[1000] = { 1 };
    struct tp_buf file = { 0 }, want = { 0 };
    pb_int(&file, 1, 1000);
    pb_int(&file, 2, 1);
    pb_text(&file, 8, "w");
    const size_t begin = file.n_bytes + 3;   /* behind the tag and a length of two bytes */
    tp_buf_bytes(&want, file.data, file.n_bytes);
    pb_bytes(&file, 9, data, sizeof data);
    cut_span(&want, 9, begin, sizeof data);
    check_cut(TP_ONNX_TENSOR, &file, &want);
}

static void every_field_of_contents_is_cut_packed_or_not(void **state)
{
    (void)state;
    struct tp_buf file = { 0 }, want = { 0 };
    pb_bytes(&file, 4, (const float[]){ 1, 2 }, 8);
    pb_packed(&file, 5, (const int64_t[]){ 1, 300 }, 2);
    pb_packed(&file, 7, (const int64_t[]){ -1 }, 1);
    pb_bytes(&file, 10, (const double[]){ 1 }, 8);
    pb_packed(&file, 11, (const int64_t[]){ 5 }, 1);
    pb_float(&file, 4, 3);
    pb_int(&file, 7, 300);
    pb_varint(&file, 10 << 3 | 1);
    tp_buf_bytes(&file, (const double[]){ 1 }, 8);
    cut_span(&want, 4, 2, 8);
    cut_span(&want, 5, 12, 3);
    cut_span(&want, 7, 17, 10);
    cut_span(&want, 10, 29, 8);
    cut_span(&want, 11, 39, 1);
    cut_span(&want, 4, 41, 4);
    cut_span(&want, 7, 46, 2);
    cut_span(&want, 10, 49, 8);
    check_cut(TP_ONNX_TENSOR, &file, &want);
}

static void what_is_not_in_the_schema_is_dropped(void **state)
{
    (void)state;
    struct tp_buf file = { 0 }, want = { 0 }, graph = { 0 }, kept = { 0 };
    pb_text(&graph, 10, "a doc_string");
    pb_text(&graph, 2, "a name");
    pb_int(&file, 1, 8);                     /* ir_version */
    pb_text(&file, 2, "a producer \xFF");
    pb_float(&file, 1000, 1);
    pb_varint(&file, 1000 << 3 | 1);
    tp_buf_bytes(&file, "12345678", 8);
    pb_message(&file, 7, &graph);
    cut_message(&want, 7, &kept);
    check_cut(TP_ONNX_MODEL, &file, &want);
}

static void lengths_around_what_was_cut_are_right(void **state)
{
    (void)state;
    static const char data[300];
    struct tp_buf tensor = { 0 }, attr = { 0 }, node = { 0 }, graph = { 0 }, file = { 0 };
    pb_bytes(&tensor, 9, data, sizeof data);
    pb_message(&attr, 5, &tensor);
    pb_message(&node, 5, &attr);
    pb_text(&node, 4, "Constant");
    pb_message(&graph, 1, &node);
    pb_message(&file, 7, &graph);

    struct tp_buf tensor_cut = { 0 }, attr_cut = { 0 }, node_cut = { 0 }, graph_cut = { 0 };
    struct tp_buf want = { 0 };
    cut_span(&tensor_cut, 9, 15, sizeof data);       /* behind five tags and lengths of two bytes */
    cut_message(&attr_cut, 5, &tensor_cut);
    cut_message(&node_cut, 5, &attr_cut);
    pb_text(&node_cut, 4, "Constant");
    cut_message(&graph_cut, 1, &node_cut);
    cut_message(&want, 7, &graph_cut);
    check_cut(TP_ONNX_MODEL, &file, &want);
}

static void numbers_of_attributes_are_copied_packed_or_not(void **state)
{
    (void)state;
    struct tp_buf attr = { 0 }, copy = { 0 }, node = { 0 }, graph = { 0 }, file = { 0 };
    struct tp_buf node_cut = { 0 }, graph_cut = { 0 }, want = { 0 };
    pb_text(&attr, 1, "a");
    pb_int(&attr, 8, -1);
    pb_packed(&attr, 8, (const int64_t[]){ 1, 300 }, 2);
    pb_float(&attr, 7, 1);
    pb_bytes(&attr, 4, "\0\xFF", 2);         /* bytes, not a name */
    tp_buf_bytes(&copy, attr.data, attr.n_bytes);
    pb_message(&node, 5, &attr);
    pb_message(&graph, 1, &node);
    pb_message(&file, 7, &graph);
    cut_message(&node_cut, 5, &copy);
    cut_message(&graph_cut, 1, &node_cut);
    cut_message(&want, 7, &graph_cut);
    check_cut(TP_ONNX_MODEL, &file, &want);
}

static void padded_tags_and_lengths_are_read(void **state)
{
    (void)state;
    struct tp_buf file = { 0 }, want = { 0 };
    tp_buf_bytes(&file, "\xC2\x80\x00" "\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00" "w", 14);
    pb_text(&want, 8, "w");
    check_cut(TP_ONNX_TENSOR, &file, &want);
}

static void nothing_is_an_empty_document(void **state)
{
    (void)state;
    struct tp_buf file = { 0 }, want = { 0 };
    tp_buf_text(&file, "");
    check_cut(TP_ONNX_TENSOR, &file, &want);
}

static void broken_wire_formats_are_refused(void **state)
{
    (void)state;
    REFUSED("\x08", "byte 1: a number that does not end");
    REFUSED("\x08\x80\x80", "byte 1: a number that does not end");
    REFUSED("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
            "byte 1: a number that does not end");
    REFUSED("\x80", "byte 0: no field begins there");
    REFUSED("\x00", "byte 0: no field begins there");
    REFUSED("\x02\x01z", "byte 0: no field begins there");
    REFUSED("\xFF\xFF\xFF\xFF\xFF\x01", "byte 0: no field begins there");
    REFUSED("\x42", "byte 0: a field without contents; is the file truncated?");
    REFUSED("\x42\x02z",
            "byte 0: a field that ends behind what holds it; is the file truncated?");
    REFUSED("\x42\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01z",
            "byte 0: a field that ends behind what holds it; is the file truncated?");
    REFUSED("\x25zzz", "byte 0: a field that ends behind what holds it; is the file truncated?");
    REFUSED("\x51zzzzzzz",
            "byte 0: a field that ends behind what holds it; is the file truncated?");
    REFUSED("\x43", "byte 0: a field of a kind that ONNX does not have");
    REFUSED("\x44", "byte 0: a field of a kind that ONNX does not have");
    REFUSED("\x47z", "byte 0: a field of a kind that ONNX does not have");
    REFUSED("%PDF-1.7", "byte 5: a field that ends behind what holds it; is the file truncated?");
    REFUSED("\x89PNG\r\n\x1a\n", "byte 0: a field that ends behind what holds it; is the file "
            "truncated?");
}

static void values_of_another_kind_are_refused(void **state)
{
    (void)state;
    REFUSED("\x40\x01", "byte 0 (name): a value of another kind was expected");
    REFUSED("\x0D" "zzzz", "byte 0 (dims): a value of another kind was expected");
    REFUSED("\x12\x01\x01", "byte 0 (data_type): a value of another kind was expected");
    REFUSED("\x48\x01", "byte 0 (raw_data): a value of another kind was expected");
    REFUSED("\x4D" "zzzz", "byte 0 (raw_data): a value of another kind was expected");
    REFUSED("\x20\x01", "byte 0 (float_data): a value of another kind was expected");
    REFUSED("\x3D" "zzzz", "byte 0 (int64_data): a value of another kind was expected");
    REFUSED("\x55" "zzzz", "byte 0 (double_data): a value of another kind was expected");
    REFUSED("\x68\x01", "byte 0 (external_data): a value of another kind was expected");
}

static void fields_within_end_where_what_holds_them_ends(void **state)
{
    (void)state;
    struct tp_buf file = { 0 };
    tp_buf_bytes(&file, "\x3A\x03\x12\x02z" "zz", 7);        /* graph { name of 2, 1 there } */
    check_refused(TP_ONNX_MODEL, &file,
                  "byte 2 (graph): a field that ends behind what holds it; is the file truncated?");
}

static void messages_that_stand_once_are_refused_twice(void **state)
{
    (void)state;
    struct tp_buf file = { 0 };
    tp_buf_bytes(&file, "\x3A\x00\x3A\x00", 4);
    check_refused(TP_ONNX_MODEL, &file, "byte 2 (graph): stands there twice");

    struct tp_buf attr = { 0 }, node = { 0 }, graph = { 0 };
    pb_bytes(&attr, 5, "", 0);
    pb_bytes(&attr, 5, "", 0);
    pb_message(&node, 5, &attr);
    pb_message(&graph, 1, &node);
    pb_message(&file, 7, &graph);
    check_refused(TP_ONNX_MODEL, &file, "byte 8 (graph.node.attribute.t): stands there twice");
}

static void names_are_utf8_without_nul_and_not_endless(void **state)
{
    (void)state;
    static char name[TP_ONNX_NAME_BYTES + 1];
    struct tp_buf file = { 0 }, want = { 0 };
    REFUSED("\x42\x02" "a\xFF", "byte 3 (name): not UTF-8 without NUL, as names must be");
    REFUSED("\x42\x02" "a\0", "byte 3 (name): not UTF-8 without NUL, as names must be");
    REFUSED("\x42\x01\xC3\xA4", "byte 2 (name): not UTF-8 without NUL, as names must be");
    memset(name, 'n', sizeof name);
    pb_bytes(&file, 8, name, TP_ONNX_NAME_BYTES);
    pb_bytes(&want, 8, name, TP_ONNX_NAME_BYTES);
    check_cut(TP_ONNX_TENSOR, &file, &want);
    pb_bytes(&file, 8, name, TP_ONNX_NAME_BYTES + 1);
    check_refused(TP_ONNX_TENSOR, &file,
                  "byte 0 (name): longer than the 4096 bytes that a name may have");
    pb_bytes(&file, 8, "gr\xC3\xB6\xC3\x9F" "e", 7);
    pb_bytes(&want, 8, "gr\xC3\xB6\xC3\x9F" "e", 7);
    check_cut(TP_ONNX_TENSOR, &file, &want);
}

/* The deepest there is, its innermost field broken. */
static void messages_name_the_way_to_the_field(void **state)
{
    (void)state;
    static const int way[] = { 1, 2, 1, 2, 11 };     /* dim, shape, tensor_type, type, input */
    struct tp_buf inner = { 0 };
    pb_text(&inner, 1, "a size");
    for (int i = 0; i < 5; i++) {
        struct tp_buf outer = { 0 };
        pb_message(&outer, way[i], &inner);
        inner = outer;
    }
    struct tp_buf file = { 0 };
    pb_message(&file, 7, &inner);
    check_refused(TP_ONNX_MODEL, &file, "byte 12 (graph.input.type.tensor_type.shape.dim.dim_value)"
                  ": a value of another kind was expected");
}

/* Two bytes of an empty node become six. */
static void documents_that_grow_too_much_are_refused(void **state)
{
    (void)state;
    enum { N = 12 << 20 };
    struct tp_buf file = { 0 }, got = { 0 };
    struct tp_err err = { 0 };
    char *graph = malloc(N);
    for (int i = 0; i < N; i += 2) memcpy(graph + i, "\x0A\x00", 2);
    pb_bytes(&file, 7, graph, N);
    free(graph);
    assert_false(tp_onnx_cut(&got, TP_ONNX_MODEL, file.data, file.n_bytes, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_string_equal(err.message, "needs more than 33554442 bytes without its weights, for "
                        "12582917 bytes of file; it has too many small fields");
    tp_buf_fini(&got);
    tp_buf_fini(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_become_spans),
        cmocka_unit_test(every_field_of_contents_is_cut_packed_or_not),
        cmocka_unit_test(what_is_not_in_the_schema_is_dropped),
        cmocka_unit_test(lengths_around_what_was_cut_are_right),
        cmocka_unit_test(numbers_of_attributes_are_copied_packed_or_not),
        cmocka_unit_test(padded_tags_and_lengths_are_read),
        cmocka_unit_test(nothing_is_an_empty_document),
        cmocka_unit_test(broken_wire_formats_are_refused),
        cmocka_unit_test(values_of_another_kind_are_refused),
        cmocka_unit_test(fields_within_end_where_what_holds_them_ends),
        cmocka_unit_test(messages_that_stand_once_are_refused_twice),
        cmocka_unit_test(names_are_utf8_without_nul_and_not_endless),
        cmocka_unit_test(messages_name_the_way_to_the_field),
        cmocka_unit_test(documents_that_grow_too_much_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
