/* head.c - what stands before an answer's bytes. */
#include "formats/head.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "formats/deflate.h"
#include "formats/negotiate.h"

enum { LEAST_BYTES = 1 << 10 };     /* what is smaller fits a packet anyway */

void tp_head_add(struct tp_head *h, const char *name, const char *fmt, ...)
{
    va_list args;
    if (h->n == TP_HEAD_MAX) return;
    va_start(args, fmt);
    int n = vsnprintf(h->headers[h->n].value, TP_HEAD_VALUE_BYTES, fmt, args);
    va_end(args);
    if (n < 0 || n >= TP_HEAD_VALUE_BYTES) return;
    h->headers[h->n++].name = name;
}

bool tp_head_deflate(struct tp_head *h, struct tp_buf *body, const char *accept_encoding,
                     struct tp_err *err)
{
    struct tp_buf small = { .share = body->share };
    const enum tp_coding coding = tp_negotiate_coding(accept_encoding);
    const bool text = !h->content_type || !strcmp(h->content_type, "application/json");
    if (!text || body->failed || body->n_bytes < LEAST_BYTES) return true;
    tp_head_add(h, "Vary", "Accept-Encoding");
    if (coding == TP_IDENTITY) return true;
    if (!tp_deflate(&small, body->data, body->n_bytes, coding, err)) {
        tp_buf_fini(&small);
        return false;
    }
    tp_buf_fini(body);
    *body = small;
    tp_head_add(h, "Content-Encoding", "%s", coding == TP_GZIP ? "gzip" : "deflate");
    return true;
}
