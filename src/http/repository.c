/* repository.c - the routes of the models' repository. */
#include "http/repository.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/deflate.h"
#include "formats/oip.h"

static void fail(struct tp_exchange *ex, const struct tp_err *err)
{
    if (err->code == TP_UNAVAILABLE) ex->reply.retry_after_seconds = 1;
    tp_reply_fail(&ex->reply, err, ex->request_id);
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void write_stats(void *ctx, const struct tp_served *s)
{
    struct tp_buf *b = ctx;
    struct tp_figures figures;
    if (b->failed) return;
    if (b->data[b->n_bytes - 1] != '[') tp_buf_text(b, ",");
    tp_stats_read(s->stats, &figures);
    tp_repository_write_figures(b, s->model->name, &figures, s->n_bytes);
}

void tp_repository_get_all_stats(struct tp_exchange *ex)
{
    struct tp_buf *b = &ex->reply.body;
    ex->reply.status = MHD_HTTP_OK;
    tp_buf_text(b, "{\"model_stats\":[");
    tp_models_each_served(tp_server_models(ex->server), write_stats, b);
    tp_buf_text(b, "]}\n");
}

static bool check_version(const struct tp_exchange *ex, struct tp_err *err)
{
    return !ex->version[0] || !strcmp(ex->version, TP_MODEL_VERSION) ||
           tp_fail(err, TP_NOT_FOUND, "model '%.64s' has version " TP_MODEL_VERSION " and no %s",
                   ex->model, ex->version);
}

void tp_repository_get_stats(struct tp_exchange *ex)
{
    struct tp_err err = { 0 };
    struct tp_buf *b = &ex->reply.body;
    struct tp_served *s = tp_models_get(tp_server_models(ex->server), ex->model, &err);
    if (s && check_version(ex, &err)) {
        ex->reply.status = MHD_HTTP_OK;
        tp_buf_text(b, "{\"model_stats\":[");
        write_stats(b, s);
        tp_buf_text(b, "]}\n");
    } else {
        fail(ex, &err);
    }
    tp_models_put(s);
}

/* ---- index ----------------------------------------------------------------------------------- */

static bool inflate_body(struct tp_exchange *ex, struct tp_err *err)
{
    return tp_inflate_body(&ex->job.body,
                           MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND,
                                                       MHD_HTTP_HEADER_CONTENT_ENCODING), err);
}

struct index {
    struct tp_buf *body;
    bool ready_only;
};

static void write_line(void *ctx, const struct tp_index_line *line)
{
    const struct index *index = ctx;
    struct tp_buf *b = index->body;
    if (b->failed || (index->ready_only && line->state != TP_MODEL_READY)) return;
    if (b->data[b->n_bytes - 1] != '[') tp_buf_text(b, ",");
    tp_repository_write_line(b, line);
}

void tp_repository_index(struct tp_exchange *ex)
{
    struct tp_err err = { 0 };
    const struct tp_buf *body = &ex->job.body;
    struct index index = { .body = &ex->reply.body };
    if (inflate_body(ex, &err) &&
        tp_repository_read_index(body->data, body->n_bytes, &index.ready_only, &err)) {
        ex->reply.status = MHD_HTTP_OK;
        tp_buf_text(index.body, "[");
        tp_models_index(tp_server_models(ex->server), write_line, &index);
        tp_buf_text(index.body, "]\n");
    } else {
        fail(ex, &err);
    }
    tp_server_told(ex);
}

/* ---- load and unload ------------------------------------------------------------------------- */

static void answer(struct tp_exchange *ex, const struct tp_err *err)
{
    if (err->code != TP_OK) {
        fail(ex, err);
    } else {
        ex->reply.status = MHD_HTTP_OK;
        tp_buf_text(&ex->reply.body, "{}\n");
    }
    tp_server_told(ex);
}

/* In the loader's thread. */
static void answer_order(struct tp_order *order)
{
    answer(order->owner, &order->err);
    free(order);
}

/* False: the exchange still is to be answered. */
static bool give_order(struct tp_exchange *ex, enum tp_order_kind kind, struct tp_err *err)
{
    struct tp_order *order = calloc(1, sizeof *order);
    if (!order) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    order->kind = kind;
    order->done = answer_order;
    order->owner = ex;
    snprintf(order->name, sizeof order->name, "%s", ex->model);
    if (tp_loader_order(tp_server_loader(ex->server), order, err)) return true;
    free(order);
    return false;
}

static void begin_order(struct tp_exchange *ex, enum tp_order_kind kind,
                        bool (*read)(const char *text, size_t n_bytes, struct tp_err *err))
{
    struct tp_err err = { 0 };
    const struct tp_buf *body = &ex->job.body;
    if (!inflate_body(ex, &err) || !read(body->data, body->n_bytes, &err) ||
        !give_order(ex, kind, &err))
        answer(ex, &err);
}

void tp_repository_load(struct tp_exchange *ex)
{
    begin_order(ex, TP_ORDER_LOAD, tp_repository_read_load);
}

void tp_repository_unload(struct tp_exchange *ex)
{
    begin_order(ex, TP_ORDER_UNLOAD, tp_repository_read_unload);
}
