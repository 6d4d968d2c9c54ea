/* multipart.h - multipart/form-data bodies (RFC 7578) that are in memory whole. */
#ifndef TP_MULTIPART_H
#define TP_MULTIPART_H

#include "base/arena.h"

struct tp_part {
    const char *name;                /* of the field; "" when it has none; in the arena */
    const char *filename;            /* NULL: not a file */
    const char *content_type;        /* NULL: not said */
    const uint8_t *data;             /* inside the body */
    size_t n_bytes;
};

/* Cuts `body` at the boundary that `content_type` ("multipart/form-data; boundary=...") names.
 * *parts lives in `arena`, its pointers also into `body`. At most max_parts, each with at most 8
 * KiB of headers; a body without its closing boundary is refused as truncated. */
bool tp_multipart_parse(struct tp_part **parts, int *n_parts, const char *content_type,
                        const void *body, size_t n_bytes, int max_parts, struct tp_arena *arena,
                        struct tp_err *err) TP_MUST_USE;

#endif
