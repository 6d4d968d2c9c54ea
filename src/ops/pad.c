/* pad.c - a frame of one value around maps. */
#include "ops/op.h"
#include "ops/parallel.h"

#include <string.h>

struct job { const struct tp_step *st; const struct tp_io *io; };

static bool pad_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                      struct tp_err *err)
{
    const int *edge = nd->attr.pad.edge;
    if (!tp_op_need_map(nd, in, err)) return false;
    for (int i = 0; i < 4; i++)
        if (edge[i] < 0)
            return tp_fail(err, TP_INVALID_SHAPE, "%s: padding of %d; it must be 0 or more",
                           nd->name, edge[i]);
    *out = *in;
    if (in->dim[1] != TP_ANY) out->dim[1] += (int64_t)edge[0] + edge[2];
    if (in->dim[2] != TP_ANY) out->dim[2] += (int64_t)edge[1] + edge[3];
    return true;
}

static float *fill(float *out, float value, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = value;
    return out + n;
}

/* Rows [begin, end) of all maps of the batch. */
static void pad_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const int *edge = j->st->node->attr.pad.edge;
    const float value = j->st->node->attr.pad.value;
    const struct tp_shape *in = j->st->in;
    const int64_t height = j->st->out.dim[1], channels = in->dim[3], row = in->dim[2] * channels;
    float *out = j->io->out + begin * j->st->out.dim[2] * channels;
    for (int64_t i = begin; i < end; i++) {
        int64_t y = i % height - edge[0];
        if (y < 0 || y >= in->dim[1]) {
            out = fill(out, value, j->st->out.dim[2] * channels);
            continue;
        }
        out = fill(out, value, edge[1] * channels);
        memcpy(out, j->io->in[0] + (i / height * in->dim[1] + y) * row, (size_t)row * sizeof *out);
        out = fill(out + row, value, edge[3] * channels);
    }
}

static void pad_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct job j = { st, io };
    tp_parallel_for(io->n_threads, st->out.dim[0] * st->out.dim[1], 4 * tp_shape_elements(&st->out),
                    pad_rows, &j);
}

const struct tp_op tp_op_pad = { .name = "Pad", .shape = pad_shape, .run = pad_run };
