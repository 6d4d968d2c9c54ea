/* heap.c - the C library's allocator, told to give memory back. */
#include "base/heap.h"

#include <malloc.h>

/* glibc raises its threshold for mapping up to 32 MiB as large blocks come and go, and then keeps
 * such blocks within arenas, one per thread, which only shrink from their ends. */
enum { ARENAS = 2, MAP_FROM_BYTES = 4 << 20, TRIM_FROM_BYTES = 8 << 20 };

#ifdef __GLIBC__
void tp_heap_setup(void)
{
    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, MAP_FROM_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_FROM_BYTES);
}

void tp_heap_trim(void) { malloc_trim(0); }
#else
void tp_heap_setup(void) {}
void tp_heap_trim(void) {}
#endif
