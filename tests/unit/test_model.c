/* test_model.c - models from built-ins, files, folders. */
#include "temp_dir.h"

#include "formats/model.h"

static struct tp_limits limits;

#define NET(name)                                                                                  \
    "{" name                                                                                       \
    "\"input\": {\"shape\": [4, 4, 1]}, \"layers\": [{\"type\": \"ReLU\", \"name\": \"r\"}]}"
static const char unnamed[] = NET("");

static bool try_open(struct tp_model **m, const char *name, const char *folder, struct tp_err *err)
{
    *err = (struct tp_err){ 0 };
    bool ok = tp_model_open(m, name, folder, &limits, err);
    assert_int_equal(ok, *m != NULL);
    return ok;
}

static struct tp_model *must_open(const char *name, const char *folder)
{
    struct tp_model *m;
    struct tp_err err;
    if (!try_open(&m, name, folder, &err)) fail_msg("%s: %s", name, err.message);
    return m;
}

static void check_name(const char *what, const char *folder, const char *want)
{
    struct tp_model *m = must_open(what, folder);
    assert_string_equal(tp_model_name(m), want);
    tp_model_free(m);
}

static void check_refused(const char *name, const char *folder, enum tp_code code, const char *part)
{
    struct tp_model *m;
    struct tp_err err;
    if (try_open(&m, name, folder, &err)) fail_msg("%s was opened", name);
    if (err.code != code || !strstr(err.message, part))
        fail_msg("%s: got %s \"%s\"; wanted %s \"%s\"", name, tp_code_name(err.code), err.message,
                 tp_code_name(code), part);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void built_ins_need_no_folder(void **state)
{
    (void)state;
    static const char *const names[] = { "line-detector", "edges", "gist" };
    for (int i = 0; i < 3; i++) {
        struct tp_model *m = must_open(names[i], NULL);
        assert_string_equal(tp_model_name(m), names[i]);
        assert_true(m->builtin);
        assert_int_equal(m->preprocess.color, TP_GRAY);
        tp_model_free(m);
        check_name(names[i], temp_dir, names[i]);
    }
    check_refused(
        "nope", NULL, TP_NOT_FOUND,
        "no model 'nope': built in are line-detector, edges, gist; a file's path ends in .onnx or "
        ".json");
    check_refused("nope", temp_dir, TP_NOT_FOUND,
                  "neither built in (line-detector, edges, gist) nor in /tmp");
    check_refused("", NULL, TP_NOT_FOUND, "no model ''");
}

static void a_folder_holds_files_and_folders_of_models(void **state)
{
    (void)state;
    temp_text("flat.json", unnamed);
    temp_folder("deep");
    temp_text("deep/pipeline.json", unnamed);
    temp_text("named.json", NET("\"name\": \"other\", "));
    check_name("flat", temp_dir, "flat");
    check_name("deep", temp_dir, "deep");
    check_name("named", temp_dir, "other");
    struct tp_model *m = must_open("flat", temp_dir);
    assert_false(m->builtin);
    tp_model_free(m);
}

static void a_file_wins_over_a_built_in_and_over_a_folder(void **state)
{
    (void)state;
    temp_text("edges.json", unnamed);
    struct tp_model *m = must_open("edges", temp_dir);
    assert_false(m->builtin);
    assert_string_equal(tp_model_layer(m, 0).name, "r");
    tp_model_free(m);

    temp_text("twice.json", NET("\"name\": \"file\", "));
    temp_folder("twice");
    temp_text("twice/pipeline.json", NET("\"name\": \"folder\", "));
    check_name("twice", temp_dir, "file");
}

static void paths_name_their_model_by_the_file_or_its_folder(void **state)
{
    (void)state;
    char here[4096], path[640];
    assert_non_null(getcwd(here, sizeof here));
    temp_folder("net");
    temp_text("net/pipeline.json", unnamed);
    temp_text("net/a.b.json", unnamed);
    temp_text("pipeline.json", unnamed);
    check_name(TEMP("net/pipeline.json"), NULL, "net");
    check_name(TEMP("net"), NULL, "net");
    check_name(TEMP("net/"), NULL, "net");
    check_name(TEMP("net//"), NULL, "net");
    check_name(TEMP("net/a.b.json"), NULL, "a.b");
    assert_int_equal(chdir(temp_dir), 0);
    check_name("./net", NULL, "net");
    check_name("net/", NULL, "net");
    check_name("net/a.b.json", NULL, "a.b");
    check_name("pipeline.json", NULL, "pipeline");
    check_name("./pipeline.json", NULL, "pipeline");
    check_name("./", NULL, "pipeline");
    check_name("net/../pipeline.json", NULL, "pipeline");
    check_refused("net", NULL, TP_NOT_FOUND, "no model 'net'");      /* no path, and not built in */
    assert_int_equal(chdir(here), 0);
    snprintf(path, sizeof path, "%s/none/net.json", temp_dir);
    check_refused(path, NULL, TP_NOT_FOUND, "none/net.json: No such file or directory");
    check_refused(TEMP("net/none.json"), NULL, TP_NOT_FOUND, "none.json: No such file");
}

static void what_is_no_model_file_is_refused(void **state)
{
    (void)state;
    char longer[4200];
    memset(longer, 'a', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    temp_text("net.onnx", "x");
    temp_text("empty.json", "");
    temp_text("text.json", "hello");
    temp_folder("folder");
    temp_folder("odd");
    temp_folder("odd/pipeline.json");
    check_refused(TEMP("net.onnx"), NULL, TP_INVALID_MODEL, "net.onnx: not an ONNX file");
    temp_text("net.h5", "x");
    check_refused(TEMP("net.h5"), NULL, TP_UNSUPPORTED_FORMAT,
                  "not a kind of model file that is read");
    check_refused(TEMP("empty.json"), NULL, TP_INVALID_JSON, "empty.json: ");
    check_refused(TEMP("text.json"), NULL, TP_INVALID_JSON, "text.json: ");
    check_refused(TEMP("folder"), NULL, TP_NOT_FOUND, "pipeline.json: No such file");
    check_refused("odd", temp_dir, TP_NOT_FOUND, "pipeline.json: No such file");
    check_refused(longer, NULL, TP_INVALID_ARGUMENT, "path is too long");
    check_refused("..", temp_dir, TP_NOT_FOUND, "no model '..'");
    check_refused(".", temp_dir, TP_NOT_FOUND, "no model '.'");
}

/* ---- what lies beside ------------------------------------------------------------------------ */

static void preprocess_json_beside_the_model_is_read(void **state)
{
    (void)state;
    temp_text("flat.json", unnamed);
    temp_text("flat.preprocess.json", "{\"scale\": 2}");
    temp_text("preprocess.json", "{\"scale\": 3}");              /* belongs to no flat model */
    temp_text("plain.json", unnamed);
    temp_folder("deep");
    temp_text("deep/pipeline.json", unnamed);
    temp_text("deep/preprocess.json", "{\"scale\": 4}");
    static const struct { const char *name; float scale; } cases[] = {
        { "flat", 2 }, { "deep", 4 }, { "plain", 1.0f / 255 },
    };
    for (int i = 0; i < 3; i++) {
        struct tp_model *m = must_open(cases[i].name, temp_dir);
        assert_true(m->preprocess.scale == cases[i].scale);
        tp_model_free(m);
    }
    struct tp_model *m = must_open(TEMP("flat.json"), NULL);
    assert_true(m->preprocess.scale == 2);
    tp_model_free(m);
}

static void a_preprocess_json_that_is_wrong_fails_the_model(void **state)
{
    (void)state;
    temp_text("flat.json", unnamed);
    temp_text("flat.preprocess.json", "{\"scales\": 2}");
    check_refused("flat", temp_dir, TP_INVALID_MODEL, "flat.preprocess.json: ");
    assert_int_equal(unlink(TEMP("flat.preprocess.json")), 0);
    temp_folder("flat.preprocess.json");
    check_refused("flat", temp_dir, TP_IO, "flat.preprocess.json: is not a regular file");
}

static void weights_come_from_a_file_beside_the_pipeline_only(void **state)
{
    (void)state;
    static const char header[] =
        "{\"k\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[0,4]}}";
    char bytes[256], text[512];
    const uint64_t length = sizeof header - 1;
    const float five = 5;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, &five, 4);
    temp_folder("net");
    temp_write("net/w.safetensors", bytes, 12 + length);
    temp_write("outside.safetensors", bytes, 12 + length);
    static const struct { const char *file; bool ok;
    } cases[] = {
        { "w.safetensors", true },
        { "../outside.safetensors", false },
        { "none.safetensors", false },
    };
    for (int i = 0; i < 3; i++) {
        struct tp_model *m;
        struct tp_err err;
        snprintf(
            text, sizeof text,
            "{\"input\": {\"shape\": [2, 2, 1]}, \"layers\": [{\"type\": \"Conv2D\", "
            "\"name\": \"c\", \"filters\": 1, \"kernel_size\": 1, \"use_bias\": false, \"kernel\": "
            "{\"file\": \"%s\", \"tensor\": \"k\"}}]}",
            cases[i].file);
        temp_text("net/pipeline.json", text);
        bool ok = try_open(&m, "net", temp_dir, &err);
        if (ok != cases[i].ok) fail_msg("%s: %s", cases[i].file, ok ? "was read" : err.message);
        if (!ok) assert_non_null(strstr(err.message, "pipeline.json: c: kernel"));
        tp_model_free(m);
    }
    struct tp_model *m;
    struct tp_err err = { 0 };
    assert_false(tp_model_parse(&m, text, strlen(text), &limits, &err));  /* it has no folder */
    assert_null(m);
}

/* ---- the library's face ---------------------------------------------------------------------- */

static void an_image_is_prepared_for_the_model(void **state)
{
    (void)state;
    struct tp_model *m = must_open("line-detector", NULL);
    struct tp_err err = { 0 };
    struct tp_tensor t;
    char bytes[1 << 12];
    FILE *f = fopen("tests/data/images/one.png", "rb");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    if (!tp_model_prepare_image(m, &t, bytes, n, &limits, &err)) fail_msg("%s", err.message);
    assert_string_equal(TP_SHAPE(&t.shape), "[1, 8, 8, 1]");
    free(t.data);
    assert_false(tp_model_prepare_image(m, &t, bytes, n / 2, &limits, &err));
    assert_int_equal(err.code, TP_INVALID_IMAGE);
    tp_model_free(m);
}

static void a_models_plan_computes(void **state)
{
    (void)state;
    struct tp_model *m = must_open("line-detector", NULL);
    struct tp_err err = { 0 };
    struct tp_shape in = TP_SHAPE4(1, 8, 8, 1);
    const struct tp_tap taps[] = { { .layer = NULL },
                                   { .layer = "pool", .pooling = { .kind = TP_POOL_MAX } } };
    struct tp_plan *plan;
    float input[64] = { 0 }, map[9], most[1], *outputs[] = { map, most };
    for (int i = 0; i < 8; i++) input[8 * i + 3] = input[8 * i + 4] = 1;
    if (!tp_plan_new(&plan, m, &in, taps, 2, &limits, &err)) fail_msg("%s", err.message);
    void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 127) / 64 * 64);
    tp_plan_run(plan, input, outputs, workspace, 1);
    for (int i = 0; i < 9; i++) assert_true(map[i] == (i % 3 == 1 ? 3 : 0));
    assert_true(most[0] == 3);
    free(workspace);
    tp_plan_free(plan);
    tp_model_free(m);
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    tp_model_free(NULL);
    tp_plan_free(NULL);
}

int main(void)
{
    limits = tp_limits_default();
    const struct CMUnitTest tests[] = {
        TEMP_TEST(built_ins_need_no_folder),
        TEMP_TEST(a_folder_holds_files_and_folders_of_models),
        TEMP_TEST(a_file_wins_over_a_built_in_and_over_a_folder),
        TEMP_TEST(paths_name_their_model_by_the_file_or_its_folder),
        TEMP_TEST(what_is_no_model_file_is_refused),
        TEMP_TEST(preprocess_json_beside_the_model_is_read),
        TEMP_TEST(a_preprocess_json_that_is_wrong_fails_the_model),
        TEMP_TEST(weights_come_from_a_file_beside_the_pipeline_only),
        cmocka_unit_test(an_image_is_prepared_for_the_model),
        cmocka_unit_test(a_models_plan_computes),
        cmocka_unit_test(freeing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
