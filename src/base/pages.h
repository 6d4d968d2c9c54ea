/* pages.h - large blocks of memory, on large pages where there are some.
 *
 * The first touch of a 4 KiB page costs some 11 us on a virtual machine (411 MB: 1.1 s), that of a
 * 2 MiB page as much for 512 times the memory (30 ms). Fresh maps are written once and thrown away,
 * so this is most of what an answer of many megabytes costs. */
#ifndef TP_PAGES_H
#define TP_PAGES_H

#include <stddef.h>

/* At least n_bytes, 64-byte aligned, contents unspecified; NULL when memory is out. */
void *tp_pages_alloc(size_t n_bytes);

/* `n_bytes` as it was allocated. NULL is fine. */
void tp_pages_free(void *p, size_t n_bytes);

#endif
