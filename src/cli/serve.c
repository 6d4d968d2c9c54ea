/* serve.c - the service: start, wait for a signal, drain, stop. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "cli/cli.h"
#include "http/server.h"
#include "service/loader.h"

struct settings {
    struct tp_server_options http;
    const char *models;
    int threads, queue_depth, drain_seconds;
    bool model_control;
    const char *log_level, *log_format;
};

static struct settings defaults(void)
{
    return (struct settings){
        .http = { .host = "127.0.0.1", .port = 8080, .max_connections = 1024, .idle_seconds = 60,
                  .limits = tp_limits_default() },
        .queue_depth = 256, .drain_seconds = 20, .log_level = "info", .log_format = "text",
    };
}

/* Blocks until SIGTERM or SIGINT, which every thread has blocked, and names it. At SIGHUP the
 * models are loaded again. */
static const char *wait_for_end(const sigset_t *signals, struct tp_loader *loader)
{
    int number = 0;
    while (sigwait(signals, &number) || number == SIGHUP)
        if (number == SIGHUP) tp_loader_again(loader);
    return number == SIGTERM ? "SIGTERM" : "SIGINT";
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
    if (!n->told)
        tp_log(TP_LOG_INFO,
               "tidepool %s serves %d models on http://%s:%d (%s kernels, %d compute threads, "
               "libmicrohttpd %s)",
               TP_VERSION, n->models->n_served, n->settings->http.host, tp_server_port(n->server),
               tp_cpu_name(), n->n_threads, tp_server_library());
    else
        tp_log(TP_LOG_INFO, "the models' folder is read again: %d models", n->models->n_served);
    n->told = true;
}

/* Blocked before any thread starts, so that all of them inherit it and sigwait() gets the
 * signal. */
static sigset_t block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signals;
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
    tp_log_setup(level, json);
    return true;
}

static bool serve(const struct settings *s, struct tp_err *err)
{
    struct tp_models models = { 0 };
    struct tp_workers *workers = NULL;
    struct tp_server *server = NULL;
    struct tp_loader *loader = NULL;
    bool ok = false;
    const sigset_t signals = block_signals();
    int n_threads = tp_cpu_count();
    if (s->threads && s->threads < n_threads) n_threads = s->threads;

    if (!tp_init(err)) goto out;
    if (!tp_models_init(&models, s->models, &s->http.limits, err)) goto out;
    if (!tp_workers_new(&workers, n_threads, s->queue_depth, err)) goto out;
    if (!tp_server_start(&server, &s->http, &models, workers, err)) goto out;
    struct news news = { s, &models, server, n_threads, false };
    if (!tp_loader_start(&loader, &models, n_threads, loaded, &news, err)) goto out;
    if (s->model_control) tp_server_allow_control(server, loader);

    const char *why = wait_for_end(&signals, loader);
    tp_log(TP_LOG_INFO, "%s: draining for at most %d s", why, s->drain_seconds);
    tp_models_end_loading(&models);
    tp_server_drain(server, s->drain_seconds);
    tp_workers_drain(workers);
    ok = true;
out:
    tp_loader_stop(loader);
    tp_server_free(server);
    tp_loader_free(loader);
    tp_workers_free(workers);
    tp_models_fini(&models);
    if (ok) tp_log(TP_LOG_INFO, "done");
    return ok;
}

int tp_cli_serve(int argc, char **argv)
{
    struct settings s = defaults();
    struct tp_err err = { 0 };
    const struct tp_flag flags[] = {
        { "host", TP_FLAG_TEXT, &s.http.host, 0, 0, "ADDRESS",
          "where to listen, default 127.0.0.1" },
        { "port", TP_FLAG_INT, &s.http.port, 0, 65535, "N", "default 8080; 0: any that is free" },
        { "models", TP_FLAG_TEXT, &s.models, 0, 0, "DIR",
          "folder of models beside the built-in ones" },
        { "model-control", TP_FLAG_SWITCH, &s.model_control, 0, 0, "",
          "clients may load and unload models: /v2/repository" },
        { "threads", TP_FLAG_INT, &s.threads, 1, 1024, "N",
          "compute threads at most, default: all processors this process may use" },
        { "queue-depth", TP_FLAG_INT, &s.queue_depth, 1, 100000, "N",
          "jobs that may wait, default 256" },
        { "max-connections", TP_FLAG_INT, &s.http.max_connections, 1, 100000, "N", "default 1024" },
        { "idle-seconds", TP_FLAG_INT, &s.http.idle_seconds, 1, 3600, "N",
          "a silent connection is closed, default 60" },
        { "drain-seconds", TP_FLAG_INT, &s.drain_seconds, 0, 3600, "N",
          "time to answer what was accepted, default 20" },
        TP_LIMIT_FLAGS(s.http.limits),
        { "log-level", TP_FLAG_TEXT, &s.log_level, 0, 0, "LEVEL",
          "debug, info (default), warn, error" },
        { "log-format", TP_FLAG_TEXT, &s.log_format, 0, 0, "FORM", "text (default) or json" },
    };
    const struct tp_cli_command command = {
        "serve", "", flags, sizeof flags / sizeof *flags, 0, 0,
    };
    int n_words, status;
    if (!tp_cli_begin(&command, argc, argv, &n_words, &status)) return status;
    if (!setup_log(&s, &err)) {
        tp_cli_fail("serve", &err);
        return TP_EXIT_USAGE;
    }
    return serve(&s, &err) ? TP_EXIT_DONE : tp_cli_fail("serve", &err);
}
