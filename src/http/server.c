/* server.c - from a socket to a job, and back. */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/log.h"
#include "http/admission.h"
#include "http/cors.h"
#include "http/descriptors.h"
#include "http/exchange.h"
#include "http/policy.h"
#include "http/routes.h"
#include "http/tls.h"
#include "service/access.h"

enum {
    CONNECTION_MEMORY_BYTES = 32 << 10,
    ADMIN_CONNECTIONS = 64,
    CONNECTION_BYTES = 40 << 10,     /* that one takes: measured, its pool above all */
    UNSENT_BYTES = 64 << 10,         /* of an answer, in the system's hands */
    STOP_MS = 1000,                  /* to answer what was stopped */
    DRAIN_STEP_US = 2000,
};

struct door {                        /* one port */
    struct tp_server *server;
    struct MHD_Daemon *daemon;
    bool admin;
    int port;
};

struct tp_server {
    struct door main, admin;
    struct tp_watch *watch;
    int max_admin;                   /* connections to its port */
    struct tp_server_options options;
    struct tp_models *models;
    struct tp_workers *workers;
    struct tp_metrics *metrics;
    struct tp_seat seat;             /* of the event loop's thread, for tiny jobs */
    struct tp_pace pace;
    struct tp_loader *_Atomic loader;            /* NULL: no model control */
    atomic_bool draining, stopping;  /* stopping: what is at work is not worth going on with */
    atomic_int n_exchanges;          /* requests that have begun and not ended */
    atomic_int n_accepted;           /* of those, with work of their own */
};

bool tp_server_draining(const struct tp_server *s) { return atomic_load(&s->draining); }
struct tp_models *tp_server_models(const struct tp_server *s) { return s->models; }
const struct tp_limits *tp_server_limits(const struct tp_server *s) { return &s->options.limits; }
struct tp_keys *tp_server_keys(const struct tp_server *s) { return s->options.keys; }
int tp_server_timeout_ms(const struct tp_server *s) { return s->options.request_seconds * 1000; }
struct tp_budget *tp_server_budget(const struct tp_server *s) { return s->options.budget; }
struct tp_workers *tp_server_workers(const struct tp_server *s) { return s->workers; }
const struct tp_cors *tp_server_cors(const struct tp_server *s) { return s->options.cors; }
struct tp_pace *tp_server_pace(struct tp_server *s) { return &s->pace; }
int tp_server_port(const struct tp_server *s) { return s->main.port; }
int tp_server_admin_port(const struct tp_server *s) { return s->admin.port; }
struct tp_loader *tp_server_loader(const struct tp_server *s) { return atomic_load(&s->loader); }

void tp_server_allow_control(struct tp_server *s, struct tp_loader *loader)
{
    atomic_store(&s->loader, loader);
}

const char *tp_server_library(void) { return MHD_get_version(); }

const char *tp_server_framing(void)
{
#if MHD_VERSION >= 0x01000000
    return "framing: refused in the parser";
#else
    return "framing: judged in the handler; bare line feeds, NUL bytes and folded headers pass "
           "this library: put nginx or haproxy in front, or use the container";
#endif
}

/* ---- a request's life, in the order in which libmicrohttpd calls ----------------------------- */

/* The system takes up to megabytes of an answer for each client that does not read it, memory that
 * no budget here sees: 670 MiB for a thousand of them, 135 with this bound on what the client has
 * no room for. Answers of 6 MB to one that reads take as long. A system without it takes more. */
static void bound_unsent(int fd)
{
    const int n_bytes = UNSENT_BYTES;
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &n_bytes, sizeof n_bytes);
}

/* A connection came, or its socket is about to be closed. One that cannot be watched ends. */
static void connect_or_close(void *cls, struct MHD_Connection *connection, void **context,
                             enum MHD_ConnectionNotificationCode what)
{
    struct door *door = cls;
    struct tp_server *s = door->server;
    struct tp_budget *budget = door->admin ? NULL : s->options.budget;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*context) tp_budget_give(budget, CONNECTION_BYTES);
        tp_watch_remove(s->watch, *context);
        return;
    }
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (tp_budget_take_spare(budget, CONNECTION_BYTES)) {
        *context = tp_watch_add(s->watch, fd);
        bound_unsent(fd);
        if (*context) return;
        tp_budget_give(budget, CONNECTION_BYTES);
    }
    tp_metrics_reject(s->metrics, TP_REJECT_CONNECTIONS);
    shutdown(fd, SHUT_RDWR);
}

