/* lerp.h - one value among four, for bilinear upsampling. */
#ifndef TP_KERNELS_LERP_H
#define TP_KERNELS_LERP_H

#include "kernels/kernels.h"
#include "kernels/vec.h"

static void lerp(float *out, const float *a, const float *b, const float *c, const float *d,
                 float wx, float wy, int channels)
{
    const float wa = (1 - wx) * (1 - wy), wb = wx * (1 - wy), wc = (1 - wx) * wy, wd = wx * wy;
    int i = 0;
    for (; i + VL <= channels; i += VL)
        store(out + i, splat(wa) * load(a + i) + splat(wb) * load(b + i) +
                       splat(wc) * load(c + i) + splat(wd) * load(d + i));
    for (; i < channels; i++) out[i] = wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i];
}

#endif
