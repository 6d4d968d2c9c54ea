/* served.c - one model in service. */
#include "service/served.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/net.h"

void tp_served_free(struct tp_served *s)
{
    tp_plans_fini(&s->plans);
    tp_model_free(s->model);
    tp_stats_put(s->stats);
    tp_budget_unfix(s->budget, s->n_bytes);
    free(s->path);
    free(s);
}

static size_t memory_of(const struct tp_model *m)
{
    return m->arena.total_bytes + (m->graph ? m->graph->arena.total_bytes : 0) +
           (m->net ? m->net->arena.total_bytes : 0);
}

static bool fail_room(const struct tp_served_source *from, size_t n_bytes, struct tp_err *err)
{
    return tp_fail(err, TP_TOO_LARGE, "%s: the model takes %zu MiB of memory, and %zu are left of "
                   "the budget (--memory-budget)", from->what, (n_bytes >> 20) + 1,
                   tp_budget_left(from->budget) >> 20);
}

/* Its file's size is what it will take at least: told before it is read. */
static bool open_model(struct tp_served *s, const struct tp_served_source *from,
                       const struct tp_limits *limits, struct tp_err *err)
{
    struct stat info;
    const size_t least = from->path && !stat(from->what, &info) ? (size_t)info.st_size : 0;
    if (!tp_budget_take(from->budget, least)) return fail_room(from, least, err);
    const bool ok = tp_model_open(&s->model, from->what, NULL, limits, err) &&
                    tp_model_try(s->model, limits, err);
    tp_budget_give(from->budget, least);
    if (!ok) return false;
    const size_t n_bytes = memory_of(s->model);
    if (!tp_budget_fix(from->budget, n_bytes)) return fail_room(from, n_bytes, err);
    s->budget = from->budget;
    s->n_bytes = n_bytes;
    return true;
}

struct tp_served *tp_served_open(const struct tp_served_source *from,
                                 const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_served *s = calloc(1, sizeof *s);
    if (!s) {
        tp_fail(err, TP_NO_MEMORY, "out of memory");
        return NULL;
    }
    atomic_init(&s->holders, 1);
    tp_plans_init(&s->plans);
    s->stamp = from->stamp;
    s->path = from->path ? strdup(from->path) : NULL;
    if ((!from->path || s->path || tp_fail(err, TP_NO_MEMORY, "out of memory")) &&
        open_model(s, from, limits, err)) {
        const bool goes_on = from->old && !strcmp(from->old->model->name, s->model->name);
        s->stats = goes_on ? tp_stats_hold(from->old->stats) : tp_stats_new();
        if (s->stats) return s;
        tp_fail(err, TP_NO_MEMORY, "out of memory");
    }
    tp_served_free(s);
    return NULL;
}
