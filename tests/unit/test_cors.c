/* test_cors.c - lists of origins, and what they let a reply say. */
#include "check.h"

#include <string.h>

#include "http/cors.h"

static struct tp_cors *opened(const char *list)
{
    struct tp_cors *c;
    struct tp_err err = { 0 };
    assert_true(tp_cors_open(&c, list, &err));
    return c;
}

static const char *allowed(const struct tp_cors *c, const char *origin)
{
    struct tp_reply r = { 0 };
    tp_cors_allow(c, origin, &r);
    return r.allow_origin;
}

static void only_what_is_listed_is_allowed(void **state)
{
    struct tp_cors *c = opened("https://a.example,http://localhost:3000,http://[::1]:80");
    (void)state;
    assert_string_equal(allowed(c, "https://a.example"), "https://a.example");
    assert_string_equal(allowed(c, "http://localhost:3000"), "http://localhost:3000");
    assert_string_equal(allowed(c, "http://[::1]:80"), "http://[::1]:80");
    static const char *const others[] = { "http://a.example", "https://a.example:443", "", "null",
                                          "https://a.example.b", "https://a.exampl", "*" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(allowed(c, others[i]));
    assert_null(allowed(c, NULL));
    tp_cors_free(c);
}

static void no_list_and_a_star(void **state)
{
    struct tp_reply r = { 0 };
    (void)state;
    assert_null(opened(NULL));
    tp_cors_allow(NULL, "https://a.example", &r);
    assert_null(r.allow_origin);
    assert_false(r.varies_by_origin);
    struct tp_cors *c = opened("*");
    assert_string_equal(allowed(c, "https://a.example"), "*");
    assert_null(allowed(c, NULL));
    tp_cors_free(c);
}

static void what_is_no_origin_is_named(void **state)
{
    static const char *const bad[] = {
        "", "a.example", "https://", "https://a.example/", "https://A.example", "ftp://a.example",
        "https://a.example,", ",https://a.example", "https://a.example,*", "https://a b",
        "https://a.example, https://b.example",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tp_cors *c;
        struct tp_err err = { 0 };
        assert_false(tp_cors_open(&c, bad[i], &err));
        assert_null(c);
        assert_int_equal(err.code, TP_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "--cors-origin: '"));
    }
}

static void options_are_answered_and_strangers_are_not(void **state)
{
    struct tp_reply r = { .status = 405, .allow = "POST" };
    (void)state;
    assert_false(tp_cors_answer_options(&r, true));
    assert_int_equal(r.status, 405);
    assert_true(tp_cors_answer_options(&r, false));
    assert_int_equal(r.status, 204);
    assert_int_equal(r.head.n, 0);
    r.allow_origin = "https://a.example";
    assert_true(tp_cors_answer_options(&r, true));
    assert_int_equal(r.head.n, 3);
    assert_string_equal(r.head.headers[0].name, "Access-Control-Allow-Methods");
    assert_string_equal(r.head.headers[0].value, "POST");
    assert_non_null(strstr(r.head.headers[1].value, "Authorization"));   /* not cut away */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_listed_is_allowed),
        cmocka_unit_test(no_list_and_a_star),
        cmocka_unit_test(what_is_no_origin_is_named),
        cmocka_unit_test(options_are_answered_and_strangers_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
