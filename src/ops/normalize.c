/* normalize.c - x / max(norm, epsilon) over neighbouring axes; norms of order 1, 2 or infinity. */
#include "ops/columns.h"

#include <math.h>

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    const struct tp_columns *c;
    enum tp_fold kind;
    double *factor;                  /* of columns: at first, what they fold to */
};

static bool normalize_shape(const struct tp_node *nd, const struct tp_shape *in,
                            struct tp_shape *out, struct tp_err *err)
{
    const struct tp_axes_attr *a = &nd->attr.axes;
    if (a->p != 1 && a->p != 2 && a->p != INFINITY)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: p is %g; it must be 1, 2 or infinity",
                       nd->name, (double)a->p);
    if (!(a->epsilon >= 0 && isfinite(a->epsilon)))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: epsilon is %g; it must be a number of at "
                       "least 0", nd->name, (double)a->epsilon);
    if (!tp_columns_check(nd, in, a->axis, a->n_axes, err)) return false;
    *out = *in;
    return true;
}

static bool normalize_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_axes_attr *a = &st->node->attr.axes;
    struct tp_columns *c = tp_arena_alloc(arena, sizeof *c);
    if (!c) return tp_arena_fail(arena, err);
    *c = tp_columns_of(st->in, a->axis, a->n_axes);
    st->scratch_bytes = (size_t)tp_columns_values(c) * sizeof(double);
    st->state = c;
    return true;
}

static void fold(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    tp_columns_fold(j->c, j->st->k, j->kind, j->io->in[0], NULL, j->factor, begin, end);
}

static void factors(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const double epsilon = (double)j->st->node->attr.axes.epsilon;
    for (int64_t i = begin; i < end; i++) {
        const struct tp_unit u = tp_columns_unit(j->c, i);
        tp_columns_join(j->c, j->kind, j->factor, &u);
        for (int x = 0; x < u.width; x++) {
            double *f = &j->factor[u.value + x];
            const double norm = j->kind == TP_FOLD_SQUARE ? sqrt(*f) : *f;
            *f = 1 / (norm < epsilon ? epsilon : norm);          /* a NaN stays */
        }
    }
}

static void scales(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    for (int64_t i = begin; i < end; i++)
        tp_columns_scale(j->c, j->io->out, j->io->in[0], NULL, j->factor, i);
}

static void normalize_run(const struct tp_step *st, const struct tp_io *io)
{
    static const struct tp_phase phases[] = {
        { fold, true }, { factors, false }, { scales, true },
    };
    const float p = st->node->attr.axes.p;
    const struct job j = {
        .st = st, .io = io, .c = st->state, .factor = io->scratch,
        .kind = p == 1 ? TP_FOLD_ABS : p == 2 ? TP_FOLD_SQUARE : TP_FOLD_MAX_ABS,
    };
    tp_columns_run(j.c, phases, 3, &j, 8 * tp_shape_elements(&st->out), io->n_threads);
}

const struct tp_op tp_op_normalize = {
    .name = "Normalize", .shape = normalize_shape, .plan = normalize_plan, .run = normalize_run,
    .in_place = true,
};
