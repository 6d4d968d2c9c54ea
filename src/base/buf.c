/* buf.c - bytes that grow. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 512 };

void tp_buf_fini(struct tp_buf *b)
{
    free(b->data);
    *b = (struct tp_buf){ .limit_bytes = b->limit_bytes };
}

/* `spare` bytes behind the n are room too, but do not count against the limit. */
static char *reserve(struct tp_buf *b, size_t n, size_t spare)
{
    size_t need;
    if (b->failed) return NULL;
    if (__builtin_add_overflow(b->n_bytes, n, &need) || need > SIZE_MAX - spare ||
        (b->limit_bytes && need > b->limit_bytes)) {
        b->failed = true;
        return NULL;
    }
    need += spare;
    if (b->data && need <= b->capacity) return b->data + b->n_bytes;
    size_t capacity = b->capacity > SIZE_MAX / 2 ? need : 2 * b->capacity;
    if (capacity < FIRST_BYTES) capacity = FIRST_BYTES;
    if (capacity < need) capacity = need;
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->capacity = capacity;
    return b->data + b->n_bytes;
}

char *tp_buf_reserve(struct tp_buf *b, size_t n) { return reserve(b, n, 0); }

void tp_buf_bytes(struct tp_buf *b, const void *bytes, size_t n)
{
    char *to = tp_buf_reserve(b, n);
    if (!to || !n) return;
    memcpy(to, bytes, n);
    b->n_bytes += n;
}

void tp_buf_text(struct tp_buf *b, const char *text)
{
    tp_buf_bytes(b, text, strlen(text));
}

void tp_buf_printf(struct tp_buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *to = n >= 0 ? reserve(b, (size_t)n, 1) : NULL;     /* vsnprintf() ends it with a NUL */
    if (to) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        b->n_bytes += (size_t)n;
    }
    va_end(again);
}

bool tp_buf_ok(const struct tp_buf *b, const char *what, struct tp_err *err)
{
    if (!b->failed) return true;
    if (b->limit_bytes)
        return tp_fail(err, TP_TOO_LARGE, "%s exceeds the limit of %zu bytes", what,
                       b->limit_bytes);
    return tp_fail(err, TP_NO_MEMORY, "%s: out of memory", what);
}
