/* test_outputs.c - where answers go: names, collisions, inputs that must survive, files that are
 * whole or not there. */
#include "temp_dir.h"

#include "cli/outputs.h"

struct places { struct tp_inputs in; struct tp_outputs out; struct tp_err err; bool ok; };

static struct places place(const char *const *inputs, int n, const char *out)
{
    struct places p = { 0 };
    char *words[8];
    for (int i = 0; i < n; i++) words[i] = (char *)inputs[i];
    if (!tp_inputs_gather(&p.in, words, n, &p.err)) fail_msg("%s", p.err.message);
    p.ok = tp_outputs_place(&p.out, &p.in, out, ".npy", &p.err);
    return p;
}

static void check_refused(const char *const *inputs, int n, const char *out, const char *part)
{
    struct places p = place(inputs, n, out);
    assert_false(p.ok);
    if (!strstr(p.err.message, part)) fail_msg("'%s' lacks '%s'", p.err.message, part);
    tp_inputs_fini(&p.in);
}

static void one_answer_goes_to_the_file_itself(void **state)
{
    (void)state;
    const char *const input[] = { "a.jpg" };
    struct places p = place(input, 1, TEMP("x"));
    assert_true(p.ok);
    assert_string_equal(p.out.paths[0], TEMP("x"));
    tp_inputs_fini(&p.in);
    temp_folder("folder");           /* a folder that is there takes it in */
    p = place(input, 1, TEMP("folder"));
    assert_true(p.ok);
    assert_string_equal(p.out.paths[0], TEMP("folder/a.npy"));
    tp_inputs_fini(&p.in);
}

static void several_answers_are_named_after_their_inputs(void **state)
{
    (void)state;
    static const char *const inputs[] = { "in/cat.jpg", "cat.png", "cat-2.webp", "-", "v1.2.tar",
                                          ".hidden", "cat", "bare" };
    static const char *const want[] = { "cat", "cat-2", "cat-2-2", "stdin", "v1.2", ".hidden",
                                        "cat-3", "bare" };
    struct temp_path folder = temp_path("new");
    for (int i = 0; i < 2; i++) {    /* made, and there already; with and without a slash */
        if (i) strcat(folder.text, "/");
        struct places p = place(inputs, 8, folder.text);
        if (!p.ok) fail_msg("%s", p.err.message);
        for (int j = 0; j < 8; j++) {
            char path[600];
            snprintf(path, sizeof path, "%s/%s.npy", TEMP("new"), want[j]);
            assert_string_equal(p.out.paths[j], path);
        }
        tp_inputs_fini(&p.in);
    }
}

static void there_must_be_a_folder_for_several(void **state)
{
    (void)state;
    static const char *const inputs[] = { "a.jpg", "b.jpg" };
    check_refused(inputs, 2, NULL, "2 inputs make 2 files; name a folder");
    temp_text("file", "");
    check_refused(inputs, 2, TEMP("file"), "is no folder");
    check_refused(inputs, 2, TEMP("no/such/folder"), "No such file");
}

static void inputs_are_not_written_over(void **state)
{
    (void)state;
    temp_text("a.npy", "x");
    temp_text("b.jpg", "y");
    struct temp_path a = temp_path("a.npy"), b = temp_path("b.jpg");
    const char *const inputs[] = { b.text, a.text };
    check_refused(inputs + 1, 1, a.text, "would overwrite the input");
    check_refused(inputs, 2, temp_dir, "would overwrite the input");
    assert_int_equal(link(b.text, TEMP("b.npy")), 0);       /* the same file by another name */
    check_refused(inputs, 1, temp_dir, "would overwrite the input");
}

static void what_is_there_is_done(void **state)
{
    (void)state;
    static const char *const inputs[] = { "a.jpg", "b.jpg", "c.jpg" };
    temp_folder("out");
    temp_text("out/b.npy", "x");
    temp_text("out/c.npy.part", "x");
    struct places p = place(inputs, 3, TEMP("out"));
    assert_true(p.ok);
    tp_outputs_resume(&p.out, &p.in);
    assert_false(p.in.done[0]);
    assert_true(p.in.done[1]);
    assert_false(p.in.done[2]);
    tp_inputs_fini(&p.in);
}

static void check_content(const char *path, const char *want)
{
    char text[64] = "";
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s is not there", path);
    assert_int_equal(fread(text, 1, sizeof text - 1, f), strlen(want));
    assert_string_equal(text, want);
    fclose(f);
}

static void a_file_is_whole_or_not_there(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    assert_true(tp_outputs_write(TEMP("x"), "first", 5, &err));
    check_content(TEMP("x"), "first");
    assert_true(tp_outputs_write(TEMP("x"), "2nd", 3, &err));
    check_content(TEMP("x"), "2nd");
    assert_int_not_equal(access(TEMP("x.part"), F_OK), 0);
    temp_folder("y.part");           /* so that y cannot be written */
    assert_false(tp_outputs_write(TEMP("y"), "z", 1, &err));
    assert_int_equal(err.code, TP_IO);
    assert_int_not_equal(access(TEMP("y"), F_OK), 0);
}

static void what_is_no_regular_file_is_written_to(void **state)
{
    (void)state;
    char byte;
    struct tp_err err = { 0 };
    assert_int_equal(mkfifo(TEMP("pipe"), 0600), 0);
    int fd = open(TEMP("pipe"), O_RDONLY | O_NONBLOCK);
    assert_true(tp_outputs_write(TEMP("pipe"), "p", 1, &err));
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'p');
    close(fd);
    assert_true(tp_outputs_write("/dev/null", "p", 1, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMP_TEST(one_answer_goes_to_the_file_itself),
        TEMP_TEST(several_answers_are_named_after_their_inputs),
        TEMP_TEST(there_must_be_a_folder_for_several),
        TEMP_TEST(inputs_are_not_written_over),
        TEMP_TEST(what_is_there_is_done),
        TEMP_TEST(a_file_is_whole_or_not_there),
        TEMP_TEST(what_is_no_regular_file_is_written_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
