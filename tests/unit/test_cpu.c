/* test_cpu.c - processors that may be used, and the sizes of their caches. */
#include "check.h"

#include <sched.h>

#include "base/cpu.h"

static void count_follows_the_affinity(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    int n = tp_cpu_count();
    assert_true(n >= 1 && n <= CPU_COUNT(&all));
    int first = 0;
    while (!CPU_ISSET(first, &all)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(tp_cpu_count(), 1);
    assert_int_equal(tp_cpu_within(7.5), 1);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(tp_cpu_count(), n);
}

static void a_quota_counts_in_whole_processors(void **state)
{
    (void)state;
    assert_int_equal(tp_cpu_within(0.5), 1);
    assert_int_equal(tp_cpu_within(1.9), 1);
    assert_int_equal(tp_cpu_within(0), tp_cpu_allowed(NULL, 0));
    assert_int_equal(tp_cpu_within(1e9), tp_cpu_allowed(NULL, 0));
}

static void caches_have_sizes_that_caches_have(void **state)
{
    (void)state;
    const size_t first = tp_cpu_cache_bytes(1), second = tp_cpu_cache_bytes(2);
    assert_in_range(first, 16 << 10, 192 << 10);
    assert_in_range(second, 256 << 10, 4 << 20);
    assert_int_equal(tp_cpu_cache_bytes(1), first);          /* as it was told before */
    assert_int_equal(tp_cpu_cache_bytes(2), second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_have_sizes_that_caches_have),
        cmocka_unit_test(count_follows_the_affinity),
        cmocka_unit_test(a_quota_counts_in_whole_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
