/* routes.c - which path and method mean what. */
#include "http/routes.h"

#include <stdio.h>
#include <string.h>

#include "formats/describe.h"
#include "http/openapi.h"

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
    if (s) return s;
    if (err.code == TP_UNAVAILABLE) ex->reply.retry_after_seconds = 1;
    tp_reply_fail(&ex->reply, &err, ex->request_id);
    return NULL;
}

static void get_model(struct tp_exchange *ex)
{
    struct tp_served *s = find_model(ex);
    if (!s) return;
    ex->reply.status = MHD_HTTP_OK;
    tp_describe_model(&ex->reply.body, s->model);
    tp_models_put(s);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct tp_route routes[] = {
    { "POST", "/v1/models/{m}/features", NULL, TP_JOB_FEATURES, false },
    { "POST", "/v1/models/{m}/preprocess", NULL, TP_JOB_PREPROCESS, false },
    { "POST", "/v1/run", NULL, TP_JOB_RUN, false },
    { "GET", "/v1/models", get_models, 0, true },
    { "GET", "/v1/models/{m}", get_model, 0, true },
    { "GET", "/v2/health/live", get_live, 0, true },
    { "GET", "/v2/health/ready", get_ready, 0, true },
    { "GET", "/openapi.json", get_openapi, 0, true },
};

enum { N_ROUTES = sizeof routes / sizeof *routes };

/* Whether `path` has the form of `pattern`; fills `model` from {m}. */
static bool match(const char *pattern, const char *path, char model[256])
{
    while (*pattern && *path) {
        if (*pattern == '{') {
            size_t n = strcspn(path, "/");
            if (!n || n >= 256) return false;
            memcpy(model, path, n);
            model[n] = '\0';
            path += n;
            pattern += strlen("{m}");
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return !*pattern && !*path;
}

static bool method_is(const struct tp_route *r, const char *method)
{
    return !strcmp(r->method, method) || (!strcmp(method, "HEAD") && !strcmp(r->method, "GET"));
}

const struct tp_route *tp_routes_find(struct tp_exchange *ex, const char *method, const char *path)
{
    const struct tp_route *other = NULL;
    for (int i = 0; i < N_ROUTES; i++) {
        char model[256] = "";
        if (!match(routes[i].path, path, model)) continue;
        if (method_is(&routes[i], method)) {
            memcpy(ex->model, model, sizeof ex->model);
            return &routes[i];
        }
        other = &routes[i];
    }
    if (other) {
        bool get = !strcmp(other->method, "GET");
        ex->reply.allow = get ? "GET, HEAD" : "POST";
        tp_reply_refuse(&ex->reply, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
                        ex->request_id, "%.16s is not possible on %.200s; use %s", method, path,
                        other->method);
    } else {
        tp_reply_refuse(
            &ex->reply, MHD_HTTP_NOT_FOUND, "not_found", ex->request_id,
            "no such path: "
            "%.200s; there are POST /v1/models/{m}/features, /v1/models/{m}/preprocess, "
            "/v1/run and GET /v1/models, /v1/models/{m}, /v2/health/live, "
            "/v2/health/ready, /openapi.json",
            path);
    }
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

bool tp_routes_begin(struct tp_exchange *ex)
{
    struct tp_job *job = &ex->job;
    struct query q = { job, true };
    tp_job_init(job, tp_server_limits(ex->server));
    ex->has_job = true;
    job->kind = ex->route->job;
    if (job->kind != TP_JOB_RUN && !(job->served = find_model(ex))) return false;
    MHD_get_connection_values_n(ex->connection, MHD_GET_ARGUMENT_KIND, take_word, &q);
    if (!q.ok) {
        tp_reply_fail(&ex->reply, &job->err, ex->request_id);
        return false;
    }
    const char *type = MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_CONTENT_TYPE);
    if (type && !(job->content_type = tp_arena_strndup(&job->arena, type, strlen(type)))) {
        tp_arena_fail(&job->arena, &job->err);
        tp_reply_fail(&ex->reply, &job->err, ex->request_id);
        return false;
    }
    return true;
}
