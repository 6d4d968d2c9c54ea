/* file.h - files as bytes in memory. */
#ifndef TP_FILE_H
#define TP_FILE_H

#include "base/err.h"

struct tp_guard;
struct tp_file {
    const void *bytes;
    size_t n_bytes;
    struct tp_guard *guard;
};

/* Maps a regular file read-only; `path` may be relative to the folder open at `dir_fd` (AT_FDCWD:
 * the current one). An empty file has bytes == NULL. The message names the path as given. */
bool tp_file_map(struct tp_file *f, int dir_fd, const char *path, struct tp_err *err) TP_MUST_USE;

/* The same for a path that a stranger wrote: it leads to something beneath the folder open at
 * `dir_fd`, through no link and not upwards, or it is refused. */
bool tp_file_map_beneath(struct tp_file *f, int dir_fd, const char *path,
                         struct tp_err *err) TP_MUST_USE;
void tp_file_unmap(struct tp_file *f);

/* Whether all that was read came from the file. False where somebody cut it short meanwhile: what
 * was gone read as zeros, so *err says this whatever it said before. */
bool tp_file_is_whole(const struct tp_file *f, const char *path, struct tp_err *err) TP_MUST_USE;

/* Reads a stream to its end, at most `limit` bytes, into malloc()ed memory that is the caller's. */
bool tp_file_read_fd(int fd, const char *name, size_t limit, void **bytes, size_t *n_bytes,
                     struct tp_err *err) TP_MUST_USE;

#endif
