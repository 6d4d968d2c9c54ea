/* test_base64.c - RFC 4648's own vectors both ways, both alphabets, data: URIs, and what is no
 * base64. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/base64.h"

/* Decodes n bytes of text against a guard page; NULL when it was refused. */
static const uint8_t *decode(struct tp_arena *arena, struct tp_err *err, const char *text, size_t n,
                             size_t *n_out)
{
    const uint8_t *out = NULL;
    char *copy = guarded(n);
    memcpy(copy, text, n);
    bool ok = tp_base64_decode(&out, n_out, copy, n, "image", arena, err);
    assert_int_equal(ok, err->code == TP_OK);
    guarded_free(copy);
    return ok ? out : NULL;
}

static void check_decoded(const char *text, const char *want, size_t n_want)
{
    struct tp_arena arena;
    struct tp_err err = { 0 };
    size_t n = 0;
    tp_arena_init(&arena, 1 << 20);
    const uint8_t *got = decode(&arena, &err, text, strlen(text), &n);
    if (!got) fail_msg("'%s': %s", text, err.message);
    assert_int_equal(n, n_want);
    assert_memory_equal(got, want, n);
    tp_arena_fini(&arena);
}

static void check_refused(const char *text, const char *message)
{
    struct tp_arena arena;
    struct tp_err err = { 0 };
    size_t n = 0;
    tp_arena_init(&arena, 1 << 20);
    if (decode(&arena, &err, text, strlen(text), &n)) fail_msg("'%s' was decoded", text);
    assert_string_equal(err.message, message);
    tp_arena_fini(&arena);
}

static void the_vectors_of_rfc_4648_decode(void **state)
{
    (void)state;
    check_decoded("Zg==", "f", 1);
    check_decoded("Zm8=", "fo", 2);
    check_decoded("Zm9v", "foo", 3);
    check_decoded("Zm9vYg==", "foob", 4);
    check_decoded("Zm9vYmE=", "fooba", 5);
    check_decoded("Zm9vYmFy", "foobar", 6);
}

static void padding_is_optional(void **state)
{
    (void)state;
    check_decoded("Zg", "f", 1);
    check_decoded("Zm8", "fo", 2);
    check_decoded("Zm9vYmE", "fooba", 5);
}

static void both_alphabets_decode(void **state)
{
    (void)state;
    check_decoded("+/+/", "\xFB\xFF\xBF", 3);
    check_decoded("-_-_", "\xFB\xFF\xBF", 3);
}

static void blanks_are_skipped_anywhere(void **state)
{
    (void)state;
    check_decoded(" Z\nm\r\n9\tvY mE =\n", "fooba", 5);
    check_decoded("Zm9v\r\nYmFy\r\n", "foobar", 6);
    check_decoded("Zg=\n=", "f", 1);
}

static void the_head_of_a_data_uri_is_taken_off(void **state)
{
    (void)state;
    check_decoded("data:image/png;base64,Zm9v", "foo", 3);
    check_decoded("DATA:;BASE64,Zm9v", "foo", 3);
    check_decoded("data:image/jpeg;name=a;base64,Zm9v", "foo", 3);
    check_refused("data:image/png,Zm9v",
                  "image: a data: URI that is not base64; it must begin like "
                  "data:image/png;base64,");
    check_refused(
        "data:,",
        "image: a data: URI that is not base64; it must begin like data:image/png;base64,");
    check_refused("data:image/png;base64", "image: a data: URI without a comma");
}

static void what_is_no_base64_is_named_with_its_byte(void **state)
{
    (void)state;
    check_refused("Zm9v!m9v", "image: byte 4: 0x21 does not belong into base64 there");
    check_refused("Zm9v\xFF", "image: byte 4: 0xFF does not belong into base64 there");
    check_refused("data:;base64,Zm9.", "image: byte 16: 0x2E does not belong into base64 there");
    check_refused("=", "image: byte 0: 0x3D does not belong into base64 there");
    check_refused("Z===", "image: byte 1: 0x3D does not belong into base64 there");
    check_refused("Zg===", "image: byte 4: 0x3D does not belong into base64 there");
    check_refused("Zg==Zg==", "image: byte 4: 0x5A does not belong into base64 there");
    check_refused("Zm9v=", "image: byte 4: 0x3D does not belong into base64 there");
}

