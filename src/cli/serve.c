/* serve.c - the service: start, wait for a signal, drain, stop. */
#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cpu.h"
#include "base/heap.h"
#include "base/log.h"
#include "cli/cli.h"
#include "http/cors.h"
#include "http/keys.h"
#include "http/server.h"
#include "http/tls.h"
#include "service/loader.h"
#include "service/memory.h"
#include "service/sandbox.h"

enum {
    LOG_WAIT_MS = 1000,              /* for who reads the log, at the end */
    STUCK_MS = 500,                  /* for work that was ended to notice */
    LOOK_SECONDS = 2,                /* between two looks at the quota and the heap */
};

struct settings {
    struct tp_server_options http;
    const char *models;
    int threads, queue_depth, queue_seconds, drain_seconds;
    size_t memory_budget;            /* 0: by the system's memory */
    bool model_control, insecure, no_sandbox;
    const char *api_key, *api_key_file, *cors_origins, *tls_cert, *tls_key;
    const char *log_level, *log_format, *log_requests;
};

static struct settings defaults(void)
{
    return (struct settings){
        .http = { .host = "127.0.0.1", .port = 8080, .max_connections = 1024, .idle_seconds = 60,
                  .header_seconds = 10, .body_seconds = 30, .min_rate = 1024, .request_seconds = 60,
                  .limits = tp_limits_default() },
        .queue_depth = 256, .queue_seconds = 20, .drain_seconds = 20,
        .log_level = "info", .log_format = "text", .log_requests = "on",
    };
}

static void reload_keys(struct tp_keys *keys)
{
    struct tp_err err = { 0 };
    if (!tp_keys_reload(keys, &err))
        tp_log(TP_LOG_ERROR, "the keys stay as they were: %s", err.message);
    else if (keys) tp_log(TP_LOG_INFO, "the keys were read again");
}

static void reload_tls(struct tp_tls *tls)
{
    struct tp_err err = { 0 };
    if (!tp_tls_reload(tls, &err))
        tp_log(TP_LOG_ERROR, "the certificate stays as it was: %s", err.message);
    else if (tls) tp_log(TP_LOG_INFO, "the certificate was read again");
}

/* As tp_server_start() will understand it ("0" is 0.0.0.0), which refuses what is no address. */
static bool is_beyond_loopback(const char *host)
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST };
    struct addrinfo *found;
    if (!strcmp(host, "localhost") || getaddrinfo(host, NULL, &hints, &found)) return false;
    const struct sockaddr_in *four = (const void *)found->ai_addr;
    const struct sockaddr_in6 *six = (const void *)found->ai_addr;
    const bool beyond = found->ai_family == AF_INET
                            ? ntohl(four->sin_addr.s_addr) >> 24 != 127
                            : !IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
    freeaddrinfo(found);
    return beyond;
}

/* Reads the keys; without any, only this machine may be listened to unless --insecure says so. */
static bool setup_keys(struct settings *s, struct tp_err *err)
{
    if (!tp_keys_open(&s->http.keys, s->api_key, s->api_key_file, err)) return false;
    if (s->http.keys || s->insecure || !is_beyond_loopback(s->http.host)) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "--host %s would let in anyone who can reach it; give "
                   "keys with --api-key-file FILE, or listen on --host 127.0.0.1 only, or say that "
                   "it is meant with --insecure", s->http.host);
}

/* A quota that was changed: fewer threads compute at once, or as many again as at the start. */
static void follow_quota(struct tp_workers *workers, const struct tp_cgroup *cgroup)
{
    const double quota = tp_cgroup_cpus(cgroup);
    const int before = tp_workers_load(workers).n_threads;
    const bool is_less = quota > 0 && quota < tp_cpu_allowed(NULL, 0);
    const int now = tp_workers_allow(workers, tp_cpu_within(quota), is_less ? quota : 0);
    if (now != before)
        tp_log(TP_LOG_INFO, "the quota is %.2f processors now: %d compute threads, %d before",
               quota, now, before);
}

/* Blocks until SIGTERM or SIGINT, which every thread has blocked, and names it. At SIGHUP the
 * models, the keys and the certificate are read again. */
