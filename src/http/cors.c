/* cors.c - which web pages may read what is answered here. */
#include "http/cors.h"

#include <stdlib.h>
#include <string.h>

struct tp_cors {
    bool any;
    int n;
    char *text;                      /* the list, its commas NUL */
    const char *origins[];
};

/* A scheme, a host, perhaps a port; as browsers write it: lower case and no slash behind it. */
static bool is_origin(const char *text)
{
    static const char host[] = "abcdefghijklmnopqrstuvwxyz0123456789.-:[]_";
    const size_t scheme = !strncmp(text, "https://", 8) ? 8 : !strncmp(text, "http://", 7) ? 7 : 0;
    const size_t n = strspn(text + scheme, host);
    return scheme && n && !text[scheme + n];
}

static bool split(struct tp_cors *c, struct tp_err *err)
{
    for (char *at = c->text; at; c->n++) {
        char *comma = strchr(at, ',');
        if (comma) *comma = '\0';
        if (!is_origin(at))
            return tp_fail(err, TP_INVALID_ARGUMENT, "--cors-origin: '%.64s' is no origin such as "
                           "https://app.example or http://localhost:3000 (several: with commas "
                           "between; * alone: any)", at);
        c->origins[c->n] = at;
        at = comma ? comma + 1 : NULL;
    }
    return true;
}

bool tp_cors_open(struct tp_cors **out, const char *list, struct tp_err *err)
{
    size_t most = 1;
    *out = NULL;
    if (!list) return true;
    for (const char *p = list; *p; p++) most += *p == ',';
    struct tp_cors *c = calloc(1, sizeof *c + most * sizeof *c->origins);
    if (c) c->text = strdup(list);
    bool ok = c && c->text;
    if (!ok) tp_fail(err, TP_NO_MEMORY, "out of memory");
    else if (!strcmp(list, "*")) c->any = true;
    else ok = split(c, err);
    if (ok) *out = c;
    else tp_cors_free(c);
    return ok;
}

void tp_cors_free(struct tp_cors *c)
{
    if (!c) return;
    free(c->text);
    free(c);
}

void tp_cors_allow(const struct tp_cors *c, const char *origin, struct tp_reply *r)
{
    if (!c) return;
    r->varies_by_origin = !c->any;
    if (c->any && origin) r->allow_origin = "*";
    for (int i = 0; i < c->n && origin; i++)
        if (!strcmp(c->origins[i], origin)) r->allow_origin = c->origins[i];
}

bool tp_cors_answer_options(struct tp_reply *r, bool is_preflight)
{
    if (is_preflight && !r->allow_origin) return false;
    tp_buf_fini(&r->body);
    r->head = (struct tp_head){ 0 };
    r->status = MHD_HTTP_NO_CONTENT;
    if (!is_preflight) return true;
    tp_head_add(&r->head, "Access-Control-Allow-Methods", "%s", r->allow);
    tp_head_add(&r->head, "Access-Control-Allow-Headers", "%s",
                "Authorization, Content-Type, Content-Encoding, Accept, X-Request-Id, "
                "X-Request-Timeout-Ms, Inference-Header-Content-Length, traceparent");
    tp_head_add(&r->head, "Access-Control-Max-Age", "7200");     /* what browsers take at most */
    return true;
}
