/* heap.h - the C library's allocator, told to give memory back. */
#ifndef TP_HEAP_H
#define TP_HEAP_H

/* Once, before threads start: few arenas, and large blocks always mapped by themselves. */
void tp_heap_setup(void);

/* Gives free memory back to the system, from between what is in use too. */
void tp_heap_trim(void);

/* The same where there is much of it. */
void tp_heap_trim_if_worth(void);

#endif
