/* guard.h - mappings of files that somebody may cut short while they are read.
 *
 * A page of a mapping that no longer has a file behind it raises SIGBUS when it is touched. Behind
 * this guard it reads as zeros, and the mapping is known to be torn: who read it finds that out at
 * the end, like any other fault of the file. */
#ifndef TP_GUARD_H
#define TP_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct tp_guard;

/* Watches over a mapping, from any thread, until tp_guard_free(), which comes before munmap().
 * NULL: as many as are possible are watched already. It takes over SIGBUS for the process;
 * faults elsewhere go to who had it before. */
struct tp_guard *tp_guard_new(const void *bytes, size_t n_bytes);
bool tp_guard_is_torn(const struct tp_guard *guard);
void tp_guard_free(struct tp_guard *guard);      /* NULL is fine */

#endif
