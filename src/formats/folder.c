/* folder.c - which models a folder offers. */
#include "formats/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

/* Whether the folder's entry `file` is a model; fills *e then. */
static bool is_model(int dir, const char *file, struct tp_folder_entry *e)
{
    static const struct { const char *inside, *suffix; bool readable; } forms[] = {
        { "pipeline.json", ".json", true }, { "model.onnx", ".onnx", false },
    };
    size_t length = strlen(file);
    if (file[0] == '.' || length >= sizeof e->name || ends_with(file, ".preprocess.json"))
        return false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t cut = 0;
        snprintf(e->path, sizeof e->path, "%.240s/%s", file, forms[i].inside);
        if (ends_with(file, forms[i].suffix)) {
            cut = strlen(forms[i].suffix);
            snprintf(e->path, sizeof e->path, "%s", file);
        } else if (length > 240 || faccessat(dir, e->path, F_OK, 0)) {
            continue;
        }
        snprintf(e->name, sizeof e->name, "%.*s", (int)(length - cut), file);
        e->readable = forms[i].readable;
        return true;
    }
    return false;
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
    struct tp_folder_entry *list = NULL, e;
    int n = 0;
    DIR *d = opendir(folder);
    if (!d) return tp_fail(err, TP_NOT_FOUND, "models' folder %s: %s", folder, strerror(errno));
    for (struct dirent *file; (file = readdir(d));) {
        if (!is_model(dirfd(d), file->d_name, &e)) continue;
        struct tp_folder_entry *more = realloc(list, ((size_t)n + 1) * sizeof *list);
        if (!more) {
            free(list);
            closedir(d);
            return tp_fail(err, TP_NO_MEMORY, "out of memory");
        }
        list = more;
        list[n++] = e;
    }
    closedir(d);
    if (n) qsort(list, (size_t)n, sizeof *list, by_name);
    *entries = list;
    *n_entries = n;
    return true;
}
