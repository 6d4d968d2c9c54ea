/* metrics.h - what the process has done since it started, for Prometheus.
 *
 * Counting is safe from any thread and takes no lock. Cardinality is bounded: routes are patterns
 * ("/v1/models/{m}/features"), codes a fixed list, and only what has happened is written of
 * them. */
#ifndef TP_METRICS_H
#define TP_METRICS_H

#include "service/models.h"

/* Why work was not done that a client asked for. */
enum tp_reject {
    TP_REJECT_NONE,
    TP_REJECT_QUEUE_FULL,
    TP_REJECT_MEMORY,                /* the budget does not have it */
    TP_REJECT_DRAINING,
    TP_REJECT_LOADING,
    TP_REJECT_DEADLINE,              /* its own, passed before the answer */
    TP_REJECT_TOO_LARGE,
    TP_REJECT_UNAUTHORIZED,
    TP_REJECT_MALFORMED,             /* by its headers */
    TP_REJECT_CONNECTIONS,           /* too many of them, or of one address */
    TP_REJECT_SLOW,                  /* cut by the watchdog */
    TP_REJECT_CLIENT_GONE,           /* before the answer was all sent */
    TP_REJECT_COUNT,
};

/* "queue_full"; NULL for NONE. */
const char *tp_metrics_reject_name(enum tp_reject reason);

struct tp_metrics;

/* Routes are told by their index in `routes`, whose strings are borrowed; one that stands there
 * twice is one. */
bool tp_metrics_new(struct tp_metrics **out, const char *const *routes, int n_routes,
                    struct tp_err *err) TP_MUST_USE;
void tp_metrics_free(struct tp_metrics *m);      /* NULL is fine, as for counting */

/* A request has ended. route -1: a path that is none; status 0: nothing of ours was answered.
 * timing: of a job that was answered, else NULL. */
void tp_metrics_count(struct tp_metrics *m, int route, unsigned status, double total_ms,
                      const struct tp_timing *timing);
void tp_metrics_reject(struct tp_metrics *m, enum tp_reject reason);     /* NONE: nothing */

/* What other rooms know at the moment of asking. */
struct tp_gauges {
    int64_t queue_depth, in_flight, connections, compute_threads;
    int64_t memory_reserved_bytes, memory_budget_bytes, heap_bytes;
    uint64_t log_dropped;
    const char *version, *cpu;
};

/* Writes all of it in Prometheus's text format. */
void tp_metrics_write(struct tp_metrics *m, struct tp_buf *b, const struct tp_gauges *g,
                      struct tp_models *models);

#endif
