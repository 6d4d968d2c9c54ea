/* test_cpu.c - the quota as the kernel's cgroup files say it, on trees of files made here. */
#include "check.h"

#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"

static char root[64];                /* stands for /sys/fs/cgroup */

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/tidepool-test-cpu-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes root/<path>, making its folders. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static double quota(const char *proc_cgroup)
{
    char path[512];
    put("proc-self-cgroup", proc_cgroup);
    snprintf(path, sizeof path, "%s/proc-self-cgroup", root);
    return tp_cpu_quota(root, path);
}

static void v2_quota_of_the_own_group(void **state)
{
    (void)state;
    put("pod/app/cpu.max", "150000 100000\n");
    assert_float_equal(quota("0::/pod/app\n"), 1.5, 1e-9);
}

static void v2_the_least_quota_of_all_parents_binds(void **state)
{
    (void)state;
    put("pod/app/cpu.max", "400000 100000\n");
    put("pod/cpu.max", "50000 100000\n");
    put("cpu.max", "200000 100000\n");
    assert_float_equal(quota("0::/pod/app\n"), 0.5, 1e-9);
    assert_float_equal(quota("0::/\n"), 2, 1e-9);
}

static void v2_max_is_no_limit(void **state)
{
    (void)state;
    put("pod/cpu.max", "max 100000\n");
    assert_float_equal(quota("0::/pod\n"), 0, 0);
    put("cpu.max", "300000 100000\n");
    assert_float_equal(quota("0::/pod\n"), 3, 1e-9);
}

static void v2_a_group_that_is_not_mounted_here_falls_back_to_the_root(void **state)
{
    (void)state;
    put("cpu.max", "100000 100000\n");       /* a container that sees only its own group */
    assert_float_equal(quota("0::/kubepods/pod1/abc\n"), 1, 1e-9);
}

static void v1_quota_wherever_cpu_stands_among_the_controllers(void **state)
{
    (void)state;
    put("cpu/app/cpu.cfs_quota_us", "250000\n");
    put("cpu/app/cpu.cfs_period_us", "100000\n");
    assert_float_equal(quota("4:cpu,cpuacct:/app\n"), 2.5, 1e-9);
    assert_float_equal(quota("4:cpuacct,cpu:/app\n"), 2.5, 1e-9);
    assert_float_equal(quota("4:x,cpu,y:/app\n"), 2.5, 1e-9);
    assert_float_equal(quota("4:cpu:/app\n"), 2.5, 1e-9);
    assert_float_equal(quota("4:cpuset:/app\n5:cpuacct:/app\n"), 0, 0);
}

static void v1_minus_one_is_no_limit(void **state)
{
    (void)state;
    put("cpu/cpu.cfs_quota_us", "-1\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    assert_float_equal(quota("4:cpu:/\n"), 0, 0);
}

static void of_both_versions_the_lesser_binds(void **state)
{
    (void)state;
    put("cpu/app/cpu.cfs_quota_us", "300000\n");
    put("cpu/app/cpu.cfs_period_us", "100000\n");
    put("unified/cpu.max", "200000 100000\n");
    assert_float_equal(quota("4:cpu:/app\n0::/unified\n"), 2, 1e-9);
}

static void what_cannot_be_read_is_no_limit(void **state)
{
    (void)state;
    assert_float_equal(tp_cpu_quota(root, "/nonexistent/cgroup"), 0, 0);
    assert_float_equal(quota(""), 0, 0);
    assert_float_equal(quota("no colon\n1:name=only one\n:\n"), 0, 0);
    put("a/cpu.max", "");
    put("b/cpu.max", "0 100000\n");
    put("c/cpu.max", "100000 0\n");
    put("d/cpu.max", "100000\n");
    put("e/cpu.max", "-5 100000\n");
    assert_float_equal(quota("0::/a\n0::/b\n0::/c\n0::/d\n0::/e\n"), 0, 0);
}

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
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(tp_cpu_count(), n);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

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
        IN_TREE(v2_quota_of_the_own_group),
        IN_TREE(v2_the_least_quota_of_all_parents_binds),
        IN_TREE(v2_max_is_no_limit),
        IN_TREE(v2_a_group_that_is_not_mounted_here_falls_back_to_the_root),
        IN_TREE(v1_quota_wherever_cpu_stands_among_the_controllers),
        IN_TREE(v1_minus_one_is_no_limit),
        IN_TREE(of_both_versions_the_lesser_binds),
        IN_TREE(what_cannot_be_read_is_no_limit),
        cmocka_unit_test(caches_have_sizes_that_caches_have),
        cmocka_unit_test(count_follows_the_affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
