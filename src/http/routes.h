/* routes.h - which path and method mean what. */
#ifndef TP_ROUTES_H
#define TP_ROUTES_H

#include "http/exchange.h"

struct tp_route {
    const char *method, *path;       /* "{m}" stands for one segment, a model's name */
    void (*answer)(struct tp_exchange *ex);      /* fills ex->reply; NULL: the path takes a job */
    enum tp_job_kind job;
    bool always;                     /* answered while draining too */
};

/* The route of a request; NULL when there is none, ex->reply saying 404 or 405 then. Fills
 * ex->model. */
const struct tp_route *tp_routes_find(struct tp_exchange *ex, const char *method, const char *path);

/* Prepares ex->job for the route's work: model and query. False: ex->reply says why not. */
bool tp_routes_begin(struct tp_exchange *ex);

#endif
