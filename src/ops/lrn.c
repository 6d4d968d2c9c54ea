/* lrn.c - local response normalization across the last axis (ONNX LRN, AlexNet's):
 *     out = x / (bias + alpha / size * sum of x^2 over `size` channels around)^beta
 *
 * The sum over a window of any size takes two additions: windows are cut at multiples of their
 * size into the end of one stretch and the beginning of the next, both running sums (van Herk's
 * way of taking maxima). Nothing is subtracted, so a huge or infinite value is felt by its own
 * windows only. */
#include "ops/op.h"
#include "ops/parallel.h"

#include <math.h>

struct job { const struct tp_step *st; const struct tp_io *io; int64_t channels; };

static bool lrn_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                      struct tp_err *err)
{
    if (in->rank < 1)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: %s works across the last axis; its input %s has "
                       "none", nd->name, nd->type, TP_SHAPE(in));
    if (nd->attr.lrn.size < 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: size is %d; it must be at least 1",
                       nd->name, nd->attr.lrn.size);
    if (!isfinite(nd->attr.lrn.alpha) || !isfinite(nd->attr.lrn.beta) ||
        !isfinite(nd->attr.lrn.bias))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: alpha %g, beta %g and bias %g must be "
                       "finite", nd->name, (double)nd->attr.lrn.alpha, (double)nd->attr.lrn.beta,
                       (double)nd->attr.lrn.bias);
    *out = *in;
    return true;
}

static double square(const float *in, int64_t i) { return (double)in[i] * (double)in[i]; }

/* out[i] = bias + factor * sum of in[j]^2 over i - before <= j < i - before + size, where there is
 * such a j < n. Windows that begin in the stretch [start, start + size) end in it or the next. */
static void row_bases(float *out, const float *in, int64_t n, int64_t size, int64_t before,
                      double factor, double bias)
{
    for (int64_t start = -before; start < n - before; start += size) {
        const int64_t end = start + size;
        const int64_t last = end < n - before ? end : n - before;    /* windows that count */
        double sum = 0;
        for (int64_t j = end - 1; j >= start; j--) {
            if (j >= 0 && j < n) sum += square(in, j);
            if (j < last) out[j + before] = (float)sum;
        }
        sum = 0;
        for (int64_t j = start; j < last; j++) {
            const int64_t next = j + size - 1;                       /* the window's last */
            if (next >= end && next < n) sum += square(in, next);
            out[j + before] = (float)(bias + factor * ((double)out[j + before] + sum));
        }
    }
}

static void lrn_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct job *j = ctx;
    const struct tp_node *nd = j->st->node;
    const struct tp_act power = { .kind = TP_ACT_POW, .alpha = -nd->attr.lrn.beta };
    const double factor = (double)nd->attr.lrn.alpha / nd->attr.lrn.size;
    const int64_t n = j->channels;
    int64_t before = (nd->attr.lrn.size - 1) / 2, after = nd->attr.lrn.size / 2;
    if (before > n - 1) before = n - 1;
    if (after > n - 1) after = n - 1;
    for (int64_t i = begin; i < end; i++) {
        float *out = j->io->out + i * n;
        const float *in = j->io->in[0] + i * n;
        row_bases(out, in, n, before + 1 + after, before, factor, (double)nd->attr.lrn.bias);
        j->st->k->activate(out, out, n, &power);
        j->st->k->binary[TP_BINARY_MUL](out, out, 1, in, 1, n);
    }
}

static void lrn_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct job j = { st, io, st->out.dim[st->out.rank - 1] };
    const int64_t n = tp_shape_elements(&st->out);
    tp_parallel_for(io->n_threads, n / j.channels, 32 * n, lrn_rows, &j);
}

const struct tp_op tp_op_lrn = { .name = "LRN", .shape = lrn_shape, .run = lrn_run };
