/* test_aggregate.c - one value for many pixels, against the definitions in double precision. */
#include "check.h"
#include "ops/aggregate.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const enum tp_pool_op kinds[] = { TP_OP_MAX, TP_OP_AVG, TP_OP_MIN, TP_OP_SUM, TP_OP_LP,
                                         TP_OP_GEM, TP_OP_STD };
enum { N_KINDS = sizeof kinds / sizeof *kinds };

struct pixels { const float *data; int channels; int64_t n; };

static void read_pixels(const void *ctx, float *block, int64_t first, int n)
{
    const struct pixels *p = ctx;
    assert_true(n >= 1 && first >= 0 && first + n <= p->n);
    memcpy(block, p->data + first * p->channels, (size_t)(n * p->channels) * sizeof *block);
}

/* What is added up for x, and what becomes of the mean of all that (of the sum, for sum and lp). */
static double term(enum tp_pool_op kind, double p, double mean, double x)
{
    switch (kind) {
    case TP_OP_LP: return pow(fabs(x), p);
    case TP_OP_GEM: return pow(isnan(x) ? x : fmax(x, (double)1e-6f), p);
    case TP_OP_STD: return (x - mean) * (x - mean);
    default: return x;
    }
}

static double judge(enum tp_pool_op kind, double p, const struct pixels *px, int channel,
                    int n_zeros)
{
    const int64_t n = px->n + n_zeros;
    double sum = 0, mean = 0, best = 0;
    for (int pass = 0; pass < 2; pass++, mean = sum / (double)n, sum = pass < 2 ? 0 : sum)
        for (int64_t i = 0; i < n; i++) {
            const double x = i < px->n ? (double)px->data[i * px->channels + channel] : 0;
            sum += pass ? term(kind, p, mean, x) : x;
            if (!i || isnan(x) || (kind == TP_OP_MAX ? x > best : x < best)) best = x;
        }
    if (kind == TP_OP_MAX || kind == TP_OP_MIN) return best;
    if (kind == TP_OP_SUM) return sum;
    if (kind == TP_OP_LP) return pow(sum, 1 / p);
    sum /= (double)n;
    return kind == TP_OP_GEM ? pow(sum, 1 / p) : kind == TP_OP_STD ? sqrt(sum) : sum;
}

/* On every table of kernels. tolerance: of the largest value. */
static void check_kind(enum tp_pool_op kind, float p, const struct pixels *px, int n_zeros,
                       double tolerance)
{
    const struct tp_kernels *k;
    double want[TP_AGGREGATE_CHANNELS];
    for (int c = 0; c < px->channels; c++)
        want[c] = judge(kind, (double)p, px, c, n_zeros);
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        const struct tp_aggregate a = {
            .k = k, .kind = kind, .p = p, .channels = px->channels, .n_pixels = px->n,
            .n_zeros = n_zeros, .read = read_pixels, .ctx = px,
        };
        char what[64];
        snprintf(what, sizeof what, "kind %d, p %g (%s)", (int)kind, (double)p, k->name);
        float *out = guarded((size_t)px->channels * sizeof *out);
        tp_aggregate(&a, out);
        check_near(what, out, want, px->channels, tolerance);
        guarded_free(out);
    }
}

static void check_size(int64_t n, int channels)
{
    float *data = guarded_random(n * channels, (uint32_t)(n + channels));
    const struct pixels px = { data, channels, n };
    for (int i = 0; i < N_KINDS; i++)
        for (int n_zeros = 0; n_zeros <= 5; n_zeros += 5)
            check_kind(kinds[i], 3, &px, n_zeros, 2e-6);
    guarded_free(data);
}

static void every_number_of_channels_and_pixels_is_exact(void **state)
{
    (void)state;
    for (int c = 1; c <= 40; c++) check_size(13, c);
    for (int64_t n = 1; n <= 30; n++) check_size(n, 67);
    check_size(9, TP_AGGREGATE_CHANNELS);
    check_size(2000, 1);
    check_size(1025, 3);
    check_size(200, 127);
}

