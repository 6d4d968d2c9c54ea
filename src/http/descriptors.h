/* descriptors.h - as many connections as there are file descriptors for. */
#ifndef TP_DESCRIPTORS_H
#define TP_DESCRIPTORS_H

#include "base/err.h"

/* Raises the process's soft limit of descriptors (RLIMIT_NOFILE) as far as needed and possible;
 * lowers the two numbers, with a warning in the log, where that is not enough: accept() must never
 * meet EMFILE, at which an event loop would turn without end. */
bool tp_descriptors_fit(int *n_connections, int *n_admin, struct tp_err *err) TP_MUST_USE;

#endif
