/* outputs.c - where a command's answers go when each of them is a file. */
#include "cli/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "graph/names.h"

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* "photos/cat.jpg" to "cat"; "-" to "stdin". */
static const char *stem_of(struct tp_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    if (!strcmp(path, "-")) name = "stdin";
    return tp_arena_strndup(arena, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

/* FOLDER/STEM.npy, or FOLDER/STEM-2.npy where that one is another input's. */
static bool place_in_folder(const char **path, struct tp_names *names, const char *folder,
                            const char *input, const char *suffix, struct tp_err *err)
{
    struct tp_arena *arena = names->arena;
    const size_t n = strlen(folder);
    const char *between = n && folder[n - 1] == '/' ? "" : "/", *stem = stem_of(arena, input);
    if (!stem) return tp_arena_fail(arena, err);
    for (int k = 1;; k++) {
        *path = k == 1 ? tp_arena_printf(arena, "%s%s%s%s", folder, between, stem, suffix)
                       : tp_arena_printf(arena, "%s%s%s-%d%s", folder, between, stem, k, suffix);
        if (!*path) return tp_arena_fail(arena, err);
        if (tp_names_find(names, *path) >= 0) continue;
        return tp_names_add(names, *path, 0) || tp_arena_fail(arena, err);
    }
}

/* ---- inputs that an answer would overwrite --------------------------------------------------- */

struct identity { dev_t device; ino_t file; };

static int compare(const void *a, const void *b)
{
    const struct identity *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return (x->file > y->file) - (x->file < y->file);
}

static bool identify(const char *path, struct identity *id)
{
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode)) return false;
    *id = (struct identity){ st.st_dev, st.st_ino };
    return true;
}

static bool spare_inputs(const struct tp_outputs *o, const struct tp_inputs *in, struct tp_err *err)
{
    struct identity *ids = calloc((size_t)in->n_paths + 1, sizeof *ids), id;
    size_t n = 0;
    bool ok = ids || tp_fail(err, TP_NO_MEMORY, "out of memory");
    for (int i = 0; ok && i < in->n_paths; i++) n += identify(in->paths[i], &ids[n]);
    if (n) qsort(ids, n, sizeof *ids, compare);
    for (int i = 0; ok && n && i < in->n_paths; i++)
        if (o->paths[i] && identify(o->paths[i], &id) && bsearch(&id, ids, n, sizeof id, compare))
            ok = tp_fail(err, TP_INVALID_ARGUMENT, "--out: the answer to %s would overwrite the "
                         "input %s; name another folder or file", in->paths[i], o->paths[i]);
    free(ids);
    return ok;
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool place_one(struct tp_outputs *o, const char *out, struct tp_err *err)
{
    o->paths[0] = out;
    if (out || !isatty(STDOUT_FILENO)) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "--format: this answer is not for a terminal; name a "
                   "file with --out");
}

static bool place_many(struct tp_outputs *o, struct tp_inputs *in, const char *folder,
                       const char *suffix, struct tp_err *err)
{
    struct tp_names names = { .arena = &in->arena };
    if (!folder)
        return tp_fail(err, TP_INVALID_ARGUMENT, "--out: %d inputs make %d files; name a folder",
                       in->n_paths, in->n_paths);
    if (mkdir(folder, 0777) && errno != EEXIST)
        return tp_fail(err, TP_IO, "--out %s: %s", folder, strerror(errno));
    if (!is_folder(folder))
        return tp_fail(err, TP_INVALID_ARGUMENT, "--out %s: is no folder, and %d inputs make %d "
                       "files", folder, in->n_paths, in->n_paths);
    for (int i = 0; i < in->n_paths; i++)
        if (!place_in_folder(&o->paths[i], &names, folder, in->paths[i], suffix, err)) return false;
    return true;
}

bool tp_outputs_place(struct tp_outputs *o, struct tp_inputs *in, const char *out,
                      const char *suffix, struct tp_err *err)
{
    o->paths = tp_arena_zalloc(&in->arena, (size_t)in->n_paths, sizeof *o->paths);
    if (!o->paths) return tp_arena_fail(&in->arena, err);
    const bool one = in->n_paths == 1 && !(out && is_folder(out));
    return (one ? place_one(o, out, err) : place_many(o, in, out, suffix, err)) &&
           spare_inputs(o, in, err);
}

void tp_outputs_resume(const struct tp_outputs *o, struct tp_inputs *in)
{
    struct identity id;
    for (int i = 0; i < in->n_paths; i++)
        if (o->paths[i] && identify(o->paths[i], &id)) in->done[i] = true;
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *bytes, size_t n_bytes)
{
    while (n_bytes) {
        ssize_t n = write(fd, bytes, n_bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        bytes += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

static bool write_file(const char *path, const void *bytes, size_t n_bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return false;
    bool ok = write_all(fd, bytes, n_bytes);
    int failure = errno;
    if (close(fd) && ok) return false;
    errno = failure;
    return ok;
}

bool tp_outputs_write(const char *path, const void *bytes, size_t n_bytes, struct tp_err *err)
{
    struct stat st;
    char *part = NULL;
    bool ok;
    if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
        ok = write_file(path, bytes, n_bytes);
    } else {
        if (asprintf(&part, "%s.part", path) < 0)
            return tp_fail(err, TP_NO_MEMORY, "out of memory");
        ok = write_file(part, bytes, n_bytes) && !rename(part, path);
    }
    if (!ok) {
        tp_fail(err, TP_IO, "--out %s: %s", path, strerror(errno));
        if (part) unlink(part);
    }
    free(part);
    return ok;
}