/* The request line is there. What is returned comes back as *con_cls. */
static void *begin(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct door *door = cls;
    struct tp_server *s = door->server;
    struct tp_watched *watched =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (!watched || !tp_watch_line(watched)) return NULL;
    struct tp_exchange *ex = calloc(1, sizeof *ex);
    if (!ex) return NULL;
    ex->server = s;
    ex->watched = watched;
    ex->admin = door->admin;
    ex->connection = connection;
    ex->begun_ms = tp_clock_ms();
    const size_t n = strcspn(target, "?");
    memcpy(ex->path, target, n < sizeof ex->path ? n : sizeof ex->path - 1);
    ex->bad_target = strstr(target, "%00") != NULL;
    atomic_fetch_add(&s->n_exchanges, 1);
    return ex;
}

static enum tp_access_end end_of(enum MHD_RequestTerminationCode why)
{
    switch (why) {
    case MHD_REQUEST_TERMINATED_COMPLETED_OK: return TP_ACCESS_ANSWERED;
    case MHD_REQUEST_TERMINATED_TIMEOUT_REACHED: return TP_ACCESS_SLOW;
    case MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN: return TP_ACCESS_STOPPED;
    case MHD_REQUEST_TERMINATED_WITH_ERROR:
    case MHD_REQUEST_TERMINATED_READ_ERROR:
    case MHD_REQUEST_TERMINATED_CLIENT_ABORT: return TP_ACCESS_GONE;
    }
    return TP_ACCESS_GONE;
}

static void log_request(struct tp_exchange *ex, double ms, const struct tp_timing *timing,
                        enum tp_access_end how)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct tp_buf line = { 0 };
    tp_access_write(&line, &(struct tp_access){
        .id = ex->request_id, .key = ex->key_name, .method = ex->method, .path = ex->path,
        .model = ex->model,
        .route = ex->route ? ex->route->path : "other", .trace = ex->trace,
        .rejected = tp_metrics_reject_name(ex->rejected),
        .client = info ? info->client_addr : NULL,
        .status = ex->reply.status, .n_bytes_in = ex->n_bytes_in, .n_bytes_out = ex->n_bytes_out,
        .total_ms = ms, .timing = timing, .end = how });
    if (!line.failed) tp_sink_put(ex->server->options.log, line.data, line.n_bytes);
    tp_buf_fini(&line);
}

/* Counts and logs it. */
static void account(struct tp_exchange *ex, enum MHD_RequestTerminationCode why)
{
    struct tp_server *s = ex->server;
    const double ms = tp_clock_ms() - ex->begun_ms;
    const enum tp_access_end how = tp_watch_was_cut(ex->watched) ? TP_ACCESS_SLOW : end_of(why);
    const bool worked = ex->has_job && ex->route->kind == TP_ROUTE_JOB &&
                        ex->reply.status == MHD_HTTP_OK;
    const struct tp_timing *timing = worked ? &ex->reply.timing : NULL;
    if (!ex->rejected && how == TP_ACCESS_GONE) ex->rejected = TP_REJECT_CLIENT_GONE;
    if (!ex->rejected && how == TP_ACCESS_SLOW) ex->rejected = TP_REJECT_SLOW;
    tp_metrics_count(s->metrics, tp_routes_index(ex->route), ex->reply.status, ms, timing);
    tp_metrics_reject(s->metrics, ex->rejected);
    if (s->options.log && (!ex->route || !ex->route->probe || tp_log_wants(TP_LOG_DEBUG)))
        log_request(ex, ms, timing, how);
}

