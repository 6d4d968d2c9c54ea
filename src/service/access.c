/* access.c - the line that the log holds of each request. */
#include "service/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/log.h"

enum { LINE_BYTES = 1024, TEXT_BYTES = 1024 };

static const char *const ends[] = { "", "gone", "slow", "stopped" };

/* `,"name":` or ` name=`. */
static void put_name(struct tp_buf *b, const char *name, bool json)
{
    tp_buf_text(b, json ? ",\"" : " ");
    tp_buf_text(b, name);
    tp_buf_text(b, json ? "\":" : "=");
}

/* Text of bytes that mean nothing in either form. */
static bool is_plain(const char *text, size_t *n)
{
    size_t i = 0;
    while (text[i] > ' ' && text[i] < 0x7f && text[i] != '"' && text[i] != '\\' && text[i] != '=')
        i++;
    *n = i;
    return !text[i] && i < TEXT_BYTES;
}

static void put_text(struct tp_buf *b, const char *name, const char *text, bool json)
{
    char escaped[TEXT_BYTES];
    size_t n;
    if (!text || !*text) return;
    const bool plain = is_plain(text, &n);
    put_name(b, name, json);
    if (!plain || json) tp_buf_text(b, "\"");
    if (plain) tp_buf_bytes(b, text, n);
    else tp_buf_bytes(b, escaped, tp_log_escape(escaped, sizeof escaped, text, true));
    if (!plain || json) tp_buf_text(b, "\"");
}

static void put_int(struct tp_buf *b, const char *name, uint64_t n, bool json)
{
    put_name(b, name, json);
    tp_buf_int(b, (int64_t)n);
}

static void put_ms(struct tp_buf *b, const char *name, double ms, bool json)
{
    put_name(b, name, json);
    tp_buf_millis(b, ms);
}

/* Without inet_ntop(), which prints by printf. */
static void put_ipv4(struct tp_buf *b, const struct sockaddr_in *in)
{
    const unsigned char *bytes = (const unsigned char *)&in->sin_addr;
    for (int i = 0; i < 4; i++) {
        tp_buf_int(b, bytes[i]);
        tp_buf_text(b, i < 3 ? "." : ":");
    }
    tp_buf_int(b, ntohs(in->sin_port));
}

static void put_ipv6(struct tp_buf *b, const struct sockaddr_in6 *in6)
{
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
    tp_buf_text(b, "[");
    tp_buf_text(b, text);
    tp_buf_text(b, "]:");
    tp_buf_int(b, ntohs(in6->sin6_port));
}

/* 127.0.0.1:49152 or [::1]:49152. */
static void put_client(struct tp_buf *b, const struct sockaddr *client, bool json)
{
    const bool six = client && client->sa_family == AF_INET6;
    if (!client || (!six && client->sa_family != AF_INET)) return;
    put_name(b, "client", json);
    tp_buf_text(b, json ? "\"" : "");
    if (six) put_ipv6(b, (const void *)client);
    else put_ipv4(b, (const void *)client);
    tp_buf_text(b, json ? "\"" : "");
}

void tp_access_write(struct tp_buf *b, const struct tp_access *a)
{
    const bool json = tp_log_is_json();
    char *head = tp_buf_reserve(b, LINE_BYTES);    /* most lines fit: one allocation */
    if (!head) return;
    b->n_bytes += tp_log_head(head, TP_LOG_INFO);
    tp_buf_text(b, json ? ",\"message\":\"request\"" : "request");
    put_text(b, "id", a->id, json);
    put_client(b, a->client, json);
    put_text(b, "key", a->key, json);
    put_text(b, "method", a->method, json);
    put_text(b, "path", a->path, json);
    put_text(b, "route", a->route, json);
    put_text(b, "model", a->model, json);
    put_int(b, "status", a->status, json);
    put_int(b, "in", a->n_bytes_in, json);
    put_int(b, "out", a->n_bytes_out, json);
    put_ms(b, "ms", a->total_ms, json);
    if (a->timing) {
        put_ms(b, "queue", a->timing->queue, json);
        put_ms(b, "decode", a->timing->decode, json);
        put_ms(b, "infer", a->timing->infer, json);
        put_ms(b, "encode", a->timing->encode, json);
    }
    put_text(b, "trace", a->trace, json);
    put_text(b, "rejected", a->rejected, json);
    put_text(b, "ended", ends[a->end], json);
    tp_buf_text(b, json ? "}\n" : "\n");
}
