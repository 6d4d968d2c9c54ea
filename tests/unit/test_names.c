/* test_names.c - which node bears which name. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "graph/names.h"

enum { MANY = 10000 };

static void an_empty_table_finds_nothing(void **state)
{
    (void)state;
    struct tp_names names = { 0 };
    assert_int_equal(tp_names_find(&names, "conv"), -1);
    assert_int_equal(tp_names_find(&names, ""), -1);
}

static void ten_thousand_names_are_found_and_no_others(void **state)
{
    (void)state;
    static char text[MANY][16];
    struct tp_arena arena;
    tp_arena_init(&arena, SIZE_MAX);
    struct tp_names names = { .arena = &arena };
    for (int i = 0; i < MANY; i++) {
        snprintf(text[i], sizeof text[i], "conv_%d", i);
        assert_true(tp_names_add(&names, text[i], MANY - i));
        assert_true(2 * names.n_used <= names.n_slots);
    }
    for (int i = 0; i < MANY; i++) {
        char copy[16];
        memcpy(copy, text[i], sizeof copy);              /* found by its letters, not its address */
        assert_int_equal(tp_names_find(&names, copy), MANY - i);
        copy[0] = 'd';
        assert_int_equal(tp_names_find(&names, copy), -1);
    }
    assert_int_equal(tp_names_find(&names, "conv_"), -1);
    assert_int_equal(tp_names_find(&names, "conv_10000"), -1);
    tp_arena_fini(&arena);
}

static void odd_names_are_names_too(void **state)
{
    (void)state;
    static const char *const odd[] = { "", " ", "a", "a ", "A", "\xc3\xa9", "\xff\xfe", "a/b:0" };
    enum { N = sizeof odd / sizeof *odd };
    struct tp_arena arena;
    tp_arena_init(&arena, SIZE_MAX);
    struct tp_names names = { .arena = &arena };
    for (int i = 0; i < N; i++) assert_true(tp_names_add(&names, odd[i], i));
    for (int i = 0; i < N; i++) assert_int_equal(tp_names_find(&names, odd[i]), i);
    tp_arena_fini(&arena);
}

static void a_table_that_cannot_grow_keeps_what_it_has(void **state)
{
    (void)state;
    static char text[MANY][16];
    struct tp_arena arena;
    int n = 0;
    tp_arena_init(&arena, 64 << 10);
    struct tp_names names = { .arena = &arena };
    for (; n < MANY; n++) {
        snprintf(text[n], sizeof text[n], "%d", n);
        if (!tp_names_add(&names, text[n], n)) break;
    }
    assert_in_range(n, 32, MANY - 1);
    assert_false(tp_names_add(&names, "one more", n));
    assert_int_equal(tp_names_find(&names, text[n]), -1);
    for (int i = 0; i < n; i++) assert_int_equal(tp_names_find(&names, text[i]), i);
    tp_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(ten_thousand_names_are_found_and_no_others),
        cmocka_unit_test(odd_names_are_names_too),
        cmocka_unit_test(a_table_that_cannot_grow_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
