/* pages.c - large blocks of memory, on large pages where there are some. */
#include "base/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ALIGN = 64, LARGE_PAGE_BYTES = 2 << 20 };

/* Blocks of less than two large pages are malloc()'s. Address space is taken for one page more than
 * asked, and given back around the aligned stretch. */
static void *map_aligned(size_t n_bytes)
{
    char *p = mmap(NULL, n_bytes + LARGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    size_t before = (LARGE_PAGE_BYTES - (uintptr_t)p % LARGE_PAGE_BYTES) % LARGE_PAGE_BYTES;
    size_t after = LARGE_PAGE_BYTES - before;
    if (before) munmap(p, before);
    if (after) munmap(p + before + n_bytes, after);
    madvise(p + before, n_bytes, MADV_HUGEPAGE);     /* refused is as good: small pages then */
    return p + before;
}

static size_t rounded(size_t n_bytes, size_t unit)
{
    return (n_bytes + unit - 1) / unit * unit;
}

void *tp_pages_alloc(size_t n_bytes)
{
    if (n_bytes > SIZE_MAX / 2) return NULL;
    if (n_bytes < 2 * LARGE_PAGE_BYTES) return aligned_alloc(ALIGN, rounded(n_bytes + 1, ALIGN));
    return map_aligned(rounded(n_bytes, LARGE_PAGE_BYTES));
}

void tp_pages_free(void *p, size_t n_bytes)
{
    if (!p) return;
    if (n_bytes < 2 * LARGE_PAGE_BYTES) free(p);
    else munmap(p, rounded(n_bytes, LARGE_PAGE_BYTES));
}
