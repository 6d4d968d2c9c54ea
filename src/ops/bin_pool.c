/* bin_pool.c - pooling window by window or bin by bin, for kinds that take several passes: Lp, gem,
 * standard deviation.
 *
 * What padding adds counts for nothing; a window that lies on padding alone gives 0. */
#include "ops/aggregate.h"
#include "ops/cells.h"
#include "ops/parallel.h"

static bool bin_pool_shape(const struct tp_node *nd, const struct tp_shape *in,
                           struct tp_shape *out, struct tp_err *err)
{
    return tp_aggregate_check(nd, nd->attr.pool.kind, nd->attr.pool.p, err) &&
           tp_cells_shape(nd, in, out, err);
}

struct work {
    const struct tp_step *st;
    const struct tp_io *io;
    int n_units;                     /* stretches of channels */
};

/* Items are stretches of channels of output pixels. */
static void bins_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const struct tp_cells *cells = work->st->state;
    const struct tp_pool_attr *attr = &work->st->node->attr.pool;
    const int64_t channels = work->st->in[0].dim[3];
    for (int64_t i = begin; i < end; i++) {
        const int64_t unit = i % work->n_units, place = i / work->n_units;
        const int64_t row = place / cells->out[1], image = row / cells->out[0];
        const int64_t from = tp_aggregate_begin(channels, unit);
        const struct tp_cell_pixels pixels = {
            .map = work->io->in[0] + image * cells->in[0] * cells->in[1] * channels + from,
            .cell = tp_cells_at(cells, row % cells->out[0], place % cells->out[1]),
            .width = cells->in[1], .channels = channels,
            .n_channels = (int)(tp_aggregate_begin(channels, unit + 1) - from),
        };
        const struct tp_aggregate a = {
            .k = work->st->k, .kind = attr->kind, .p = attr->p, .channels = pixels.n_channels,
            .n_pixels = pixels.cell.n[0] * pixels.cell.n[1], .read = tp_cells_read, .ctx = &pixels,
        };
        tp_aggregate(&a, work->io->out + place * channels + from);
    }
}

static void bin_pool_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct tp_cells *cells = st->state;
    const struct tp_cell middle = tp_cells_at(cells, cells->out[0] / 2, cells->out[1] / 2);
    const struct work work = { st, io, tp_aggregate_units(st->in[0].dim[3]) };
    const int64_t n_cells = st->in[0].dim[0] * cells->out[0] * cells->out[1];
    tp_parallel_for(io->n_threads, n_cells * work.n_units,
                    16 * tp_shape_elements(&st->out) * (1 + middle.n[0] * middle.n[1]), bins_range,
                    &work);
}

const struct tp_op tp_op_bin_pool = {
    .name = "BinPool", .shape = bin_pool_shape, .plan = tp_cells_plan, .run = bin_pool_run,
};
