/* routes.c - which path and method mean what. */
#include "http/admission.h"
#include "http/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "formats/describe.h"
#include "formats/json.h"
#include "formats/oip.h"
#include "formats/tfs.h"
#include "http/openapi.h"
#include "http/repository.h"
#include "service/exposition.h"

/* ---- answers that need no job ---------------------------------------------------------------- */

static void get_live(struct tp_exchange *ex)
{
    ex->reply.status = MHD_HTTP_OK;
    tp_buf_text(&ex->reply.body, "{\"live\":true}\n");
}

static void get_ready(struct tp_exchange *ex)
{
    if (tp_server_draining(ex->server)) {
        ex->reply.retry_after_seconds = 1;
        tp_reply_refuse(&ex->reply, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable", ex->request_id,
                        "draining: no new work is taken");
        return;
    }
    if (tp_models_loading(tp_server_models(ex->server))) {
        ex->reply.retry_after_seconds = 1;
        tp_reply_refuse(&ex->reply, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable", ex->request_id,
                        "loading: models are still being read");
        return;
    }
    ex->reply.status = MHD_HTTP_OK;
    tp_buf_text(&ex->reply.body, "{\"ready\":true}\n");
}

static void get_openapi(struct tp_exchange *ex)
{
    ex->reply.status = MHD_HTTP_OK;
    tp_buf_bytes(&ex->reply.body, tp_openapi_json, tp_openapi_json_bytes);
}

static void list_model(void *ctx, const struct tp_model *m)
{
    struct tp_buf *b = ctx;
    if (b->data[b->n_bytes - 1] != '[') tp_buf_text(b, ",");
    tp_describe_brief(b, m);
}

static void get_models(struct tp_exchange *ex)
{
    struct tp_buf *b = &ex->reply.body;
    ex->reply.status = MHD_HTTP_OK;
    tp_buf_text(b, "{\"models\":[");
    if (!b->failed) tp_models_each(tp_server_models(ex->server), list_model, b);
    tp_buf_text(b, "]}\n");
}

static struct tp_served *find_model(struct tp_exchange *ex)
{
    struct tp_err err = { 0 };
    struct tp_served *s = tp_models_get(tp_server_models(ex->server), ex->model, &err);
    if (s && ex->version[0] && strcmp(ex->version, TP_MODEL_VERSION)) {
        tp_models_put(s);
        s = NULL;
        tp_fail(&err, TP_NOT_FOUND, "model '%.64s' has version " TP_MODEL_VERSION " and no %s",
                ex->model, ex->version);
    }
    if (s) return s;
    if (err.code == TP_UNAVAILABLE) {
        ex->rejected = TP_REJECT_LOADING;
        ex->reply.retry_after_seconds = 1;
    }
    tp_reply_fail(&ex->reply, &err, ex->request_id);
    return NULL;
}

/* What a model tells of itself. */
static void tell_model(struct tp_exchange *ex, void (*tell)(struct tp_buf *b,
                                                            const struct tp_model *m))
{
    struct tp_served *s = find_model(ex);
    if (!s) return;
    ex->reply.status = MHD_HTTP_OK;
    tell(&ex->reply.body, s->model);
    tp_models_put(s);
}

static void get_model(struct tp_exchange *ex) { tell_model(ex, tp_describe_model); }
static void get_oip_model(struct tp_exchange *ex) { tell_model(ex, tp_oip_model); }
static void get_tfs_metadata(struct tp_exchange *ex) { tell_model(ex, tp_tfs_metadata); }

static void write_ready(struct tp_buf *b, const struct tp_model *m)
{
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, m->name);
    tp_buf_text(b, ",\"ready\":true}\n");
}

static void get_model_ready(struct tp_exchange *ex) { tell_model(ex, write_ready); }

static void get_server(struct tp_exchange *ex)
{
    ex->reply.status = MHD_HTTP_OK;
    tp_oip_server(&ex->reply.body, tp_server_loader(ex->server) != NULL);
}

static void list_name(void *ctx, const struct tp_model *m)
{
    struct tp_buf *b = ctx;
    if (b->data[b->n_bytes - 1] != '[') tp_buf_text(b, ",");
    tp_json_quote(b, m->name);
}

