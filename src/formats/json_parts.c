/* json_parts.c - a large array of numbers, scanned by several threads.
 *
 * The rest of the text is cut behind commas, and every part is scanned as if it were in the middle
 * of the array. The commas in front of it say where its numbers go. Then the parts are put together
 * in their order, as far as each begins where the one before ended and fits to it; what does not
 * fit is scanned again by the caller, who knows how to complain. */
#include "formats/json_parts.h"

#include <string.h>

#include "ops/parallel.h"

enum {
    BLOCK_BYTES = 64 << 10,
    MAX_PARTS = 256,
    COUNT_WORK = 1,                  /* of one byte, as tp_parallel_for() counts */
    SCAN_WORK = 8,
};

typedef uint8_t bytes __attribute__((vector_size(16)));

static uint32_t count_commas(const char *p, const char *end)
{
    uint32_t n = 0;
    while (end - p >= 64) {
        bytes sum[2] = { { 0 } };    /* up to 2 * 127 in each lane */
        for (int i = 0; i < 127 && end - p >= 64; i++, p += 64) {
            bytes v[4];
            memcpy(v, p, sizeof v);
            sum[0] -= (bytes)(v[0] == ',') + (bytes)(v[1] == ',');
            sum[1] -= (bytes)(v[2] == ',') + (bytes)(v[3] == ',');
        }
        for (int i = 0; i < 16; i++) n += (uint32_t)sum[0][i] + sum[1][i];
    }
    for (; p < end; p++) n += *p == ',';
    return n;
}

static void count_blocks(const void *ctx, int64_t begin, int64_t end)
{
    const struct tp_json_places *s = ctx;
    for (int64_t i = begin; i < end; i++) {
        const char *p = s->begin + i * BLOCK_BYTES;
        s->before[i + 1] = count_commas(p, s->end - p < BLOCK_BYTES ? s->end : p + BLOCK_BYTES);
    }
}

bool tp_json_places_count(struct tp_json_places *places, const char *begin, const char *end,
                          int n_threads, struct tp_arena *arena)
{
    const int64_t n = (end - begin + BLOCK_BYTES - 1) / BLOCK_BYTES;
    *places = (struct tp_json_places){ .begin = begin, .end = end, .n_blocks = n };
    places->before = tp_arena_alloc(arena, (size_t)(n + 1) * sizeof *places->before);
    if (!places->before) return false;
    tp_parallel_for(n_threads, n, COUNT_WORK * (end - begin), count_blocks, places);
    places->before[0] = 0;
    for (int64_t i = 0; i < n; i++) places->before[i + 1] += places->before[i];
    return true;
}

static uint32_t commas_before(const struct tp_json_places *s, const char *p)
{
    const int64_t block = (p - s->begin) / BLOCK_BYTES;
    return s->before[block] + count_commas(s->begin + block * BLOCK_BYTES, p);
}

struct part {
    struct tp_json_rows rows;
    const char *begin, *end;         /* end: up to where it was scanned */
};

static void scan_parts(const void *ctx, int64_t begin, int64_t end)
{
    struct part *const *parts = ctx;
    for (int64_t i = begin; i < end; i++)
        (*parts)[i].end = tp_json_rows_scan(&(*parts)[i].rows, (*parts)[i].begin);
}

/* Cuts [p, end) into n parts, whose numbers go to places[] of r. */
static void cut(struct part *parts, int n, const struct tp_json_rows *r, const char *p,
                const struct tp_json_places *places)
{
    const uint32_t first = commas_before(places, p);
    for (int i = 0; i < n; i++) {
        const char *at = p;
        if (i) {
            at = p + (r->end - p) * i / n;
            const char *comma = memchr(at, ',', (size_t)(r->end - at));
            at = comma ? comma + 1 : r->end;
        }
        struct part *part = &parts[i];
        part->begin = at;
        tp_json_rows_part(&part->rows, r->text, r->end);
        part->rows.wide = r->wide;
        part->rows.to = r->to + (commas_before(places, at) - first);
        if (part->rows.to > r->to_end) part->rows.to = r->to_end;   /* then it is no JSON */
        part->rows.to_end = r->to_end;
        if (!i) continue;
        part[-1].rows.stop = at;
        part[-1].rows.to_end = part->rows.to;
    }
}

const char *tp_json_parts_scan(struct tp_json_rows *r, const char *p, int n_threads,
                               const struct tp_json_places *places, struct tp_arena *arena)
{
    const int n = n_threads < MAX_PARTS ? n_threads : MAX_PARTS;
    struct part *parts = tp_arena_alloc(arena, (size_t)n * sizeof *parts);
    if (!parts) return p;
    cut(parts, n, r, p, places);
    tp_parallel_for(n_threads, n, SCAN_WORK * (r->end - p), scan_parts, &parts);
    for (int i = 0; i < n && r->depth; i++) {
        const char *end = tp_json_rows_append(r, &parts[i].rows, parts[i].end);
        if (!end) break;
        p = end;
    }
    return p;
}
