/* sandbox.h - what the service gives up, since it has no need of it: an intruder will miss it.
 *
 * In two steps, since the files are closed for the threads that are started afterwards, and the
 * system calls for those that are there:
 *   tp_sandbox_files()   before the first thread
 *   tp_sandbox_calls()   when it listens, and its threads are there; the loader's come later
 * What the kernel does not have is left out, and tp_sandbox_log() says so. */
#ifndef TP_SANDBOX_H
#define TP_SANDBOX_H

#include "base/err.h"

struct tp_sandbox {
    bool is_off;                     /* set by the caller: both steps do nothing then */
    bool has_no_new_privileges;
    int landlock_abi, n_calls;       /* 0: not in force, and why */
    struct tp_err no_landlock, no_seccomp;
    int proc_fd;
};

/* landlock.h says what can be read afterwards; all else, and writing, ends. */
void tp_sandbox_files(struct tp_sandbox *s, const char *folder, const char *const *files,
                      int n_files);

void tp_sandbox_calls(struct tp_sandbox *s);

/* One line: the protections in force. */
void tp_sandbox_log(const struct tp_sandbox *s);

#endif
