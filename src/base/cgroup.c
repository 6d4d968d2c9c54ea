/* cgroup.c - what the control groups of this process let it have. */
#include "base/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 8192 };

static const double NO_LIMIT_FROM = 9e18;          /* v1 writes a number near 2^63 for none */

void tp_cgroup_open(struct tp_cgroup *g, const char *root, const char *proc_cgroup)
{
    *g = (struct tp_cgroup){ 0 };
    if (!root) root = getenv("TIDEPOOL_CGROUP");
    if (!root || !*root) root = "/sys/fs/cgroup";
    snprintf(g->root, sizeof g->root, "%s", root);
    FILE *f = fopen(proc_cgroup ? proc_cgroup : "/proc/self/cgroup", "re");
    if (!f) return;
    g->groups[fread(g->groups, 1, sizeof g->groups - 1, f)] = '\0';
    fclose(f);
}

/* Up to two numbers of a file; how many there are. "max" is none. */
static int read_numbers(const char *dir, const char *file, double v[2])
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    const int n = fscanf(f, "%lf %lf", &v[0], &v[1]);
    fclose(f);
    return n < 0 ? 0 : n;
}

static double quotient(double quota, double period)
{
    return quota > 0 && period > 0 ? quota / period : 0;
}

static double cpus_v2(const char *dir)
{
    double v[2];
    return read_numbers(dir, "cpu.max", v) == 2 ? quotient(v[0], v[1]) : 0;
}

static double cpus_v1(const char *dir)
{
    double quota[2], period[2];
    const bool known = read_numbers(dir, "cpu.cfs_quota_us", quota) >= 1 &&
                       read_numbers(dir, "cpu.cfs_period_us", period) >= 1;
    return known ? quotient(quota[0], period[0]) : 0;
}

static double memory(const char *dir, const char *file)
{
    double v[2];
    return read_numbers(dir, file, v) >= 1 && v[0] > 0 && v[0] < NO_LIMIT_FROM ? v[0] : 0;
}

static double memory_v2(const char *dir) { return memory(dir, "memory.max"); }
static double memory_v1(const char *dir) { return memory(dir, "memory.limit_in_bytes"); }

static double lesser(double a, double b)           /* 0: no limit */
{
    if (a <= 0) return b;
    return b <= 0 || a < b ? a : b;
}

/* The least from a group's folder up to the root: each of them binds. */
static double walk(const char *root, const char *group, double (*read)(const char *dir))
{
    char dir[PATH_BYTES];
    double least = 0;
    const size_t root_length = strlen(root);
    snprintf(dir, sizeof dir, "%s%s", root, group);
    for (;;) {
        least = lesser(least, read(dir));
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < root_length) return least;
        *slash = '\0';
    }
}

static bool is_listed(const char *name, const char *list, size_t list_bytes)
{
    const size_t n = strlen(name);
    for (const char *p = list, *end = list + list_bytes; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const size_t length = (size_t)((comma ? comma : end) - p);
        if (length == n && !memcmp(p, name, n)) return true;
        p += length + 1;
    }
    return false;
}

/* "0::/a/b" is the group of version 2, "4:cpu,cpuacct:/a/b" that of a controller in version 1. */
static double least_of(const struct tp_cgroup *g, const char *controller,
                       double (*read_v2)(const char *dir), double (*read_v1)(const char *dir))
{
    char group[sizeof g->groups], root[sizeof g->root + 32];
    double least = 0;
    snprintf(root, sizeof root, "%s/%s", g->root, controller);
    for (const char *line = g->groups, *end; *line; line = end + (*end == '\n')) {
        end = line + strcspn(line, "\n");
        const char *list = memchr(line, ':', (size_t)(end - line));
        const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;
        if (!path) continue;
        snprintf(group, sizeof group, "%.*s", (int)(end - path - 1), path + 1);
        const size_t list_bytes = (size_t)(path - list - 1);
        if (!list_bytes) least = lesser(least, walk(g->root, group, read_v2));
        else if (is_listed(controller, list + 1, list_bytes))
            least = lesser(least, walk(root, group, read_v1));
    }
    return least;
}

double tp_cgroup_cpus(const struct tp_cgroup *g) { return least_of(g, "cpu", cpus_v2, cpus_v1); }

size_t tp_cgroup_memory(const struct tp_cgroup *g)
{
    return (size_t)least_of(g, "memory", memory_v2, memory_v1);
}
