/* policy.c - which requests are let in at all. */
#include "http/policy.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define BAD(ex, ...) \
    (tp_reply_refuse(&(ex)->reply, MHD_HTTP_BAD_REQUEST, "invalid_argument", (ex)->request_id, \
                     __VA_ARGS__), false)

/* ---- request ids ----------------------------------------------------------------------------- */

static bool is_printable(const char *text)
{
    size_t n = strlen(text);
    if (n < 1 || n >= TP_REQUEST_ID_BYTES - 4) return false;
    for (; *text; text++)
        if (*text < 0x21 || *text > 0x7e) return false;
    return true;
}

/* Unique within the process by the counter, between processes by the random start. */
static void make_id(char *to)
{
    static atomic_uint_least64_t counter;
    static atomic_uint_least64_t base;
    uint64_t start = atomic_load_explicit(&base, memory_order_relaxed);
    if (!start) {
        uint64_t fresh = 1, none = 0;
        if (getrandom(&fresh, sizeof fresh, 0) != sizeof fresh || !fresh) fresh = 1;
        start = atomic_compare_exchange_strong(&base, &none, fresh) ? fresh : none;
    }
    uint64_t n = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    snprintf(to, TP_REQUEST_ID_BYTES, "%016" PRIx64, start + n * 0x9e3779b97f4a7c15u);
}

void tp_policy_request_id(struct tp_exchange *ex)
{
    const char *own = MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND, "X-Request-Id");
    if (own && is_printable(own)) snprintf(ex->request_id, sizeof ex->request_id, "%s", own);
    else make_id(ex->request_id);
}

/* ---- headers --------------------------------------------------------------------------------- */

struct seen {                        /* what one walk over the headers finds */
    int hosts, lengths, codings, expects;
    const char *length, *coding, *expect;
    bool bad_name, bad_value;
};

/* RFC 9110, 5.6.2: a field's name is a token. */
static bool is_token(const char *name, size_t n)
{
    if (!n) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c)) return false;
    }
    return true;
}

static void note(int *count, const char **value, const char *text)
{
    (*count)++;
    *value = text ? text : "";
}

static enum MHD_Result look(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_bytes,
                            const char *value, size_t value_bytes)
{
    struct seen *s = cls;
    const char *ignored;
    (void)kind;
    if (!is_token(key, key_bytes)) s->bad_name = true;
    if (value && memchr(value, '\0', value_bytes)) s->bad_value = true;
    if (!strcasecmp(key, "Host")) note(&s->hosts, &ignored, value);
    else if (!strcasecmp(key, "Content-Length")) note(&s->lengths, &s->length, value);
    else if (!strcasecmp(key, "Transfer-Encoding")) note(&s->codings, &s->coding, value);
    else if (!strcasecmp(key, "Expect")) note(&s->expects, &s->expect, value);
    return MHD_YES;
}

static bool read_length(const char *text, uint64_t *length)
{
    *length = 0;
    if (!*text || strlen(text) > 18) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        *length = *length * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

static bool judge_framing(struct tp_exchange *ex, const struct seen *s, bool http_1_1,
                          struct tp_framing *f)
{
    if (s->codings && s->lengths)
        return BAD(ex, "Transfer-Encoding beside Content-Length; a request has one of them");
    if (s->lengths > 1) return BAD(ex, "%d Content-Length headers; expected one", s->lengths);
    if (s->codings > 1 || (s->codings && strcasecmp(s->coding, "chunked")))
        return BAD(ex, "Transfer-Encoding: %.64s; only chunked is read", s->coding);
    if (s->codings && !http_1_1)
        return BAD(ex, "Transfer-Encoding in HTTP/1.0; use Content-Length");
    if (s->lengths && !read_length(s->length, &f->length))
        return BAD(ex, "Content-Length: %.32s; expected a number of bytes", s->length);
    f->has_length = s->lengths == 1;
    f->has_body = s->codings || f->length > 0;
    return true;
}

bool tp_policy_judge(struct tp_exchange *ex, const char *version, struct tp_framing *framing)
{
    struct seen s = { 0 };
    bool http_1_1 = !strcmp(version, MHD_HTTP_VERSION_1_1);
    *framing = (struct tp_framing){ 0 };
    MHD_get_connection_values_n(ex->connection, MHD_HEADER_KIND, look, &s);
    if (ex->bad_target) return BAD(ex, "%%00 in the request's target; a path holds no NUL");
    if (s.bad_name) return BAD(ex, "a header's name holds characters that no name may");
    if (s.bad_value) return BAD(ex, "a header's value holds a NUL byte");
    if (s.hosts > 1 || (http_1_1 && !s.hosts))
        return BAD(ex, "%d Host headers; HTTP/1.1 requires exactly one", s.hosts);
    if (!judge_framing(ex, &s, http_1_1, framing)) return false;
    if (s.expects && (s.expects > 1 || strcasecmp(s.expect, "100-continue"))) {
        tp_reply_refuse(&ex->reply, MHD_HTTP_EXPECTATION_FAILED, "expectation_failed",
                        ex->request_id, "Expect: %.64s; only 100-continue is known", s.expect);
        return false;
    }
    return true;
}

/* ---- keys ------------------------------------------------------------------------------------ */

struct shown {
    int n;
    const char *value;
};

static enum MHD_Result look_for_key(void *cls, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    struct shown *s = cls;
    (void)kind;
    if (!strcasecmp(key, MHD_HTTP_HEADER_AUTHORIZATION)) note(&s->n, &s->value, value);
    return MHD_YES;
}

static bool is_open(const char *method, const char *path)
{
    return !strcmp(method, "OPTIONS") || !strcmp(path, "/v2/health/live") ||
           !strcmp(path, "/v2/health/ready");
}

bool tp_policy_authorize(struct tp_exchange *ex, const char *method, const char *path)
{
    struct shown s = { 0 };
    struct tp_keys *keys = tp_server_keys(ex->server);
    if (!keys || is_open(method, path)) return true;
    MHD_get_connection_values(ex->connection, MHD_HEADER_KIND, look_for_key, &s);
    if (s.n == 1 && tp_keys_check(keys, s.value, ex->key_name)) return true;
    ex->rejected = TP_REJECT_UNAUTHORIZED;
    ex->reply.allow = NULL;                        /* of a 405, which a stranger is not told */
    ex->reply.challenge = s.n ? "Bearer realm=\"tidepool\", error=\"invalid_token\""
                              : "Bearer realm=\"tidepool\"";
    tp_reply_refuse(&ex->reply, MHD_HTTP_UNAUTHORIZED, "unauthorized", ex->request_id, "%s",
                    !s.n ? "a key is needed: send the header Authorization: Bearer KEY"
                    : s.n > 1 ? "several Authorization headers; expected one: Bearer KEY"
                    : "the Authorization header shows no valid key; expected Bearer KEY");
    return false;
}
