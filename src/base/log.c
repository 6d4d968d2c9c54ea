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
static struct tp_sink *sink;

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

void tp_log_through(struct tp_sink *to) { sink = to; }
bool tp_log_is_json(void) { return as_json; }
bool tp_log_wants(enum tp_log_level level) { return level >= least; }

/* Bytes that a terminal may take for commands: C0, DEL, and C1 in its two bytes. */
static bool is_control(const char *p, size_t sequence)
{
    const unsigned char c = (unsigned char)*p;
    return c < 0x20 || c == 0x7f || (sequence == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

size_t tp_log_escape(char *to, size_t room, const char *from, bool quoted)
{
    size_t n = 0;
    for (; *from && n + 7 < room; from++) {
        const size_t sequence = tp_utf8_bytes(from, SIZE_MAX);
        if (!sequence)
            to[n++] = '?';
        else if (is_control(from, sequence)) {
            n += (size_t)snprintf(to + n, room - n, "\\u%04x", (unsigned char)from[sequence - 1]);
            from += sequence - 1;
        } else if (sequence > 1) {
            memcpy(to + n, from, sequence);
            n += sequence;
            from += sequence - 1;
        } else {
            if (quoted && (*from == '"' || *from == '\\')) to[n++] = '\\';
            to[n++] = *from;
        }
    }
    to[n] = '\0';
    return n;
}

static char *put_digits(char *to, int n, int digits, char behind)
{
    for (int i = digits; i--; n /= 10) to[i] = (char)('0' + n % 10);
    to[digits] = behind;
    return to + digits + 1;
}

static char *put_word(char *to, const char *word)
{
    const size_t n = strlen(word);
    memcpy(to, word, n);
    return to + n;
}

/* Without printf and strftime: a line per request pays for this. */
size_t tp_log_head(char *to, enum tp_log_level level)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char *p = put_word(to, as_json ? "{\"time\":\"" : "");
    p = put_digits(p, utc.tm_year + 1900, 4, '-');
    p = put_digits(p, utc.tm_mon + 1, 2, '-');
    p = put_digits(p, utc.tm_mday, 2, 'T');
    p = put_digits(p, utc.tm_hour, 2, ':');
    p = put_digits(p, utc.tm_min, 2, ':');
    p = put_digits(p, utc.tm_sec, 2, '.');
    p = put_digits(p, (int)(now.tv_nsec / 1000000), 3, 'Z');
    p = put_word(p, as_json ? "\",\"level\":\"" : " ");
    p = put_word(p, names[level]);
    if (as_json) *p++ = '"';
    else p = put_word(p, strlen(names[level]) < 5 ? "  " : " ");
    return (size_t)(p - to);
}

/* A whole line; needs room for its head and tail besides the message, which is cut where it
 * must. */
static size_t compose(char *to, size_t room, enum tp_log_level level, const char *message)
{
    char *p = to + tp_log_head(to, level);
    if (as_json) p = put_word(p, ",\"message\":\"");
    p += tp_log_escape(p, room - (size_t)(p - to) - 4, message, as_json);
    return (size_t)(put_word(p, as_json ? "\"}\n" : "\n") - to);
}

size_t tp_log_lost(char *to, size_t room, uint64_t n_lines)
{
    char message[96];
    snprintf(message, sizeof message, "%llu log lines were dropped: nobody reads them fast enough",
             (unsigned long long)n_lines);
    return compose(to, room, TP_LOG_WARN, message);
}

void tp_log(enum tp_log_level level, const char *fmt, ...)
{
    if (level < least) return;
    char message[LINE_BYTES], line[2 * LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    const size_t n = compose(line, sizeof line, level, message);
    if (sink) {
        tp_sink_put(sink, line, n);
        return;
    }
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;                   /* nowhere left to report it */
}
