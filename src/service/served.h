/* served.h - one model in service: what it is, what it has done, what it takes. */
#ifndef TP_SERVED_H
#define TP_SERVED_H

#include <stdatomic.h>

#include "base/budget.h"
#include "formats/model.h"
#include "service/plans.h"
#include "service/stats.h"

/* Who has one from tp_models_get() may use it until tp_models_put(), whatever takes its place in
 * the meantime. */
struct tp_served {
    struct tp_model *model;
    struct tp_plans plans;           /* those that requests have used lately */
    struct tp_stats *stats;          /* of what its file has served; NULL: nobody counts */
    size_t n_bytes;                  /* of memory, its packed weights above all */
    struct tp_budget *budget;        /* that they are taken from; NULL: none */
    atomic_int holders;              /* the list of models, and who uses it now */
    char *path;                      /* beneath the folder; NULL for a built-in */
    uint64_t stamp;                  /* of its files */
    struct tp_models *leaving;       /* unloaded: who is told when nobody uses it any more */
};

/* What is to be opened. */
struct tp_served_source {
    const char *what;                /* a file's path, or a built-in's name */
    const char *path;                /* beneath the folder, remembered; NULL for a built-in */
    uint64_t stamp;
    const struct tp_served *old;     /* made of the same, whose figures go on; or NULL */
    struct tp_budget *budget;        /* or NULL */
};

/* Reads, plans and tries it; one holder. NULL with *err filled: also when the budget has no room
 * for it. */
struct tp_served *tp_served_open(const struct tp_served_source *source,
                                 const struct tp_limits *limits, struct tp_err *err);

/* Frees what nobody holds any more. */
void tp_served_free(struct tp_served *s);

#endif
