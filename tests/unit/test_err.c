/* test_err.c - errors as values: which one wins, what their text says, that no text is too long. */
#include "check.h"

#include <ctype.h>
#include <string.h>

#include "base/err.h"

static void the_first_error_wins(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    assert_false(tp_fail(&err, TP_INVALID_SHAPE, "%s: window %d", "pool", 3));
    assert_false(tp_fail(&err, TP_INTERNAL, "later"));
    assert_int_equal(err.code, TP_INVALID_SHAPE);
    assert_string_equal(err.message, "pool: window 3");
}

static void a_context_goes_in_front_and_keeps_the_code(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    tp_fail(&err, TP_INVALID_IMAGE, "truncated at byte %d", 17);
    assert_false(tp_fail_in(&err, "image %d", 2));
    assert_int_equal(err.code, TP_INVALID_IMAGE);
    assert_string_equal(err.message, "image 2: truncated at byte 17");
}

static void a_message_of_any_length_ends_inside_its_field(void **state)
{
    (void)state;
    char text[4 * TP_MESSAGE_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';

    struct tp_err err = { 0 };
    tp_fail(&err, TP_IO, "%s", text);
    assert_int_equal(strlen(err.message), TP_MESSAGE_BYTES - 1);

    tp_fail_in(&err, "file");
    assert_int_equal(strlen(err.message), TP_MESSAGE_BYTES - 1);
    assert_memory_equal(err.message, "file: xxx", 9);

    tp_fail_in(&err, "%s", text);
    assert_int_equal(strlen(err.message), TP_MESSAGE_BYTES - 1);
}

static void a_context_that_just_fits_leaves_no_room_but_harms_nothing(void **state)
{
    (void)state;
    for (int n = TP_MESSAGE_BYTES - 5; n <= TP_MESSAGE_BYTES + 1; n++) {
        struct tp_err err = { 0 };
        tp_fail(&err, TP_IO, "what happened");
        tp_fail_in(&err, "%*s", n, "where");
        assert_true(strlen(err.message) < TP_MESSAGE_BYTES);
        assert_int_equal(err.code, TP_IO);
    }
}

static void every_code_has_its_own_name_in_snake_case(void **state)
{
    (void)state;
    for (int a = TP_OK; a <= TP_INTERNAL; a++) {
        const char *name = tp_code_name((enum tp_code)a);
        assert_true(strlen(name) > 0);
        for (const char *c = name; *c; c++) assert_true(islower((unsigned char)*c) || *c == '_');
        for (int b = TP_OK; b < a; b++)
            assert_string_not_equal(name, tp_code_name((enum tp_code)b));
    }
    assert_string_equal(tp_code_name(TP_UNSUPPORTED_FORMAT), "unsupported_format");
    assert_string_equal(tp_code_name((enum tp_code)999), "internal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_wins),
        cmocka_unit_test(a_context_goes_in_front_and_keeps_the_code),
        cmocka_unit_test(a_message_of_any_length_ends_inside_its_field),
        cmocka_unit_test(a_context_that_just_fits_leaves_no_room_but_harms_nothing),
        cmocka_unit_test(every_code_has_its_own_name_in_snake_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
