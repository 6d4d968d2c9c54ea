/* test_pages.c - blocks of every size class are aligned, writable to the last byte, and given
 * back. */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/pages.h"

static const size_t sizes[] = { 0, 1, 63, 64, 65, 4095, 4096, 1 << 20, (4 << 20) - 1, 4 << 20,
                                (4 << 20) + 1, (6 << 20) + 12345 };

static void blocks_are_aligned_and_writable(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *p = tp_pages_alloc(sizes[i]);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 0x5a, sizes[i]);
        tp_pages_free(p, sizes[i]);
    }
    tp_pages_free(NULL, 4096);
}

static long mapped_pages(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld", &pages), 1);
    fclose(f);
    return pages;
}

static void large_blocks_leave_no_address_space_behind(void **state)
{
    (void)state;
    tp_pages_free(tp_pages_alloc(32 << 20), 32 << 20);
    long before = mapped_pages();
    for (int i = 0; i < 100; i++)
        tp_pages_free(tp_pages_alloc((32 << 20) + i), (32 << 20) + (size_t)i);
    assert_true(mapped_pages() - before < (64 << 20) / sysconf(_SC_PAGESIZE));
}

static void what_cannot_be_had_is_null(void **state)
{
    (void)state;
    assert_null(tp_pages_alloc(SIZE_MAX));
    assert_null(tp_pages_alloc(SIZE_MAX / 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_writable),
        cmocka_unit_test(large_blocks_leave_no_address_space_behind),
        cmocka_unit_test(what_cannot_be_had_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