static const char *wait_for_end(const sigset_t *signals, struct tp_loader *loader,
                                const struct tp_server_options *http, struct tp_workers *workers,
                                const struct tp_cgroup *cgroup)
{
    for (;;) {
        const struct timespec most = { .tv_sec = LOOK_SECONDS };
        follow_quota(workers, cgroup);
        const int number = sigtimedwait(signals, NULL, &most);
        if (number == SIGTERM || number == SIGINT) return number == SIGTERM ? "SIGTERM" : "SIGINT";
        if (number == SIGHUP) {
            reload_keys(http->keys);
            reload_tls(http->tls);
            tp_loader_again(loader);
        }
        tp_heap_trim_if_worth();
    }
}

static void allow_second_signal(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
}

struct news {                        /* what the first load's end is told with */
    const struct settings *settings;
    struct tp_models *models;
    struct tp_server *server;
    int n_threads;
    bool told;
};

/* After every load, from the loader's thread. */
static void loaded(void *ctx)
{
    struct news *n = ctx;
    const char *scheme = n->settings->http.tls ? "https" : "http";
    if (!n->told && tp_server_admin_port(n->server))
        tp_log(TP_LOG_INFO, "health and metrics alone on %s://%s:%d", scheme,
               n->settings->http.host, tp_server_admin_port(n->server));
    if (!n->told)
        tp_log(TP_LOG_INFO,
               "tidepool %s serves %d models on %s://%s:%d (%s kernels, %d compute threads, "
               "libmicrohttpd %s)",
               TP_VERSION, n->models->n_served, scheme, n->settings->http.host,
               tp_server_port(n->server), tp_cpu_name(), n->n_threads, tp_server_library());
    else
        tp_log(TP_LOG_INFO, "the models' folder is read again: %d models", n->models->n_served);
    n->told = true;
}

/* A second signal, while draining. */
static void stop_at_once(int number)
{
    static const char line[] = "a second signal: ended at once, what was at work is lost\n";
    (void)number;
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0) _exit(TP_EXIT_FAILED);
    _exit(TP_EXIT_FAILED);
}

/* Blocked before any thread starts, so that all of them inherit it and sigwait() gets the
 * signal. */
static sigset_t block_signals(void)
{
    sigset_t signals;
    signal(SIGTERM, stop_at_once);
    signal(SIGINT, stop_at_once);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signals;
}

/* Work that does not notice that it was ended, in the midst of a decoder, say: its threads cannot
 * be joined, so the process ends under them. Its request was accepted and is not answered. */
static void end_if_stuck(struct tp_workers *workers, struct tp_sink *log)
{
    if (tp_workers_drain(workers, tp_clock_ms() + STUCK_MS)) return;
    tp_log(TP_LOG_ERROR, "what is still at work is ended without an answer");
    tp_log_through(NULL);
    tp_sink_close(log, LOG_WAIT_MS);
    _exit(TP_EXIT_FAILED);
}

static bool setup_log(const struct settings *s, struct tp_err *err)
{
    enum tp_log_level level;
    bool json = !strcmp(s->log_format, "json");
    if (!tp_log_level_parse(s->log_level, &level))
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "--log-level: '%s' is none of debug, info, warn, error", s->log_level);
    if (!json && strcmp(s->log_format, "text"))
        return tp_fail(err, TP_INVALID_ARGUMENT, "--log-format: '%s' is neither text nor json",
                       s->log_format);
    if (strcmp(s->log_requests, "on") && strcmp(s->log_requests, "off"))
        return tp_fail(err, TP_INVALID_ARGUMENT, "--log-requests: '%s' is neither on nor off",
                       s->log_requests);
    tp_log_setup(level, json);
    return true;
}

