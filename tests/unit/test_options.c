/* test_options.c - what is asked of the layers, in words: every word, every refusal, and a key that
 * tells asks apart. */
#include "graph_of.h"
#include "words.h"

/* Two outputs, b and c, which both read a. */
static struct tp_model *two_outputs(void)
{
    struct tp_model *m;
    struct tp_err err = { 0 };
    struct tp_graph *g =
        graph_of("[4, 4, 1]", "{\"type\": \"ReLU\", \"name\": \"a\"},"
                              "{\"type\": \"ReLU\", \"name\": \"b\"},"
                              "{\"type\": \"ReLU\", \"name\": \"c\", \"inputs\": [\"a\"]}");
    if (!tp_model_new(&m, g, &err)) fail_msg("%s", err.message);
    return m;
}

static bool try_ask(const char *query, const struct tp_model *m, struct tp_ask *ask,
                    struct tp_arena *arena, struct tp_err *err)
{
    char *text = tp_arena_strndup(arena, query, strlen(query));
    struct tp_options o = words(text);
    *err = (struct tp_err){ 0 };
    return tp_options_ask(&o, m, ask, arena, err);
}

static struct tp_ask must_ask(const char *query, const struct tp_model *m, struct tp_arena *arena)
{
    struct tp_ask ask;
    struct tp_err err;
    if (!try_ask(query, m, &ask, arena, &err)) fail_msg("%s: %s", query, err.message);
    return ask;
}

/* ---- meaning --------------------------------------------------------------------------------- */

static void without_words_the_models_outputs_are_answered_as_they_are(void **state)
{
    (void)state;
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_ask ask = must_ask("", m, &arena);
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
    tp_model_free(m);
}

static void layers_come_in_the_order_asked_also_twice(void **state)
{
    (void)state;
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_ask ask = must_ask("layers=c,a,c&pool=sum", m, &arena);
    assert_int_equal(ask.n_taps, 3);
    assert_string_equal(ask.taps[0].layer, "c");
    assert_string_equal(ask.taps[1].layer, "a");
    assert_string_equal(ask.taps[2].layer, "c");
    for (int i = 0; i < 3; i++) assert_int_equal(ask.taps[i].pooling.kind, TP_POOL_SUM);
    tp_arena_fini(&arena);
    tp_model_free(m);
}

static void the_answers_form_is_asked_for_in_words(void **state)
{
    (void)state;
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_ask ask = must_ask("layout=nchw&nested=false&digits=9&format=json", m, &arena);
    assert_true(ask.taps[0].channels_first && ask.taps[1].channels_first);
    assert_false(ask.nested);
    assert_int_equal(ask.digits, 9);
    assert_int_equal(ask.top, 0);
    ask = must_ask("layout=nhwc&nested=1&digits=1&top=100", m, &arena);
    assert_false(ask.taps[0].channels_first);
    assert_true(ask.nested);
    assert_int_equal(ask.digits, 1);
    assert_int_equal(ask.top, 100);
    tp_arena_fini(&arena);
    tp_model_free(m);
}

static void formats_and_types_are_asked_for_in_words(void **state)
{
    (void)state;
    static const struct { const char *query; enum tp_form form; enum tp_dtype dtype; } cases[] = {
        { "", TP_FORM_JSON, TP_FP32 },
        { "format=json&top=2&nested=false&digits=4&pool=max&argmax=true", TP_FORM_JSON, TP_FP32 },
        { "format=npy&layers=a&dtype=fp16", TP_FORM_NPY, TP_FP16 },
        { "format=npy&pool=avg&concat=true&layout=nchw", TP_FORM_NPY, TP_FP32 },
        { "format=binary&layers=b&dtype=fp32", TP_FORM_BINARY, TP_FP32 },
        { "format=safetensors&pool=max&argmax=true&dtype=uint8", TP_FORM_SAFETENSORS, TP_UINT8 },
        { "format=png&layers=a,b,c", TP_FORM_PNG, TP_FP32 },
    };
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct tp_ask ask = must_ask(cases[i].query, m, &arena);
        assert_int_equal(ask.form, cases[i].form);
        assert_int_equal(ask.dtype, cases[i].dtype);
        assert_int_equal(ask.form_given, i > 0);
    }
    tp_arena_fini(&arena);
    tp_model_free(m);
}

