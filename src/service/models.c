/* models.c - the models that this process serves. */
#include "service/models.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "formats/builtin.h"
#include "formats/folder.h"
#include "service/clock.h"

enum { LISTED_NAMES_BYTES = 300, MOST_THREADS = 64 };

/* ---- one model ------------------------------------------------------------------------------- */

void tp_models_put(struct tp_served *s)
{
    if (!s || atomic_fetch_sub(&s->holders, 1) > 1) return;
    tp_plans_fini(&s->plans);
    tp_model_free(s->model);
    free(s->path);
    free(s);
}

/* `what` is a file's path or a built-in's name; `path`, beneath the folder, is remembered. */
static struct tp_served *open_one(const char *what, const char *path, uint64_t stamp,
                                  const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_served *s = calloc(1, sizeof *s);
    if (!s) {
        tp_fail(err, TP_NO_MEMORY, "out of memory");
        return NULL;
    }
    atomic_init(&s->holders, 1);
    tp_plans_init(&s->plans);
    s->stamp = stamp;
    s->path = path ? strdup(path) : NULL;
    if ((!path || s->path || tp_fail(err, TP_NO_MEMORY, "out of memory")) &&
        tp_model_open(&s->model, what, NULL, limits, err) && tp_model_try(s->model, limits, err))
        return s;
    tp_models_put(s);
    return NULL;
}

/* ---- many at a time -------------------------------------------------------------------------- */

/* The folder's entries and what became of each: kept, opened or failed (NULL). */
struct load {
    struct tp_models *models;
    struct tp_limits limits;
    struct tp_folder_entry *entries;
    int n_entries;
    struct tp_served **results;      /* held */
    atomic_int next;
};

static struct tp_served *find_path(const struct tp_models *models, const char *path)
{
    for (int i = 0; i < models->n_served; i++) {
        struct tp_served *s = models->served[i];
        if (s->path && !strcmp(s->path, path)) return s;
    }
    return NULL;
}

static bool is_kept(const struct tp_served *old, const struct tp_folder_entry *e)
{
    return old && old->stamp == e->stamp;
}

static void log_opened(const struct tp_served *s, const char *what, double ms)
{
    const struct tp_model *m = s->model;
    tp_log(TP_LOG_INFO, "model %s %s in %.0f ms: %d layers, %" PRId64 " parameters", m->name, what,
           ms, m->n_layers, m->n_parameters);
    if (m->warning) tp_log(TP_LOG_WARN, "model %s: %s", m->name, m->warning);
}

static void open_entry(struct load *l, int i)
{
    const struct tp_folder_entry *e = &l->entries[i];
    struct tp_models *models = l->models;
    struct tp_served *old = find_path(models, e->path);      /* nobody else changes the list */
    struct tp_err err = { 0 };
    char path[PATH_MAX + sizeof e->path];
    if (is_kept(old, e)) {
        atomic_fetch_add(&old->holders, 1);
        l->results[i] = old;
        return;
    }
    const double start_ms = tp_clock_ms();
    snprintf(path, sizeof path, "%s/%s", models->folder, e->path);
    l->results[i] = open_one(path, e->path, e->stamp, &l->limits, &err);
    if (l->results[i]) {
        log_opened(l->results[i], old ? "loaded anew" : "loaded", tp_clock_ms() - start_ms);
    } else if (old) {
        tp_log(TP_LOG_ERROR, "model %s is not loaded anew, the old one serves on: %s", e->name,
               err.message);
        atomic_fetch_add(&old->holders, 1);
        l->results[i] = old;
    } else {
        tp_log(TP_LOG_ERROR, "model %s is not served: %s", e->name, err.message);
    }
}

static void *open_entries(void *arg)
{
    struct load *l = arg;
    for (int i; (i = atomic_fetch_add(&l->next, 1)) < l->n_entries;)
        if (!atomic_load(&l->models->ending)) open_entry(l, i);
    return NULL;
}

/* As many models at a time as there are threads; a few share them all. The threads end with the
 * load, and their teams with them. */
static void open_all(struct load *l, int n_threads)
{
    pthread_t threads[MOST_THREADS];
    int n = 0, most = 0;
    for (int i = 0; i < l->n_entries; i++)
        most += !is_kept(find_path(l->models, l->entries[i].path), &l->entries[i]);
    if (most > n_threads) most = n_threads;
    if (most > MOST_THREADS) most = MOST_THREADS;
    if (most > 0) l->limits.max_threads = n_threads / most;
    while (n < most && !pthread_create(&threads[n], NULL, open_entries, l)) n++;
    if (n == 0) {                    /* here, then: this thread lasts, so without a team */
        l->limits.max_threads = 1;
        open_entries(l);
    }
    while (n > 0) pthread_join(threads[--n], NULL);
}

/* ---- the list -------------------------------------------------------------------------------- */

struct list { struct tp_served **served; int n; };

static struct tp_served *find_name(struct tp_served *const *served, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(served[i]->model->name, name)) return served[i];
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct tp_served *x = *(struct tp_served *const *)a, *y = *(struct tp_served *const *)b;
    return strcmp(x->model->name, y->model->name);
}

/* Takes the entry's model over, unless its name is taken. */
static void append(struct list *list, struct tp_served *s)
{
    if (!s) return;
    const struct tp_served *other = find_name(list->served, list->n, s->model->name);
    if (!other) {
        list->served[list->n++] = s;
        return;
    }
    tp_log(TP_LOG_ERROR, "model %s is not served: there is another of its name \"%s\" (%s)",
           s->path ? s->path : "built in", s->model->name, other->path ? other->path : "built in");
    tp_models_put(s);
}

