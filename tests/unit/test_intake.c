/* test_intake.c - what all protocols' readers share: raw floats, numbers, words, and who owns them.
 * Files and arrays in them are tested where they are sent, in test_request.c. */
#include "read_body.h"

#include "formats/intake.h"

struct room {                        /* one intake, and what it uses */
    struct tp_request rq;
    struct tp_arena arena;
    struct tp_err err;
    struct tp_intake in;
    struct tp_json *doc;
};

static struct room *room_new(enum intake_for what)
{
    static struct room r;
    r = (struct room){ .rq = { 0 } };
    tp_arena_init(&r.arena, 64 << 20);
    r.in = (struct tp_intake){
        .rq = &r.rq, .model = intake_model(what), .limits = &body_limits, .n_threads = 1,
        .arena = &r.arena, .err = &r.err,
    };
    return &r;
}

static struct room *room_of(const char *text)
{
    struct room *r = room_new(FOR_LAST);
    if (!tp_intake_document(&r->in, &r->doc, text, strlen(text), "body")) fail_msg("%s",
            r->err.message);
    return r;
}

static void drop(struct room *r)
{
    tp_request_fini(&r->rq);
    tp_arena_fini(&r->arena);
}

static void check_failed(struct room *r, bool ok, enum tp_code code, const char *message)
{
    if (ok) fail_msg("was read; wanted \"%s\"", message);
    assert_string_equal(r->err.message, message);
    assert_int_equal(r->err.code, code);
    drop(r);
}

/* ---- raw floats ------------------------------------------------------------------------------ */

static void raw_floats_are_as_many_inputs_as_they_make(void **state)
{
    (void)state;
    float x[3 * 8 * 8 * 2];
    for (int i = 0; i < 384; i++) x[i] = (float)i;
    for (size_t shift = 0; shift < 4; shift++)
        for (int first = 0; first < 2; first++) {
            struct room *r = room_new(first ? FOR_FIRST : FOR_LAST);
            uint8_t *copy = guarded(sizeof x + shift);
            memcpy(copy + shift, x, sizeof x);
            assert_true(tp_intake_raw(&r->in, "body", copy + shift, sizeof x));
            guarded_free(copy);                      /* they are copied */
            assert_int_equal(r->rq.n_sources, 1);
            assert_string_equal(TP_SHAPE(&r->rq.sources[0].tensor.shape),
                                first ? "[2, 3, 8, 8]" : "[6, 8, 8, 1]");
            assert_memory_equal(r->rq.sources[0].tensor.data, x, sizeof x);
            drop(r);
        }
}

static void raw_floats_of_no_size_are_refused(void **state)
{
    (void)state;
    static const size_t wrong[] = { 0, 1, 255, 257, 384 };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct room *r = room_new(FOR_LAST);
        char bytes[400] = { 0 }, want[200];
        snprintf(want, sizeof want, "body: %zu bytes; the model's input is [any, 8, 8, 1], so that "
                 "raw float32 has 256 bytes for each input", wrong[i]);
        check_failed(r, tp_intake_raw(&r->in, "body", bytes, wrong[i]), TP_INVALID_SHAPE, want);
    }
    static const struct tp_model open = {
        .name = "open", .input = { .rank = 4, .dim = { TP_ANY, TP_ANY, TP_ANY, 1 } },
    };
    struct room *r = room_new(FOR_LAST);
    r->in.model = &open;
    check_failed(r, tp_intake_raw(&r->in, "body", "\0\0\0", 4), TP_INVALID_SHAPE, "body: the "
            "model's "
                 "input is [any, any, any, 1]; raw float32 does not say its size: send a .npy "
                 "array");
    r = room_new(FOR_LAST);
    const struct tp_limits few = { .max_elements = 64, .max_batch = 1 };
    r->in.limits = &few;
    char bytes[512] = { 0 };
    check_failed(r, tp_intake_raw(&r->in, "body", bytes, 512), TP_TOO_LARGE, "body: [2, 8, 8, 1] "
            "has "
                 "more than the 64 elements that one tensor may have");
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void numbers_are_shaped_as_they_are_nested(void **state)
{
    (void)state;
    struct room *r = room_of("[[1,2,3],[4.5,-5,6e0]]");
    struct tp_tensor t;
    assert_true(tp_intake_numbers(&r->in, r->doc, r->doc->root, "x", &t));
    assert_string_equal(TP_SHAPE(&t.shape), "[2, 3]");
    assert_memory_equal(t.data, ((const float[]){ 1, 2, 3, 4.5f, -5, 6 }), 24);
    drop(r);
    r = room_of("[[1],[2,3]]");
    check_failed(r, tp_intake_numbers(&r->in, r->doc, r->doc->root, "x", &t), TP_INVALID_SHAPE,
                 "x: ragged: the array at byte 5 has another length than the one before it, 1");
    r = room_of("{\"a\":1}");
    check_failed(r, tp_intake_numbers(&r->in, r->doc, r->doc->root, "x", &t), TP_INVALID_JSON,
                 "x: expected an array of numbers, nested or flat; got an object");
    r = room_of("[1,2,3]");
    const struct tp_limits few = { .max_elements = 2 };
    r->in.limits = &few;
    check_failed(r, tp_intake_numbers(&r->in, r->doc, r->doc->root, "x", &t), TP_TOO_LARGE,
                 "x: 3 numbers; the limit is 2");
}

