/* cpu.h - what this process may use of the machine. */
#ifndef TP_CPU_H
#define TP_CPU_H

#include "base/err.h"

/* Whole processors this process may keep busy: the least of its affinity mask and the quota of its
 * cgroups (v2 cpu.max here and in every parent, v1 cfs quota), at least 1. A quota of 1.5 gives 1:
 * a thread more would be throttled half of the time. */
int tp_cpu_count(void);

/* The same under that quota (tp_cgroup_cpus(); 0: none). */
int tp_cpu_within(double quota);

/* Lists the processors that the calling thread may run on (kernel numbers), at most `max` of them.
 * Returns how many there are, at least 1. */
int tp_cpu_allowed(int *cpus, int max);

/* Bytes of this processor's data cache of level 1 or 2 (one core's), between what such caches have;
 * what most have where the system does not tell. */
size_t tp_cpu_cache_bytes(int level);

/* Binds the calling thread to one processor. Best effort: a refusal changes nothing. */
void tp_cpu_pin(int cpu);

#endif