static bool serve(struct settings *s, struct tp_err *err)
{
    struct tp_budget budget;
    struct tp_cgroup cgroup;
    struct tp_models models = { 0 };
    struct tp_workers *workers = NULL;
    struct tp_server *server = NULL;
    struct tp_loader *loader = NULL;
    struct tp_sandbox sandbox = { .is_off = s->no_sandbox };
    struct tp_sink *log = NULL;
    bool ok = false;
    const sigset_t signals = block_signals();
    tp_heap_setup();
    tp_log(TP_LOG_INFO, "%s (libmicrohttpd %s)", tp_server_framing(), tp_server_library());
    tp_cgroup_open(&cgroup, NULL, NULL);
    int n_threads = tp_cpu_within(tp_cgroup_cpus(&cgroup));
    if (s->threads && s->threads < n_threads) n_threads = s->threads;

    char quota[sizeof cgroup.root + 16];
    snprintf(quota, sizeof quota, "%s/cpu.max", cgroup.root);     /* read again while it serves */
    const char *const files[] = { s->api_key_file, s->tls_cert, s->tls_key, quota };
    tp_sandbox_files(&sandbox, s->models, files, sizeof files / sizeof *files);
    if (!tp_init(err)) goto out;
    if (!tp_sink_open(&log, STDERR_FILENO, tp_log_lost, err)) goto out;
    tp_log_through(log);
    if (!strcmp(s->log_requests, "on")) s->http.log = log;
    if (!tp_models_init(&models, s->models, &s->http.limits, err)) goto out;
    tp_memory_budget(&budget, s->memory_budget, &cgroup);
    const struct tp_workers_options work = { n_threads, s->queue_depth, 1e3 * s->queue_seconds,
                                             &budget };
    if (!tp_workers_new(&workers, &work, err)) goto out;
    if (!tp_memory_account(&budget, err)) goto out;
    models.budget = s->http.budget = &budget;
    if (!tp_server_start(&server, &s->http, &models, workers, err)) goto out;
    tp_sandbox_calls(&sandbox);                    /* before foreign files are read */
    tp_sandbox_log(&sandbox);
    struct news news = { s, &models, server, n_threads, false };
    if (!tp_loader_start(&loader, &models, n_threads, loaded, &news, err)) goto out;
    if (s->model_control) tp_server_allow_control(server, loader);

    const char *why = wait_for_end(&signals, loader, &s->http, workers, &cgroup);
    tp_log(TP_LOG_INFO, "%s: draining for at most %d s", why, s->drain_seconds);
    allow_second_signal();
    tp_models_end_loading(&models);
    tp_server_drain(server, s->drain_seconds);
    end_if_stuck(workers, log);
    ok = true;
out:
    tp_loader_stop(loader);
    tp_server_free(server);
    tp_loader_free(loader);
    tp_workers_free(workers);
    tp_models_fini(&models);
    if (ok) tp_log(TP_LOG_INFO, "done");
    tp_log_through(NULL);
    tp_sink_close(log, LOG_WAIT_MS);
    return ok;
}

/* Reads what the settings name, and serves. The status to exit with. */
static int open_and_serve(struct settings *s)
{
    struct tp_err err = { 0 };
    struct tp_cors *cors = NULL;
    int status = TP_EXIT_USAGE;
    if (setup_log(s, &err) && setup_keys(s, &err) && tp_cors_open(&cors, s->cors_origins, &err) &&
        tp_tls_open(&s->http.tls, s->tls_cert, s->tls_key, &err)) {
        s->http.cors = cors;
        status = serve(s, &err) ? TP_EXIT_DONE : TP_EXIT_FAILED;
    }
    if (status != TP_EXIT_DONE) tp_cli_fail("serve", &err);
    tp_cors_free(cors);
    tp_keys_free(s->http.keys);
    tp_tls_free(s->http.tls);
    return status;
}

