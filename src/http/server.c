/* server.c - from a socket to a job, and back. */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "http/exchange.h"
#include "http/policy.h"
#include "http/routes.h"

enum { CONNECTION_MEMORY_BYTES = 32 << 10, RETRY_SECONDS = 1, DRAIN_STEP_US = 2000 };

struct tp_server {
    struct MHD_Daemon *daemon;
    struct tp_server_options options;
    struct tp_models *models;
    struct tp_workers *workers;
    struct tp_seat seat;             /* of the event loop's thread, for tiny jobs */
    struct tp_loader *_Atomic loader;            /* NULL: no model control */
    atomic_bool draining;
    atomic_int n_exchanges;          /* requests that have begun and not ended */
    int port;
};

bool tp_server_draining(const struct tp_server *s) { return atomic_load(&s->draining); }
struct tp_models *tp_server_models(const struct tp_server *s) { return s->models; }
const struct tp_limits *tp_server_limits(const struct tp_server *s) { return &s->options.limits; }
int tp_server_port(const struct tp_server *s) { return s->port; }
struct tp_loader *tp_server_loader(const struct tp_server *s) { return atomic_load(&s->loader); }

void tp_server_allow_control(struct tp_server *s, struct tp_loader *loader)
{
    atomic_store(&s->loader, loader);
}

const char *tp_server_library(void) { return MHD_get_version(); }

/* ---- a request's life, in the order in which libmicrohttpd calls ----------------------------- */

/* The request line is there. What is returned comes back as *con_cls. */
static void *begin(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct tp_server *s = cls;
    struct tp_exchange *ex = calloc(1, sizeof *ex);
    if (!ex) return NULL;
    ex->server = s;
    ex->connection = connection;
    ex->bad_target = strstr(target, "%00") != NULL;
    atomic_fetch_add(&s->n_exchanges, 1);
    return ex;
}

/* The reply was sent, or the connection is gone. */
static void end(void *cls, struct MHD_Connection *connection, void **con_cls,
                enum MHD_RequestTerminationCode why)
{
    struct tp_server *s = cls;
    struct tp_exchange *ex = *con_cls;
    (void)connection, (void)why;
    if (!ex) return;
    if (ex->has_job) {
        tp_job_fini(&ex->job);
        tp_models_put(ex->job.served);
    }
    tp_reply_fini(&ex->reply);
    free(ex);
    *con_cls = NULL;
    atomic_fetch_sub(&s->n_exchanges, 1);
}

static enum MHD_Result send_reply(struct tp_exchange *ex)
{
    if (tp_server_draining(ex->server)) ex->reply.close = true;
    return tp_reply_send(&ex->reply, ex->connection, ex->request_id);
}

static void refuse_large(struct tp_exchange *ex)
{
    tp_reply_refuse(&ex->reply, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", ex->request_id,
                    "the body exceeds the limit of %zu bytes (--max-body)",
                    ex->server->options.limits.max_body_bytes);
}

static void refuse_now(struct tp_exchange *ex, const char *why)
{
    ex->reply.retry_after_seconds = RETRY_SECONDS;
    tp_reply_refuse(&ex->reply, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable", ex->request_id, "%s",
                    why);
}

/* Everything that can be said before the body is read. False: ex->reply says it. */
static bool admit(struct tp_exchange *ex, const char *method, const char *path,
                  const struct tp_framing *framing)
{
    ex->route = tp_routes_find(ex, method, path);
    if (!ex->route) return false;
    if (!ex->route->always && tp_server_draining(ex->server)) {
        refuse_now(ex, "draining: no new work is taken");
        return false;
    }
    if (framing->length > ex->server->options.limits.max_body_bytes) {
        refuse_large(ex);
        return false;
    }
    return ex->route->kind == TP_ROUTE_ANSWER || tp_routes_begin(ex);
}

