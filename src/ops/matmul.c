/* matmul.c - MatMul: products of matrices that both come from the network, batch by batch.
 *
 * NumPy's matmul: [.., m, k] times [.., k, n], the axes in front of the last two broadcast. The
 * right-hand matrices are packed as weights are, some panels at a time, so that the scratch memory
 * stays small; then all threads share the tiles of these panels. Where one right-hand matrix serves
 * the whole batch, the batch is but more rows. */
#include "ops/broadcast.h"
#include "ops/parallel.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

enum { CHUNK_FLOATS = 1 << 20 };     /* 4 MB of panels at a time, but at least one panel */

struct matmul_plan {
    int64_t m, k, n;
    int rank;                        /* of the batch, whose axes have a step per input, */
    int64_t dim[TP_MAX_RANK];        /* in floats; 0: the same matrix again */
    int64_t step[2][TP_MAX_RANK];
    int64_t n_batches;
    int64_t panels, tiles;           /* of one product: its right-hand side, its rows */
    int64_t chunk;                   /* panels packed at a time */
};

/* Panels [first, first + n) of all batches', packed in the scratch memory one behind the other. */
struct chunk {
    const struct matmul_plan *plan;
    const struct tp_step *st;
    const struct tp_io *io;
    int64_t first, n;
    float lo, hi;
    bool activate;                   /* the activation is not a clamp: done on the finished tile */
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static bool matmul_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                         struct tp_err *err)
{
    struct tp_shape batch[2] = { in[0], in[1] };
    for (int i = 0; i < 2; i++) {
        if (in[i].rank < 2)
            return tp_fail(err, TP_INVALID_SHAPE, "%s: input %d has shape %s; %s needs matrices, "
                           "which have at least 2 dimensions", nd->name, i, TP_SHAPE(&in[i]),
                           nd->type);
        batch[i].rank -= 2;
    }
    const int64_t across = in[0].dim[in[0].rank - 1], down = in[1].dim[in[1].rank - 2];
    if (across != down && across != TP_ANY && down != TP_ANY)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: cannot multiply %s by %s: the last dimension of "
                       "the first, %" PRId64 ", and the last but one of the second, %" PRId64
                       ", must be equal", nd->name, TP_SHAPE(&in[0]), TP_SHAPE(&in[1]), across,
                       down);
    if (!tp_broadcast_shape(nd, batch, out, err)) return false;
    out->dim[out->rank++] = in[0].dim[in[0].rank - 2];
    out->dim[out->rank++] = in[1].dim[in[1].rank - 1];
    return true;
}

/* The steps of one input along the axes of the batch. */
static void lay_batch(struct matmul_plan *plan, const struct tp_shape *in, int input)
{
    int64_t stride = tp_shape_span(in, in->rank - 2, in->rank);
    for (int axis = plan->rank - 1, own = in->rank - 3; own >= 0; axis--, own--) {
        if (in->dim[own] > 1) plan->step[input][axis] = stride;
        stride *= in->dim[own];
    }
}

static bool matmul_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_shape *a = &st->in[0], *b = &st->in[1];
    struct matmul_plan *plan = tp_arena_zalloc(arena, 1, sizeof *plan);
    if (!plan) return tp_arena_fail(arena, err);
    st->state = plan;
    plan->m = a->dim[a->rank - 2];
    plan->k = a->dim[a->rank - 1];
    plan->n = b->dim[b->rank - 1];
    if (tp_shape_span(b, 0, b->rank - 2) == 1) {
        plan->m *= tp_shape_span(a, 0, a->rank - 2);
    } else {
        plan->rank = st->out.rank - 2;
        memcpy(plan->dim, st->out.dim, sizeof plan->dim);
        for (int i = 0; i < 2; i++) lay_batch(plan, &st->in[i], i);
    }
    plan->n_batches = plan->rank ? tp_shape_span(&st->out, 0, plan->rank) : 1;
    plan->panels = (plan->n + st->k->nr - 1) / st->k->nr;
    plan->tiles = (plan->m + st->k->mr - 1) / st->k->mr;

    const int64_t panel = tp_shape_elements(&TP_SHAPE2(plan->k, st->k->nr));
    const int64_t room = panel > 0 && panel < CHUNK_FLOATS ? CHUNK_FLOATS / panel : 1;
    plan->chunk = least(room, plan->n_batches * plan->panels);
    if (plan->k > INT_MAX || __builtin_mul_overflow((size_t)(plan->chunk * panel), sizeof(float),
                                                    &st->scratch_bytes))
        return tp_fail(err, TP_TOO_LARGE, "%s: sums of %" PRId64 " products are too long",
                       st->node->name, plan->k);
    return true;
}

