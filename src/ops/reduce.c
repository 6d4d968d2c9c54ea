/* reduce.c - neighbouring axes folded into one value: sums, products, extremes, norms.
 *
 * Sums are kept in doubles: float sums of a million elements are off by 1e-4, and squares of
 * floats beyond 2e19 would be infinite. */
#include "ops/columns.h"

#include <math.h>

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    const struct tp_columns *c;
    enum tp_reduction kind;
    double *values;                  /* what the columns fold to */
    double *top;                     /* LOG_SUM_EXP: what is subtracted */
};

static bool reduce_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                         struct tp_err *err)
{
    const struct tp_axes_attr *a = &nd->attr.axes;
    if ((unsigned)a->reduction > TP_REDUCTION_LOG_SUM_EXP)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: no reduction %d; it must be from 0 to %d",
                       nd->name, (int)a->reduction, (int)TP_REDUCTION_LOG_SUM_EXP);
    if (!tp_columns_check(nd, in, a->axis, a->n_axes, err)) return false;
    *out = *in;
    for (int i = a->axis; i < a->axis + a->n_axes; i++) out->dim[i] = 1;
    return true;
}

static bool reduce_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_axes_attr *a = &st->node->attr.axes;
    struct tp_columns *c = tp_arena_alloc(arena, sizeof *c);
    if (!c) return tp_arena_fail(arena, err);
    *c = tp_columns_of(st->in, a->axis, a->n_axes);
    const int arrays = a->reduction == TP_REDUCTION_LOG_SUM_EXP ? 2 : 1;
    st->scratch_bytes = (size_t)(arrays * tp_columns_values(c)) * sizeof(double);
    st->state = c;
    return true;
}

static enum tp_fold fold_of(enum tp_reduction kind)
{
    switch (kind) {
    case TP_REDUCTION_MAX: return TP_FOLD_MAX;
    case TP_REDUCTION_MIN: return TP_FOLD_MIN;
    case TP_REDUCTION_PROD: return TP_FOLD_PROD;
    case TP_REDUCTION_L1: return TP_FOLD_ABS;
    case TP_REDUCTION_L2: case TP_REDUCTION_SUM_SQUARE: return TP_FOLD_SQUARE;
    case TP_REDUCTION_LOG_SUM_EXP: return TP_FOLD_EXP;
    case TP_REDUCTION_MEAN: case TP_REDUCTION_SUM: case TP_REDUCTION_LOG_SUM: break;
    }
    return TP_FOLD_SUM;
}

static void fold(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    tp_columns_fold(j->c, j->st->k, fold_of(j->kind), j->io->in[0], j->top, j->values, begin, end);
}

static void fold_top(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    tp_columns_fold(j->c, j->st->k, TP_FOLD_MAX, j->io->in[0], NULL, j->top, begin, end);
}

/* An infinite maximum (or NaN) is not subtracted: the exponentials alone then tell the result. */
static void join_top(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const struct tp_unit u = tp_columns_unit(j->c, i);
        tp_columns_join(j->c, TP_FOLD_MAX, j->top, &u);
        for (int x = 0; x < u.width; x++)
            if (!isfinite(j->top[u.value + x])) j->top[u.value + x] = 0;
    }
}

static double finished(const struct job *j, double x, int64_t value)
{
    switch (j->kind) {
    case TP_REDUCTION_MEAN: return x / (double)j->c->length;
    case TP_REDUCTION_L2: return sqrt(x);
    case TP_REDUCTION_LOG_SUM: return log(x);
    case TP_REDUCTION_LOG_SUM_EXP: return log(x) + j->top[value];
    default: return x;
    }
}

static void finish(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const struct tp_unit u = tp_columns_unit(j->c, i);
        float *out = j->io->out + u.outer * j->c->inner + u.first;
        tp_columns_join(j->c, fold_of(j->kind), j->values, &u);
        for (int x = 0; x < u.width; x++)
            out[x] = (float)finished(j, j->values[u.value + x], u.value + x);
    }
}

static void reduce_run(const struct tp_step *st, const struct tp_io *io)
{
    static const struct tp_phase phases[] = {
        { fold_top, true }, { join_top, false }, { fold, true }, { finish, false },
    };
    const struct tp_columns *c = st->state;
    const bool exps = st->node->attr.axes.reduction == TP_REDUCTION_LOG_SUM_EXP;
    struct job j = { st, io, c, st->node->attr.axes.reduction, io->scratch, NULL };
    if (exps) j.top = j.values + tp_columns_values(c);
    const int64_t n = tp_shape_elements(st->in);
    tp_columns_run(c, exps ? phases : phases + 2, exps ? 4 : 2, &j, (exps ? 32 : 4) * n,
                   io->n_threads);
}

const struct tp_op tp_op_reduce = {
    .name = "Reduce", .shape = reduce_shape, .plan = reduce_plan, .run = reduce_run,
};
