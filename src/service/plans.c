/* plans.c - plans are made once and used by many requests. */
#include "service/plans.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct tp_kept_plan {
    struct tp_plan *plan;
    struct tp_buf key;
    int users;                       /* requests that hold it, and one while it is kept */
    uint64_t used;                   /* the clock when it was last asked for */
};

const struct tp_plan *tp_kept_plan(const struct tp_kept_plan *kept) { return kept->plan; }

void tp_plans_init(struct tp_plans *plans)
{
    *plans = (struct tp_plans){ 0 };
    pthread_mutex_init(&plans->lock, NULL);
}

static void drop(struct tp_kept_plan *kept)
{
    if (!kept || --kept->users > 0) return;
    tp_plan_free(kept->plan);
    tp_buf_fini(&kept->key);
    free(kept);
}

void tp_plans_fini(struct tp_plans *plans)
{
    for (int i = 0; i < TP_PLANS_KEPT; i++) drop(plans->kept[i]);
    pthread_mutex_destroy(&plans->lock);
}

static struct tp_kept_plan *find(struct tp_plans *plans, const struct tp_buf *key)
{
    struct tp_kept_plan *found = NULL;
    pthread_mutex_lock(&plans->lock);
    for (int i = 0; i < TP_PLANS_KEPT && !found; i++) {
        struct tp_kept_plan *k = plans->kept[i];
        if (k && k->key.n_bytes == key->n_bytes && !memcmp(k->key.data, key->data, key->n_bytes))
            found = k;
    }
    if (found) {
        found->users++;
        found->used = ++plans->clock;
    }
    pthread_mutex_unlock(&plans->lock);
    return found;
}

/* Two requests may have made the same plan at the same time; then both are kept until one is the
 * oldest, which is harmless. */
static void keep(struct tp_plans *plans, struct tp_kept_plan *kept)
{
    pthread_mutex_lock(&plans->lock);
    int oldest = 0;
    for (int i = 0; i < TP_PLANS_KEPT && plans->kept[oldest]; i++)
        if (!plans->kept[i] || plans->kept[i]->used < plans->kept[oldest]->used) oldest = i;
    drop(plans->kept[oldest]);
    plans->kept[oldest] = kept;
    kept->users++;
    kept->used = ++plans->clock;
    pthread_mutex_unlock(&plans->lock);
}

/* A plan with one user; it takes over *key. */
static struct tp_kept_plan *make(const struct tp_model *m, const struct tp_shape *input,
                                 const struct tp_ask *ask, const struct tp_limits *limits,
                                 struct tp_buf *key, struct tp_err *err)
{
    struct tp_plan *plan;
    if (!tp_plan_new(&plan, m, input, ask->taps, ask->n_taps, limits, err)) return NULL;
    struct tp_kept_plan *kept = calloc(1, sizeof *kept);
    if (!kept) {
        tp_plan_free(plan);
        tp_fail(err, TP_NO_MEMORY, "out of memory");
        return NULL;
    }
    *kept = (struct tp_kept_plan){ .plan = plan, .key = *key, .users = 1 };
    *key = (struct tp_buf){ 0 };
    return kept;
}

struct tp_kept_plan *tp_plans_get(struct tp_plans *plans, const struct tp_model *m,
                                  const struct tp_shape *input, const struct tp_ask *ask,
                                  const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_buf key = { 0 };
    if (!plans || tp_ask_has_boxes(ask)) return make(m, input, ask, limits, &key, err);
    for (int i = 0; i < input->rank; i++) {
        tp_buf_int(&key, input->dim[i]);
        tp_buf_text(&key, ",");
    }
    tp_ask_key(&key, ask);
    struct tp_kept_plan *kept = NULL;
    if (tp_buf_ok(&key, "plan", err)) {
        kept = find(plans, &key);
        if (!kept && (kept = make(m, input, ask, limits, &key, err))) keep(plans, kept);
    }
    tp_buf_fini(&key);
    return kept;
}

void tp_plans_put(struct tp_plans *plans, struct tp_kept_plan *kept)
{
    if (plans) pthread_mutex_lock(&plans->lock);
    drop(kept);
    if (plans) pthread_mutex_unlock(&plans->lock);
}
