/* models.c - the models that this process serves. */
#include "service/models.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "formats/builtin.h"
#include "formats/folder.h"

enum { LISTED_NAMES_BYTES = 300 };

static int by_name(const void *a, const void *b)
{
    const struct tp_served *x = a, *y = b;
    return strcmp(tp_model_name(x->model), tp_model_name(y->model));
}

static bool is_served(const struct tp_models *models, const char *name)
{
    for (int i = 0; i < models->n_served; i++)
        if (!strcmp(tp_model_name(models->served[i].model), name)) return true;
    return false;
}

/* `what` is a file's path or a built-in's name. A model that does not load is the operator's to
 * mend; the others are served meanwhile. */
static void add(struct tp_models *models, const char *name, const char *what,
                const struct tp_limits *limits)
{
    struct tp_err err = { 0 };
    struct tp_model *model;
    if (!tp_model_open(&model, what, NULL, limits, &err)) {
        tp_log(TP_LOG_ERROR, "model %s is not served: %s", name, err.message);
        return;
    }
    if (is_served(models, tp_model_name(model))) {
        tp_log(TP_LOG_ERROR, "model %s is not served: there is another of its name \"%s\" (%s)",
               name, tp_model_name(model), what);
        tp_model_free(model);
        return;
    }
    struct tp_served *s = &models->served[models->n_served++];
    s->model = model;
    tp_plans_init(&s->plans);
}

bool tp_models_load(struct tp_models *models, const char *folder, const struct tp_limits *limits,
                    struct tp_err *err)
{
    struct tp_folder_entry *entries = NULL;
    int n_entries = 0, n_builtins = 0;
    *models = (struct tp_models){ 0 };
    if (folder && !tp_folder_list(&entries, &n_entries, folder, err)) return false;
    while (tp_builtin_name(n_builtins)) n_builtins++;
    models->served = calloc((size_t)(n_entries + n_builtins), sizeof *models->served);
    if (!models->served) {
        free(entries);
        return tp_fail(err, TP_NO_MEMORY, "out of memory");
    }
    for (int i = 0; i < n_entries; i++) {
        char path[PATH_MAX + sizeof entries[i].path];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i].path);
        if (entries[i].readable)
            add(models, entries[i].name, path, limits);
        else
            tp_log(TP_LOG_WARN,
                   "model %s is not served: %s is of a kind that this version does not read",
                   entries[i].name, entries[i].path);
    }
    for (int i = 0; i < n_builtins; i++)
        if (!is_served(models, tp_builtin_name(i)))
            add(models, tp_builtin_name(i), tp_builtin_name(i), limits);
    free(entries);
    qsort(models->served, (size_t)models->n_served, sizeof *models->served, by_name);
    return true;
}

void tp_models_fini(struct tp_models *models)
{
    for (int i = 0; i < models->n_served; i++) {
        tp_plans_fini(&models->served[i].plans);
        tp_model_free(models->served[i].model);
    }
    free(models->served);
    *models = (struct tp_models){ 0 };
}

struct tp_served *tp_models_find(const struct tp_models *models, const char *name,
                                 struct tp_err *err)
{
    struct tp_buf names = { 0 };
    for (int i = 0; i < models->n_served; i++) {
        const char *other = tp_model_name(models->served[i].model);
        if (!strcmp(other, name)) {
            tp_buf_fini(&names);
            return &models->served[i];
        }
        if (names.n_bytes < LISTED_NAMES_BYTES)
            tp_buf_printf(&names, "%s%.64s", i ? ", " : "", other);
    }
    tp_fail(err, TP_NOT_FOUND, "no model '%.64s'; there are: %.*s", name, (int)names.n_bytes,
            names.data ? names.data : "");
    tp_buf_fini(&names);
    return NULL;
}
