/* interpolate.c - weighted sums of an input's places along one axis: resizing, one axis at a time.
 *
 * Taps of weight 0 are not read: where a table is filled up with them, or a place falls on an input
 * element, an infinite neighbour has no say. */
#include "ops/columns.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { CHUNK = 2048 };               /* floats of the output that stay in cache for all taps */

struct plan {
    struct tp_columns c;             /* of the input */
    int64_t n_out;
    int64_t *first;                  /* [n_out + 1]: taps of place i are first[i] .. first[i + 1] */
    int32_t *index;
    float *weight;
};

struct job { const struct plan *p; const struct tp_io *io; };

static bool table_fits(const struct tp_node *nd, const struct tp_shape *in, struct tp_err *err)
{
    const struct tp_interpolate_attr *a = &nd->attr.interpolate;
    const int64_t length = in->dim[a->axis];
    for (int64_t t = 0; t < a->n_out * a->n_taps; t++) {
        if (a->index[t] < 0 || (length != TP_ANY && a->index[t] >= length))
            return tp_fail(err, TP_INVALID_SHAPE, "%s: place %" PRId64 " of the output reads place "
                           "%" PRId32 " of axis %d of its input %s", nd->name, t / a->n_taps,
                           a->index[t], a->axis, TP_SHAPE(in));
        if (!isfinite(a->weight[t]))
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: place %" PRId64 " of the output has the "
                           "weight %g; it must be finite", nd->name, t / a->n_taps,
                           (double)a->weight[t]);
    }
    return true;
}

static bool interpolate_shape(const struct tp_node *nd, const struct tp_shape *in,
                              struct tp_shape *out, struct tp_err *err)
{
    const struct tp_interpolate_attr *a = &nd->attr.interpolate;
    int64_t n;
    if (a->axis < 0 || a->axis >= in->rank)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: no axis %d in its input %s; it must be from 0 "
                       "to %d", nd->name, a->axis, TP_SHAPE(in), in->rank - 1);
    if (a->n_out < 1 || a->n_taps < 1 || __builtin_mul_overflow(a->n_out, a->n_taps, &n))
        return tp_fail(err, TP_INVALID_SHAPE, "%s: %" PRId64 " places of %d taps; both must be at "
                       "least 1 and their product countable", nd->name, a->n_out, a->n_taps);
    if (!table_fits(nd, in, err)) return false;
    *out = *in;
    out->dim[a->axis] = a->n_out;
    if (tp_shape_elements(out) < TP_ANY)
        return tp_fail(err, TP_TOO_LARGE, "%s: %s has too many elements to count", nd->name,
                       TP_SHAPE(out));
    return true;
}

static bool interpolate_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_interpolate_attr *a = &st->node->attr.interpolate;
    const size_t n_taps = (size_t)(a->n_out * a->n_taps);
    struct plan *p = tp_arena_zalloc(arena, 1, sizeof *p);
    if (!p) return tp_arena_fail(arena, err);
    p->c = tp_columns_of(st->in, a->axis, 1);
    p->n_out = a->n_out;
    p->first = tp_arena_zalloc(arena, (size_t)a->n_out + 1, sizeof *p->first);
    p->index = tp_arena_zalloc(arena, n_taps, sizeof *p->index);
    p->weight = tp_arena_zalloc(arena, n_taps, sizeof *p->weight);
    if (!p->first || !p->index || !p->weight) return tp_arena_fail(arena, err);
    int64_t n = 0;
    for (int64_t i = 0; i < a->n_out; i++) {
        for (int64_t t = i * a->n_taps; t < (i + 1) * a->n_taps; t++) {
            if (a->weight[t] == 0) continue;
            p->index[n] = a->index[t];
            p->weight[n++] = a->weight[t];
        }
        p->first[i + 1] = n;
    }
    st->state = p;
    return true;
}

/* out = v a + w b, or that more. */
static void mix_two(float *restrict out, const float *restrict a, const float *restrict b, float v,
                    float w, int64_t n, bool more)
{
    if (more) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++) out[j] += v * a[j] + w * b[j];
    } else {
#pragma omp simd
        for (int64_t j = 0; j < n; j++) out[j] = v * a[j] + w * b[j];
    }
}

static void mix_one(float *restrict out, const float *restrict a, float v, int64_t n, bool more)
{
    if (more) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++) out[j] += v * a[j];
    } else {
#pragma omp simd
        for (int64_t j = 0; j < n; j++) out[j] = v * a[j];
    }
}

/* n <= CHUNK neighbours of place i; `in`: theirs at place 0. */
static void mix(const struct plan *p, float *out, const float *in, int64_t i, int64_t n)
{
    const int64_t inner = p->c.inner, first = p->first[i], end = p->first[i + 1];
    int64_t t = first;
    if (first == end) {
        memset(out, 0, (size_t)n * sizeof *out);
        return;
    }
    if (first + 1 == end && p->weight[first] == 1) {
        memcpy(out, in + p->index[first] * inner, (size_t)n * sizeof *out);
        return;
    }
    for (; t + 2 <= end; t += 2)
        mix_two(out, in + p->index[t] * inner, in + p->index[t + 1] * inner, p->weight[t],
                p->weight[t + 1], n, t > first);
    if (t < end) mix_one(out, in + p->index[t] * inner, p->weight[t], n, t > first);
}

/* Places [begin, end) of all rows. */
static void mix_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct plan *p = j->p;
    const int64_t inner = p->c.inner;
    for (int64_t row = begin; row < end; row++) {
        const float *in = j->io->in[0] + row / p->n_out * p->c.length * inner;
        for (int64_t at = 0; at < inner; at += CHUNK)
            mix(p, j->io->out + row * inner + at, in + at, row % p->n_out,
                inner - at < CHUNK ? inner - at : CHUNK);
    }
}

/* The same where neighbours are the places themselves. */
static void mix_places(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct plan *p = j->p;
    const float *in = j->io->in[0] + begin / p->n_out * p->c.length;
    int64_t i = begin % p->n_out;
    for (int64_t at = begin; at < end; at++) {
        float sum = 0;
        for (int64_t t = p->first[i]; t < p->first[i + 1]; t++)
            sum += p->weight[t] * in[p->index[t]];
        j->io->out[at] = sum;
        if (++i < p->n_out) continue;
        i = 0;
        in += p->c.length;
    }
}

static void interpolate_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct job j = { st->state, io };
    const int64_t n = tp_shape_elements(&st->out), n_taps = j.p->first[j.p->n_out] / j.p->n_out;
    tp_parallel_for(io->n_threads, j.p->c.outer * j.p->n_out, (4 + n_taps) * n,
                    j.p->c.inner > 1 ? mix_rows : mix_places, &j);
}

const struct tp_op tp_op_interpolate = {
    .name = "Interpolate", .shape = interpolate_shape, .plan = interpolate_plan,
    .run = interpolate_run,
};
