/* intake_of.h - what a reader of requests is given, without a service around it. */
#ifndef INTAKE_OF_H
#define INTAKE_OF_H

#include <string.h>

#include "formats/dialect.h"

enum intake_for { FOR_LAST, FOR_FIRST, FOR_PIPELINE };

/* Models with an input of 8x8, channels last or first, that only readers look at. */
static const struct tp_model *intake_model(enum intake_for what)
{
    static const char *outputs[] = { "pool" };
    static const struct tp_model last = {
        .name = "last", .input_name = "input", .outputs = outputs, .n_outputs = 1,
        .input = { .rank = 4, .dim = { TP_ANY, 8, 8, 1 } },
    };
    static const struct tp_model first = {
        .name = "first", .input_name = "image", .outputs = outputs, .n_outputs = 1,
        .channels_first = true, .input = { .rank = 4, .dim = { TP_ANY, 8, 8, 3 } },
    };
    return what == FOR_LAST ? &last : what == FOR_FIRST ? &first : NULL;
}

static const struct tp_model *intake_find(void *ctx, const char *name, struct tp_err *err)
{
    (void)ctx;
    if (!strcmp(name, "last")) return intake_model(FOR_LAST);
    tp_fail(err, TP_NOT_FOUND, "no model '%s'", name);
    return NULL;
}

/* Reads a body as `dialect` does; *rq is to be released also when this fails. */
static bool intake_read(const struct tp_dialect *dialect, struct tp_request *rq,
                        const struct tp_body *body, enum intake_for what,
                        const struct tp_limits *limits, struct tp_arena *arena, struct tp_err *err)
{
    *rq = (struct tp_request){ 0 };
    struct tp_intake in = {
        .rq = rq, .model = intake_model(what), .find = intake_find, .limits = limits,
        .n_threads = 1, .arena = arena, .err = err,
    };
    return dialect->read(&in, body);
}

#endif
