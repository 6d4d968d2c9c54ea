/* reply.c - what goes back to the client. */
#include "http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENT_CLOSED_REQUEST = 499 };            /* nginx's number, for the log: nobody reads it */

unsigned tp_reply_status(enum tp_code code)
{
    switch (code) {
    case TP_OK: return MHD_HTTP_OK;
    case TP_INVALID_ARGUMENT:
    case TP_INVALID_JSON:
    case TP_INVALID_IMAGE:
    case TP_INVALID_SHAPE:
    case TP_INVALID_MODEL: return MHD_HTTP_BAD_REQUEST;
    case TP_NOT_FOUND: return MHD_HTTP_NOT_FOUND;
    case TP_TOO_LARGE: return MHD_HTTP_CONTENT_TOO_LARGE;
    case TP_UNSUPPORTED_FORMAT: return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    case TP_UNAVAILABLE: return MHD_HTTP_SERVICE_UNAVAILABLE;
    case TP_DEADLINE: return MHD_HTTP_GATEWAY_TIMEOUT;
    case TP_CANCELLED: return CLIENT_CLOSED_REQUEST;
    case TP_IO:
    case TP_NO_MEMORY:
    case TP_INTERNAL: return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

void tp_reply_fail(struct tp_reply *r, const struct tp_err *err, const char *request_id)
{
    tp_reply_refuse(r, tp_reply_status(err->code), tp_code_name(err->code), request_id, "%s",
                    err->message);
}

void tp_reply_refuse(struct tp_reply *r, unsigned status, const char *code, const char *request_id,
                     const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    tp_reply_refuse_v(r, status, code, request_id, fmt, args);
    va_end(args);
}

void tp_reply_refuse_v(struct tp_reply *r, unsigned status, const char *code,
                       const char *request_id, const char *fmt, va_list args)
{
    char message[TP_MESSAGE_BYTES];
    vsnprintf(message, sizeof message, fmt, args);
    r->status = status;
    tp_buf_fini(&r->body);
    r->head = (struct tp_head){ 0 };
    (r->dialect ? r->dialect : &tp_dialect_tidepool)->write_error(&r->body, message, code,
                                                                  request_id);
}

static void free_body(void *data) { free(data); }

/* What a page of another origin may read, and of which headers. */
static void add_origin(struct MHD_Response *m, const struct tp_reply *r)
{
    if (r->varies_by_origin) MHD_add_response_header(m, MHD_HTTP_HEADER_VARY, "Origin");
    if (!r->allow_origin) return;
    MHD_add_response_header(m, "Access-Control-Allow-Origin", r->allow_origin);
    MHD_add_response_header(m, "Access-Control-Expose-Headers",
                            "X-Request-Id, Server-Timing, Retry-After, X-Tensor-Datatype, "
                            "X-Tensor-Layout, X-Tensor-Shape, X-Tensor-Scale-Shape, "
                            "Inference-Header-Content-Length");
}

static void add_headers(struct MHD_Response *m, const struct tp_reply *r, const char *request_id)
{
    char text[32];
    if (r->status != MHD_HTTP_NO_CONTENT)
        MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE,
                                r->head.content_type ? r->head.content_type : "application/json");
    for (int i = 0; i < r->head.n; i++)
        MHD_add_response_header(m, r->head.headers[i].name, r->head.headers[i].value);
    MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(m, "X-Request-Id", request_id);
    struct tp_buf timing = { 0 };
    tp_timing_write(&timing, &r->timing, "", ", ", ";dur=");
    tp_buf_bytes(&timing, "", 1);
    if (!timing.failed) MHD_add_response_header(m, "Server-Timing", timing.data);
    tp_buf_fini(&timing);
    if (r->retry_after_seconds) {
        snprintf(text, sizeof text, "%d", r->retry_after_seconds);
        MHD_add_response_header(m, MHD_HTTP_HEADER_RETRY_AFTER, text);
    }
    if (r->allow) MHD_add_response_header(m, MHD_HTTP_HEADER_ALLOW, r->allow);
    if (r->challenge)
        MHD_add_response_header(m, MHD_HTTP_HEADER_WWW_AUTHENTICATE, r->challenge);
    add_origin(m, r);
    if (r->close) MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close");
}

enum MHD_Result tp_reply_send(struct tp_reply *r, struct MHD_Connection *connection,
                              const char *request_id)
{
    if (r->body.failed) return MHD_NO;               /* no memory even to say so: hang up */
    struct MHD_Response *m = MHD_create_response_from_buffer_with_free_callback_cls(
        r->body.n_bytes, r->body.data, free_body, r->body.data);
    if (!m) return MHD_NO;
    r->body = (struct tp_buf){ 0 };
    add_headers(m, r, request_id);
    enum MHD_Result ok = MHD_queue_response(connection, r->status, m);
    MHD_destroy_response(m);
    return ok;
}

void tp_reply_fini(struct tp_reply *r) { tp_buf_fini(&r->body); }
