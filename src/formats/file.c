/* file.c - files as bytes in memory. */
#include "formats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "formats/guard.h"

static bool fail_errno(const char *path, struct tp_err *err)
{
    enum tp_code code = errno == ENOENT || errno == ENOTDIR ? TP_NOT_FOUND : TP_IO;
    return tp_fail(err, code, "%s: %s", path, strerror(errno));
}

/* Pages that are there are mapped at once: 25,000 faults less for 100 MB. */
static bool map(struct tp_file *f, int fd, const char *path, struct tp_err *err)
{
    void *p = mmap(NULL, f->n_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (p == MAP_FAILED) return fail_errno(path, err);
    f->bytes = p;
    f->guard = tp_guard_new(p, f->n_bytes);
    if (f->guard) return true;
    tp_file_unmap(f);
    return tp_fail(err, TP_IO, "%s: too many files are being read at once", path);
}

/* Maps what is open at `fd` (-1: errno says why nothing is) and closes it. */
static bool map_fd(struct tp_file *f, int fd, const char *path, struct tp_err *err)
{
    struct stat st;
    *f = (struct tp_file){ 0 };
    if (fd < 0) return fail_errno(path, err);
    bool ok = false;
    if (fstat(fd, &st)) {
        fail_errno(path, err);
    } else if (!S_ISREG(st.st_mode)) {
        tp_fail(err, TP_IO, "%s: is not a regular file", path);
    } else {
        f->n_bytes = (size_t)st.st_size;
        ok = !f->n_bytes || map(f, fd, path, err);
    }
    close(fd);
    return ok;
}

bool tp_file_map(struct tp_file *f, int dir_fd, const char *path, struct tp_err *err)
{
    return map_fd(f, openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), path, err);
}

/* Opens `path` one name after the other, so that no name can be a link: what openat2() does with
 * RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, on any kernel and behind any system call filter. `name`:
 * PATH_MAX bytes to take the path apart in. */
static int open_beneath(int dir_fd, const char *path, char *name)
{
    int at = dir_fd;
    for (;;) {
        const size_t n = strcspn(path, "/");
        const bool is_last = !path[n];
        memcpy(name, path, n);
        name[n] = '\0';
        int fd = -1;
        errno = EXDEV;
        if (n && strcmp(name, ".."))
            fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW |
                        (is_last ? 0 : O_DIRECTORY));
        const int why = errno;
        if (at != dir_fd) close(at);
        errno = why;
        if (fd < 0 || is_last) return fd;
        at = fd;
        path += n + 1;
    }
}

bool tp_file_map_beneath(struct tp_file *f, int dir_fd, const char *path, struct tp_err *err)
{
    char name[PATH_MAX];
    *f = (struct tp_file){ 0 };
    if (strlen(path) >= sizeof name)
        return tp_fail(err, TP_IO, "%.100s...: longer than a path may be", path);
    const int fd = open_beneath(dir_fd, path, name);
    if (fd < 0 && errno == EXDEV)
        return tp_fail(err, TP_IO, "%s: is not a path beneath its folder", path);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return tp_fail(err, TP_IO, "%s: leads through a link or something that is no folder; "
                       "links are not followed here", path);
    return map_fd(f, fd, path, err);
}

void tp_file_unmap(struct tp_file *f)
{
    tp_guard_free(f->guard);
    if (f->bytes) munmap((void *)f->bytes, f->n_bytes);
    *f = (struct tp_file){ 0 };
}

bool tp_file_is_whole(const struct tp_file *f, const char *path, struct tp_err *err)
{
    if (!f->guard || !tp_guard_is_torn(f->guard)) return true;
    *err = (struct tp_err){ 0 };
    return tp_fail(err, TP_IO, "%s: became shorter while it was read", path);
}

bool tp_file_read_fd(int fd, const char *name, size_t limit, void **bytes, size_t *n_bytes,
                     struct tp_err *err)
{
    enum { STEP_BYTES = 64 << 10 };
    struct tp_buf b = { .limit_bytes = limit + STEP_BYTES };
    for (;;) {
        char *room = tp_buf_reserve(&b, STEP_BYTES);
        ssize_t n = room ? read(fd, room, STEP_BYTES) : 0;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            fail_errno(name, err);
            break;
        }
        b.n_bytes += (size_t)n;
        if (b.failed || b.n_bytes > limit) {
            tp_fail(err, TP_TOO_LARGE, "%s: exceeds the limit of %zu bytes", name, limit);
            break;
        }
        if (n) continue;
        *bytes = b.data;
        *n_bytes = b.n_bytes;
        return true;
    }
    tp_buf_fini(&b);
    return false;
}
