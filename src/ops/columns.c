/* columns.c - a tensor of any rank read as [outer, length, inner], and what is done down its
 * columns. */
#include "ops/columns.h"

#include <math.h>
#include <string.h>

enum {
    BLOCK_FLOATS = 16384,            /* of a block's unit: some 5 us */
    LANES = 32,                      /* that few columns are widened to */
    CHAINS = 8,                      /* sums kept side by side along a lone column */
};

/* A block's unit as the loops see it: rows of `width` floats, `step` apart. Few dense columns are
 * taken several rows at a time, as one row of so many more columns; that leaves over `rest` floats,
 * the beginning of another row. */
struct strip {
    int64_t at;                      /* of its first float in the tensor */
    int64_t value;                   /* of its first column, in its own block's row */
    int64_t center;                  /* in the first block's */
    int columns, width, rest;
    int64_t rows, step;
};

bool tp_columns_check(const struct tp_node *nd, const struct tp_shape *in, int axis, int n_axes,
                      struct tp_err *err)
{
    if (axis >= 0 && n_axes >= 0 && axis <= in->rank && n_axes <= in->rank - axis) return true;
    if (n_axes == 1)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: no axis %d in its input %s; it must be from 0 "
                       "to %d", nd->name, axis, TP_SHAPE(in), in->rank - 1);
    return tp_fail(err, TP_INVALID_SHAPE, "%s: no %d axes from axis %d on in its input %s; it has "
                   "axes 0 to %d", nd->name, n_axes, axis, TP_SHAPE(in), in->rank - 1);
}

struct tp_columns tp_columns_of(const struct tp_shape *s, int axis, int n_axes)
{
    struct tp_columns c = {
        .outer = tp_shape_span(s, 0, axis), .length = tp_shape_span(s, axis, axis + n_axes),
        .inner = tp_shape_span(s, axis + n_axes, s->rank),
    };
    c.n_units = (c.inner - 1) / TP_UNIT_COLUMNS + 1;
    c.block = BLOCK_FLOATS / (c.inner < TP_UNIT_COLUMNS ? c.inner : TP_UNIT_COLUMNS);
    if (c.length < 2 * c.block) c.block = c.length;
    c.n_blocks = (c.length - 1) / c.block + 1;
    return c;
}

int64_t tp_columns_values(const struct tp_columns *c)
{
    return c->outer * c->n_blocks * c->inner;
}

/* Units of nearly equal width: none is much narrower than a vector unless `inner` is. */
static void unit_columns(const struct tp_columns *c, int64_t unit, int64_t *first, int *width)
{
    const int64_t least = c->inner / c->n_units, more = c->inner % c->n_units;
    *first = unit * least + (unit < more ? unit : more);
    *width = (int)least + (unit < more);
}

struct tp_unit tp_columns_unit(const struct tp_columns *c, int64_t item)
{
    struct tp_unit u = { .outer = item / c->n_units };
    unit_columns(c, item % c->n_units, &u.first, &u.width);
    u.value = u.outer * c->n_blocks * c->inner + u.first;
    return u;
}

struct whole { const struct tp_phase *phases; int n_phases; const void *ctx; };

static void all_phases(const void *ctx, int64_t begin, int64_t end)
{
    const struct whole *w = ctx;
    for (int64_t i = begin; i < end; i++)
        for (int p = 0; p < w->n_phases; p++) w->phases[p].fn(w->ctx, i, i + 1);
}

void tp_columns_run(const struct tp_columns *c, const struct tp_phase *phases, int n_phases,
                    const void *ctx, int64_t work, int n_threads)
{
    const int64_t n_columns = c->outer * c->n_units;
    if (c->n_blocks == 1) {
        const struct whole w = { phases, n_phases, ctx };
        tp_parallel_for(n_threads, n_columns, work, all_phases, &w);
        return;
    }
    for (int p = 0; p < n_phases; p++) {
        const bool by_block = phases[p].by_block;
        tp_parallel_for(n_threads, by_block ? n_columns * c->n_blocks : n_columns,
                        by_block ? work / n_phases : tp_columns_values(c), phases[p].fn, ctx);
    }
}

static struct strip strip_of(const struct tp_columns *c, int64_t item)
{
    const int64_t row = item / c->n_units, outer = row / c->n_blocks, block = row % c->n_blocks;
    const int64_t left = c->length - block * c->block;
    struct strip s = { .rows = left < c->block ? left : c->block, .step = c->inner };
    int64_t first;
    unit_columns(c, item % c->n_units, &first, &s.columns);
    s.at = (outer * c->length + block * c->block) * c->inner + first;
    s.value = row * c->inner + first;
    s.center = outer * c->n_blocks * c->inner + first;
    s.width = s.columns;
    if (c->inner > LANES / 2) return s;
    int64_t group = LANES / c->inner;
    if (group > s.rows) group = s.rows;
    s.rest = (int)(s.rows % group * c->inner);
    s.rows /= group;
    s.width = (int)(s.step = group * c->inner);
    return s;
}

