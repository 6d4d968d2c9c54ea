/* landlock.h - files that this process may read, and no others. */
#ifndef TP_LANDLOCK_H
#define TP_LANDLOCK_H

#include "base/err.h"

/* For the calling thread and those that it starts from now on: nothing is written, made, removed or
 * executed any more, no TCP connection is begun (ABI 4), no process outside is signalled (ABI 6),
 * and only this is read:
 *   - `folder` (NULL: none): what is in it, and where links in it and in its own folders lead now,
 *   - for each of `files`, its folder: a file that is replaced by rename(2) is read again; a file
 *     in the root folder alone, though, and a NULL not at all,
 *   - what the kernel tells about this process, its control group and the processors, and chance.
 * What is not there is left out. The process must have no new privileges already.
 *
 * The ABI in force; 0: none, the kernel's reason is in *err. *proc_fd must stay open for as long as
 * /proc/self is to be read; -1 where there is none. */
int tp_landlock_enter(const char *folder, const char *const *files, int n_files, int *proc_fd,
                      struct tp_err *err) TP_MUST_USE;

#endif
