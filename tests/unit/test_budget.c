/* test_budget.c - memory that is asked for before it is taken. */
#include "check.h"

#include <pthread.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

enum { MIB = 1 << 20 };

static void no_more_is_given_than_there_is(void **state)
{
    (void)state;
    struct tp_budget b;
    tp_budget_init(&b, 100);
    assert_true(tp_budget_take(&b, 60));
    assert_false(tp_budget_take(&b, 41));
    assert_false(tp_budget_take(&b, SIZE_MAX));
    assert_true(tp_budget_take(&b, 40));
    assert_int_equal(tp_budget_left(&b), 0);
    tp_budget_give(&b, 60);
    assert_int_equal(tp_budget_taken(&b), 40);
}

static void what_is_spare_is_for_those_who_ask_for_it(void **state)
{
    (void)state;
    struct tp_budget b;
    tp_budget_init(&b, 100);
    b.spare_bytes = 10;
    assert_true(tp_budget_take(&b, 100));
    assert_false(tp_budget_take(&b, 1));
    assert_true(tp_budget_take_spare(&b, 6));
    assert_false(tp_budget_take_spare(&b, 5));
    assert_false(tp_budget_take(&b, 1));
    assert_int_equal(tp_budget_left(&b), 0);
    assert_true(tp_budget_take_spare(&b, 4));
    tp_budget_give(&b, 20);
    assert_true(tp_budget_take(&b, 10));
    assert_false(tp_budget_take(&b, 1));
}

static void what_is_fixed_is_out_of_reach_for_ever(void **state)
{
    (void)state;
    struct tp_budget b;
    tp_budget_init(&b, 100);
    assert_true(tp_budget_fix(&b, 30));
    assert_true(tp_budget_take(&b, 20));
    assert_int_equal(tp_budget_most(&b), 70);
    assert_int_equal(tp_budget_left(&b), 50);
    assert_false(tp_budget_fix(&b, 51));
    tp_budget_unfix(&b, 30);
    assert_int_equal(tp_budget_most(&b), 100);
}

static void without_a_limit_everything_fits_and_is_counted(void **state)
{
    (void)state;
    struct tp_budget b;
    tp_budget_init(&b, 0);
    assert_true(tp_budget_take(&b, SIZE_MAX / 4));
    assert_int_equal(tp_budget_taken(&b), SIZE_MAX / 4);
    assert_int_equal(tp_budget_left(&b), SIZE_MAX);
    assert_true(tp_budget_take(NULL, SIZE_MAX));
    assert_int_equal(tp_budget_most(NULL), SIZE_MAX);
}

static void a_share_holds_what_it_used_until_it_is_trimmed(void **state)
{
    (void)state;
    struct tp_budget b;
    tp_budget_init(&b, 100);
    struct tp_share s = { .budget = &b };
    assert_true(tp_share_reserve(&s, 50));
    assert_int_equal(tp_budget_taken(&b), 50);
    assert_true(tp_share_use(&s, 30));
    assert_int_equal(tp_budget_taken(&b), 50);     /* out of what was set aside */
    assert_true(tp_share_use(&s, 30));
    assert_int_equal(tp_budget_taken(&b), 60);
    tp_share_release(&s, 40);
    assert_int_equal(tp_budget_taken(&b), 60);
    tp_share_trim(&s);
    assert_int_equal(tp_budget_taken(&b), 20);
    tp_share_part(&s, 15);
    tp_share_close(&s);
    assert_int_equal(tp_budget_taken(&b), 15);     /* somebody else's now */
}

