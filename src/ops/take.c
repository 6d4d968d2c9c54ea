/* take.c - out[i][j].. = in[a[i]][b[j]]..: slices, flips, tiles, expansions, pads and gathers, each
 * axis by a table of its own.
 *
 * Axes taken whole are joined. What follows the last table is one block of neighbours in memory,
 * and the table's blocks that follow each other in the input are one run: a row is copied run by
 * run, or element by element where runs would be short. */
#include "ops/op.h"
#include "ops/parallel.h"

#include <inttypes.h>
#include <string.h>

enum {
    SHORT_RUN = 8,                   /* floats: below, elements are quicker */
    PIECE = 16384,                   /* floats of a row that one task takes */
};

struct axis {
    int64_t n;                       /* places in the output */
    int64_t step;                    /* between neighbours in the input */
    const int32_t *index;            /* NULL: all, in order */
};

struct run { int64_t to, from, n; }; /* n floats of a row; from -1: fill */

struct plan {
    struct axis axis[TP_MAX_RANK];   /* in front of the row */
    int n_axes;
    bool empty;                      /* a lone -1 makes all of it `fill` */
    int64_t base;                    /* in the input, of lone places */
    int64_t row, n_rows;             /* floats; rows */
    struct run *runs;                /* of a row, NULL: element by element */
    int64_t n_pieces;                /* runs, or parts of PIECE elements */
    const int32_t *element;          /* [row] their places; NULL: i * step */
    int64_t step;
};

struct job { const struct plan *p; const struct tp_io *io; float fill; };

static bool table_fits(const struct tp_node *nd, const struct tp_shape *in, int axis,
                       struct tp_err *err)
{
    const struct tp_take_attr *a = &nd->attr.take;
    if (axis >= in->rank)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: a table for axis %d; its input %s has %d axes",
                       nd->name, axis, TP_SHAPE(in), in->rank);
    if (a->n[axis] < 1)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: %" PRId64 " places along axis %d; there must be "
                       "at least 1", nd->name, a->n[axis], axis);
    for (int64_t i = 0; i < a->n[axis]; i++) {
        const int32_t from = a->index[axis][i];
        if (from < -1 || (in->dim[axis] != TP_ANY && from >= in->dim[axis]))
            return tp_fail(err, TP_INVALID_SHAPE, "%s: place %" PRId64 " of axis %d is to be place "
                           "%" PRId32 " of its input %s", nd->name, i, axis, from, TP_SHAPE(in));
    }
    return true;
}

static bool take_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                       struct tp_err *err)
{
    *out = *in;
    for (int i = 0; i < TP_MAX_RANK; i++) {
        if (!nd->attr.take.index[i]) continue;
        if (!table_fits(nd, in, i, err)) return false;
        out->dim[i] = nd->attr.take.n[i];
    }
    if (tp_shape_elements(out) < TP_ANY)
        return tp_fail(err, TP_TOO_LARGE, "%s: %s has too many elements to count", nd->name,
                       TP_SHAPE(out));
    return true;
}

static bool is_whole(const int32_t *index, int64_t n, int64_t n_in)
{
    if (index && n != n_in) return false;
    for (int64_t i = 0; index && i < n; i++)
        if (index[i] != i) return false;
    return true;
}

/* All axes, those of one place left out, whole neighbours joined. */
static void join_axes(struct plan *p, const struct tp_step *st)
{
    const struct tp_take_attr *a = &st->node->attr.take;
    for (int i = 0; i < st->in->rank; i++) {
        const int64_t n = st->out.dim[i], step = tp_shape_span(st->in, i + 1, st->in->rank);
        const int32_t *index = is_whole(a->index[i], n, st->in->dim[i]) ? NULL : a->index[i];
        struct axis *last = p->n_axes ? &p->axis[p->n_axes - 1] : NULL;
        if (n == 1) {
            if (index && index[0] < 0) p->empty = true;
            else if (index) p->base += index[0] * step;
        } else if (!index && last && !last->index && last->step == n * step) {
            last->n *= n;
            last->step = step;
        } else {
            p->axis[p->n_axes++] = (struct axis){ n, step, index };
        }
    }
}

/* Counts a row's runs and writes them down where p->runs is there; none is longer than PIECE. */
static int64_t find_runs(const struct plan *p, const struct axis *ax, int64_t block)
{
    int64_t n = 0;
    struct run last = { 0 };
    for (int64_t i = 0; i < ax->n; i++) {
        int64_t from = ax->index ? ax->index[i] : i, to = i * block;
        from = from < 0 ? -1 : from * ax->step;
        for (int64_t done = 0, part; done < block; done += part) {
            const int64_t at = from < 0 ? -1 : from + done;
            part = block - done < PIECE ? block - done : PIECE;
            if (n && last.n + part <= PIECE && at == (last.from < 0 ? -1 : last.from + last.n)) {
                last.n += part;
            } else {
                last = (struct run){ to + done, at, part };
                n++;
            }
            if (p->runs) p->runs[n - 1] = last;
        }
    }
    return n;
}

