/* test_json.c - documents with tensors: what is cut out, what stays Jansson's, what is refused and
 * with which words, and that hostile text costs neither memory nor time. */
#include "check.h"

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/json.h"

/* One parsed document; the text stands against a guard page. */
struct parsed {
    struct tp_json doc;
    struct tp_arena arena;
    struct tp_err err;
    char *text;
    bool ok;
};

static struct parsed parse_bytes(const char *text, size_t n)
{
    struct parsed p = { .text = guarded(n) };
    memcpy(p.text, text, n);
    tp_arena_init(&p.arena, 64 << 20);
    p.ok = tp_json_parse(&p.doc, p.text, n, &p.arena, "body", 1, &p.err);
    return p;
}

static struct parsed parse(const char *text) { return parse_bytes(text, strlen(text)); }

static void finish(struct parsed *p)
{
    tp_json_fini(&p->doc);
    tp_json_fini(&p->doc);           /* twice is fine */
    tp_arena_fini(&p->arena);
    guarded_free(p->text);
}

static void check_kind(const char *text, const char *kind)
{
    struct parsed p = parse(text);
    if (!p.ok) fail_msg("%s: %s", text, p.err.message);
    assert_string_equal(tp_json_kind(&p.doc, p.doc.root), kind);
    finish(&p);
}

static void check_refused(const char *text, const char *message)
{
    struct parsed p = parse(text);
    if (p.ok) fail_msg("%s was read", text);
    assert_string_equal(p.err.message, message);
    assert_null(p.doc.root);
    finish(&p);
}

static void check_tensor(const char *text, const char *shape, const float *want)
{
    struct parsed p = parse(text);
    if (!p.ok) fail_msg("%s: %s", text, p.err.message);
    const struct tp_json_span *span = tp_json_span(&p.doc, p.doc.root);
    struct tp_shape s;
    assert_non_null(span);
    assert_true(tp_json_span_shape(&p.doc, span, "tensor", &s, &p.err));
    assert_string_equal(TP_SHAPE(&s), shape);
    int64_t n = tp_json_span_count(span);
    assert_int_equal(n, tp_shape_elements(&s));
    float *x = guarded((size_t)n * sizeof *x);
    assert_true(tp_json_span_floats(&p.doc, span, "tensor", x, &p.err));
    assert_memory_equal(x, want, (size_t)n * sizeof *x);
    guarded_free(x);
    finish(&p);
}

/* ---- what is read ---------------------------------------------------------------------------- */

static void arrays_of_numbers_are_tensors(void **state)
{
    (void)state;
    const float x[] = { 1, -2, 0.5f, 1e-7f, 3, 4, 5, 6 };
    check_tensor("[1]", "[1]", x);
    check_tensor("[1,-2,0.5,1e-7]", "[4]", x);
    check_tensor("[[1,-2],[0.5,1e-7]]", "[2, 2]", x);
    check_tensor(" [ [ 1 , -2 ] ,\n\t[ 0.5 ,\r\n1E-07 ] ] ", "[2, 2]", x);
    check_tensor("[[[1,-2],[0.5,1e-7]],[[3,4],[5,6]]]", "[2, 2, 2]", x);
    check_tensor("[[[[1],[-2]],[[0.5],[1e-7]]]]", "[1, 2, 2, 1]", x);
    check_tensor("[[[[[[[[1]]]]]]]]", "[1, 1, 1, 1, 1, 1, 1, 1]", x);
}

static void other_values_are_janssons(void **state)
{
    (void)state;
    check_kind("1", "a number");
    check_kind("-1.5e3", "a number");
    check_kind("null", "null");
    check_kind("true", "a boolean");
    check_kind("\"[1,2]\"", "a string");
    check_kind("{}", "an object");
    check_kind("[]", "an empty array");
    check_kind("[[],[]]", "an array of arrays");
    check_kind("[1]", "an array of numbers");
    check_kind("[[1],[2]]", "an array of numbers");
    check_kind("[1,\"x\"]", "an array that holds a string");
    check_kind("[null,1]", "an array that holds null");
    check_kind("[1,2,null]", "an array that holds null");
    check_kind("[[1,2],{}]", "an array that holds an object");
    check_kind("[1,[2,false]]", "an array of arrays");
    assert_string_equal(tp_json_kind(NULL, NULL), "nothing");
}

