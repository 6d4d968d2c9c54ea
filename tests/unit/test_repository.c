/* test_repository.c - the model repository's documents: requests read, index and statistics
 * written. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "formats/json.h"
#include "formats/repository.h"

static bool read_index(const char *text, bool *ready_only, struct tp_err *err)
{
    return tp_repository_read_index(text, strlen(text), ready_only, err);
}

static bool read_load(const char *text, struct tp_err *err)
{
    return tp_repository_read_load(text, strlen(text), err);
}

static bool read_unload(const char *text, struct tp_err *err)
{
    return tp_repository_read_unload(text, strlen(text), err);
}

static void an_index_of_all_is_asked_for_by_nothing_or_an_object(void **state)
{
    (void)state;
    static const struct { const char *text; bool ready_only; } good[] = {
        { "", false }, { "{}", false }, { " {} \n", false }, { "{\"ready\": true}", true },
        { "{\"ready\":false}", false }, { "{\"ready\":null}", false },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bool ready_only = !good[i].ready_only;
        struct tp_err err = { 0 };
        if (!read_index(good[i].text, &ready_only, &err)) fail_msg("%s", err.message);
        assert_int_equal(ready_only, good[i].ready_only);
    }
    bool ready_only = true;
    struct tp_err err = { 0 };
    assert_true(tp_repository_read_index(NULL, 0, &ready_only, &err));
}

static void loads_and_unloads_take_no_contents(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "{}", "{\"parameters\":{}}", "{\"parameters\":null}",
        "{\"parameters\":{\"unload_dependents\":true}}",
        "{\"parameters\":{\"unload_dependents\":false,\"other\":[1,2]}}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct tp_err err = { 0 };
        if (!read_load(good[i], &err) || !read_unload(good[i], &err)) fail_msg("%s", err.message);
    }
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    enum { INDEX = 1, LOAD = 2, UNLOAD = 4 };
    static const struct { int of; const char *text; enum tp_code code; const char *want; } bad[] = {
        { INDEX | LOAD | UNLOAD, "{", TP_INVALID_JSON, "body: " },
        { INDEX | LOAD | UNLOAD, " ", TP_INVALID_JSON, "body: " },
        { INDEX | LOAD | UNLOAD, "{}{}", TP_INVALID_JSON, "body: " },
        { INDEX | LOAD | UNLOAD, "[]", TP_INVALID_JSON, "expected nothing or an object {\"" },
        { INDEX | LOAD | UNLOAD, "[1, 2]", TP_INVALID_JSON, "expected nothing or an object {\"" },
        { INDEX | LOAD | UNLOAD, "null", TP_INVALID_JSON, "expected nothing or an object {\"" },
        { INDEX | LOAD | UNLOAD, "7", TP_INVALID_JSON, "expected nothing or an object {\"" },
        { INDEX, "{\"ready\": 1}", TP_INVALID_ARGUMENT,
          "ready must be true or false, not a number" },
        { INDEX, "{\"ready\": [1]}", TP_INVALID_ARGUMENT, "ready must be true or false, not " },
        { INDEX, "{\"Ready\": true}", TP_INVALID_ARGUMENT,
          "unknown field 'Ready'; this request has ready alone" },
        { INDEX, "{\"ready\": true, \"ready\": false}", TP_INVALID_JSON, "ready" },
        { LOAD | UNLOAD, "{\"ready\": true}", TP_INVALID_ARGUMENT,
          "unknown field 'ready'; this request has parameters alone" },
        { LOAD | UNLOAD, "{\"parameters\": []}", TP_INVALID_ARGUMENT,
          "parameters must be an object, not " },
        { LOAD | UNLOAD, "{\"parameters\": [1]}", TP_INVALID_ARGUMENT,
          "parameters must be an object, not " },
        { LOAD, "{\"parameters\":{\"config\":\"{}\"}}", TP_INVALID_ARGUMENT,
          "'config' cannot be sent: models come from the folder of --models" },
        { LOAD, "{\"parameters\":{\"a\":1,\"file:1/model.onnx\":\"AA==\"}}", TP_INVALID_ARGUMENT,
          "'file:1/model.onnx' cannot be sent: models come from the folder" },
        { UNLOAD, "{\"parameters\":{\"unload_dependents\":\"yes\"}}", TP_INVALID_ARGUMENT,
          "unload_dependents must be true or false, not a string" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int of = INDEX; of <= UNLOAD; of *= 2) {
            struct tp_err err = { 0 };
            bool ready_only;
            if (!(bad[i].of & of)) continue;
            if (of == INDEX ? read_index(bad[i].text, &ready_only, &err) :
                of == LOAD ? read_load(bad[i].text, &err) : read_unload(bad[i].text, &err))
                fail_msg("accepted: %s", bad[i].text);
            if (!strstr(err.message, bad[i].want) || err.code != bad[i].code)
                fail_msg("%s: %s", bad[i].text, err.message);
        }
}

static void what_is_far_too_long_is_not_read(void **state)
{
    (void)state;
    const size_t n = (64u << 10) + 1;
    char *text = malloc(n);
    struct tp_err err = { 0 };
    memset(text, ' ', n);
    assert_false(tp_repository_read_load(text, n, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_non_null(strstr(err.message, "at most 65536"));
    free(text);
}

static void check_text(struct tp_buf *b, const char *want)
{
    tp_buf_bytes(b, "", 1);
    assert_string_equal(b->data, want);
    tp_buf_fini(b);
}

static void lines_of_the_index(void **state)
{
    (void)state;
    static const struct { struct tp_index_line line; const char *want; } lines[] = {
        { { "a", TP_MODEL_READY, "" },
          "{\"name\":\"a\",\"version\":\"1\",\"state\":\"READY\",\"reason\":\"\"}" },
        { { "\"", TP_MODEL_UNAVAILABLE, "b.json: \"\n\"" },
          "{\"name\":\"\\\"\",\"version\":\"1\",\"state\":\"UNAVAILABLE\",\"reason\":\"b.json: "
          "\\\"\\n\\\"\"}" },
        { { "a", TP_MODEL_LOADING, "" },
          "{\"name\":\"a\",\"version\":\"1\",\"state\":\"LOADING\",\"reason\":\"\"}" },
        { { "a", TP_MODEL_UNLOADING, "" },
          "{\"name\":\"a\",\"version\":\"1\",\"state\":\"UNLOADING\",\"reason\":\"\"}" },
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct tp_buf b = { 0 };
        tp_repository_write_line(&b, &lines[i].line);
        check_text(&b, lines[i].want);
    }
}

#define DURATION(name, count, ns) "\"" name "\":{\"count\":" count ",\"ns\":" ns "}"
#define NO_CACHE "," DURATION("cache_hit", "0", "0") "," DURATION("cache_miss", "0", "0")

static void figures_are_written_in_full(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    const struct tp_figures f = {
        .last_ms = 1790000000123, .n_images = 65, .n_requests = 2, .success = { 2, 300 },
        .fail = { 1, UINT64_MAX }, .queue = { 2, 10 }, .input = { 2, 20 }, .infer = { 2, 30 },
        .output = { 2, 40 }, .n_batches = 2,
        .batches = { { 1, { 1, 2 }, { 1, 3 }, { 1, 4 } }, { 64, { 1, 18 }, { 1, 27 }, { 1, 36 } } },
    };
    tp_repository_write_figures(&b, "a\"", &f, 4096);
    check_text(&b, "{\"name\":\"a\\\"\",\"version\":\"1\",\"last_inference\":1790000000123,"
               "\"inference_count\":65,\"execution_count\":2,\"inference_stats\":{"
               DURATION("success", "2", "300") "," DURATION("fail", "1", "9223372036854775807") ","
               DURATION("queue", "2", "10") "," DURATION("compute_input", "2", "20") ","
               DURATION("compute_infer", "2", "30") "," DURATION("compute_output", "2", "40")
               NO_CACHE "},\"response_stats\":{},\"batch_stats\":[{\"batch_size\":1,"
               DURATION("compute_input", "1", "2") "," DURATION("compute_infer", "1", "3") ","
               DURATION("compute_output", "1", "4") "},{\"batch_size\":64,"
               DURATION("compute_input", "1", "18") "," DURATION("compute_infer", "1", "27") ","
               DURATION("compute_output", "1", "36")
               "}],\"memory_usage\":[{\"type\":\"CPU\",\"id\":0,\"byte_size\":4096}]}");
}

static void a_model_that_has_done_nothing_has_figures_too(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    const struct tp_figures f = { 0 };
    struct tp_json doc;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 1 << 20);
    tp_repository_write_figures(&b, "a", &f, 0);
    if (!tp_json_parse(&doc, b.data, b.n_bytes, &arena, "figures", 1, &err))
        fail_msg("%s", err.message);
    assert_int_equal(json_array_size(json_object_get(doc.root, "batch_stats")), 0);
    assert_int_equal(json_array_size(json_object_get(doc.root, "memory_usage")), 0);
    assert_int_equal(json_object_size(json_object_get(doc.root, "response_stats")), 0);
    assert_int_equal(json_object_size(json_object_get(doc.root, "inference_stats")), 8);
    tp_json_fini(&doc);
    tp_arena_fini(&arena);
    tp_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_of_all_is_asked_for_by_nothing_or_an_object),
        cmocka_unit_test(loads_and_unloads_take_no_contents),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(what_is_far_too_long_is_not_read),
        cmocka_unit_test(lines_of_the_index),
        cmocka_unit_test(figures_are_written_in_full),
        cmocka_unit_test(a_model_that_has_done_nothing_has_figures_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
