/* test_narrow.c - float16 and uint8 values: every layout, odd sizes, unaligned places, values that
 * are no numbers. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "formats/narrow.h"
#include "ops/parallel.h"

static void float16_equals_one_by_one_at_any_place(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 1, 2, 15, 16, 17, 31, 33, 1000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int threads = 1; threads <= 3; threads++) {
            const int64_t n = sizes[i];
            const struct tp_tensor t = { { 1, { n } }, guarded_random(n, 7) };
            char *to = guarded((size_t)n * 2 + 1);           /* an odd address, to the last byte */
            uint16_t half;
            tp_narrow_write(to + 1, NULL, NULL, &t, false, TP_FP16, threads);
            for (int64_t j = 0; j < n; j++) {
                memcpy(&half, to + 1 + 2 * j, sizeof half);
                assert_int_equal(half, tp_half_bits(t.data[j]));
            }
            tp_narrow_write(to + 1, NULL, NULL, &(struct tp_tensor){ { 1, { n / 2 } }, t.data },
                            false, TP_FP32, threads);
            assert_memory_equal(to + 1, t.data, (size_t)(n / 2) * sizeof *t.data);
            guarded_free(to);
            guarded_free(t.data);
        }
}

/* ---- uint8 ----------------------------------------------------------------------------------- */

struct quantized { uint8_t *q; float *scale, *zero; int64_t n_maps; };

static struct quantized quantize(const struct tp_tensor *t, bool channels_first, int threads)
{
    const struct tp_shape maps = tp_narrow_maps(&t->shape, channels_first);
    const int64_t n = tp_shape_elements(&maps);
    struct quantized z = { guarded((size_t)tp_shape_elements(&t->shape)),
                           guarded((size_t)n * sizeof(float)), guarded((size_t)n * sizeof(float)),
                           n };
    tp_narrow_write(z.q, z.scale, z.zero, t, channels_first, TP_UINT8, threads);
    return z;
}

static void quantized_free(struct quantized *z)
{
    guarded_free(z->q);
    guarded_free(z->scale);
    guarded_free(z->zero);
}

/* Map `map` of the n values x that lie `step` apart. */
static void check_map(const struct quantized *z, int64_t map, const float *x, const uint8_t *q,
                      int64_t n, int64_t step)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        low = fmin(low, (double)x[i * step]);
        high = fmax(high, (double)x[i * step]);
    }
    const double scale = (double)z->scale[map], zero = (double)z->zero[map];
    assert_true(zero == low);
    if (fabs(scale - (high - low) / 255) > 1e-7 * scale) fail_msg("map %d: %g", (int)map, scale);
    for (int64_t i = 0; i < n; i++)
        if (fabs(q[i * step] * scale + zero - (double)x[i * step]) > 0.50001 * scale)
            fail_msg("map %d, value %d: %d of %g", (int)map, (int)i, q[i * step],
                     (double)x[i * step]);
}

static void each_map_has_a_scale_of_its_own_in_both_layouts(void **state)
{
    (void)state;
    static const int64_t channels[] = { 1, 2, 5, 15, 16, 17, 32, 37 }, sides[] = { 1, 3, 4, 7 };
    tp_parallel_set_grain(1);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 16; j++)
            for (int first = 0; first < 2; first++) {
                const int64_t c = channels[i], h = sides[j / 4], w = sides[j % 4], pixels = h * w;
                const struct tp_tensor t = {
                    first ? TP_SHAPE4(2, c, h, w) : TP_SHAPE4(2, h, w, c),
                    guarded_random(2 * c * pixels, (uint32_t)(i + j)),
                };
                struct quantized z = quantize(&t, first, 1), again = quantize(&t, first, 3);
                assert_int_equal(z.n_maps, 2 * c);
                assert_memory_equal(z.q, again.q, (size_t)(2 * c * pixels));
                assert_memory_equal(z.scale, again.scale, (size_t)(2 * c) * sizeof(float));
                for (int64_t map = 0; map < 2 * c; map++) {
                    const int64_t at = first ? map * pixels : map / c * c * pixels + map % c;
                    check_map(&z, map, t.data + at, z.q + at, pixels, first ? 1 : c);
                }
                quantized_free(&z);
                quantized_free(&again);
                guarded_free(t.data);
            }
    tp_parallel_set_grain(1 << 18);
}

