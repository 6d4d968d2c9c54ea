/* seccomp.h - the system calls that a running service makes, and no others. */
#ifndef TP_SECCOMP_H
#define TP_SECCOMP_H

#include "base/err.h"

/* From now on, for all threads that there are and those to come: no socket, no process, no program,
 * no code that was not there. The process must have no new privileges already.
 *
 * How many system calls are left; 0: no filter is in force, and *err says why. */
int tp_seccomp_enter(struct tp_err *err) TP_MUST_USE;

#endif
