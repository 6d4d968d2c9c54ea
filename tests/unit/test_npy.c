/* test_npy.c - NumPy arrays: every header that NumPy writes, every wrong one refused by name. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/npy.h"

enum { MAX_ELEMENTS = 1 << 20 };

struct file { char *bytes; size_t n_bytes; };

/* A file of that version, header text and data bytes (0, 1, 2, ...), against a guard page. */
static struct file make(int version, const char *header, size_t data_bytes)
{
    size_t n = strlen(header), prefix = version == 1 ? 10 : 12;
    struct file f = { guarded(prefix + n + data_bytes), prefix + n + data_bytes };
    memcpy(f.bytes, "\x93NUMPY", 6);
    f.bytes[6] = (char)version;
    memset(f.bytes + 7, 0, prefix - 7);
    f.bytes[8] = (char)(n & 0xFF);
    f.bytes[9] = (char)(n >> 8);
    memcpy(f.bytes + prefix, header, n);
    for (size_t i = 0; i < data_bytes; i++) f.bytes[prefix + n + i] = (char)i;
    return f;
}

static void check_read(int version, const char *header, size_t data_bytes, enum tp_npy_type type,
                       const char *shape)
{
    struct file f = make(version, header, data_bytes);
    struct tp_npy npy;
    struct tp_err err = { 0 };
    assert_true(tp_npy_sniff(f.bytes, f.n_bytes));
    if (!tp_npy_parse(&npy, f.bytes, f.n_bytes, MAX_ELEMENTS, &err))
        fail_msg("%s: %s", header, err.message);
    assert_int_equal(npy.type, type);
    assert_string_equal(TP_SHAPE(&npy.shape), shape);
    assert_int_equal(npy.data_bytes, data_bytes);
    assert_ptr_equal((const char *)npy.data + data_bytes, f.bytes + f.n_bytes);
    guarded_free(f.bytes);
}

static void check_refused(int version, const char *header, size_t data_bytes, enum tp_code code,
                          const char *part)
{
    struct file f = make(version, header, data_bytes);
    struct tp_npy npy;
    struct tp_err err = { 0 };
    if (tp_npy_parse(&npy, f.bytes, f.n_bytes, MAX_ELEMENTS, &err)) fail_msg("%s was read", header);
    assert_int_equal(err.code, code);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    guarded_free(f.bytes);
}

static void every_version_is_read(void **state)
{
    (void)state;
    const char *header =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }          \n";
    for (int version = 1; version <= 3; version++)
        check_read(version, header, 24, TP_NPY_FLOAT32, "[1, 2, 3]");
}

static void headers_may_be_written_in_any_way(void **state)
{
    (void)state;
    check_read(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", 6, TP_NPY_UINT8,
               "[2, 3]");
    check_read(1, "{'descr': '<u1', 'fortran_order': False, 'shape': (5,)}", 5, TP_NPY_UINT8,
               "[5]");
    check_read(1, "{'shape':(2,1,),'fortran_order':False,'descr':\"<f4\"}", 8, TP_NPY_FLOAT32,
               "[2, 1]");
    check_read(1, " { 'shape' : ( 2L , 1L ) ,\t'descr' : '<f4' ,\n'fortran_order' : False } \r\n",
               8, TP_NPY_FLOAT32, "[2, 1]");
    check_read(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", 4, TP_NPY_FLOAT32,
               "[]");
    check_read(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,2)}\n", 8,
               TP_NPY_FLOAT32, "[1, 1, 1, 1, 1, 1, 1, 2]");
}

static void other_types_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const types[] = { ">f8", ">f4", "<f16", "<i8", "|b1",
                                         "|i1", "<U5", "|O",   "",    ">u1" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[128], part[200];
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (1,)}",
                 types[i]);
        snprintf(part, sizeof part, "dtype '%s'%s; float32 ('<f4'), float16, float64 and uint8 "
                 "('|u1') are read: array.astype(numpy.float32)", types[i],
                 types[i][0] == '>' ? " is big-endian" : "");
        check_refused(1, header, 8, TP_UNSUPPORTED_FORMAT, part);
    }
    check_refused(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4,
                  TP_UNSUPPORTED_FORMAT, "an array of records");
    check_refused(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", 4,
                  TP_UNSUPPORTED_FORMAT, "numpy.ascontiguousarray(array)");
}

