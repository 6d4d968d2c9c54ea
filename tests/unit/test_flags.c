/* test_flags.c - command-line flags: every type, the environment, which wins, what is a word. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/flags.h"

struct values { const char *host; int port; int64_t pixels; size_t max_body; bool resume; };

static struct values got;
static const struct tp_flag flags[] = {
    { "host", TP_FLAG_TEXT, &got.host, 0, 0, "HOST", "where" },
    { "port", TP_FLAG_INT, &got.port, 0, 65535, "N", "its port" },
    { "max-pixels", TP_FLAG_COUNT, &got.pixels, 1, INT64_C(1) << 40, "N", "largest image" },
    { "max-body", TP_FLAG_BYTES, &got.max_body, 0, 0, "SIZE", "largest body" },
    { "resume", TP_FLAG_SWITCH, &got.resume, 0, 0, "", "go on" },
};
enum { N_FLAGS = sizeof flags / sizeof *flags, MAX_ARGS = 8 };

static char *args[MAX_ARGS + 2];
static int n_words;
static struct tp_err err;

/* Reads NULL-terminated arguments over the defaults. */
static bool read_args(const char *const *arguments)
{
    int n = 1;
    args[0] = (char *)"test";
    for (; *arguments; arguments++) args[n++] = (char *)*arguments;
    got = (struct values){ "localhost", 80, 7, 9, false };
    err = (struct tp_err){ 0 };
    return tp_flags_read(flags, N_FLAGS, n, args, &n_words, &err);
}
#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_ARGS ((const char *const[]){ NULL })

static void must_read(const char *const *arguments)
{
    if (!read_args(arguments)) fail_msg("%s", err.message);
}

static void check_refused(const char *const *arguments, const char *part)
{
    if (read_args(arguments)) fail_msg("%s was accepted", arguments[0]);
    assert_int_equal(err.code, TP_INVALID_ARGUMENT);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
}

static void what_is_not_said_keeps_its_default(void **state)
{
    (void)state;
    must_read(NO_ARGS);
    assert_string_equal(got.host, "localhost");
    assert_int_equal(got.port, 80);
    assert_int_equal(got.pixels, 7);
    assert_int_equal(got.max_body, 9);
    assert_false(got.resume);
    assert_int_equal(n_words, 0);
}

static void a_value_follows_or_stands_behind_an_equals_sign(void **state)
{
    (void)state;
    must_read(ARGS("--host", "::1", "--port=0", "--max-pixels", "1099511627776", "--max-body=64M"));
    assert_string_equal(got.host, "::1");
    assert_int_equal(got.port, 0);
    assert_int_equal(got.pixels, INT64_C(1) << 40);
    assert_int_equal(got.max_body, 64 << 20);
    must_read(ARGS("--host=a=b"));
    assert_string_equal(got.host, "a=b");
    must_read(ARGS("--host="));
    assert_string_equal(got.host, "");
    must_read(ARGS("--host", "--port"));         /* a value may look like a flag */
    assert_string_equal(got.host, "--port");
}

