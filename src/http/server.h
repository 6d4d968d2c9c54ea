/* server.h - the listening side: from a socket to a job, and back.
 *
 * One thread runs the event loop (epoll); it parses, reads bodies and writes replies, and does only
 * jobs so small that handing them over would cost more. All others go to the workers: the
 * connection is suspended, and resumed with the answer. That thread owns no OpenMP team. */
#ifndef TP_SERVER_H
#define TP_SERVER_H

#include "service/loader.h"
#include "service/workers.h"

struct tp_cors;
struct tp_keys;
struct tp_server;
struct tp_tls;

struct tp_server_options {
    const char *host;                /* a numeric address, or "localhost" */
    int port;                        /* 0: any that is free */
    int admin_port;                  /* a second one, for what is always answered; 0: none */
    int max_connections;             /* lowered where the system has not that many descriptors */
    int max_per_address;             /* 0: as many as there are */
    int idle_seconds;                /* without a byte from the client */
    struct tp_sink *log;             /* takes a line per request; NULL: nobody does */
    int header_seconds, body_seconds, min_rate;  /* see watch.h */
    const struct tp_cors *cors;      /* NULL: pages of other origins read nothing */
    struct tp_budget *budget;        /* of memory; NULL: none */
    int request_seconds;             /* from a request's line to its answer; 0: no deadline */
    struct tp_limits limits;
    struct tp_keys *keys;            /* borrowed; NULL: none is asked for */
    struct tp_tls *tls;              /* borrowed; NULL: plain HTTP */
};

/* Starts to listen and answer. `models` and `workers` are borrowed and must outlive it. */
bool tp_server_start(struct tp_server **out, const struct tp_server_options *options,
                     struct tp_models *models, struct tp_workers *workers,
                     struct tp_err *err) TP_MUST_USE;

/* Lets clients load and unload models through that loader, which must outlive the server's use. To
 * be called once, before the first such request may come. */
void tp_server_allow_control(struct tp_server *s, struct tp_loader *loader);

int tp_server_port(const struct tp_server *s);
int tp_server_admin_port(const struct tp_server *s);         /* 0: none */

/* Version of the HTTP library in use. */
const char *tp_server_library(void);

/* Where requests are judged that could be read in two ways: a line for the log. */
const char *tp_server_framing(void);

/* Answers what was accepted, for at most `seconds`, and refuses new work meanwhile; ends what is
 * then still at work. */
void tp_server_drain(struct tp_server *s, int seconds);

/* Ends it; the workers must have no job of it left. NULL is fine. */
void tp_server_free(struct tp_server *s);

/* For who judges and answers. */
bool tp_server_draining(const struct tp_server *s);
struct tp_models *tp_server_models(const struct tp_server *s);
const struct tp_limits *tp_server_limits(const struct tp_server *s);
struct tp_keys *tp_server_keys(const struct tp_server *s);
int tp_server_timeout_ms(const struct tp_server *s);         /* 0: none */
struct tp_budget *tp_server_budget(const struct tp_server *s);
struct tp_workers *tp_server_workers(const struct tp_server *s);
const struct tp_cors *tp_server_cors(const struct tp_server *s);

/* What is learnt from jobs whose model is not known before they run. */
struct tp_pace *tp_server_pace(struct tp_server *s);

/* Whom to ask for changes of the repository; NULL: that is not allowed (--model-control). */
struct tp_loader *tp_server_loader(const struct tp_server *s);

/* Writes the metrics of this moment. */
void tp_server_measure(struct tp_server *s, struct tp_buf *b);

/* The reply of a request that waits for another thread stands. From any thread, once. */
struct tp_exchange;
void tp_server_told(struct tp_exchange *ex);

#endif
