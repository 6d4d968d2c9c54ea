/* softmax.h - e^(x - max) over its sum, along one axis, and its logarithm.
 *
 * A NaN or +inf along the axis makes all of it NaN, as in PyTorch and TensorFlow. */
#ifndef TP_KERNELS_SOFTMAX_H
#define TP_KERNELS_SOFTMAX_H

#include <math.h>

#include "kernels/activate.h"
#include "kernels/power.h"

/* One row of n neighbours: whole vectors, then `rest` floats in `last`, whose lanes behind the
 * row's end hold -inf: its exponential adds nothing. */
struct softmax_row {
    int64_t whole;
    int rest;
    vec last, most;                  /* most: the row's largest, in every lane */
};

INLINE struct softmax_row row_begin(const float *in, int64_t n)
{
    struct softmax_row r = { .rest = (int)(n % VL), .last = splat(-INFINITY) };
    float lane[VL];
    vec most = splat(-INFINITY);
    r.whole = n - r.rest;
    for (int i = 0; i < r.rest; i++) r.last[i] = in[r.whole + i];
    for (int64_t i = 0; i < r.whole; i += VL) most = vmax(most, load(in + i));
    store(lane, vmax(most, r.last));
    for (int i = 1; i < VL; i++) lane[0] = lane[i] > lane[0] ? lane[i] : lane[0];
    r.most = splat(lane[0]);
    return r;
}

/* Of the sums of the whole vectors' lanes, and what the last ones add. */
INLINE float row_total(const struct softmax_row *r, vec sum, vec last)
{
    float lane[VL];
    store(lane, sum);
    for (int i = 0; i < r->rest; i++) lane[i] += last[i];
    for (int width = VL / 2; width; width /= 2)
        for (int i = 0; i < width; i++) lane[i] += lane[i + width];
    return lane[0];
}

static void softmax_row(float *out, const float *in, int64_t n)
{
    const struct softmax_row r = row_begin(in, n);
    vec sum = splat(0);
    for (int64_t i = 0; i < r.whole; i += VL) {
        vec e = exp_down(load(in + i) - r.most, splat(0));
        store(out + i, e);
        sum += e;
    }
    const vec last = exp_down(r.last - r.most, splat(0));
    store_part(out + r.whole, last, r.rest);

    const float total = row_total(&r, sum, last);
    for (int64_t i = 0; i < r.whole; i += VL) store(out + i, load(out + i) / splat(total));
    for (int64_t i = r.whole; i < n; i++) out[i] /= total;
}

static void log_softmax_row(float *out, const float *in, int64_t n)
{
    const struct softmax_row r = row_begin(in, n);
    vec sum = splat(0);
    for (int64_t i = 0; i < r.whole; i += VL)
        sum += exp_down(load(in + i) - r.most, splat(0));
    const vec last = exp_down(r.last - r.most, splat(0));
    const vec total = power_log(splat(row_total(&r, sum, last)));
    for (int64_t i = 0; i < r.whole; i += VL) store(out + i, load(in + i) - r.most - total);
    store_part(out + r.whole, r.last - r.most - total, r.rest);
}

INLINE vec softmax_load(const float *p, const int lanes)
{
    return lanes == VL ? load(p) : load_part(p, lanes);
}

INLINE void softmax_store(float *p, vec x, const int lanes)
{
    if (lanes == VL) store(p, x);
    else store_part(p, x, lanes);
}

/* `lanes` neighbouring columns of n elements, `step` apart. */
INLINE void softmax_columns(float *out, const float *in, int64_t n, ptrdiff_t step, const int lanes)
{
    vec most = softmax_load(in, lanes), sum = splat(0);
    for (int64_t i = 1; i < n; i++) most = vmax(most, softmax_load(in + i * step, lanes));
    for (int64_t i = 0; i < n; i++) {
        vec e = exp_down(softmax_load(in + i * step, lanes) - most, splat(0));
        softmax_store(out + i * step, e, lanes);
        sum += e;
    }
    for (int64_t i = 0; i < n; i++)
        softmax_store(out + i * step, softmax_load(out + i * step, lanes) / sum, lanes);
}

INLINE void log_softmax_columns(float *out, const float *in, int64_t n, ptrdiff_t step,
                                const int lanes)
{
    vec most = softmax_load(in, lanes), sum = splat(0);
    for (int64_t i = 1; i < n; i++) most = vmax(most, softmax_load(in + i * step, lanes));
    for (int64_t i = 0; i < n; i++)
        sum += exp_down(softmax_load(in + i * step, lanes) - most, splat(0));
    const vec total = power_log(sum);
    for (int64_t i = 0; i < n; i++)
        softmax_store(out + i * step, softmax_load(in + i * step, lanes) - most - total, lanes);
}

static void softmax(float *out, const float *in, int64_t n, ptrdiff_t step, int64_t inner)
{
    if (inner == 1 && step == 1) {
        softmax_row(out, in, n);
        return;
    }
    int64_t j = 0;
    for (; j + VL <= inner; j += VL) softmax_columns(out + j, in + j, n, step, VL);
    if (j < inner) softmax_columns(out + j, in + j, n, step, (int)(inner - j));
}

static void log_softmax(float *out, const float *in, int64_t n, ptrdiff_t step, int64_t inner)
{
    if (inner == 1 && step == 1) {
        log_softmax_row(out, in, n);
        return;
    }
    int64_t j = 0;
    for (; j + VL <= inner; j += VL) log_softmax_columns(out + j, in + j, n, step, VL);
    if (j < inner) log_softmax_columns(out + j, in + j, n, step, (int)(inner - j));
}

#endif
