/* test_buf.c - growing bytes: contents survive growth, the limit holds, failure sticks. */
#include "check.h"

#include <stdio.h>

#include <string.h>

#include "base/buf.h"

static void assert_holds(const struct tp_buf *b, const char *text)
{
    assert_int_equal(b->n_bytes, strlen(text));
    assert_memory_equal(b->data, text, b->n_bytes);
}

static void pieces_are_joined_in_order(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    struct tp_err err = { 0 };
    tp_buf_text(&b, "{\"n\": ");
    tp_buf_printf(&b, "%d", 42);
    tp_buf_bytes(&b, "}!", 1);
    assert_holds(&b, "{\"n\": 42}");
    assert_true(tp_buf_ok(&b, "answer", &err));
    tp_buf_fini(&b);
}

static void contents_survive_growth(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    for (int i = 0; i < 20000; i++) tp_buf_printf(&b, "%05d", i);
    assert_int_equal(b.n_bytes, 100000);
    assert_memory_equal(b.data + 5 * 12345, "12345", 5);
    assert_memory_equal(b.data, "00000", 5);
    tp_buf_fini(&b);
}

static void one_piece_may_be_larger_than_twice_the_buffer(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    tp_buf_text(&b, "x");
    tp_buf_printf(&b, "%100000d", 7);
    assert_int_equal(b.n_bytes, 100001);
    assert_int_equal(b.data[100000], '7');
    tp_buf_fini(&b);
}

static void nothing_may_be_appended_to_nothing(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    tp_buf_bytes(&b, NULL, 0);
    tp_buf_text(&b, "");
    assert_int_equal(b.n_bytes, 0);
    assert_false(b.failed);
    tp_buf_fini(&b);
    tp_buf_fini(&b);
}

static void reserve_gives_room_and_moves_nothing(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    tp_buf_text(&b, "ab");
    char *to = tp_buf_reserve(&b, 1000);
    assert_int_equal(b.n_bytes, 2);
    memset(to, 'c', 1000);
    b.n_bytes += 1000;
    assert_memory_equal(b.data, "abcc", 4);
    tp_buf_fini(&b);
}

static void the_limit_itself_fits_and_a_byte_more_does_not(void **state)
{
    (void)state;
    struct tp_buf b = { .limit_bytes = 4 };
    struct tp_err err = { 0 };
    tp_buf_bytes(&b, "abcd", 4);
    assert_true(tp_buf_ok(&b, "answer", &err));
    tp_buf_bytes(&b, "e", 1);
    assert_holds(&b, "abcd");
    assert_false(tp_buf_ok(&b, "answer", &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_string_equal(err.message, "answer exceeds the limit of 4 bytes");
    tp_buf_fini(&b);
}

static void what_comes_after_a_failure_is_dropped(void **state)
{
    (void)state;
    struct tp_buf b = { .limit_bytes = 4 };
    tp_buf_text(&b, "toolong");
    tp_buf_text(&b, "ok");           /* would fit; but an answer with a hole is worse than none */
    tp_buf_printf(&b, "%d", 1);
    assert_null(tp_buf_reserve(&b, 1));
    assert_int_equal(b.n_bytes, 0);
    assert_true(b.failed);
    tp_buf_fini(&b);
}

static void a_size_that_overflows_fails(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    struct tp_err err = { 0 };
    tp_buf_text(&b, "x");
    assert_null(tp_buf_reserve(&b, SIZE_MAX));
    assert_false(tp_buf_ok(&b, "answer", &err));
    assert_int_equal(err.code, TP_NO_MEMORY);
    assert_holds(&b, "x");
    tp_buf_fini(&b);
}

static void a_freed_buffer_starts_again_with_its_limit(void **state)
{
    (void)state;
    struct tp_buf b = { .limit_bytes = 4 };
    tp_buf_text(&b, "toolong");
    tp_buf_fini(&b);
    assert_false(b.failed);
    tp_buf_text(&b, "fits");
    assert_holds(&b, "fits");
    tp_buf_text(&b, "!");
    assert_true(b.failed);
    tp_buf_fini(&b);
}

static void numbers_are_written_as_printf_would(void **state)
{
    (void)state;
    static const int64_t ints[] = { 0, 1, -1, 9, 10, 1234567890123, INT64_MAX, INT64_MIN };
    static const double millis[] = { 0, 0.0004, 0.0006, 0.02, 1, 12.3456, 999.9996, 123456.789 };
    char want[64];
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        struct tp_buf b = { 0 };
        tp_buf_int(&b, ints[i]);
        int n = snprintf(want, sizeof want, "%lld", (long long)ints[i]);
        assert_int_equal(b.n_bytes, n);
        assert_memory_equal(b.data, want, (size_t)n);
        tp_buf_fini(&b);
    }
    for (size_t i = 0; i < sizeof millis / sizeof *millis; i++) {
        struct tp_buf b = { 0 };
        tp_buf_millis(&b, millis[i]);
        int n = snprintf(want, sizeof want, "%.3f", millis[i]);
        assert_int_equal(b.n_bytes, n);
        assert_memory_equal(b.data, want, (size_t)n);
        tp_buf_fini(&b);
    }
}

static void a_time_that_is_none_is_zero(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    tp_buf_millis(&b, -1);
    tp_buf_millis(&b, __builtin_nan(""));
    tp_buf_millis(&b, __builtin_inf());
    assert_int_equal(b.n_bytes, strlen("0.0000.0001000000000000.000"));
    assert_memory_equal(b.data, "0.0000.0001000000000000.000", b.n_bytes);
    tp_buf_fini(&b);
}

static void a_list_counts_what_it_leaves_out(void **state)
{
    (void)state;
    char name[151];
    int left_out = 0;
    struct tp_buf b = { 0 };
    memset(name, 'x', 150);
    name[150] = '\0';
    tp_buf_list(&b, "a", &left_out);
    tp_buf_list(&b, "b", &left_out);
    assert_memory_equal(b.data, "a, b", 4);
    tp_buf_list(&b, name, &left_out);
    assert_int_equal(left_out, 0);
    tp_buf_list(&b, name, &left_out);
    tp_buf_list(&b, "c", &left_out);                 /* would fit, but not in its order */
    assert_int_equal(left_out, 2);
    assert_int_equal(b.n_bytes, 4 + 2 + 150);
    tp_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_printf_would),
        cmocka_unit_test(a_time_that_is_none_is_zero),
        cmocka_unit_test(pieces_are_joined_in_order),
        cmocka_unit_test(contents_survive_growth),
        cmocka_unit_test(one_piece_may_be_larger_than_twice_the_buffer),
        cmocka_unit_test(nothing_may_be_appended_to_nothing),
        cmocka_unit_test(reserve_gives_room_and_moves_nothing),
        cmocka_unit_test(the_limit_itself_fits_and_a_byte_more_does_not),
        cmocka_unit_test(what_comes_after_a_failure_is_dropped),
        cmocka_unit_test(a_size_that_overflows_fails),
        cmocka_unit_test(a_list_counts_what_it_leaves_out),
        cmocka_unit_test(a_freed_buffer_starts_again_with_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