/* An Accept header may choose a form that the words do not fit. */
static void a_form_chosen_later_is_checked_then(void **state)
{
    (void)state;
    static const struct { const char *query; enum tp_form form; const char *part; } cases[] = {
        { "layers=b", TP_FORM_NPY, NULL },
        { "dtype=fp16&layers=b", TP_FORM_NPY, NULL },
        { "dtype=fp32", TP_FORM_JSON, "dtype: not of format=json" },
        { "dtype=uint8", TP_FORM_PNG, "dtype: not of format=png" },
        { "", TP_FORM_BINARY, "format=binary holds one output" },
        { "nested=true", TP_FORM_SAFETENSORS, "nested: of JSON" },
        { "pool=max&argmax=true", TP_FORM_PNG, "argmax" },
    };
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_ask ask = must_ask(cases[i].query, m, &arena);
        struct tp_err err = { 0 };
        assert_false(ask.form_given);
        ask.form = cases[i].form;
        assert_int_equal(tp_ask_check_form(&ask, &err), !cases[i].part);
        if (cases[i].part && !strstr(err.message, cases[i].part)) fail_msg("%s", err.message);
    }
    tp_arena_fini(&arena);
    tp_model_free(m);
}

static void the_layout_is_the_models_own_unless_another_is_asked_for(void **state)
{
    (void)state;
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    m->channels_first = true;
    assert_true(must_ask("", m, &arena).taps[1].channels_first);
    assert_true(must_ask("layout=nchw", m, &arena).taps[1].channels_first);
    assert_false(must_ask("layout=nhwc", m, &arena).taps[1].channels_first);
    tp_arena_fini(&arena);
    tp_model_free(m);
}

static void lengths_and_places_are_asked_for_in_words(void **state)
{
    (void)state;
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_ask ask = must_ask("pool=max&normalize=l2&argmax=true", m, &arena);
    for (int i = 0; i < 2; i++) {
        assert_true(ask.taps[i].normalize && ask.taps[i].argmax);
        assert_false(ask.taps[i].joined);
    }
    ask = must_ask("pool=max&normalize=none&argmax=false&concat=false", m, &arena);
    assert_false(ask.taps[0].normalize || ask.taps[0].argmax || ask.taps[1].joined || ask.concat);
    tp_arena_fini(&arena);
    tp_model_free(m);
}

