/* routes.h - which path and method mean what. */
#ifndef TP_ROUTES_H
#define TP_ROUTES_H

#include "http/exchange.h"

enum tp_route_kind {
    TP_ROUTE_ANSWER,                 /* answered at once; a body is ignored */
    TP_ROUTE_BODY,                   /* answered from ex->job.body, when that is there */
    TP_ROUTE_JOB,                    /* a worker's job */
};

struct tp_route {
    const char *method, *path;       /* "{m}" stands for a model's name, "{v}" for its version */
    enum tp_route_kind kind;
    void (*answer)(struct tp_exchange *ex);      /* ANSWER: fills ex->reply; BODY: may instead leave
                                                    it to another thread */
    enum tp_job_kind job;
    const struct tp_dialect *dialect;            /* of the job and of errors; NULL: our own */
    bool always;                     /* answered while draining too */
    bool probe;                      /* asked all the time: logged for debugging alone */
    bool control;                    /* there only with --model-control */
};

enum { TP_ROUTES_MOST = 64 };

/* The path patterns of all routes, and which of them a request's is; -1: none. */
void tp_routes_paths(const char *paths[TP_ROUTES_MOST], int *n);
int tp_routes_index(const struct tp_route *route);

/* The route of a request; NULL when there is none, ex->reply saying 404 or 405 then. Fills
 * ex->model. */
const struct tp_route *tp_routes_find(struct tp_exchange *ex, const char *method, const char *path);

/* Prepares ex->job for the route's work: model and query. False: ex->reply says why not. */
bool tp_routes_begin(struct tp_exchange *ex);

#endif
