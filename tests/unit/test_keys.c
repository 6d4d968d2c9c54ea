/* test_keys.c - keys: what a file may hold, what a header must show, a reload good and bad. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/keys.h"

#define A "aaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbb"

static char path[] = "/tmp/keys.XXXXXX";
static char name[TP_KEY_NAME_BYTES];
static struct tp_err err;

static void write_keys(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    err = (struct tp_err){ 0 };
}

static void refused(const char *text, const char *part)
{
    struct tp_keys *k;
    write_keys(text);
    if (tp_keys_open(&k, NULL, path, &err)) fail_msg("'%s' was accepted", text);
    assert_null(k);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    assert_null(strstr(err.message, A));
}

static void names_each(void **state)
{
    struct tp_keys *k;
    (void)state;
    write_keys("# ours\n\n  web:" A " \r\n" B);
    assert_true(tp_keys_open(&k, "the-flag's-own:key", path, &err));
    assert_true(tp_keys_check(k, "Bearer " A, name));
    assert_string_equal(name, "web");
    assert_true(tp_keys_check(k, "bEARER  " B, name));
    assert_string_equal(name, "key-4");
    assert_true(tp_keys_check(k, "Bearer the-flag's-own:key", name));
    assert_string_equal(name, "api-key");
    tp_keys_free(k);
}

static void refuses_others(void **state)
{
    char longest[300];
    static const char *const wrong[] = { "", "Bearer", "Bearer ", A, "Basic " A, "Bearer " A "a",
                                         "Bearer " A " ", "Bearer aaaaaaaaaaaaaaa",
                                         "Bearer aaaaaaaaaaaaaaab", "Bearer" A };
    struct tp_keys *k;
    (void)state;
    assert_true(tp_keys_open(&k, A, NULL, &err));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (tp_keys_check(k, wrong[i], name)) fail_msg("'%s' was let in", wrong[i]);
        assert_string_equal(name, "");
    }
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "Bearer ", 7);
    longest[299] = '\0';
    assert_false(tp_keys_check(k, longest, name));
    tp_keys_free(k);
    memset(longest, 'a', sizeof longest);
    longest[TP_KEY_MOST] = '\0';
    assert_true(tp_keys_open(&k, longest, NULL, &err));
    tp_keys_free(k);
}

static void refuses_files(void **state)
{
    char line[700];
    (void)state;
    refused("", "no key in it");
    refused("# only this\n", "no key in it");
    refused("ok:" A "\nshort:abc\n", ":2: a key is");
    refused("a b:" A, ":1: a key's name");
    refused(":" A, ":1: a key's name");
    refused("web:" A " " B, ":1: a key is");
    refused("web:" A "\nagain:" A "\n", ":2: the key of 'web' once more");
    memset(line, 'a', sizeof line);
    line[sizeof line - 1] = '\0';
    refused(line, ":1: longer");
    struct tp_keys *k;
    err = (struct tp_err){ 0 };
    assert_false(tp_keys_open(&k, NULL, "/nonexistent/keys", &err));
    assert_non_null(strstr(err.message, "/nonexistent/keys: "));
    err = (struct tp_err){ 0 };
    assert_false(tp_keys_open(&k, "short", NULL, &err));
    assert_non_null(strstr(err.message, "--api-key: a key is"));
    assert_true(tp_keys_open(&k, NULL, NULL, &err));
    assert_null(k);
}

static void reloads(void **state)
{
    struct tp_keys *k;
    (void)state;
    write_keys("web:" A "\n");
    assert_true(tp_keys_open(&k, NULL, path, &err));
    write_keys("web:short\n");
    assert_false(tp_keys_reload(k, &err));
    assert_true(tp_keys_check(k, "Bearer " A, name));
    write_keys("new:" B "\n");
    assert_true(tp_keys_reload(k, &err));
    assert_false(tp_keys_check(k, "Bearer " A, name));
    assert_true(tp_keys_check(k, "Bearer " B, name));
    assert_string_equal(name, "new");
    tp_keys_free(k);
    assert_true(tp_keys_reload(NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_each), cmocka_unit_test(refuses_others),
        cmocka_unit_test(refuses_files), cmocka_unit_test(reloads),
    };
    int fd = mkstemp(path);
    if (fd < 0) return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
