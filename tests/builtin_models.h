/* builtin_models.h - the built-in models under the default limits, for a group of tests. */
#ifndef BUILTIN_MODELS_H
#define BUILTIN_MODELS_H

#include "service/models.h"

static struct tp_limits limits;
static struct tp_models models;

static inline int start_models(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    limits = tp_limits_default();
    return !tp_models_init(&models, NULL, &limits, &err);
}

static inline int stop_models(void **state)
{
    (void)state;
    tp_models_fini(&models);
    return 0;
}

#endif