static void data_must_be_all_there_and_no_more(void **state)
{
    (void)state;
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}";
    check_refused(1, header, 23, TP_INVALID_SHAPE,
                  "npy: 23 bytes of data; an array of [2, 3] has 24");
    check_refused(1, header, 25, TP_INVALID_SHAPE,
                  "npy: 25 bytes of data; an array of [2, 3] has 24");
    check_refused(1, header, 0, TP_INVALID_SHAPE,
                  "npy: 0 bytes of data; an array of [2, 3] has 24");
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct { const char *shape; enum tp_code code; const char *part; } cases[] = {
        { "(4294967296, 4294967296)", TP_TOO_LARGE, "has more than the 1048576 elements" },
        { "(1048577,)", TP_TOO_LARGE, "has more than the 1048576 elements" },
        { "(9223372036854775807, 2)", TP_TOO_LARGE, "has more than" },
        { "(9223372036854775808,)", TP_INVALID_ARGUMENT, "a size of 64 bits expected" },
        { "(0, 3)", TP_INVALID_SHAPE, "each must be at least 1" },
        { "(-1, 3)", TP_INVALID_ARGUMENT, "a size expected" },
        { "(1,1,1,1,1,1,1,1,1)", TP_INVALID_SHAPE, "more than 8 dimensions" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[160];
        snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': %s}",
                 cases[i].shape);
        check_refused(1, header, 4, cases[i].code, cases[i].part);
    }
}

static void broken_headers_are_refused_at_their_byte(void **state)
{
    (void)state;
    check_refused(1, "", 0, TP_INVALID_ARGUMENT, "byte 0 of the header: '{' expected");
    check_refused(1, "[]", 0, TP_INVALID_ARGUMENT, "byte 0 of the header: '{' expected");
    check_refused(1, "{descr: 1}", 0, TP_INVALID_ARGUMENT,
                  "byte 1 of the header: a string expected");
    check_refused(1, "{'descr", 0, TP_INVALID_ARGUMENT, "a closed string expected");
    check_refused(1, "{'descr' '<f4'}", 0, TP_INVALID_ARGUMENT, "':' expected");
    check_refused(1, "{'descr': '<f4' 'shape': ()}", 0, TP_INVALID_ARGUMENT, "',' or '}' expected");
    check_refused(1, "{'shape': [1]}", 0, TP_INVALID_ARGUMENT, "a tuple expected");
    check_refused(1, "{'shape': (1 2)}", 0, TP_INVALID_ARGUMENT, "',' or ')' expected");
    check_refused(1, "{'fortran_order': 0}", 0, TP_INVALID_ARGUMENT, "True or False expected");
    check_refused(1, "{'x': 0}", 0, TP_INVALID_ARGUMENT, "unknown key 'x'");
    check_refused(1, "{'shape': (), 'shape': ()}", 0, TP_INVALID_ARGUMENT, "a second key 'shape'");
    check_refused(1, "{'descr': '<f4', 'shape': ()}", 0, TP_INVALID_ARGUMENT,
                  "has no 'fortran_order'");
    check_refused(1, "{} x", 0, TP_INVALID_ARGUMENT, "the header's end expected");
    check_refused(1, "{}", 0, TP_INVALID_ARGUMENT, "has no 'descr'");
    check_refused(4, "{}", 0, TP_UNSUPPORTED_FORMAT,
                  "format version 4.0; versions 1.0, 2.0 and 3.0");
}

static const char good[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }  \n";

static void files_may_end_at_any_byte(void **state)
{
    (void)state;
    struct file f = make(2, good, 8);
    for (size_t n = 0; n < f.n_bytes; n++) {
        struct tp_npy npy;
        struct tp_err err = { 0 };
        char *copy = guarded(n);
        memcpy(copy, f.bytes, n);
        assert_false(tp_npy_parse(&npy, copy, n, MAX_ELEMENTS, &err));
        assert_int_not_equal(err.code, TP_OK);
        assert_int_equal(tp_npy_sniff(copy, n), n >= 6);
        guarded_free(copy);
    }
    guarded_free(f.bytes);
}

static void any_byte_may_be_wrong(void **state)
{
    (void)state;
    struct file f = make(1, good, 8);
    char *copy = guarded(f.n_bytes);
    uint32_t seed = 1;
    for (int i = 0; i < 50000; i++) {
        struct tp_npy npy;
        struct tp_err err = { 0 };
        memcpy(copy, f.bytes, f.n_bytes);
        for (uint32_t flips = 1 + next_random(&seed) % 3; flips; flips--)
            copy[next_random(&seed) % f.n_bytes] = (char)(next_random(&seed) >> 9);
        if (tp_npy_parse(&npy, copy, f.n_bytes, MAX_ELEMENTS, &err))
            assert_ptr_equal((const char *)npy.data + npy.data_bytes, copy + f.n_bytes);
        else
            assert_int_not_equal(err.code, TP_OK);
    }
    guarded_free(copy);
    guarded_free(f.bytes);
}

