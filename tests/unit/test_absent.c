/* test_absent.c - models that are known and not served. */
#include "check.h"

#include <string.h>

#include "service/absent.h"

static void names_stand_in_their_order_each_once(void **state)
{
    (void)state;
    static const char *const names[] = { "m", "z", "a", "m", "b", "zz", "a" };
    static const char *const want[] = { "a", "b", "m", "z", "zz" };
    struct tp_absents all = { 0 };
    struct tp_err err = { 0 };
    assert_null(tp_absents_find(&all, "m"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(tp_absents_reserve(&all, 1, &err));
        assert_string_equal(tp_absents_add(&all, names[i])->name, names[i]);
    }
    assert_int_equal(all.n, 5);
    for (int i = 0; i < all.n; i++) {
        assert_string_equal(all.list[i].name, want[i]);
        assert_ptr_equal(tp_absents_find(&all, want[i]), &all.list[i]);
    }
    assert_null(tp_absents_find(&all, ""));
    assert_null(tp_absents_find(&all, "c"));
    assert_null(tp_absents_find(&all, "zzz"));
    tp_absents_fini(&all);
}

static void what_is_removed_is_not_found(void **state)
{
    (void)state;
    struct tp_absents all = { 0 };
    struct tp_err err = { 0 };
    tp_absents_remove(&all, "a");
    assert_true(tp_absents_reserve(&all, 3, &err));
    tp_absents_add(&all, "a");
    tp_absents_add(&all, "b");
    tp_absents_add(&all, "c");
    tp_absents_remove(&all, "b");
    tp_absents_remove(&all, "none");
    assert_int_equal(all.n, 2);
    assert_null(tp_absents_find(&all, "b"));
    tp_absents_remove(&all, "c");
    tp_absents_remove(&all, "a");
    assert_int_equal(all.n, 0);
    tp_absents_fini(&all);
    tp_absents_fini(&all);           /* once more is fine */
}

static void a_reason_takes_the_place_of_the_one_before(void **state)
{
    (void)state;
    char path[300];
    struct tp_absents all = { 0 };
    struct tp_err err = { 0 };
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_true(tp_absents_reserve(&all, 1, &err));
    struct tp_absent *a = tp_absents_add(&all, "a");
    assert_int_equal(a->state, TP_MODEL_UNAVAILABLE);
    assert_string_equal(a->reason, "");
    a->unloaded = true;
    a->leaving = &all;
    tp_absent_set(a, "a.json", TP_MODEL_LOADING, "why");
    assert_int_equal(a->state, TP_MODEL_LOADING);
    assert_string_equal(a->path, "a.json");
    assert_string_equal(a->reason, "why");
    assert_false(a->unloaded);
    assert_null(a->leaving);
    tp_absent_set(a, NULL, TP_MODEL_UNAVAILABLE, path);      /* a built-in's */
    assert_string_equal(a->path, "");
    tp_absent_set(a, path, TP_MODEL_UNAVAILABLE, "");        /* too long for a path: cut */
    assert_int_equal(strlen(a->path), sizeof a->path - 1);
    tp_absents_fini(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_in_their_order_each_once),
        cmocka_unit_test(what_is_removed_is_not_found),
        cmocka_unit_test(a_reason_takes_the_place_of_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
