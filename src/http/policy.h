/* policy.h - which requests are let in at all, judged by their headers alone.
 *
 * libmicrohttpd 0.9.75 is lenient where two readers of one request could disagree about where it
 * ends (both lengths, two lengths, unknown transfer codings); such requests are refused here, and
 * their connection ends. What its parser hides from a handler (bare line feeds, NUL bytes, folded
 * lines) takes libmicrohttpd 1.0, whose strictest discipline the server asks for where it is
 * there. */
#ifndef TP_POLICY_H
#define TP_POLICY_H

#include <microhttpd.h>

#include "http/exchange.h"

/* What the headers say of the body. */
struct tp_framing {
    bool has_body;                   /* a length above 0, or chunks */
    bool has_length;
    uint64_t length;
};

/* Judges the request; fills ex->reply and returns false when it is not let in. */
bool tp_policy_judge(struct tp_exchange *ex, const char *version, struct tp_framing *framing);

/* Whether the request shows a key, where one is asked for: everywhere but at the health probes and
 * for OPTIONS, whose preflights cannot. Fills ex->key_name, or ex->reply with 401 in the dialect
 * that stands there. */
bool tp_policy_authorize(struct tp_exchange *ex, const char *method, const char *path);

/* The client's X-Request-Id when it is short and printable, else one of our own. */
void tp_policy_request_id(struct tp_exchange *ex);

#endif