/* The places of a row's elements, from blocks of fewer than SHORT_RUN. */
static const int32_t *find_elements(const struct axis *ax, int64_t block, struct tp_arena *arena)
{
    int32_t *element = tp_arena_zalloc(arena, (size_t)(ax->n * block), sizeof *element);
    for (int64_t i = 0; element && i < ax->n; i++)
        for (int64_t j = 0; j < block; j++)
            element[i * block + j] =
                ax->index[i] < 0 ? -1 : (int32_t)(ax->index[i] * ax->step + j);
    return element;
}

/* How a row is copied; false when memory is out. */
static bool plan_row(struct plan *p, const struct axis *ax, int64_t block, int64_t n_in,
                     struct tp_arena *arena)
{
    p->row = ax->n * block;
    p->step = ax->step;
    if (!ax->index && block == 1 && ax->step > 1) {
        p->n_pieces = (p->row - 1) / PIECE + 1;
        return true;
    }
    p->n_pieces = find_runs(p, ax, block);
    if (ax->index && block < SHORT_RUN && p->row / p->n_pieces < SHORT_RUN && n_in <= INT32_MAX) {
        p->n_pieces = (p->row - 1) / PIECE + 1;
        return (p->element = find_elements(ax, block, arena));
    }
    p->runs = tp_arena_zalloc(arena, (size_t)p->n_pieces, sizeof *p->runs);
    if (p->runs) find_runs(p, ax, block);
    return p->runs;
}

static bool take_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    struct plan *p = tp_arena_zalloc(arena, 1, sizeof *p);
    if (!p) return tp_arena_fail(arena, err);
    join_axes(p, st);
    struct axis row = { .n = 1 };
    int64_t block = 1;
    const struct axis *last = p->n_axes ? &p->axis[p->n_axes - 1] : NULL;
    if (last && !last->index && last->step == 1) {
        block = last->n;
        last = --p->n_axes ? last - 1 : NULL;
    }
    if (last && (last->index || block == 1)) {
        row = *last;
        p->n_axes--;
    }
    if (!plan_row(p, &row, block, tp_shape_elements(st->in), arena))
        return tp_arena_fail(arena, err);
    p->n_rows = tp_shape_elements(&st->out) / p->row;
    st->state = p;
    return true;
}

static void fill(float *out, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++) out[i] = value;
}

/* Elements [begin, end) of a row. */
static void copy_elements(const struct plan *p, float *out, const float *in, int64_t begin,
                          int64_t end, float value)
{
    if (p->element) {
        for (int64_t i = begin; i < end; i++)
            out[i] = p->element[i] < 0 ? value : in[p->element[i]];
    } else {
        for (int64_t i = begin; i < end; i++) out[i] = in[i * p->step];
    }
}

static struct run piece_of(const struct plan *p, int64_t piece)
{
    if (p->runs) return p->runs[piece];
    const int64_t begin = piece * PIECE, left = p->row - begin;
    return (struct run){ begin, 0, left < PIECE ? left : PIECE };
}

/* `in`: where the row begins; NULL: nowhere. */
static void copy_piece(const struct job *j, float *out, const float *in, int64_t piece)
{
    const struct run r = piece_of(j->p, piece);
    if (!in || r.from < 0) fill(out + r.to, r.n, j->fill);
    else if (j->p->runs) memcpy(out + r.to, in + r.from, (size_t)r.n * sizeof *out);
    else copy_elements(j->p, out, in, r.to, r.to + r.n, j->fill);
}

/* Where row `at` of the output begins in the input; -1: it is all `fill`. */
static int64_t row_place(const struct plan *p, const int64_t at[TP_MAX_RANK])
{
    int64_t place = p->base;
    for (int k = 0; k < p->n_axes; k++) {
        const struct axis *ax = &p->axis[k];
        const int64_t from = ax->index ? ax->index[at[k]] : at[k];
        if (from < 0) return -1;
        place += from * ax->step;
    }
    return place;
}

static void next_row(const struct plan *p, int64_t at[TP_MAX_RANK])
{
    for (int k = p->n_axes - 1; k >= 0; k--) {
        if (++at[k] < p->axis[k].n) return;
        at[k] = 0;
    }
}

/* Pieces [begin, end) of all rows. */
static void take_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct plan *p = j->p;
    int64_t at[TP_MAX_RANK] = { 0 }, row = begin / p->n_pieces, piece = begin % p->n_pieces;
    for (int64_t k = p->n_axes - 1, rest = row; k >= 0; rest /= p->axis[k--].n)
        at[k] = rest % p->axis[k].n;
    for (int64_t i = begin; i < end; row++, piece = 0, next_row(p, at)) {
        const int64_t from = row_place(p, at);
        const float *in = from < 0 ? NULL : j->io->in[0] + from;
        for (; piece < p->n_pieces && i < end; piece++, i++)
            copy_piece(j, j->io->out + row * p->row, in, piece);
    }
}

static void take_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct job j = { st->state, io, st->node->attr.take.fill };
    const int64_t n = tp_shape_elements(&st->out);
    if (j.p->empty) fill(io->out, n, j.fill);
    else tp_parallel_for(io->n_threads, j.p->n_rows * j.p->n_pieces, 4 * n, take_range, &j);
}

const struct tp_op tp_op_take = {
    .name = "Take", .shape = take_shape, .plan = take_plan, .run = take_run,
};