/* The reply was sent, or the connection is gone. */
static void end(void *cls, struct MHD_Connection *connection, void **con_cls,
                enum MHD_RequestTerminationCode why)
{
    struct tp_server *s = ((struct door *)cls)->server;
    struct tp_exchange *ex = *con_cls;
    (void)connection;
    if (!ex) return;
    account(ex, why);
    tp_watch_enter(ex->watched, TP_WATCH_IDLE);
    tp_reply_fini(&ex->reply);                     /* first: its body is of the job's share */
    if (ex->has_job) {
        tp_job_fini(&ex->job);
        tp_models_put(ex->job.served);
        atomic_fetch_sub(&s->n_accepted, 1);
    }
    free(ex);
    *con_cls = NULL;
    atomic_fetch_sub(&s->n_exchanges, 1);
}

static enum MHD_Result send_reply(struct tp_exchange *ex)
{
    if (tp_server_draining(ex->server)) ex->reply.close = true;
    ex->n_bytes_out = strcmp(ex->method, "HEAD") ? ex->reply.body.n_bytes : 0;
    if (!tp_watch_enter(ex->watched, TP_WATCH_ANSWER)) return MHD_NO;
    return tp_reply_send(&ex->reply, ex->connection, ex->request_id);
}

/* Everything that can be said before the body is read. False: ex->reply says it. */
static bool admit(struct tp_exchange *ex, const char *method, const char *path,
                  const struct tp_framing *framing)
{
    if (!tp_admission_judge(ex, method, path, framing)) return false;
    if (ex->route->kind == TP_ROUTE_ANSWER) return true;
    atomic_fetch_add(&ex->server->n_accepted, 1);
    return tp_routes_begin(ex) &&
           (ex->route->kind != TP_ROUTE_JOB || tp_admission_has_room(ex, framing));
}

/* The headers are there. */
static enum MHD_Result judge(struct tp_exchange *ex, const char *method, const char *path,
                             const char *version)
{
    struct tp_framing framing;
    tp_policy_request_id(ex);
    ex->presence.fd =
        MHD_get_connection_info(ex->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    ex->presence.may_ask = !ex->server->options.tls && !strcmp(version, MHD_HTTP_VERSION_1_1);
    snprintf(ex->method, sizeof ex->method, "%s", method);
    tp_trace_read(MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND, "traceparent"),
                  ex->trace);
    tp_cors_allow(ex->server->options.cors,
                  MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND, "Origin"),
                  &ex->reply);
    ex->state = TP_EXCHANGE_BODY;
    if (!tp_policy_judge(ex, version, &framing)) {
        ex->rejected = TP_REJECT_MALFORMED;
        ex->reply.close = true;
        return send_reply(ex);
    }
    ex->refused = !admit(ex, method, path, &framing);
    tp_watch_name(ex->watched, ex->request_id);
    if (!tp_watch_enter(ex->watched, TP_WATCH_BODY)) return MHD_NO;
    return ex->refused && !tp_admission_lets_pass(ex, &framing) ? send_reply(ex) : MHD_YES;
}

static enum MHD_Result take_body(struct tp_exchange *ex, const char *data, size_t *n_bytes)
{
    ex->n_bytes_in += *n_bytes;
    tp_watch_took(ex->watched, *n_bytes);
    if (ex->has_job && !ex->overflowed && !ex->refused) {
        tp_buf_bytes(&ex->job.body, data, *n_bytes);
        if (ex->job.body.failed) {                 /* no reply is possible yet: drop the rest */
            ex->overflowed = true;
            if (ex->job.share.refused_bytes) tp_share_fail(&ex->job.share, &ex->job.err);
            tp_buf_fini(&ex->job.body);
        }
    }
    *n_bytes = 0;
    return MHD_YES;
}

/* Which of the refusals that are counted a failure is. */
static enum tp_reject reason_of(enum tp_code code)
{
    return code == TP_TOO_LARGE ? TP_REJECT_TOO_LARGE
           : code == TP_DEADLINE ? TP_REJECT_DEADLINE
           : code == TP_CANCELLED ? TP_REJECT_CLIENT_GONE
           : code == TP_UNAVAILABLE ? TP_REJECT_MEMORY : TP_REJECT_NONE;
}

