/* test_log.c - log lines: one event is one line whatever is in it, and JSON stays JSON. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static FILE *caught;
static int real_stderr;

/* From here to released(), stderr goes to a file of its own. */
static void catch_stderr(void)
{
    caught = tmpfile();
    assert_non_null(caught);
    real_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(caught), STDERR_FILENO) >= 0);
}

/* What was written since; NUL-terminated, the caller's to free(). */
static char *released(void)
{
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    close(real_stderr);
    long n = lseek(fileno(caught), 0, SEEK_END);
    char *text = calloc(1, (size_t)n + 1);
    assert_int_equal(pread(fileno(caught), text, (size_t)n, 0), n);
    fclose(caught);
    return text;
}

static int back_to_default(void **state)
{
    (void)state;
    tp_log_setup(TP_LOG_INFO, false);
    return 0;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("'%s' lacks '%s'", text, part);
}

static int count(const char *text, char c)
{
    int n = 0;
    for (; *text; text++) n += *text == c;
    return n;
}

static void a_line_has_time_level_and_message(void **state)
{
    (void)state;
    catch_stderr();
    tp_log(TP_LOG_WARN, "queue %d of %d", 3, 4);
    char *text = released();
    int year, month, day, hour, minute, second, ms, end = 0;
    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second,
           &ms, &end);
    assert_int_equal(end, 24);
    assert_string_equal(text + end, " warn  queue 3 of 4\n");
    free(text);
}

static void lines_beneath_the_level_are_not_written(void **state)
{
    (void)state;
    catch_stderr();
    tp_log(TP_LOG_DEBUG, "unwanted by default");
    tp_log_setup(TP_LOG_ERROR, false);
    tp_log(TP_LOG_WARN, "unwanted");
    tp_log(TP_LOG_ERROR, "wanted");
    tp_log_setup(TP_LOG_DEBUG, false);
    tp_log(TP_LOG_DEBUG, "wanted too");
    char *text = released();
    assert_int_equal(count(text, '\n'), 2);
    assert_null(strstr(text, "unwanted"));
    free(text);
}

static void a_client_cannot_forge_a_line(void **state)
{
    (void)state;
    catch_stderr();
    tp_log(TP_LOG_INFO, "path %s", "/x\r\n2026-01-01T00:00:00.000Z error fire\x1b[31m\x7f");
    char *text = released();
    assert_int_equal(count(text, '\n'), 1);
    assert_has(text, "/x\\u000d\\u000a2026-01-01");
    assert_has(text, "fire\\u001b[31m\\u007f\n");
    free(text);
}

static void json_lines_escape_what_json_must(void **state)
{
    (void)state;
    tp_log_setup(TP_LOG_INFO, true);
    catch_stderr();
    tp_log(TP_LOG_ERROR, "say \"%s\" \\ tab\t", "m\xc3\xbc");
    char *text = released();
    assert_memory_equal(text, "{\"time\":\"20", 11);
    assert_has(text, "Z\",\"level\":\"error\",\"message\":"
                     "\"say \\\"m\xc3\xbc\\\" \\\\ tab\\u0009\"}\n");
    free(text);
}

static void a_message_of_any_length_is_one_whole_line(void **state)
{
    (void)state;
    char endless[8000];
    memset(endless, '"', sizeof endless - 1);    /* the kind that doubles when escaped */
    endless[sizeof endless - 1] = '\0';
    tp_log_setup(TP_LOG_INFO, true);
    catch_stderr();
    tp_log(TP_LOG_INFO, "%s", endless);
    memset(endless, '\n', sizeof endless - 1);   /* and the kind that grows sixfold */
    tp_log(TP_LOG_INFO, "%s", endless);
    char *text = released();
    assert_int_equal(count(text, '\n'), 2);
    assert_has(text, "\\\"\"}\n");
    assert_has(text, "\\u000a\"}\n");
    free(text);
}

static void *write_lines(void *name)
{
    for (int i = 0; i < 100; i++)
        tp_log(TP_LOG_INFO, "%s %s %s", (char *)name, (char *)name, (char *)name);
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    char *names[] = { "aaaaaaaa", "bbbbbbbb", "cccccccc" };
    pthread_t threads[3];
    catch_stderr();
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, write_lines, names[i]);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    char *text = released(), *rest = NULL;
    int n = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
        char a[16], b[16], c[16];
        assert_int_equal(sscanf(line, "%*s info %15s %15s %15s", a, b, c), 3);
        assert_string_equal(a, b);
        assert_string_equal(b, c);
    }
    assert_int_equal(n, 300);
    free(text);
}

static void a_level_is_one_of_four_words(void **state)
{
    (void)state;
    enum tp_log_level level = TP_LOG_INFO;
    assert_true(tp_log_level_parse("debug", &level));
    assert_int_equal(level, TP_LOG_DEBUG);
    assert_true(tp_log_level_parse("error", &level));
    assert_int_equal(level, TP_LOG_ERROR);
    assert_false(tp_log_level_parse("ERROR", &level));
    assert_false(tp_log_level_parse("", &level));
    assert_false(tp_log_level_parse("warning", &level));
    assert_int_equal(level, TP_LOG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_line_has_time_level_and_message, back_to_default),
        cmocka_unit_test_teardown(lines_beneath_the_level_are_not_written, back_to_default),
        cmocka_unit_test_teardown(a_client_cannot_forge_a_line, back_to_default),
        cmocka_unit_test_teardown(json_lines_escape_what_json_must, back_to_default),
        cmocka_unit_test_teardown(a_message_of_any_length_is_one_whole_line, back_to_default),
        cmocka_unit_test_teardown(lines_of_several_threads_do_not_mix, back_to_default),
        cmocka_unit_test(a_level_is_one_of_four_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
