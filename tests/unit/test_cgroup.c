/* test_cgroup.c - quota and memory as the kernel's cgroup files say them, on trees made here. */
#include "check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"

static char root[64];                /* stands for /sys/fs/cgroup */

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/tidepool-test-cgroup-XXXXXX");
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

static struct tp_cgroup group_of(const char *proc_cgroup)
{
    char path[512];
    struct tp_cgroup g;
    put("proc-self-cgroup", proc_cgroup);
    snprintf(path, sizeof path, "%s/proc-self-cgroup", root);
    tp_cgroup_open(&g, root, path);
    return g;
}

static double quota(const char *proc_cgroup)
{
    const struct tp_cgroup g = group_of(proc_cgroup);
    return tp_cgroup_cpus(&g);
}

static size_t memory(const char *proc_cgroup)
{
    const struct tp_cgroup g = group_of(proc_cgroup);
    return tp_cgroup_memory(&g);
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
    struct tp_cgroup g;
    tp_cgroup_open(&g, root, "/nonexistent/cgroup");
    assert_float_equal(tp_cgroup_cpus(&g), 0, 0);
    assert_float_equal(quota(""), 0, 0);
    assert_float_equal(quota("no colon\n1:name=only one\n:\n"), 0, 0);
    put("a/cpu.max", "");
    put("b/cpu.max", "0 100000\n");
    put("c/cpu.max", "100000 0\n");
    put("d/cpu.max", "100000\n");
    put("e/cpu.max", "-5 100000\n");
    assert_float_equal(quota("0::/a\n0::/b\n0::/c\n0::/d\n0::/e\n"), 0, 0);
}

static void what_changes_is_seen_without_opening_anew(void **state)
{
    (void)state;
    put("pod/cpu.max", "200000 100000\n");
    const struct tp_cgroup g = group_of("0::/pod\n");
    assert_float_equal(tp_cgroup_cpus(&g), 2, 1e-9);
    put("pod/cpu.max", "50000 100000\n");
    assert_float_equal(tp_cgroup_cpus(&g), 0.5, 1e-9);
    put("pod/cpu.max", "max 100000\n");
    assert_float_equal(tp_cgroup_cpus(&g), 0, 0);
}

static void memory_has_the_least_limit_of_all_parents(void **state)
{
    (void)state;
    put("pod/memory.max", "536870912\n");
    put("pod/app/memory.max", "max\n");
    assert_int_equal(memory("0::/pod/app\n"), 512 << 20);
    put("pod/app/memory.max", "1048576\n");
    assert_int_equal(memory("0::/pod/app\n"), 1 << 20);
    assert_int_equal(memory("0::/other\n"), 0);
}

static void memory_of_version_1(void **state)
{
    (void)state;
    put("memory/app/memory.limit_in_bytes", "268435456\n");
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");        /* none */
    assert_int_equal(memory("7:memory:/app\n3:cpu:/\n"), 256 << 20);
    assert_int_equal(memory("7:memory:/\n"), 0);
}

static void a_folder_named_in_the_environment_takes_the_place_of_the_systems(void **state)
{
    (void)state;
    struct tp_cgroup g;
    put("cpu.max", "150000 100000\n");
    setenv("TIDEPOOL_CGROUP", root, 1);
    tp_cgroup_open(&g, NULL, NULL);
    unsetenv("TIDEPOOL_CGROUP");
    assert_float_equal(tp_cgroup_cpus(&g), 1.5, 1e-9);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

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
        IN_TREE(what_changes_is_seen_without_opening_anew),
        IN_TREE(memory_has_the_least_limit_of_all_parents),
        IN_TREE(memory_of_version_1),
        IN_TREE(a_folder_named_in_the_environment_takes_the_place_of_the_systems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
