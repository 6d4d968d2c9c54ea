/* plans.h - plans are made once and used by many requests. */
#ifndef TP_PLANS_H
#define TP_PLANS_H

#include <pthread.h>

#include "formats/options.h"

enum { TP_PLANS_KEPT = 32 };         /* of one model; the longest unused makes room */

struct tp_plans {
    pthread_mutex_t lock;
    struct tp_kept_plan *kept[TP_PLANS_KEPT];
    uint64_t clock;
};

void tp_plans_init(struct tp_plans *plans);
void tp_plans_fini(struct tp_plans *plans);      /* nobody may hold one any more */

/* A plan for this input and ask, made or found; give it back with tp_plans_put(). Any thread.
 * plans may be NULL, and an ask have boxes: then the plan is the caller's alone. */
struct tp_kept_plan *tp_plans_get(struct tp_plans *plans, const struct tp_model *m,
                                  const struct tp_shape *input, const struct tp_ask *ask,
                                  const struct tp_limits *limits, struct tp_err *err);
void tp_plans_put(struct tp_plans *plans, struct tp_kept_plan *kept);

const struct tp_plan *tp_kept_plan(const struct tp_kept_plan *kept);

#endif
