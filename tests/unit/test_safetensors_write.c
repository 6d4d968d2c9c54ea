/* test_safetensors_write.c - answers as safetensors files, read back by our own reader, and where
 * it does not read a type, from the bytes that the header names. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"
#include "formats/safetensors_write.h"

enum { MAX_HEADER = 2000 };

struct file {
    struct tp_buf b;
    struct tp_arena arena;
    struct tp_safetensors *st;
    char header[MAX_HEADER + 1];
    const char *data;
};

static struct file write(const struct tp_answer_output *outputs, int n, enum tp_dtype type)
{
    const struct tp_answer a = { .model = "m\"1", .outputs = outputs, .n_outputs = n };
    struct file f = { 0 };
    struct tp_err err = { 0 };
    uint64_t length;
    tp_arena_init(&f.arena, 1 << 20);
    if (!tp_safetensors_write(&f.b, &a, type, 2, &err)) fail_msg("%s", err.message);
    if (!tp_safetensors_parse(&f.st, f.b.data, f.b.n_bytes, &f.arena, &err))
        fail_msg("%s", err.message);
    memcpy(&length, f.b.data, sizeof length);
    assert_true(length % 8 == 0 && length <= MAX_HEADER);
    memcpy(f.header, f.b.data + 8, length);
    f.data = f.b.data + 8 + length;
    return f;
}

static void fini(struct file *f)
{
    tp_buf_fini(&f->b);
    tp_arena_fini(&f->arena);
}

static void check_floats(struct file *f, const char *name, const char *shape, const float *want)
{
    struct tp_tensor t;
    struct tp_err err = { 0 };
    if (!tp_safetensors_read(f->st, name, &t, &f->arena, &err)) fail_msg("%s", err.message);
    assert_string_equal(TP_SHAPE(&t.shape), shape);
    assert_memory_equal(t.data, want, (size_t)tp_shape_elements(&t.shape) * sizeof *want);
}

/* The data of the header's entry. */
static const char *bytes_of(const struct file *f, const char *entry)
{
    const char *at = strstr(f->header, entry);
    if (!at) fail_msg("no %s in %s", entry, f->header);
    return f->data + strtol(strstr(at, "offsets\":[") + 10, NULL, 10);
}

static void must_have(const struct file *f, const char *part)
{
    if (!strstr(f->header, part)) fail_msg("no %s in %s", part, f->header);
}

static float x[] = { 1, 2, 3, 4, 5, 6 }, y[] = { 0.5f, -3 };

static void outputs_stand_under_their_names(void **state)
{
    (void)state;
    const struct tp_answer_output o[] = {
        { .name = "conv", .tensor = { TP_SHAPE4(1, 1, 3, 2), x } },
        { .name = "pool", .tensor = { TP_SHAPE4(1, 2, 1, 1), y }, .channels_first = true },
        { .name = "flat", .tensor = { TP_SHAPE2(2, 3), x } },
    };
    struct file f = write(o, 3, TP_FP32);
    check_floats(&f, "conv", "[1, 1, 3, 2]", x);
    check_floats(&f, "pool", "[1, 2, 1, 1]", y);
    check_floats(&f, "flat", "[2, 3]", x);
    must_have(&f, "{\"__metadata__\":{\"format\":\"tidepool\",\"model\":\"m\\\"1\","
                  "\"layout.conv\":\"NHWC\",\"layout.pool\":\"NCHW\"},");
    fini(&f);
    f = write(o, 3, TP_FP16);        /* these values are halves as well */
    check_floats(&f, "conv", "[1, 1, 3, 2]", x);
    check_floats(&f, "flat", "[2, 3]", x);
    must_have(&f, "\"conv\":{\"dtype\":\"F16\"");
    fini(&f);
}

static void bytes_have_scale_and_zero_beside_them(void **state)
{
    (void)state;
    float v[] = { 0, 10, 51, 10, 255, 10 };
    const struct tp_answer_output o[] = {
        { .name = "v", .tensor = { TP_SHAPE4(1, 1, 3, 2), v } },
        { .name = "w", .tensor = { TP_SHAPE2(1, 3), (float[]){ 7, 7, 7 } } },
    };
    struct file f = write(o, 2, TP_UINT8);
    check_floats(&f, "v.scale", "[1, 2]", (float[]){ 1, 0 });
    check_floats(&f, "v.zero", "[1, 2]", (float[]){ 0, 10 });
    check_floats(&f, "w.scale", "[1]", (float[]){ 0 });
    check_floats(&f, "w.zero", "[1]", (float[]){ 7 });
    assert_memory_equal(bytes_of(&f, "\"v\":{\"dtype\":\"U8\",\"shape\":[1,1,3,2]"),
                        "\0\0\63\0\377\0", 6);
    assert_memory_equal(bytes_of(&f, "\"w\":{\"dtype\":\"U8\""), "\0\0\0", 3);
    fini(&f);
}

