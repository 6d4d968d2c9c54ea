/* columns.h - a tensor of any rank read as [outer, length, inner], and what is done down its
 * columns.
 *
 * Operators that look along neighbouring axes take these as one, `length`; a column is its elements
 * for one place in `outer` and `inner`. The walk is cut by shape alone: neighbouring columns into
 * units, long columns into blocks of rows, so that every number of threads finds work and computes
 * the same bits. What a column folds to is kept in doubles: an array [outer, n_blocks, inner],
 * where the first block's row finally holds the whole column's. */
#ifndef TP_COLUMNS_H
#define TP_COLUMNS_H

#include "ops/op.h"
#include "ops/parallel.h"

enum { TP_UNIT_COLUMNS = 128 };      /* at most: half a kilobyte of every row */

struct tp_columns {
    int64_t outer, length, inner;
    int64_t n_units;
    int64_t block, n_blocks;         /* rows of a block (fewer in the last one); blocks */
};

/* Whether the input has the n_axes axes from `axis` on; n_axes 0 is a length of 1. */
bool tp_columns_check(const struct tp_node *nd, const struct tp_shape *in, int axis, int n_axes,
                      struct tp_err *err) TP_MUST_USE;

/* Shape *s, whole and checked, along those axes. */
struct tp_columns tp_columns_of(const struct tp_shape *s, int axis, int n_axes);

/* Doubles of an array [outer, n_blocks, inner]. */
int64_t tp_columns_values(const struct tp_columns *c);

/* Some neighbouring columns. Item i of outer * n_units. */
struct tp_unit {
    int64_t outer, first;            /* place in `outer`; the first column's in `inner` */
    int width;                       /* columns, at most TP_UNIT_COLUMNS */
    int64_t value;                   /* of the first one, in an array of values */
};
struct tp_unit tp_columns_unit(const struct tp_columns *c, int64_t item);

/* One pass of an operator. Its items are outer * n_blocks * n_units units of blocks, or outer *
 * n_units units of whole columns. */
struct tp_phase { tp_range_fn *fn; bool by_block; };

/* Runs the phases in order on all items. Columns of one block go through all phases while they are
 * in cache. `work` is that of all phases. */
void tp_columns_run(const struct tp_columns *c, const struct tp_phase *phases, int n_phases,
                    const void *ctx, int64_t work, int n_threads);

enum tp_fold {
    TP_FOLD_SUM, TP_FOLD_PROD, TP_FOLD_MAX, TP_FOLD_MIN,
    TP_FOLD_ABS,                     /* sum |x| */
    TP_FOLD_MAX_ABS,
    TP_FOLD_SQUARE,                  /* sum (x - center)^2 */
    TP_FOLD_EXP,                     /* sum e^(x - center) */
    TP_N_FOLDS,
};

/* Folds blocks of rows: items [begin, end) of a phase by block. A NaN makes NaN of every kind.
 * center: joined values, or NULL for 0. */
void tp_columns_fold(const struct tp_columns *c, const struct tp_kernels *k, enum tp_fold kind,
                     const float *in, const double *center, double *values, int64_t begin,
                     int64_t end);

/* Joins the blocks of a unit's columns into their first block's row. */
void tp_columns_join(const struct tp_columns *c, enum tp_fold kind, double *values,
                     const struct tp_unit *u);

/* out = (in - center) * factor, item `item` of a phase by block; out may be in. center as above,
 * factor: joined values. */
void tp_columns_scale(const struct tp_columns *c, float *out, const float *in,
                      const double *center, const double *factor, int64_t item);

/* Calls fn for every run of neighbours in memory that item `item` of a phase by block consists of:
 * n floats from place `at` on. */
typedef void tp_columns_run_fn(const void *ctx, int64_t at, int64_t n);
void tp_columns_runs(const struct tp_columns *c, int64_t item, tp_columns_run_fn *fn,
                     const void *ctx);

#endif