static void mixed_arrays_keep_their_inner_tensors(void **state)
{
    (void)state;
    struct parsed p = parse("[[1,2],[],[3,[4,5],\"x\"],{\"a\":[6]},[7]]");
    assert_true(p.ok);
    json_t *root = p.doc.root;
    assert_int_equal(json_array_size(root), 5);
    assert_non_null(tp_json_span(&p.doc, json_array_get(root, 0)));
    assert_null(tp_json_span(&p.doc, json_array_get(root, 1)));
    json_t *mixed = json_array_get(root, 2);
    assert_null(tp_json_span(&p.doc, mixed));
    assert_int_equal(json_integer_value(json_array_get(mixed, 0)), 3);
    assert_non_null(tp_json_span(&p.doc, json_array_get(mixed, 1)));
    assert_string_equal(json_string_value(json_array_get(mixed, 2)), "x");
    assert_non_null(tp_json_span(&p.doc, json_object_get(json_array_get(root, 3), "a")));
    assert_non_null(tp_json_span(&p.doc, json_array_get(root, 4)));
    finish(&p);
}

static void every_tensor_of_a_document_is_its_own(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    for (int i = 0; i < 300; i++)
        tp_buf_printf(&b, "%s\"key%d\": [%d, %d]", i ? ", " : "{", i, i, 2 * i);
    tp_buf_printf(&b, "}%c", 0);
    struct parsed p = parse(b.data);
    if (!p.ok) fail_msg("%s", p.err.message);
    for (int i = 0; i < 300; i++) {
        char key[16];
        int64_t x[2];
        int n;
        snprintf(key, sizeof key, "key%d", i);
        assert_true(tp_json_ints(&p.doc, json_object_get(p.doc.root, key), key, x, 2, &n, &p.err));
        assert_int_equal(n, 2);
        assert_int_equal(x[0], i);
        assert_int_equal(x[1], 2 * i);
    }
    finish(&p);
    tp_buf_fini(&b);
}

static void brackets_and_escapes_in_strings_are_text(void **state)
{
    (void)state;
    struct parsed p = parse("{\"a\\\"[1]\\\\\":\"[2,\\\\\\\"3]\",\"\\\\u0000\":[4]}");
    if (!p.ok) fail_msg("%s", p.err.message);
    assert_string_equal(json_string_value(json_object_get(p.doc.root, "a\"[1]\\")), "[2,\\\"3]");
    assert_non_null(tp_json_span(&p.doc, json_object_get(p.doc.root, "\\u0000")));
    finish(&p);
}

static void integers_are_exact(void **state)
{
    (void)state;
    struct parsed p = parse("[0,-1,9223372036854775807,-9223372036854775808]");
    int64_t x[4];
    int n;
    assert_true(tp_json_ints(&p.doc, p.doc.root, "pads", x, 4, &n, &p.err));
    assert_int_equal(n, 4);
    assert_true(x[1] == -1 && x[2] == INT64_MAX && x[3] == INT64_MIN);
    finish(&p);
    p = parse("[]");
    assert_true(tp_json_ints(&p.doc, p.doc.root, "shape", x, 4, &n, &p.err));
    assert_int_equal(n, 0);
    finish(&p);
}

static void check_ints_refused(const char *text, const char *message)
{
    struct parsed p = parse(text);
    int64_t x[3];
    int n;
    assert_true(p.ok);
    assert_false(tp_json_ints(&p.doc, p.doc.root, "strides", x, 3, &n, &p.err));
    assert_string_equal(p.err.message, message);
    finish(&p);
}

