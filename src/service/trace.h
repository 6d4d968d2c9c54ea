/* trace.h - the W3C's traceparent: to which trace a request belongs. */
#ifndef TP_TRACE_H
#define TP_TRACE_H

#include <stdbool.h>

enum { TP_TRACE_ID_BYTES = 33 };     /* 32 hexadecimal digits and a NUL */

/* Takes the trace's id out of a header such as 00-4bf92f...4736-00f067aa0ba902b7-01 (text may be
 * NULL: it was not sent). False, and "" in `id`, where it is malformed, which the standard says to
 * ignore. */
bool tp_trace_read(const char *text, char id[TP_TRACE_ID_BYTES]);

#endif