static void get_names(struct tp_exchange *ex)
{
    struct tp_buf *b = &ex->reply.body;
    ex->reply.status = MHD_HTTP_OK;
    tp_buf_text(b, "{\"models\":[");
    if (!b->failed) tp_models_each(tp_server_models(ex->server), list_name, b);
    tp_buf_text(b, "]}\n");
}

static void get_metrics(struct tp_exchange *ex)
{
    ex->reply.status = MHD_HTTP_OK;
    ex->reply.head.content_type = TP_EXPOSITION_TYPE;
    tp_server_measure(ex->server, &ex->reply.body);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define ANSWER .kind = TP_ROUTE_ANSWER, .always = true, .answer
#define BODY .kind = TP_ROUTE_BODY, .control = true, .answer
#define JOB .kind = TP_ROUTE_JOB, .job
#define OIP .dialect = &tp_dialect_oip
#define TFS .dialect = &tp_dialect_tfs
#define OPENAI .dialect = &tp_dialect_openai

/* Earlier ones win. */
static const struct tp_route routes[] = {
    { "POST", "/v1/models/{m}/features", JOB = TP_JOB_FEATURES },
    { "POST", "/v1/models/{m}/preprocess", JOB = TP_JOB_PREPROCESS },
    { "POST", "/v1/run", JOB = TP_JOB_RUN },
    { "GET", "/v1/models", ANSWER = get_models },
    { "GET", "/openapi.json", ANSWER = get_openapi },

    { "POST", "/v1/models/{m}:predict", JOB = TP_JOB_FEATURES, TFS },
    { "POST", "/v1/models/{m}/versions/{v}:predict", JOB = TP_JOB_FEATURES, TFS },
    { "GET", "/v1/models/{m}/metadata", ANSWER = get_tfs_metadata, TFS },
    { "GET", "/v1/models/{m}/versions/{v}/metadata", ANSWER = get_tfs_metadata, TFS },
    { "GET", "/v1/models/{m}/versions/{v}", ANSWER = get_model, TFS },
    { "GET", "/v1/models/{m}", ANSWER = get_model },       /* also TensorFlow Serving's status */
    { "POST", "/v1/embeddings", JOB = TP_JOB_FEATURES, OPENAI },

    { "GET", "/metrics", ANSWER = get_metrics, .probe = true },
    { "GET", "/v2/health/live", ANSWER = get_live, .probe = true },
    { "GET", "/v2/health/ready", ANSWER = get_ready, .probe = true },
    { "GET", "/v2", ANSWER = get_server, OIP },
    { "GET", "/v2/", ANSWER = get_server, OIP },
    { "GET", "/v2/models", ANSWER = get_names, OIP },
    { "GET", "/v2/models/stats", ANSWER = tp_repository_get_all_stats, OIP },
    { "POST", "/v2/models/{m}/infer", JOB = TP_JOB_FEATURES, OIP },
    { "POST", "/v2/models/{m}/versions/{v}/infer", JOB = TP_JOB_FEATURES, OIP },
    { "GET", "/v2/models/{m}", ANSWER = get_oip_model, OIP },
    { "GET", "/v2/models/{m}/versions/{v}", ANSWER = get_oip_model, OIP },
    { "GET", "/v2/models/{m}/ready", ANSWER = get_model_ready, OIP },
    { "GET", "/v2/models/{m}/versions/{v}/ready", ANSWER = get_model_ready, OIP },
    { "GET", "/v2/models/{m}/config", ANSWER = get_model, OIP },
    { "GET", "/v2/models/{m}/versions/{v}/config", ANSWER = get_model, OIP },
    { "GET", "/v2/models/{m}/stats", ANSWER = tp_repository_get_stats, OIP },
    { "GET", "/v2/models/{m}/versions/{v}/stats", ANSWER = tp_repository_get_stats, OIP },
    { "POST", "/v2/repository/index", BODY = tp_repository_index, OIP },
    { "POST", "/v2/repository/models/{m}/load", BODY = tp_repository_load, OIP },
    { "POST", "/v2/repository/models/{m}/unload", BODY = tp_repository_unload, OIP },
};

enum { N_ROUTES = sizeof routes / sizeof *routes };

int tp_routes_index(const struct tp_route *route) { return route ? (int)(route - routes) : -1; }

void tp_routes_paths(const char *paths[TP_ROUTES_MOST], int *n)
{
    _Static_assert((int)N_ROUTES <= (int)TP_ROUTES_MOST, "TP_ROUTES_MOST is too small");
    for (*n = 0; *n < N_ROUTES; ++*n) paths[*n] = routes[*n].path;
}

/* Takes the segment that {m} or {v} stands for, up to what the pattern goes on with. Where it ends,
 * or NULL. */
static const char *take_segment(struct tp_exchange *ex, char what, const char *behind,
                                const char *path)
{
    char *to = what == 'm' ? ex->model : ex->version;
    const size_t room = what == 'm' ? sizeof ex->model : sizeof ex->version;
    size_t n = strcspn(path, "/");
    if (*behind == ':') {                          /* a name may hold colons: the last one counts */
        const size_t tail = strcspn(behind, "/");
        if (n <= tail || strncmp(path + n - tail, behind, tail)) return NULL;
        n -= tail;
    }
    if (!n || n >= room || (what == 'v' && strspn(path, "0123456789") != n)) return NULL;
    memcpy(to, path, n);
    to[n] = '\0';
    return path + n;
}

/* Whether `path` has the form of `pattern`; fills ex->model and ex->version. */
static bool match(struct tp_exchange *ex, const char *pattern, const char *path)
{
    ex->model[0] = ex->version[0] = '\0';
    while (path && *pattern && *path) {
        if (*pattern == '{') {
            path = take_segment(ex, pattern[1], pattern + strlen("{m}"), path);
            pattern += strlen("{m}");
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return path && !*pattern && !*path;
}

static bool method_is(const struct tp_route *r, const char *method)
{
    return !strcmp(r->method, method) || (!strcmp(method, "HEAD") && !strcmp(r->method, "GET"));
}

/* The form of errors on paths that are none: that of the clients who come there. */
static const struct tp_dialect *dialect_of(const char *path)
{
    return !strncmp(path, "/v2", 3) && (!path[3] || path[3] == '/') ? &tp_dialect_oip : NULL;
}

const struct tp_route *tp_routes_find(struct tp_exchange *ex, const char *method, const char *path)
{
    const struct tp_route *other = NULL;
    for (int i = 0; i < N_ROUTES; i++) {
        const struct tp_route *r = &routes[i];
        if (r->control && !tp_server_loader(ex->server)) continue;
        if (ex->admin && r->kind != TP_ROUTE_ANSWER) continue;
        if (!match(ex, r->path, path)) continue;
        ex->reply.dialect = r->dialect;
        if (method_is(r, method)) return r;
        other = r;
        if (strchr(r->path, ':')) break;           /* a verb, and no part of a name */
    }
    if (other) {
        bool get = !strcmp(other->method, "GET");
        ex->reply.allow = get ? "GET, HEAD" : "POST";
        tp_reply_refuse(&ex->reply, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
                        ex->request_id, "%.16s is not possible on %.200s; use %s", method, path,
                        other->method);
        return NULL;
    }
    ex->reply.dialect = dialect_of(path);
    if (ex->admin) {
        tp_reply_refuse(&ex->reply, MHD_HTTP_NOT_FOUND, "not_found", ex->request_id,
                        "no such path here: %.200s; this is the port of health, metrics and what "
                        "models there are; work is taken on the main port (--port)", path);
        return NULL;
    }
    tp_reply_refuse(&ex->reply, MHD_HTTP_NOT_FOUND, "not_found", ex->request_id,
                    "no such path: %.200s; there are POST /v1/models/{m}/features, "
                    "/v1/models/{m}/preprocess, /v1/run, /v1/embeddings, /v1/models/{m}:predict, "
                    "/v2/models/{m}/infer and GET /v1/models, /v1/models/{m}, /v2/health/live, "
                    "/v2/health/ready, /metrics, /openapi.json, which tells all", path);
    return NULL;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

struct query {
    struct tp_job *job;
    bool ok;
};

static enum MHD_Result take_word(void *cls, enum MHD_ValueKind kind, const char *key,
                                 size_t key_bytes, const char *value, size_t value_bytes)
{
    struct query *q = cls;
    struct tp_err *err = &q->job->err;
    (void)kind;
    if (!value) value = "";
    if (strlen(key) != key_bytes || (value_bytes && strlen(value) != value_bytes))
        q->ok = tp_fail(err, TP_INVALID_ARGUMENT, "a parameter of the query holds a NUL byte");
    else {
        const char *copy = tp_arena_strndup(&q->job->arena, value, strlen(value));
        q->ok = copy ? tp_options_set(&q->job->options, key, copy, err)
                     : tp_arena_fail(&q->job->arena, err);
    }
    return q->ok ? MHD_YES : MHD_NO;
}

struct lines {                       /* of one header */
    const char *name;
    struct tp_buf text;
};

static enum MHD_Result join_line(void *cls, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    struct lines *l = cls;
    (void)kind;
    if (strcasecmp(key, l->name)) return MHD_YES;
    if (l->text.n_bytes) tp_buf_text(&l->text, ", ");
    tp_buf_text(&l->text, value ? value : "");
    return MHD_YES;
}

/* A header's text, as long as the job lives; NULL where it was not sent. Of a list its lines count
 * as one, with commas (RFC 9110, 5.3). */
static bool take_header(struct tp_exchange *ex, const char *name, bool list, const char **out)
{
    struct tp_job *job = &ex->job;
    struct lines l = { .name = name };
    const char *value = MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND, name);
    *out = NULL;
    if (!value) return true;
    if (list) MHD_get_connection_values(ex->connection, MHD_HEADER_KIND, join_line, &l);
    if (!l.text.failed)
        *out = list ? tp_arena_strndup(&job->arena, l.text.data, l.text.n_bytes)
                    : tp_arena_strndup(&job->arena, value, strlen(value));
    tp_buf_fini(&l.text);
    return *out || tp_arena_fail(&job->arena, &job->err);
}

static bool take_headers(struct tp_exchange *ex)
{
    struct tp_job_headers *h = &ex->job.headers;
    return take_header(ex, MHD_HTTP_HEADER_CONTENT_TYPE, false, &h->content_type) &&
           take_header(ex, MHD_HTTP_HEADER_CONTENT_ENCODING, true, &h->content_encoding) &&
           take_header(ex, MHD_HTTP_HEADER_ACCEPT, true, &h->accept) &&
           take_header(ex, MHD_HTTP_HEADER_ACCEPT_ENCODING, true, &h->accept_encoding) &&
           take_header(ex, "Inference-Header-Content-Length", false, &h->json_bytes);
}

/* The deadline: --request-timeout, or sooner if X-Request-Timeout-Ms says so. */
static bool take_timeout(struct tp_exchange *ex)
{
    struct tp_job *job = &ex->job;
    const char *text = MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND,
                                                   "X-Request-Timeout-Ms");
    const size_t n = text ? strlen(text) : 0;
    job->timeout_ms = tp_server_timeout_ms(ex->server);
    if (text && (!n || n > 7 || strspn(text, "0123456789") != n || !atoi(text)))
        return tp_fail(&job->err, TP_INVALID_ARGUMENT, "X-Request-Timeout-Ms: '%.32s' is not a "
                       "whole number of milliseconds from 1 to 9999999", text);
    if (text && (!job->timeout_ms || atoi(text) < job->timeout_ms)) job->timeout_ms = atoi(text);
    job->deadline_ms = ex->begun_ms + job->timeout_ms;
    return true;
}

bool tp_routes_begin(struct tp_exchange *ex)
{
    struct tp_job *job = &ex->job;
    struct query q = { job, true };
    tp_job_init(job, tp_server_limits(ex->server));
    tp_job_account(job, tp_server_budget(ex->server));
    ex->has_job = true;
    job->kind = ex->route->job;
    if (ex->route->kind == TP_ROUTE_BODY) return true;
    if (ex->route->dialect) job->dialect = ex->route->dialect;
    if (job->dialect == &tp_dialect_openai) job->models = tp_server_models(ex->server);
    else if (job->kind != TP_JOB_RUN && !(job->served = find_model(ex))) return false;
    job->pace = job->served ? tp_stats_pace(job->served->stats) : tp_server_pace(ex->server);
    MHD_get_connection_values_n(ex->connection, MHD_GET_ARGUMENT_KIND, take_word, &q);
    if (q.ok && take_headers(ex) && take_timeout(ex)) return true;
    if (job->err.code == TP_UNAVAILABLE) {
        ex->rejected = TP_REJECT_MEMORY;
        ex->reply.retry_after_seconds = tp_admission_retry_seconds(ex->server);
    }
    tp_reply_fail(&ex->reply, &job->err, ex->request_id);
    return false;
}
