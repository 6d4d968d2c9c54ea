/* cells.c - the pixels of a sliding window, or of a grid's bin. */
#include "ops/cells.h"

#include <string.h>

bool tp_cells_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                    struct tp_err *err)
{
    const struct tp_pool_attr *a = &nd->attr.pool;
    if (!a->bins[0] && !a->bins[1])
        return tp_window_check(nd, &a->window, in, err) &&
               tp_window_shape(nd, &a->window, in, in->dim[3], out, err);
    if (a->bins[0] < 1 || a->bins[1] < 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: grid %dx%d; each side must be at least 1",
                       nd->name, a->bins[0], a->bins[1]);
    if (!tp_op_need_map(nd, in, err)) return false;
    const bool flat = a->bins[0] == 1 && a->bins[1] == 1 && !a->keep_dims;
    *out = flat ? TP_SHAPE2(in->dim[0], in->dim[3])
                : TP_SHAPE4(in->dim[0], a->bins[0], a->bins[1], in->dim[3]);
    return true;
}

bool tp_cells_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_pool_attr *a = &st->node->attr.pool;
    const int64_t *in = st->in[0].dim;
    struct tp_cells *c = tp_arena_zalloc(arena, 1, sizeof *c);
    if (!c) return tp_arena_fail(arena, err);
    c->pool = a;
    if (!a->bins[0]) c->fit = tp_window_fit(st->node, &a->window, in[1], in[2]);
    for (int axis = 0; axis < 2; axis++) {
        c->in[axis] = in[axis + 1];
        c->out[axis] = a->bins[0] ? a->bins[axis] : c->fit.out[axis];
    }
    st->state = c;
    return true;
}

struct tp_cell tp_cells_at(const struct tp_cells *c, int64_t y, int64_t x)
{
    const struct tp_window *w = &c->pool->window;
    const int64_t at[2] = { y, x };
    struct tp_cell cell;
    for (int axis = 0; axis < 2; axis++) {
        if (c->pool->bins[0]) {
            const struct tp_bin bin = tp_bin_at(at[axis], c->out[axis], c->in[axis]);
            cell.first[axis] = bin.begin;
            cell.n[axis] = bin.end - bin.begin;
            cell.step[axis] = 1;
            continue;
        }
        const int dilation = w->kernel[axis] > 1 ? w->dilations[axis] : 1;
        const int before = c->fit.before[axis];
        int first, end;
        tp_window_taps((int)at[axis], w->strides[axis], before, w->kernel[axis], dilation,
                       (int)c->in[axis], &first, &end);
        cell.first[axis] = at[axis] * w->strides[axis] - before + (int64_t)first * dilation;
        cell.n[axis] = end - first;
        cell.step[axis] = dilation;
    }
    return cell;
}

void tp_cells_read(const void *ctx, float *block, int64_t first, int n)
{
    const struct tp_cell_pixels *p = ctx;
    const struct tp_cell *cell = &p->cell;
    const bool dense = cell->step[1] == 1 && p->n_channels == p->channels;
    while (n) {
        const int64_t row = first / cell->n[1], column = first % cell->n[1];
        const int run = cell->n[1] - column < n ? (int)(cell->n[1] - column) : n;
        const float *from = p->map + p->channels *
                            ((cell->first[0] + row * cell->step[0]) * p->width +
                             cell->first[1] + column * cell->step[1]);
        if (dense) memcpy(block, from, (size_t)(run * p->n_channels) * sizeof *block);
        for (int i = 0; i < run && !dense; i++)
            memcpy(block + i * p->n_channels, from + i * cell->step[1] * p->channels,
                   (size_t)p->n_channels * sizeof *block);
        block += run * p->n_channels;
        first += run;
        n -= run;
    }
}
