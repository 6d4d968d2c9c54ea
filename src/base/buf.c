/* buf.c - bytes that grow. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/heap.h"

enum { FIRST_BYTES = 512 };

void tp_buf_fini(struct tp_buf *b)
{
    free(b->data);
    tp_share_release(b->share, b->capacity);
    *b = (struct tp_buf){ .limit_bytes = b->limit_bytes, .share = b->share };
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
    const size_t more = capacity - b->capacity;
    char *data = tp_share_use(b->share, more) ? realloc(b->data, capacity) : NULL;
    if (!data) {
        b->failed = true;            /* what was counted in vain goes with the share */
        return NULL;
    }
    if (capacity >= TP_HEAP_MAPPED_BYTES && b->capacity < TP_HEAP_MAPPED_BYTES && b->capacity)
        tp_budget_relieve(b->share ? b->share->budget : NULL);   /* of what it has grown out of */
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

/* Decimal digits of n, at least `least` of them, ending at `end`; where they begin. */
static char *digits(char *end, uint64_t n, int least)
{
    for (; n || least > 0; n /= 10, least--) *--end = (char)('0' + n % 10);
    return end;
}

void tp_buf_int(struct tp_buf *b, int64_t n)
{
    char text[24], *end = text + sizeof text;
    char *p = digits(end, n < 0 ? -(uint64_t)n : (uint64_t)n, 1);
    if (n < 0) *--p = '-';
    tp_buf_bytes(b, p, (size_t)(end - p));
}

void tp_buf_millis(struct tp_buf *b, double ms)
{
    char text[24], *end = text + sizeof text;
    double most = 1e12;
    if (!(ms > 0)) ms = 0;
    uint64_t us = (uint64_t)((ms < most ? ms : most) * 1e3 + 0.5);
    char *p = digits(end, us % 1000, 3);
    *--p = '.';
    p = digits(p, us / 1000, 1);
    tp_buf_bytes(b, p, (size_t)(end - p));
}

void tp_buf_list(struct tp_buf *b, const char *name, int *left_out)
{
    enum { LISTED_BYTES = 300 };
    if (*left_out || b->n_bytes + strlen(name) > LISTED_BYTES) ++*left_out;
    else tp_buf_printf(b, "%s%s", b->n_bytes ? ", " : "", name);
}

void tp_buf_fit(struct tp_buf *b)
{
    enum { WORTH_BYTES = 256 << 10 };
    const size_t spare = b->capacity - b->n_bytes;
    char *data = spare > WORTH_BYTES && b->n_bytes ? realloc(b->data, b->n_bytes) : NULL;
    if (!data) return;
    b->data = data;
    b->capacity = b->n_bytes;
    tp_share_release(b->share, spare);
}

bool tp_buf_ok(const struct tp_buf *b, const char *what, struct tp_err *err)
{
    if (!b->failed) return true;
    if (b->share && b->share->refused_bytes) return tp_share_fail(b->share, err);
    if (b->limit_bytes)
        return tp_fail(err, TP_TOO_LARGE, "%s exceeds the limit of %zu bytes", what,
                       b->limit_bytes);
    return tp_fail(err, TP_NO_MEMORY, "%s: out of memory", what);
}