static void other_ranks_have_a_scale_for_each_row(void **state)
{
    (void)state;
    static const struct tp_shape shapes[] = {
        { 0 }, { 1, { 5 } }, { 2, { 3, 35 } }, { 2, { 1, 16 } }, { 3, { 2, 5, 9 } },
        { 5, { 2, 1, 3, 4, 5 } },
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int64_t n = tp_shape_elements(&shapes[i]);
        const int64_t rows = shapes[i].rank ? shapes[i].dim[0] : 1;
        const struct tp_tensor t = { shapes[i], guarded_random(n, 3) };
        struct quantized z = quantize(&t, i % 2, 2);
        assert_int_equal(z.n_maps, rows);
        for (int64_t row = 0; row < rows; row++)
            check_map(&z, row, t.data + row * (n / rows), z.q + row * (n / rows), n / rows, 1);
        quantized_free(&z);
        guarded_free(t.data);
    }
}

/* As one row of them, and as the second of three maps with channels last. */
static void check_values(const float *x, int64_t n, float scale, float zero, const uint8_t *want)
{
    enum { MAX = 40, CHANNELS = 19 };
    float maps[MAX * CHANNELS] = { 0 };
    for (int64_t i = 0; i < n; i++) maps[i * CHANNELS + 1] = maps[i * CHANNELS + 17] = x[i];
    const struct tp_tensor row = { TP_SHAPE2(1, n), (float *)x };
    const struct tp_tensor map = { TP_SHAPE4(1, 1, n, CHANNELS), maps };
    struct quantized a = quantize(&row, false, 1), b = quantize(&map, false, 1);
    assert_true(a.scale[0] == scale && b.scale[1] == scale && b.scale[17] == scale);
    assert_true(a.zero[0] == zero && b.zero[1] == zero && b.zero[17] == zero);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(a.q[i], want[i]);
        assert_int_equal(b.q[i * CHANNELS + 1], want[i]);
        assert_int_equal(b.q[i * CHANNELS + 17], want[i]);
    }
    quantized_free(&a);
    quantized_free(&b);
}

static void values_of_0_to_255_are_themselves(void **state)
{
    (void)state;
    float x[34];
    uint8_t want[34];
    for (int i = 0; i < 34; i++) x[i] = want[i] = (uint8_t)(i * 255 / 33);
    check_values(x, 34, 1, 0, want);
    check_values((float[]){ 0, 255, 0.25f, 0.75f, 253.75f }, 5, 1, 0,
                 (uint8_t[]){ 0, 255, 0, 1, 254 });
}

static void what_is_no_number_counts_in_no_range(void **state)
{
    (void)state;
    const float inf = INFINITY, max = FLT_MAX;
    check_values((float[]){ NAN, 10, inf, 265, -inf, -NAN, 137 }, 7, 1, 10,
                 (uint8_t[]){ 0, 0, 255, 255, 0, 0, 127 });
    check_values((float[]){ NAN, inf, -inf }, 3, 0, 0, (uint8_t[]){ 0, 255, 0 });
    check_values((float[]){ NAN }, 1, 0, 0, (uint8_t[]){ 0 });
    check_values((float[]){ -max, max, 0, max / 2 }, 4, (float)(2.0 * (double)max / 255), -max,
                 (uint8_t[]){ 0, 255, 128, 191 });
}

static void a_flat_map_has_scale_0_and_gives_its_value_back(void **state)
{
    (void)state;
    check_values((float[]){ 3, 3, 3 }, 3, 0, 3, (uint8_t[]){ 0, 0, 0 });
    check_values((float[]){ -7 }, 1, 0, -7, (uint8_t[]){ 0 });
    check_values((float[]){ 0, FLT_TRUE_MIN, FLT_MIN }, 3, 0, 0, (uint8_t[]){ 0, 0, 0 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float16_equals_one_by_one_at_any_place),
        cmocka_unit_test(each_map_has_a_scale_of_its_own_in_both_layouts),
        cmocka_unit_test(other_ranks_have_a_scale_for_each_row),
        cmocka_unit_test(values_of_0_to_255_are_themselves),
        cmocka_unit_test(what_is_no_number_counts_in_no_range),
        cmocka_unit_test(a_flat_map_has_scale_0_and_gives_its_value_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
