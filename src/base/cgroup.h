/* cgroup.h - what the control groups of this process let it have (versions 1 and 2). */
#ifndef TP_CGROUP_H
#define TP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

struct tp_cgroup {
    char root[512];                  /* where their files are mounted */
    char groups[4096];               /* the text of /proc/self/cgroup */
};

/* Where to look from now on: root and proc_cgroup may be NULL, for TIDEPOOL_CGROUP or
 * /sys/fs/cgroup, and /proc/self/cgroup. */
void tp_cgroup_open(struct tp_cgroup *g, const char *root, const char *proc_cgroup);

/* The quota as it is at this moment, in processors: the least of its own group and of all above
 * (v2 cpu.max, v1 cfs quota). 0: none. */
double tp_cgroup_cpus(const struct tp_cgroup *g);

/* The same for memory, in bytes (v2 memory.max, v1 limit_in_bytes). */
size_t tp_cgroup_memory(const struct tp_cgroup *g);

#endif