/* The strip's columns' values, over and over; `otherwise` where there are none. */
static void spread(double *lanes, const double *values, const struct strip *s, double otherwise)
{
    for (int j = 0; j < s->width; j++)
        lanes[j] = !values ? otherwise : j < s->columns ? values[j] : lanes[j - s->columns];
}

static double identity(enum tp_fold kind)
{
    switch (kind) {
    case TP_FOLD_PROD: return 1;
    case TP_FOLD_MAX: return -INFINITY;
    case TP_FOLD_MIN: return INFINITY;
    default: return 0;
    }
}

/* Of two results. */
static double join(enum tp_fold kind, double a, double b)
{
    switch (kind) {
    case TP_FOLD_PROD: return a * b;
    case TP_FOLD_MAX: case TP_FOLD_MAX_ABS: return b > a || isnan(b) ? b : a;
    case TP_FOLD_MIN: return b < a || isnan(b) ? b : a;
    default: return a + b;
    }
}

#define INLINE static inline __attribute__((always_inline))

/* acc and one element more. */
INLINE double with(enum tp_fold kind, double acc, double x, double center)
{
    switch (kind) {
    case TP_FOLD_PROD: return acc * x;
    case TP_FOLD_ABS: return acc + fabs(x);
    case TP_FOLD_MAX_ABS: x = fabs(x); return (x > acc) | (x != x) ? x : acc;
    case TP_FOLD_SQUARE: return acc + (x - center) * (x - center);
    default: return acc + x;
    }
}

/* `kind` is a constant wherever this is called. */
INLINE void fold_rows(enum tp_fold kind, double *restrict acc, const float *restrict in,
                      int64_t step, int64_t rows, int width, const double *restrict center)
{
    for (int64_t i = 0; i < rows; i++) {
        const float *restrict row = in + i * step;
#pragma omp simd
        for (int j = 0; j < width; j++) acc[j] = with(kind, acc[j], (double)row[j], center[j]);
    }
}

/* A lone column, whose elements are neighbours. LayerNormalization of 3136 rows of 96 took 1.5 ms
 * in lanes, 0.5 so. */
INLINE double fold_line(enum tp_fold kind, const float *restrict in, int64_t n, double center)
{
    double acc[CHAINS];
    const int64_t whole = n - n % CHAINS;
    for (int j = 0; j < CHAINS; j++) acc[j] = identity(kind);
    for (int64_t i = 0; i < whole; i += CHAINS)
#pragma omp simd
        for (int j = 0; j < CHAINS; j++) acc[j] = with(kind, acc[j], (double)in[i + j], center);
    for (int64_t i = whole; i < n; i++)
        acc[i - whole] = with(kind, acc[i - whole], (double)in[i], center);
    for (int j = 1; j < CHAINS; j++) acc[0] = join(kind, acc[0], acc[j]);
    return acc[0];
}

/* Lanes of the same column become one value. */
static void join_lanes(enum tp_fold kind, double *values, double *lanes, const struct strip *s)
{
    for (int j = s->columns; j < s->width; j++)
        lanes[j % s->columns] = join(kind, lanes[j % s->columns], lanes[j]);
    memcpy(values, lanes, (size_t)s->columns * sizeof *lanes);
}

INLINE void fold_strip(enum tp_fold kind, double *values, const float *in, const struct strip *s,
                       const double *center)
{
    double acc[TP_UNIT_COLUMNS], middle[TP_UNIT_COLUMNS];
    if (s->columns == 1) {
        values[0] = fold_line(kind, in, s->rows * s->step + s->rest, center ? *center : 0);
        return;
    }
    spread(acc, NULL, s, identity(kind));
    spread(middle, center, s, 0);
    fold_rows(kind, acc, in, s->step, s->rows, s->width, middle);
    fold_rows(kind, acc, in + s->rows * s->step, 0, 1, s->rest, middle);
    join_lanes(kind, values, acc, s);
}

/* The kernels know exponentials; row by row. */
static void fold_exps(const struct tp_kernels *k, double *values, const float *in,
                      const struct strip *s, const double *center)
{
    static const struct tp_act exponential = { .kind = TP_ACT_EXP };
    double acc[TP_UNIT_COLUMNS], middle[TP_UNIT_COLUMNS];
    float e[TP_UNIT_COLUMNS];
    spread(acc, NULL, s, 0);
    spread(middle, center, s, 0);
    for (int64_t i = 0; i <= s->rows; i++) {
        const float *row = in + i * s->step;
        const int n = i < s->rows ? s->width : s->rest;
        for (int j = 0; j < n; j++) e[j] = (float)((double)row[j] - middle[j]);
        k->activate(e, e, n, &exponential);
        for (int j = 0; j < n; j++) acc[j] += (double)e[j];
    }
    join_lanes(TP_FOLD_EXP, values, acc, s);
}