/* The headers are there. A refusal goes out at once when a body would follow (the library then ends
 * the connection without reading it), else at the request's end, so that the connection stays. */
static enum MHD_Result judge(struct tp_exchange *ex, const char *method, const char *path,
                             const char *version)
{
    struct tp_framing framing;
    tp_policy_request_id(ex);
    ex->state = TP_EXCHANGE_BODY;
    if (!tp_policy_judge(ex, version, &framing)) {
        ex->reply.close = true;
        return send_reply(ex);
    }
    ex->refused = !admit(ex, method, path, &framing);
    return ex->refused && framing.has_body ? send_reply(ex) : MHD_YES;
}

static enum MHD_Result take_body(struct tp_exchange *ex, const char *data, size_t *n_bytes)
{
    if (ex->has_job && !ex->too_large) {
        tp_buf_bytes(&ex->job.body, data, *n_bytes);
        if (ex->job.body.failed) {                 /* no reply is possible yet: drop the rest */
            ex->too_large = true;
            tp_buf_fini(&ex->job.body);
        }
    }
    *n_bytes = 0;
    return MHD_YES;
}

static void take_answer(struct tp_exchange *ex)
{
    struct tp_job *job = &ex->job;
    ex->reply.timing = job->timing;
    if (job->err.code != TP_OK) {
        tp_reply_fail(&ex->reply, &job->err, ex->request_id);
        return;
    }
    ex->reply.status = MHD_HTTP_OK;
    ex->reply.body = job->reply;
    ex->reply.head = job->head;
    job->reply = (struct tp_buf){ 0 };
}

/* Called by the worker. The connection is the event loop's again from here on. */
static void job_done(struct tp_job *job)
{
    struct tp_exchange *ex = job->owner;
    ex->state = TP_EXCHANGE_DONE;
    MHD_resume_connection(ex->connection);
}

static enum MHD_Result answer_now(struct tp_exchange *ex)
{
    struct tp_err err = { 0 };
    const char *takes = MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND,
                                                    MHD_HTTP_HEADER_ACCEPT_ENCODING);
    ex->route->answer(ex);
    if (!tp_head_deflate(&ex->reply.head, &ex->reply.body, takes, &err))
        tp_reply_fail(&ex->reply, &err, ex->request_id);
    return send_reply(ex);
}

/* Either the route has an answer, or the loader's thread will: then the connection sleeps until
 * tp_server_told(). It is put to sleep first, since a resume that comes before would be lost. */
static enum MHD_Result answer_body(struct tp_exchange *ex)
{
    ex->state = TP_EXCHANGE_WAITING;
    MHD_suspend_connection(ex->connection);
    ex->route->answer(ex);
    return MHD_YES;
}

void tp_server_told(struct tp_exchange *ex)
{
    ex->state = TP_EXCHANGE_TOLD;
    MHD_resume_connection(ex->connection);
}

/* The request is complete. */
static enum MHD_Result act(struct tp_exchange *ex)
{
    struct tp_server *s = ex->server;
    if (ex->refused) return send_reply(ex);
    if (ex->route->kind == TP_ROUTE_ANSWER) return answer_now(ex);
    if (ex->too_large) {
        refuse_large(ex);
        return send_reply(ex);
    }
    if (ex->route->kind == TP_ROUTE_BODY) return answer_body(ex);
    if (tp_job_is_tiny(&ex->job)) {
        ex->job.n_threads = 1;
        tp_job_run(&ex->job, &s->seat);            /* a failure stands in job.err */
        take_answer(ex);
        return send_reply(ex);
    }
    if (!tp_workers_reserve(s->workers)) {
        refuse_now(ex, "the queue is full; try again later");
        return send_reply(ex);
    }
    ex->job.owner = ex;
    ex->job.done = job_done;
    ex->state = TP_EXCHANGE_WAITING;
    MHD_suspend_connection(ex->connection);   /* before the job can be done: a resume that comes
                                                    * first would be lost */
    tp_workers_submit(s->workers, &ex->job);
    return MHD_YES;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *n_bytes, void **con_cls)
{
    struct tp_exchange *ex = *con_cls;
    (void)cls, (void)connection;
    if (!ex) return MHD_NO;                        /* no memory for it: hang up */
    switch (ex->state) {
    case TP_EXCHANGE_NEW: return judge(ex, method, path, version);
    case TP_EXCHANGE_BODY: return *n_bytes ? take_body(ex, data, n_bytes) : act(ex);
    case TP_EXCHANGE_WAITING: return MHD_YES;
    case TP_EXCHANGE_DONE: take_answer(ex); return send_reply(ex);
    case TP_EXCHANGE_TOLD: return send_reply(ex);
    }
    return MHD_NO;
}

