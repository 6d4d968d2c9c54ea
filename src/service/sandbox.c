/* sandbox.c - what the service gives up, since it has no need of it. */
#include "service/sandbox.h"

#include <dlfcn.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "service/landlock.h"
#include "service/seccomp.h"

/* Sanitizers write files, look at their own process from outside, and start others. */
#ifdef TP_SANITIZED
enum { IS_SANITIZED = true };
#else
enum { IS_SANITIZED = false };
#endif

void tp_sandbox_files(struct tp_sandbox *s, const char *folder, const char *const *files,
                      int n_files)
{
    s->proc_fd = -1;
    if (IS_SANITIZED || s->is_off) return;
    /* glibc opens it by name when a thread ends by pthread_exit(), as libgomp's do, and ends the
     * process when it cannot. It stays. */
    dlopen("libgcc_s.so.1", RTLD_NOW);
    s->has_no_new_privileges = !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    s->landlock_abi = tp_landlock_enter(folder, files, n_files, &s->proc_fd, &s->no_landlock);
}

void tp_sandbox_calls(struct tp_sandbox *s)
{
    if (!IS_SANITIZED && !s->is_off) s->n_calls = tp_seccomp_enter(&s->no_seccomp);
}

void tp_sandbox_log(const struct tp_sandbox *s)
{
    if (IS_SANITIZED || s->is_off) {
        tp_log(TP_LOG_WARN, "sandbox: off (%s)",
               IS_SANITIZED ? "built with sanitizers" : "--no-sandbox");
        return;
    }
    char calls[128], files[128];
    if (s->n_calls) snprintf(calls, sizeof calls, "seccomp with %d system calls", s->n_calls);
    else snprintf(calls, sizeof calls, "no seccomp (%.90s)", s->no_seccomp.message);
    if (s->landlock_abi) snprintf(files, sizeof files, "Landlock ABI %d", s->landlock_abi);
    else snprintf(files, sizeof files, "no Landlock (%.90s)", s->no_landlock.message);
    const bool whole = s->n_calls && s->landlock_abi && s->has_no_new_privileges;
    tp_log(whole ? TP_LOG_INFO : TP_LOG_WARN, "sandbox: %s, %s, %s", calls, files,
           s->has_no_new_privileges ? "no new privileges" : "new privileges possible");
}
