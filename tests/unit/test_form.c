/* test_form.c - the forms of an answer: their names, what they hold, and the bytes of those that
 * hold one output. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "formats/form.h"
#include "formats/npy.h"

/* ---- names ----------------------------------------------------------------------------------- */

static void a_form_has_a_name_a_type_and_a_suffix(void **state)
{
    (void)state;
    static const char *const names[] = { "json", "npy", "safetensors", "binary", "png" };
    for (int i = 0; i < TP_N_FORMS; i++) {
        enum tp_form form;
        struct tp_err err = { 0 };
        const char *type = tp_form_type((enum tp_form)i);
        assert_true(tp_form_read(names[i], &form, &err));
        assert_int_equal(form, i);
        assert_string_equal(tp_form_name(form), names[i]);
        assert_true(tp_form_of_type(type, strlen(type), &form));
        assert_int_equal(form, i);
        assert_false(tp_form_of_type(type, strlen(type) - 1, &form));
        assert_int_equal(tp_form_suffix(form)[0], '.');
    }
    enum tp_form form;
    assert_true(tp_form_of_type("Image/PNG;q=1", 9, &form));
    assert_int_equal(form, TP_FORM_PNG);
    assert_false(tp_form_of_type("", 0, &form));
    assert_string_equal(tp_form_suffix(TP_FORM_BINARY), ".bin");
}

static void wrong_names_are_refused_with_those_there_are(void **state)
{
    (void)state;
    enum tp_form form;
    enum tp_dtype type;
    struct tp_err err = { 0 }, other = { 0 };
    assert_false(tp_form_read("NPY", &form, &err));
    assert_string_equal(err.message,
                        "format=NPY: expected json, npy, safetensors, binary or png");
    assert_false(tp_form_read_dtype("int8", &type, &other));
    assert_string_equal(other.message, "dtype=int8: expected fp32, fp16 or uint8");
    assert_true(tp_form_read_dtype("uint8", &type, &err));
    assert_int_equal(type, TP_UINT8);
}

/* ---- what a form holds ----------------------------------------------------------------------- */

static void check_refused(const struct tp_answer *a, enum tp_form form, enum tp_dtype type,
                          const char *part)
{
    struct tp_err err = { 0 };
    if (tp_form_check(a, form, type, &err)) fail_msg("not refused: %s", part);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
}

