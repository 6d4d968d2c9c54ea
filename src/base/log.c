/* log.c - one line per event on stderr, as text or JSON. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

enum { LINE_BYTES = 1024 };

static enum tp_log_level least = TP_LOG_INFO;
static bool as_json;

static const char *const names[] = { "debug", "info", "warn", "error" };

void tp_log_setup(enum tp_log_level level, bool json)
{
    least = level;
    as_json = json;
}

bool tp_log_level_parse(const char *text, enum tp_log_level *level)
{
    for (int i = 0; i < 4; i++)
        if (!strcmp(text, names[i])) {
            *level = (enum tp_log_level)i;
            return true;
        }
    return false;
}

/* Copies with JSON's escapes, which also keep a text line one line; what is not UTF-8 becomes '?'.
 * Cuts at the room there is. */
static size_t escape(char *to, size_t room, const char *from)
{
    size_t n = 0;
    for (; *from && n + 7 < room; from++) {
        unsigned char c = (unsigned char)*from;
        size_t sequence = tp_utf8_bytes(from, SIZE_MAX);
        if (sequence > 1) {
            memcpy(to + n, from, sequence);
            n += sequence;
            from += sequence - 1;
        } else if (!sequence)
            to[n++] = '?';
        else if (c < 0x20 || c == 0x7f)
            n += (size_t)snprintf(to + n, room - n, "\\u%04x", c);
        else if (as_json && (c == '"' || c == '\\')) {
            to[n++] = '\\';
            to[n++] = (char)c;
        } else
            to[n++] = (char)c;
    }
    to[n] = '\0';
    return n;
}

void tp_log(enum tp_log_level level, const char *fmt, ...)
{
    if (level < least) return;
    char message[LINE_BYTES], line[2 * LINE_BYTES], stamp[32];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);

    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);

    int n = snprintf(line, sizeof line,
                     as_json ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"message\":\""
                             : "%s.%03ldZ %-5s ", stamp, now.tv_nsec / 1000000, names[level]);
    size_t end = (size_t)n;
    end += escape(line + end, sizeof line - end - 4, message);
    const char *tail = as_json ? "\"}\n" : "\n";
    memcpy(line + end, tail, strlen(tail));
    ssize_t ignored = write(STDERR_FILENO, line, end + strlen(tail));
    (void)ignored;                   /* nowhere left to report it */
}