static void take_answer(struct tp_exchange *ex)
{
    struct tp_job *job = &ex->job;
    ex->reply.timing = job->timing;
    if (job->err.code != TP_OK) {
        ex->rejected = atomic_load(&ex->server->stopping) ? TP_REJECT_DRAINING
                                                          : reason_of(job->err.code);
        if (job->err.code == TP_UNAVAILABLE)
            ex->reply.retry_after_seconds = tp_admission_retry_seconds(ex->server);
        tp_reply_fail(&ex->reply, &job->err, ex->request_id);
        return;
    }
    ex->reply.status = MHD_HTTP_OK;
    ex->reply.body = job->reply;
    ex->reply.head = job->head;
    job->reply = (struct tp_buf){ 0 };
}

/* Called by the worker, between layers. */
static bool job_wanted(struct tp_job *job, struct tp_err *err)
{
    struct tp_exchange *ex = job->owner;
    if (atomic_load_explicit(&ex->server->stopping, memory_order_relaxed))
        return tp_fail(err, TP_UNAVAILABLE, "the service ended before this was done "
                       "(--drain-seconds)");
    return tp_presence_look(&ex->presence) ||
           tp_fail(err, TP_CANCELLED, "the client has closed the connection");
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
    if (!tp_watch_enter(ex->watched, TP_WATCH_WORK)) return MHD_NO;
    if (ex->refused) return send_reply(ex);
    if (ex->route->kind == TP_ROUTE_ANSWER) return answer_now(ex);
    if (ex->overflowed) {
        if (ex->job.err.code == TP_OK) tp_admission_refuse_large(ex);
        else take_answer(ex);
        return send_reply(ex);
    }
    if (ex->route->kind == TP_ROUTE_BODY) return answer_body(ex);
    if (tp_job_is_tiny(&ex->job)) {
        ex->job.n_threads = 1;
        tp_job_run(&ex->job, &s->seat);            /* a failure stands in job.err */
        take_answer(ex);
        return send_reply(ex);
    }
    const struct tp_wait wait = tp_workers_reserve(s->workers, &ex->job);
    if (wait.place != TP_PLACE_FREE) {
        tp_admission_refuse_waiting(ex, wait);
        return send_reply(ex);
    }
    ex->job.owner = ex;
    ex->job.done = job_done;
    ex->job.wanted = job_wanted;
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

static struct MHD_Daemon *listen_on(const struct tp_server_options *o, struct door *door,
                                    const struct addrinfo *address)
{
    const int limit = door->admin ? door->server->max_admin : o->max_connections;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG;
    if (address->ai_family == AF_INET6) flags |= MHD_USE_IPv6;
    if (o->tls) flags |= MHD_USE_TLS;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, handle, door,
        MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,   /* first, so that it sees the rest */
        MHD_OPTION_ARRAY, tp_tls_options(o->tls),
        MHD_OPTION_SOCK_ADDR, address->ai_addr,
        MHD_OPTION_NOTIFY_CONNECTION, connect_or_close, door,
        MHD_OPTION_URI_LOG_CALLBACK, begin, door,
        MHD_OPTION_NOTIFY_COMPLETED, end, door,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)limit,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)(door->admin ? 0 : o->max_per_address),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)o->idle_seconds,
#if MHD_VERSION >= 0x01000000
        MHD_OPTION_CLIENT_DISCIPLINE_LVL, 3,
#endif
        MHD_OPTION_END);
}

void tp_server_measure(struct tp_server *s, struct tp_buf *b)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(s->main.daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    const struct tp_workers_load load = tp_workers_load(s->workers);
    tp_metrics_write(s->metrics, b, &(struct tp_gauges){
        .queue_depth = load.n_queued, .compute_threads = load.n_threads,
        .in_flight = atomic_load(&s->n_exchanges), .connections = info ? info->num_connections : 0,
        .memory_reserved_bytes = (int64_t)tp_budget_taken(s->options.budget),
        .memory_budget_bytes = s->options.budget ? (int64_t)s->options.budget->limit_bytes : 0,
        .heap_bytes = (int64_t)tp_heap_used(),
        .log_dropped = tp_sink_dropped(s->options.log), .version = TP_VERSION,
        .cpu = tp_cpu_name() }, s->models);
}

