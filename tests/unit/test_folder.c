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
    static const struct { const char *name, *path; bool readable;
    } want[] = {
        { "a", "a.onnx", false },         { "b", "b.json", true },
        { "b", "b/pipeline.json", true }, { "both", "both/pipeline.json", true },
        { "c.d", "c.d.json", true },      { "d", "d/model.onnx", false },
    };
    struct tp_folder_entry *entries;
    struct tp_err err = { 0 };
    int n;
    if (!tp_folder_list(&entries, &n, temp_dir, &err)) fail_msg("%s", err.message);
    assert_int_equal(n, 6);
    for (int i = 0; i < n; i++) {
        assert_string_equal(entries[i].name, want[i].name);
        assert_string_equal(entries[i].path, want[i].path);
        assert_int_equal(entries[i].readable, want[i].readable);
    }
    free(entries);
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
        TEMP_TEST(very_long_names_are_listed_whole_or_not_at_all),
        TEMP_TEST(an_empty_folder_has_none_and_a_missing_one_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
