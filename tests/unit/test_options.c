/* test_options.c - what is asked of the layers, in words: every word, every refusal, and a key that
 * tells asks apart. */
#include "graph_of.h"

#include "formats/options.h"

/* Two outputs, b and c, which both read a. */
static struct tp_graph *two_outputs(void)
{
    return graph_of("[4, 4, 1]", "{\"type\": \"ReLU\", \"name\": \"a\"},"
                                 "{\"type\": \"ReLU\", \"name\": \"b\"},"
                                 "{\"type\": \"ReLU\", \"name\": \"c\", \"inputs\": [\"a\"]}");
}

/* "pool=max&window=2" to options; the text must outlive them. */
static struct tp_options words(char *text)
{
    struct tp_options o = { 0 };
    struct tp_err err = { 0 };
    char *rest;
    for (char *word = strtok_r(text, "&", &rest); word; word = strtok_r(NULL, "&", &rest)) {
        char *equals = strchr(word, '=');
        assert_non_null(equals);
        *equals = '\0';
        if (!tp_options_set(&o, word, equals + 1, &err)) fail_msg("%s", err.message);
    }
    return o;
}

static bool try_ask(const char *query, const struct tp_graph *g, struct tp_ask *ask,
                    struct tp_arena *arena, struct tp_err *err)
{
    char *text = tp_arena_strndup(arena, query, strlen(query));
    struct tp_options o = words(text);
    *err = (struct tp_err){ 0 };
    return tp_options_ask(&o, g, ask, arena, err);
}

static struct tp_ask must_ask(const char *query, const struct tp_graph *g, struct tp_arena *arena)
{
    struct tp_ask ask;
    struct tp_err err;
    if (!try_ask(query, g, &ask, arena, &err)) fail_msg("%s: %s", query, err.message);
    return ask;
}

/* ---- meaning --------------------------------------------------------------------------------- */

static void without_words_the_models_outputs_are_answered_as_they_are(void **state)
{
    (void)state;
    struct tp_graph *g = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_ask ask = must_ask("", g, &arena);
    assert_int_equal(ask.n_taps, 2);
    assert_string_equal(ask.taps[0].layer, "b");
    assert_string_equal(ask.taps[1].layer, "c");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask.taps[i].pooling.kind, TP_POOL_NONE);
        assert_false(ask.taps[i].channels_first);
    }
    assert_true(ask.nested);
    assert_int_equal(ask.digits, 0);
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

