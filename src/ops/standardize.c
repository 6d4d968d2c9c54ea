/* standardize.c - (x - mean) / sqrt(variance + epsilon) over neighbouring axes: Instance-, Layer-
 * and GroupNormalization without scale and bias, which may be fused behind it.
 *
 * Two passes in doubles: the mean of squares less the square of the mean loses everything where
 * the mean is far from 0. The variance is the population's, as in ONNX. */
#include "ops/columns.h"

#include <math.h>

struct plan {
    struct tp_columns c;
    const float *scale, *shift;      /* [channels], both or neither */
};

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    const struct plan *p;
    double *mean, *factor;           /* of columns; factor: at first, sums of squares */
    int64_t channels;
};

static bool standardize_shape(const struct tp_node *nd, const struct tp_shape *in,
                              struct tp_shape *out, struct tp_err *err)
{
    const struct tp_axes_attr *a = &nd->attr.axes;
    if (!(a->epsilon >= 0 && isfinite(a->epsilon)))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: epsilon is %g; it must be a number of at "
                       "least 0", nd->name, (double)a->epsilon);
    if (!tp_columns_check(nd, in, a->axis, a->n_axes, err)) return false;
    *out = *in;
    return true;
}

static bool standardize_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_node *nd = st->node;
    struct plan *p = tp_arena_zalloc(arena, 1, sizeof *p);
    if (!p) return tp_arena_fail(arena, err);
    p->c = tp_columns_of(st->in, nd->attr.axes.axis, nd->attr.axes.n_axes);
    if (nd->scale || nd->shift) {
        const int64_t channels = st->out.dim[st->out.rank - 1];
        p->scale = tp_op_factors(nd->scale, 1, channels, arena);
        p->shift = tp_op_factors(nd->shift, 0, channels, arena);
        if (!p->scale || !p->shift) return tp_arena_fail(arena, err);
    }
    st->scratch_bytes = 2 * (size_t)tp_columns_values(&p->c) * sizeof(double);
    st->state = p;
    return true;
}

static void sums(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    tp_columns_fold(&j->p->c, j->st->k, TP_FOLD_SUM, j->io->in[0], NULL, j->mean, begin, end);
}

static void means(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const struct tp_unit u = tp_columns_unit(&j->p->c, i);
        tp_columns_join(&j->p->c, TP_FOLD_SUM, j->mean, &u);
        for (int x = 0; x < u.width; x++) j->mean[u.value + x] /= (double)j->p->c.length;
    }
}

static void squares(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    tp_columns_fold(&j->p->c, j->st->k, TP_FOLD_SQUARE, j->io->in[0], j->mean, j->factor, begin,
                    end);
}

static void factors(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const double epsilon = (double)j->st->node->attr.axes.epsilon;
    for (int64_t i = begin; i < end; i++) {
        const struct tp_unit u = tp_columns_unit(&j->p->c, i);
        tp_columns_join(&j->p->c, TP_FOLD_SQUARE, j->factor, &u);
        double *f = j->factor + u.value;
        for (int x = 0; x < u.width; x++)
            f[x] = 1 / sqrt(f[x] / (double)j->p->c.length + epsilon);
    }
}

/* Scale and shift of n neighbours in memory, which may begin and end within a pixel. */
static void affine(const struct job *j, float *x, int64_t at, int64_t n)
{
    const struct plan *p = j->p;
    while (n > 0) {
        const int64_t from = at % j->channels;
        const int64_t pixels = from ? 0 : n / j->channels, part = j->channels - from;
        const int64_t done = pixels ? pixels * j->channels : part < n ? part : n;
        j->st->k->affine(x, x, p->scale + from, p->shift + from, pixels ? pixels : 1,
                         (int)(pixels ? j->channels : done));
        x += done;
        at += done;
        n -= done;
    }
}

static void finish(const void *ctx, int64_t at, int64_t n)
{
    const struct job *j = ctx;
    const struct tp_act *act = &j->st->node->act;
    float *x = j->io->out + at;
    if (j->p->scale) affine(j, x, at, n);
    if (act->kind != TP_ACT_LINEAR) j->st->k->activate(x, x, n, act);
}

static void scales(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        tp_columns_scale(&j->p->c, j->io->out, j->io->in[0], j->mean, j->factor, i);
        tp_columns_runs(&j->p->c, i, finish, j);
    }
}

static void standardize_run(const struct tp_step *st, const struct tp_io *io)
{
    static const struct tp_phase phases[] = {
        { sums, true }, { means, false }, { squares, true }, { factors, false }, { scales, true },
    };
    const struct plan *p = st->state;
    struct job j = { .st = st, .io = io, .p = p, .mean = io->scratch };
    j.factor = j.mean + tp_columns_values(&p->c);
    j.channels = st->out.rank ? st->out.dim[st->out.rank - 1] : 1;
    tp_columns_run(&p->c, phases, 5, &j, 16 * tp_shape_elements(&st->out), io->n_threads);
}

const struct tp_op tp_op_standardize = {
    .name = "Standardize", .shape = standardize_shape, .plan = standardize_plan,
    .run = standardize_run, .fuses_affine = true, .fuses_act = true, .in_place = true,
};
