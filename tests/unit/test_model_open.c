/* test_model_open.c - ONNX files as models: beneath which names, with what lies beside them. */
#include "onnx_of.h"
#include "temp_dir.h"

#include "formats/model.h"

static const struct tp_limits *limits = &onnx_limits;

static const char pipeline[] = "{\"input\": {\"shape\": [4, 4, 1]}, \"layers\": [{\"type\": "
                               "\"ReLU\", \"name\": \"r\"}]}";

/* y = x + w, [n, 3]. w: in the file, or in an external one. */
static void write_onnx(const char *path, const char *external)
{
    struct onnx_of m = { .opset = 13 };
    onnx_input(&m, "x", TP_ONNX_FLOAT, DIMS(-1, 3));
    if (external) {
        struct tp_buf location = { 0 }, t = onnx_tensor_head("w", TP_ONNX_FLOAT, DIMS(3));
        pb_text(&location, 1, "location");
        pb_text(&location, 2, external);
        pb_message(&t, 13, &location);
        pb_int(&t, 14, 1);
        pb_message(&m.graph, 5, &t);
    } else {
        onnx_floats(&m, "w", DIMS(3), (const float[]){ 10, 20, 30 });
    }
    onnx_node(&m, "Add", "x w", "y");
    onnx_node_name(&m, "sum");
    onnx_output(&m, "y");
    const struct tp_buf *f = onnx_file(&m);
    temp_write(path, f->data, f->n_bytes);
    onnx_fini(&m);
}

static struct tp_model *must_open(const char *name, const char *folder)
{
    struct tp_model *m;
    struct tp_err err = { 0 };
    if (!tp_model_open(&m, name, folder, limits, &err)) fail_msg("%s: %s", name, err.message);
    return m;
}

/* Opens it and checks that it computes: 1 2 3 becomes 11 22 33. */
static void check_adds(const char *name, const char *folder, const char *want_name)
{
    struct tp_model *m = must_open(name, folder);
    struct tp_err err = { 0 };
    struct tp_plan *plan;
    const struct tp_shape in = TP_SHAPE2(1, 3);
    const float x[] = { 1, 2, 3 };
    float y[3], *outputs[] = { y };
    assert_string_equal(tp_model_name(m), want_name);
    if (!tp_plan_new(&plan, m, &in, &(struct tp_tap){ .layer = "sum" }, 1, limits, &err))
        fail_msg("%s: %s", name, err.message);
    void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 127) / 64 * 64);
    tp_plan_run(plan, x, outputs, workspace, 1);
    for (int i = 0; i < 3; i++) assert_true(y[i] == 11 * x[i]);
    free(workspace);
    tp_plan_free(plan);
    tp_model_free(m);
}

static void check_refused(const char *name, enum tp_code code, const char *part)
{
    struct tp_model *m;
    struct tp_err err = { 0 };
    if (tp_model_open(&m, name, temp_dir, limits, &err)) fail_msg("%s was opened", name);
    assert_null(m);
    if (err.code != code || !strstr(err.message, part))
        fail_msg("%s: got %s \"%s\"; wanted %s \"%s\"", name, tp_code_name(err.code), err.message,
                 tp_code_name(code), part);
}

static void an_onnx_file_is_opened_by_path_and_by_name(void **state)
{
    (void)state;
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    write_onnx("flat.onnx", NULL);
    temp_folder("deep");
    write_onnx("deep/model.onnx", NULL);
    check_adds(TEMP("flat.onnx"), NULL, "flat");
    check_adds(TEMP("deep/model.onnx"), NULL, "deep");
    check_adds(TEMP("deep"), NULL, "deep");
    check_adds(TEMP("deep/"), NULL, "deep");
    check_adds("flat", temp_dir, "flat");
    check_adds("deep", temp_dir, "deep");
    assert_int_equal(chdir(temp_dir), 0);
    check_adds("flat.onnx", NULL, "flat");
    check_adds("./deep", NULL, "deep");
    assert_int_equal(chdir(TEMP("deep")), 0);
    check_adds("model.onnx", NULL, "model");
    assert_int_equal(chdir(here), 0);
}

static void of_two_forms_the_pipeline_is_flat_and_the_network_deep(void **state)
{
    (void)state;
    write_onnx("a.onnx", NULL);
    temp_text("a.json", pipeline);
    temp_folder("b");
    write_onnx("b/model.onnx", NULL);
    temp_text("b/pipeline.json", pipeline);
    struct tp_model *a = must_open("a", temp_dir);
    assert_int_equal(a->input.rank, 4);
    tp_model_free(a);
    check_adds("b", temp_dir, "b");
}

