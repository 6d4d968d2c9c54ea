/* pool_index.c - where the maximum of each window or bin is: y * width + x in its own map.
 *
 * Of equal values the first counts. A NaN counts as larger than all that came before it, another
 * NaN included: so the last one is it (as PyTorch's max_pool2d and adaptive_max_pool2d have it). A
 * window that lies on padding alone has no maximum: -1. */
#include "ops/cells.h"
#include "ops/parallel.h"

#include <inttypes.h>
#include <string.h>

enum {
    LANES = 16,                      /* channels side by side: a count that compilers know */
    MOST_PIXELS = 1 << 24,           /* beyond, a float does not tell neighbours apart */
};

static bool index_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                        struct tp_err *err)
{
    if (!tp_cells_shape(nd, in, out, err)) return false;
    const int64_t height = in->dim[1], width = in->dim[2];
    if (height > 0 && width > 0 && height > MOST_PIXELS / width)
        return tp_fail(err, TP_TOO_LARGE, "%s: the map is %" PRId64 "x%" PRId64 "; places can be "
                       "told in maps of at most %d pixels", nd->name, height, width,
                       (int)MOST_PIXELS);
    return true;
}

struct work {
    const struct tp_step *st;
    const struct tp_io *io;
    int n_units;                     /* stretches of LANES channels */
};

/* n <= LANES channels of one cell; LANES of them go as vectors. in: the image's first pixel. */
static inline void find(float *out, const float *in, const struct tp_cell *cell, int64_t width,
                        int64_t channels, const int n)
{
    const int64_t start = cell->first[0] * width + cell->first[1];
    float best[LANES], place[LANES];
    if (!cell->n[0] || !cell->n[1]) {
        for (int c = 0; c < n; c++) out[c] = -1;
        return;
    }
    for (int c = 0; c < n; c++) best[c] = in[start * channels + c], place[c] = (float)start;
    for (int64_t i = 0; i < cell->n[0]; i++)
        for (int64_t j = 0; j < cell->n[1]; j++) {
            const int64_t at = start + i * cell->step[0] * width + j * cell->step[1];
            const float *pixel = in + at * channels;
            const float here = (float)at;
            for (int c = 0; c < n; c++) {
                const float x = pixel[c];
                const int wins = (x > best[c]) | (x != x);
                best[c] = wins ? x : best[c];
                place[c] = wins ? here : place[c];
            }
        }
    memcpy(out, place, (size_t)n * sizeof *out);
}

static void cells_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const struct tp_cells *cells = work->st->state;
    const int64_t channels = work->st->in[0].dim[3];
    for (int64_t i = begin; i < end; i++) {
        const int64_t unit = i % work->n_units, pixel = i / work->n_units;
        const int64_t row = pixel / cells->out[1], image = row / cells->out[0];
        const int64_t from = unit * LANES;
        const struct tp_cell cell = tp_cells_at(cells, row % cells->out[0],
                                                pixel % cells->out[1]);
        const float *in = work->io->in[0] + image * cells->in[0] * cells->in[1] * channels + from;
        float *out = work->io->out + pixel * channels + from;
        if (channels - from >= LANES) find(out, in, &cell, cells->in[1], channels, LANES);
        else find(out, in, &cell, cells->in[1], channels, (int)(channels - from));
    }
}

static void index_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct tp_cells *cells = st->state;
    const struct tp_cell middle = tp_cells_at(cells, cells->out[0] / 2, cells->out[1] / 2);
    const struct work work = { st, io, (int)((st->in[0].dim[3] + LANES - 1) / LANES) };
    tp_parallel_for(io->n_threads,
                    st->in[0].dim[0] * cells->out[0] * cells->out[1] * work.n_units,
                    2 * tp_shape_elements(&st->out) * (1 + middle.n[0] * middle.n[1]), cells_range,
                    &work);
}

const struct tp_op tp_op_pool_index = {
    .name = "PoolIndex", .shape = index_shape, .plan = tp_cells_plan, .run = index_run,
};
