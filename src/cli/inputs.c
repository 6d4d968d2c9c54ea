/* inputs.c - the list of files that a command is to work on. */
#include "cli/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "formats/file.h"
#include "formats/json.h"
#include "graph/names.h"

static bool add(struct tp_inputs *in, const char *path, struct tp_err *err)
{
    if (in->n_paths == in->capacity) {
        int capacity = in->capacity ? 2 * in->capacity : 64;
        const char **paths = realloc(in->paths, (size_t)capacity * sizeof *paths);
        if (!paths) return tp_fail(err, TP_NO_MEMORY, "out of memory");
        in->paths = paths;
        in->capacity = capacity;
    }
    in->paths[in->n_paths] = tp_arena_strndup(&in->arena, path, strlen(path));
    if (!in->paths[in->n_paths]) return tp_arena_fail(&in->arena, err);
    in->n_paths++;
    return true;
}

static bool is_input(const char *file)
{
    static const char *const suffixes[] = { ".jpg", ".jpeg", ".png", ".webp", ".npy", ".json" };
    const char *dot = strrchr(file, '.');
    for (size_t i = 0; dot && file[0] != '.' && i < sizeof suffixes / sizeof *suffixes; i++)
        if (!strcasecmp(dot, suffixes[i])) return true;
    return false;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static bool add_folder(struct tp_inputs *in, const char *folder, struct tp_err *err)
{
    struct dirent **files;
    int n = scandir(folder, &files, NULL, alphasort), found = 0;
    bool ok = n >= 0 || tp_fail(err, TP_IO, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (ok && is_input(files[i]->d_name)) {
            const char *path = tp_arena_printf(&in->arena, "%s/%s", folder, files[i]->d_name);
            if (!path) ok = tp_arena_fail(&in->arena, err);
            else if (!is_folder(path)) {
                ok = add(in, path, err);
                found++;
            }
        }
        free(files[i]);
    }
    if (n >= 0) free(files);
    if (ok && !found)
        return tp_fail(err, TP_NOT_FOUND,
                       "%s: no .jpg, .jpeg, .png, .webp, .npy or .json file in it", folder);
    return ok;
}

bool tp_inputs_gather(struct tp_inputs *in, char **words, int n_words, struct tp_err *err)
{
    *in = (struct tp_inputs){ 0 };
    tp_arena_init(&in->arena, SIZE_MAX);
    for (int i = 0; i < n_words; i++)
        if (!(is_folder(words[i]) ? add_folder(in, words[i], err) : add(in, words[i], err)))
            return false;
    in->done = calloc((size_t)in->n_paths + 1, sizeof *in->done);
    return in->done || tp_fail(err, TP_NO_MEMORY, "out of memory");
}

/* All paths, as a line of the output quotes them, with their indices. */
static bool quote_paths(struct tp_inputs *in, struct tp_names *names)
{
    for (int i = 0; i < in->n_paths; i++) {
        struct tp_buf b = { 0 };
        tp_json_quote(&b, in->paths[i]);
        const char *quoted = b.failed ? NULL : tp_arena_strndup(&in->arena, b.data, b.n_bytes);
        tp_buf_fini(&b);
        if (!quoted) return false;
        if (tp_names_find(names, quoted) < 0 && !tp_names_add(names, quoted, i)) return false;
    }
    return true;
}

/* The quoted text behind {"input": in a line, in the arena; NULL when the line is none of ours. */
static const char *quoted_path(struct tp_inputs *in, const char *line, size_t n_bytes)
{
    static const char head[] = "{\"input\":";
    size_t start = strlen(head), end = start + 1;
    if (n_bytes < start + 2 || memcmp(line, head, start)) return NULL;
    while (end < n_bytes && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
    return end < n_bytes ? tp_arena_strndup(&in->arena, line + start, end + 1 - start) : NULL;
}

static void mark(struct tp_inputs *in, const struct tp_names *names, const char *line,
                 size_t n_bytes)
{
    const char *path = quoted_path(in, line, n_bytes);
    int i = path ? tp_names_find(names, path) : -1;
    if (i >= 0) in->done[i] = true;
}

bool tp_inputs_resume(struct tp_inputs *in, const char *out_path, struct tp_err *err)
{
    struct tp_file f;
    struct tp_err local = { 0 };
    if (!tp_file_map(&f, AT_FDCWD, out_path, &local)) {
        if (local.code == TP_NOT_FOUND) return true;
        *err = local;
        return false;
    }
    struct tp_names names = { .arena = &in->arena };
    if (!quote_paths(in, &names)) {
        tp_file_unmap(&f);
        return tp_arena_fail(&in->arena, err);
    }
    const char *text = f.bytes;
    size_t at = 0;
    while (at < f.n_bytes) {
        const char *end = memchr(text + at, '\n', f.n_bytes - at);
        if (!end) break;
        mark(in, &names, text + at, (size_t)(end - text) - at);
        at = (size_t)(end - text) + 1;
    }
    bool cut = at < f.n_bytes;                     /* the earlier run was stopped while it wrote */
    tp_file_unmap(&f);
    if (!cut || !truncate(out_path, (off_t)at)) return true;
    return tp_fail(err, TP_IO, "--out %s: %s", out_path, strerror(errno));
}

void tp_inputs_fini(struct tp_inputs *in)
{
    free(in->paths);
    free(in->done);
    tp_arena_fini(&in->arena);
    *in = (struct tp_inputs){ 0 };
}
