/* softmax.h - e^(x - max) over its sum, along one axis.
 *
 * A NaN or +inf along the axis makes all of it NaN, as in PyTorch and TensorFlow. */
#ifndef TP_KERNELS_SOFTMAX_H
#define TP_KERNELS_SOFTMAX_H

#include <math.h>

#include "kernels/activate.h"

/* One row of n neighbours. Lanes behind its end hold -inf, whose exponential adds nothing. */
static void softmax_row(float *out, const float *in, int64_t n)
{
    const int rest = (int)(n % VL);
    const int64_t whole = n - rest;
    float lane[VL];
    vec most = splat(-INFINITY), sum = splat(0), last = splat(-INFINITY);
    for (int i = 0; i < rest; i++) last[i] = in[whole + i];
    for (int64_t i = 0; i < whole; i += VL) most = vmax(most, load(in + i));
    store(lane, vmax(most, last));
    for (int i = 1; i < VL; i++) lane[0] = lane[i] > lane[0] ? lane[i] : lane[0];
    most = splat(lane[0]);

    for (int64_t i = 0; i < whole; i += VL) {
        vec e = exp_down(load(in + i) - most, splat(0));
        store(out + i, e);
        sum += e;
    }
    last = exp_down(last - most, splat(0));
    store_part(out + whole, last, rest);
    store(lane, sum);
    for (int i = 0; i < rest; i++) lane[i] += last[i];
    for (int width = VL / 2; width; width /= 2)
        for (int i = 0; i < width; i++) lane[i] += lane[i + width];

    const float total = lane[0];
    for (int64_t i = 0; i < whole; i += VL) store(out + i, load(out + i) / splat(total));
    for (int64_t i = whole; i < n; i++) out[i] /= total;
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

#endif
