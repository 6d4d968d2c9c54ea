/* landlock.c - files that this process may read, and no others. */
#include "service/landlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's structure of today, since headers may be older than the kernel; an older kernel
 * takes it while what it does not know is 0. */
struct ruleset {
    uint64_t files, net, scopes;
};

enum {
    CONNECT_TCP = 1 << 1,                        /* LANDLOCK_ACCESS_NET_CONNECT_TCP */
    SCOPES = 1 << 0 | 1 << 1,                    /* abstract Unix sockets, signals */
    LINK_DEPTH = 2,                              /* NAME.onnx and NAME/model.onnx */
};

static struct ruleset everything(int abi)
{
    static const int n_rights[] = { 0, 13, 14, 15, 15, 16 };     /* of files, by ABI */
    const int last = sizeof n_rights / sizeof *n_rights - 1;
    return (struct ruleset){
        .files = ((uint64_t)1 << n_rights[abi < last ? abi : last]) - 1,
        .net = abi >= 4 ? CONNECT_TCP : 0,
        .scopes = abi >= 6 ? SCOPES : 0,
    };
}

/* What is open there becomes readable, with all beneath it when it is a folder. */
static void allow_fd(int rules, int fd)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) return;
    struct landlock_path_beneath_attr rule = {
        .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
                          (S_ISDIR(st.st_mode) ? LANDLOCK_ACCESS_FS_READ_DIR : 0),
        .parent_fd = fd,
    };
    syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static void allow(int rules, int dir_fd, const char *path)
{
    const int fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);
    allow_fd(rules, fd);
    if (fd >= 0) close(fd);
}

/* Models often are links into a store of files. Closes dir_fd. */
static void allow_links(int rules, int dir_fd, int depth)
{
    DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
    if (!dir) {
        if (dir_fd >= 0) close(dir_fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
        if (S_ISLNK(st.st_mode)) allow(rules, dirfd(dir), e->d_name);
        if (depth > 1 && (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)))
            allow_links(rules, openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                        depth - 1);
    }
    closedir(dir);
}

static void allow_folder_of(int rules, const char *file)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/');
    const int n = slash ? (int)(slash - file) : 0;
    if (slash == file || n >= PATH_MAX) {
        allow(rules, AT_FDCWD, file);
        return;
    }
    snprintf(folder, sizeof folder, "%.*s", n ? n : 1, slash ? file : ".");
    allow(rules, AT_FDCWD, folder);
}

/* As it is named and, behind links, where it lies: either may be where the next one is put. */
static void allow_file(int rules, const char *file)
{
    char *real = realpath(file, NULL);
    allow_folder_of(rules, file);
    if (real) allow_folder_of(rules, real);
    free(real);
}

/* A rule holds for an inode, and /proc gives a process a new one when it has forgotten it: a file
 * that is open keeps it. */
static int allow_self(int rules)
{
    const int fd = open("/proc/self", O_PATH | O_CLOEXEC);
    allow_fd(rules, fd);
    return fd;
}

int tp_landlock_enter(const char *folder, const char *const *files, int n_files, int *proc_fd,
                      struct tp_err *err)
{
    *proc_fd = -1;
    const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    const struct ruleset ruleset = everything(abi < 1 ? 0 : (int)abi);
    const long rules = abi < 1 ? -1 : syscall(SYS_landlock_create_ruleset, &ruleset,
                                              sizeof ruleset, 0);
    if (rules < 0) {
        tp_fail(err, TP_UNAVAILABLE, "%s", strerror(errno));
        return 0;
    }
    if (folder) {
        allow(rules, AT_FDCWD, folder);
        allow_links(rules, open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), LINK_DEPTH);
    }
    for (int i = 0; i < n_files; i++)
        if (files[i]) allow_file(rules, files[i]);
    allow(rules, AT_FDCWD, "/sys/fs/cgroup");
    allow(rules, AT_FDCWD, "/sys/devices/system/cpu");
    allow(rules, AT_FDCWD, "/dev/urandom");      /* Jansson would take the time for chance */
    *proc_fd = allow_self(rules);
    const bool ok = !syscall(SYS_landlock_restrict_self, rules, 0);
    if (!ok) tp_fail(err, TP_UNAVAILABLE, "%s", strerror(errno));
    close(rules);
    return ok ? (int)abi : 0;
}
