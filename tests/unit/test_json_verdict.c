/* test_json_verdict.c - thousands of documents, sound and damaged, through tp_json_parse() and
 * through Jansson alone: the same are read, with the same values; the same are refused, at the same
 * byte. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/json.h"

static uint32_t pick(uint32_t *seed, uint32_t n) { return (next_random(seed) >> 8) % n; }

/* ---- documents ------------------------------------------------------------------------------- */

static void put_space(struct tp_buf *b, uint32_t *seed)
{
    static const char *const spaces[] = { "", "", "", "", " ", "\n", "\r\n\t  ", "  " };
    tp_buf_text(b, spaces[pick(seed, 8)]);
}

static void put_number(struct tp_buf *b, uint32_t *seed)
{
    static const char *const others[] = { "0", "-0", "0.0", "1e5", "2E-3", "1.5e+2", "-0.25", "7",
                                          "123456789012", "0.30000001192092896", "1e-7",
                                          "-12345.678901234567890123456789", "16777217" };
    if (pick(seed, 2)) tp_buf_text(b, others[pick(seed, sizeof others / sizeof *others)]);
    else tp_buf_printf(b, "%.*g", 1 + (int)pick(seed, 9), (double)(int)next_random(seed) / 1e7);
}

static void put_string(struct tp_buf *b, uint32_t *seed)
{
    static const char *const pieces[] = { "a", "key", "[1,2]", "\\\"", "\\\\", "\\u00e9",
                                          "\xC3\xA9", "\\ud83d\\ude00", " ", "{", ",", "0.5",
                                          "\\n" };
    tp_buf_text(b, "\"");
    for (uint32_t n = pick(seed, 4); n; n--)
        tp_buf_text(b, pieces[pick(seed, sizeof pieces / sizeof *pieces)]);
    tp_buf_text(b, "\"");
}

static void put_value(struct tp_buf *b, uint32_t *seed, int depth);

/* Equally long rows, mostly. */
static void put_tensor(struct tp_buf *b, uint32_t *seed, int rank)
{
    const uint32_t n = 1 + pick(seed, rank > 1 ? 4 : 20);
    tp_buf_text(b, "[");
    for (uint32_t i = 0; i < n; i++) {
        if (i) tp_buf_text(b, ",");
        put_space(b, seed);
        if (rank > 1 && pick(seed, 40)) put_tensor(b, seed, rank - 1);
        else put_number(b, seed);
        if (!pick(seed, 8)) put_space(b, seed);
    }
    tp_buf_text(b, "]");
}

static void put_members(struct tp_buf *b, uint32_t *seed, int depth, bool keys)
{
    for (uint32_t i = 0, n = pick(seed, 5); i < n; i++) {
        if (i) tp_buf_text(b, ",");
        put_space(b, seed);
        if (keys) {
            if (pick(seed, 4)) tp_buf_printf(b, "\"k%u\"", i);
            else put_string(b, seed);
            put_space(b, seed);
            tp_buf_text(b, ":");
            put_space(b, seed);
        }
        put_value(b, seed, depth + 1);
        put_space(b, seed);
    }
}

static void put_value(struct tp_buf *b, uint32_t *seed, int depth)
{
    static const char *const words[] = { "true", "false", "null" };
    switch (pick(seed, depth < 4 ? 8 : 5)) {
    case 0: put_number(b, seed); break;
    case 1: put_string(b, seed); break;
    case 2: tp_buf_text(b, words[pick(seed, 3)]); break;
    case 3: case 4: put_tensor(b, seed, 1 + (int)pick(seed, 3)); break;
    case 5:
        tp_buf_text(b, "[");
        put_members(b, seed, depth, false);
        tp_buf_text(b, "]");
        break;
    default:
        tp_buf_text(b, "{");
        put_members(b, seed, depth, true);
        tp_buf_text(b, "}");
    }
}

