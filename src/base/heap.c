/* heap.c - the C library's allocator, told to give memory back. */
#include "base/heap.h"

#include <malloc.h>

/* glibc raises its threshold for mapping up to 32 MiB as large blocks come and go, and then keeps
 * such blocks within arenas, one per thread, which only shrink from their ends. */
enum { ARENAS = 2, TRIM_FROM_BYTES = 8 << 20 };

/* What is given back costs page faults when it is needed again: not for what every request uses. */
enum { WORTH_BYTES = 8 << 20 };

#ifdef __GLIBC__
void tp_heap_setup(void)
{
    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, TP_HEAP_MAPPED_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_FROM_BYTES);
}

void tp_heap_trim(void) { malloc_trim(0); }

void tp_heap_trim_if_worth(void)
{
    if (mallinfo2().fordblks >= WORTH_BYTES) malloc_trim(0);
}

size_t tp_heap_used(void)
{
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}
#else
void tp_heap_setup(void) {}
size_t tp_heap_used(void) { return 0; }
void tp_heap_trim(void) {}
void tp_heap_trim_if_worth(void) {}
#endif
