/* watch.h - absolute deadlines for what clients send and take.
 *
 * libmicrohttpd's timeout is per inactivity: a client that brings one byte per second holds its
 * connection for ever. Here every connection has a phase and the time at which it came into it; a
 * thread of its own looks at them a few times per second and shuts down the sockets of those that
 * take too long, which the library then notices and cleans up. A phase is one atomic word, so that
 * the event loop never waits for that thread, except when connections come and go. */
#ifndef TP_WATCH_H
#define TP_WATCH_H

#include <stdint.h>

#include "base/err.h"

enum tp_watch_phase {
    TP_WATCH_FIRST,                  /* accepted, until its first request's headers are there */
    TP_WATCH_IDLE,                   /* between a reply and the next request's line */
    TP_WATCH_HEAD,                   /* between a later request's line and the end of its headers */
    TP_WATCH_BODY,
    TP_WATCH_WORK,                   /* ours to be quick; no deadline here */
    TP_WATCH_ANSWER,
    TP_WATCH_CUT,                    /* shut down; no phase follows */
};

struct tp_watch_options {
    int header_ms;                   /* FIRST and HEAD at most */
    int idle_ms;                     /* IDLE at most, plus header_ms */
    int body_ms;                     /* a window of BODY or ANSWER: either it ends within, or */
    int min_rate;                    /* as many bytes per second went through */
    int max_connections;             /* near it FIRST and IDLE are cut sooner */
    bool may_write;                  /* no TLS: tell clients why (408) */
};

struct tp_watch;
struct tp_watched;                   /* one connection */

bool tp_watch_start(struct tp_watch **out, const struct tp_watch_options *options,
                    struct tp_err *err) TP_MUST_USE;

/* Every connection must have been removed. NULL is fine. */
void tp_watch_stop(struct tp_watch *w);

/* Connections cut so far. From any thread. */
uint64_t tp_watch_n_cut(const struct tp_watch *w);

/* A socket that was accepted, to be removed before it is closed. NULL: no memory to watch it. */
struct tp_watched *tp_watch_add(struct tp_watch *w, int fd);
void tp_watch_remove(struct tp_watch *w, struct tp_watched *c);

/* The rest is for the one thread that serves the connection. False: it has been cut, and nothing
 * more may be sent. */
bool tp_watch_enter(struct tp_watched *c, enum tp_watch_phase phase);
bool tp_watch_line(struct tp_watched *c);        /* a request line is there */

bool tp_watch_was_cut(const struct tp_watched *c);

/* Headers are there: with which id a 408 will name this request. To be called before the phase
 * changes to BODY. */
void tp_watch_name(struct tp_watched *c, const char *request_id);

void tp_watch_took(struct tp_watched *c, size_t n_bytes);            /* of a body */

#endif