static void what_is_no_list_of_integers_is_named(void **state)
{
    (void)state;
    check_ints_refused("3", "strides: an array of integers was expected, got a number");
    check_ints_refused("[1,null]",
                       "strides: an array of integers was expected, got an array that holds null");
    check_ints_refused("[[1]]",
                       "strides: a flat array of integers was expected, got nested arrays");
    check_ints_refused("[1,2,3,4]", "strides: at most 3 integers are possible, got 4");
    check_ints_refused("[1, 1.5]", "strides: byte 4: '1.5' is not an integer of 64 bits");
    check_ints_refused("[1e2]", "strides: byte 1: '1e2' is not an integer of 64 bits");
    check_ints_refused("[9223372036854775808]",
                       "strides: byte 1: '9223372036854775808' is not an integer of 64 bits");
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void check_shape_refused(const char *text, const char *message)
{
    struct parsed p = parse(text);
    struct tp_shape s;
    if (!p.ok) fail_msg("%s: %s", text, p.err.message);
    const struct tp_json_span *span = tp_json_span(&p.doc, p.doc.root);
    assert_non_null(span);
    assert_false(tp_json_span_shape(&p.doc, span, "tensor", &s, &p.err));
    assert_int_equal(p.err.code, TP_INVALID_SHAPE);
    assert_string_equal(p.err.message, message);
    finish(&p);
}

static void ragged_tensors_are_refused_at_the_byte(void **state)
{
    (void)state;
    check_shape_refused(
        "[[1,2],[3]]",
        "tensor: ragged: the array at byte 7 has another length than the one before it, 2");
    check_shape_refused(
        "[[[1],[2]],[[3],[4],[5]]]",
        "tensor: ragged: the array at byte 11 has another length than the one before it, 2");
    check_shape_refused(
        "[[],[1]]",
        "tensor: ragged: the array at byte 4 has another length than the one before it, 0");
    check_shape_refused("[[1],2]",
                        "tensor: ragged: a number at byte 5 where its neighbours are arrays");
    check_shape_refused("[1,[2]]",
                        "tensor: ragged: an array at byte 3 where its neighbours are numbers");
    check_shape_refused("[[],4]",
                        "tensor: ragged: a number at byte 4 where its neighbours are arrays");
    check_shape_refused("[[[]],[4]]",
                        "tensor: ragged: a number at byte 7 where its neighbours are arrays");
    check_shape_refused("[1,[]]",
                        "tensor: ragged: an array at byte 3 where its neighbours are numbers");
    check_shape_refused("[[[[[[[[[1]]]]]]]]]",
                        "tensor: byte 0: 9 dimensions; at most 8 are possible");
}

static void numbers_beyond_float32_are_named(void **state)
{
    (void)state;
    static const char *const texts[] = { "[[1,2],[1e39,4]]", "[[1,2],[1e999,4]]" };
    for (int i = 0; i < 2; i++) {
        struct parsed p = parse(texts[i]);
        float x[4];
        assert_true(p.ok);
        assert_false(
            tp_json_span_floats(&p.doc, tp_json_span(&p.doc, p.doc.root), "tensor", x, &p.err));
        assert_string_equal(p.err.message,
                            i ? "tensor: byte 8: '1e999' is beyond float32, whose largest is "
                                "3.4028235e38"
                              : "tensor: byte 8: '1e39' is beyond float32, whose largest is "
                                "3.4028235e38");
        finish(&p);
    }
    check_tensor("[1e-50,-1e-999]", "[2]", (float[]){ 0, -0.0f });
}

static void what_is_no_json_is_refused_with_its_byte(void **state)
{
    (void)state;
    check_refused("", "body: byte 0: empty; a JSON document was expected");
    check_refused(" \n", "body: byte 2: empty; a JSON document was expected");
    check_refused("[1,", "body: byte 3: a number expected, found the end");
    check_refused("[1", "body: byte 2: ',' or ']' expected, found the end");
    check_refused("[1,]", "body: byte 3: a number expected, found ']'");
    check_refused("[1 2]", "body: byte 3: ',' or ']' expected, found '2'");
    check_refused("[1}", "body: byte 2: ',' or ']' expected, found '}'");
    check_refused("[1,01]", "body: byte 3: a number expected, found '01'");
    check_refused("[1,2\"x\"]", "body: byte 4: ',' or ']' expected, found a string");
    check_refused("[1,\x01]", "body: byte 3: a number expected, found byte 0x01");
    check_refused("[01]", "body: byte 1: invalid token, found '01'");
    check_refused("[", "body: byte 1: ']' expected, found the end");
    check_refused("{\"a\":[1,2],\"b\":[3,4],\"c\":tru}",
                  "body: byte 25: invalid token, found 'tru'");
    check_refused("{\"a\":[1,2],}", "body: byte 11: string or '}' expected, found '}'");
    check_refused("{\"a\":[1,2]", "body: byte 10: '}' expected, found the end");
    check_refused("{[1]:2}", "body: byte 1: a key was expected, found an array of numbers");
    check_refused("[1]x", "body: byte 3: the end expected, found 'x'");
    check_refused("[1][2]", "body: byte 3: the end expected, found an array");
    check_refused("{\"a\":1e999}", "body: byte 5: real number overflow, found '1e999'");
    check_refused("\"\\ud800\"", "body: byte 0: invalid Unicode '\\uD800'");
    check_refused("{\"a\":[1],\"b\":\"\xFF\"}", "body: byte 14: unable to decode byte 0xff");
    check_refused("\"\xC0\xAF\"", "body: byte 1: unable to decode byte 0xc0");
    check_refused("\"a", "body: byte 0: premature end of input");
    check_refused("\"a\\", "body: byte 0: invalid escape");
}

static void what_people_write_for_json_is_answered_with_advice(void **state)
{
    (void)state;
    check_refused("[1,NaN]",
                  "body: byte 3: NaN is not JSON; a tensor that holds NaN can be sent as .npy");
    check_refused("{\"a\":NaN}",
                  "body: byte 5: NaN is not JSON; a tensor that holds NaN can be sent as .npy");
    check_refused(
        "[[-Infinity]]",
        "body: byte 2: -Infinity is not JSON; a tensor that holds it can be sent as .npy");
    check_refused("{'a':1}", "body: byte 1: strings stand in double quotes");
    check_refused("[1,.5]", "body: byte 3: a number begins with a digit; write 0.5");
    check_refused("[+1]", "body: byte 1: a number has no + in front");
    check_refused("{\"a\":None}", "body: byte 5: None is not JSON; write null");
    check_refused("\xEF\xBB\xBF[1]", "body: byte 0: a byte order mark; the text begins behind it");
}

static void a_key_that_stands_twice_is_refused(void **state)
{
    (void)state;
    check_refused("{\"a\":[1,2],\"a\":1}", "body: byte 11: the key \"a\" stands there twice");
    check_refused("{\"a_key_of_many_characters\":1,\"a_key_of_many_characters\":2}",
                  "body: byte 56: the key that ends here stands there twice");
}

static void nobody_can_write_the_mark(void **state)
{
    (void)state;
    check_refused("[[1],\"\\u00000\"]", "body: byte 6: \\u0000 in a string; text cannot hold NUL");
    check_refused("{\"\\u0000\":1}", "body: byte 2: \\u0000 in a string; text cannot hold NUL");
    struct parsed p = parse_bytes("\"\0" "0\"", 4);
    assert_false(p.ok);
    finish(&p);

    p = parse("[1]");                /* and what looks nearly like it is not taken for it */
    static const struct { const char *bytes; size_t n; } fakes[] = {
        { "\0", 1 }, { "\0" "1", 2 }, { "\0" "0x", 3 }, { "\0-0", 3 }, { "0", 1 }, { "", 0 },
        { "\0" "99999999999999999999", 21 }, { "\0" "4294967296", 11 },
    };
    for (size_t i = 0; i < sizeof fakes / sizeof *fakes; i++) {
        json_t *fake = json_stringn_nocheck(fakes[i].bytes, fakes[i].n);
        assert_null(tp_json_span(&p.doc, fake));
        json_decref(fake);
    }
    assert_null(tp_json_span(&p.doc, NULL));
    finish(&p);
}

static void something_else_among_many_numbers_is_refused_at_once(void **state)
{
    (void)state;
    static const struct { const char *what, *message; } cases[] = {
        { "null", "body: byte 201: 'null' among numbers; a tensor holds only numbers" },
        { "\"1\"", "body: byte 201: a string among numbers; a tensor holds only numbers" },
        { "{}", "body: byte 201: an object among numbers; a tensor holds only numbers" },
    };
    for (int i = 0; i < 3; i++) {
        char text[256] = "[";
        for (int k = 0; k < 100; k++) strcat(text, "7,");
        strcat(strcat(text, cases[i].what), "]");
        check_refused(text, cases[i].message);
    }
}

/* ---- hostile text ---------------------------------------------------------------------------- */

static void depth_is_limited(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *text = malloc(N);
    memset(text, '[', N);
    struct parsed p = parse_bytes(text, N);
    assert_string_equal(p.err.message, "body: byte 64: nested deeper than 64");
    finish(&p);
    for (int i = 0; i < N - 5; i += 5) memcpy(text + i, "{\"\":[", 5);
    p = parse_bytes(text, N);
    assert_string_equal(p.err.message, "body: byte 160: nested deeper than 64");
    finish(&p);
    free(text);
    check_refused("[[[[[[[[[[1]]]]]]]]]]",
                  "body: byte 10: numbers nested 10 deep; a tensor has at most 8 dimensions");
    check_kind("[[[[[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]]]]]", "an array of arrays");
}

/* n bytes of `unit` over and over between "[" and "null]". */
static struct parsed parse_bomb(const char *unit, size_t n)
{
    size_t step = strlen(unit);
    char *text = malloc(n + 6);
    text[0] = '[';
    size_t i = 1;
    for (; i + step <= n; i += step) memcpy(text + i, unit, step);
    memcpy(text + i, "null]", 5);
    struct parsed p = parse_bytes(text, i + 5);
    free(text);
    return p;
}

static void many_small_values_are_refused_for_their_memory(void **state)
{
    (void)state;
    static const char *const units[] = { "{},", "[],", "\"\",", "{\"\":{}},", "[[],[]]," };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct parsed p = parse_bomb(units[i], 2 << 20);
        if (p.ok) fail_msg("%s... was read", units[i]);
        if (p.err.code != TP_TOO_LARGE) fail_msg("%s...: %s", units[i], p.err.message);
        assert_non_null(strstr(p.err.message, "it has too many small values"));
        finish(&p);
    }
    struct parsed p = parse_bomb("{},", 600);                /* few of them are nobody's problem */
    assert_true(p.ok);
    finish(&p);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static struct { json_malloc_t alloc; json_free_t free; size_t used, most; } counted;

static void *count_alloc(size_t n_bytes)
{
    void *p = counted.alloc(n_bytes);
    if (p) counted.used += malloc_usable_size(p);
    if (counted.used > counted.most) counted.most = counted.used;
    return p;
}

static void count_free(void *p)
{
    if (p) counted.used -= malloc_usable_size(p);
    counted.free(p);
}

/* Bytes of heap for a byte of text, at most at one time: Jansson's, counted beneath it, and the
 * arena's, without the few KB that it has in store. */
static double heap_for_a_byte(const char *text, size_t n_bytes, bool read)
{
    struct tp_json doc;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 256 << 20);
    json_get_alloc_funcs(&counted.alloc, &counted.free);
    counted.used = counted.most = 0;
    json_set_alloc_funcs(count_alloc, count_free);
    /* What is dear is refused, unless the allocator is a sanitizer's, to which it is cheaper. */
    const bool ok = tp_json_parse(&doc, text, n_bytes, &arena, "body", 1, &err);
    assert_true(ok || (!read && err.code == TP_TOO_LARGE));
    const struct tp_json_span *span = tp_json_span(&doc, json_object_get(doc.root, "tensor"));
    if (span) {
        float *x = tp_arena_floats(&arena, tp_json_span_count(span));
        assert_true(tp_json_span_floats(&doc, span, "tensor", x, &err));
    }
    const size_t store = 32 << 10, taken = arena.total_bytes;
    const size_t most = counted.most + (taken < store ? 0 : taken - store);
    tp_json_fini(&doc);
    assert_int_equal(counted.used, 0);
    json_set_alloc_funcs(counted.alloc, counted.free);
    tp_arena_fini(&arena);
    return (double)most / (double)n_bytes;
}