static void places_of_maxima_are_whole_numbers(void **state)
{
    (void)state;
    const float places[] = { 16777216, 0 };
    const int64_t want[] = { 16777216, 0 };
    const struct tp_answer_output o[] = {
        { .name = "a", .tensor = { TP_SHAPE2(1, 3), x } },
        { .name = "b", .tensor = { TP_SHAPE2(1, 2), y }, .argmax = places },
    };
    for (int type = TP_FP32; type <= TP_UINT8; type++) {
        struct file f = write(o, 2, (enum tp_dtype)type);
        const char *at = bytes_of(&f, "\"b.argmax\":{\"dtype\":\"I64\",\"shape\":[1,2]");
        assert_ptr_equal(at, f.data);            /* the widest values come first */
        assert_memory_equal(at, want, sizeof want);
        fini(&f);
    }
}

static void a_name_that_is_taken_gets_a_number(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "a", "a.scale", "a", "__metadata__", "a#2", "" };
    static const char *const want[] = { "a", "a#2", "a.scale", "a#3", "__metadata__#2", "a#2#2",
                                        "" };
    struct tp_answer_output o[7];
    float v[7][1];
    for (int i = 0; i < 7; i++) {
        v[i][0] = (float)i;
        o[i] = (struct tp_answer_output){ .name = names[i], .tensor = { TP_SHAPE2(1, 1), v[i] } };
    }
    struct file f = write(o, 7, TP_FP32);
    for (int i = 0; i < 7; i++) check_floats(&f, want[i], "[1, 1]", v[i]);
    fini(&f);
    f = write(o, 3, TP_UINT8);       /* here a.scale is a's */
    check_floats(&f, "a.scale", "[1]", (float[]){ 0 });
    check_floats(&f, "a.scale#2.zero", "[1]", v[2]);
    fini(&f);
}

static void any_bytes_may_be_a_name(void **state)
{
    (void)state;
    const struct tp_answer_output o[] = {
        { .name = "a\"\\\n\x01", .tensor = { TP_SHAPE2(1, 2), y } },
        { .name = "\xff", .tensor = { TP_SHAPE2(1, 1), x } },
        { .name = "\xfe", .tensor = { TP_SHAPE4(1, 1, 1, 1), x + 1 } },
    };
    struct file f = write(o, 3, TP_FP32);
    check_floats(&f, "a\"\\\n\x01", "[1, 2]", y);
    check_floats(&f, "\uFFFD", "[1, 1]", x);     /* what is no UTF-8 reads so: both of them */
    check_floats(&f, "\uFFFD#2", "[1, 1, 1, 1]", x + 1);
    fini(&f);
}

static void a_full_buffer_is_an_error_at_any_byte(void **state)
{
    (void)state;
    const struct tp_answer_output o = { .name = "x", .tensor = { TP_SHAPE2(1, 6), x },
                                        .argmax = x };
    const struct tp_answer a = { .model = "m", .outputs = &o, .n_outputs = 1 };
    struct file f = write(&o, 1, TP_UINT8);
    for (size_t limit = 1; limit < f.b.n_bytes; limit++) {
        struct tp_buf b = { .limit_bytes = limit };
        struct tp_err err = { 0 };
        assert_false(tp_safetensors_write(&b, &a, TP_UINT8, 1, &err));
        assert_int_equal(err.code, TP_TOO_LARGE);
        tp_buf_fini(&b);
    }
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_stand_under_their_names),
        cmocka_unit_test(bytes_have_scale_and_zero_beside_them),
        cmocka_unit_test(places_of_maxima_are_whole_numbers),
        cmocka_unit_test(a_name_that_is_taken_gets_a_number),
        cmocka_unit_test(any_bytes_may_be_a_name),
        cmocka_unit_test(a_full_buffer_is_an_error_at_any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
