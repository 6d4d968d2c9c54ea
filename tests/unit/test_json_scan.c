/* test_json_scan.c - what is cut out of a document, to the byte, and what the scan promises to
 * Jansson's reader. What it refuses is in test_json.c, through the door. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "formats/json_scan.h"

struct scanned {
    struct tp_json_scan s;
    struct tp_arena arena;
    struct tp_err err;
    char *text;
    bool ok;
};

/* *sc must stay where it is: the scan points into it. */
static void scan(struct scanned *sc, const char *text, size_t heap_limit)
{
    size_t n = strlen(text);
    *sc = (struct scanned){ .text = guarded(n) };
    memcpy(sc->text, text, n);
    tp_arena_init(&sc->arena, 1 << 20);
    sc->s = (struct tp_json_scan){ .what = "text", .text = sc->text, .end = sc->text + n,
                                   .arena = &sc->arena, .err = &sc->err, .heap_limit = heap_limit };
    sc->ok = tp_json_scan_run(&sc->s);
    assert_int_equal(sc->ok, sc->err.code == TP_OK);
}

static void finish(struct scanned *sc)
{
    tp_arena_fini(&sc->arena);
    guarded_free(sc->text);
}

/* The document with every span replaced by # (numbers) or $ (a string). */
static void check_cut(const char *text, const char *want)
{
    struct scanned sc;
    struct tp_buf b = { 0 };
    scan(&sc, text, 1 << 20);
    if (!sc.ok) fail_msg("%s: %s", text, sc.err.message);
    size_t at = 0;
    for (int i = 0; i < sc.s.n_spans; i++) {
        const struct tp_json_span *span = &sc.s.spans[i];
        assert_in_range(span->begin, at, strlen(text));
        tp_buf_bytes(&b, text + at, span->begin - at);
        tp_buf_text(&b, span->rank ? "#" : "$");
        at = span->end;
    }
    tp_buf_bytes(&b, text + at, strlen(text) - at + 1);
    assert_string_equal(b.data, want);
    tp_buf_fini(&b);
    finish(&sc);
}

static void arrays_of_numbers_are_cut_at_their_brackets(void **state)
{
    (void)state;
    check_cut("[1]", "#");
    check_cut(" [ [1, 2] , [3] ]\n", " #\n");
    check_cut("{\"a\":[1,2],\"b\":[[3]],\"c\":4}", "{\"a\":#,\"b\":#,\"c\":4}");
    check_cut("[[],[[]]]", "[[],[[]]]");
    check_cut("[{\"a\":[1]},[2],[],[null,[3]],\"[4]\"]", "[{\"a\":#},#,[],[null,#],\"[4]\"]");
    check_cut("[[1],[2],[[3],null]]", "[#,#,[#,null]]");
    check_cut("[1,[2],[],[[]],\"\\\"[\",[3]]", "[1,#,[],[[]],\"\\\"[\",#]");
    check_cut("[[[[[[[[[[[[{\"a\":[1]}]]]]]]]]]]]]", "[[[[[[[[[[[[{\"a\":#}]]]]]]]]]]]]");
}

static void long_plain_strings_are_cut_unless_they_are_keys(void **state)
{
    (void)state;
    char run[1100], text[5000], want[5000];
    memset(run, 'x', sizeof run);
    run[1022] = '\0';                /* 1024 with its quotes */
    snprintf(text, sizeof text, "[\"%s\",{\"%s\" : \"%s\"}]", run, run, run);
    snprintf(want, sizeof want, "[$,{\"%s\" : $}]", run);
    check_cut(text, want);
    static const char *const others[] = { "\\n", "\x7F", "\xC3\xA9", "\t" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(text, sizeof text, "[\"%s%s\"]", run, others[i]);
        check_cut(text, text);       /* Jansson has to look into these */
    }
    run[1021] = '\0';
    snprintf(text, sizeof text, "[\"%s\"]", run);
    check_cut(text, text);
    snprintf(text, sizeof text, "[\"%s%s", run, run);        /* not closed */
    check_cut(text, text);
}

static void check_token(const char *text, size_t at_least)
{
    struct scanned sc;
    scan(&sc, text, 1 << 20);
    assert_true(sc.ok);
    assert_in_range(sc.s.token_bytes, at_least, strlen(text));
    finish(&sc);
}

/* Jansson's memory safety rests on this: see json.c. */
static void no_token_is_longer_than_announced(void **state)
{
    (void)state;
    check_token("{\"abcdefghij\":1}", 12);
    check_token("{\"a\":123456789012345678901234567890}", 30);
    check_token("[null,nulllllllllllllllllllllllllllll]", 31);
    check_token("12345678901234567890", 20);
    check_token("\"abc\\\"def\\\\\"", 12);
    check_token("[\"abc,def:ghi", 12);
    check_token("{\"a\": -1.5e+10000000000}", 17);
    check_token("[1,2,\"0123456789\"]", 12);
}

static void spans_count_their_numbers_and_sizes(void **state)
{
    (void)state;
    struct scanned sc;
    scan(&sc, "{\"a\":[1,2,3],\"b\":[[1],[2]],\"c\":[[1],2]}", 1 << 20);
    assert_int_equal(sc.s.n_spans, 3);
    assert_int_equal(sc.s.spans[0].n_numbers, 3);
    assert_null(sc.s.spans[0].dim);
    assert_int_equal(sc.s.spans[1].dim[0], 2);
    assert_int_equal(sc.s.spans[1].dim[1], 1);
    assert_int_equal(sc.s.spans[2].fault, TP_JSON_RAGGED_DEPTHS);
    assert_int_equal(sc.text[sc.s.spans[2].fault_byte], '2');
    finish(&sc);
}

static void spans_are_paid_from_the_same_budget(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    struct scanned sc;
    tp_buf_text(&b, "[null");
    for (int i = 0; i < 100; i++) tp_buf_text(&b, ",[[1]]");
    tp_buf_bytes(&b, "]", 2);
    scan(&sc, b.data, 1 << 20);
    assert_true(sc.ok);
    size_t used = sc.s.heap_bytes;
    assert_in_range(used, 100 * (sizeof(struct tp_json_span) + 8), 20000);
    finish(&sc);
    scan(&sc, b.data, 5 * used);     /* while they are found they take more */
    assert_true(sc.ok);
    finish(&sc);
    scan(&sc, b.data, used - 1);
    assert_int_equal(sc.err.code, TP_TOO_LARGE);
    finish(&sc);
    tp_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_numbers_are_cut_at_their_brackets),
        cmocka_unit_test(long_plain_strings_are_cut_unless_they_are_keys),
        cmocka_unit_test(no_token_is_longer_than_announced),
        cmocka_unit_test(spans_count_their_numbers_and_sizes),
        cmocka_unit_test(spans_are_paid_from_the_same_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
