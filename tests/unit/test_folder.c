/* test_folder.c - which models a folder offers. */
#include "temp_dir.h"

#include "formats/folder.h"

static void a_folders_models_are_listed_by_name(void **state)
{
    (void)state;
    temp_text("b.json", "");
    temp_text("a.onnx", "");
    temp_text("b.preprocess.json", "");
    temp_text("b.labels.txt", "");
    temp_text("w.safetensors", "");
    temp_text(".hidden.json", "");
    temp_text("c.d.json", "");
    temp_folder("b");
    temp_text("b/pipeline.json", "");
    temp_folder("d");
    temp_text("d/model.onnx", "");
    temp_folder("both");
    temp_text("both/model.onnx", "");
    temp_text("both/pipeline.json", "");
    temp_folder("none");
    temp_folder("e.onnx");                         /* is what it holds, whatever it is called */
    temp_text("e.onnx/model.onnx", "");
    temp_folder("f.onnx");                         /* refused by name when it is opened */
    static const struct { const char *name, *path; } want[] = {
        { "a", "a.onnx" },     { "b", "b.json" }, { "b", "b/pipeline.json" },
        { "both", "both/model.onnx" }, { "c.d", "c.d.json" }, { "d", "d/model.onnx" },
        { "e.onnx", "e.onnx/model.onnx" }, { "f", "f.onnx" },
    };
    struct tp_folder_entry *entries;
    struct tp_err err = { 0 };
    int n;
    if (!tp_folder_list(&entries, &n, temp_dir, &err)) fail_msg("%s", err.message);
    assert_int_equal(n, 8);
    for (int i = 0; i < n; i++) {
        assert_string_equal(entries[i].name, want[i].name);
        assert_string_equal(entries[i].path, want[i].path);
    }
    free(entries);
}

static uint64_t stamp(const char *path)
{
    struct tp_folder_entry *entries;
    struct tp_err err = { 0 };
    uint64_t stamp = 0;
    int n;
    assert_true(tp_folder_list(&entries, &n, temp_dir, &err));
    for (int i = 0; i < n; i++) if (!strcmp(entries[i].path, path)) stamp = entries[i].stamp;
    free(entries);
    return stamp;
}

/* A flat model may read any file beside it, one in a folder of its own what is there. */
static void a_stamp_tells_that_a_models_files_have_changed(void **state)
{
    (void)state;
    temp_text("flat.json", "1");
    temp_text("other.json", "1");
    temp_folder("deep");
    temp_text("deep/model.onnx", "1");
    const uint64_t flat = stamp("flat.json"), deep = stamp("deep/model.onnx");
    assert_true(flat == stamp("flat.json") && deep == stamp("deep/model.onnx"));
    temp_text("other.json", "12");
    assert_true(flat == stamp("flat.json"));
    temp_text("flat.json", "12");
    assert_true(flat != stamp("flat.json") && deep == stamp("deep/model.onnx"));
    const uint64_t changed = stamp("flat.json");
    temp_text("flat.labels.txt", "cat");
    assert_true(changed != stamp("flat.json") && deep == stamp("deep/model.onnx"));
    temp_text("deep/labels.txt", "cat");
    assert_true(deep != stamp("deep/model.onnx"));
}

static void very_long_names_are_listed_whole_or_not_at_all(void **state)
{
    (void)state;
    char file[256], folder[256], inside[300];
    memset(file, 'f', 250);
    strcpy(file + 250, ".json");
    memset(folder, 'd', 245);
    folder[245] = '\0';
    snprintf(inside, sizeof inside, "%s/pipeline.json", folder);
    temp_text(file, "");
    temp_folder(folder);
    temp_text(inside, "");
    struct tp_folder_entry *entries;
    struct tp_err err = { 0 };
    int n;
    assert_true(tp_folder_list(&entries, &n, temp_dir, &err));
    assert_int_equal(n, 1);
    assert_int_equal(strlen(entries[0].name), 250);
    assert_string_equal(entries[0].path, file);
    free(entries);
}

static void an_empty_folder_has_none_and_a_missing_one_fails(void **state)
{
    (void)state;
    struct tp_folder_entry *entries;
    struct tp_err err = { 0 };
    int n;
    assert_true(tp_folder_list(&entries, &n, temp_dir, &err));
    assert_int_equal(n, 0);
    free(entries);
    assert_false(tp_folder_list(&entries, &n, TEMP("none"), &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_non_null(strstr(err.message, "/none: No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMP_TEST(a_folders_models_are_listed_by_name),
        TEMP_TEST(a_stamp_tells_that_a_models_files_have_changed),
        TEMP_TEST(very_long_names_are_listed_whole_or_not_at_all),
        TEMP_TEST(an_empty_folder_has_none_and_a_missing_one_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