static void what_a_form_cannot_hold_is_refused_before_there_are_values(void **state)
{
    (void)state;
    static const float argmax[1];
    const struct tp_answer_output two[] = {
        { .name = "a", .tensor = { TP_SHAPE2(1, 2), NULL } },
        { .name = "b", .tensor = { TP_SHAPE2(1, 3), NULL }, .argmax = argmax },
    };
    const struct tp_answer both = { .outputs = two, .n_outputs = 2 };
    const struct tp_answer first = { .outputs = two, .n_outputs = 1 };
    const struct tp_answer second = { .outputs = two + 1, .n_outputs = 1 };
    struct tp_err err = { 0 };
    for (int type = TP_FP32; type <= TP_UINT8; type++) {
        assert_true(tp_form_check(&both, TP_FORM_SAFETENSORS, (enum tp_dtype)type, &err));
        assert_true(tp_form_check(&first, TP_FORM_NPY, (enum tp_dtype)type, &err));
        assert_true(tp_form_check(&first, TP_FORM_BINARY, (enum tp_dtype)type, &err));
    }
    assert_true(tp_form_check(&both, TP_FORM_JSON, TP_FP32, &err));
    assert_true(tp_form_check(&first, TP_FORM_PNG, TP_FP32, &err));
    const struct tp_answer_output twice[] = { two[0], two[0] };
    check_refused(&(struct tp_answer){ .outputs = twice, .n_outputs = 2 }, TP_FORM_NPY, TP_FP32,
                  "format=npy holds one output, and there are 2; format=safetensors holds them "
                  "all, concat=true makes one of them");
    check_refused(&second, TP_FORM_NPY, TP_FP32, "argmax: format=npy has no room for it");
    check_refused(&second, TP_FORM_BINARY, TP_FP32, "ask for json or safetensors");
    check_refused(&second, TP_FORM_PNG, TP_FP32, "argmax: format=png");
    check_refused(&first, TP_FORM_JSON, TP_FP16, "dtype=fp16: not of format=json");
    check_refused(&first, TP_FORM_PNG, TP_UINT8, "dtype=uint8: not of format=png");
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static const char *header(const struct tp_head *h, const char *name)
{
    for (int i = 0; i < h->n; i++)
        if (!strcmp(h->headers[i].name, name)) return h->headers[i].value;
    return NULL;
}

static struct tp_buf write(const struct tp_answer_output *o, enum tp_form form, enum tp_dtype type,
                           struct tp_head *head)
{
    const struct tp_answer a = { .model = "m", .outputs = o, .n_outputs = 1 };
    struct tp_buf b = { 0 };
    struct tp_err err = { 0 };
    *head = (struct tp_head){ 0 };
    tp_buf_text(&b, "!");            /* an odd place */
    if (!tp_form_check(&a, form, type, &err) ||
        !tp_form_write(&b, head, &a, form, type, 2, &err)) fail_msg("%s", err.message);
    assert_string_equal(head->content_type, tp_form_type(form));
    return b;
}

static void check_headers(const struct tp_head *h, const char *shape, const char *type,
                          const char *layout, const char *maps)
{
    assert_string_equal(header(h, "X-Tensor-Shape"), shape);
    assert_string_equal(header(h, "X-Tensor-Datatype"), type);
    assert_int_equal(!header(h, "X-Tensor-Layout"), !layout);
    if (layout) assert_string_equal(header(h, "X-Tensor-Layout"), layout);
    assert_int_equal(!header(h, "X-Tensor-Scale-Shape"), !maps);
    if (maps) assert_string_equal(header(h, "X-Tensor-Scale-Shape"), maps);
}

static void binary_is_the_values_and_headers_say_what_they_are(void **state)
{
    (void)state;
    float x[6] = { 0, 1, 2, 3, 4, 255 };
    const struct tp_answer_output o = { .name = "x", .tensor = { TP_SHAPE4(1, 1, 3, 2), x } };
    const struct tp_answer_output first = { .name = "x", .tensor = { TP_SHAPE4(1, 1, 3, 2), x },
                                            .channels_first = true };
    const struct tp_answer_output flat = { .name = "x", .tensor = { TP_SHAPE2(1, 6), x } };
    struct tp_head h;
    struct tp_buf b = write(&o, TP_FORM_BINARY, TP_FP32, &h);
    check_headers(&h, "1,1,3,2", "FP32", "NHWC", NULL);
    assert_int_equal(b.n_bytes, 1 + sizeof x);
    assert_memory_equal(b.data + 1, x, sizeof x);
    tp_buf_fini(&b);

    b = write(&first, TP_FORM_BINARY, TP_FP16, &h);
    check_headers(&h, "1,1,3,2", "FP16", "NCHW", NULL);
    assert_int_equal(b.n_bytes, 1 + 12);
    for (int i = 0; i < 6; i++) {
        uint16_t half;
        memcpy(&half, b.data + 1 + 2 * i, sizeof half);
        assert_true(tp_half_float(half) == x[i]);
    }
    tp_buf_fini(&b);

    const float ruler[] = { 1, 0 };
    b = write(&flat, TP_FORM_BINARY, TP_UINT8, &h);
    check_headers(&h, "1,6", "UINT8", NULL, "1");
    assert_int_equal(b.n_bytes, 1 + 6 + sizeof ruler);
    assert_memory_equal(b.data + 1, "\0\1\2\3\4\377", 6);
    assert_memory_equal(b.data + 7, ruler, sizeof ruler);
    tp_buf_fini(&b);
    b = write(&o, TP_FORM_BINARY, TP_UINT8, &h);
    check_headers(&h, "1,1,3,2", "UINT8", "NHWC", "1,2");
    assert_int_equal(b.n_bytes, 1 + 6 + 16);
    tp_buf_fini(&b);
}

static void npy_is_one_array_or_three_in_a_row(void **state)
{
    (void)state;
    float x[6] = { 0, 1, 2, 3, 4, 255 };
    const struct tp_answer_output o = { .name = "x", .tensor = { TP_SHAPE4(2, 3, 1, 1), x } };
    struct tp_head h;
    struct tp_npy npy;
    struct tp_err err = { 0 };
    struct tp_buf b = write(&o, TP_FORM_NPY, TP_FP32, &h);
    check_headers(&h, "2,3,1,1", "FP32", "NHWC", NULL);
    assert_true(tp_npy_parse(&npy, b.data + 1, b.n_bytes - 1, 100, &err));
    assert_int_equal(npy.type, TP_NPY_FLOAT32);
    assert_string_equal(TP_SHAPE(&npy.shape), "[2, 3, 1, 1]");
    assert_memory_equal(npy.data, x, sizeof x);
    tp_buf_fini(&b);

    static const struct { size_t data_bytes; const char *shape; const char *descr; } arrays[] = {
        { 6, "[2, 3, 1, 1]", "|u1" }, { 8, "[2, 1]", "<f4" }, { 8, "[2, 1]", "<f4" },
    };
    b = write(&o, TP_FORM_NPY, TP_UINT8, &h);
    check_headers(&h, "2,3,1,1", "UINT8", "NHWC", "2,1");
    size_t at = 1;
    for (int i = 0; i < 3; i++) {
        if (!tp_npy_parse(&npy, b.data + at, 128 + arrays[i].data_bytes, 100, &err))
            fail_msg("%s", err.message);
        assert_string_equal(TP_SHAPE(&npy.shape), arrays[i].shape);
        assert_memory_equal(b.data + at + 21, arrays[i].descr, 3);
        at += 128 + arrays[i].data_bytes;
    }
    assert_int_equal(at, b.n_bytes);
    tp_buf_fini(&b);
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    float x[4] = { 0 };
    const struct tp_answer_output o = { .name = "x", .tensor = { TP_SHAPE4(1, 2, 1, 2), x } };
    const struct tp_answer a = { .model = "m", .outputs = &o, .n_outputs = 1 };
    for (int form = TP_FORM_NPY; form < TP_N_FORMS; form++) {
        struct tp_buf b = { .limit_bytes = 15 };
        struct tp_head head = { 0 };
        struct tp_err err = { 0 };
        assert_false(tp_form_write(&b, &head, &a, (enum tp_form)form, TP_FP32, 1, &err));
        assert_int_equal(err.code, TP_TOO_LARGE);
        assert_non_null(strstr(err.message, "limit of 15 bytes"));
        tp_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_has_a_name_a_type_and_a_suffix),
        cmocka_unit_test(wrong_names_are_refused_with_those_there_are),
        cmocka_unit_test(what_a_form_cannot_hold_is_refused_before_there_are_values),
        cmocka_unit_test(binary_is_the_values_and_headers_say_what_they_are),
        cmocka_unit_test(npy_is_one_array_or_three_in_a_row),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
