/* cpu.c - what this process may use of the machine. */
#include "base/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* "150000 100000" or "max 100000": the quota in processors, 0 for none. */
static double read_cpu_max(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    double quota = 0, period = 0;
    int n = fscanf(f, "%lf %lf", &quota, &period);
    fclose(f);
    return n == 2 && quota > 0 && period > 0 ? quota / period : 0;
}

static double read_number(const char *dir, const char *file)
{
    char path[PATH_BYTES + 64];
    double value = 0;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    if (fscanf(f, "%lf", &value) != 1) value = 0;
    fclose(f);
    return value;
}

static double lesser(double a, double b)     /* 0 = no limit */
{
    if (a <= 0) return b;
    return b <= 0 || a < b ? a : b;
}

/* The least quota from the process's own group up to the root: each of them binds. */
static double walk_v2(const char *root, const char *group)
{
    char dir[PATH_BYTES], path[PATH_BYTES + 16];
    double least = 0;
    snprintf(dir, sizeof dir, "%s%s", root, group);
    size_t root_length = strlen(root);
    for (;;) {
        snprintf(path, sizeof path, "%s/cpu.max", dir);
        least = lesser(least, read_cpu_max(path));
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < root_length) return least;
        *slash = '\0';
    }
}

static double read_v1(const char *dir)
{
    double quota = read_number(dir, "cpu.cfs_quota_us");
    double period = read_number(dir, "cpu.cfs_period_us");
    return quota > 0 && period > 0 ? quota / period : 0;
}

double tp_cpu_quota(const char *cgroup_root, const char *proc_cgroup)
{
    char line[PATH_BYTES], dir[2 * PATH_BYTES];
    double least = 0;
    FILE *f = fopen(proc_cgroup, "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {    /* "0::/a/b" (v2) or "4:cpu,cpuacct:/a/b" (v1) */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        controllers++;
        if (!*controllers) {
            least = lesser(least, walk_v2(cgroup_root, group));
        } else if (!strcmp(controllers, "cpu") || !strncmp(controllers, "cpu,", 4) ||
                   strstr(controllers, ",cpu,") ||
                   (strlen(controllers) > 4 &&
                    !strcmp(controllers + strlen(controllers) - 4, ",cpu"))) {
            snprintf(dir, sizeof dir, "%s/cpu%s", cgroup_root, group);
            least = lesser(least, read_v1(dir));
            snprintf(dir, sizeof dir, "%s/cpu", cgroup_root);
            least = lesser(least, read_v1(dir));
        }
    }
    fclose(f);
    return least;
}

/* The kernel wants a mask at least as long as its own, whose length it does not tell. */
int tp_cpu_allowed(int *cpus, int max)
{
    int n = 0;
    for (int n_cpus = 1024; n_cpus <= 1 << 20 && !n; n_cpus *= 4) {
        size_t n_bytes = CPU_ALLOC_SIZE(n_cpus);
        cpu_set_t *set = CPU_ALLOC(n_cpus);
        if (!set) break;
        bool known = !sched_getaffinity(0, n_bytes, set);
        for (int i = 0; known && i < n_cpus; i++) {
            if (!CPU_ISSET_S(i, n_bytes, set)) continue;
            if (n < max) cpus[n] = i;
            n++;
        }
        CPU_FREE(set);
    }
    return n ? n : 1;
}

void tp_cpu_pin(int cpu)
{
    size_t n_bytes = CPU_ALLOC_SIZE(cpu + 1);
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    if (!set) return;
    CPU_ZERO_S(n_bytes, set);
    CPU_SET_S(cpu, n_bytes, set);
    sched_setaffinity(0, n_bytes, set);
    CPU_FREE(set);
}

int tp_cpu_count(void)
{
    int n = tp_cpu_allowed(NULL, 0);
    double quota = tp_cpu_quota("/sys/fs/cgroup", "/proc/self/cgroup");
    if (quota > 0 && quota < n) n = (int)quota;
    return n < 1 ? 1 : n;
}

size_t tp_cpu_cache_bytes(int level)
{
    static const struct { int name; long least, usual, most; } caches[] = {
        { _SC_LEVEL1_DCACHE_SIZE, 16 << 10, 32 << 10, 192 << 10 },
        { _SC_LEVEL2_CACHE_SIZE, 256 << 10, 512 << 10, 4 << 20 },
    };
    static atomic_long known[2];     /* asking may take longer than what is to be blocked */
    long bytes = atomic_load_explicit(&known[level - 1], memory_order_relaxed);
    if (bytes) return (size_t)bytes;
    bytes = sysconf(caches[level - 1].name);
    if (bytes <= 0) bytes = caches[level - 1].usual;
    if (bytes < caches[level - 1].least) bytes = caches[level - 1].least;
    if (bytes > caches[level - 1].most) bytes = caches[level - 1].most;
    atomic_store_explicit(&known[level - 1], bytes, memory_order_relaxed);
    return (size_t)bytes;
}