static void preprocessing_and_labels_lie_beside_it(void **state)
{
    (void)state;
    write_onnx("flat.onnx", NULL);
    temp_text("flat.preprocess.json", "{\"scale\": 2}");
    temp_text("flat.labels.txt", "one\ntwo\nthree\n");
    temp_folder("deep");
    write_onnx("deep/model.onnx", NULL);
    temp_text("deep/preprocess.json", "{\"scale\": 3}");
    temp_text("deep/labels.txt", "uno\r\ndue\r\ntre\r\n");
    write_onnx("plain.onnx", NULL);
    temp_text("preprocess.json", "{\"scale\": 4}");              /* belong to no flat model */
    temp_text("labels.txt", "none\n");
    struct tp_model *m = must_open("flat", temp_dir);
    assert_true(m->preprocess.scale == 2);
    assert_int_equal(m->n_labels, 3);
    assert_string_equal(m->labels[2], "three");
    tp_model_free(m);
    m = must_open("deep", temp_dir);
    assert_true(m->preprocess.scale == 3);
    assert_int_equal(m->n_labels, 3);
    assert_string_equal(m->labels[2], "tre");
    tp_model_free(m);
    m = must_open("plain", temp_dir);
    assert_true(m->preprocess.scale != 4);
    assert_null(m->labels);
    tp_model_free(m);
}

static void what_lies_beside_it_and_is_wrong_fails_it(void **state)
{
    (void)state;
    write_onnx("flat.onnx", NULL);
    temp_text("flat.labels.txt", "one\ntwo\xff\n");
    check_refused("flat", TP_INVALID_MODEL, "flat.labels.txt: line 2: is not UTF-8");
    temp_text("flat.labels.txt", "one\n");
    temp_text("flat.preprocess.json", "[]");
    check_refused("flat", TP_INVALID_MODEL, "flat.preprocess.json: ");
}

static void external_data_lie_beneath_its_folder(void **state)
{
    (void)state;
    const float w[] = { 10, 20, 30 };
    temp_folder("deep");
    temp_folder("deep/data");
    temp_write("deep/data/w.bin", w, sizeof w);
    temp_write("w.bin", w, sizeof w);
    write_onnx("flat.onnx", "w.bin");
    write_onnx("deep/model.onnx", "data/w.bin");
    check_adds("flat", temp_dir, "flat");
    check_adds("deep", temp_dir, "deep");
    write_onnx("deep/model.onnx", "../w.bin");
    check_refused("deep", TP_INVALID_MODEL, "model.onnx: ");
    write_onnx("flat.onnx", "none.bin");
    check_refused("flat", TP_INVALID_MODEL, "none.bin");
    assert_int_equal(symlink("data/w.bin", TEMP("deep/link.bin")), 0);
    write_onnx("deep/model.onnx", "link.bin");
    check_refused("deep", TP_INVALID_MODEL, "link.bin");
}

static void what_only_looks_like_onnx_is_refused(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; const char *part; } cases[] = {
        { "", 0, "x.onnx: not an ONNX file: it is empty" },
        { pipeline, sizeof pipeline - 1, "x.onnx: not an ONNX file" },
        { "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16, "x.onnx: not an ONNX file" },
        { "PK\3\4\n\0\0\0\0\0", 10, "x.onnx: not an ONNX file" },
        { "version https://git-lfs.github.com/spec/v1\n", 43, "x.onnx: not an ONNX file" },
        { "\x08\x08", 2, "x.onnx: " },             /* a beginning, and nothing of a network */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        temp_write("x.onnx", cases[i].bytes, cases[i].n);
        check_refused("x", TP_INVALID_MODEL, cases[i].part);
    }
    assert_int_equal(unlink(TEMP("x.onnx")), 0);
    temp_folder("x.onnx");
    check_refused("x", TP_NOT_FOUND, "pipeline.json: No such file");
    assert_int_equal(mkfifo(TEMP("pipe.onnx"), 0600), 0);
    check_refused("pipe", TP_IO, "pipe.onnx: is not a regular file");    /* and does not hang */
    write_onnx("net.onnx", NULL);
    assert_int_equal(rename(TEMP("net.onnx"), TEMP("net.json")), 0);
    check_refused("net", TP_INVALID_JSON, "net.json: ");
}

static void a_network_without_input_is_refused(void **state)
{
    (void)state;
    struct onnx_of m = { .opset = 13 };
    onnx_floats(&m, "w", DIMS(3), (const float[]){ 1, 2, 3 });
    onnx_node(&m, "Neg", "w", "y");
    onnx_output(&m, "y");
    const struct tp_buf *f = onnx_file(&m);
    temp_write("x.onnx", f->data, f->n_bytes);
    onnx_fini(&m);
    check_refused("x", TP_INVALID_MODEL, "x.onnx: the network has no input");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMP_TEST(an_onnx_file_is_opened_by_path_and_by_name),
        TEMP_TEST(of_two_forms_the_pipeline_is_flat_and_the_network_deep),
        TEMP_TEST(preprocessing_and_labels_lie_beside_it),
        TEMP_TEST(what_lies_beside_it_and_is_wrong_fails_it),
        TEMP_TEST(external_data_lie_beneath_its_folder),
        TEMP_TEST(what_only_looks_like_onnx_is_refused),
        TEMP_TEST(a_network_without_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