/* `begin`, then `unit` over and over, then `end`: n_bytes or some less. */
static double heap_for_a_bomb(const char *begin, const char *unit, const char *end, size_t n_bytes,
                              bool read)
{
    struct tp_buf b = { 0 };
    tp_buf_text(&b, begin);
    while (b.n_bytes + strlen(unit) + strlen(end) <= n_bytes) tp_buf_text(&b, unit);
    tp_buf_text(&b, end);
    const double heap = heap_for_a_byte(b.data, b.n_bytes, read);
    tp_buf_fini(&b);
    return heap;
}

/* Issue 5: at most 6 for tensors, conversion and all; at most 10 for what is made to be dear, and
 * refused. */
static void text_costs_few_bytes_of_heap(void **state)
{
    (void)state;
    static const struct { const char *begin, *unit, *end; } tensors[] = {
        { "{\"tensor\":[", "1,", "2]}" }, { "{\"tensor\":[", "-0.12345678,", "2]}" },
        { "{\"tensor\":[", "[1],", "[2]]}" },
        { "{\"tensor\":[", "[[1,2],[3,4]],", "[[5,6],[7,8]]]}" },
        { "{\"shape\":[1,2],\"tensor\":[", "0.5, ", "1]}" },
    };
    static const char *const bombs[] = {
        "{},", "[],", "\"\",", "{\"\":1},", "[[],[]],", "[1],", "[{}],", "[1,null],",
        "{\"k\":{\"k\":{}}},", "[[1],[2,3]],",
    };
    static const size_t sizes[] = { 2 << 20, 5 << 20 };
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        assert_true(heap_for_a_bomb(tensors[i].begin, tensors[i].unit, tensors[i].end, sizes[i % 2],
                                    true) <= 6);
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++)
        assert_true(heap_for_a_bomb("[null,", bombs[i], "null]", sizes[i % 2], false) <
                    10.001);         /* the spare block of json.c is on top */
}

