/* admission.c - what is taken on: the work, the body and the memory for both, or a refusal. */
#include "http/admission.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "http/cors.h"
#include "http/routes.h"

enum {
    SMALL_BODY_BYTES = 64 << 10,     /* has its memory at once; larger ones as they come */
    LET_PASS_BYTES = 16 << 20,       /* of a body that is refused with 503 */
    MOST_RETRY_SECONDS = 60,
};

void tp_admission_refuse_large(struct tp_exchange *ex)
{
    ex->rejected = TP_REJECT_TOO_LARGE;
    tp_reply_refuse(&ex->reply, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", ex->request_id,
                    "the body exceeds the limit of %zu bytes (--max-body)",
                    tp_server_limits(ex->server)->max_body_bytes);
}

int tp_admission_retry_seconds(struct tp_server *s)
{
    const double wait_s = tp_workers_load(tp_server_workers(s)).wait_ms / 1e3;
    const double spread = fmod(tp_clock_ms(), 1);  /* 0 to 1: microseconds are chance enough */
    const double seconds = ceil(wait_s * (1 + spread / 2));
    return seconds < 1 ? 1 : seconds > MOST_RETRY_SECONDS ? MOST_RETRY_SECONDS : (int)seconds;
}

static void refuse_now(struct tp_exchange *ex, enum tp_reject reason, const char *fmt, ...)
    TP_PRINTF(3, 4);

static void refuse_now(struct tp_exchange *ex, enum tp_reject reason, const char *fmt, ...)
{
    va_list args;
    ex->rejected = reason;
    ex->reply.retry_after_seconds = tp_admission_retry_seconds(ex->server);
    va_start(args, fmt);
    tp_reply_refuse_v(&ex->reply, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable", ex->request_id, fmt,
                      args);
    va_end(args);
}

void tp_admission_refuse_waiting(struct tp_exchange *ex, struct tp_wait wait)
{
    const double s = wait.ms / 1e3;
    switch (wait.place) {
    case TP_PLACE_FREE: return;
    case TP_PLACE_NONE:
        refuse_now(ex, TP_REJECT_QUEUE_FULL, "the queue is full (--queue-depth), %.1f s of work; "
                   "try again later", s);
        return;
    case TP_PLACE_LONG:
        refuse_now(ex, TP_REJECT_QUEUE_FULL, "this would wait for some %.1f s, longer than "
                   "anything may (--queue-seconds); try again later", s);
        return;
    case TP_PLACE_LATE:
        refuse_now(ex, TP_REJECT_DEADLINE, "this would wait for some %.1f s, beyond its deadline "
                   "of %d ms; try again later", s, ex->job.timeout_ms);
        return;
    }
}

/* A body is not begun with that would take more than half of the memory that is left: the work on
 * those that are there needs some. */
static bool has_memory_for(struct tp_exchange *ex, uint64_t n_bytes)
{
    const struct tp_budget *budget = tp_server_budget(ex->server);
    if (n_bytes <= tp_budget_left(budget) / 2) return true;
    if (n_bytes > tp_budget_most(budget) / 2) {
        ex->rejected = TP_REJECT_TOO_LARGE;
        tp_reply_refuse(&ex->reply, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", ex->request_id,
                        "a body of %llu bytes is more than half of the %zu MiB that all requests "
                        "may take together (--memory-budget)", (unsigned long long)n_bytes,
                        tp_budget_most(budget) >> 20);
        return false;
    }
    refuse_now(ex, TP_REJECT_MEMORY, "other requests have the memory that this body would need "
               "(--memory-budget); try again later");
    return false;
}

bool tp_admission_has_room(struct tp_exchange *ex, const struct tp_framing *framing)
{
    const bool known = framing->has_length || !framing->has_body;
    const bool small = known && framing->length <= SMALL_BODY_BYTES;
    if (known && !has_memory_for(ex, framing->length)) return false;
    if (known && tp_job_may_be_tiny(&ex->job, framing->length)) return true;
    const double least_ms = small ? 0 : atomic_load(&ex->job.pace->usual_ms);
    const struct tp_wait wait = tp_workers_ask(tp_server_workers(ex->server), least_ms);
    tp_admission_refuse_waiting(ex, wait);
    if (wait.place != TP_PLACE_FREE) return false;
    if (small) tp_buf_reserve(&ex->job.body, framing->length);   /* failed: shown as it fills */
    return true;
}

static void answer_options(struct tp_exchange *ex)
{
    const char *asks = MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND,
                                                   "Access-Control-Request-Method");
    const char *origin = MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND, "Origin");
    if (!tp_cors_answer_options(&ex->reply, asks && origin))
        tp_reply_refuse(&ex->reply, MHD_HTTP_FORBIDDEN, "forbidden_origin", ex->request_id,
                        "pages of '%.128s' may not ask this server; --cors-origin lists those "
                        "that may", origin);
}

bool tp_admission_judge(struct tp_exchange *ex, const char *method, const char *path,
                        const struct tp_framing *framing)
{
    ex->route = tp_routes_find(ex, method, path);
    if (tp_server_cors(ex->server) && ex->reply.allow && !strcmp(method, MHD_HTTP_METHOD_OPTIONS)) {
        answer_options(ex);
        return false;
    }
    if (!tp_policy_authorize(ex, method, path) || !ex->route) return false;
    if (!ex->route->always && tp_server_draining(ex->server)) {
        refuse_now(ex, TP_REJECT_DRAINING, "draining: no new work is taken");
        return false;
    }
    if (framing->length > tp_server_limits(ex->server)->max_body_bytes) {
        tp_admission_refuse_large(ex);
        return false;
    }
    return true;
}

/* Not where a body would follow: the library ends the connection then without reading it. But who
 * is told to come again must hear that, and a connection that is closed on what was sent takes the
 * answer with it: such a body is let pass, unless it is very long or the client waits for a word
 * before it sends it. */
bool tp_admission_lets_pass(const struct tp_exchange *ex, const struct tp_framing *framing)
{
    if (!framing->has_body) return true;
    return ex->reply.status == MHD_HTTP_SERVICE_UNAVAILABLE && framing->has_length &&
           framing->length <= LET_PASS_BYTES &&
           !MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);
}
