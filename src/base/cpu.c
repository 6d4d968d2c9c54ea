/* cpu.c - what this process may use of the machine. */
#include "base/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/cgroup.h"

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

int tp_cpu_within(double quota)
{
    int n = tp_cpu_allowed(NULL, 0);
    if (quota > 0 && quota < n) n = (int)quota;
    return n < 1 ? 1 : n;
}

int tp_cpu_count(void)
{
    struct tp_cgroup g;
    tp_cgroup_open(&g, NULL, NULL);
    return tp_cpu_within(tp_cgroup_cpus(&g));
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
