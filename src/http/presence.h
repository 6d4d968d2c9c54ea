/* presence.h - is the client of a suspended connection still there?
 *
 * libmicrohttpd does not look at a suspended connection's socket, so whoever has the job may. A
 * closed socket and one that is closed for writing only look the same from here: an end of file.
 * The second still wants its answer. So an interim reply (102) is sent, which HTTP/1.1 clients
 * skip: a peer that is gone answers it with a reset, and that is seen. */
#ifndef TP_PRESENCE_H
#define TP_PRESENCE_H

#include <stdbool.h>

struct tp_presence {
    int fd;
    bool may_ask;                    /* HTTP/1.1 without TLS; else an end of file is the end */
    bool has_asked;
};

/* False: the client has gone. One thread at a time, while the connection is suspended. */
bool tp_presence_look(struct tp_presence *p);

#endif
