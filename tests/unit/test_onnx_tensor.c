/* test_onnx_tensor.c - the contents of one TensorProto. */
#include "onnx_of.h"

static const uint8_t three[] = { 1, 2, 3 };

/* Reads a copy of *file against a guard page, which is gone afterwards, and frees *file. */
static bool try_tensor(struct tp_net_tensor *out, struct tp_buf *file, struct tp_arena *arena,
                       struct tp_err *err)
{
    const char *name;
    char *copy = guarded(file->n_bytes);
    memcpy(copy, file->data, file->n_bytes);
    const bool ok = tp_onnx_parse_tensor(out, &name, copy, file->n_bytes, arena, err);
    guarded_free(copy);
    tp_buf_fini(file);
    return ok;
}

static void check_tensor(struct tp_buf file, enum tp_onnx_type type, const char *shape, int n,
                         const double *want)
{
    struct tp_arena arena;
    struct tp_net_tensor t;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 1 << 20);
    if (!try_tensor(&t, &file, &arena, &err)) fail_msg("%s", err.message);
    assert_int_equal(t.type, type);
    assert_string_equal(TP_SHAPE(&t.shape), shape);
    assert_int_equal(t.n_elements, n);
    for (int i = 0; i < n; i++)
        if (tp_net_element(&t, i) != want[i])
            fail_msg("element %d is %g, expected %g", i, tp_net_element(&t, i), want[i]);
    tp_arena_fini(&arena);
}

static void check_refused(struct tp_buf file, const char *message)
{
    struct tp_arena arena;
    struct tp_net_tensor t;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 1 << 20);          /* more would be another message */
    if (try_tensor(&t, &file, &arena, &err)) fail_msg("accepted; expected: %s", message);
    assert_string_equal(err.message, message);
    assert_true(arena.total_bytes <= 64 << 10);
    tp_arena_fini(&arena);
}

#define WANT(...) (int)(sizeof (const double[]){ __VA_ARGS__ } / sizeof(double)), \
    (const double[]){ __VA_ARGS__ }

/* A tensor with integers in a packed field. */
static struct tp_buf typed(int type, const int64_t *dims, int rank, int field, const int64_t *v,
                           int n)
{
    struct tp_buf t = onnx_tensor_head("t", type, dims, rank);
    pb_packed(&t, field, v, n);
    return t;
}

static void raw_data_are_read(void **state)
{
    (void)state;
    const float f[] = { 1, -2, 3, 4, 5, 6 };
    const uint16_t half[] = { 0x3C00, 0xC000 };
    check_tensor(onnx_tensor("t", TP_ONNX_FLOAT, DIMS(2, 3), f, sizeof f), TP_ONNX_FLOAT, "[2, 3]",
                 WANT(1, -2, 3, 4, 5, 6));
    check_tensor(onnx_tensor("t", TP_ONNX_FLOAT16, DIMS(2), half, sizeof half), TP_ONNX_FLOAT16,
                 "[2]", WANT(1, -2));
    check_tensor(onnx_tensor("t", TP_ONNX_UINT8, DIMS(3), three, 3), TP_ONNX_UINT8, "[3]",
                 WANT(1, 2, 3));
}

static void scalars_and_empty_tensors_are_tensors(void **state)
{
    (void)state;
    check_tensor(onnx_tensor(NULL, TP_ONNX_INT64, NULL, 0, (const int64_t[]){ 7 }, 8),
                 TP_ONNX_INT64, "[]", WANT(7));
    check_tensor(onnx_tensor("t", TP_ONNX_FLOAT, DIMS(3, 0), "", 0), TP_ONNX_FLOAT, "[3, 0]", 0,
                 NULL);
    check_tensor(onnx_tensor_head("t", TP_ONNX_INT64, DIMS(0)), TP_ONNX_INT64, "[0]", 0, NULL);
    check_tensor(onnx_tensor_head("t", TP_ONNX_FLOAT, DIMS(0)), TP_ONNX_FLOAT, "[0]", 0, NULL);
}

static void typed_fields_are_read(void **state)
{
    (void)state;
    struct tp_buf t = onnx_tensor_head("t", TP_ONNX_FLOAT, DIMS(2));
    pb_bytes(&t, 4, (const float[]){ 1.5f, 2 }, 8);
    check_tensor(t, TP_ONNX_FLOAT, "[2]", WANT(1.5, 2));
    t = onnx_tensor_head("t", TP_ONNX_DOUBLE, DIMS(1));
    pb_bytes(&t, 10, (const double[]){ 0.1 }, 8);
    check_tensor(t, TP_ONNX_DOUBLE, "[1]", WANT(0.1));
    const struct { int type, field; int64_t least, most; } ints[] = {
        { TP_ONNX_INT8, 5, -128, 127 },       { TP_ONNX_UINT8, 5, 0, 255 },
        { TP_ONNX_INT16, 5, -32768, 32767 },  { TP_ONNX_UINT16, 5, 0, 65535 },
        { TP_ONNX_BOOL, 5, 0, 1 },            { TP_ONNX_INT32, 5, INT32_MIN, INT32_MAX },
        { TP_ONNX_UINT32, 11, 0, UINT32_MAX },
        { TP_ONNX_INT64, 7, INT64_MIN, (int64_t)1 << 52 },
        { TP_ONNX_UINT64, 11, 0, (int64_t)1 << 52 },
    };
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        check_tensor(typed(ints[i].type, DIMS(3), ints[i].field,
                           (const int64_t[]){ ints[i].least, 1, ints[i].most }, 3),
                     (enum tp_onnx_type)ints[i].type, "[3]",
                     WANT((double)ints[i].least, 1, (double)ints[i].most));
    check_tensor(typed(TP_ONNX_FLOAT16, DIMS(2), 5, (const int64_t[]){ 0x3C00, 0xC000 }, 2),
                 TP_ONNX_FLOAT16, "[2]", WANT(1, -2));
}

