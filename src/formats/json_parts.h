/* json_parts.h - a large array of numbers, scanned by several threads. */
#ifndef TP_JSON_PARTS_H
#define TP_JSON_PARTS_H

#include "formats/json_rows.h"

/* How many commas stand in front of each block of a text: a number's place in its array. */
struct tp_json_places {
    const char *begin, *end;
    uint32_t *before;                /* [block]; behind the last: all */
    int64_t n_blocks;
};

/* Counts them, in the arena; false when that is full. */
bool tp_json_places_count(struct tp_json_places *places, const char *begin, const char *end,
                          int n_threads, struct tp_arena *arena) TP_MUST_USE;

/* Goes on with an array's scan from p, where a value is due, as far as threads can help. Returns
 * the byte up to which it is scanned: where a value is due, or (depth is 0) behind the array. */
const char *tp_json_parts_scan(struct tp_json_rows *r, const char *p, int n_threads,
                               const struct tp_json_places *places, struct tp_arena *arena);

#endif