static void concat_joins_all_to_the_first_which_is_normalized(void **state)
{
    (void)state;
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_ask ask = must_ask("layers=a,b,c&pool=avg&concat=true&normalize=l2", m, &arena);
    assert_true(ask.concat);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask.taps[i].joined, i > 0);
        assert_int_equal(ask.taps[i].normalize, i == 0);
        assert_int_equal(ask.taps[i].pooling.kind, TP_POOL_AVG);
    }
    tp_arena_fini(&arena);
    tp_model_free(m);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void wrong_words_are_refused_with_what_would_be_right(void **state)
{
    (void)state;
    static const struct { const char *query; enum tp_code code; const char *part;
    } cases[] = {
        { "pool=median", TP_INVALID_ARGUMENT, "pool=median: no such pooling; there are none, max" },
        { "format=tiff", TP_INVALID_ARGUMENT,
          "format=tiff: expected json, npy, safetensors, binary or png" },
        { "dtype=int8", TP_INVALID_ARGUMENT, "dtype=int8: expected fp32, fp16 or uint8" },
        { "format=json&dtype=fp32", TP_INVALID_ARGUMENT,
          "dtype: not of format=json; give it with format=npy, safetensors or binary" },
        { "format=png&dtype=fp16", TP_INVALID_ARGUMENT, "dtype: not of format=png" },
        { "format=npy", TP_INVALID_ARGUMENT, "format=npy holds one output, and 2 are asked for; "
          "format=safetensors holds them all, concat=true makes one of them" },
        { "format=binary&layers=a,b,c", TP_INVALID_ARGUMENT, "holds one output, and 3 are" },
        { "format=npy&layers=b&top=3&pool=avg", TP_INVALID_ARGUMENT,
          "top: of JSON answers, and this one is npy; leave one of them out" },
        { "format=png&nested=true", TP_INVALID_ARGUMENT, "nested: of JSON answers" },
        { "format=safetensors&digits=3", TP_INVALID_ARGUMENT, "digits: of JSON answers" },
        { "format=npy&layers=b&pool=max&argmax=true", TP_INVALID_ARGUMENT,
          "argmax: format=npy has no room for it; ask for json or safetensors" },
        { "format=png&pool=max&argmax=true", TP_INVALID_ARGUMENT, "argmax: format=png" },
        { "normalize=l1", TP_INVALID_ARGUMENT, "normalize=l1: expected l2 or none" },
        { "normalize=true", TP_INVALID_ARGUMENT, "expected l2 or none" },
        { "concat=1.0", TP_INVALID_ARGUMENT, "concat=1.0: expected true or false" },
        { "pool=max&argmax=true&concat=true", TP_INVALID_ARGUMENT, "argmax: not with concat=true" },
        { "top=0", TP_INVALID_ARGUMENT, "top=0: expected 1 to 100" },
        { "top=101", TP_INVALID_ARGUMENT, "expected 1 to 100" },
        { "top=5,6", TP_INVALID_ARGUMENT, "expected 1 to 100" },
        { "top=", TP_INVALID_ARGUMENT, "expected 1 to 100" },
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
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_ask ask;
        struct tp_err err;
        if (try_ask(cases[i].query, m, &ask, &arena, &err))
            fail_msg("%s was accepted", cases[i].query);
        if (err.code != cases[i].code || !strstr(err.message, cases[i].part))
            fail_msg("%s: got %s \"%s\"; wanted \"%s\"", cases[i].query, tp_code_name(err.code),
                     err.message, cases[i].part);
    }
    tp_arena_fini(&arena);
    tp_model_free(m);
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

static void words_of_the_query_and_the_body_come_together(void **state)
{
    (void)state;
    struct tp_options o = { .layers = "a", .nested = "true" };
    const struct tp_options body = { .concat = "true", .layout = "nchw", .top = "3" };
    const struct tp_options again = { .top = "4" };
    struct tp_err err = { 0 };
    assert_true(tp_options_merge(&o, &body, &err));
    assert_string_equal(o.layers, "a");
    assert_string_equal(o.nested, "true");
    assert_string_equal(o.concat, "true");
    assert_string_equal(o.layout, "nchw");
    assert_string_equal(o.top, "3");
    assert_false(tp_options_merge(&o, &again, &err));
    assert_string_equal(err.message, "top: given twice, in the query and in the body; say it once");
}

static void each_word_has_its_place(void **state)
{
    (void)state;
    static const struct { const char *key; enum tp_word_scope scope; } cases[] = {
        { "layers", TP_WORD_OF_QUERY }, { "pool", TP_WORD_OF_OUTPUT },
        { "window", TP_WORD_OF_OUTPUT }, { "stride", TP_WORD_OF_OUTPUT },
        { "padding", TP_WORD_OF_OUTPUT }, { "ceil", TP_WORD_OF_OUTPUT },
        { "grid", TP_WORD_OF_OUTPUT }, { "pyramid", TP_WORD_OF_OUTPUT },
        { "rois", TP_WORD_OF_OUTPUT }, { "p", TP_WORD_OF_OUTPUT },
        { "argmax", TP_WORD_OF_OUTPUT }, { "normalize", TP_WORD_OF_BOTH },
        { "concat", TP_WORD_OF_ANSWER }, { "top", TP_WORD_OF_ANSWER },
        { "layout", TP_WORD_OF_ANSWER }, { "nested", TP_WORD_OF_ANSWER },
        { "digits", TP_WORD_OF_ANSWER }, { "format", TP_WORD_OF_ANSWER },
        { "dtype", TP_WORD_OF_ANSWER }, { "name", TP_WORD_UNKNOWN }, { "", TP_WORD_UNKNOWN },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(tp_options_scope(cases[i].key), cases[i].scope);
}

static void words_about_layers_are_told_from_those_of_the_form(void **state)
{
    (void)state;
    const struct tp_options form = { .layout = "nchw", .nested = "1", .digits = "3",
                                     .format = "json" };
    assert_null(tp_options_about_layers(&form));
    assert_string_equal(tp_options_about_layers(&(struct tp_options){ .layers = "a" }), "layers");
    assert_string_equal(tp_options_about_layers(&(struct tp_options){ .top = "5" }), "top");
    assert_string_equal(
        tp_options_about_layers(&(struct tp_options){ .layout = "nchw", .rois = "0,0,1,1" }),
        "rois");
}

static void too_many_layers_are_refused_before_they_are_looked_up(void **state)
{
    (void)state;
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    struct tp_ask ask;
    struct tp_err err;
    char query[7 + 2 * 257] = "layers=";
    for (int i = 0; i < 257; i++) strcat(query, i ? ",a" : "a");
    tp_arena_init(&arena, 1 << 20);
    assert_false(try_ask(query, m, &ask, &arena, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_non_null(strstr(err.message, "257 asked for; at most 256"));
    query[strlen(query) - 2] = '\0';
    assert_true(try_ask(query, m, &ask, &arena, &err));
    assert_int_equal(ask.n_taps, 256);
    tp_arena_fini(&arena);
    tp_model_free(m);
}

static void an_arena_that_is_full_is_an_error(void **state)
{
    (void)state;
    struct tp_model *m = two_outputs();
    struct tp_options o = { .layers = "a,b" };
    struct tp_arena arena;
    struct tp_ask ask;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 64);
    assert_false(tp_options_ask(&o, m, &ask, &arena, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    tp_arena_fini(&arena);
    tp_model_free(m);
}

/* ---- words of each output -------------------------------------------------------------------- */

static bool try_each(const struct tp_options *o, const struct tp_options *outputs,
                     const char *const *names, int n, struct tp_ask *ask, struct tp_arena *arena,
                     struct tp_err *err)
{
    struct tp_model *m = two_outputs();
    *err = (struct tp_err){ 0 };
    bool ok = tp_options_ask_each(o, outputs, names, n, m, ask, arena, err);
    tp_model_free(m);
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
        { .padding = "same" }, { .ceil = "true" }, { .grid = "2" }, { .pyramid = "1" },
        { .rois = "0,0,1,1" }, { .p = "2" }, { .argmax = "false" },
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
    static const struct tp_options wrong[] = { { 0 }, { .pool = "gam" } };
    static const struct tp_options long_one[] = { { 0 }, { .normalize = "l1" } };
    static const struct tp_options stray[] = { { 0 }, { .ceil = "true" } };
    static const struct tp_options fine[2];
    const struct tp_options o = { 0 };
    struct tp_arena arena;
    struct tp_ask ask;
    struct tp_err err;
    tp_arena_init(&arena, 1 << 20);
    assert_false(try_each(&o, wrong, names, 2, &ask, &arena, &err));
    assert_non_null(strstr(err.message, "outputs[1]: pool=gam"));
    assert_false(try_each(&o, long_one, names, 2, &ask, &arena, &err));
    assert_non_null(strstr(err.message, "outputs[1]: normalize=l1: expected l2 or none"));
    assert_false(try_each(&o, stray, names, 2, &ask, &arena, &err));
    assert_non_null(strstr(err.message, "outputs[1]: ceil"));
    assert_false(try_each(&o, fine, unknown, 2, &ask, &arena, &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_non_null(strstr(err.message, "no layer 'z'"));
    assert_false(try_each(&o, fine, names, 0, &ask, &arena, &err));
    assert_non_null(strstr(err.message, "expected 1 to 256"));
    tp_arena_fini(&arena);
}

static void lengths_of_outputs_are_their_own_or_as_the_answer_says(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "b", "c" };
    const struct tp_options o = { .normalize = "l2" };
    const struct tp_options outputs[] = { { .normalize = "none" }, { 0 }, { .normalize = "l2" } };
    struct tp_arena arena;
    struct tp_ask ask;
    struct tp_err err;
    tp_arena_init(&arena, 1 << 20);
    if (!try_each(&o, outputs, names, 3, &ask, &arena, &err)) fail_msg("%s", err.message);
    assert_false(ask.taps[0].normalize);
    assert_true(ask.taps[1].normalize && ask.taps[2].normalize);
    tp_arena_fini(&arena);
}

static void outputs_are_joined_where_they_can_be(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "b" };
    const struct tp_options o = { .concat = "true", .normalize = "l2" };
    static const struct { struct tp_options outputs[2]; const char *part; } cases[] = {
        { { { .pool = "max" }, { .pool = "gem", .grid = "2" } }, NULL },
        { { { .pool = "max", .rois = "0,0,1,1" }, { .pool = "avg", .rois = "1,1,2,3" } }, NULL },
        { { { .pool = "max" }, { .pool = "max", .normalize = "l2" } },
          "outputs[1]: normalize: with concat=true the joined vector is normalized" },
        { { { .pool = "max", .argmax = "true" }, { .pool = "max" } },
          "outputs[0]: argmax: not with concat=true" },
        { { { .pool = "max" }, { .pool = "max", .rois = "0,0,1,1" } },
          "outputs[1]: concat: joins vectors of the same image or the same box; this output has" },
        { { { .pool = "max", .rois = "0,0,1,1;1,1,2,2" }, { .pool = "max", .rois = "0,0,1,1" } },
          "this output has 1 boxes and the first has 2" },
    };
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_ask ask;
        struct tp_err err;
        bool ok = try_each(&o, cases[i].outputs, names, 2, &ask, &arena, &err);
        if (ok != !cases[i].part || (!ok && !strstr(err.message, cases[i].part)))
            fail_msg("case %zu: %s", i, err.message);
        if (!ok) continue;
        assert_true(ask.concat && ask.taps[0].normalize && !ask.taps[0].joined);
        assert_true(ask.taps[1].joined && !ask.taps[1].normalize);
    }
    tp_arena_fini(&arena);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static struct tp_buf key_of(const char *query, const struct tp_model *m, struct tp_arena *arena)
{
    struct tp_ask ask = must_ask(query, m, arena);
    struct tp_buf b = { 0 };
    tp_ask_key(&b, &ask);
    assert_false(b.failed);
    assert_true(b.n_bytes > 0);
    return b;
}

static bool same_keys(const char *a, const char *b, const struct tp_model *m,
                      struct tp_arena *arena)
{
    struct tp_buf x = key_of(a, m, arena), y = key_of(b, m, arena);
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
        "layers=a&pool=lp",
        "layers=a&pool=lp&p=1",
        "layers=a&pool=lp&p=3",
        "layers=a&pool=gem",
        "layers=a&pool=gem&p=3.0000002",
        "layers=a&pool=std",
        "layers=a&pool=max&argmax=true",
        "layers=a&pool=max&normalize=l2",
        "layers=a&normalize=l2",
        "layers=a&pool=max&grid=1",
        "layers=a&pool=max&grid=2",
        "layers=a&pool=max&grid=2x1",
        "layers=a&pool=max&grid=1x2",
        "layers=a&pool=max&grid=12x1",
        "layers=a&pool=max&pyramid=1",
        "layers=a&pool=max&pyramid=1,2",
        "layers=a&pool=max&pyramid=12",
        "layers=a&pool=max&pyramid=2,1",
        "layers=a,b&concat=true",
        "layers=a,b&concat=true&normalize=l2",
        "layers=a,b&normalize=l2",
    };
    enum { N = sizeof asks / sizeof *asks };
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 16 << 20);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (same_keys(asks[i], asks[j], m, &arena) != (i == j))
                fail_msg("keys of %s and %s", asks[i], asks[j]);
    tp_arena_fini(&arena);
    tp_model_free(m);
}

static void keys_are_the_same_where_only_the_words_differ(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "layers=b,c" }, { "", "pool=none" }, { "", "nested=false&digits=3" },
        { "layout=nhwc", "format=json" }, { "pool=max&window=2", "pool=max&window=2x2&stride=2" },
        { "pool=max&window=2", "pool=max&window=2&padding=valid&ceil=false" },
        { "pool=max&window=3&padding=1", "pool=max&window=3&padding=1,1,1,1" },
        { "pool=lp", "pool=lp&p=2" }, { "pool=gem", "pool=gem&p=3.0" },
        { "pool=max&grid=2", "pool=max&grid=2x2&argmax=false" },
        { "", "normalize=none&concat=false&top=3" },
    };
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!same_keys(pairs[i][0], pairs[i][1], m, &arena))
            fail_msg("keys of %s and %s", pairs[i][0], pairs[i][1]);
    tp_arena_fini(&arena);
    tp_model_free(m);
}