/* A byte is changed, put in, or taken out. */
static void damage(struct tp_buf *b, uint32_t *seed)
{
    static const char bytes[] = "[]{},:\"\\0123456789.-+eE tfnu\x01\xC3\xA9";
    const size_t at = pick(seed, (uint32_t)b->n_bytes), rest = b->n_bytes - at;
    const char byte = bytes[pick(seed, sizeof bytes - 1)];
    switch (pick(seed, 3)) {
    case 0: b->data[at] = byte; break;
    case 1:
        memmove(b->data + at, b->data + at + 1, rest - 1);
        b->n_bytes--;
        break;
    default:
        tp_buf_bytes(b, "", 1);
        memmove(b->data + at + 1, b->data + at, rest);
        b->data[at] = byte;
    }
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct numbers { float x[100000]; size_t n; };

static void gather(const json_t *v, struct numbers *to)
{
    size_t i;
    json_t *child;
    if (json_is_number(v)) to->x[to->n++] = (float)json_number_value(v);
    json_array_foreach(v, i, child) gather(child, to);
}

static void check_same(const struct tp_json *doc, const json_t *ours, const json_t *theirs)
{
    static struct numbers want;
    static float got[100000];
    struct tp_err err = { 0 };
    const struct tp_json_span *span = tp_json_span(doc, ours);
    if (span) {
        want.n = 0;
        assert_true(json_is_array(theirs));
        gather(theirs, &want);
        assert_int_equal(tp_json_span_count(span), want.n);
        if (!tp_json_span_floats(doc, span, "array", got, &err)) {
            bool beyond = false;     /* 1e55: what a double holds is not always a float */
            for (size_t i = 0; i < want.n; i++) beyond |= isinf(want.x[i]) != 0;
            assert_true(beyond);
            return;
        }
        for (size_t i = 0; i < want.n; i++) assert_true(got[i] == want.x[i]);
        return;
    }
    assert_int_equal(json_typeof(ours), json_typeof(theirs));
    if (json_is_array(ours)) {
        assert_int_equal(json_array_size(ours), json_array_size(theirs));
        for (size_t i = 0; i < json_array_size(ours); i++)
            check_same(doc, json_array_get(ours, i), json_array_get(theirs, i));
    } else if (json_is_object(ours)) {
        const char *key;
        json_t *v;
        assert_int_equal(json_object_size(ours), json_object_size(theirs));
        json_object_foreach((json_t *)theirs, key, v)
            check_same(doc, json_object_get(ours, key), v);
    } else {
        assert_true(json_equal(ours, theirs));
    }
}

/* Where Jansson's complaint begins: it gives the byte behind the token that it names. */
static size_t place_of(const json_error_t *e)
{
    const char *near = strstr(e->text, " near '");
    size_t token = near && json_error_code(e) != json_error_invalid_utf8 ? strlen(near + 7) - 1 : 0;
    return (size_t)e->position - token;
}

/* What is judged otherwise on purpose: large arrays that hold something beside numbers; numbers
 * that no double can hold, which in a tensor are refused when they are asked for. */
static bool is_ours_alone(const struct tp_err *ours, const json_error_t *theirs)
{
    return strstr(ours->message, "among numbers; a tensor holds only numbers") ||
           (theirs && json_error_code(theirs) == json_error_numeric_overflow);
}

/* Complaints about arrays of numbers begin where the number does; Jansson may see its tokens cut
 * elsewhere. */
static bool is_of_the_scan(const char *message)
{
    return strstr(message, "a number expected, found") || strstr(message, "',' or ']' expected") ||
           strstr(message, "a number begins with a digit") || strstr(message, "a number has no +");
}

struct tally { int read, refused, at_the_same_byte, ours_alone; };

static void compare(const char *text, size_t n, struct tally *tally)
{
    struct tp_json doc;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    json_error_t e;
    tp_arena_init(&arena, 64 << 20);
    json_t *theirs = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    const bool ok = tp_json_parse(&doc, text, n, &arena, "body", 1, &err);
    if (is_ours_alone(&err, theirs ? NULL : &e)) tally->ours_alone++;
    else if (ok != (theirs != NULL))
        fail_msg("ours: %s; Jansson: %s\n%.*s", ok ? "read" : err.message,
                 theirs ? "read" : e.text, (int)n, text);
    else if (ok) {
        tally->read++;
        check_same(&doc, doc.root, theirs);
    } else {
        tally->refused++;
        size_t byte = 0;
        assert_int_equal(sscanf(err.message, "body: byte %zu:", &byte), 1);
        if (byte == place_of(&e)) tally->at_the_same_byte++;
        else if (!is_of_the_scan(err.message))
            fail_msg("ours: %s; Jansson: byte %d: %s\n%.*s", err.message, e.position, e.text,
                     (int)n, text);
    }
    json_decref(theirs);
    tp_json_fini(&doc);
    tp_arena_fini(&arena);
}

static void jansson_says_the_same(void **state)
{
    (void)state;
    struct tally tally = { 0 };
    uint32_t seed = 1;
    for (int i = 0; i < 6000; i++) {
        struct tp_buf b = { 0 };
        put_value(&b, &seed, 0);
        for (uint32_t damages = (uint32_t)i % 3; damages && b.n_bytes; damages--) damage(&b, &seed);
        char *text = guarded(b.n_bytes);
        memcpy(text, b.data, b.n_bytes);
        if (b.n_bytes) compare(text, b.n_bytes, &tally);
        guarded_free(text);
        tp_buf_fini(&b);
    }
    assert_true(tally.read > 2000 && tally.at_the_same_byte > 2000 && tally.ours_alone < 100);
    print_message("%d read, %d refused, %d of them at the same byte, %d not compared\n", tally.read,
                  tally.refused, tally.at_the_same_byte, tally.ours_alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jansson_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
