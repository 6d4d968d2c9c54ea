/* max_unpool.c - maxima put back where they came from, zeros elsewhere.
 *
 * A place outside the map is nowhere: its value is left out. Where several values have one place
 * the last in row order stays, whatever the number of threads: channels are dealt out, not rows. */
#include "ops/op.h"
#include "ops/parallel.h"

#include <inttypes.h>
#include <string.h>

enum { UNIT_CHANNELS = 16 };         /* a cache line: no two threads write to one */

static bool unpool_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                         struct tp_err *err)
{
    const int64_t height = nd->attr.unpool.height, width = nd->attr.unpool.width;
    if (!tp_op_need_map(nd, in, err)) return false;
    if (!tp_shape_fits(&in[1], &in[0]) && !tp_shape_fits(&in[0], &in[1]))
        return tp_fail(err, TP_INVALID_SHAPE, "%s: the places are %s; there must be one for each "
                       "of the values, %s", nd->name, TP_SHAPE(&in[1]), TP_SHAPE(&in[0]));
    if (height < 1 || width < 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: a map of %" PRId64 "x%" PRId64 " comes out; "
                       "each side must be at least 1", nd->name, height, width);
    *out = TP_SHAPE4(in->dim[0], height, width, in->dim[3]);
    return true;
}

struct work {
    const struct tp_step *st;
    const struct tp_io *io;
    int n_units;                     /* stretches of channels */
};

static void clear_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const size_t row = (size_t)(work->st->out.dim[2] * work->st->out.dim[3]);
    memset(work->io->out + (size_t)begin * row, 0, (size_t)(end - begin) * row * sizeof(float));
}

/* Channels [begin, end) of one image. */
static void scatter(const struct work *work, int64_t image, int64_t begin, int64_t end)
{
    const int64_t *in = work->st->in[0].dim, *to = work->st->out.dim;
    const int64_t n = in[1] * in[2], n_out = to[1] * to[2], channels = in[3];
    const float *x = work->io->in[0] + image * n * channels;
    const float *places = work->io->in[1] + image * n * channels;
    float *out = work->io->out + image * n_out * channels;
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = begin; c < end; c++) {
            const double place = (double)places[i * channels + c];
            if (!(place >= 0 && place < (double)n_out)) continue;        /* NaN, too */
            out[(int64_t)place * channels + c] = x[i * channels + c];
        }
}

static void scatter_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const int64_t channels = work->st->in[0].dim[3];
    for (int64_t i = begin; i < end; i++) {
        const int64_t from = i % work->n_units * UNIT_CHANNELS;
        scatter(work, i / work->n_units, from,
                channels - from < UNIT_CHANNELS ? channels : from + UNIT_CHANNELS);
    }
}

static void unpool_run(const struct tp_step *st, const struct tp_io *io)
{
    const int64_t n = st->in[0].dim[0], channels = st->in[0].dim[3];
    const struct work work = { st, io, (int)((channels + UNIT_CHANNELS - 1) / UNIT_CHANNELS) };
    tp_parallel_for(io->n_threads, n * st->out.dim[1], 4 * tp_shape_elements(&st->out), clear_range,
                    &work);
    tp_parallel_for(io->n_threads, n * work.n_units, 8 * tp_shape_elements(&st->in[0]),
                    scatter_range, &work);
}

const struct tp_op tp_op_max_unpool = {
    .name = "MaxUnpool", .shape = unpool_shape, .run = unpool_run,
};
