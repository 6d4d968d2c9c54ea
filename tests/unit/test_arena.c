/* test_arena.c - the arena: alignment, the ceiling, what is poisoned. */
#include "check.h"

#include <string.h>

#include "base/arena.h"

enum { MIB = 1 << 20 };

static void memory_is_aligned_and_objects_do_not_overlap(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 63, 64, 65, 0, 4000, 40000, 300000, 7 };
    enum { N = sizeof sizes / sizeof *sizes };
    unsigned char *p[N];
    struct tp_arena a;
    tp_arena_init(&a, SIZE_MAX);
    for (int i = 0; i < N; i++) {
        p[i] = tp_arena_alloc(&a, sizes[i]);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 64, 0);
        memset(p[i], i + 1, sizes[i]);
        for (int j = 0; j < i; j++) assert_ptr_not_equal(p[i], p[j]);
    }
    for (int i = 0; i < N; i++)
        for (size_t b = 0; b < sizes[i]; b++) assert_int_equal(p[i][b], i + 1);
    tp_arena_fini(&a);
}

static void chunks_never_add_up_to_more_than_the_limit(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, MIB);
    int n = 0;
    while (tp_arena_alloc(&a, 10000)) {
        assert_true(a.total_bytes <= MIB);
        assert_true(++n < 200);
    }
    assert_true(n > 80);             /* the ceiling does not waste what is beneath it */
    tp_arena_fini(&a);
}

static void one_request_beyond_the_limit_leaves_the_arena_usable(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, MIB);
    assert_null(tp_arena_alloc(&a, MIB + 1));
    assert_non_null(tp_arena_alloc(&a, 1000));
    tp_arena_fini(&a);
}

static void a_limit_of_zero_gives_nothing(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, 0);
    assert_null(tp_arena_alloc(&a, 1));
    tp_arena_fini(&a);
}

static void what_was_reserved_is_given_out_of_one_block(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, 8 * MIB);
    assert_non_null(tp_arena_alloc(&a, 100));
    assert_true(tp_arena_reserve(&a, 6 * MIB));
    const size_t held = a.total_bytes;
    for (int i = 0; i < 5; i++) assert_non_null(tp_arena_alloc(&a, MIB));
    assert_true(tp_arena_reserve(&a, 1000));     /* there already */
    assert_int_equal(a.total_bytes, held);
    assert_false(tp_arena_reserve(&a, 2 * MIB));
    assert_false(tp_arena_reserve(&a, SIZE_MAX));
    tp_arena_fini(&a);
}

static void sizes_that_overflow_give_null(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, SIZE_MAX);
    assert_null(tp_arena_alloc(&a, SIZE_MAX));
    assert_null(tp_arena_alloc(&a, SIZE_MAX - 64));
    assert_null(tp_arena_zalloc(&a, SIZE_MAX / 4 + 1, 8));
    assert_null(tp_arena_zalloc(&a, SIZE_MAX, SIZE_MAX));
    assert_null(tp_arena_floats(&a, -1));
    assert_null(tp_arena_floats(&a, INT64_MAX));
    assert_null(tp_arena_strndup(&a, "", SIZE_MAX));
    assert_int_equal(a.total_bytes, 0);
    tp_arena_fini(&a);
}

static void zalloc_zeroes_memory_that_was_used_before(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, SIZE_MAX);
    memset(tp_arena_alloc(&a, 1000), 0xff, 1000);
    tp_arena_fini(&a);
    const unsigned char *p = tp_arena_zalloc(&a, 100, 10);
    for (int i = 0; i < 1000; i++) assert_int_equal(p[i], 0);
    tp_arena_fini(&a);
}

static void strndup_takes_just_the_bytes_asked_for(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, SIZE_MAX);
    char *text = guarded(5);         /* no NUL behind it, and none may be looked for */
    memcpy(text, "layer", 5);
    assert_string_equal(tp_arena_strndup(&a, text, 5), "layer");
    assert_string_equal(tp_arena_strndup(&a, text, 0), "");
    guarded_free(text);
    tp_arena_fini(&a);
}

static void printf_gives_room_for_any_length(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, SIZE_MAX);
    assert_string_equal(tp_arena_printf(&a, "%s-%d", "conv", 3), "conv-3");
    const char *wide = tp_arena_printf(&a, "%100000d", 7);
    assert_int_equal(strlen(wide), 100000);
    assert_int_equal(wide[99999], '7');
    tp_arena_fini(&a);
}

static void an_arena_that_was_freed_keeps_its_limit(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, MIB);
    for (int round = 0; round < 3; round++) {
        assert_non_null(tp_arena_alloc(&a, MIB / 2));
        assert_null(tp_arena_alloc(&a, MIB));
        tp_arena_fini(&a);
        assert_int_equal(a.limit_bytes, MIB);
        assert_int_equal(a.total_bytes, 0);
    }
}

static void an_unused_arena_may_be_freed(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, MIB);
    tp_arena_fini(&a);
    tp_arena_fini(&a);
}

static void null_means_too_large_at_a_limit_and_no_memory_without_one(void **state)
{
    (void)state;
    struct tp_arena a;
    struct tp_err err = { 0 };
    tp_arena_init(&a, 3 * MIB);
    assert_false(tp_arena_fail(&a, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_non_null(strstr(err.message, "3 MiB"));
    tp_arena_init(&a, SIZE_MAX);
    err = (struct tp_err){ 0 };
    assert_false(tp_arena_fail(&a, &err));
    assert_int_equal(err.code, TP_NO_MEMORY);
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

static void the_byte_behind_an_object_is_poisoned(void **state)
{
    (void)state;
    struct tp_arena a;
    tp_arena_init(&a, SIZE_MAX);
    char *one = tp_arena_alloc(&a, 64), *two = tp_arena_alloc(&a, 13);
    assert_false(__asan_address_is_poisoned(one + 63));
    assert_true(__asan_address_is_poisoned(one + 64));
    assert_false(__asan_address_is_poisoned(two + 12));
    assert_true(__asan_address_is_poisoned(two + 13));
    tp_arena_fini(&a);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_objects_do_not_overlap),
        cmocka_unit_test(chunks_never_add_up_to_more_than_the_limit),
        cmocka_unit_test(one_request_beyond_the_limit_leaves_the_arena_usable),
        cmocka_unit_test(a_limit_of_zero_gives_nothing),
        cmocka_unit_test(what_was_reserved_is_given_out_of_one_block),
        cmocka_unit_test(sizes_that_overflow_give_null),
        cmocka_unit_test(zalloc_zeroes_memory_that_was_used_before),
        cmocka_unit_test(strndup_takes_just_the_bytes_asked_for),
        cmocka_unit_test(printf_gives_room_for_any_length),
        cmocka_unit_test(an_arena_that_was_freed_keeps_its_limit),
        cmocka_unit_test(an_unused_arena_may_be_freed),
        cmocka_unit_test(null_means_too_large_at_a_limit_and_no_memory_without_one),
#ifdef __SANITIZE_ADDRESS__
        cmocka_unit_test(the_byte_behind_an_object_is_poisoned),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
