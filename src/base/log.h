/* log.h - one line per event on stderr, as text or JSON. Safe from any thread. */
#ifndef TP_LOG_H
#define TP_LOG_H

#include "base/err.h"

enum tp_log_level { TP_LOG_DEBUG, TP_LOG_INFO, TP_LOG_WARN, TP_LOG_ERROR };

/* Process-wide, set once before threads start. Default: INFO, text. */
void tp_log_setup(enum tp_log_level level, bool json);

/* "debug", "info", "warn" or "error" to a level; false for anything else. */
bool tp_log_level_parse(const char *text, enum tp_log_level *level);

/* Writes one line in one write(); control bytes are escaped, so a client cannot forge lines. */
void tp_log(enum tp_log_level level, const char *fmt, ...) TP_PRINTF(2, 3);

#endif