static void fold_sums(const struct tp_kernels *k, enum tp_fold kind, double *values,
                      const float *in, const struct strip *s, const double *center)
{
    switch (kind) {
    case TP_FOLD_PROD: fold_strip(TP_FOLD_PROD, values, in, s, center); break;
    case TP_FOLD_ABS: fold_strip(TP_FOLD_ABS, values, in, s, center); break;
    case TP_FOLD_MAX_ABS: fold_strip(TP_FOLD_MAX_ABS, values, in, s, center); break;
    case TP_FOLD_SQUARE: fold_strip(TP_FOLD_SQUARE, values, in, s, center); break;
    case TP_FOLD_EXP: fold_exps(k, values, in, s, center); break;
    default: fold_strip(TP_FOLD_SUM, values, in, s, center); break;
    }
}

/* Maxima and minima are exact in floats: the kernels take four rows at a time. */
static void fold_extreme(const struct tp_kernels *k, enum tp_reduce_kind kind, double *acc,
                         const float *in, const struct strip *s)
{
    float best[TP_UNIT_COLUMNS];
    const int64_t rows = s->rows * (s->width / s->columns) + s->rest / s->columns;
    const int64_t step = s->width > s->columns ? s->columns : s->step;
    memcpy(best, in, (size_t)s->columns * sizeof *best);
    if (rows > 1) k->reduce[kind](best, in + step, (ptrdiff_t)step, rows - 1, s->columns);
    for (int j = 0; j < s->columns; j++) acc[j] = (double)best[j];
}

void tp_columns_fold(const struct tp_columns *c, const struct tp_kernels *k, enum tp_fold kind,
                     const float *in, const double *center, double *values, int64_t begin,
                     int64_t end)
{
    for (int64_t i = begin; i < end; i++) {
        const struct strip s = strip_of(c, i);
        if (kind == TP_FOLD_MAX || kind == TP_FOLD_MIN)
            fold_extreme(k, kind == TP_FOLD_MAX ? TP_REDUCE_MAX : TP_REDUCE_MIN, values + s.value,
                         in + s.at, &s);
        else
            fold_sums(k, kind, values + s.value, in + s.at, &s,
                      center ? center + s.center : NULL);
    }
}

void tp_columns_join(const struct tp_columns *c, enum tp_fold kind, double *values,
                     const struct tp_unit *u)
{
    double *first = values + u->value;
    for (int64_t b = 1; b < c->n_blocks; b++)
        for (int j = 0; j < u->width; j++)
            first[j] = join(kind, first[j], first[b * c->inner + j]);
}

/* out may be in. */
static void scale_row(float *out, const float *in, int n, const double *restrict center,
                      const double *restrict factor)
{
#pragma omp simd
    for (int j = 0; j < n; j++) out[j] = (float)(((double)in[j] - center[j]) * factor[j]);
}

static void scale_line(float *out, const float *in, int64_t n, double center, double factor)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++) out[j] = (float)(((double)in[j] - center) * factor);
}

void tp_columns_scale(const struct tp_columns *c, float *out, const float *in,
                      const double *center, const double *factor, int64_t item)
{
    double middle[TP_UNIT_COLUMNS], times[TP_UNIT_COLUMNS];
    const struct strip s = strip_of(c, item);
    if (s.columns == 1) {
        scale_line(out + s.at, in + s.at, s.rows * s.step + s.rest, center ? center[s.center] : 0,
                   factor[s.center]);
        return;
    }
    spread(middle, center ? center + s.center : NULL, &s, 0);
    spread(times, factor + s.center, &s, 1);
    for (int64_t i = 0; i < s.rows; i++)
        scale_row(out + s.at + i * s.step, in + s.at + i * s.step, s.width, middle, times);
    const int64_t last = s.at + s.rows * s.step;
    scale_row(out + last, in + last, s.rest, middle, times);
}

void tp_columns_runs(const struct tp_columns *c, int64_t item, tp_columns_run_fn *fn,
                     const void *ctx)
{
    const struct strip s = strip_of(c, item);
    if (s.step == s.width) {
        fn(ctx, s.at, s.rows * s.step + s.rest);
        return;
    }
    for (int64_t i = 0; i < s.rows; i++) fn(ctx, s.at + i * s.step, s.width);
}
