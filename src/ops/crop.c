/* crop.c - maps without their edges. */
#include "ops/op.h"
#include "ops/parallel.h"

#include <inttypes.h>
#include <string.h>

struct job { const struct tp_step *st; const struct tp_io *io; };

/* Length of an axis without `before` and `after`. */
static bool cropped(const struct tp_node *nd, const char *axis, int64_t in, int before, int after,
                    int64_t *out, struct tp_err *err)
{
    if (before < 0 || after < 0)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: cropping of %d; it must be 0 or more", nd->name,
                       before < 0 ? before : after);
    *out = in == TP_ANY ? in : in - before - after;
    if (in == TP_ANY || *out > 0) return true;
    return tp_fail(err, TP_INVALID_SHAPE, "%s: cropping %d and %d leaves nothing of the %s %" PRId64
                   "; together they must be less", nd->name, before, after, axis, in);
}

static bool crop_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                       struct tp_err *err)
{
    const int *edge = nd->attr.pad.edge;
    if (!tp_op_need_map(nd, in, err)) return false;
    *out = *in;
    return cropped(nd, "height", in->dim[1], edge[0], edge[2], &out->dim[1], err) &&
           cropped(nd, "width", in->dim[2], edge[1], edge[3], &out->dim[2], err);
}

/* Rows [begin, end) of all maps of the batch. */
static void crop_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const int *edge = j->st->node->attr.pad.edge;
    const struct tp_shape *in = j->st->in, *out = &j->st->out;
    const int64_t row = out->dim[2] * out->dim[3];
    for (int64_t i = begin; i < end; i++) {
        int64_t y = i / out->dim[1] * in->dim[1] + i % out->dim[1] + edge[0];
        memcpy(j->io->out + i * row, j->io->in[0] + (y * in->dim[2] + edge[1]) * in->dim[3],
               (size_t)row * sizeof(float));
    }
}

static void crop_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct job j = { st, io };
    tp_parallel_for(io->n_threads, st->out.dim[0] * st->out.dim[1], 4 * tp_shape_elements(&st->out),
                    crop_rows, &j);
}

const struct tp_op tp_op_crop = { .name = "Crop", .shape = crop_shape, .run = crop_run };