/* ---- start and end --------------------------------------------------------------------------- */

static void log_library(void *cls, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

static void log_library(void *cls, const char *fmt, va_list args)
{
    char text[512];
    (void)cls;
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    tp_log(TP_LOG_DEBUG, "libmicrohttpd: %s", text);
}

static bool resolve(const char *host, int port, struct addrinfo **found, struct tp_err *err)
{
    char service[16];
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    snprintf(service, sizeof service, "%d", port);
    if (strcmp(host, "localhost")) hints.ai_flags |= AI_NUMERICHOST;
    else host = "127.0.0.1";
    int failed = getaddrinfo(host, service, &hints, found);
    if (!failed) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT,
                   "--host %s: %s; expected an address such as 127.0.0.1 or 0.0.0.0",
                   host, gai_strerror(failed));
}

static struct MHD_Daemon *listen_on(struct tp_server *s, const struct addrinfo *address)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG;
    if (address->ai_family == AF_INET6) flags |= MHD_USE_IPv6;
    return MHD_start_daemon(
        flags, (uint16_t)s->options.port, NULL, NULL, handle, s,
        MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,   /* first, so that it sees the rest */
        MHD_OPTION_SOCK_ADDR, address->ai_addr,
        MHD_OPTION_URI_LOG_CALLBACK, begin, s,
        MHD_OPTION_NOTIFY_COMPLETED, end, s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->options.max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)s->options.idle_seconds,
#if MHD_VERSION >= 0x01000000
        MHD_OPTION_CLIENT_DISCIPLINE_LVL, 3,
#endif
        MHD_OPTION_END);
}

bool tp_server_start(struct tp_server **out, const struct tp_server_options *options,
                     struct tp_models *models, struct tp_workers *workers, struct tp_err *err)
{
    struct addrinfo *address = NULL;
    struct tp_server *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    s->options = *options;
    s->models = models;
    s->workers = workers;
    if (!resolve(options->host, options->port, &address, err)) goto out;
    errno = 0;
    s->daemon = listen_on(s, address);
    if (!s->daemon) {
        tp_fail(err, TP_IO, "cannot listen on %s port %d: %s", options->host, options->port,
                errno ? strerror(errno) : "libmicrohttpd refused (see --log-level debug)");
        goto out;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    s->port = info ? info->port : options->port;
    *out = s;
out:
    if (address) freeaddrinfo(address);
    if (!*out) free(s);
    return *out != NULL;
}

void tp_server_drain(struct tp_server *s, int seconds)
{
    atomic_store(&s->draining, true);
    MHD_socket listener = MHD_quiesce_daemon(s->daemon);
    if (listener != MHD_INVALID_SOCKET) close(listener);
    double deadline = tp_clock_ms() + 1000.0 * seconds;
    while (atomic_load(&s->n_exchanges) > 0 && tp_clock_ms() < deadline) usleep(DRAIN_STEP_US);
}

void tp_server_free(struct tp_server *s)
{
    if (!s) return;
    MHD_stop_daemon(s->daemon);
    tp_seat_fini(&s->seat);
    free(s);
}