static void boxes_are_seen_in_any_output(void **state)
{
    (void)state;
    struct tp_model *m = two_outputs();
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_ask ask = must_ask("pool=max", m, &arena);
    assert_false(tp_ask_has_boxes(&ask));
    ask = must_ask("pool=max&rois=0,0,1,1", m, &arena);
    assert_true(tp_ask_has_boxes(&ask));
    ask.taps[0].pooling.form = TP_POOL_GLOBAL;
    assert_true(tp_ask_has_boxes(&ask));
    tp_arena_fini(&arena);
    tp_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_words_the_models_outputs_are_answered_as_they_are),
        cmocka_unit_test(layers_come_in_the_order_asked_also_twice),
        cmocka_unit_test(the_answers_form_is_asked_for_in_words),
        cmocka_unit_test(formats_and_types_are_asked_for_in_words),
        cmocka_unit_test(a_form_chosen_later_is_checked_then),
        cmocka_unit_test(the_layout_is_the_models_own_unless_another_is_asked_for),
        cmocka_unit_test(lengths_and_places_are_asked_for_in_words),
        cmocka_unit_test(concat_joins_all_to_the_first_which_is_normalized),
        cmocka_unit_test(wrong_words_are_refused_with_what_would_be_right),
        cmocka_unit_test(unknown_and_repeated_words_are_refused),
        cmocka_unit_test(words_of_the_query_and_the_body_come_together),
        cmocka_unit_test(each_word_has_its_place),
        cmocka_unit_test(words_about_layers_are_told_from_those_of_the_form),
        cmocka_unit_test(too_many_layers_are_refused_before_they_are_looked_up),
        cmocka_unit_test(an_arena_that_is_full_is_an_error),
        cmocka_unit_test(each_output_is_pooled_in_its_own_way),
        cmocka_unit_test(pooling_in_both_query_and_outputs_is_refused),
        cmocka_unit_test(a_wrong_output_is_named_by_its_index),
        cmocka_unit_test(lengths_of_outputs_are_their_own_or_as_the_answer_says),
        cmocka_unit_test(outputs_are_joined_where_they_can_be),
        cmocka_unit_test(boxes_are_seen_in_any_output),
        cmocka_unit_test(keys_differ_where_the_work_does),
        cmocka_unit_test(keys_are_the_same_where_only_the_words_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
