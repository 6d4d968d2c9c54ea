/* transpose.c - axes in another order.
 *
 * Axes that stay neighbours are joined first, so [n, h, w, c] to [n, c, h, w] is n transpositions
 * of a matrix. Those go tile by tile: every cache line that a tile reads or writes is used wholly
 * while it is in the first cache. */
#include "ops/op.h"
#include "ops/parallel.h"

#include <string.h>

enum { TILE = 16, TILE_FLOATS = 256 };

struct walk {                        /* of the output, axes joined */
    int rank;                        /* at least 1 */
    int64_t dim[TP_MAX_RANK];
    int64_t from[TP_MAX_RANK];       /* distance in the input between neighbours along this axis */
    int across;                      /* the axis whose neighbours are neighbours in the input too */
    int64_t tile[2];                 /* of axes `across` and the last */
    int64_t tiles[2];                /* how many of them there are */
    int64_t step;                    /* in the output, of axis `across` */
};

struct job { const struct walk *w; const struct tp_io *io; };

static bool transpose_shape(const struct tp_node *nd, const struct tp_shape *in,
                            struct tp_shape *out, struct tp_err *err)
{
    bool used[TP_MAX_RANK] = { false };
    out->rank = in->rank;
    for (int i = 0; i < in->rank; i++) {
        int axis = nd->attr.transpose.perm[i];
        if (axis < 0 || axis >= in->rank || used[axis])
            return tp_fail(err, TP_INVALID_SHAPE, "%s: axis %d at place %d of the new order; its "
                           "input %s has axes 0 to %d, each to be named once", nd->name, axis, i,
                           TP_SHAPE(in), in->rank - 1);
        used[axis] = true;
        out->dim[i] = in->dim[axis];
    }
    return true;
}

/* Axes of length 1 vanish; one whose neighbours follow the end of the next axis joins it. */
static void join_axes(struct walk *w, const struct tp_step *st)
{
    for (int i = 0; i < st->out.rank; i++) {
        int axis = st->node->attr.transpose.perm[i], last = w->rank - 1;
        int64_t length = st->out.dim[i], from = tp_shape_span(st->in, axis + 1, st->in->rank);
        if (length == 1) continue;
        if (w->rank && w->from[last] == from * length) {
            w->dim[last] *= length;
            w->from[last] = from;
            continue;
        }
        w->dim[w->rank] = length;
        w->from[w->rank++] = from;
    }
    if (w->rank) return;
    w->dim[0] = w->from[0] = w->rank = 1;
}

static int64_t at_most(int64_t n, int64_t most) { return n < most ? n : most; }

static bool transpose_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    struct walk *w = tp_arena_zalloc(arena, 1, sizeof *w);
    if (!w) return tp_arena_fail(arena, err);
    join_axes(w, st);
    int last = w->rank - 1;
    while (w->from[w->across] != 1) w->across++;
    w->tile[1] = at_most(w->dim[last], TILE);
    w->tile[0] = at_most(w->dim[w->across], TILE_FLOATS / w->tile[1]);
    w->tile[1] = at_most(w->dim[last], TILE_FLOATS / w->tile[0]);
    w->tiles[0] = (w->dim[w->across] + w->tile[0] - 1) / w->tile[0];
    w->tiles[1] = (w->dim[last] + w->tile[1] - 1) / w->tile[1];
    w->step = 1;
    for (int i = w->across + 1; i < w->rank; i++) w->step *= w->dim[i];
    st->state = w;
    return true;
}

/* Rows that stay rows. */
static void copy_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct walk *w = j->w;
    int64_t length = w->dim[w->rank - 1];
    for (int64_t row = begin; row < end; row++) {
        int64_t rest = row, from = 0;
        for (int i = w->rank - 2; i >= 0; i--) {
            from += rest % w->dim[i] * w->from[i];
            rest /= w->dim[i];
        }
        memcpy(j->io->out + row * length, j->io->in[0] + from, (size_t)length * sizeof(float));
    }
}

/* One tile; sizes: its own along axis `across` and the last. */
static void turn(const struct walk *w, float *out, const float *in, int64_t rows, int64_t columns)
{
    const int64_t from = w->from[w->rank - 1];
    for (int64_t a = 0; a < rows; a++)
        for (int64_t b = 0; b < columns; b++) out[a * w->step + b] = in[b * from + a];
}

static void turn_tiles(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct walk *w = j->w;
    const int last = w->rank - 1;
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i % w->tiles[1] * w->tile[1];
        int64_t a = i / w->tiles[1] % w->tiles[0] * w->tile[0];
        int64_t rest = i / w->tiles[1] / w->tiles[0];
        int64_t to = a * w->step + b, from = a + b * w->from[last], step = w->dim[last];
        for (int k = last - 1; k >= 0; step *= w->dim[k--]) {
            if (k == w->across) continue;
            to += rest % w->dim[k] * step;
            from += rest % w->dim[k] * w->from[k];
            rest /= w->dim[k];
        }
        turn(w, j->io->out + to, j->io->in[0] + from, at_most(w->tile[0], w->dim[w->across] - a),
             at_most(w->tile[1], w->dim[last] - b));
    }
}

static void transpose_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct walk *w = st->state;
    const struct job j = { w, io };
    const int64_t n = tp_shape_elements(&st->out), length = w->dim[w->rank - 1];
    if (w->across == w->rank - 1) {
        tp_parallel_for(io->n_threads, n / length, 4 * n, copy_rows, &j);
        return;
    }
    int64_t matrices = n / length / w->dim[w->across];
    tp_parallel_for(io->n_threads, matrices * w->tiles[0] * w->tiles[1], 8 * n, turn_tiles, &j);
}

const struct tp_op tp_op_transpose = {
    .name = "Transpose", .shape = transpose_shape, .plan = transpose_plan, .run = transpose_run,
};
