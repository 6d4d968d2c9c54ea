/* memory.c - which bytes of one workspace belong to whom, and when. */
#include "graph/memory.h"

#include <stdlib.h>
#include <string.h>

#define MOST_BYTES (SIZE_MAX / 4)    /* of a workspace: offsets, once rounded up, stay countable */

static int by_size(const void *a, const void *b)
{
    const struct tp_block *x = *(struct tp_block *const *)a, *y = *(struct tp_block *const *)b;
    if (x->n_bytes != y->n_bytes) return x->n_bytes > y->n_bytes ? -1 : 1;
    return x < y ? -1 : x > y;       /* a total order: the same plan for the same model, always */
}

static bool meet(const struct tp_block *a, const struct tp_block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset at which `b` overlaps none of placed[], which is in order of offset. False when
 * that is beyond MOST_BYTES. */
static bool lowest_gap(struct tp_block *b, struct tp_block *const *placed, int n_placed)
{
    size_t at = 0;
    for (int i = 0; i < n_placed; i++) {
        const struct tp_block *other = placed[i];
        if (!meet(b, other)) continue;
        if (other->offset >= at && other->offset - at >= b->n_bytes) break;
        size_t behind = other->offset + other->n_bytes;
        if (behind > at) at = (behind + TP_BLOCK_ALIGN - 1) / TP_BLOCK_ALIGN * TP_BLOCK_ALIGN;
    }
    b->offset = at;
    return at <= MOST_BYTES && b->n_bytes <= MOST_BYTES - at;
}

bool tp_memory_place(struct tp_block *blocks, int n_blocks, size_t *total, struct tp_arena *arena,
                     struct tp_err *err)
{
    struct tp_block **order = tp_arena_zalloc(arena, (size_t)n_blocks + 1, sizeof *order);
    struct tp_block **placed = tp_arena_zalloc(arena, (size_t)n_blocks + 1, sizeof *placed);
    *total = 0;
    if (!order || !placed) return tp_arena_fail(arena, err);
    for (int i = 0; i < n_blocks; i++) order[i] = &blocks[i];
    qsort(order, (size_t)n_blocks, sizeof *order, by_size);

    for (int i = 0; i < n_blocks; i++) {
        struct tp_block *b = order[i];
        if (!lowest_gap(b, placed, i))
            return tp_fail(err, TP_TOO_LARGE, "the workspace exceeds the address space");
        int at = i;
        while (at > 0 && placed[at - 1]->offset > b->offset) at--;
        memmove(placed + at + 1, placed + at, (size_t)(i - at) * sizeof *placed);
        placed[at] = b;
        if (b->offset + b->n_bytes > *total) *total = b->offset + b->n_bytes;
    }
    *total = (*total + TP_BLOCK_ALIGN - 1) / TP_BLOCK_ALIGN * TP_BLOCK_ALIGN;
    return true;
}