int tp_cli_serve(int argc, char **argv)
{
    struct settings s = defaults();
    const struct tp_flag flags[] = {
        { "host", TP_FLAG_TEXT, &s.http.host, 0, 0, "ADDRESS",
          "where to listen, default 127.0.0.1" },
        { "port", TP_FLAG_INT, &s.http.port, 0, 65535, "N", "default 8080; 0: any that is free" },
        { "models", TP_FLAG_TEXT, &s.models, 0, 0, "DIR",
          "folder of models beside the built-in ones" },
        { "model-control", TP_FLAG_SWITCH, &s.model_control, 0, 0, "",
          "clients may load and unload models: /v2/repository" },
        { "api-key", TP_FLAG_TEXT, &s.api_key, 0, 0, "KEY",
          "clients must show this key; others see it in ps, so better in the environment" },
        { "api-key-file", TP_FLAG_TEXT, &s.api_key_file, 0, 0, "FILE",
          "or one of these: name:key, one a line" },
        { "tls-cert", TP_FLAG_TEXT, &s.tls_cert, 0, 0, "FILE",
          "HTTPS with this certificate (PEM, with those that lead to a root)" },
        { "tls-key", TP_FLAG_TEXT, &s.tls_key, 0, 0, "FILE", "its private key (PEM)" },
        { "cors-origin", TP_FLAG_TEXT, &s.cors_origins, 0, 0, "LIST",
          "web pages that may ask: https://a.example,https://b.example, or *" },
        { "insecure", TP_FLAG_SWITCH, &s.insecure, 0, 0, "",
          "without a key, listen beyond this machine all the same" },
        { "threads", TP_FLAG_INT, &s.threads, 1, 1024, "N",
          "compute threads at most, default: all processors this process may use" },
        { "queue-depth", TP_FLAG_INT, &s.queue_depth, 1, 100000, "N",
          "jobs that may wait, default 256, and" },
        { "queue-seconds", TP_FLAG_INT, &s.queue_seconds, 0, 86400, "N",
          "for how long each may, by estimate, default 20; 0: any time" },
        { "memory-budget", TP_FLAG_BYTES, &s.memory_budget, 0, 0, "SIZE",
          "of the whole process, default: 3/4 of the container's or machine's memory" },
        { "max-connections", TP_FLAG_INT, &s.http.max_connections, 1, 100000, "N", "default 1024" },
        { "max-connections-per-address", TP_FLAG_INT, &s.http.max_per_address, 0, 100000, "N",
          "default 0: no limit; of no use behind a proxy" },
        { "admin-port", TP_FLAG_INT, &s.http.admin_port, 0, 65535, "N",
          "a second port for health, metrics and lists; default 0: none" },
        { "header-timeout", TP_FLAG_INT, &s.http.header_seconds, 1, 3600, "SECONDS",
          "a request's headers are there within, default 10" },
        { "body-timeout", TP_FLAG_INT, &s.http.body_seconds, 1, 3600, "SECONDS",
          "a body is there and an answer taken within, default 30, or" },
        { "min-rate", TP_FLAG_INT, &s.http.min_rate, 1, 1 << 30, "BYTES",
          "so many per second pass meanwhile, default 1024" },
        { "request-timeout", TP_FLAG_INT, &s.http.request_seconds, 0, 86400, "SECONDS",
          "a request is answered within, else 504; default 60, 0: no deadline" },
        { "idle-seconds", TP_FLAG_INT, &s.http.idle_seconds, 1, 3600, "N",
          "a silent connection is closed, default 60" },
        { "drain-seconds", TP_FLAG_INT, &s.drain_seconds, 0, 3600, "N",
          "time to answer what was accepted, default 20" },
        TP_LIMIT_FLAGS(s.http.limits),
        { "no-sandbox", TP_FLAG_SWITCH, &s.no_sandbox, 0, 0, "",
          "without seccomp and Landlock, for debuggers and profilers" },
        { "log-level", TP_FLAG_TEXT, &s.log_level, 0, 0, "LEVEL",
          "debug, info (default), warn, error" },
        { "log-format", TP_FLAG_TEXT, &s.log_format, 0, 0, "FORM", "text (default) or json" },
        { "log-requests", TP_FLAG_TEXT, &s.log_requests, 0, 0, "on|off",
          "a line per request, default on" },
    };
    const struct tp_cli_command command = {
        "serve", "", flags, sizeof flags / sizeof *flags, 0, 0,
    };
    int n_words, status;
    return tp_cli_begin(&command, argc, argv, &n_words, &status) ? open_and_serve(&s) : status;
}
