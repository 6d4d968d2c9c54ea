/* aggregate.h - one value for many pixels, channel by channel, whichever pixels they are.
 *
 * The definitions are those of enum tp_pool_kind in tidepool.h. A NaN makes a NaN. Sums are of
 * short stretches in float, of these in double. Powers are of what the largest value was divided
 * by, so they overflow only where the result does. The standard deviation takes two passes and the
 * correction for the rounding of the mean (Chan, Golub, LeVeque, "Algorithms for Computing the
 * Sample Variance", 1983, eq. 1.7): a mean 10^6 times as large as it costs nothing. */
#ifndef TP_AGGREGATE_H
#define TP_AGGREGATE_H

#include "ops/op.h"

enum { TP_AGGREGATE_CHANNELS = 128 };        /* at most, in one go */

/* Writes pixels [first, first + n) of those that `ctx` describes to block: [n, channels]. */
typedef void tp_pixels_fn(const void *ctx, float *block, int64_t first, int n);

struct tp_aggregate {
    const struct tp_kernels *k;
    enum tp_pool_op kind;
    float p;                         /* lp, gem */
    int channels;
    int64_t n_pixels;
    double n_zeros;                  /* so many pixels more, all 0 */
    tp_pixels_fn *read;              /* called with n >= 1, in several passes over all pixels */
    const void *ctx;
};

/* out: [channels]; 0 when there are no pixels at all. Does not depend on how channels are dealt
 * out, as long as that follows from shapes alone. */
void tp_aggregate(const struct tp_aggregate *a, float *out);

/* p must be a number of at least 1 where `kind` has one. */
bool tp_aggregate_check(const struct tp_node *nd, enum tp_pool_op kind, float p,
                        struct tp_err *err) TP_MUST_USE;

/* How many stretches of at most TP_AGGREGATE_CHANNELS there are, and where stretch `index`
 * begins. */
static inline int tp_aggregate_units(int64_t channels)
{
    return (int)((channels + TP_AGGREGATE_CHANNELS - 1) / TP_AGGREGATE_CHANNELS);
}

static inline int64_t tp_aggregate_begin(int64_t channels, int64_t index)
{
    return channels * index / tp_aggregate_units(channels);
}

#endif
