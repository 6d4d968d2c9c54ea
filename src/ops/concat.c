/* concat.c - inputs one behind the other along an axis. Those that their makers could write into
 * the output themselves are there already: see graph/place.c. */
#include "ops/op.h"
#include "ops/parallel.h"

#include <string.h>

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    int64_t row;                     /* floats of the output from its axis on */
};

/* Makes the sizes that `in` knows known to *out; false where they contradict. */
static bool agree(struct tp_shape *out, const struct tp_shape *in, int axis)
{
    if (in->rank != out->rank) return false;
    for (int i = 0; i < in->rank; i++) {
        if (i == axis || in->dim[i] == TP_ANY) continue;
        if (out->dim[i] == TP_ANY) out->dim[i] = in->dim[i];
        if (out->dim[i] != in->dim[i]) return false;
    }
    return true;
}

static bool concat_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                         struct tp_err *err)
{
    int axis = nd->attr.axis.axis;
    if (axis < 0 || axis >= in->rank)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: no axis %d in its input %s; it must be from 0 "
                       "to %d", nd->name, axis, TP_SHAPE(in), in->rank - 1);
    int64_t length = in->dim[axis];
    *out = in[0];
    for (int i = 1; i < nd->n_inputs; i++) {
        if (!agree(out, &in[i], axis))
            return tp_fail(err, TP_INVALID_SHAPE, "%s: inputs 0 and %d have shapes %s and %s; all "
                           "axes but axis %d must be equal", nd->name, i, TP_SHAPE(&in[0]),
                           TP_SHAPE(&in[i]), axis);
        if (length == TP_ANY || in[i].dim[axis] == TP_ANY) length = TP_ANY;
        else if (__builtin_add_overflow(length, in[i].dim[axis], &length))
            return tp_fail(err, TP_TOO_LARGE, "%s: its inputs together are too long", nd->name);
    }
    out->dim[axis] = length;
    return true;
}

/* Floats [begin, end) of the output, wherever in a row they start. */
static void copy_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    int axis = j->st->node->attr.axis.axis;
    int64_t row = begin / j->row, skip = begin % j->row;
    float *out = j->io->out + begin, *stop = j->io->out + end;
    for (; out < stop; row++)
        for (int i = 0; i < j->st->node->n_inputs && out < stop; i++) {
            int64_t length = tp_shape_span(&j->st->in[i], axis, j->st->in[i].rank);
            if (skip >= length) {
                skip -= length;
                continue;
            }
            int64_t n = length - skip < stop - out ? length - skip : stop - out;
            if (!j->st->in_place || !j->st->in_place[i])
                memcpy(out, j->io->in[i] + row * length + skip, (size_t)n * sizeof *out);
            out += n;
            skip = 0;
        }
}

static bool is_whole(const struct tp_step *st)
{
    bool whole = st->in_place != NULL;
    for (int i = 0; whole && i < st->node->n_inputs; i++) whole = st->in_place[i];
    return whole;
}

static const char *concat_algorithm(const struct tp_step *st)
{
    return is_whole(st) ? "in place" : st->in_place ? "partly in place" : "copied";
}

static void concat_run(const struct tp_step *st, const struct tp_io *io)
{
    const int axis = st->node->attr.axis.axis;
    if (is_whole(st)) return;
    const struct job j = { st, io, tp_shape_span(&st->out, axis, st->out.rank) };
    int64_t n = tp_shape_elements(&st->out);
    tp_parallel_for(io->n_threads, n, 4 * n, copy_range, &j);
}

const struct tp_op tp_op_concat = {
    .name = "Concat", .shape = concat_shape, .run = concat_run, .algorithm = concat_algorithm,
};
