/* test_multipart.c - form bodies: parts as browsers, curl and others send them, and broken ones. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/multipart.h"

#define TYPE "multipart/form-data; boundary=XX"
#define FILE_HEAD "Content-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\n" \
                  "Content-Type: image/png\r\n\r\n"

struct parsed {
    struct tp_part *parts;
    int n_parts;
    struct tp_arena arena;
    struct tp_err err;
    char *body;
    bool ok;
};

static struct parsed parse_bytes(const char *type, const char *body, size_t n)
{
    struct parsed p = { .body = guarded(n) };
    memcpy(p.body, body, n);
    tp_arena_init(&p.arena, 1 << 20);
    p.ok = tp_multipart_parse(&p.parts, &p.n_parts, type, p.body, n, 8, &p.arena, &p.err);
    assert_int_equal(p.ok, p.err.code == TP_OK);
    return p;
}

static struct parsed parse(const char *type, const char *body)
{
    return parse_bytes(type, body, strlen(body));
}

static void finish(struct parsed *p)
{
    tp_arena_fini(&p->arena);
    guarded_free(p->body);
}

static void check_data(const struct tp_part *part, const char *want, size_t n)
{
    assert_int_equal(part->n_bytes, n);
    assert_memory_equal(part->data, want, n);
}

static void check_refused(const char *type, const char *body, enum tp_code code,
                          const char *message)
{
    struct parsed p = parse(type, body);
    if (p.ok) fail_msg("%s was read", body);
    assert_string_equal(p.err.message, message);
    assert_int_equal(p.err.code, code);
    finish(&p);
}

static void parts_keep_name_file_type_and_bytes(void **state)
{
    (void)state;
    static const char body[] = "--XX\r\n" FILE_HEAD "\0\r\n--X\r\n-\xFF" "\r\n--XX\r\n"
        "content-disposition:form-data;name=pipeline\r\n\r\n{\"a\": 1}\r\n--XX--\r\n";
    struct parsed p = parse_bytes(TYPE, body, sizeof body - 1);
    if (!p.ok) fail_msg("%s", p.err.message);
    assert_int_equal(p.n_parts, 2);
    assert_string_equal(p.parts[0].name, "f");
    assert_string_equal(p.parts[0].filename, "a.png");
    assert_string_equal(p.parts[0].content_type, "image/png");
    check_data(&p.parts[0], "\0\r\n--X\r\n-\xFF", 10);
    assert_string_equal(p.parts[1].name, "pipeline");
    assert_null(p.parts[1].filename);
    assert_null(p.parts[1].content_type);
    check_data(&p.parts[1], "{\"a\": 1}", 8);
    finish(&p);
}

static void preamble_epilogue_and_blanks_are_passed_over(void **state)
{
    (void)state;
    struct parsed p = parse(TYPE, "this is a form --XX\r\n\r\n--XX \t\r\n" FILE_HEAD
                                  "1\r\n--XX--\r\n--XX\r\nrest");
    if (!p.ok) fail_msg("%s", p.err.message);
    assert_int_equal(p.n_parts, 1);
    check_data(&p.parts[0], "1", 1);
    finish(&p);
}

static void a_boundary_is_a_whole_line(void **state)
{
    (void)state;
    struct parsed p =
        parse(TYPE, "--XX\r\n" FILE_HEAD "a--XX\r\nb\r\n--XXX\r\nc\n--XX\r\n--XX-\r\nd\r\n--XX--");
    if (!p.ok) fail_msg("%s", p.err.message);
    assert_int_equal(p.n_parts, 1);
    check_data(&p.parts[0], "a--XX\r\nb\r\n--XXX\r\nc\n--XX\r\n--XX-\r\nd", 33);
    finish(&p);
}

static void parts_may_be_empty(void **state)
{
    (void)state;
    struct parsed p = parse(TYPE, "--XX\r\n" FILE_HEAD "\r\n--XX\r\n" FILE_HEAD "-\r\n--XX--");
    if (!p.ok) fail_msg("%s", p.err.message);
    assert_int_equal(p.n_parts, 2);
    check_data(&p.parts[0], "", 0);
    check_data(&p.parts[1], "-", 1);
    finish(&p);
    p = parse(TYPE, "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n--XX--");
    assert_true(p.ok);
    assert_int_equal(p.n_parts, 1);
    check_data(&p.parts[0], "", 0);
    finish(&p);
    p = parse(TYPE, "--XX--\r\n");
    assert_true(p.ok);
    assert_int_equal(p.n_parts, 0);
    finish(&p);
}

static void check_names(const char *disposition, const char *name, const char *filename)
{
    char body[512];
    snprintf(body, sizeof body, "--XX\r\nContent-Disposition: %s\r\n\r\nx\r\n--XX--", disposition);
    struct parsed p = parse(TYPE, body);
    if (!p.ok) fail_msg("%s: %s", disposition, p.err.message);
    assert_string_equal(p.parts[0].name, name);
    if (filename) assert_string_equal(p.parts[0].filename, filename);
    else assert_null(p.parts[0].filename);
    finish(&p);
}

static void names_are_unquoted(void **state)
{
    (void)state;
    check_names("form-data; name=\"a\"", "a", NULL);
    check_names("form-data ; name = a ; filename = b.png ", "a", "b.png");
    check_names("FORM-DATA; NAME=\"a\"; FileName=\"b\"", "a", "b");
    check_names("form-data; name=\"a;b=c\"; filename=\"x; name=y\"", "a;b=c", "x; name=y");
    check_names("form-data; name=\"say \\\"hi\\\" \\\\o\"; filename=\"C:\\dir\\f.png\"",
                "say \"hi\" \\o", "C:\\dir\\f.png");
    check_names("form-data; filename*=UTF-8''x.png; name=a", "a", NULL);
    check_names("form-data; filename=\"\"", "", "");
    check_names("form-data", "", NULL);
    check_names("form-data; name; name=a;;", "a", NULL);
    check_names("form-data; name=\"\xC3\xA9\"", "\xC3\xA9", NULL);
}

static void the_boundary_is_read_from_the_content_type(void **state)
{
    (void)state;
    static const char *const types[] = {
        "multipart/form-data; boundary=\"XX\"", "Multipart/Form-Data;charset=utf-8; BOUNDARY=XX",
        "multipart/form-data; boundary=XX; charset=utf-8", " multipart/form-data ;boundary = XX ",
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct parsed p = parse(types[i], "--XX\r\n" FILE_HEAD "1\r\n--XX--");
        if (!p.ok) fail_msg("%s: %s", types[i], p.err.message);
        finish(&p);
    }
}

static void a_content_type_without_boundary_is_refused(void **state)
{
    (void)state;
    const char *missing = "multipart: the Content-Type names no boundary; let the client set it";
    check_refused("multipart/form-data", "--XX--", TP_INVALID_ARGUMENT, missing);
    check_refused("multipart/form-data; charset=utf-8", "--XX--", TP_INVALID_ARGUMENT, missing);
    check_refused("multipart/form-data; boundary", "--XX--", TP_INVALID_ARGUMENT, missing);
    check_refused("multipart/form-data; boundary=", "--XX--", TP_INVALID_ARGUMENT,
                  "multipart: a boundary of 0 characters; 1 to 70 are possible");
    check_refused("multipart/form-data; boundary=\"XX", "--XX--", TP_INVALID_ARGUMENT,
                  "multipart: a quote is not closed");
    check_refused("multipart/form-data; "
                  "boundary=12345678901234567890123456789012345678901234567890123456789012345"
                  "678901",
                  "--XX--", TP_INVALID_ARGUMENT,
                  "multipart: a boundary of 71 characters; 1 to 70 are possible");
    check_refused(
        "multipart/mixed; boundary=XX", "--XX--", TP_UNSUPPORTED_FORMAT,
        "multipart: Content-Type multipart/mixed; boundary=XX; multipart/form-data is read");
}

static void broken_bodies_are_refused(void **state)
{
    (void)state;
    const char *no_line =
        "multipart: the body has no line --XX, which its Content-Type names as boundary";
    check_refused(TYPE, "", TP_INVALID_ARGUMENT, no_line);
    check_refused(TYPE, "--YY\r\n", TP_INVALID_ARGUMENT, no_line);
    check_refused(TYPE, "--XX", TP_INVALID_ARGUMENT, no_line);
    check_refused(TYPE, "--XX\n" FILE_HEAD "1\n--XX--", TP_INVALID_ARGUMENT, no_line);
    check_refused(TYPE, "--XX\r\n" FILE_HEAD "1\r\n", TP_INVALID_ARGUMENT,
                  "multipart: part 0 is cut off: no boundary follows");
    check_refused(TYPE, "--XX\r\n" FILE_HEAD "1\r\n--XX\r\n" FILE_HEAD "2\r\n--X",
                  TP_INVALID_ARGUMENT, "multipart: part 1 is cut off: no boundary follows");
    check_refused(TYPE, "--XX\r\nContent-Type: image/png\r\n\r\n1\r\n--XX--", TP_INVALID_ARGUMENT,
                  "multipart: part 0 has no \"Content-Disposition: form-data; name=...\"");
    check_refused(TYPE, "--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--XX--",
                  TP_INVALID_ARGUMENT,
                  "multipart: part 0 has no \"Content-Disposition: form-data; name=...\"");
    check_refused(
        TYPE, "--XX\r\nContent-Disposition: form-data; name=a\r\n--XX--", TP_INVALID_ARGUMENT,
        "multipart: the headers of part 0 do not end with an empty line within 8192 bytes");
    check_refused(TYPE, "--XX\r\nno colon\r\n\r\n1\r\n--XX--", TP_INVALID_ARGUMENT,
                  "part 0: multipart: a header line without a colon");
    check_refused(TYPE, "--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--XX--",
                  TP_INVALID_ARGUMENT, "part 0: multipart: a quote is not closed");
}

static void parts_and_headers_are_limited(void **state)
{
    (void)state;
    char body[20000] = "--XX\r\n";
    for (int i = 0; i < 9; i++) strcat(body, FILE_HEAD "1\r\n--XX\r\n");
    strcat(body, FILE_HEAD "1\r\n--XX--");
    check_refused(TYPE, body, TP_TOO_LARGE, "multipart: more than 8 parts");

    static const char tail[] = "\r\n" FILE_HEAD "1\r\n--XX--";
    strcpy(body, "--XX\r\nX: ");
    memset(body + 9, 'x', 8200);
    strcpy(body + 9 + 8200, tail);
    check_refused(
        TYPE, body, TP_INVALID_ARGUMENT,
        "multipart: the headers of part 0 do not end with an empty line within 8192 bytes");
    strcpy(body + 9 + 8000, tail);
    struct parsed p = parse(TYPE, body);
    assert_true(p.ok);
    finish(&p);
}

static const char good[] =
    "--XX\r\n" FILE_HEAD "12\r\n--XX \r\nContent-Disposition: form-data; name=\"a\\\"b\"\r\n"
    "\r\n3\r\n--XX--";

static void bodies_may_end_at_any_byte(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof good - 1; n++) {
        struct parsed p = parse_bytes(TYPE, good, n);
        assert_false(p.ok);
        finish(&p);
    }
}

static void any_byte_may_be_wrong(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        char body[sizeof good];
        memcpy(body, good, sizeof good);
        for (uint32_t flips = 1 + next_random(&seed) % 3; flips; flips--)
            body[next_random(&seed) % (sizeof good - 1)] =
                "\r\n-X;=\"\\: \0a\xFF"[next_random(&seed) % 13];
        struct tp_part *parts;
        int n_parts;
        struct tp_arena arena;
        struct tp_err err = { 0 };
        tp_arena_init(&arena, 1 << 20);
        if (tp_multipart_parse(&parts, &n_parts, TYPE, body, sizeof good - 1, 8, &arena, &err))
            for (int k = 0; k < n_parts; k++) {
                assert_true((const char *)parts[k].data >= body);
                assert_true((const char *)parts[k].data + parts[k].n_bytes <=
                            body + sizeof good - 1);
                assert_non_null(parts[k].name);
            }
        tp_arena_fini(&arena);
    }
}

/* Nearly boundaries everywhere: the search must stay linear (minutes if it were not). */
static void many_near_boundaries_cost_no_more_than_reading(void **state)
{
    (void)state;
    enum { N = 4 << 20 };
    char type[128] = "multipart/form-data; boundary=", *body = malloc(N);
    memset(type + strlen(type), '-', 70);
    memset(body, '-', N);
    for (size_t i = 0; i + 74 < N; i += 74) memcpy(body + i, "\r\n", 2);
    struct parsed p = parse_bytes(type, body, N);
    assert_false(p.ok);
    finish(&p);
    memset(body, ' ', N);
    memcpy(body, "--XX", 4);
    p = parse_bytes(TYPE, body, N);
    assert_false(p.ok);
    finish(&p);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_keep_name_file_type_and_bytes),
        cmocka_unit_test(preamble_epilogue_and_blanks_are_passed_over),
        cmocka_unit_test(a_boundary_is_a_whole_line),
        cmocka_unit_test(parts_may_be_empty),
        cmocka_unit_test(names_are_unquoted),
        cmocka_unit_test(the_boundary_is_read_from_the_content_type),
        cmocka_unit_test(a_content_type_without_boundary_is_refused),
        cmocka_unit_test(broken_bodies_are_refused),
        cmocka_unit_test(parts_and_headers_are_limited),
        cmocka_unit_test(bodies_may_end_at_any_byte),
        cmocka_unit_test(any_byte_may_be_wrong),
        cmocka_unit_test(many_near_boundaries_cost_no_more_than_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