/* Whatever allocation of Jansson's is the one too many, its answer is an error: above all that of
 * the buffer in which it gathers a string. */
static void memory_may_run_out_at_any_byte(void **state)
{
    (void)state;
    for (int objects = 34000; objects < 38000; objects += 53) {
        struct tp_buf b = { 0 };
        tp_buf_text(&b, "[");
        for (int i = 0; i < objects; i++) tp_buf_text(&b, "{},");
        tp_buf_printf(&b, "\"%03000d\", {\"key\": %0300d.5}, \"\xC3\xA9\xC3\xA9\\n%02000d\"]", 1, 1,
                      2);
        struct parsed p = parse_bytes(b.data, b.n_bytes);
        if (!p.ok && p.err.code != TP_TOO_LARGE && p.err.code != TP_INVALID_JSON)
            fail_msg("%s", p.err.message);
        finish(&p);
        tp_buf_fini(&b);
    }
}

static void text_may_end_at_any_byte(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\": [[1, 2.5e3], [-3, 4]], \"b\\u00e9\": [1, null, [2]], \"c\": [{}, \"\xC3\xA9\"]}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct parsed p = parse_bytes(text, n);
        assert_false(p.ok);
        assert_non_null(strstr(p.err.message, "body: byte "));
        finish(&p);
    }
}