static void sizes_have_units(void **state)
{
    (void)state;
    static const struct { const char *text; size_t want; } cases[] = {
        { "1", 1 }, { "1000", 1000 }, { "2K", 2048 }, { "2k", 2048 }, { "3m", 3 << 20 },
        { "1G", 1 << 30 }, { "9223372036854775807", SIZE_MAX >> 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        must_read(ARGS("--max-body", cases[i].text));
        assert_int_equal(got.max_body, cases[i].want);
    }
    static const char *const wrong[] = {
        "", "0", "0K", "-1", "+1", " 1", "K", "1KB", "1 K", "1T", "1.5M", "0x10",
        "9223372036854775808", "18446744073709551616", "9007199254740992K", "8589934592G",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_refused(ARGS("--max-body", wrong[i]), "is not a size such as 1000, 64K, 64M or 1G");
}

static void numbers_keep_to_their_range(void **state)
{
    (void)state;
    static const char *const wrong[] = { "-1", "65536", "", "1x", "8e1", "99999999999999999999" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_refused(ARGS("--port", wrong[i]), "is not a whole number from 0 to 65535");
    check_refused(ARGS("--port", "-1"), "--port: '-1'");
    check_refused(ARGS("--max-pixels=0"), "--max-pixels: '0' is not a whole number from 1 to");
    check_refused(ARGS("--max-pixels", "9223372036854775808"), "--max-pixels");
}

static void a_switch_takes_no_value_unless_behind_an_equals_sign(void **state)
{
    (void)state;
    must_read(ARGS("--resume", "false"));
    assert_true(got.resume);
    assert_int_equal(n_words, 1);
    assert_string_equal(args[1], "false");
    must_read(ARGS("--resume", "--resume=0"));
    assert_false(got.resume);
    must_read(ARGS("--resume=true"));
    assert_true(got.resume);
    must_read(ARGS("--resume", "--resume=false"));
    assert_false(got.resume);
    check_refused(ARGS("--resume=yes"), "--resume: expected 0 or 1, not 'yes'");
    check_refused(ARGS("--resume="), "--resume: expected 0 or 1, not ''");
}

static void the_last_of_several_wins(void **state)
{
    (void)state;
    must_read(ARGS("--port=1", "--port", "2", "--port=3"));
    assert_int_equal(got.port, 3);
}

static void words_keep_their_order_among_flags(void **state)
{
    (void)state;
    must_read(ARGS("model", "--port", "1", "-", "--resume", "b.png", "--host=h", "c.png"));
    assert_int_equal(n_words, 4);
    assert_string_equal(args[1], "model");
    assert_string_equal(args[2], "-");
    assert_string_equal(args[3], "b.png");
    assert_string_equal(args[4], "c.png");
    assert_int_equal(got.port, 1);
    assert_string_equal(got.host, "h");
}

static void two_dashes_end_the_flags(void **state)
{
    (void)state;
    must_read(ARGS("a", "--port=1", "--", "--port=2", "--", "-x"));
    assert_int_equal(n_words, 4);
    assert_string_equal(args[1], "a");
    assert_string_equal(args[2], "--port=2");
    assert_string_equal(args[3], "--");
    assert_string_equal(args[4], "-x");
    assert_int_equal(got.port, 1);
}

static void unknown_flags_and_missing_values_are_refused(void **state)
{
    (void)state;
    check_refused(ARGS("--nope"), "unknown flag --nope");
    check_refused(ARGS("--nope=1"), "unknown flag --nope=1");
    check_refused(ARGS("--por", "1"), "unknown flag --por");
    check_refused(ARGS("--portal", "1"), "unknown flag --portal");
    check_refused(ARGS("-p", "1"), "unknown flag -p");
    check_refused(ARGS("-port", "1"), "unknown flag -port");
    check_refused(ARGS("--=1"), "unknown flag --=1");
    check_refused(ARGS("---"), "unknown flag ---");
    check_refused(ARGS("--port"), "--port: a value is missing");
}

static void the_environment_is_read_first(void **state)
{
    (void)state;
    setenv("TIDEPOOL_MAX_BODY", "5K", 1);
    setenv("TIDEPOOL_PORT", "81", 1);
    setenv("TIDEPOOL_HOST", "", 1);                /* set to nothing: not said */
    setenv("TIDEPOOL_RESUME", "1", 1);
    must_read(ARGS("--port=82"));
    assert_int_equal(got.max_body, 5 << 10);
    assert_int_equal(got.port, 82);
    assert_string_equal(got.host, "localhost");
    assert_true(got.resume);
    setenv("TIDEPOOL_PORT", "many", 1);
    check_refused(ARGS("--port=82"), "TIDEPOOL_PORT: 'many' is not a whole number from 0 to 65535");
    unsetenv("TIDEPOOL_PORT");
    setenv("TIDEPOOL_RESUME", "on", 1);
    check_refused(NO_ARGS, "TIDEPOOL_RESUME: expected 0 or 1");
    unsetenv("TIDEPOOL_RESUME");
    unsetenv("TIDEPOOL_MAX_BODY");
    unsetenv("TIDEPOOL_HOST");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_keeps_its_default),
        cmocka_unit_test(a_value_follows_or_stands_behind_an_equals_sign),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(numbers_keep_to_their_range),
        cmocka_unit_test(a_switch_takes_no_value_unless_behind_an_equals_sign),
        cmocka_unit_test(the_last_of_several_wins),
        cmocka_unit_test(words_keep_their_order_among_flags),
        cmocka_unit_test(two_dashes_end_the_flags),
        cmocka_unit_test(unknown_flags_and_missing_values_are_refused),
        cmocka_unit_test(the_environment_is_read_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