static void what_is_cut_off_is_refused(void **state)
{
    (void)state;
    check_refused("Zm9vY", "image: the base64 is cut off at byte 5");
    check_refused("Zg=", "image: the base64 is cut off at byte 3");
    check_refused("", "image: empty; base64 was expected");
    check_refused(" \n", "image: empty; base64 was expected");
    check_refused("data:;base64,", "image: empty; base64 was expected");
}

static void any_length_decodes_and_may_end_at_any_byte(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[100];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(next_random(&seed) >> 11);
    char text[sizeof bytes / 3 * 4 + 8];
    size_t length = 0;
    for (size_t i = 0; i + 3 <= 99; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6) text[length++] = digits[bits >> shift & 63];
    }
    for (size_t n = 1; n <= length; n++) {
        struct tp_arena arena;
        struct tp_err err = { 0 };
        size_t n_out = 0;
        tp_arena_init(&arena, 1 << 16);
        const uint8_t *out = decode(&arena, &err, text, n, &n_out);
        assert_int_equal(out != NULL, n % 4 != 1);
        if (out) {
            assert_int_equal(n_out, n * 3 / 4);
            assert_memory_equal(out, bytes, n_out);
        }
        tp_arena_fini(&arena);
    }
}

static void any_bytes_are_answered(void **state)
{
    (void)state;
    uint32_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        char text[40];
        size_t n = next_random(&seed) % sizeof text, n_out = 0;
        struct tp_arena arena;
        struct tp_err err = { 0 };
        for (size_t k = 0; k < n; k++) text[k] = "AZaz09+/-_= \n!,:\x80"[next_random(&seed) % 17];
        tp_arena_init(&arena, 1 << 16);
        if (decode(&arena, &err, text, n, &n_out)) assert_in_range(n_out, 1, n);
        tp_arena_fini(&arena);
    }
}

static void the_arenas_limit_holds(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *text = malloc(N);
    struct tp_arena arena;
    struct tp_err err = { 0 };
    size_t n;
    memset(text, 'A', N);
    tp_arena_init(&arena, 50000);
    assert_null(decode(&arena, &err, text, N, &n));
    assert_int_equal(err.code, TP_TOO_LARGE);
    tp_arena_fini(&arena);
    free(text);
}

static void bytes_become_padded_text(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=",
                                         "Zm9vYmFy" };
    for (size_t n = 0; n <= 6; n++) {
        struct tp_buf b = { 0 };
        uint8_t *copy = guarded(n);
        memcpy(copy, "foobar", n);
        tp_buf_text(&b, "\"");
        tp_base64_write(&b, copy, n);
        tp_buf_bytes(&b, "", 1);
        assert_string_equal(b.data + 1, texts[n]);
        tp_buf_fini(&b);
        guarded_free(copy);
    }
    struct tp_buf b = { 0 }, full = { .limit_bytes = 7 };
    tp_base64_write(&b, "\xFB\xFF\xBF", 3);
    assert_memory_equal(b.data, "+/+/", 4);
    tp_buf_fini(&b);
    tp_base64_write(&full, "foobar", 6);
    assert_true(full.failed);
    tp_buf_fini(&full);
}

static void what_is_written_decodes(void **state)
{
    (void)state;
    uint32_t seed = 5;
    for (size_t n = 1; n < 200; n++) {
        struct tp_buf b = { 0 };
        struct tp_arena arena;
        struct tp_err err = { 0 };
        uint8_t bytes[200];
        size_t n_out = 0;
        for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(next_random(&seed) >> 9);
        tp_base64_write(&b, bytes, n);
        tp_arena_init(&arena, 1 << 16);
        const uint8_t *out = decode(&arena, &err, b.data, b.n_bytes, &n_out);
        assert_int_equal(n_out, n);
        assert_memory_equal(out, bytes, n);
        tp_arena_fini(&arena);
        tp_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_decode),
        cmocka_unit_test(padding_is_optional),
        cmocka_unit_test(both_alphabets_decode),
        cmocka_unit_test(blanks_are_skipped_anywhere),
        cmocka_unit_test(the_head_of_a_data_uri_is_taken_off),
        cmocka_unit_test(what_is_no_base64_is_named_with_its_byte),
        cmocka_unit_test(what_is_cut_off_is_refused),
        cmocka_unit_test(any_length_decodes_and_may_end_at_any_byte),
        cmocka_unit_test(any_bytes_are_answered),
        cmocka_unit_test(the_arenas_limit_holds),
        cmocka_unit_test(bytes_become_padded_text),
        cmocka_unit_test(what_is_written_decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