static void every_p_is_exact(void **state)
{
    (void)state;
    const float ps[] = { 1, 1.5f, 2, 2.5f, 3, 4, 7, 33.3f, 100 };
    float *data = guarded_random(400 * 5, 7);
    const struct pixels px = { data, 5, 400 };
    for (size_t i = 0; i < sizeof ps / sizeof *ps; i++) {
        check_kind(TP_OP_LP, ps[i], &px, 0, 1e-6);
        check_kind(TP_OP_GEM, ps[i], &px, 3, 1e-6);
    }
    guarded_free(data);
}

/* Where 1e30^100 is far beyond any double, even. */
static void large_and_tiny_values_neither_overflow_nor_vanish(void **state)
{
    (void)state;
    const float scales[] = { 1e30f, FLT_MAX, 1e-30f, 1e-40f, FLT_MIN };
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        const float data[4] = { scales[i] / 2, scales[i] / 2, -scales[i] / 2, scales[i] / 2 };
        const struct pixels px = { data, 1, 4 };
        const float ps[] = { 1, 2, 3, 40, 100 };
        for (size_t j = 0; j < sizeof ps / sizeof *ps; j++) {
            float out, half = scales[i] / 2;
            struct tp_aggregate a = { .k = tp_kernels_get(), .kind = TP_OP_LP, .p = ps[j],
                                      .channels = 1, .n_pixels = 4, .read = read_pixels,
                                      .ctx = &px };
            tp_aggregate(&a, &out);
            if (ps[j] >= 2)
                assert_float_equal(out / half, pow(4, 1 / (double)ps[j]), 1e-5);
            a.kind = TP_OP_STD;
            tp_aggregate(&a, &out);
            assert_float_equal(out / half, sqrt(0.75), 1e-5);
            a.kind = TP_OP_GEM;
            tp_aggregate(&a, &out);
            if (half > 1) assert_float_equal(out / half, pow(0.75, 1 / (double)ps[j]), 1e-5);
            else assert_float_equal(out / 1e-6f, 1, 1e-5);
        }
    }
}

static void a_deviation_far_from_zero_is_exact(void **state)
{
    (void)state;
    const float centres[] = { 1e4f, -1e6f, 1e7f };
    float *data = guarded_random(3000 * 3, 5);
    for (size_t i = 0; i < sizeof centres / sizeof *centres; i++) {
        for (int j = 0; j < 9000; j++) data[j] = centres[i] + (float)(j * 7919 % 11);
        check_kind(TP_OP_STD, 1, &(struct pixels){ data, 3, 3000 }, 0, 1e-6);
        check_kind(TP_OP_STD, 1, &(struct pixels){ data, 30, 100 }, 0, 1e-6);
        for (int j = 0; j < 9000; j++) data[j] = centres[i];
        check_kind(TP_OP_STD, 1, &(struct pixels){ data, 3, 3000 }, 0, 0);
    }
    guarded_free(data);
}

static void nan_goes_through_in_its_own_channel_only(void **state)
{
    (void)state;
    for (int c = 1; c <= 33; c += 8)
        for (int at = 0; at < 90; at += 29) {
            float *data = guarded_random(90 * c, 3);
            data[at * c + c / 2] = NAN;
            const struct pixels px = { data, c, 90 };
            for (int i = 0; i < N_KINDS; i++) check_kind(kinds[i], 2.5f, &px, at % 2, 2e-6);
            guarded_free(data);
        }
}