static void a_refusal_tells_whether_coming_again_helps(void **state)
{
    (void)state;
    struct tp_budget b;
    struct tp_err err = { 0 };
    tp_budget_init(&b, 100 * (size_t)MIB);
    assert_true(tp_budget_fix(&b, 40 * (size_t)MIB));
    assert_true(tp_budget_take(&b, 30 * (size_t)MIB));
    struct tp_share s = { .budget = &b };
    assert_false(tp_share_use(&s, 50 * (size_t)MIB));
    assert_false(tp_share_fail(&s, &err));
    assert_int_equal(err.code, TP_UNAVAILABLE);
    assert_non_null(strstr(err.message, "50 MiB more"));

    err = (struct tp_err){ 0 };
    assert_true(tp_share_use(&s, 20 * (size_t)MIB));
    assert_false(tp_share_use(&s, 41 * (size_t)MIB));
    assert_false(tp_share_fail(&s, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_non_null(strstr(err.message, "at least 61 MiB"));
    assert_non_null(strstr(err.message, "may take 60"));
}

static void arenas_and_buffers_ask_before_they_allocate(void **state)
{
    (void)state;
    struct tp_budget b;
    struct tp_err err = { 0 };
    struct tp_arena a;
    tp_budget_init(&b, 8 * (size_t)MIB);
    assert_true(tp_budget_take(&b, 4 * (size_t)MIB));        /* somebody else's */
    struct tp_share s = { .budget = &b };
    struct tp_buf buf = { .share = &s };
    tp_arena_init(&a, SIZE_MAX);
    a.share = &s;
    assert_non_null(tp_arena_alloc(&a, MIB));
    assert_true(tp_arena_charge(&a, MIB));
    assert_non_null(tp_buf_reserve(&buf, MIB));
    assert_int_equal(s.used_bytes, a.total_bytes + a.charged_bytes + buf.capacity);
    assert_null(tp_arena_alloc(&a, 2 * MIB));
    assert_false(tp_arena_fail(&a, &err));
    assert_int_equal(err.code, TP_UNAVAILABLE);
    assert_null(tp_buf_reserve(&buf, 7 * MIB));
    err = (struct tp_err){ 0 };
    assert_false(tp_buf_ok(&buf, "the answer", &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    tp_arena_credit(&a, MIB);
    tp_arena_fini(&a);
    tp_buf_fini(&buf);
    assert_int_equal(s.used_bytes, 0);
    tp_share_trim(&s);
    assert_int_equal(tp_budget_taken(&b), 4 * MIB);
}

static void a_buffer_gives_back_room_that_it_did_not_need(void **state)
{
    (void)state;
    struct tp_budget b;
    tp_budget_init(&b, 0);
    struct tp_share s = { .budget = &b };
    struct tp_buf buf = { .share = &s };
    assert_non_null(tp_buf_reserve(&buf, 8 * MIB));
    tp_buf_text(&buf, "little");
    tp_buf_fit(&buf);
    assert_int_equal(buf.capacity, 6);
    assert_int_equal(s.used_bytes, 6);
    assert_memory_equal(buf.data, "little", 6);
    tp_buf_text(&buf, " more");
    assert_memory_equal(buf.data, "little more", 11);
    tp_buf_fini(&buf);
    assert_int_equal(s.used_bytes, 0);
}

static void *take_and_give(void *arg)
{
    struct tp_budget *b = arg;
    for (int i = 0; i < 20000; i++)
        if (tp_budget_take(b, 60)) tp_budget_give(b, 60);
    return NULL;
}

static void threads_never_take_more_than_there_is(void **state)
{
    (void)state;
    struct tp_budget b;
    pthread_t threads[4];
    tp_budget_init(&b, 100);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &b), 0);
    for (int i = 0; i < 20000; i++) assert_true(tp_budget_taken(&b) <= 100);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(tp_budget_taken(&b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_is_given_than_there_is),
        cmocka_unit_test(what_is_fixed_is_out_of_reach_for_ever),
        cmocka_unit_test(without_a_limit_everything_fits_and_is_counted),
        cmocka_unit_test(a_share_holds_what_it_used_until_it_is_trimmed),
        cmocka_unit_test(a_refusal_tells_whether_coming_again_helps),
        cmocka_unit_test(arenas_and_buffers_ask_before_they_allocate),
        cmocka_unit_test(a_buffer_gives_back_room_that_it_did_not_need),
        cmocka_unit_test(what_is_spare_is_for_those_who_ask_for_it),
        cmocka_unit_test(threads_never_take_more_than_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