static void layers_come_in_the_order_asked_also_twice(void **state)
{
    (void)state;
    struct tp_graph *g = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_ask ask = must_ask("layers=c,a,c&pool=sum", g, &arena);
    assert_int_equal(ask.n_taps, 3);
    assert_string_equal(ask.taps[0].layer, "c");
    assert_string_equal(ask.taps[1].layer, "a");
    assert_string_equal(ask.taps[2].layer, "c");
    for (int i = 0; i < 3; i++) assert_int_equal(ask.taps[i].pooling.kind, TP_POOL_SUM);
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

static void each_pooling_has_its_word(void **state)
{
    (void)state;
    static const struct { const char *query; enum tp_pool_kind kind; } cases[] = {
        { "pool=none", TP_POOL_NONE }, { "pool=max", TP_POOL_MAX }, { "pool=avg", TP_POOL_AVG },
        { "pool=min", TP_POOL_MIN }, { "pool=sum", TP_POOL_SUM },
    };
    struct tp_graph *g = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_ask ask = must_ask(cases[i].query, g, &arena);
        assert_int_equal(ask.taps[0].pooling.kind, cases[i].kind);
        assert_int_equal(ask.taps[0].pooling.form, TP_POOL_GLOBAL);
    }
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

static void windows_are_read_as_height_and_width(void **state)
{
    (void)state;
    static const struct { const char *query; struct tp_window want;
    } cases[] = {
        { "pool=max&window=2", { { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, false } },
        { "pool=avg&window=2x3", { { 2, 3 }, { 2, 3 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, false } },
        { "pool=min&window=3&stride=1",
          { { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, false } },
        { "pool=sum&window=3x2&stride=1x4&padding=same",
          { { 3, 2 }, { 1, 4 }, { 1, 1 }, { 0 }, TP_PADDING_SAME, false } },
        { "pool=max&window=2&padding=valid&ceil=true",
          { { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, true } },
        { "pool=max&window=3&padding=1&ceil=0",
          { { 3, 3 }, { 3, 3 }, { 1, 1 }, { 1, 1, 1, 1 }, TP_PADDING_EXPLICIT, false } },
        { "pool=max&window=5&padding=0,1,2,3",
          { { 5, 5 }, { 5, 5 }, { 1, 1 }, { 0, 1, 2, 3 }, TP_PADDING_EXPLICIT, false } },
        { "pool=max&window=65536",
          { { 65536, 65536 }, { 65536, 65536 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, false } },
    };
    struct tp_graph *g = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_ask ask = must_ask(cases[i].query, g, &arena);
        const struct tp_window *got = &ask.taps[1].pooling.window, *want = &cases[i].want;
        assert_int_equal(ask.taps[1].pooling.form, TP_POOL_WINDOW);
        assert_memory_equal(got->kernel, want->kernel, sizeof got->kernel);
        assert_memory_equal(got->strides, want->strides, sizeof got->strides);
        assert_memory_equal(got->dilations, want->dilations, sizeof got->dilations);
        assert_memory_equal(got->pads, want->pads, sizeof got->pads);
        assert_int_equal(got->padding, want->padding);
        assert_int_equal(got->ceil_mode, want->ceil_mode);
    }
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

static void the_answers_form_is_asked_for_in_words(void **state)
{
    (void)state;
    struct tp_graph *g = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_ask ask = must_ask("layout=nchw&nested=false&digits=9&format=json", g, &arena);
    assert_true(ask.taps[0].channels_first && ask.taps[1].channels_first);
    assert_false(ask.nested);
    assert_int_equal(ask.digits, 9);
    ask = must_ask("layout=nhwc&nested=1&digits=1", g, &arena);
    assert_false(ask.taps[0].channels_first);
    assert_true(ask.nested);
    assert_int_equal(ask.digits, 1);
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void wrong_words_are_refused_with_what_would_be_right(void **state)
{
    (void)state;
    static const struct { const char *query; enum tp_code code; const char *part;
    } cases[] = {
        { "pool=median", TP_INVALID_ARGUMENT, "pool=median: no such pooling; there are none, max" },
        { "pool=", TP_INVALID_ARGUMENT, "no such pooling" },
        { "pool=MAX", TP_INVALID_ARGUMENT, "no such pooling" },
        { "pool=lp", TP_INVALID_ARGUMENT, "pool=lp: not available in this version" },
        { "pool=gem", TP_INVALID_ARGUMENT, "pool=gem: not available in this version" },
        { "pool=std", TP_INVALID_ARGUMENT, "pool=std: not available in this version" },
        { "grid=4x4", TP_INVALID_ARGUMENT, "grid: not available in this version" },
        { "pyramid=1,2", TP_INVALID_ARGUMENT, "pyramid: not available" },
        { "rois=0,0,1,1", TP_INVALID_ARGUMENT, "rois: not available" },
        { "p=3", TP_INVALID_ARGUMENT, "p: not available" },
        { "normalize=l2", TP_INVALID_ARGUMENT, "normalize: not available" },
        { "argmax=true", TP_INVALID_ARGUMENT, "argmax: not available" },
        { "concat=true", TP_INVALID_ARGUMENT, "concat: not available" },
        { "dtype=fp16", TP_INVALID_ARGUMENT, "dtype: not available" },
        { "format=npy", TP_INVALID_ARGUMENT,
          "format=npy: not available in this version; answers are" },
        { "window=2", TP_INVALID_ARGUMENT,
          "window=2: says how large the pool's windows are; add pool=" },
        { "pool=none&window=2", TP_INVALID_ARGUMENT, "add pool=max" },
        { "pool=max&stride=2", TP_INVALID_ARGUMENT, "stride: belongs to a window" },
        { "pool=max&padding=same", TP_INVALID_ARGUMENT, "padding: belongs to a window" },
        { "ceil=true", TP_INVALID_ARGUMENT, "ceil: belongs to a window" },
        { "pool=max&window=0", TP_INVALID_ARGUMENT, "window=0: expected a size" },
        { "pool=max&window=-1", TP_INVALID_ARGUMENT, "window=-1: expected a size" },
        { "pool=max&window=+1", TP_INVALID_ARGUMENT, "expected a size" },
        { "pool=max&window= 1", TP_INVALID_ARGUMENT, "expected a size" },
        { "pool=max&window=", TP_INVALID_ARGUMENT, "expected a size" },
        { "pool=max&window=2x", TP_INVALID_ARGUMENT, "expected a size" },
        { "pool=max&window=x2", TP_INVALID_ARGUMENT, "expected a size" },
        { "pool=max&window=2x2x2", TP_INVALID_ARGUMENT, "expected a size" },
        { "pool=max&window=2,2", TP_INVALID_ARGUMENT, "expected a size" },
        { "pool=max&window=2.5", TP_INVALID_ARGUMENT, "expected a size" },
        { "pool=max&window=65537", TP_INVALID_ARGUMENT, "of 1 to 65536" },
        { "pool=max&window=99999999999999999999", TP_INVALID_ARGUMENT, "of 1 to 65536" },
        { "pool=max&window=0000000002", TP_INVALID_ARGUMENT, "expected a size" },
        { "pool=max&window=2&stride=0", TP_INVALID_ARGUMENT, "stride=0: expected a size" },
        { "pool=max&window=2&padding=full", TP_INVALID_ARGUMENT,
          "padding=full: expected valid, same" },
        { "pool=max&window=2&padding=1,1", TP_INVALID_ARGUMENT, "top,left,bottom,right" },
        { "pool=max&window=2&padding=1,1,1,1,1", TP_INVALID_ARGUMENT, "top,left,bottom,right" },
        { "pool=max&window=2&padding=-1", TP_INVALID_ARGUMENT, "top,left,bottom,right" },
        { "pool=max&window=2&ceil=yes", TP_INVALID_ARGUMENT, "ceil=yes: expected true or false" },
        { "layout=chw", TP_INVALID_ARGUMENT, "layout=chw: expected nchw or nhwc" },
        { "nested=", TP_INVALID_ARGUMENT, "expected true or false" },
        { "digits=0", TP_INVALID_ARGUMENT, "digits=0: expected 1 to 9" },
        { "digits=10", TP_INVALID_ARGUMENT, "expected 1 to 9" },
        { "digits=3,4", TP_INVALID_ARGUMENT, "expected 1 to 9" },
        { "layers=a,nope", TP_NOT_FOUND, "no layer 'nope'; it has: a, b, c" },
        { "layers=", TP_NOT_FOUND, "no layer ''" },
        { "layers=a,,b", TP_NOT_FOUND, "no layer ''" },
        { "layers=a,", TP_NOT_FOUND, "no layer ''" },
        { "layers=input", TP_NOT_FOUND, "no layer 'input'" },
    };
    struct tp_graph *g = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_ask ask;
        struct tp_err err;
        if (try_ask(cases[i].query, g, &ask, &arena, &err))
            fail_msg("%s was accepted", cases[i].query);
        if (err.code != cases[i].code || !strstr(err.message, cases[i].part))
            fail_msg("%s: got %s \"%s\"; wanted \"%s\"", cases[i].query, tp_code_name(err.code),
                     err.message, cases[i].part);
    }
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

static void unknown_and_repeated_words_are_refused(void **state)
{
    (void)state;
    struct tp_options o = { 0 };
    struct tp_err err = { 0 };
    assert_false(tp_options_set(&o, "pooling", "max", &err));
    assert_int_equal(err.code, TP_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "unknown parameter 'pooling'; there are: layers, pool"));
    err = (struct tp_err){ 0 };
    assert_true(tp_options_set(&o, "pool", "max", &err));
    assert_string_equal(o.pool, "max");
    assert_false(tp_options_set(&o, "pool", "avg", &err));
    assert_non_null(strstr(err.message, "pool: given twice"));
    assert_string_equal(o.pool, "max");
}

static void too_many_layers_are_refused_before_they_are_looked_up(void **state)
{
    (void)state;
    struct tp_graph *g = two_outputs();
    struct tp_arena arena;
    struct tp_ask ask;
    struct tp_err err;
    char query[7 + 2 * 257] = "layers=";
    for (int i = 0; i < 257; i++) strcat(query, i ? ",a" : "a");
    tp_arena_init(&arena, 1 << 20);
    assert_false(try_ask(query, g, &ask, &arena, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_non_null(strstr(err.message, "257 asked for; at most 256"));
    query[strlen(query) - 2] = '\0';
    assert_true(try_ask(query, g, &ask, &arena, &err));
    assert_int_equal(ask.n_taps, 256);
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

static void an_arena_that_is_full_is_an_error(void **state)
{
    (void)state;
    struct tp_graph *g = two_outputs();
    struct tp_options o = { .layers = "a,b" };
    struct tp_arena arena;
    struct tp_ask ask;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 64);
    assert_false(tp_options_ask(&o, g, &ask, &arena, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

/* ---- words of each output -------------------------------------------------------------------- */

static bool try_each(const struct tp_options *o, const struct tp_options *outputs,
                     const char *const *names, int n, struct tp_ask *ask, struct tp_arena *arena,
                     struct tp_err *err)
{
    struct tp_graph *g = two_outputs();
    *err = (struct tp_err){ 0 };
    bool ok = tp_options_ask_each(o, outputs, names, n, g, ask, arena, err);
    tp_graph_free(g);
    return ok;
}

static void each_output_is_pooled_in_its_own_way(void **state)
{
    (void)state;
    static const char *const names[] = { "c", "a", "a" };
    const struct tp_options o = { .layout = "nchw", .nested = "0", .digits = "4" };
    const struct tp_options outputs[] = {
        { .pool = "max" }, { 0 }, { .pool = "avg", .window = "2", .stride = "1" },
    };
    struct tp_arena arena;
    struct tp_ask ask;
    struct tp_err err;
    tp_arena_init(&arena, 1 << 20);
    if (!try_each(&o, outputs, names, 3, &ask, &arena, &err)) fail_msg("%s", err.message);
    assert_int_equal(ask.n_taps, 3);
    assert_false(ask.nested);
    assert_int_equal(ask.digits, 4);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(ask.taps[i].layer, names[i]);
        assert_true(ask.taps[i].channels_first);
    }
    assert_int_equal(ask.taps[0].pooling.kind, TP_POOL_MAX);
    assert_int_equal(ask.taps[0].pooling.form, TP_POOL_GLOBAL);
    assert_int_equal(ask.taps[1].pooling.kind, TP_POOL_NONE);
    assert_int_equal(ask.taps[2].pooling.kind, TP_POOL_AVG);
    assert_int_equal(ask.taps[2].pooling.form, TP_POOL_WINDOW);
    assert_int_equal(ask.taps[2].pooling.window.strides[1], 1);
    tp_arena_fini(&arena);
}

static void pooling_in_both_query_and_outputs_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "a" };
    static const struct tp_options both[] = {
        { .layers = "a" }, { .pool = "max" }, { .window = "2" }, { .stride = "2" },
        { .padding = "same" }, { .ceil = "true" },
    };
    const struct tp_options none = { 0 };
    struct tp_arena arena;
    struct tp_ask ask;
    struct tp_err err;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
        assert_false(try_each(&both[i], &none, names, 1, &ask, &arena, &err));
        assert_int_equal(err.code, TP_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "given twice"));
    }
    tp_arena_fini(&arena);
}

static void a_wrong_output_is_named_by_its_index(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "b" }, *const unknown[] = { "a", "z" };
    static const struct tp_options wrong[] = { { 0 }, { .pool = "gem" } };
    static const struct tp_options later[] = { { 0 }, { .pool = "max", .grid = "2" } };
    static const struct tp_options stray[] = { { 0 }, { .ceil = "true" } };
    static const struct tp_options fine[2];
    const struct tp_options o = { 0 };
    struct tp_arena arena;
    struct tp_ask ask;
    struct tp_err err;
    tp_arena_init(&arena, 1 << 20);
    assert_false(try_each(&o, wrong, names, 2, &ask, &arena, &err));
    assert_non_null(strstr(err.message, "outputs[1]: pool=gem"));
    assert_false(try_each(&o, later, names, 2, &ask, &arena, &err));
    assert_non_null(strstr(err.message, "outputs[1]: grid"));
    assert_false(try_each(&o, stray, names, 2, &ask, &arena, &err));
    assert_non_null(strstr(err.message, "outputs[1]: ceil"));
    assert_false(try_each(&o, fine, unknown, 2, &ask, &arena, &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_non_null(strstr(err.message, "no layer 'z'"));
    assert_false(try_each(&o, fine, names, 0, &ask, &arena, &err));
    assert_non_null(strstr(err.message, "expected 1 to 256"));
    tp_arena_fini(&arena);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static struct tp_buf key_of(const char *query, const struct tp_graph *g, struct tp_arena *arena)
{
    struct tp_ask ask = must_ask(query, g, arena);
    struct tp_buf b = { 0 };
    tp_ask_key(&b, &ask);
    assert_false(b.failed);
    assert_true(b.n_bytes > 0);
    return b;
}

static bool same_keys(const char *a, const char *b, const struct tp_graph *g,
                      struct tp_arena *arena)
{
    struct tp_buf x = key_of(a, g, arena), y = key_of(b, g, arena);
    bool same = x.n_bytes == y.n_bytes && !memcmp(x.data, y.data, x.n_bytes);
    tp_buf_fini(&x);
    tp_buf_fini(&y);
    return same;
}

static void keys_differ_where_the_work_does(void **state)
{
    (void)state;
    static const char *const asks[] = {
        "layers=a",
        "layers=b",
        "layers=c",
        "layers=a,b",
        "layers=b,a",
        "layers=a,a",
        "layers=a,b,c",
        "layers=a&layout=nchw",
        "layers=a&pool=max",
        "layers=a&pool=avg",
        "layers=a&pool=min",
        "layers=a&pool=sum",
        "layers=a&pool=max&layout=nchw",
        "layers=a&pool=max&window=2",
        "layers=a&pool=avg&window=2",
        "layers=a&pool=max&window=3",
        "layers=a&pool=max&window=2x3",
        "layers=a&pool=max&window=3x2",
        "layers=a&pool=max&window=23",
        "layers=a&pool=max&window=2&stride=1",
        "layers=a&pool=max&window=2&stride=2x1",
        "layers=a&pool=max&window=2&stride=1x2",
        "layers=a&pool=max&window=2&padding=same",
        "layers=a&pool=max&window=2&padding=1",
        "layers=a&pool=max&window=2&padding=1,0,0,0",
        "layers=a&pool=max&window=2&padding=0,1,0,0",
        "layers=a&pool=max&window=2&padding=0,0,1,0",
        "layers=a&pool=max&window=2&padding=0,0,0,1",
        "layers=a&pool=max&window=2&padding=11,1,1,1",
        "layers=a&pool=max&window=2&padding=1,11,1,1",
        "layers=a&pool=max&window=2&ceil=true",
    };
    enum { N = sizeof asks / sizeof *asks };
    struct tp_graph *g = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 16 << 20);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (same_keys(asks[i], asks[j], g, &arena) != (i == j))
                fail_msg("keys of %s and %s", asks[i], asks[j]);
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

static void keys_are_the_same_where_only_the_words_differ(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "layers=b,c" }, { "", "pool=none" }, { "", "nested=false&digits=3" },
        { "layout=nhwc", "format=json" }, { "pool=max&window=2", "pool=max&window=2x2&stride=2" },
        { "pool=max&window=2", "pool=max&window=2&padding=valid&ceil=false" },
        { "pool=max&window=3&padding=1", "pool=max&window=3&padding=1,1,1,1" },
    };
    struct tp_graph *g = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!same_keys(pairs[i][0], pairs[i][1], g, &arena))
            fail_msg("keys of %s and %s", pairs[i][0], pairs[i][1]);
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_words_the_models_outputs_are_answered_as_they_are),
        cmocka_unit_test(layers_come_in_the_order_asked_also_twice),
        cmocka_unit_test(each_pooling_has_its_word),
        cmocka_unit_test(windows_are_read_as_height_and_width),
        cmocka_unit_test(the_answers_form_is_asked_for_in_words),
        cmocka_unit_test(wrong_words_are_refused_with_what_would_be_right),
        cmocka_unit_test(unknown_and_repeated_words_are_refused),
        cmocka_unit_test(too_many_layers_are_refused_before_they_are_looked_up),
        cmocka_unit_test(an_arena_that_is_full_is_an_error),
        cmocka_unit_test(each_output_is_pooled_in_its_own_way),
        cmocka_unit_test(pooling_in_both_query_and_outputs_is_refused),
        cmocka_unit_test(a_wrong_output_is_named_by_its_index),
        cmocka_unit_test(keys_differ_where_the_work_does),
        cmocka_unit_test(keys_are_the_same_where_only_the_words_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
