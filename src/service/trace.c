/* trace.c - the W3C's traceparent. */
#include "service/trace.h"

#include <string.h>

/* n lower-case hexadecimal digits, which is all that the standard allows. */
static bool is_hex(const char *text, size_t n) { return strspn(text, "0123456789abcdef") >= n; }

static bool is_zero(const char *text, size_t n) { return strspn(text, "0") >= n; }

/* version 2, trace-id 32, parent-id 16, flags 2, joined by dashes. Version 00 ends there. */
static bool is_valid(const char *text)
{
    return strnlen(text, 56) == 55 && !strncmp(text, "00-", 3) && is_hex(text + 3, 32) &&
           !is_zero(text + 3, 32) && text[35] == '-' && is_hex(text + 36, 16) &&
           !is_zero(text + 36, 16) && text[52] == '-' && is_hex(text + 53, 2);
}

bool tp_trace_read(const char *text, char id[TP_TRACE_ID_BYTES])
{
    id[0] = '\0';
    if (!text || !is_valid(text)) return false;
    memcpy(id, text + 3, TP_TRACE_ID_BYTES - 1);
    id[TP_TRACE_ID_BYTES - 1] = '\0';
    return true;
}
