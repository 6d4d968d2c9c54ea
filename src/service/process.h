/* process.h - what the kernel tells of this process. */
#ifndef TP_PROCESS_H
#define TP_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct tp_process {
    double cpu_seconds;              /* of all threads, in user and kernel mode */
    uint64_t virtual_bytes, resident_bytes;
    int64_t n_fds, max_fds;          /* max_fds -1: no limit */
    int64_t n_threads;
};

/* False: this system has no /proc, and only cpu_seconds is filled. */
bool tp_process_read(struct tp_process *p);

#endif