static void typed_fields_may_come_in_pieces_or_not_packed(void **state)
{
    (void)state;
    struct tp_buf t = onnx_tensor_head("t", TP_ONNX_FLOAT, DIMS(4));
    pb_bytes(&t, 4, (const float[]){ 1, 2 }, 8);
    pb_float(&t, 4, 3);
    pb_float(&t, 4, 4);
    check_tensor(t, TP_ONNX_FLOAT, "[4]", WANT(1, 2, 3, 4));
    t = onnx_tensor_head("t", TP_ONNX_INT64, DIMS(4));
    pb_int(&t, 7, -1);
    pb_packed(&t, 7, (const int64_t[]){ 300, 2 }, 2);
    pb_int(&t, 7, 70000);
    check_tensor(t, TP_ONNX_INT64, "[4]", WANT(-1, 300, 2, 70000));
}

static void varints_of_any_length_are_numbers(void **state)
{
    (void)state;
    struct tp_buf t = onnx_tensor_head("t", TP_ONNX_INT32, DIMS(3));
    pb_bytes(&t, 5, "\xFF\xFF\xFF\xFF\x0F" "\x81\x80\x00"
             "\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 21);
    check_tensor(t, TP_ONNX_INT32, "[3]", WANT(-1, 1, 1));
}

static void contents_that_do_not_fill_the_shape_are_refused(void **state)
{
    (void)state;
    check_refused(onnx_tensor("t", TP_ONNX_FLOAT, DIMS(64, 3, 7, 7), three, 3),
                  "shape [64, 3, 7, 7] needs 37632 bytes, raw_data has 3");
    check_refused(onnx_tensor("t", TP_ONNX_FLOAT16, DIMS(1), three, 3),
                  "shape [1] needs 2 bytes, raw_data has 3");
    check_refused(onnx_tensor("t", TP_ONNX_FLOAT, DIMS(1024, 1024, 1024), three, 3),
                  "shape [1024, 1024, 1024] needs 4294967296 bytes, raw_data has 3");
    check_refused(typed(TP_ONNX_INT64, DIMS((int64_t)1 << 32), 7, (const int64_t[]){ 1, 2 }, 2),
                  "shape [4294967296] needs 4294967296 elements, int64_data has 2");
    check_refused(typed(TP_ONNX_BOOL, DIMS(1), 5, (const int64_t[]){ 1, 1 }, 2),
                  "shape [1] needs 1 elements, int32_data has 2");
    check_refused(onnx_tensor_head("t", TP_ONNX_FLOAT, DIMS(2)),
                  "shape [2] needs 8 bytes, float_data has 0");
    struct tp_buf t = onnx_tensor_head("t", TP_ONNX_DOUBLE, DIMS(1));
    pb_bytes(&t, 10, "1234567", 7);
    check_refused(t, "shape [1] needs 8 bytes, double_data has 7");
    check_refused(typed(TP_ONNX_FLOAT, DIMS(1), 5, (const int64_t[]){ 1 }, 1),
                  "shape [1] needs 4 bytes, float_data has 0");
}

static void shapes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    check_refused(onnx_tensor("t", TP_ONNX_FLOAT, DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1), three, 3),
                  "9 dimensions; at most 8 are possible");
    check_refused(onnx_tensor("t", TP_ONNX_FLOAT, DIMS(2, -3), three, 3), "dimension 1 is -3");
    check_refused(onnx_tensor("t", TP_ONNX_FLOAT, DIMS((int64_t)1 << 62, 2), three, 3),
                  "shape [4611686018427387904, 2] has more elements than can be counted");
    check_refused(onnx_tensor("t", TP_ONNX_DOUBLE, DIMS((int64_t)1 << 62), three, 3),
                  "shape [4611686018427387904] has more elements than can be counted");
}

