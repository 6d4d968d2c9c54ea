/* test_utf8.c - text that may go into JSON and logs as it is. */
#include "check.h"

#include <string.h>

#include "base/utf8.h"

static void check_bytes(const char *text, size_t n_bytes, size_t want)
{
    char *p = guarded(n_bytes);
    memcpy(p, text, n_bytes);
    assert_int_equal(tp_utf8_bytes(p, n_bytes), want);
    guarded_free(p);
}

static void sequences_have_their_lengths(void **state)
{
    (void)state;
    check_bytes("", 0, 0);
    check_bytes("", 1, 1);
    check_bytes("a\xC3", 2, 1);
    check_bytes("\x7F", 1, 1);
    check_bytes("\xC2\x80", 2, 2);
    check_bytes("\xDF\xBF", 2, 2);
    check_bytes("\xE0\xA0\x80", 3, 3);
    check_bytes("\xED\x9F\xBF", 3, 3);
    check_bytes("\xEE\x80\x80", 3, 3);
    check_bytes("\xEF\xBF\xBF", 3, 3);
    check_bytes("\xF0\x90\x80\x80", 4, 4);
    check_bytes("\xF4\x8F\xBF\xBF", 4, 4);
}

static void what_is_no_sequence_has_none(void **state)
{
    (void)state;
    check_bytes("\x80", 1, 0);
    check_bytes("\xBF\x80", 2, 0);
    check_bytes("\xC0\x80", 2, 0);           /* overlong */
    check_bytes("\xC1\xBF", 2, 0);
    check_bytes("\xE0\x9F\xBF", 3, 0);
    check_bytes("\xF0\x8F\xBF\xBF", 4, 0);
    check_bytes("\xED\xA0\x80", 3, 0);       /* a surrogate */
    check_bytes("\xED\xBF\xBF", 3, 0);
    check_bytes("\xF4\x90\x80\x80", 4, 0);   /* beyond U+10FFFF */
    check_bytes("\xF5\x80\x80\x80", 4, 0);
    check_bytes("\xFF", 1, 0);
    check_bytes("\xC3\x28", 2, 0);           /* the second byte is none */
    check_bytes("\xE2\x82\x28", 3, 0);
}

static void a_cut_sequence_is_none_and_not_read_behind(void **state)
{
    (void)state;
    check_bytes("\xC3", 1, 0);
    check_bytes("\xE2\x82", 2, 0);
    check_bytes("\xF0\x9F\x98", 3, 0);
    char *p = guarded(3);
    memcpy(p, "\xE2\x82\0", 3);              /* text: the NUL ends it */
    assert_int_equal(tp_utf8_bytes(p, 4), 0);
    guarded_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_have_their_lengths),
        cmocka_unit_test(what_is_no_sequence_has_none),
        cmocka_unit_test(a_cut_sequence_is_none_and_not_read_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
