/* exchange.h - one request and its reply, as the rooms of this floor share them. */
#ifndef TP_EXCHANGE_H
#define TP_EXCHANGE_H

#include <microhttpd.h>

#include "http/keys.h"
#include "http/presence.h"
#include "http/reply.h"
#include "http/server.h"
#include "http/watch.h"
#include "service/job.h"
#include "service/metrics.h"
#include "service/trace.h"

enum { TP_REQUEST_ID_BYTES = 132, TP_EXCHANGE_PATH_BYTES = 256 };

enum tp_exchange_state {
    TP_EXCHANGE_NEW,                 /* its headers are there and not judged */
    TP_EXCHANGE_BODY,                /* its body is arriving */
    TP_EXCHANGE_WAITING,             /* a worker has the job; the connection is suspended */
    TP_EXCHANGE_DONE,                /* the worker has given it back */
    TP_EXCHANGE_TOLD,                /* the loader has; the reply stands */
};

struct tp_exchange {
    struct tp_server *server;
    struct MHD_Connection *connection;
    enum tp_exchange_state state;
    struct tp_watched *watched;      /* its connection's deadlines */
    bool admin;                      /* it came to --admin-port */
    bool bad_target;                 /* the raw request target holds what no path may (%00) */
    bool refused;                    /* the reply stands; it waits for the end of the request */
    bool overflowed;                 /* the body went beyond its limit, or what memory there is
                                        (job.err says so); what comes on is dropped */
    const struct tp_route *route;
    char model[256];                 /* {m} of the path, */
    char version[16];                /* {v}, "" where it has none */
    char request_id[TP_REQUEST_ID_BYTES];
    char key_name[TP_KEY_NAME_BYTES];            /* whose key it came with; "": none was asked */
    enum tp_reject rejected;
    double begun_ms;                 /* tp_clock_ms() */
    uint64_t n_bytes_in, n_bytes_out;            /* of the bodies */
    char method[16], path[TP_EXCHANGE_PATH_BYTES];           /* as sent, cut, without the query */
    char trace[TP_TRACE_ID_BYTES];
    struct tp_reply reply;
    struct tp_presence presence;     /* of the client, while a worker has the job */
    bool has_job;
    struct tp_job job;
};

#endif
