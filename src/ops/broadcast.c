/* broadcast.c - NumPy's broadcasting. */
#include "ops/broadcast.h"
#include "ops/parallel.h"

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    tp_piece_fn *fn;
    int64_t per_row;                 /* pieces along the last axis */
};

/* Size of a shape's axis counted from the last (0) backwards; 1 in front of all axes. */
static int64_t size_from_end(const struct tp_shape *s, int back)
{
    return back < s->rank ? s->dim[s->rank - 1 - back] : 1;
}

bool tp_broadcast_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                        struct tp_err *err)
{
    *out = (struct tp_shape){ .rank = 0 };
    for (int i = 0; i < nd->n_inputs; i++)
        if (in[i].rank > out->rank) out->rank = in[i].rank;
    for (int back = 0; back < out->rank; back++) {
        int64_t size = 1;
        int from = 0;                /* the input that this size is from */
        for (int i = 0; i < nd->n_inputs; i++) {
            int64_t d = size_from_end(&in[i], back);
            if (d == 1 || d == size || (d == TP_ANY && size > 1)) continue;
            if (size > 1)
                return tp_fail(err, TP_INVALID_SHAPE, "%s: inputs %d and %d have shapes %s and %s, "
                               "which do not broadcast; counted from the last axis, sizes must be "
                               "equal or 1", nd->name, from, i, TP_SHAPE(&in[from]),
                               TP_SHAPE(&in[i]));
            size = d;
            from = i;
        }
        out->dim[out->rank - 1 - back] = size;
    }
    return true;
}

/* Whether an axis with these steps, one per input, goes on where the foremost axis ends. */
static bool joins(const struct tp_broadcast *b, int n_inputs, const int64_t *step, int64_t length)
{
    for (int i = 0; i < n_inputs; i++)
        if (step[i] != b->step[i][0] * length) return false;
    return true;
}

/* Puts an axis in front of those there are. */
static void prepend(struct tp_broadcast *b, int n_inputs, const int64_t *step, int64_t length)
{
    for (int k = b->rank++; k > 0; k--) {
        b->dim[k] = b->dim[k - 1];
        for (int i = 0; i < n_inputs; i++) b->step[i][k] = b->step[i][k - 1];
    }
    b->dim[0] = length;
    for (int i = 0; i < n_inputs; i++) b->step[i][0] = step[i];
}

bool tp_broadcast_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    int n = st->node->n_inputs;
    struct tp_broadcast *b = tp_arena_zalloc(arena, 1, sizeof *b);
    int64_t *stride = tp_arena_alloc(arena, (size_t)n * sizeof *stride);
    int64_t *step = tp_arena_zalloc(arena, (size_t)n, sizeof *step);
    if (!b || !stride || !step) return tp_arena_fail(arena, err);
    b->step = tp_arena_zalloc(arena, (size_t)n, sizeof *b->step);
    if (!b->step) return tp_arena_fail(arena, err);
    for (int i = 0; i < n; i++) stride[i] = 1;

    for (int back = 0; back < st->out.rank; back++) {
        int64_t length = size_from_end(&st->out, back);
        if (length == 1) continue;
        for (int i = 0; i < n; i++) {
            int64_t own = size_from_end(&st->in[i], back);
            step[i] = own > 1 ? stride[i] : 0;
            stride[i] *= own;
        }
        if (b->rank && joins(b, n, step, b->dim[0])) b->dim[0] *= length;
        else prepend(b, n, step, length);
    }
    if (!b->rank) b->dim[b->rank++] = 1;                 /* a single number: no step is taken */
    st->state = b;
    return true;
}

const float *tp_piece_input(const struct tp_piece *p, int input, int *step)
{
    const struct tp_broadcast *b = p->st->state;
    int64_t at = 0;
    for (int k = 0; k < b->rank; k++) at += p->index[k] * b->step[input][k];
    *step = (int)b->step[input][b->rank - 1];
    return p->io->in[input] + at;
}

/* The place and length of piece number `i`. */
static struct tp_piece piece_at(const struct job *j, int64_t i)
{
    const struct tp_broadcast *b = j->st->state;
    struct tp_piece p = { .st = j->st, .io = j->io };
    int last = b->rank - 1;
    int64_t row = i / j->per_row;
    p.index[last] = i % j->per_row * TP_PIECE_FLOATS;
    p.out = j->io->out + row * b->dim[last] + p.index[last];
    for (int k = last - 1; k >= 0; k--) {
        p.index[k] = row % b->dim[k];
        row /= b->dim[k];
    }
    int64_t left = b->dim[last] - p.index[last];
    p.n = left < TP_PIECE_FLOATS ? left : TP_PIECE_FLOATS;
    return p;
}

static void advance(struct tp_piece *p)
{
    const struct tp_broadcast *b = p->st->state;
    int k = b->rank - 1;
    p->out += p->n;
    p->index[k] += p->n;
    while (k > 0 && p->index[k] == b->dim[k]) {
        p->index[k] = 0;
        p->index[--k]++;
    }
    int64_t left = b->dim[b->rank - 1] - p->index[b->rank - 1];
    p->n = left < TP_PIECE_FLOATS ? left : TP_PIECE_FLOATS;
}

/* Pieces follow each other in the output, so several short ones are activated at once. */
static void run_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct tp_act *act = &j->st->node->act;
    struct tp_piece p = piece_at(j, begin);
    float *raw = p.out;
    for (int64_t i = begin; i < end; i++) {
        j->fn(&p);
        advance(&p);
        if (act->kind == TP_ACT_LINEAR || (p.out - raw < TP_PIECE_FLOATS && i + 1 < end)) continue;
        j->st->k->activate(raw, raw, p.out - raw, act);
        raw = p.out;
    }
}

void tp_broadcast_run(const struct tp_step *st, const struct tp_io *io, tp_piece_fn *fn)
{
    const struct tp_broadcast *b = st->state;
    int64_t n = tp_shape_elements(&st->out), row = b->dim[b->rank - 1];
    const struct job j = { st, io, fn, (row + TP_PIECE_FLOATS - 1) / TP_PIECE_FLOATS };
    tp_parallel_for(io->n_threads, n / row * j.per_row, 4 * n * (st->node->n_inputs + 1), run_range,
                    &j);
}
