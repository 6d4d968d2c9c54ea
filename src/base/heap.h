/* heap.h - the C library's allocator, told to give memory back. */
#ifndef TP_HEAP_H
#define TP_HEAP_H

#include <stddef.h>

/* Once, before threads start: few arenas, and large blocks always mapped by themselves. */
void tp_heap_setup(void);

/* Blocks of at least that are mapped by themselves: freed, they are gone. */
enum { TP_HEAP_MAPPED_BYTES = 4 << 20 };

/* What is allocated, in bytes; 0 where the C library does not tell. Looks at all that is free: some
 * microseconds. */
size_t tp_heap_used(void);

/* Gives free memory back to the system, from between what is in use too. */
void tp_heap_trim(void);

/* The same where there is much of it. For after many bytes were freed: what the allocator keeps is
 * in nobody's budget. */
void tp_heap_trim_if_worth(void);

#endif
