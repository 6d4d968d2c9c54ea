/* seccomp.c - the system calls that a running service makes, and no others. */
#include "service/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* What a C library asks the kernel for is its own affair, and differs; found by watching glibc 2.36
 * (strace over tests/http on x86-64; a short run under qemu as aarch64). */
#if defined __GLIBC__ && (defined __x86_64__ || defined __aarch64__)
enum { IS_KNOWN = true };
#else
enum { IS_KNOWN = false };
#endif

static const int allowed[] = {
    /* files and connections that are open */
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(getdents64),
    SCMP_SYS(fstat), SCMP_SYS(newfstatat),       /* fstat() is the one or the other */
    SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(shutdown),
    SCMP_SYS(epoll_ctl),
#ifdef SYS_epoll_wait
    SCMP_SYS(epoll_wait), SCMP_SYS(poll),
#else
    SCMP_SYS(epoll_pwait), SCMP_SYS(ppoll),
#endif
    /* memory; glibc takes an error of brk() for an address */
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
    /* threads, which loading a model starts and ends; glibc ends the process without rseq() */
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(exit),
    SCMP_SYS(exit_group), SCMP_SYS(sched_getaffinity),
    /* signals; a process that was stopped goes on by restart_syscall() */
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(restart_syscall),
    /* time, where the kernel must be asked for it, and chance */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(getrandom),
};

/* Calls that are allowed with some arguments: files are read, memory is no code, what is started is
 * a thread in no namespace of its own. */
enum {
    WRITES = O_ACCMODE | O_CREAT | O_TRUNC,
    SPLITS = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
             CLONE_NEWPID | CLONE_NEWNET,
};

static const struct {
    int call;
    unsigned n_args;
    struct scmp_arg_cmp args[2];
} checked[] = {                                  /* rows of one call lie together */
    { SCMP_SYS(openat), 1, { { 2, SCMP_CMP_MASKED_EQ, WRITES, O_RDONLY } } },
    { SCMP_SYS(mmap), 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
    { SCMP_SYS(mprotect), 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
    { SCMP_SYS(clone), 1, { { 0, SCMP_CMP_MASKED_EQ, CLONE_THREAD | SPLITS, CLONE_THREAD } } },
    { SCMP_SYS(fcntl), 1, { { 1, SCMP_CMP_EQ, F_GETFL, 0 } } },      /* fdopendir() */
    { SCMP_SYS(fcntl), 1, { { 1, SCMP_CMP_EQ, F_SETFD, 0 } } },
    { SCMP_SYS(rt_sigaction), 1, { { 0, SCMP_CMP_EQ, SIGBUS, 0 } } },    /* formats/guard.c */
    { SCMP_SYS(setsockopt), 2, { { 1, SCMP_CMP_EQ, IPPROTO_TCP, 0 },
                                 { 2, SCMP_CMP_EQ, TCP_NODELAY, 0 } } },
    { SCMP_SYS(setsockopt), 2, { { 1, SCMP_CMP_EQ, IPPROTO_TCP, 0 },
                                 { 2, SCMP_CMP_EQ, TCP_CORK, 0 } } },
    { SCMP_SYS(setsockopt), 2, { { 1, SCMP_CMP_EQ, IPPROTO_TCP, 0 },
                                 { 2, SCMP_CMP_EQ, TCP_USER_TIMEOUT, 0 } } },
    { SCMP_SYS(setsockopt), 2, { { 1, SCMP_CMP_EQ, IPPROTO_TCP, 0 },
                                 { 2, SCMP_CMP_EQ, TCP_NOTSENT_LOWAT, 0 } } },
    { SCMP_SYS(setsockopt), 2, { { 1, SCMP_CMP_EQ, SOL_SOCKET, 0 },
                                 { 2, SCMP_CMP_EQ, SO_LINGER, 0 } } },
    { SCMP_SYS(getsockopt), 2, { { 1, SCMP_CMP_EQ, IPPROTO_TCP, 0 },     /* http/watch.c */
                                 { 2, SCMP_CMP_EQ, TCP_INFO, 0 } } },
};

/* Nobody but an intruder tries these: the process ends, and the supervisor hears of SIGSYS. */
static const int deadly[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
};

enum {
    N_ALLOWED = sizeof allowed / sizeof *allowed,
    N_CHECKED = sizeof checked / sizeof *checked,
    N_DEADLY = sizeof deadly / sizeof *deadly,
};

/* How many calls the rules speak of, or -errno. */
static int add_rules(scmp_filter_ctx filter)
{
    int error = 0, n = N_ALLOWED;
    for (int i = 0; i < N_ALLOWED && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (int i = 0; i < N_CHECKED && !error; i++) {
        error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, checked[i].call, checked[i].n_args,
                                       checked[i].args);
        n += !i || checked[i].call != checked[i - 1].call;
    }
    for (int i = 0; i < N_DEADLY && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
    return error ? error : n;
}

/* TSYNC: all threads. SSB: kernels before 5.16 slow a process down that has a filter, lest code
 * that it was given to run (there is none here) guesses at memory. */
static int set_attributes(scmp_filter_ctx filter)
{
    const int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);            /* older libraries lack it */
    return error ? error : seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
                                            SCMP_ACT_KILL_PROCESS);
}

/* Any other call fails as on a kernel that does not have it: libraries try what is new and go on
 * without (clone3). EPERM would be the last word to them; death, the end of a service at the update
 * of a library. What is missed: MHD's name for its thread, and abort(), which lacks tgkill(), ends
 * by SIGSEGV instead of SIGABRT. */
int tp_seccomp_enter(struct tp_err *err)
{
    if (!IS_KNOWN) {
        tp_fail(err, TP_UNAVAILABLE, "the calls of this C library or processor are not listed");
        return 0;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int result = filter ? set_attributes(filter) : -ENOMEM;
    if (!result) result = add_rules(filter);
    const int error = result > 0 ? seccomp_load(filter) : result;
    seccomp_release(filter);
    if (!error) return result;
    tp_fail(err, TP_UNAVAILABLE, "%s", strerror(-error));
    return 0;
}