/* From an odd place, up to the last byte. */
static void every_type_becomes_floats(void **state)
{
    (void)state;
    static const float want[] = { 1, 0, -2, 65504, INFINITY };
    static const uint16_t halves[] = { 0x3C00, 0, 0xC000, 0x7BFF, 0x7C00 };
    static const double doubles[] = { 1, 1e-300, -2.00000000001, 65504, 1e300 };
    static const uint8_t bytes[] = { 1, 0, 254, 127, 255 };
    static const struct {
        enum tp_npy_type type;
        const void *data;
        size_t n_bytes;
    } cases[] = {
        { TP_NPY_FLOAT32, want, sizeof want },
        { TP_NPY_FLOAT16, halves, sizeof halves },
        { TP_NPY_FLOAT64, doubles, sizeof doubles },
        { TP_NPY_UINT8, bytes, sizeof bytes },
    };
    for (int i = 0; i < 4; i++) {
        float out[5];
        char *data = guarded(cases[i].n_bytes + 1);
        memcpy(data + 1, cases[i].data, cases[i].n_bytes);
        const struct tp_npy npy = { cases[i].type, { 1, { 5 } }, data + 1, cases[i].n_bytes };
        tp_npy_floats(&npy, out);
        for (int j = 0; j < 5; j++)
            assert_true(out[j] == (cases[i].type == TP_NPY_UINT8 ? (float)bytes[j] : want[j]));
        guarded_free(data);
    }
    check_read(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }\n", 12,
               TP_NPY_FLOAT16, "[2, 3]");
    check_read(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }\n", 24,
               TP_NPY_FLOAT64, "[1, 3]");
    check_refused(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }\n", 12,
                  TP_INVALID_SHAPE, "npy: 12 bytes of data; an array of [1, 3] has 24");
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    const struct tp_shape shapes[] = {
        { .rank = 0 },
        { 1, { 7 } },
        { 2, { 2, 3 } },
        { 4, { 1, 3, 3, 2 } },
        { 8, { 1, 1, 1, 1, 1, 1, 1, 1 } },
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int64_t n = tp_shape_elements(&shapes[i]);
        const struct tp_tensor t = { shapes[i], guarded_random(n, 1) };
        struct tp_buf b = { 0 };
        struct tp_npy npy;
        struct tp_err err = { 0 };
        tp_buf_text(&b, "before");
        tp_npy_write(&b, &t);
        const char *file = b.data + 6;
        if (!tp_npy_parse(&npy, file, b.n_bytes - 6, MAX_ELEMENTS, &err))
            fail_msg("%s", err.message);
        assert_true(tp_shape_equal(&npy.shape, &t.shape));
        assert_memory_equal(npy.data, t.data, (size_t)n * sizeof *t.data);
        assert_int_equal(((const char *)npy.data - file) % 64, 0);
        assert_int_equal(((const char *)npy.data)[-1], '\n');
        tp_buf_fini(&b);
        guarded_free(t.data);
    }
}

static void heads_are_of_any_type_and_shape(void **state)
{
    (void)state;
    const int64_t big = INT64_MAX;
    const struct tp_shape longest = { 8, { big, big, big, big, big, big, big, big } };
    static const char *const types[] = { "<f4", "<f2", "|u1" };
    for (int i = 0; i < 3; i++) {
        struct tp_buf b = { 0 };
        tp_npy_begin(&b, types[i], i ? &TP_SHAPE2(3, 4) : &longest);
        assert_int_equal(b.n_bytes, i ? 128 : TP_NPY_HEAD_BYTES);
        assert_memory_equal(b.data + 21, types[i], 3);
        assert_int_equal(b.data[b.n_bytes - 1], '\n');
        tp_buf_fini(&b);
    }
}

static void a_one_dimensional_shape_is_written_as_a_tuple(void **state)
{
    (void)state;
    const struct tp_tensor t = { { 1, { 2 } }, (float[]){ 1, 2 } };
    struct tp_buf b = { 0 };
    tp_npy_write(&b, &t);
    static const char want[] =
        "\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
    assert_memory_equal(b.data, want, sizeof want - 1);
    tp_buf_fini(&b);
}

static void a_full_buffer_is_left_alone(void **state)
{
    (void)state;
    const struct tp_tensor t = { { 1, { 2 } }, (float[]){ 1, 2 } };
    for (size_t limit = 1; limit < 136; limit++) {
        struct tp_buf b = { .limit_bytes = limit };
        tp_npy_write(&b, &t);
        assert_true(b.failed);
        tp_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_is_read),
        cmocka_unit_test(headers_may_be_written_in_any_way),
        cmocka_unit_test(other_types_are_refused_by_name),
        cmocka_unit_test(data_must_be_all_there_and_no_more),
        cmocka_unit_test(sizes_that_cannot_be_are_refused),
        cmocka_unit_test(broken_headers_are_refused_at_their_byte),
        cmocka_unit_test(files_may_end_at_any_byte),
        cmocka_unit_test(any_byte_may_be_wrong),
        cmocka_unit_test(every_type_becomes_floats),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(heads_are_of_any_type_and_shape),
        cmocka_unit_test(a_one_dimensional_shape_is_written_as_a_tuple),
        cmocka_unit_test(a_full_buffer_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