static bool open_door(struct tp_server *s, struct door *door, int port, struct tp_err *err)
{
    const struct tp_server_options *o = &s->options;
    struct addrinfo *address = NULL;
    door->server = s;
    if (o->tls && !MHD_is_feature_supported(MHD_FEATURE_HTTPS_CERT_CALLBACK2))
        return tp_fail(err, TP_UNAVAILABLE, "--tls-cert: libmicrohttpd %s is built without TLS "
                       "here", MHD_get_version());
    if (!resolve(o->host, port, &address, err)) return false;
    errno = 0;
    door->daemon = listen_on(o, door, address);
    freeaddrinfo(address);
    if (!door->daemon)
        return tp_fail(err, TP_IO, "cannot listen on %s port %d: %s", o->host, port,
                       errno ? strerror(errno) : "libmicrohttpd refused (see --log-level debug)");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_BIND_PORT);
    door->port = info ? info->port : port;
    return true;
}

static bool start_watch(struct tp_server *s, struct tp_err *err)
{
    const struct tp_server_options *o = &s->options;
    const struct tp_watch_options w = {
        .header_ms = o->header_seconds * 1000, .idle_ms = o->idle_seconds * 1000,
        .body_ms = o->body_seconds * 1000, .min_rate = o->min_rate,
        .max_connections = o->max_connections, .may_write = !o->tls,
    };
    return tp_watch_start(&s->watch, &w, err);
}

bool tp_server_start(struct tp_server **out, const struct tp_server_options *options,
                     struct tp_models *models, struct tp_workers *workers, struct tp_err *err)
{
    const char *paths[TP_ROUTES_MOST];
    int n_paths;
    struct tp_server *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    s->options = *options;
    s->models = models;
    s->workers = workers;
    tp_routes_paths(paths, &n_paths);
    s->seat.budget = options->budget;
    s->admin.admin = true;
    s->max_admin = options->admin_port ? ADMIN_CONNECTIONS : 0;
    if (tp_metrics_new(&s->metrics, paths, n_paths, err) &&
        tp_descriptors_fit(&s->options.max_connections, &s->max_admin, err) &&
        start_watch(s, err) && open_door(s, &s->main, options->port, err) &&
        (!options->admin_port || open_door(s, &s->admin, options->admin_port, err))) {
        *out = s;
        return true;
    }
    tp_server_free(s);
    return false;
}

/* Whether all that was accepted is answered, by then. */
static bool settle(struct tp_server *s, double deadline_ms)
{
    while (atomic_load(&s->n_accepted) > 0) {
        if (tp_clock_ms() >= deadline_ms) return false;
        usleep(DRAIN_STEP_US);
    }
    return true;
}

/* The door stays open, so that who still comes is told 503, and probes that it is not ready. */
void tp_server_drain(struct tp_server *s, int seconds)
{
    atomic_store(&s->draining, true);
    const double all_ms = 1000.0 * seconds, stop_ms = all_ms > 4 * STOP_MS ? STOP_MS : all_ms / 4;
    const double start_ms = tp_clock_ms();
    if (settle(s, start_ms + all_ms - stop_ms)) return;
    tp_log(TP_LOG_WARN, "--drain-seconds %d are nearly over: what is still at work is ended",
           seconds);
    atomic_store(&s->stopping, true);
    settle(s, start_ms + (all_ms > STOP_MS ? all_ms : STOP_MS));
}

void tp_server_free(struct tp_server *s)
{
    if (!s) return;
    if (s->main.daemon) MHD_stop_daemon(s->main.daemon);
    if (s->admin.daemon) MHD_stop_daemon(s->admin.daemon);
    tp_watch_stop(s->watch);
    tp_seat_fini(&s->seat);
    tp_metrics_free(s->metrics);
    free(s);
}
