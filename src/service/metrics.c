/* metrics.c - what the process has done since it started. */
#include "service/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/exposition.h"
#include "service/process.h"

/* Upper bounds in seconds: from what a tiny tensor takes to what nobody waits for. */
static const double bounds[] = {
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1, 2.5, 5, 10, 30, 60,
};
static const char *const bound_names[] = {
    "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05",
    "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "+Inf",
};
enum { N_BOUNDS = sizeof bounds / sizeof *bounds };

/* Those this service answers; the last two are "other" and "none". */
static const unsigned short codes[] = {
    200, 400, 401, 403, 404, 405, 408, 411, 413, 415, 417, 429, 431, 500, 501, 503, 504, 204,
};
enum { N_CODES = sizeof codes / sizeof *codes, CODE_OTHER = N_CODES, CODE_NONE, N_CELLS };

static const char *const reasons[TP_REJECT_COUNT] = {
    NULL, "queue_full", "memory", "draining", "loading", "deadline", "too_large", "unauthorized",
    "malformed", "connections", "slow", "client_gone",
};

enum { N_STAGES = 4 };
static const char *const stages[N_STAGES] = { "queue", "decode", "infer", "encode" };

typedef atomic_uint_least64_t counter;

struct histogram {
    counter buckets[N_BOUNDS + 1];   /* each for itself; they are added up when written */
    counter ns;
};

struct route {
    const char *path;
    counter codes[N_CELLS];
    struct histogram duration;
};

struct tp_metrics {
    double start_seconds;            /* since 1970 */
    counter rejected[TP_REJECT_COUNT];
    struct histogram stages[N_STAGES];
    int n_routes;                    /* the last one is "other" */
    int *index;                      /* of a caller's route in routes[] */
    struct route *routes;
};

const char *tp_metrics_reject_name(enum tp_reject reason) { return reasons[reason]; }

static uint64_t get(counter *c) { return atomic_load_explicit(c, memory_order_relaxed); }

static void add(counter *c, uint64_t n) { atomic_fetch_add_explicit(c, n, memory_order_relaxed); }

/* ---- counting -------------------------------------------------------------------------------- */

static int find_route(const struct tp_metrics *m, const char *path)
{
    int i = 0;
    while (i < m->n_routes && strcmp(m->routes[i].path, path)) i++;
    return i;
}

bool tp_metrics_new(struct tp_metrics **out, const char *const *routes, int n_routes,
                    struct tp_err *err)
{
    struct tp_metrics *m = calloc(1, sizeof *m);
    const size_t n = (size_t)n_routes + 1;
    *out = m;
    if (m) m->index = calloc(n, sizeof *m->index);
    if (m) m->routes = calloc(n, sizeof *m->routes);
    if (!m || !m->index || !m->routes) {
        tp_metrics_free(m);
        *out = NULL;
        return tp_fail(err, TP_NO_MEMORY, "out of memory");
    }
    m->start_seconds = (double)tp_stats_now_ms() / 1000;
    for (int i = 0; i <= n_routes; i++) {
        const char *path = i < n_routes ? routes[i] : "other";
        m->index[i] = find_route(m, path);
        if (m->index[i] == m->n_routes) m->routes[m->n_routes++].path = path;
    }
    return true;
}

void tp_metrics_free(struct tp_metrics *m)
{
    if (!m) return;
    free(m->index);
    free(m->routes);
    free(m);
}

static int code_cell(unsigned status)
{
    if (!status) return CODE_NONE;
    int i = 0;
    while (i < N_CODES && codes[i] != status) i++;
    return i;
}

static void observe(struct histogram *h, double ms)
{
    const double s = ms * 1e-3;
    int i = 0;
    while (i < N_BOUNDS && s > bounds[i]) i++;
    add(&h->buckets[i], 1);
    if (ms > 0) add(&h->ns, (uint64_t)(ms * 1e6));
}