/* Where the matrix of one input begins in a batch. */
static const float *matrix_at(const struct chunk *c, int input, int64_t batch)
{
    const struct matmul_plan *plan = c->plan;
    int64_t at = 0;
    for (int axis = plan->rank - 1; axis >= 0; axis--) {
        at += batch % plan->dim[axis] * plan->step[input][axis];
        batch /= plan->dim[axis];
    }
    return c->io->in[input] + at;
}

/* The first float of packed panel i, counted within the chunk. */
static float *panel_at(const struct chunk *c, int64_t i)
{
    return (float *)c->io->scratch + i * c->plan->k * c->st->k->nr;
}

static void pack_panels(const void *ctx, int64_t begin, int64_t end)
{
    const struct chunk *c = ctx;
    const struct matmul_plan *plan = c->plan;
    const int64_t nr = c->st->k->nr;
    for (int64_t i = begin; i < end; i++) {
        const int64_t panel = c->first + i, column = panel % plan->panels * nr;
        const size_t width = (size_t)least(nr, plan->n - column);
        const float *from = matrix_at(c, 1, panel / plan->panels) + column;
        float *to = panel_at(c, i);
        for (int64_t row = 0; row < plan->k; row++, from += plan->n, to += nr) {
            memcpy(to, from, width * sizeof *to);
            memset(to + width, 0, ((size_t)nr - width) * sizeof *to);
        }
    }
}

static void finish(const struct chunk *c, const struct tp_tile *t)
{
    for (int row = 0; c->activate && row < t->m; row++) {
        float *to = t->c + row * t->ldc;
        c->st->k->activate(to, to, t->n, &c->st->node->act);
    }
}

/* Tiles [begin, end), counted through the chunk's panels. */
static void multiply_tiles(const void *ctx, int64_t begin, int64_t end)
{
    static const ptrdiff_t whole[1] = { 0 };
    const struct chunk *c = ctx;
    const struct matmul_plan *plan = c->plan;
    const int64_t nr = c->st->k->nr;
    for (int64_t i = begin; i < end; i++) {
        const int64_t panel = c->first + i / plan->tiles, tile = i % plan->tiles;
        const int64_t batch = panel / plan->panels, column = panel % plan->panels * nr;
        const int64_t row = tile * plan->m / plan->tiles;
        const struct tp_tile t = {
            .a = matrix_at(c, 0, batch) + row * plan->k, .lda = plan->k,
            .seg = whole, .n_seg = 1, .seg_len = (int)plan->k,
            .b = panel_at(c, i / plan->tiles), .ahead = panel_at(c, i / plan->tiles),
            .c = c->io->out + (batch * plan->m + row) * plan->n + column, .ldc = plan->n,
            .m = (int)((tile + 1) * plan->m / plan->tiles - row),
            .n = (int)least(nr, plan->n - column), .lo = c->lo, .hi = c->hi,
        };
        c->st->k->gemm(&t);
        finish(c, &t);
    }
}

static void matmul_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct matmul_plan *plan = st->state;
    const int64_t panel_floats = plan->k * st->k->nr, n_panels = plan->n_batches * plan->panels;
    struct chunk c = { .plan = plan, .st = st, .io = io };
    c.activate = !tp_op_clamp(&st->node->act, &c.lo, &c.hi);
    for (; c.first < n_panels; c.first += plan->chunk) {
        c.n = least(plan->chunk, n_panels - c.first);
        tp_parallel_for(io->n_threads, c.n, 4 * c.n * panel_floats, pack_panels, &c);
        tp_parallel_for(io->n_threads, c.n * plan->tiles, c.n * panel_floats * plan->m,
                        multiply_tiles, &c);
    }
}

static int64_t matmul_macs(const struct tp_node *nd, const struct tp_shape *in,
                           const struct tp_shape *out)
{
    struct tp_shape factors = *out;
    (void)nd;
    factors.dim[0] = in[0].dim[in[0].rank - 1];
    const int64_t n = tp_shape_elements(&factors);
    return n < TP_ANY ? INT64_MAX : n;
}

const struct tp_op tp_op_matmul = {
    .name = "MatMul", .shape = matmul_shape, .plan = matmul_plan, .run = matmul_run,
    .macs = matmul_macs, .fuses_act = true,
};
