/* weights.c - weight files that lie beside a pipeline. */
#include "formats/weights.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/safetensors.h"

static bool check_name(const struct tp_weights *w, const char *file, struct tp_err *err)
{
    struct stat st;
    if (!*file || strchr(file, '/') || file[0] == '.')
        return tp_fail(err, TP_INVALID_MODEL,
                       "weights file '%.64s': only the name of a file beside "
                       "the pipeline, without a path, is read",
                       file);
    if (!fstatat(w->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) && !S_ISREG(st.st_mode))
        return tp_fail(err, TP_INVALID_MODEL, "weights file '%.64s': is not a regular file", file);
    return true;
}

/* The file's index among those open, opening it when it is new; -1 with *err filled. */
static int find(struct tp_weights *w, const char *file, struct tp_err *err)
{
    for (int i = 0; i < w->n_open; i++)
        if (!strcmp(w->open[i].name, file)) return i;
    if (!check_name(w, file, err)) return -1;
    int i = w->n_open;
    if (i == TP_MAX_WEIGHT_FILES) {
        tp_fail(err, TP_INVALID_MODEL,
                "weights file '%.64s': one pipeline may use at most %d files", file,
                TP_MAX_WEIGHT_FILES);
        return -1;
    }
    w->open[i].name = tp_arena_strndup(&w->arena, file, strlen(file));
    if (!w->open[i].name) {
        tp_arena_fail(&w->arena, err);
        return -1;
    }
    if (!tp_file_map(&w->open[i].file, w->dir_fd, file, err)) return -1;
    if (tp_safetensors_parse(&w->open[i].tensors, w->open[i].file.bytes, w->open[i].file.n_bytes,
                             &w->arena, err)) {
        w->n_open++;                               /* from here on fini() unmaps it */
        return i;
    }
    if (tp_file_is_whole(&w->open[i].file, file, err)) tp_fail_in(err, "%s", file);
    tp_file_unmap(&w->open[i].file);
    return -1;
}

static bool read_weight(void *ctx, const char *file, const char *tensor, struct tp_tensor *out,
                        struct tp_arena *arena, struct tp_err *err)
{
    struct tp_weights *w = ctx;
    int i = find(w, file, err);
    if (i < 0) return false;
    return tp_safetensors_read(w->open[i].tensors, tensor, out, arena, err) ||
           tp_fail_in(err, "%s", file);
}

struct tp_weight_source tp_weights_init(struct tp_weights *w, int dir_fd)
{
    *w = (struct tp_weights){ .dir_fd = dir_fd };
    tp_arena_init(&w->arena, SIZE_MAX);
    return (struct tp_weight_source){ .read = read_weight, .ctx = w };
}

bool tp_weights_are_whole(const struct tp_weights *w, struct tp_err *err)
{
    for (int i = 0; i < w->n_open; i++)
        if (!tp_file_is_whole(&w->open[i].file, w->open[i].name, err)) return false;
    return true;
}

void tp_weights_fini(struct tp_weights *w)
{
    for (int i = 0; i < w->n_open; i++) tp_file_unmap(&w->open[i].file);
    tp_arena_fini(&w->arena);
    w->n_open = 0;
}
