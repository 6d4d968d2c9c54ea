/* access.h - the line that the log holds of each request. */
#ifndef TP_ACCESS_H
#define TP_ACCESS_H

#include <sys/socket.h>

#include "base/buf.h"
#include "formats/answer.h"

enum tp_access_end { TP_ACCESS_ANSWERED, TP_ACCESS_GONE, TP_ACCESS_SLOW, TP_ACCESS_STOPPED };

/* What is told of a request. Texts may be NULL or "", and stand in the line only if they are not;
 * whatever bytes a client put into them. */
struct tp_access {
    const char *id, *key, *method, *path, *route, *model, *trace, *rejected;
    const struct sockaddr *client;   /* NULL: not known */
    unsigned status;                 /* 0: nothing of ours was answered */
    uint64_t n_bytes_in, n_bytes_out;            /* of the bodies */
    double total_ms;
    const struct tp_timing *timing;  /* NULL: no job was done */
    enum tp_access_end end;
};

/* Appends the line, its line feed included, in the log's form: key=value pairs or JSON. */
void tp_access_write(struct tp_buf *b, const struct tp_access *a);

#endif