static void any_byte_may_be_wrong(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\": [[1, 2.5e3], [-3, 4]], \"b\\u00e9\": [1, null, [2]], \"c\": [{}, \"\xC3\xA9\"]}";
    uint32_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        char copy[sizeof text];
        memcpy(copy, text, sizeof text);
        for (uint32_t flips = 1 + next_random(&seed) % 3; flips; flips--)
            copy[next_random(&seed) % (sizeof text - 1)] = (char)(next_random(&seed) >> 7);
        struct parsed p = { .text = NULL };
        tp_arena_init(&p.arena, 1 << 20);
        p.ok = tp_json_parse(&p.doc, copy, sizeof text - 1, &p.arena, "body", 1, &p.err);
        assert_int_equal(p.ok, p.err.code == TP_OK);
        const struct tp_json_span *span = tp_json_span(&p.doc, json_object_get(p.doc.root, "a"));
        struct tp_shape shape;
        struct tp_err err = { 0 };
        float x[32];                 /* more numbers than the text has room for */
        if (p.ok && span && tp_json_span_shape(&p.doc, span, "a", &shape, &err) &&
            tp_json_span_floats(&p.doc, span, "a", x, &err))
            assert_int_equal(tp_json_span_count(span), tp_shape_elements(&shape));
        finish(&p);
    }
}

/* A string of n characters 'A', with `end` as its last ones: as text in JSON, and as it must
 * arrive. */
static void check_long(size_t n, const char *end, const char *end_means)
{
    struct tp_buf text = { 0 }, want = { 0 };
    for (size_t i = 0; i < n; i++) tp_buf_bytes(&want, "A", 1);
    tp_buf_bytes(&text, want.data, n);
    tp_buf_printf(&text, "%s%c", end, 0);
    tp_buf_printf(&want, "%s%c", end_means, 0);
    struct tp_buf doc = { 0 };
    tp_buf_printf(&doc, "{\"a\":[1,\"%s\",[2]],\"%s\":{\"b\":\"%s\"},\"c\":\"%s\"}%c", text.data,
                  text.data, text.data, text.data, 0);
    struct parsed p = parse(doc.data);
    if (!p.ok) fail_msg("%s", p.err.message);
    const json_t *a = json_object_get(p.doc.root, "a");
    assert_string_equal(json_string_value(json_array_get(a, 1)), want.data);
    assert_int_equal(json_string_length(json_array_get(a, 1)), want.n_bytes - 1);
    assert_non_null(tp_json_span(&p.doc, json_array_get(a, 2)));
    const json_t *keyed = json_object_get(p.doc.root, want.data);
    assert_string_equal(json_string_value(json_object_get(keyed, "b")), want.data);
    assert_string_equal(json_string_value(json_object_get(p.doc.root, "c")), want.data);
    assert_string_equal(tp_json_kind(&p.doc, json_object_get(p.doc.root, "c")), "a string");
    finish(&p);
    tp_buf_fini(&text);
    tp_buf_fini(&want);
    tp_buf_fini(&doc);
}

