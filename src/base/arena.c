/* arena.c - a chunked bump allocator with a ceiling.
 * Free space is poisoned under AddressSanitizer, so a read past an object is seen although its
 * neighbour belongs to the same chunk. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/pages.h"

#if defined(__SANITIZE_ADDRESS__)
#define TP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TP_ASAN 1
#endif
#endif
#ifdef TP_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP_BYTES = 64 };             /* a poisoned stretch between neighbours */
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
enum { GAP_BYTES = 0 };
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = 64, SMALL_CHUNK_BYTES = 16 << 10, LARGE_CHUNK_BYTES = 256 << 10 };

struct tp_arena_chunk {
    struct tp_arena_chunk *next;
    size_t n_bytes;                  /* of the space behind this header */
    _Alignas(ALIGN) char space[];
};

void tp_arena_init(struct tp_arena *a, size_t limit_bytes)
{
    *a = (struct tp_arena){ .limit_bytes = limit_bytes };
}

static void free_chunks(struct tp_arena_chunk *c)
{
    while (c) {
        struct tp_arena_chunk *next = c->next;
        UNPOISON(c->space, c->n_bytes);
        tp_pages_free(c, sizeof *c + c->n_bytes);
        c = next;
    }
}

void tp_arena_fini(struct tp_arena *a)
{
    free_chunks(a->chunks);
    tp_share_release(a->share, a->total_bytes + a->charged_bytes);
    *a = (struct tp_arena){ .limit_bytes = a->limit_bytes, .share = a->share };
}

size_t tp_arena_room(const struct tp_arena *a)
{
    return a->limit_bytes - a->total_bytes - a->charged_bytes;
}

bool tp_arena_charge(struct tp_arena *a, size_t bytes)
{
    if (bytes > tp_arena_room(a) || !tp_share_use(a->share, bytes)) return false;
    a->charged_bytes += bytes;
    return true;
}

void tp_arena_credit(struct tp_arena *a, size_t bytes)
{
    tp_share_release(a->share, bytes);
    a->charged_bytes -= bytes;
}

static bool grow(struct tp_arena *a, size_t bytes)
{
    const size_t room = tp_arena_room(a);
    size_t want = a->chunks ? LARGE_CHUNK_BYTES : SMALL_CHUNK_BYTES;
    if (bytes > room) return false;
    if (want < bytes) want = bytes;
    if (want > room) want = room / ALIGN * ALIGN;
    if (want < bytes) return false;
    if (!tp_share_use(a->share, want)) return false;
    struct tp_arena_chunk *c = tp_pages_alloc(sizeof *c + want);
    if (!c) {
        tp_share_release(a->share, want);
        return false;
    }
    *c = (struct tp_arena_chunk){ .next = a->chunks, .n_bytes = want };
    POISON(c->space, want);
    a->chunks = c;
    a->used_bytes = 0;
    a->total_bytes += want;
    return true;
}

bool tp_arena_reserve(struct tp_arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX - 4 * ALIGN) return false;
    const size_t step = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    return (a->chunks && step <= a->chunks->n_bytes - a->used_bytes) || grow(a, step);
}

void *tp_arena_alloc(struct tp_arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX - 4 * ALIGN) return NULL;
    size_t step = (bytes + GAP_BYTES + ALIGN - 1) / ALIGN * ALIGN;
    if (!step) step = ALIGN;
    if ((!a->chunks || step > a->chunks->n_bytes - a->used_bytes) && !grow(a, step)) return NULL;
    void *p = a->chunks->space + a->used_bytes;
    a->used_bytes += step;
    UNPOISON(p, bytes);
    return p;
}

void *tp_arena_zalloc(struct tp_arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) return NULL;
    void *p = tp_arena_alloc(a, bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

float *tp_arena_floats(struct tp_arena *a, int64_t n)
{
    size_t bytes;
    if (n < 0 || __builtin_mul_overflow((size_t)n, sizeof(float), &bytes)) return NULL;
    return tp_arena_alloc(a, bytes);
}

char *tp_arena_strndup(struct tp_arena *a, const char *text, size_t n_bytes)
{
    char *p = n_bytes < SIZE_MAX ? tp_arena_alloc(a, n_bytes + 1) : NULL;
    if (!p) return NULL;
    memcpy(p, text, n_bytes);
    p[n_bytes] = '\0';
    return p;
}

char *tp_arena_printf(struct tp_arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *p = n >= 0 ? tp_arena_alloc(a, (size_t)n + 1) : NULL;
    if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

bool tp_arena_fail(const struct tp_arena *a, struct tp_err *err)
{
    if (a->share && a->share->refused_bytes) return tp_share_fail(a->share, err);
    if (a->limit_bytes < SIZE_MAX)
        return tp_fail(err, TP_TOO_LARGE, "this needs more than the %zu MiB of memory that one "
                       "request may use", a->limit_bytes >> 20);
    return tp_fail(err, TP_NO_MEMORY, "out of memory");
}
