/* file.c - files as bytes in memory. */
#include "formats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static bool fail_errno(const char *path, struct tp_err *err)
{
    enum tp_code code = errno == ENOENT || errno == ENOTDIR ? TP_NOT_FOUND : TP_IO;
    return tp_fail(err, code, "%s: %s", path, strerror(errno));
}

bool tp_file_map(struct tp_file *f, int dir_fd, const char *path, struct tp_err *err)
{
    struct stat st;
    *f = (struct tp_file){ 0 };
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail_errno(path, err);
    bool ok = false;
    if (fstat(fd, &st)) {
        fail_errno(path, err);
    } else if (!S_ISREG(st.st_mode)) {
        tp_fail(err, TP_IO, "%s: is not a regular file", path);
    } else {
        f->n_bytes = (size_t)st.st_size;
        void *p = f->n_bytes ? mmap(NULL, f->n_bytes, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
        ok = p != MAP_FAILED;
        if (ok) f->bytes = p;
        else fail_errno(path, err);
    }
    close(fd);
    return ok;
}

void tp_file_unmap(struct tp_file *f)
{
    if (f->bytes) munmap((void *)f->bytes, f->n_bytes);
    *f = (struct tp_file){ 0 };
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