static void more_inputs_than_a_batch_are_refused(void **state)
{
    (void)state;
    struct room *r = room_new(FOR_LAST);
    const struct tp_tensor t = { .shape = { .rank = 0 } };
    for (int i = 0; i < body_limits.max_batch; i++) assert_true(tp_intake_tensor(&r->in, &t));
    check_failed(r, tp_intake_tensor(&r->in, &t), TP_TOO_LARGE,
                 "more than 3 inputs in one request (--max-batch)");
}

/* ---- words ----------------------------------------------------------------------------------- */

static void values_become_the_words_of_a_query(void **state)
{
    (void)state;
    static const struct { const char *key, *json, *word; } cases[] = {
        { "pool", "\"max\"", "max" }, { "ceil", "true", "true" }, { "ceil", "false", "false" },
        { "p", "3", "3" }, { "p", "-7", "-7" }, { "p", "2.5", "2.5" }, { "p", "1e3", "1000" },
        { "window", "[2,3]", "2x3" }, { "window", "[2]", "2" }, { "grid", "[4,4]", "4x4" },
        { "padding", "[0,1,0,1]", "0,1,0,1" }, { "pyramid", "[1,2,4]", "1,2,4" },
        { "rois", "[[0,0,9.5,9],[5,5,8,8]]", "0,0,9.5,9;5,5,8,8" },
        { "rois", "[0,0,9,9]", "0,0,9,9" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[100];
        const char *word = NULL;
        snprintf(text, sizeof text, "[null,%s]", cases[i].json);
        struct room *r = room_of(text);
        assert_true(tp_intake_word(&r->in, r->doc, "x.", cases[i].key,
                                   json_array_get(r->doc->root, 1), &word));
        assert_string_equal(word, cases[i].word);
        drop(r);
    }
}

static void what_is_no_word_is_refused(void **state)
{
    (void)state;
    static const struct { const char *key, *json, *got; } cases[] = {
        { "pool", "null", "null" }, { "pool", "{}", "an object" }, { "pool", "[]", "an empty "
                "array" },
        { "window", "[2.5,3]", "an array of numbers" },
        { "window", "[[2,3]]", "an array of numbers" }, { "rois", "[1,2,3]", "an array of "
                "numbers" },
        { "rois", "[[[1,2,3,4]]]", "an array of numbers" },
        { "rois", "[1,2,3,1e39]", "an array of numbers" },
        { "pool", "[\"max\"]", "an array that holds a string" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[100], want[200];
        const char *word = NULL;
        snprintf(text, sizeof text, "[null,%s]", cases[i].json);
        snprintf(want, sizeof want, "x.%s: expected a word or a number; got %s", cases[i].key,
                 cases[i].got);
        struct room *r = room_of(text);
        check_failed(r, tp_intake_word(&r->in, r->doc, "x.", cases[i].key,
                                       json_array_get(r->doc->root, 1), &word),
                     TP_INVALID_JSON, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_floats_are_as_many_inputs_as_they_make),
        cmocka_unit_test(raw_floats_of_no_size_are_refused),
        cmocka_unit_test(numbers_are_shaped_as_they_are_nested),
        cmocka_unit_test(more_inputs_than_a_batch_are_refused),
        cmocka_unit_test(values_become_the_words_of_a_query),
        cmocka_unit_test(what_is_no_word_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
