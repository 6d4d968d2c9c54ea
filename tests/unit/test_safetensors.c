/* test_safetensors.c - weight files: every number type converts exactly, every offset is checked.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"

/* One file of that header and data, against a guard page, parsed. */
struct opened {
    struct tp_safetensors *st;
    struct tp_arena arena;
    struct tp_err err;
    char *bytes;
    size_t n_bytes;
    bool ok;
};

static struct opened open_file(const char *header, const void *data, size_t data_bytes)
{
    uint64_t n = strlen(header);
    struct opened o = { .n_bytes = 8 + n + data_bytes };
    o.bytes = guarded(o.n_bytes);
    memcpy(o.bytes, &n, 8);
    memcpy(o.bytes + 8, header, n);
    if (data_bytes) memcpy(o.bytes + 8 + n, data, data_bytes);
    tp_arena_init(&o.arena, 16 << 20);
    o.ok = tp_safetensors_parse(&o.st, o.bytes, o.n_bytes, &o.arena, &o.err);
    return o;
}

static void close_file(struct opened *o)
{
    tp_arena_fini(&o->arena);
    guarded_free(o->bytes);
}

static void check_read(struct opened *o, const char *name, const char *shape, const float *want)
{
    struct tp_tensor t;
    if (!o->ok || !tp_safetensors_read(o->st, name, &t, &o->arena, &o->err))
        fail_msg("%s", o->err.message);
    assert_string_equal(TP_SHAPE(&t.shape), shape);
    int64_t n = tp_shape_elements(&t.shape);
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&t.data[i], &want[i], sizeof *want))
            fail_msg("%s: element %lld is %.9g, expected %.9g", name, (long long)i,
                     (double)t.data[i], (double)want[i]);
}

static void check_refused(const char *header, size_t data_bytes, const char *message)
{
    static const char zeros[64];
    struct opened o = open_file(header, zeros, data_bytes);
    if (o.ok) fail_msg("%s was read", header);
    assert_string_equal(o.err.message, message);
    close_file(&o);
}

static void tensors_are_found_by_name(void **state)
{
    (void)state;
    const float data[] = { 1, 2, 3, 4, 5, 6, 7 };
    struct opened o =
        open_file("{\"__metadata__\":{\"format\":\"pt\"},"
                  "\"b\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[8,24]},"
                  "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                  "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[24,28]}}  ",
                  data, sizeof data);
    check_read(&o, "a", "[2]", data);
    check_read(&o, "b", "[2, 2]", data + 2);
    check_read(&o, "scalar", "[]", data + 6);
    close_file(&o);
}

static void halves_convert_exactly(void **state)
{
    (void)state;
    const uint16_t half[] = { 0x0000, 0x8000, 0x3C00, 0xC000, 0x3555, 0x7BFF,
                              0x0400, 0x0001, 0x83FF, 0x7C00, 0xFC00 };
    const float want[] = { 0,        -0.0f,           1,
                           -2,       0.333251953125f, 65504,
                           0x1p-14f, 0x1p-24f,        -1023 * 0x1p-24f,
                           INFINITY, -INFINITY };
    struct opened o = open_file(
        "{\"h\":{\"dtype\":\"F16\",\"shape\":[11],\"data_offsets\":[0,22]}}", half, sizeof half);
    check_read(&o, "h", "[11]", want);
    close_file(&o);
}

/* All 65536, by the formula of IEEE 754. */
static void every_half_is_its_value(void **state)
{
    (void)state;
    uint16_t *half = malloc(65536 * sizeof *half);
    for (int i = 0; i < 65536; i++) half[i] = (uint16_t)i;
    struct opened o =
        open_file("{\"h\":{\"dtype\":\"F16\",\"shape\":[65536],\"data_offsets\":[0,131072]}}", half,
                  65536 * sizeof *half);
    struct tp_tensor t;
    assert_true(tp_safetensors_read(o.st, "h", &t, &o.arena, &o.err));
    for (int i = 0; i < 65536; i++) {
        int exponent = i >> 10 & 31, fraction = i & 1023;
        double want = exponent == 31 ? (fraction ? NAN : INFINITY) :
                      exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        if (i & 0x8000) want = -want;
        if (isnan(want) ? !isnan(t.data[i])
                        : t.data[i] != (float)want || !signbit(t.data[i]) != !(i >> 15))
            fail_msg("0x%04X is read as %g, expected %g", (unsigned)i, (double)t.data[i], want);
    }
    close_file(&o);
    free(half);
}

