/* test_inputs.c - the list of files that a command works on, and going on where it was stopped. */
#include "temp_dir.h"

#include "cli/inputs.h"

static struct tp_inputs gather(char **words, int n_words)
{
    struct tp_inputs in;
    struct tp_err err = { 0 };
    if (!tp_inputs_gather(&in, words, n_words, &err)) fail_msg("%s", err.message);
    return in;
}

static void a_folder_stands_for_its_files_by_name(void **state)
{
    (void)state;
    static const char *const files[] = { "b.png", "a.JPG", "c.jpeg", "d.webp", "e.npy", "f.json",
                                         "notes.txt", ".hidden.png", "png", "g.png.bak" };
    static const char *const want[] = { "a.JPG", "b.png", "c.jpeg", "d.webp", "e.npy", "f.json" };
    temp_folder("in");
    temp_folder("in/sub.png");
    temp_text("in/sub.png/z.png", "");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[64];
        snprintf(name, sizeof name, "in/%s", files[i]);
        temp_text(name, "");
    }
    struct temp_path folder = temp_path("in");
    char *words[] = { (char *)"-", folder.text, (char *)"no/such/file.png" };
    struct tp_inputs in = gather(words, 3);
    assert_int_equal(in.n_paths, 8);
    assert_string_equal(in.paths[0], "-");
    for (int i = 0; i < 6; i++) {
        char path[640];
        snprintf(path, sizeof path, "%s/%s", folder.text, want[i]);
        assert_string_equal(in.paths[1 + i], path);
    }
    assert_string_equal(in.paths[7], "no/such/file.png");
    for (int i = 0; i < 8; i++) assert_false(in.done[i]);
    tp_inputs_fini(&in);
}

static void a_folder_without_inputs_is_an_error(void **state)
{
    (void)state;
    struct tp_inputs in;
    struct tp_err err = { 0 };
    temp_folder("in");
    temp_text("in/notes.txt", "");
    struct temp_path folder = temp_path("in");
    char *words[] = { folder.text };
    assert_false(tp_inputs_gather(&in, words, 1, &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_non_null(strstr(err.message, "no .jpg, .jpeg, .png, .webp, .npy or .json file in it"));
    tp_inputs_fini(&in);
}

static void many_files_are_listed(void **state)
{
    (void)state;
    enum { N = 300 };
    char name[64];
    temp_folder("in");
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "in/%03d.png", i);
        temp_text(name, "");
    }
    struct temp_path folder = temp_path("in");
    char *words[] = { folder.text };
    struct tp_inputs in = gather(words, 1);
    assert_int_equal(in.n_paths, N);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "in/%03d.png", i);
        assert_string_equal(in.paths[i], TEMP(name));
    }
    tp_inputs_fini(&in);
}

struct left { char text[512]; };

/* Resumes from an output of that text; returns the inputs a, b"q, c and what is then in the
 * file. */
static struct tp_inputs resume(const char *text, struct left *left)
{
    char *words[] = { (char *)"a", (char *)"b\"q", (char *)"c" };
    struct tp_inputs in = gather(words, 3);
    struct tp_err err = { 0 };
    temp_text("out", text);
    if (!tp_inputs_resume(&in, TEMP("out"), &err)) fail_msg("%s", err.message);
    FILE *f = fopen(TEMP("out"), "rb");
    left->text[fread(left->text, 1, sizeof left->text - 1, f)] = '\0';
    fclose(f);
    return in;
}

static void check_done(const struct tp_inputs *in, bool a, bool b, bool c)
{
    assert_int_equal(in->done[0], a);
    assert_int_equal(in->done[1], b);
    assert_int_equal(in->done[2], c);
}

static void whole_lines_mark_their_inputs_as_done(void **state)
{
    (void)state;
    static const char text[] = "{\"input\":\"c\",\"model\":\"m\"}\n"
                               "{\"input\":\"other\",\"model\":\"m\"}\n"
                               "{\"input\":\"b\\\"q\",\"model\":\"m\"}\n";
    struct left left;
    struct tp_inputs in = resume(text, &left);
    check_done(&in, false, true, true);
    assert_string_equal(left.text, text);
    tp_inputs_fini(&in);
}

static void a_line_that_was_cut_is_taken_away_wherever_the_cut_is(void **state)
{
    (void)state;
    static const char whole[] = "{\"input\":\"c\",\"model\":\"m\"}\n";
    static const char line[] = "{\"input\":\"b\\\"q\",\"outputs\":[]}\n";
    for (size_t cut = 0; cut <= strlen(line); cut++) {
        char text[128];
        struct left left;
        snprintf(text, sizeof text, "%s%.*s", whole, (int)cut, line);
        struct tp_inputs in = resume(text, &left);
        bool complete = cut == strlen(line);
        check_done(&in, false, complete, true);
        assert_string_equal(left.text, complete ? text : whole);
        tp_inputs_fini(&in);
    }
}

static void lines_that_are_not_ours_mark_nothing(void **state)
{
    (void)state;
    static const char text[] = "\n{}\na\n\"a\"\n{\"input\":a}\n{\"input\":\"\n{\"input\":\"a\\\n"
                               "{\"input\": \"a\"}\n {\"input\":\"a\"}\n{\"output\":\"a\"}\n";
    struct left left;
    struct tp_inputs in = resume(text, &left);
    check_done(&in, false, false, false);
    assert_string_equal(left.text, text);
    tp_inputs_fini(&in);
}

static void a_file_that_is_not_there_or_empty_marks_nothing(void **state)
{
    (void)state;
    char *words[] = { (char *)"a" };
    struct tp_inputs in = gather(words, 1);
    struct tp_err err = { 0 };
    assert_true(tp_inputs_resume(&in, TEMP("none"), &err));
    assert_int_equal(access(TEMP("none"), F_OK), -1);
    temp_text("empty", "");
    assert_true(tp_inputs_resume(&in, TEMP("empty"), &err));
    assert_false(in.done[0]);
    assert_false(tp_inputs_resume(&in, temp_dir, &err));
    assert_int_equal(err.code, TP_IO);
    tp_inputs_fini(&in);
}

static void no_words_are_no_inputs(void **state)
{
    (void)state;
    struct tp_inputs in = gather(NULL, 0);
    assert_int_equal(in.n_paths, 0);
    tp_inputs_fini(&in);
    tp_inputs_fini(&in);             /* once more is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMP_TEST(a_folder_stands_for_its_files_by_name),
        TEMP_TEST(a_folder_without_inputs_is_an_error),
        TEMP_TEST(many_files_are_listed),
        TEMP_TEST(whole_lines_mark_their_inputs_as_done),
        TEMP_TEST(a_line_that_was_cut_is_taken_away_wherever_the_cut_is),
        TEMP_TEST(lines_that_are_not_ours_mark_nothing),
        TEMP_TEST(a_file_that_is_not_there_or_empty_marks_nothing),
        TEMP_TEST(no_words_are_no_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