static void infinities_go_through(void **state)
{
    (void)state;
    const struct { float a, b, lp, gem, std; } cases[] = {
        { INFINITY, 1, INFINITY, INFINITY, NAN }, { -INFINITY, 1, INFINITY, NAN, NAN },
        { -INFINITY, INFINITY, INFINITY, INFINITY, NAN }, { NAN, INFINITY, NAN, NAN, NAN },
    };
    const struct tp_kernels *k;
    for (int t = 0; (k = tp_kernels_list(t)); t++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            for (int p = 1; p <= 5; p++) {
                const float data[2] = { cases[i].a, cases[i].b };
                const float want[3] = { cases[i].lp, isnan(cases[i].gem) && !isnan(data[0])
                                        ? powf((1 + powf(1e-6f, (float)p)) / 2, 1 / (float)p)
                                        : cases[i].gem, cases[i].std };
                const enum tp_pool_op all[3] = { TP_OP_LP, TP_OP_GEM, TP_OP_STD };
                const struct pixels px = { data, 1, 2 };
                for (int j = 0; j < 3; j++) {
                    const struct tp_aggregate a = { .k = k, .kind = all[j], .p = (float)p,
                                                    .channels = 1, .n_pixels = 2,
                                                    .read = read_pixels, .ctx = &px };
                    const double expected = (double)want[j];
                    float out;
                    tp_aggregate(&a, &out);
                    check_near("infinities", &out, &expected, 1, 1e-6);
                }
            }
}

static void nothing_gives_zero(void **state)
{
    (void)state;
    const struct pixels px = { NULL, 2, 0 };
    for (int i = 0; i < N_KINDS; i++)
        for (int n_zeros = 0; n_zeros < 2; n_zeros++) {
            float out[2] = { 9, 9 };
            const struct tp_aggregate a = { .k = tp_kernels_get(), .kind = kinds[i], .p = 2,
                                            .channels = 2, .n_zeros = n_zeros,
                                            .read = read_pixels, .ctx = &px };
            tp_aggregate(&a, out);
            assert_float_equal(out[0], n_zeros && kinds[i] == TP_OP_GEM ? 1e-6f : 0, 0);
            assert_float_equal(out[1], out[0], 0);
        }
}

/* 10^15 zeros beside one pixel: counted, not visited. */
static void zeros_are_counted_not_visited(void **state)
{
    (void)state;
    const float one = 1;
    const struct pixels px = { &one, 1, 1 };
    struct tp_aggregate a = { .k = tp_kernels_get(), .kind = TP_OP_AVG, .p = 2, .channels = 1,
                              .n_pixels = 1, .n_zeros = 1e15 - 1, .read = read_pixels,
                              .ctx = &px };
    float out;
    tp_aggregate(&a, &out);
    assert_float_equal(out * 1e15, 1, 1e-6);
    a.kind = TP_OP_STD;
    tp_aggregate(&a, &out);
    assert_float_equal(out * sqrt(1e15), 1, 1e-6);
    a.kind = TP_OP_LP;
    tp_aggregate(&a, &out);
    assert_float_equal(out, 1, 0);
    a.kind = TP_OP_MIN;
    tp_aggregate(&a, &out);
    assert_float_equal(out, 0, 0);
}

static void stretches_of_channels_cover_them_all(void **state)
{
    (void)state;
    for (int64_t channels = 1; channels <= 1000; channels += 37) {
        const int n = tp_aggregate_units(channels);
        assert_int_equal(tp_aggregate_begin(channels, 0), 0);
        assert_int_equal(tp_aggregate_begin(channels, n), channels);
        for (int i = 0; i < n; i++) {
            const int64_t width = tp_aggregate_begin(channels, i + 1) -
                                  tp_aggregate_begin(channels, i);
            assert_in_range(width, 1, TP_AGGREGATE_CHANNELS);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_channels_and_pixels_is_exact),
        cmocka_unit_test(every_p_is_exact),
        cmocka_unit_test(large_and_tiny_values_neither_overflow_nor_vanish),
        cmocka_unit_test(a_deviation_far_from_zero_is_exact),
        cmocka_unit_test(nan_goes_through_in_its_own_channel_only),
        cmocka_unit_test(infinities_go_through),
        cmocka_unit_test(nothing_gives_zero),
        cmocka_unit_test(zeros_are_counted_not_visited),
        cmocka_unit_test(stretches_of_channels_cover_them_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