static void bfloats_and_doubles_convert(void **state)
{
    (void)state;
    const uint16_t b[] = { 0x3F80, 0xC040, 0x0001, 0x7F80 };
    const float want_b[] = { 1, -3, 0x1p-133f, INFINITY };
    struct opened o =
        open_file("{\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}}", b, sizeof b);
    check_read(&o, "b", "[4]", want_b);
    close_file(&o);
    const double d[] = { 0.1, -1e300, 1e-300, 3 };
    const float want_d[] = { 0.1f, -INFINITY, 0, 3 };
    o = open_file("{\"d\":{\"dtype\":\"F64\",\"shape\":[2,2],\"data_offsets\":[0,32]}}", d,
                  sizeof d);
    check_read(&o, "d", "[2, 2]", want_d);
    close_file(&o);
}

static void other_types_are_refused_when_asked_for(void **state)
{
    (void)state;
    const float data[] = { 1, 2 };
    struct tp_tensor t;
    struct opened o = open_file("{\"i\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                                "\"f\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                                data, 8);
    check_read(&o, "f", "[1]", data + 1);
    assert_false(tp_safetensors_read(o.st, "i", &t, &o.arena, &o.err));
    assert_string_equal(o.err.message,
                        "safetensors: tensor 'i' is I32; F32, F16, BF16 and F64 are read");
    close_file(&o);
}

static void a_missing_name_is_answered_with_those_there_are(void **state)
{
    (void)state;
    struct tp_tensor t;
    struct opened o = open_file(
        "{\"conv.kernel\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", NULL, 0);
    assert_true(o.ok);
    assert_false(tp_safetensors_read(o.st, "kernel", &t, &o.arena, &o.err));
    assert_int_equal(o.err.code, TP_NOT_FOUND);
    assert_string_equal(o.err.message, "safetensors: no tensor 'kernel'; there is 'conv.kernel'");
    close_file(&o);
    o = open_file("{}", NULL, 0);
    assert_false(tp_safetensors_read(o.st, "kernel", &t, &o.arena, &o.err));
    assert_string_equal(o.err.message, "safetensors: no tensor 'kernel'; there are none");
    close_file(&o);
}

static void offsets_and_sizes_are_checked(void **state)
{
    (void)state;
    check_refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", 8,
        "safetensors: tensor 'a': data_offsets must be [begin, end] within the 8 bytes of data (is "
        "the file truncated?)");
    check_refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,4]}}", 8,
        "safetensors: tensor 'a': data_offsets must be [begin, end] within the 8 bytes of data (is "
        "the file truncated?)");
    check_refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 8,
        "safetensors: tensor 'a': data_offsets must be [begin, end] within the 8 bytes of data (is "
        "the file truncated?)");
    check_refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 8,
        "safetensors: tensor 'a': data_offsets must be [begin, end] within the 8 bytes of data (is "
        "the file truncated?)");
    check_refused("{\"a\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,4]}}", 8,
                  "safetensors: tensor 'a': 4 bytes of data do not make [2, 2] of F16");
    check_refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 8,
        "safetensors: tensor 'a': 0 bytes of data do not make [4611686018427387904, 4] of F32");
    check_refused(
        "{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 8,
        "safetensors: tensor 'a': 0 bytes of data do not make [2305843009213693952] of F64");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1,-2],\"data_offsets\":[0,8]}}", 8,
                  "safetensors: tensor 'a': shape [any, -2] has a negative dimension");
}

