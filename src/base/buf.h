/* buf.h - bytes that grow: where an answer is written. Appending never fails on its own; a buffer
 * that ran out says so once, at the end, in `failed`. */
#ifndef TP_BUF_H
#define TP_BUF_H

#include "base/budget.h"

struct tp_buf {
    char *data;                      /* malloc()ed; not NUL-terminated */
    size_t n_bytes, capacity;
    size_t limit_bytes;              /* 0: none */
    struct tp_share *share;          /* counts its capacity; NULL: nobody does */
    bool failed;                     /* out of memory, or beyond the limit */
};

void tp_buf_fini(struct tp_buf *b);

/* Room for `n` more bytes; a pointer to it, or NULL (and failed). Does not change n_bytes. */
char *tp_buf_reserve(struct tp_buf *b, size_t n);
void tp_buf_bytes(struct tp_buf *b, const void *bytes, size_t n);
void tp_buf_text(struct tp_buf *b, const char *text);
void tp_buf_printf(struct tp_buf *b, const char *fmt, ...) TP_PRINTF(2, 3);

/* "-12", and "0.125" (three decimals, halves up; 0 to 10^12, then cut), without printf,
 * which took an eighth of the time of a small request. */
void tp_buf_int(struct tp_buf *b, int64_t n);
void tp_buf_millis(struct tp_buf *b, double ms);

/* A list in a message: ", name", or one more in *left_out once it is long enough. */
void tp_buf_list(struct tp_buf *b, const char *name, int *left_out);

/* Gives back room that was not needed, where that is worth the while. */
void tp_buf_fit(struct tp_buf *b);

/* True when everything was written; else *err says too large or out of memory. */
bool tp_buf_ok(const struct tp_buf *b, const char *what, struct tp_err *err) TP_MUST_USE;

#endif
