/* log.h - one line per event on stderr, as text or JSON. Safe from any thread. */
#ifndef TP_LOG_H
#define TP_LOG_H

#include "base/sink.h"

enum tp_log_level { TP_LOG_DEBUG, TP_LOG_INFO, TP_LOG_WARN, TP_LOG_ERROR };

/* Process-wide, set once before threads start. Default: INFO, text. */
void tp_log_setup(enum tp_log_level level, bool json);

/* "debug", "info", "warn" or "error" to a level; false for anything else. */
bool tp_log_level_parse(const char *text, enum tp_log_level *level);

/* From here on lines go through that sink, so that nobody waits for who reads them; NULL: straight
 * to stderr again. To be called while no other thread logs. */
void tp_log_through(struct tp_sink *sink);

/* For a tp_sink_open(). */
tp_sink_lost tp_log_lost;

/* For lines that others compose: which form, whether such lines are wanted, and how they begin:
 * time and level, as in '{"time":"...","level":"info"' or '... info  '. Returns the bytes written,
 * at most TP_LOG_HEAD_BYTES. */
enum { TP_LOG_HEAD_BYTES = 64 };
bool tp_log_is_json(void);
bool tp_log_wants(enum tp_log_level level);
size_t tp_log_head(char *to, enum tp_log_level level);

/* Copies with JSON's escapes (without those of quotes and backslashes where not `quoted`), which
 * also keep a text line one line; what is not UTF-8 becomes '?'. Cuts at the room there is. */
size_t tp_log_escape(char *to, size_t room, const char *from, bool quoted);

/* Writes one line in one write(); control bytes are escaped, so a client cannot forge lines. */
void tp_log(enum tp_log_level level, const char *fmt, ...) TP_PRINTF(2, 3);

#endif
