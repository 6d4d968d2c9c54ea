/* process.c - what the kernel tells of this process. */
#include "service/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of all threads. */
static double cpu_seconds(void)
{
    struct timespec t = { 0 };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fields 20, 23 and 24 of proc(5): threads, bytes of address space, resident pages. The program's
 * name, field 2, may hold anything, but no ')' follows it. */
static bool read_stat(struct tp_process *p)
{
    char text[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return false;
    text[n] = '\0';
    const char *behind = strrchr(text, ')');
    uint64_t pages;
    if (!behind || sscanf(behind + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
                          " %*s %*s %" SCNd64 " %*s %*s %" SCNu64 " %" SCNu64, &p->n_threads,
                          &p->virtual_bytes, &pages) != 3)
        return false;
    p->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

static bool count_fds(struct tp_process *p)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) return false;
    p->n_fds = -1;                   /* the folder's own */
    for (const struct dirent *e; (e = readdir(dir));) p->n_fds += e->d_name[0] != '.';
    closedir(dir);
    return true;
}

/* "Max open files   1024   1048576   files": a file, since getrlimit() is behind the sandbox. */
static void read_limits(struct tp_process *p)
{
    char line[256];
    FILE *f = fopen("/proc/self/limits", "re");
    if (!f) return;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Max open files %" SCNd64, &p->max_fds) == 1) break;
    fclose(f);
}

bool tp_process_read(struct tp_process *p)
{
    *p = (struct tp_process){ .max_fds = -1, .cpu_seconds = cpu_seconds() };
    read_limits(p);
    return read_stat(p) && count_fds(p);
}
