/* heap.h - the C library's allocator, told to give memory back. */
#ifndef TP_HEAP_H
#define TP_HEAP_H

/* Once, before threads start: few arenas, and large blocks always mapped by themselves. */
void tp_heap_setup(void);

/* Gives free memory back to the system. For when little is in use after much was. */
void tp_heap_trim(void);

#endif
