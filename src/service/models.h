/* models.h - the models that this process serves. */
#ifndef TP_MODELS_H
#define TP_MODELS_H

#include "formats/model.h"
#include "service/plans.h"

struct tp_served {
    struct tp_model *model;
    struct tp_plans plans;           /* those that requests have used lately */
};

struct tp_models {
    struct tp_served *served;        /* in the order of their names */
    int n_served;
};

/* Loads the built-ins and, when `folder` is not NULL, its models, which win over built-ins of the
 * same name. A file that cannot be loaded is logged and left out; only a folder that cannot be read
 * fails. */
bool tp_models_load(struct tp_models *models, const char *folder, const struct tp_limits *limits,
                    struct tp_err *err) TP_MUST_USE;
void tp_models_fini(struct tp_models *models);

/* The model of that name; NULL with *err filled (the message lists the names there are). */
struct tp_served *tp_models_find(const struct tp_models *models, const char *name,
                                 struct tp_err *err);

#endif
