/* sink.h - lines for a file descriptor, written by a thread of their own.
 *
 * Who logs never waits for who reads: lines go into a bounded buffer, and where that is full they
 * are dropped and counted. The thread writes what has gathered in a few milliseconds at once. */
#ifndef TP_SINK_H
#define TP_SINK_H

#include "base/err.h"

struct tp_sink;

/* Composes the line that says how many lines were dropped; returns its bytes, at most `room`. */
typedef size_t tp_sink_lost(char *to, size_t room, uint64_t n_lines);

/* Writes to `fd`, which stays the caller's. */
bool tp_sink_open(struct tp_sink **out, int fd, tp_sink_lost *lost, struct tp_err *err) TP_MUST_USE;

/* Takes one whole line. From any thread; never waits for the descriptor. */
void tp_sink_put(struct tp_sink *s, const char *line, size_t n_bytes);

/* Lines dropped so far; 0 for NULL. */
uint64_t tp_sink_dropped(struct tp_sink *s);

/* Writes what is left and ends the thread. One that is still stuck in write() after `wait_ms` is
 * left behind, and frees its memory should it ever come out. NULL is fine. */
void tp_sink_close(struct tp_sink *s, int wait_ms);

#endif
