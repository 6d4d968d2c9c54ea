/* arg_max.c - the place of the greatest (or least) element along one axis, as a float.
 *
 * A NaN counts as the greatest, and for ArgMin as the least (NumPy, PyTorch). */
#include "ops/columns.h"


enum { MOST_PLACES = 1 << 24 };      /* floats are exact up to here */

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    struct tp_columns c;
};

static bool arg_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                      struct tp_err *err)
{
    const int axis = nd->attr.axes.axis;
    if (axis < 0 || axis >= in->rank)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: no axis %d in its input %s; it must be from 0 "
                       "to %d", nd->name, axis, TP_SHAPE(in), in->rank - 1);
    if (in->dim[axis] > MOST_PLACES)
        return tp_fail(err, TP_TOO_LARGE, "%s: axis %d of its input %s is longer than the %d "
                       "places that floats can tell apart", nd->name, axis, TP_SHAPE(in),
                       (int)MOST_PLACES);
    *out = *in;
    out->dim[axis] = 1;
    return true;
}

/* A column's first greatest element, of n that are `step` apart: how many come before it. The last
 * one is the first of the column upside down. sign -1 makes ArgMax of ArgMin. */
static int64_t find_one(const float *in, int64_t n, int64_t step, float sign)
{
    float best = sign * in[0];
    int64_t place = 0;
    for (int64_t i = 1; i < n && best == best; i++) {
        const float x = sign * in[i * step];
        if (x <= best) continue;
        best = x;
        place = i;
    }
    return place;
}

/* The same for `width` neighbouring columns. */
static void find_rows(float *restrict place, const float *restrict in, int64_t n, int64_t step,
                      int width, float sign)
{
    float best[TP_UNIT_COLUMNS];
    for (int j = 0; j < width; j++) {
        best[j] = sign * in[j];
        place[j] = 0;
    }
    for (int64_t i = 1; i < n; i++) {
        const float *restrict row = in + i * step;
        const float here = (float)i;
#pragma omp simd
        for (int j = 0; j < width; j++) {
            const float x = sign * row[j], was = best[j];
            const bool better = (!(x <= was)) & (was == was);
            best[j] = better ? x : was;
            place[j] = better ? here : place[j];
        }
    }
}

static void find_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct tp_axes_attr *a = &j->st->node->attr.axes;
    const int64_t n = j->c.length, inner = j->c.inner, last = a->last ? n - 1 : 0;
    const int64_t step = a->last ? -inner : inner;
    const float sign = a->min ? -1 : 1;
    for (int64_t i = begin; i < end; i++) {
        const struct tp_unit u = tp_columns_unit(&j->c, i);
        const float *in = j->io->in[0] + (u.outer * n + last) * inner + u.first;
        float *out = j->io->out + u.outer * inner + u.first;
        if (inner == 1) *out = (float)find_one(in, n, step, sign);
        else find_rows(out, in, n, step, u.width, sign);
        for (int x = 0; a->last && x < u.width; x++) out[x] = (float)last - out[x];
    }
}

static void arg_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct job j = { st, io, tp_columns_of(st->in, st->node->attr.axes.axis, 1) };
    tp_parallel_for(io->n_threads, j.c.outer * j.c.n_units, 8 * tp_shape_elements(st->in),
                    find_range, &j);
}

const struct tp_op tp_op_arg_max = { .name = "ArgMax", .shape = arg_shape, .run = arg_run };
