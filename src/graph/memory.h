/* memory.h - which bytes of one workspace belong to whom, and when. */
#ifndef TP_MEMORY_H
#define TP_MEMORY_H

#include "base/arena.h"

struct tp_block {
    size_t n_bytes;
    int first, last;                 /* the steps during which it is needed, both included */
    size_t offset;                   /* the answer; a multiple of TP_BLOCK_ALIGN */
};

enum { TP_BLOCK_ALIGN = 64 };

/* Gives every block its offset so that blocks needed at the same time do not overlap: the largest
 * first, each at the lowest place that is free during its life. *total receives the workspace's
 * size. Source: Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference
 * (2020), greedy by size. */
bool tp_memory_place(struct tp_block *blocks, int n_blocks, size_t *total, struct tp_arena *arena,
                     struct tp_err *err) TP_MUST_USE;

#endif
