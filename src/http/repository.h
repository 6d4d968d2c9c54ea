/* repository.h - the routes of the models' repository: index, load, unload, statistics. */
#ifndef TP_HTTP_REPOSITORY_H
#define TP_HTTP_REPOSITORY_H

#include "http/exchange.h"

/* Fill ex->reply at once. */
void tp_repository_get_all_stats(struct tp_exchange *ex);        /* GET /v2/models/stats */
void tp_repository_get_stats(struct tp_exchange *ex);            /* GET /v2/models/{m}/stats */

/* Of a suspended exchange with its whole body in ex->job.body: fill ex->reply and call
 * tp_server_told(), which the last two leave to the loader's thread. */
void tp_repository_index(struct tp_exchange *ex);        /* POST /v2/repository/index */
void tp_repository_load(struct tp_exchange *ex);         /* POST .../models/{m}/load */
void tp_repository_unload(struct tp_exchange *ex);       /* POST .../models/{m}/unload */

#endif