static void long_strings_arrive_whole(void **state)
{
    (void)state;
    for (size_t n = 1018; n < 1030; n++) check_long(n, "", "");
    check_long(5000, "", "");
    check_long(5000, "\\n\\\"", "\n\"");
    check_long(5000, "\xC3\xA9", "\xC3\xA9");
    check_long(100000, "+/==", "+/==");
    char *text = malloc(3000);
    memset(text, 'A', 3000);
    text[0] = text[2999] = '"';
    struct parsed p = parse_bytes(text, 3000);
    assert_true(p.ok);
    assert_int_equal(json_string_length(p.doc.root), 2998);
    finish(&p);
    p = parse_bytes(text, 2999);     /* not closed */
    assert_string_equal(p.err.message, "body: byte 2999: premature end of input");
    finish(&p);
    free(text);
}

static void errors_behind_long_strings_name_their_byte(void **state)
{
    (void)state;
    char text[2100] = "[\"";
    memset(text + 2, 'A', 2000);
    strcpy(text + 2002, "\",[7],nul]");
    check_refused(text, "body: byte 2008: invalid token, found 'nul'");
    strcpy(text + 2002, "\"\"b\"]");
    check_refused(text, "body: byte 2003: ']' expected, found a string");
    text[100] = '\n';
    strcpy(text + 2002, "\"]");
    check_refused(text, "body: byte 100: unexpected newline");
}

/* ---- writing --------------------------------------------------------------------------------- */

static void check_quoted(const char *text, const char *want)
{
    struct tp_buf b = { 0 };
    tp_json_quote(&b, text);
    tp_buf_bytes(&b, "", 1);
    assert_string_equal(b.data, want);
    tp_buf_fini(&b);
}

static void strings_are_quoted_and_escaped(void **state)
{
    (void)state;
    check_quoted("", "\"\"");
    check_quoted("conv1", "\"conv1\"");
    check_quoted("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    check_quoted("\n\r\t\x01\x1F\x7F", "\"\\n\\r\\t\\u0001\\u001f\x7F\"");
    check_quoted("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
                 "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

static void broken_utf8_is_replaced(void **state)
{
    (void)state;
    check_quoted("a\xFFz", "\"a\xEF\xBF\xBDz\"");
    check_quoted("\xC3", "\"\xEF\xBF\xBD\"");
    check_quoted("\xC3z", "\"\xEF\xBF\xBDz\"");
    check_quoted("\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_quoted("\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_quoted("\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_quoted("\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_numbers_are_tensors),
        cmocka_unit_test(other_values_are_janssons),
        cmocka_unit_test(mixed_arrays_keep_their_inner_tensors),
        cmocka_unit_test(every_tensor_of_a_document_is_its_own),
        cmocka_unit_test(brackets_and_escapes_in_strings_are_text),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(what_is_no_list_of_integers_is_named),
        cmocka_unit_test(ragged_tensors_are_refused_at_the_byte),
        cmocka_unit_test(numbers_beyond_float32_are_named),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_byte),
        cmocka_unit_test(what_people_write_for_json_is_answered_with_advice),
        cmocka_unit_test(a_key_that_stands_twice_is_refused),
        cmocka_unit_test(nobody_can_write_the_mark),
        cmocka_unit_test(something_else_among_many_numbers_is_refused_at_once),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(many_small_values_are_refused_for_their_memory),
        cmocka_unit_test(text_costs_few_bytes_of_heap),
        cmocka_unit_test(memory_may_run_out_at_any_byte),
        cmocka_unit_test(text_may_end_at_any_byte),
        cmocka_unit_test(any_byte_may_be_wrong),
        cmocka_unit_test(long_strings_arrive_whole),
        cmocka_unit_test(errors_behind_long_strings_name_their_byte),
        cmocka_unit_test(strings_are_quoted_and_escaped),
        cmocka_unit_test(broken_utf8_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