/* Built-ins whose names are free: those there are, or opened now. */
static void append_builtins(struct list *list, const struct tp_models *models)
{
    const char *name;
    for (int i = 0; (name = tp_builtin_name(i)); i++) {
        struct tp_err err = { 0 };
        if (find_name(list->served, list->n, name)) continue;
        struct tp_served *s = find_name(models->served, models->n_served, name);
        if (s && !s->path) atomic_fetch_add(&s->holders, 1);
        else s = open_one(name, NULL, 0, &models->limits, &err);
        if (s) list->served[list->n++] = s;
        else tp_log(TP_LOG_ERROR, "model %s is not served: %s", name, err.message);
    }
}

/* Puts the new list in the place of the old one, whose models go when their last user does. */
static void replace(struct tp_models *models, struct list *list)
{
    if (list->n) qsort(list->served, (size_t)list->n, sizeof *list->served, by_name);
    pthread_mutex_lock(&models->lock);
    const struct list old = { models->served, models->n_served };
    models->served = list->served;
    models->n_served = list->n;
    models->loading = false;
    pthread_mutex_unlock(&models->lock);
    for (int i = 0; i < old.n; i++) {
        if (!find_name(list->served, list->n, old.served[i]->model->name))
            tp_log(TP_LOG_INFO, "model %s is served no more: its file is gone",
                   old.served[i]->model->name);
        tp_models_put(old.served[i]);
    }
    free(old.served);
}

static int count_builtins(void)
{
    int n = 0;
    while (tp_builtin_name(n)) n++;
    return n;
}

static bool load(struct tp_models *models, struct load *l, int n_threads, struct tp_err *err)
{
    if (models->folder && !tp_folder_list(&l->entries, &l->n_entries, models->folder, err))
        return false;
    struct list list = {
        .served = calloc((size_t)(l->n_entries + count_builtins()), sizeof *list.served),
    };
    l->results = calloc((size_t)l->n_entries + 1, sizeof *l->results);
    if (!list.served || !l->results) {
        free(list.served);
        return tp_fail(err, TP_NO_MEMORY, "out of memory");
    }
    open_all(l, n_threads);
    if (atomic_load(&models->ending)) {
        for (int i = 0; i < l->n_entries; i++) tp_models_put(l->results[i]);
        free(list.served);
        return true;
    }
    for (int i = 0; i < l->n_entries; i++) append(&list, l->results[i]);
    append_builtins(&list, models);
    replace(models, &list);
    return true;
}

void tp_models_load(struct tp_models *models, int n_threads)
{
    struct load l = { .models = models, .limits = models->limits };
    struct tp_err err = { 0 };
    if (!load(models, &l, n_threads, &err)) {
        tp_log(TP_LOG_ERROR, "models are not loaded anew, the old ones serve on: %s", err.message);
        pthread_mutex_lock(&models->lock);
        models->loading = false;
        pthread_mutex_unlock(&models->lock);
    }
    free(l.entries);
    free(l.results);
}

void tp_models_end_loading(struct tp_models *models) { atomic_store(&models->ending, true); }

bool tp_models_init(struct tp_models *models, const char *folder, const struct tp_limits *limits,
                    struct tp_err *err)
{
    struct tp_folder_entry *entries = NULL;
    int n_entries;
    *models = (struct tp_models){ .limits = *limits, .lock = PTHREAD_MUTEX_INITIALIZER };
    if (folder && !tp_folder_list(&entries, &n_entries, folder, err)) return false;
    free(entries);
    tp_models_load(models, 1);
    models->folder = folder;
    models->loading = folder != NULL;
    return models->n_served > 0 || tp_fail(err, TP_NO_MEMORY, "out of memory");
}

void tp_models_fini(struct tp_models *models)
{
    for (int i = 0; i < models->n_served; i++) tp_models_put(models->served[i]);
    free(models->served);
    *models = (struct tp_models){ .lock = PTHREAD_MUTEX_INITIALIZER };
}

/* ---- use ------------------------------------------------------------------------------------- */

static void fail_unknown(const struct tp_models *models, const char *name, struct tp_err *err)
{
    struct tp_buf names = { 0 };
    if (models->loading) {
        tp_fail(err, TP_UNAVAILABLE, "no model '%.64s' yet: models are still being loaded", name);
        return;
    }
    for (int i = 0; i < models->n_served && names.n_bytes < LISTED_NAMES_BYTES; i++)
        tp_buf_printf(&names, "%s%.64s", i ? ", " : "", models->served[i]->model->name);
    tp_fail(err, TP_NOT_FOUND, "no model '%.64s'; there are: %.*s", name, (int)names.n_bytes,
            names.data ? names.data : "");
    tp_buf_fini(&names);
}

struct tp_served *tp_models_get(struct tp_models *models, const char *name, struct tp_err *err)
{
    pthread_mutex_lock(&models->lock);
    struct tp_served *s = find_name(models->served, models->n_served, name);
    if (s) atomic_fetch_add(&s->holders, 1);
    else fail_unknown(models, name, err);
    pthread_mutex_unlock(&models->lock);
    return s;
}

bool tp_models_loading(struct tp_models *models)
{
    pthread_mutex_lock(&models->lock);
    const bool loading = models->loading;
    pthread_mutex_unlock(&models->lock);
    return loading;
}

void tp_models_each(struct tp_models *models, void (*fn)(void *ctx, const struct tp_model *m),
                    void *ctx)
{
    pthread_mutex_lock(&models->lock);
    for (int i = 0; i < models->n_served; i++) fn(ctx, models->served[i]->model);
    pthread_mutex_unlock(&models->lock);
}