static void tensors_may_leave_holes_and_not_overlap(void **state)
{
    (void)state;
    const float data[] = { 1, 2, 3 };
    struct opened o = open_file("{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
                                "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                                data, 12);
    check_read(&o, "b", "[1]", data + 2);
    close_file(&o);
    check_refused("{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]},"
                  "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 12,
                  "safetensors: tensors 'a' and 'b' overlap");
}

static void wrong_headers_are_refused(void **state)
{
    (void)state;
    check_refused("[1]", 0, "safetensors: the header is an array of numbers; it must be an object");
    check_refused("{\"a\":1}", 0, "safetensors: tensor 'a': an object was expected, got a number");
    check_refused("{\"a\":{}}", 0, "safetensors: tensor 'a': unknown dtype nothing");
    check_refused("{\"a\":{\"dtype\":\"F128\"}}", 0, "safetensors: tensor 'a': unknown dtype F128");
    check_refused("{\"a\":{\"dtype\":\"F32\"}}", 0,
                  "safetensors: tensor 'a': an array of integers was expected, got nothing");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1]}}", 0,
                  "safetensors: tensor 'a': at most 8 integers are possible, got 9");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5]}}", 0,
                  "safetensors: tensor 'a': byte 29: '1.5' is not an integer of 64 bits");
    check_refused("", 0, "safetensors header: byte 0: empty; a JSON document was expected");
    check_refused("{\"a\":1,\"a\":1}", 0,
                  "safetensors header: byte 7: the key \"a\" stands there twice");
}

static const char small[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}}";

static void files_may_end_at_any_byte(void **state)
{
    (void)state;
    const float data[] = { 1, 2 };
    struct opened o = open_file(small, data, sizeof data);
    assert_true(o.ok);
    for (size_t n = 0; n < o.n_bytes; n++) {
        struct tp_safetensors *st;
        struct tp_err err = { 0 };
        char *copy = guarded(n);
        memcpy(copy, o.bytes, n);
        assert_false(tp_safetensors_parse(&st, copy, n, &o.arena, &err));
        assert_int_equal(err.code, TP_INVALID_MODEL);
        guarded_free(copy);
    }
    close_file(&o);
}

static void a_header_length_of_any_size_is_judged(void **state)
{
    (void)state;
    static const uint64_t lengths[] = { UINT64_MAX, UINT64_MAX - 7, (uint64_t)INT64_MAX, 1u << 30,
                                        65 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *bytes = guarded(72);
        struct tp_safetensors *st;
        struct tp_arena arena;
        struct tp_err err = { 0 };
        memcpy(bytes, &lengths[i], 8);
        tp_arena_init(&arena, 1 << 20);
        assert_false(tp_safetensors_parse(&st, bytes, 72, &arena, &err));
        assert_non_null(strstr(err.message, "not a safetensors file, or truncated"));
        tp_arena_fini(&arena);
        guarded_free(bytes);
    }
}

static void any_byte_may_be_wrong(void **state)
{
    (void)state;
    const float data[] = { 1, 2 };
    struct opened o = open_file(small, data, sizeof data);
    char *copy = guarded(o.n_bytes);
    uint32_t seed = 1;
    for (int i = 0; i < 10000; i++) {
        struct tp_safetensors *st;
        struct tp_arena arena;
        struct tp_tensor t;
        struct tp_err err = { 0 };
        memcpy(copy, o.bytes, o.n_bytes);
        for (uint32_t flips = 1 + next_random(&seed) % 2; flips; flips--)
            copy[next_random(&seed) % (o.n_bytes - 8)] = (char)(next_random(&seed) >> 9);
        tp_arena_init(&arena, 1 << 20);
        if (tp_safetensors_parse(&st, copy, o.n_bytes, &arena, &err) &&
            tp_safetensors_read(st, "a", &t, &arena, &err))
            assert_in_range(tp_shape_elements(&t.shape), 0, 8);
        tp_arena_fini(&arena);
    }
    guarded_free(copy);
    close_file(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_found_by_name),
        cmocka_unit_test(halves_convert_exactly),
        cmocka_unit_test(every_half_is_its_value),
        cmocka_unit_test(bfloats_and_doubles_convert),
        cmocka_unit_test(other_types_are_refused_when_asked_for),
        cmocka_unit_test(a_missing_name_is_answered_with_those_there_are),
        cmocka_unit_test(offsets_and_sizes_are_checked),
        cmocka_unit_test(tensors_may_leave_holes_and_not_overlap),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(files_may_end_at_any_byte),
        cmocka_unit_test(a_header_length_of_any_size_is_judged),
        cmocka_unit_test(any_byte_may_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
