/* reply.h - what goes back to the client, and which status says it. */
#ifndef TP_REPLY_H
#define TP_REPLY_H

#include <microhttpd.h>
#include <stdarg.h>

#include "base/buf.h"
#include "formats/dialect.h"

struct tp_reply {
    unsigned status;
    struct tp_buf body;              /* handed to the library when sent */
    struct tp_head head;             /* type and headers that belong to the body */
    const struct tp_dialect *dialect;            /* in which errors are told; NULL: our own */
    const char *allow;               /* methods, for 405; NULL: no header */
    const char *challenge;           /* WWW-Authenticate, for 401; NULL: no header */
    const char *allow_origin;        /* Access-Control-Allow-Origin; NULL: no header */
    bool varies_by_origin;
    int retry_after_seconds;         /* 0: no header */
    bool close;                      /* the connection ends with this reply */
    struct tp_timing timing;         /* becomes Server-Timing */
};

/* The status that tells a client of an error. */
unsigned tp_reply_status(enum tp_code code);

/* Makes the reply tell of *err. */
void tp_reply_fail(struct tp_reply *r, const struct tp_err *err, const char *request_id);

/* The same for what only HTTP knows: a status, its code in JSON, and a message. */
void tp_reply_refuse(struct tp_reply *r, unsigned status, const char *code, const char *request_id,
                     const char *fmt, ...) TP_PRINTF(5, 6);
void tp_reply_refuse_v(struct tp_reply *r, unsigned status, const char *code,
                       const char *request_id, const char *fmt, va_list args) TP_PRINTF(5, 0);

/* Queues the reply; its body is no longer the caller's. */
enum MHD_Result tp_reply_send(struct tp_reply *r, struct MHD_Connection *connection,
                              const char *request_id);

void tp_reply_fini(struct tp_reply *r);          /* of one that was not sent */

#endif
