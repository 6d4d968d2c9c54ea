/* err.c - errors are values: a code for machines, a sentence for people. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool tp_fail(struct tp_err *err, enum tp_code code, const char *fmt, ...)
{
    if (err->code != TP_OK) return false;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    err->code = code;
    return false;
}

bool tp_fail_in(struct tp_err *err, const char *fmt, ...)
{
    char old[TP_MESSAGE_BYTES];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof err->message) return false;
    int room = (int)sizeof err->message - n - 3;
    snprintf(err->message + n, sizeof err->message - (size_t)n, ": %.*s", room < 0 ? 0 : room, old);
    return false;
}

const char *tp_code_name(enum tp_code code)
{
    switch (code) {
    case TP_OK: return "ok";
    case TP_INVALID_ARGUMENT: return "invalid_argument";
    case TP_INVALID_JSON: return "invalid_json";
    case TP_INVALID_IMAGE: return "invalid_image";
    case TP_INVALID_SHAPE: return "invalid_shape";
    case TP_INVALID_MODEL: return "invalid_model";
    case TP_NOT_FOUND: return "not_found";
    case TP_TOO_LARGE: return "too_large";
    case TP_UNSUPPORTED_FORMAT: return "unsupported_format";
    case TP_UNAVAILABLE: return "unavailable";
    case TP_DEADLINE: return "deadline";
    case TP_CANCELLED: return "cancelled";
    case TP_IO: return "io";
    case TP_NO_MEMORY: return "no_memory";
    case TP_INTERNAL: return "internal";
    }
    return "internal";
}
