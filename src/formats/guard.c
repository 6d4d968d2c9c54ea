/* guard.c - mappings of files that somebody may cut short while they are read. */
#include "formats/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST = 4096 };                /* networks with a file for every tensor have hundreds */

/* A signal handler may take no lock. A slot is written while begin is 0, and one that a faulting
 * thread reads from stays as it is as long as the thread stands in the handler. */
struct tp_guard {
    atomic_uintptr_t begin, end;     /* begin is 0 for a free slot, 1 for one being filled */
    atomic_bool torn;
};

static struct tp_guard guards[MOST];
static struct sigaction before;
static long page_bytes;

static struct tp_guard *find(uintptr_t at)
{
    for (int i = 0; i < MOST; i++) {
        struct tp_guard *g = &guards[i];
        const uintptr_t begin = atomic_load(&g->begin), end = atomic_load(&g->end);
        if (begin > 1 && at >= begin && at < end && begin == atomic_load(&g->begin)) return g;
    }
    return NULL;
}

/* Zeros from here to the end: what follows the first missing page is missing too, or changing.
 * mmap() is not on POSIX's list of what a handler may call; on Linux it is a bare system call. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    const int saved = errno;
    const uintptr_t at = (uintptr_t)info->si_addr;
    const uintptr_t page = at - at % (uintptr_t)page_bytes;
    struct tp_guard *g = find(at);
    if (g) atomic_store(&g->torn, true);
    if (!g || mmap((void *)page, atomic_load(&g->end) - page, PROT_READ,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        sigaction(SIGBUS, &before, NULL);            /* touched again, it goes the old way */
    errno = saved;
}

/* Also where somebody else has taken the signal since. */
static void install(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction now, action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&lock);
    page_bytes = sysconf(_SC_PAGESIZE);
    if (!sigaction(SIGBUS, NULL, &now) && now.sa_sigaction != on_fault) {
        before = now;
        sigaction(SIGBUS, &action, NULL);
    }
    pthread_mutex_unlock(&lock);
}

struct tp_guard *tp_guard_new(const void *bytes, size_t n_bytes)
{
    install();
    for (int i = 0; i < MOST; i++) {
        struct tp_guard *g = &guards[i];
        uintptr_t free_slot = 0;
        if (!atomic_compare_exchange_strong(&g->begin, &free_slot, 1)) continue;
        atomic_store(&g->torn, false);
        atomic_store(&g->end, (uintptr_t)bytes + n_bytes);
        atomic_store(&g->begin, (uintptr_t)bytes);
        return g;
    }
    return NULL;
}

bool tp_guard_is_torn(const struct tp_guard *guard) { return atomic_load(&guard->torn); }

void tp_guard_free(struct tp_guard *guard)
{
    if (guard) atomic_store(&guard->begin, 0);
}
