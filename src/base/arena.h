/* arena.h - memory by lifetime: what is born together dies together.
 * Whoever owns the arena owns every pointer that came from it. One thread at a time. */
#ifndef TP_ARENA_H
#define TP_ARENA_H

#include "base/budget.h"

struct tp_arena {
    struct tp_arena_chunk *chunks;   /* newest first */
    size_t used_bytes;               /* of the newest chunk */
    size_t total_bytes;              /* of all chunks */
    size_t charged_bytes;            /* that a library has allocated on its account */
    size_t limit_bytes;              /* total_bytes and charged_bytes never exceed it */
    struct tp_share *share;          /* counts them too; NULL: nobody does */
};

/* An empty arena that will hold at most `limit_bytes`. Allocates nothing. */
void tp_arena_init(struct tp_arena *a, size_t limit_bytes);

/* Frees everything; the arena is empty again and may be used on. */
void tp_arena_fini(struct tp_arena *a);

/* `bytes` of uninitialised memory, 64-byte aligned; NULL at the limit or when memory is out. */
void *tp_arena_alloc(struct tp_arena *a, size_t bytes);

/* Makes sure that allocations of `bytes` together come from one block: on large pages, whose first
 * touch costs a tenth of what small ones cost. False at the limit or when memory is out. */
bool tp_arena_reserve(struct tp_arena *a, size_t bytes);

/* Counts memory that a library is about to take as if it were allocated here, until the arena is
 * freed or, sooner, credited. False at the limit. */
bool tp_arena_charge(struct tp_arena *a, size_t bytes) TP_MUST_USE;
void tp_arena_credit(struct tp_arena *a, size_t bytes);

/* Bytes that can still be allocated, as far as its own limit goes. */
size_t tp_arena_room(const struct tp_arena *a);

/* n * size bytes, checked for overflow, zeroed. */
void *tp_arena_zalloc(struct tp_arena *a, size_t n, size_t size);

/* n floats, uninitialised, 64-byte aligned. */
float *tp_arena_floats(struct tp_arena *a, int64_t n);

/* A copy of text[0..n_bytes) with a NUL behind it. */
char *tp_arena_strndup(struct tp_arena *a, const char *text, size_t n_bytes);

/* A formatted string; NULL when memory is out. */
char *tp_arena_printf(struct tp_arena *a, const char *fmt, ...) TP_PRINTF(2, 3);

/* The error that an arena's NULL means: too large at its limit, not now where other requests have
 * the memory, else no memory. Always false. */
bool tp_arena_fail(const struct tp_arena *a, struct tp_err *err);

#endif
