/* cells.h - the pixels of a sliding window, or of a grid's bin, one cell for each output pixel. */
#ifndef TP_CELLS_H
#define TP_CELLS_H

#include "ops/window.h"

/* Bin `index` of n_bins over a length covers [begin, end): PyTorch's AdaptiveAvgPool2d. Bins
 * overlap where the length is no multiple of n_bins, and repeat pixels where n_bins exceeds it. */
struct tp_bin { int64_t begin, end; };

static inline struct tp_bin tp_bin_at(int64_t index, int64_t n_bins, int64_t length)
{
    return (struct tp_bin){ index * length / n_bins,
                            ((index + 1) * length + n_bins - 1) / n_bins };
}

/* Index 0 is height, 1 is width. */
struct tp_cells {
    const struct tp_pool_attr *pool;     /* its bins if there are any, else its window */
    struct tp_window_fit fit;        /* of the window */
    int64_t in[2], out[2];
};

struct tp_cell {                     /* n[0] * n[1] pixels of the map; with a 0 there is none */
    int64_t first[2], n[2], step[2];
};

/* The output's shape: [n, bins.., c], [n, c] when one bin need not keep its dimensions, or what
 * sliding the window gives. */
bool tp_cells_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                    struct tp_err *err);

/* A step's plan(): st->state becomes its struct tp_cells. */
bool tp_cells_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err);

/* What output pixel (y, x) sees of the map: the part of its window that lies inside. */
struct tp_cell tp_cells_at(const struct tp_cells *c, int64_t y, int64_t x);

/* A cell of one image, of n_channels of the map's `channels` only. */
struct tp_cell_pixels {
    const float *map;                /* the first of these channels, of the image's first pixel */
    struct tp_cell cell;
    int64_t width, channels;         /* of the map */
    int n_channels;
};

/* Copies pixels [first, first + n) of the cell, row by row, to block: [n, n_channels]. ctx is a
 * struct tp_cell_pixels. */
void tp_cells_read(const void *ctx, float *block, int64_t first, int n);

#endif
