/* cors.h - which web pages may read what is answered here: those of the listed origins
 * (the Fetch standard's CORS protocol). Without a list, none but this server's own. */
#ifndef TP_CORS_H
#define TP_CORS_H

#include "http/reply.h"

struct tp_cors;

/* "https://a.example,http://localhost:3000", or "*" for any page. NULL gives *out NULL, which is
 * fine below. The list's text must outlive *out. */
bool tp_cors_open(struct tp_cors **out, const char *list, struct tp_err *err) TP_MUST_USE;
void tp_cors_free(struct tp_cors *c);

/* Tells the page of `origin` (NULL: no page asks) that it may read the reply, if it may; caches,
 * that this depends. The reply then borrows from *c. */
void tp_cors_allow(const struct tp_cors *c, const char *origin, struct tp_reply *r);

/* Makes *r, which says with r->allow which methods a path has, the answer to OPTIONS. is_preflight:
 * a browser asks, before it sends what a page wants. False: that page may not, and the caller says
 * so. */
bool tp_cors_answer_options(struct tp_reply *r, bool is_preflight);

#endif
