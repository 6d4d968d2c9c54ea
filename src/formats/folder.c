/* folder.c - which models a folder offers. */
#include "formats/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct listing {
    struct tp_folder_entry *list;
    int n;
    uint64_t beside;                 /* stamp of the files that are no models */
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

/* Whether the folder's entry `file` is a model: a folder that holds one, whatever it is called, or
 * a file; fills *e but for the stamp then. */
static bool is_model(int dir, const char *file, struct tp_folder_entry *e)
{
    static const struct { const char *inside, *suffix; } forms[] = {
        { "model.onnx", ".onnx" }, { "pipeline.json", ".json" },
    };
    enum { N_FORMS = sizeof forms / sizeof *forms };
    struct stat st;
    const size_t length = strlen(file);
    if (file[0] == '.' || length >= sizeof e->name || ends_with(file, ".preprocess.json"))
        return false;
    snprintf(e->name, sizeof e->name, "%s", file);
    for (int i = 0; length <= 240 && i < N_FORMS; i++) {
        snprintf(e->path, sizeof e->path, "%.240s/%s", file, forms[i].inside);
        if (!fstatat(dir, e->path, &st, 0)) return true;
    }
    snprintf(e->path, sizeof e->path, "%s", file);
    for (int i = 0; i < N_FORMS; i++) {
        if (!ends_with(file, forms[i].suffix)) continue;
        e->name[length - strlen(forms[i].suffix)] = '\0';
        return true;
    }
    return false;
}

/* FNV-1a, 64 bits: enough to tell whether a file is still the same. */
static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 1099511628211u;
    return h;
}

/* Of one file; files are added up, since a folder lists them in any order. */
static uint64_t stamp_of(int dir, const char *file)
{
    struct stat st;
    uint64_t h = mix(14695981039346656037u, file, strlen(file));
    if (fstatat(dir, file, &st, 0)) return h;
    const int64_t told[] = { st.st_dev, (int64_t)st.st_ino, st.st_size, st.st_mtim.tv_sec,
                             st.st_mtim.tv_nsec, st.st_mode & S_IFMT };
    return mix(h, told, sizeof told);
}

static uint64_t stamp_of_folder(int dir, const char *folder)
{
    int fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    uint64_t sum = 0;
    if (!d) {
        if (fd >= 0) close(fd);
        return 0;
    }
    for (struct dirent *file; (file = readdir(d));)
        if (file->d_name[0] != '.') sum += stamp_of(dirfd(d), file->d_name);
    closedir(d);
    return sum;
}

static bool add(struct listing *l, int dir, const char *file, struct tp_err *err)
{
    struct tp_folder_entry e = { .stamp = 0 };
    if (!is_model(dir, file, &e)) {
        if (file[0] != '.') l->beside += stamp_of(dir, file);
        return true;
    }
    e.stamp = strchr(e.path, '/') ? stamp_of_folder(dir, file) : stamp_of(dir, file);
    struct tp_folder_entry *more = realloc(l->list, ((size_t)l->n + 1) * sizeof *l->list);
    if (!more) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    l->list = more;
    l->list[l->n++] = e;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct tp_folder_entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->path, y->path);   /* NAME.json before NAME/pipeline.json */
}

bool tp_folder_list(struct tp_folder_entry **entries, int *n_entries, const char *folder,
                   struct tp_err *err)
{
    struct listing l = { .n = 0 };
    bool ok = true;
    DIR *d = opendir(folder);
    if (!d) return tp_fail(err, TP_NOT_FOUND, "models' folder %s: %s", folder, strerror(errno));
    for (struct dirent *file; ok && (file = readdir(d));) ok = add(&l, dirfd(d), file->d_name, err);
    closedir(d);
    if (!ok) {
        free(l.list);
        return false;
    }
    for (int i = 0; i < l.n; i++)
        if (!strchr(l.list[i].path, '/')) l.list[i].stamp += l.beside;
    if (l.n) qsort(l.list, (size_t)l.n, sizeof *l.list, by_name);
    *entries = l.list;
    *n_entries = l.n;
    return true;
}