void tp_metrics_count(struct tp_metrics *m, int route, unsigned status, double total_ms,
                      const struct tp_timing *timing)
{
    if (!m) return;
    struct route *r = route < 0 ? &m->routes[m->n_routes - 1] : &m->routes[m->index[route]];
    add(&r->codes[code_cell(status)], 1);
    observe(&r->duration, total_ms);
    if (!timing) return;
    observe(&m->stages[0], timing->queue);
    observe(&m->stages[1], timing->decode);
    observe(&m->stages[2], timing->infer);
    observe(&m->stages[3], timing->encode);
}

void tp_metrics_reject(struct tp_metrics *m, enum tp_reject reason)
{
    if (m && reason != TP_REJECT_NONE) add(&m->rejected[reason], 1);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_histogram(struct tp_buf *b, struct histogram *h, const char *name,
                            const char *label, const char *value, bool if_empty)
{
    struct tp_exposition_label labels[] = { { label, value }, { "le", NULL } };
    uint64_t n = 0;
    for (int i = 0; i <= N_BOUNDS; i++) n += get(&h->buckets[i]);
    if (!n && !if_empty) return;
    n = 0;
    for (int i = 0; i <= N_BOUNDS; i++) {
        n += get(&h->buckets[i]);
        labels[1].value = bound_names[i];
        tp_exposition_sample(b, name, "_bucket", labels, 2);
        tp_exposition_int(b, (int64_t)n);
    }
    tp_exposition_sample(b, name, "_sum", labels, 1);
    tp_exposition_real(b, 1e-9 * (double)get(&h->ns));
    tp_exposition_sample(b, name, "_count", labels, 1);
    tp_exposition_int(b, (int64_t)n);
}

static const char *code_name(int cell, char to[8])
{
    if (cell == CODE_OTHER) return "other";
    if (cell == CODE_NONE) return "none";
    snprintf(to, 8, "%u", (unsigned)codes[cell]);
    return to;
}

static void write_requests(struct tp_metrics *m, struct tp_buf *b)
{
    static const char name[] = "tidepool_requests_total";
    char text[8];
    tp_exposition_family(b, name, "counter",
                         "Requests that have ended, by route and status; none: unanswered.");
    for (int r = 0; r < m->n_routes; r++)
        for (int c = 0; c < N_CELLS; c++) {
            const uint64_t n = get(&m->routes[r].codes[c]);
            const struct tp_exposition_label labels[] = {
                { "route", m->routes[r].path }, { "code", code_name(c, text) },
            };
            if (!n) continue;
            tp_exposition_sample(b, name, "", labels, 2);
            tp_exposition_int(b, (int64_t)n);
        }
}

static void write_histograms(struct tp_metrics *m, struct tp_buf *b)
{
    const char *name = "tidepool_request_duration_seconds";
    tp_exposition_family(b, name, "histogram",
                         "From a request's first line to the end of its answer.");
    for (int i = 0; i < m->n_routes; i++)
        write_histogram(b, &m->routes[i].duration, name, "route", m->routes[i].path, false);
    name = "tidepool_stage_duration_seconds";
    tp_exposition_family(b, name, "histogram", "The stages of answered jobs.");
    for (int i = 0; i < N_STAGES; i++)
        write_histogram(b, &m->stages[i], name, "stage", stages[i], true);
}

static void write_rejected(struct tp_metrics *m, struct tp_buf *b)
{
    static const char name[] = "tidepool_rejected_total";
    tp_exposition_family(b, name, "counter", "Requests and connections turned away, by reason.");
    for (int i = TP_REJECT_NONE + 1; i < TP_REJECT_COUNT; i++) {
        tp_exposition_sample(b, name, "", &(struct tp_exposition_label){ "reason", reasons[i] }, 1);
        tp_exposition_int(b, (int64_t)get(&m->rejected[i]));
    }
}

static const char images[] = "tidepool_images_total";

static void write_images(void *ctx, const struct tp_served *s)
{
    struct tp_figures f;
    tp_stats_read(s->stats, &f);
    tp_exposition_sample(ctx, images, "",
                         &(struct tp_exposition_label){ "model", s->model->name }, 1);
    tp_exposition_int(ctx, (int64_t)f.n_images);
}

enum { N_STATES = TP_MODEL_UNAVAILABLE + 1 };

static void count_state(void *ctx, const struct tp_index_line *line)
{
    int *n = ctx;
    n[line->state]++;
}

static void write_models(struct tp_buf *b, struct tp_models *models)
{
    static const char *const states[N_STATES] = { "ready", "loading", "unloading", "unavailable" };
    static const char name[] = "tidepool_models";
    int n[N_STATES] = { 0 };
    tp_exposition_family(b, images, "counter", "Images that served models have seen.");
    tp_models_each_served(models, write_images, b);
    tp_models_index(models, count_state, n);
    tp_exposition_family(b, name, "gauge", "Models by state.");
    for (int i = 0; i < N_STATES; i++) {
        tp_exposition_sample(b, name, "", &(struct tp_exposition_label){ "state", states[i] }, 1);
        tp_exposition_int(b, n[i]);
    }
}

static void write_gauges(struct tp_buf *b, const struct tp_gauges *g)
{
    static const char info[] = "tidepool_build_info";
    const struct tp_exposition_label labels[] = { { "version", g->version }, { "cpu", g->cpu } };
    tp_exposition_alone(b, "tidepool_queue_depth", "gauge", "Jobs that wait for a worker.",
                        g->queue_depth);
    tp_exposition_alone(b, "tidepool_in_flight", "gauge",
                        "Requests that have begun and not ended, this one included.", g->in_flight);
    tp_exposition_alone(b, "tidepool_connections", "gauge", "Open connections.", g->connections);
    tp_exposition_alone(b, "tidepool_compute_threads", "gauge",
                        "Threads that may compute at once.", g->compute_threads);
    tp_exposition_alone(b, "tidepool_memory_reserved_bytes", "gauge",
                        "Memory that running requests have reserved.", g->memory_reserved_bytes);
    tp_exposition_alone(b, "tidepool_memory_budget_bytes", "gauge",
                        "Memory that requests may reserve together; 0: no budget.",
                        g->memory_budget_bytes);
    tp_exposition_alone(b, "tidepool_heap_bytes", "gauge",
                        "What is allocated at this moment, without what the allocator keeps.",
                        g->heap_bytes);
    tp_exposition_alone(b, "tidepool_log_dropped_total", "counter",
                        "Log lines dropped since nobody read them fast enough.",
                        (int64_t)g->log_dropped);
    tp_exposition_family(b, info, "gauge", "Version and kernels in use; always 1.");
    tp_exposition_sample(b, info, "", labels, 2);
    tp_exposition_int(b, 1);
}

static void write_seconds(struct tp_buf *b, const char *name, const char *type, const char *help,
                          double seconds)
{
    tp_exposition_family(b, name, type, help);
    tp_exposition_sample(b, name, "", NULL, 0);
    tp_buf_printf(b, "%.3f\n", seconds);
}

static void write_process(struct tp_metrics *m, struct tp_buf *b)
{
    struct tp_process p;
    const bool all = tp_process_read(&p);
    write_seconds(b, "process_cpu_seconds_total", "counter",
                  "Processor time spent in user and system mode, in seconds.", p.cpu_seconds);
    write_seconds(b, "process_start_time_seconds", "gauge",
                  "When the process started, in seconds since 1970.", m->start_seconds);
    if (p.max_fds >= 0)
        tp_exposition_alone(b, "process_max_fds", "gauge", "File descriptors allowed.", p.max_fds);
    if (!all) return;
    tp_exposition_alone(b, "process_open_fds", "gauge", "Open file descriptors.", p.n_fds);
    tp_exposition_alone(b, "process_virtual_memory_bytes", "gauge", "Address space in use.",
                        (int64_t)p.virtual_bytes);
    tp_exposition_alone(b, "process_resident_memory_bytes", "gauge", "Memory in use.",
                        (int64_t)p.resident_bytes);
    tp_exposition_alone(b, "process_threads", "gauge", "Threads of the process.", p.n_threads);
}

void tp_metrics_write(struct tp_metrics *m, struct tp_buf *b, const struct tp_gauges *g,
                      struct tp_models *models)
{
    write_requests(m, b);
    write_histograms(m, b);
    write_rejected(m, b);
    write_models(b, models);
    write_gauges(b, g);
    write_process(m, b);
}
