/* head.h - what stands before an answer's bytes: their type, and headers that belong to them. */
#ifndef TP_HEAD_H
#define TP_HEAD_H

#include "base/buf.h"

enum { TP_HEAD_MAX = 8, TP_HEAD_VALUE_BYTES = 200 };

struct tp_head {
    const char *content_type;        /* static text; NULL: application/json */
    int n;
    struct {
        const char *name;            /* static text */
        char value[TP_HEAD_VALUE_BYTES];
    } headers[TP_HEAD_MAX];
};

/* Adds "name: value". A value that is too long is left out as a whole. */
void tp_head_add(struct tp_head *h, const char *name, const char *fmt, ...) TP_PRINTF(3, 4);

/* Compresses a text of JSON where the client takes that (accept_encoding may be NULL) and it is
 * long enough to be worth it. Maps as bytes hardly shrink and are left as they are. */
bool tp_head_deflate(struct tp_head *h, struct tp_buf *body, const char *accept_encoding,
                     struct tp_err *err) TP_MUST_USE;

#endif
