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

/* Nobody uses what was unloaded any more. Any thread may come here; what the one that changes the
 * lists reads of them unlocked (names, paths, `unloaded`) is not touched. */
static void end_leaving(struct tp_models *models, const struct tp_served *s)
{
    pthread_mutex_lock(&models->lock);
    for (int i = 0; i < models->absent.n; i++) {
        struct tp_absent *a = &models->absent.list[i];
        if (a->leaving != s) continue;
        a->state = TP_MODEL_UNAVAILABLE;
        a->leaving = NULL;
        snprintf(a->reason, sizeof a->reason, "unloaded");
    }
    pthread_mutex_unlock(&models->lock);
}

void tp_models_put(struct tp_served *s)
{
    if (!s || atomic_fetch_sub(&s->holders, 1) > 1) return;
    if (s->leaving) end_leaving(s->leaving, s);
    tp_served_free(s);
}

static struct tp_served *hold(struct tp_served *s)
{
    atomic_fetch_add(&s->holders, 1);
    return s;
}

/* ---- many at a time -------------------------------------------------------------------------- */

struct outcome {
    bool skipped;                    /* somebody has unloaded it */
    struct tp_served *served;        /* held: kept, opened, or the old one; NULL: failed */
    struct tp_err err;
};

/* The folder's entries and what became of each. */
struct load {
    struct tp_models *models;
    struct tp_limits limits;
    struct tp_folder_entry *entries;
    int n_entries;
    const char *name;                /* of the one model that is wanted, changed or not; or NULL */
    struct outcome *outcomes;
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

static bool is_kept(const struct load *l, const struct tp_served *old,
                    const struct tp_folder_entry *e)
{
    return !l->name && old && old->stamp == e->stamp;
}

static void log_opened(const struct tp_served *s, const char *what, double ms)
{
    const struct tp_model *m = s->model;
    tp_log(TP_LOG_INFO, "model %s %s in %.0f ms: %d layers, %" PRId64 " parameters", m->name, what,
           ms, m->n_layers, m->n_parameters);
    if (m->warning) tp_log(TP_LOG_WARN, "model %s: %s", m->name, m->warning);
}

/* Takes the folder out of a message, which begins "FOLDER/file: ", before clients read it. */
static void hide_folder(struct tp_err *err, const char *folder)
{
    const size_t n = strlen(folder);
    char *message = err->message;
    if (!strncmp(message, folder, n) && message[n] == '/')
        memmove(message, message + n + 1, strlen(message + n + 1) + 1);
}

/* The model of the entry, when it is the one that is wanted. */
static struct tp_served *open_file(const struct load *l, const struct tp_folder_entry *e,
                                   const struct tp_served *old, struct tp_err *err)
{
    char path[PATH_MAX + sizeof e->path];
    snprintf(path, sizeof path, "%s/%s", l->models->folder, e->path);
    const struct tp_served_source from = { path, e->path, e->stamp, old, l->models->budget };
    struct tp_served *s = tp_served_open(&from, &l->limits, err);
    if (!s || !l->name || !strcmp(s->model->name, l->name)) return s;
    tp_fail(err, TP_INVALID_MODEL, "%s: names its model '%.64s', not '%.64s'; change the name "
            "there, or have the whole folder read again (SIGHUP)", e->path, s->model->name,
            l->name);
    tp_models_put(s);
    return NULL;
}

static void open_entry(struct load *l, int i)
{
    const struct tp_folder_entry *e = &l->entries[i];
    struct outcome *o = &l->outcomes[i];
    struct tp_served *old = find_path(l->models, e->path);       /* nobody else changes the list */
    if (is_kept(l, old, e)) {
        o->served = hold(old);
        return;
    }
    const double start_ms = tp_clock_ms();
    o->served = open_file(l, e, old, &o->err);
    if (o->served) {
        log_opened(o->served, old ? "loaded anew" : "loaded", tp_clock_ms() - start_ms);
        return;
    }
    if (old) {
        tp_log(TP_LOG_ERROR, "model %s is not loaded anew, the old one serves on: %s", e->name,
               o->err.message);
        o->served = hold(old);
    } else {
        tp_log(TP_LOG_ERROR, "model %s is not served: %s", e->name, o->err.message);
    }
    hide_folder(&o->err, l->models->folder);
}

static void *open_entries(void *arg)
{
    struct load *l = arg;
    for (int i; (i = atomic_fetch_add(&l->next, 1)) < l->n_entries;)
        if (!l->outcomes[i].skipped && !atomic_load(&l->models->ending)) open_entry(l, i);
    return NULL;
}

/* As many models at a time as there are threads; a few share them all. The threads end with the
 * load, and their teams with them. */
static void open_all(struct load *l, int n_threads)
{
    pthread_t threads[MOST_THREADS];
    int n = 0, most = 0;
    for (int i = 0; i < l->n_entries; i++)
        most += !l->outcomes[i].skipped &&
                !is_kept(l, find_path(l->models, l->entries[i].path), &l->entries[i]);
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

/* ---- the absent ------------------------------------------------------------------------------ */

static bool is_unloaded(const struct tp_models *models, const char *name)
{
    const struct tp_absent *a = tp_absents_find(&models->absent, name);
    return a && a->unloaded;
}

/* Whether the entry is that of a model that was unloaded, whatever is in it now. */
static bool was_unloaded(const struct tp_models *models, const struct tp_folder_entry *e)
{
    for (int i = 0; i < models->absent.n; i++) {
        const struct tp_absent *a = &models->absent.list[i];
        if (a->unloaded && (!strcmp(a->path, e->path) || !strcmp(a->name, e->name))) return true;
    }
    return false;
}

/* Why the model of that name is not what its file says; of several reasons the first. */
static void note(struct tp_absents *all, const char *name, const char *path, const char *reason)
{
    if (!tp_absents_find(all, name))
        tp_absent_set(tp_absents_add(all, name), path, TP_MODEL_UNAVAILABLE, reason);
}

/* Puts the new list in the place of the old one, but for what was unloaded, which stays. The new
 * one has room for that; the models are locked. */
static void replace_absent(struct tp_models *models, struct tp_absents *fresh)
{
    const struct tp_absents old = models->absent;
    for (int i = 0; i < old.n; i++)
        if (old.list[i].unloaded) *tp_absents_add(fresh, old.list[i].name) = old.list[i];
    models->absent = *fresh;
    *fresh = old;
}

/* What is to come is told while it is read. */
static bool announce(struct load *l, struct tp_err *err)
{
    struct tp_models *models = l->models;
    struct tp_absents fresh = { 0 };
    if (!tp_absents_reserve(&fresh, l->n_entries + models->absent.n, err)) return false;
    for (int i = 0; i < l->n_entries; i++) {
        const struct tp_folder_entry *e = &l->entries[i];
        l->outcomes[i].skipped = was_unloaded(models, e);
        if (!l->outcomes[i].skipped && !find_path(models, e->path))
            tp_absent_set(tp_absents_add(&fresh, e->name), e->path, TP_MODEL_LOADING, "");
    }
    pthread_mutex_lock(&models->lock);
    replace_absent(models, &fresh);
    pthread_mutex_unlock(&models->lock);
    tp_absents_fini(&fresh);
    return true;
}

/* ---- the lists ------------------------------------------------------------------------------- */

struct list {
    struct tp_served **served;
    int n;
    struct tp_absents absent;
};

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

/* Takes the entry's model over, unless its name is taken or unloaded. */
static void append(struct list *list, const struct tp_models *models,
                   const struct tp_folder_entry *e, struct tp_served *s)
{
    const char *name = s->model->name;
    const struct tp_served *other = find_name(list->served, list->n, name);
    if (!other && !is_unloaded(models, name)) {
        list->served[list->n++] = s;
        return;
    }
    if (other) {
        struct tp_err err = { 0 };
        tp_fail(&err, TP_INVALID_MODEL, "%s: there is another of its name \"%s\" (%s)", e->path,
                name, other->path ? other->path : "built in");
        tp_log(TP_LOG_ERROR, "model %s is not served: %s", e->name, err.message);
        note(&list->absent, e->name, e->path, err.message);
    }
    tp_models_put(s);
}

static void append_all(struct list *list, const struct load *l)
{
    for (int i = 0; i < l->n_entries; i++) {
        const struct tp_folder_entry *e = &l->entries[i];
        const struct outcome *o = &l->outcomes[i];
        if (o->err.code != TP_OK)
            note(&list->absent, o->served ? o->served->model->name : e->name, e->path,
                 o->err.message);
        if (o->served) append(list, l->models, e, o->served);
    }
}

/* Built-ins whose names are free: those there are, or opened now. */
static void append_builtins(struct list *list, const struct tp_models *models)
{
    const char *name;
    for (int i = 0; (name = tp_builtin_name(i)); i++) {
        struct tp_err err = { 0 };
        if (find_name(list->served, list->n, name) || is_unloaded(models, name)) continue;
        struct tp_served *s = find_name(models->served, models->n_served, name);
        if (s && !s->path) s = hold(s);
        else s = tp_served_open(&(struct tp_served_source){ .what = name }, &models->limits, &err);
        if (s) {
            list->served[list->n++] = s;
            continue;
        }
        tp_log(TP_LOG_ERROR, "model %s is not served: %s", name, err.message);
        note(&list->absent, name, NULL, err.message);
    }
}

/* Puts the new lists in the place of the old ones, whose models go when their last user does. */
static void replace(struct tp_models *models, struct list *list)
{
    if (list->n) qsort(list->served, (size_t)list->n, sizeof *list->served, by_name);
    pthread_mutex_lock(&models->lock);
    const struct list old = { .served = models->served, .n = models->n_served };
    models->served = list->served;
    models->n_served = list->n;
    replace_absent(models, &list->absent);
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

/* ---- loading all ----------------------------------------------------------------------------- */

/* Room for all that may come of the load. */
static bool make_room(struct load *l, struct list *list, struct tp_err *err)
{
    const int n = l->n_entries + count_builtins();
    l->outcomes = calloc((size_t)l->n_entries + 1, sizeof *l->outcomes);
    list->served = calloc((size_t)n, sizeof *list->served);
    if (!l->outcomes || !list->served) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    return tp_absents_reserve(&list->absent, n + l->n_entries + l->models->absent.n, err);
}

static bool load(struct tp_models *models, struct load *l, int n_threads, struct tp_err *err)
{
    struct list list = { .n = 0 };
    if (models->folder && !tp_folder_list(&l->entries, &l->n_entries, models->folder, err))
        return false;
    bool ok = make_room(l, &list, err) && announce(l, err);
    if (ok) open_all(l, n_threads);
    if (!ok || atomic_load(&models->ending)) {
        for (int i = 0; ok && i < l->n_entries; i++) tp_models_put(l->outcomes[i].served);
        free(list.served);
    } else {
        append_all(&list, l);
        append_builtins(&list, models);
        replace(models, &list);
    }
    tp_absents_fini(&list.absent);
    return ok;
}

/* Nothing has come of a load. What was still to come, at first, has no other reason. */
static void give_up(struct tp_models *models, const struct tp_err *err)
{
    const char *why = err->code == TP_NOT_FOUND ? "the models' folder cannot be read" :
                      err->message;
    pthread_mutex_lock(&models->lock);
    models->loading = false;
    for (int i = 0; i < models->absent.n; i++) {
        struct tp_absent *a = &models->absent.list[i];
        if (a->state != TP_MODEL_LOADING) continue;
        a->state = TP_MODEL_UNAVAILABLE;
        snprintf(a->reason, sizeof a->reason, "%s", why);
    }
    pthread_mutex_unlock(&models->lock);
}

void tp_models_load(struct tp_models *models, int n_threads)
{
    struct load l = { .models = models, .limits = models->limits };
    struct tp_err err = { 0 };
    if (!load(models, &l, n_threads, &err)) {
        tp_log(TP_LOG_ERROR, "models are not loaded anew, the old ones serve on: %s", err.message);
        give_up(models, &err);
    }
    free(l.entries);
    free(l.outcomes);
}

void tp_models_end_loading(struct tp_models *models) { atomic_store(&models->ending, true); }

bool tp_models_init(struct tp_models *models, const char *folder, const struct tp_limits *limits,
                    struct tp_err *err)
{
    struct load l = { .models = models };
    *models = (struct tp_models){ .limits = *limits, .lock = PTHREAD_MUTEX_INITIALIZER };
    if (folder && !tp_folder_list(&l.entries, &l.n_entries, folder, err)) return false;
    tp_models_load(models, 1);       /* the built-ins */
    models->folder = folder;
    models->loading = folder != NULL;
    l.outcomes = calloc((size_t)l.n_entries + 1, sizeof *l.outcomes);
    const bool ok = models->n_served > 0 && l.outcomes && announce(&l, err);
    free(l.outcomes);
    free(l.entries);
    return ok || tp_fail(err, TP_NO_MEMORY, "out of memory");
}

void tp_models_fini(struct tp_models *models)
{
    for (int i = 0; i < models->n_served; i++) tp_models_put(models->served[i]);
    free(models->served);
    tp_absents_fini(&models->absent);
    *models = (struct tp_models){ .lock = PTHREAD_MUTEX_INITIALIZER };
}

/* ---- loading one ----------------------------------------------------------------------------- */

static bool is_builtin(const char *name)
{
    for (int i = 0; tp_builtin_name(i); i++)
        if (!strcmp(tp_builtin_name(i), name)) return true;
    return false;
}

/* The entry whose model bears that name, as far as is known, else the one whose file does. */
static struct tp_folder_entry *pick(const struct load *l)
{
    const struct tp_models *models = l->models;
    const struct tp_served *s = find_name(models->served, models->n_served, l->name);
    const struct tp_absent *a = tp_absents_find(&models->absent, l->name);
    const char *path = s && s->path ? s->path : a ? a->path : "";
    for (int i = 0; i < l->n_entries; i++)
        if (!strcmp(l->entries[i].path, path)) return &l->entries[i];
    for (int i = 0; i < l->n_entries; i++)
        if (!strcmp(l->entries[i].name, l->name)) return &l->entries[i];
    return NULL;
}

/* There is nothing to load; what only was unloaded is not known any more. */
static bool fail_gone(struct load *l, struct tp_err *err)
{
    struct tp_models *models = l->models;
    struct tp_buf names = { 0 };
    int left_out = 0;
    const struct tp_served *s = find_name(models->served, models->n_served, l->name);
    if (s)
        return tp_fail(err, TP_NOT_FOUND, "model %.64s: its file %s is gone; what was read of it "
                       "before serves on until it is unloaded", l->name, s->path);
    pthread_mutex_lock(&models->lock);
    tp_absents_remove(&models->absent, l->name);
    pthread_mutex_unlock(&models->lock);
    for (int i = 0; i < l->n_entries; i++) tp_buf_list(&names, l->entries[i].name, &left_out);
    for (int i = 0; tp_builtin_name(i); i++) tp_buf_list(&names, tp_builtin_name(i), &left_out);
    if (left_out) tp_buf_printf(&names, " and %d more", left_out);
    tp_fail(err, TP_NOT_FOUND, "no model '%.64s' to load; there are: %.*s", l->name,
            (int)names.n_bytes, names.data ? names.data : "");
    tp_buf_fini(&names);
    return false;
}

/* Says that it is being loaded, when none of its name serves. */
static bool announce_one(struct load *l, const char *path, struct tp_err *err)
{
    struct tp_models *models = l->models;
    if (find_name(models->served, models->n_served, l->name)) return true;
    pthread_mutex_lock(&models->lock);
    const bool ok = tp_absents_reserve(&models->absent, 1, err);
    if (ok) tp_absent_set(tp_absents_add(&models->absent, l->name), path, TP_MODEL_LOADING, "");
    pthread_mutex_unlock(&models->lock);
    return ok;
}

static struct tp_served *open_builtin(const struct load *l, struct tp_err *err)
{
    const struct tp_models *models = l->models;
    const struct tp_served *old = find_name(models->served, models->n_served, l->name);
    const double start_ms = tp_clock_ms();
    const struct tp_served_source from = { .what = l->name, .old = old && !old->path ? old : NULL };
    struct tp_served *s = tp_served_open(&from, &l->limits, err);
    if (s) log_opened(s, old ? "loaded anew" : "loaded", tp_clock_ms() - start_ms);
    return s;
}

/* The model of l's only entry, or the built-in where it has none. */
static struct tp_served *open_wanted(struct load *l, int n_threads, struct tp_err *err)
{
    struct outcome o = { .skipped = false };
    if (l->n_entries == 0) return open_builtin(l, err);
    l->outcomes = &o;
    open_all(l, n_threads);
    l->outcomes = NULL;
    if (o.err.code == TP_OK) {
        if (!o.served) tp_fail(err, TP_UNAVAILABLE, "the service is ending: nothing is loaded");
        return o.served;
    }
    *err = o.err;
    tp_models_put(o.served);         /* the old one, which the list has */
    return NULL;
}

/* Puts the model in the place of the one of its name, or where its name belongs. */
static bool put_in(struct tp_models *models, struct tp_served *s, struct tp_err *err)
{
    const int n = models->n_served;
    struct tp_served **list = malloc(((size_t)n + 1) * sizeof *list), *old = NULL;
    int at = 0;
    if (!list) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    while (at < n && strcmp(models->served[at]->model->name, s->model->name) < 0) at++;
    if (at < n && !strcmp(models->served[at]->model->name, s->model->name))
        old = models->served[at];
    for (int i = 0; i < at; i++) list[i] = models->served[i];
    list[at] = s;
    for (int i = at + (old != NULL), to = at + 1; i < n; i++) list[to++] = models->served[i];
    pthread_mutex_lock(&models->lock);
    struct tp_served **before = models->served;
    models->served = list;
    models->n_served = n + (old == NULL);
    tp_absents_remove(&models->absent, s->model->name);
    pthread_mutex_unlock(&models->lock);
    tp_models_put(old);
    free(before);
    return true;
}

/* It has failed: the index says why, and the next load of the folder tries again. */
static void note_failure(struct load *l, const char *path, const struct tp_err *err)
{
    struct tp_models *models = l->models;
    struct tp_err ignored = { 0 };
    pthread_mutex_lock(&models->lock);
    if (tp_absents_reserve(&models->absent, 1, &ignored))
        tp_absent_set(tp_absents_add(&models->absent, l->name), path, TP_MODEL_UNAVAILABLE,
                      err->message);
    pthread_mutex_unlock(&models->lock);
}

/* To whom an order's failure is told, a bad file is a bad model: the request was small enough, of a
 * known kind, and found what it named. */
static void blame_model(struct tp_err *err)
{
    if (err->code != TP_NO_MEMORY && err->code != TP_INTERNAL && err->code != TP_UNAVAILABLE)
        err->code = TP_INVALID_MODEL;
}

static bool load_one(struct load *l, int n_threads, struct tp_err *err)
{
    struct tp_folder_entry *e = pick(l);
    struct load only = { .models = l->models, .limits = l->limits, .entries = e,
                         .n_entries = e != NULL, .name = l->name };
    const char *path = e ? e->path : NULL;
    if (!e && !is_builtin(l->name)) return fail_gone(l, err);
    if (!announce_one(l, path, err)) return false;
    struct tp_served *s = open_wanted(&only, n_threads, err);
    if (s && put_in(l->models, s, err)) return true;
    tp_models_put(s);
    blame_model(err);
    note_failure(l, path, err);
    return false;
}

bool tp_models_load_one(struct tp_models *models, const char *name, int n_threads,
                        struct tp_err *err)
{
    struct load l = { .models = models, .limits = models->limits, .name = name };
    struct tp_err why = { 0 };
    if (models->folder && !tp_folder_list(&l.entries, &l.n_entries, models->folder, &why)) {
        tp_log(TP_LOG_ERROR, "model %s is not loaded: %s", name, why.message);
        return tp_fail(err, why.code, "the models' folder cannot be read; the log says why");
    }
    const bool ok = load_one(&l, n_threads, err);
    free(l.entries);
    return ok;
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
    if (s) hold(s);
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

void tp_models_each_served(struct tp_models *models,
                           void (*fn)(void *ctx, const struct tp_served *s), void *ctx)
{
    pthread_mutex_lock(&models->lock);
    for (int i = 0; i < models->n_served; i++) fn(ctx, models->served[i]);
    pthread_mutex_unlock(&models->lock);
}

void tp_models_index(struct tp_models *models,
                     void (*fn)(void *ctx, const struct tp_index_line *line), void *ctx)
{
    pthread_mutex_lock(&models->lock);
    const struct tp_absents *absent = &models->absent;
    for (int i = 0, j = 0; i < models->n_served || j < absent->n;) {
        const char *name = i < models->n_served ? models->served[i]->model->name : NULL;
        const struct tp_absent *a = j < absent->n ? &absent->list[j] : NULL;
        const int order = !name ? 1 : !a ? -1 : strcmp(name, a->name);
        struct tp_index_line line = { name, TP_MODEL_READY, order == 0 ? a->reason : "" };
        if (order > 0) line = (struct tp_index_line){ a->name, a->state, a->reason };
        fn(ctx, &line);
        i += order <= 0;
        j += order >= 0;
    }
    pthread_mutex_unlock(&models->lock);
}

/* ---- unloading ------------------------------------------------------------------------------- */

/* Takes the model out of the list, which gives its hold away. */
static struct tp_served *take_out(struct tp_models *models, const char *name)
{
    for (int i = 0; i < models->n_served; i++) {
        struct tp_served *s = models->served[i];
        if (strcmp(s->model->name, name)) continue;
        memmove(&models->served[i], &models->served[i + 1],
                (size_t)(--models->n_served - i) * sizeof s);
        s->leaving = models;
        return s;
    }
    return NULL;
}

static void mark_unloaded(struct tp_absent *a, const struct tp_served *s)
{
    const char *path = s ? s->path : a->path;
    char kept[sizeof a->path];
    snprintf(kept, sizeof kept, "%s", path ? path : "");
    if (s) tp_absent_set(a, kept, TP_MODEL_UNLOADING, "unloaded; requests still use it");
    else if (!a->leaving) tp_absent_set(a, kept, TP_MODEL_UNAVAILABLE, "unloaded");
    if (s) a->leaving = s;
    a->unloaded = true;
}

bool tp_models_unload(struct tp_models *models, const char *name, struct tp_err *err)
{
    pthread_mutex_lock(&models->lock);
    struct tp_served *s = NULL;
    const bool known = find_name(models->served, models->n_served, name) ||
                       tp_absents_find(&models->absent, name);
    if (!known) fail_unknown(models, name, err);
    const bool ok = known && tp_absents_reserve(&models->absent, 1, err);
    if (ok) {
        s = take_out(models, name);
        mark_unloaded(tp_absents_add(&models->absent, name), s);
    }
    pthread_mutex_unlock(&models->lock);
    if (s) tp_log(TP_LOG_INFO, "model %s is unloaded", name);
    tp_models_put(s);
    return ok;
}