static void ambiguous_contents_are_refused(void **state)
{
    (void)state;
    struct tp_buf t = onnx_tensor("t", TP_ONNX_FLOAT, DIMS(1), (const float[]){ 1 }, 4);
    pb_float(&t, 4, 1);
    check_refused(t, "both raw_data and float_data; one was expected");
    t = onnx_tensor("t", TP_ONNX_UINT8, DIMS(3), three, 3);
    pb_bytes(&t, 9, three, 3);
    check_refused(t, "raw_data stands there twice");
    t = onnx_tensor("t", TP_ONNX_UINT8, DIMS(3), three, 3);
    pb_int(&t, 14, 2);
    check_refused(t, "data_location is 2; there are 0 and 1");
}

static void numbers_beyond_their_type_are_refused(void **state)
{
    (void)state;
    check_refused(typed(TP_ONNX_INT8, DIMS(1), 5, (const int64_t[]){ 128 }, 1),
                  "int32_data holds 128, which is no int8");
    check_refused(typed(TP_ONNX_UINT8, DIMS(1), 5, (const int64_t[]){ -1 }, 1),
                  "int32_data holds -1, which is no uint8");
    check_refused(typed(TP_ONNX_BOOL, DIMS(1), 5, (const int64_t[]){ 2 }, 1),
                  "int32_data holds 2, which is no bool");
    check_refused(typed(TP_ONNX_FLOAT16, DIMS(1), 5, (const int64_t[]){ 65536 }, 1),
                  "int32_data holds 65536, which is no float16");
    check_refused(typed(TP_ONNX_UINT32, DIMS(1), 11, (const int64_t[]){ (int64_t)1 << 32 }, 1),
                  "uint64_data holds 4294967296, which is no uint32");
    struct tp_buf t = onnx_tensor_head("t", TP_ONNX_INT32, DIMS(1));
    pb_bytes(&t, 5, "\x01\x80", 2);
    check_refused(t, "int32_data ends within a number");
}

static void other_elements_than_numbers_are_refused(void **state)
{
    (void)state;
    check_refused(onnx_tensor_head("t", TP_ONNX_STRING, DIMS(1)),
                  "tensor 't': its elements are string; numbers are read");
    check_refused(onnx_tensor("t", 16, DIMS(1), three, 2),
                  "tensor 't': its elements are bfloat16; numbers are read");
    check_refused(onnx_tensor(NULL, 99, DIMS(1), three, 2),
                  "tensor '': its elements are an unknown type; numbers are read");
    check_refused(onnx_tensor(NULL, -5, DIMS(1), three, 2),
                  "tensor '': its elements are an unknown type; numbers are read");
}

static void no_external_data_are_read_for_a_tensor_alone(void **state)
{
    (void)state;
    struct tp_buf t = onnx_tensor_head("t", TP_ONNX_FLOAT, DIMS(1)), entry = { 0 };
    pb_text(&entry, 1, "location");
    pb_text(&entry, 2, "a");
    pb_message(&t, 13, &entry);
    pb_int(&t, 14, 1);
    check_refused(t, "external data 'a' cannot be read here");
}

static void the_name_is_told(void **state)
{
    (void)state;
    struct tp_arena arena;
    struct tp_net_tensor t;
    struct tp_err err = { 0 };
    const char *name;
    struct tp_buf f = onnx_tensor("input_0", TP_ONNX_UINT8, DIMS(3), three, 3);
    tp_arena_init(&arena, 1 << 20);
    assert_true(tp_onnx_parse_tensor(&t, &name, f.data, f.n_bytes, &arena, &err));
    assert_string_equal(name, "input_0");
    assert_true((const char *)t.data < f.data || (const char *)t.data > f.data + f.n_bytes);
    tp_arena_fini(&arena);
    tp_buf_fini(&f);
}

static void files_may_end_at_any_byte(void **state)
{
    (void)state;
    struct tp_buf f = onnx_tensor("t", TP_ONNX_UINT8, DIMS(3), three, 3);
    for (size_t n = 0; n < f.n_bytes; n++) {
        struct tp_arena arena;
        struct tp_net_tensor t;
        struct tp_err err = { 0 };
        struct tp_buf part = { 0 };
        tp_buf_reserve(&part, 1);
        tp_buf_bytes(&part, f.data, n);
        tp_arena_init(&arena, 1 << 20);
        assert_false(try_tensor(&t, &part, &arena, &err));
        assert_true(err.message[0]);
        tp_arena_fini(&arena);
    }
    tp_buf_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_data_are_read),
        cmocka_unit_test(scalars_and_empty_tensors_are_tensors),
        cmocka_unit_test(typed_fields_are_read),
        cmocka_unit_test(typed_fields_may_come_in_pieces_or_not_packed),
        cmocka_unit_test(varints_of_any_length_are_numbers),
        cmocka_unit_test(contents_that_do_not_fill_the_shape_are_refused),
        cmocka_unit_test(shapes_that_cannot_be_are_refused),
        cmocka_unit_test(ambiguous_contents_are_refused),
        cmocka_unit_test(numbers_beyond_their_type_are_refused),
        cmocka_unit_test(other_elements_than_numbers_are_refused),
        cmocka_unit_test(no_external_data_are_read_for_a_tensor_alone),
        cmocka_unit_test(the_name_is_told),
        cmocka_unit_test(files_may_end_at_any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
