/* test_half.c - binary16: every pattern there and back, and rounding at every place where it turns.
 */
#include "check.h"

#include <float.h>
#include <math.h>

#include "base/half.h"

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void every_half_is_a_float_and_comes_back(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 1 << 16; half++)
        if (tp_half_bits(tp_half_float(half)) != half) fail_msg("%04x", half);
    assert_true(tp_half_float(0x3C00) == 1.0f);
    assert_true(tp_half_float(0xC500) == -5.0f);
    assert_true(tp_half_float(0x0001) == 0x1p-24f);
    assert_true(tp_half_float(0x7BFF) == 65504.0f);
}

/* Between each two neighbours: the middle goes to the even one, what is off it to the nearer. */
static void rounding_is_to_the_nearest_and_ties_to_even(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x7C00; half++) {
        const uint32_t even = half & 1 ? half + 1 : half;
        const float low = tp_half_float(half);
        const float high = half == 0x7BFF ? 65536 : tp_half_float(half + 1);
        const float middle = low + (high - low) / 2;
        for (uint32_t sign = 0; sign < 2; sign++) {
            const float s = sign ? -1 : 1;
            const uint32_t bit = sign << 15;
            assert_int_equal(tp_half_bits(s * middle), bit | even);
            assert_int_equal(tp_half_bits(s * nextafterf(middle, INFINITY)), bit | (half + 1));
            assert_int_equal(tp_half_bits(s * nextafterf(middle, 0)), bit | half);
            assert_int_equal(tp_half_bits(s * nextafterf(low, INFINITY)), bit | half);
            assert_int_equal(tp_half_bits(s * nextafterf(high, 0)), bit | (half + 1));
        }
    }
}

static void what_is_too_large_is_infinite_and_nan_stays(void **state)
{
    (void)state;
    assert_int_equal(tp_half_bits(65520), 0x7C00);
    assert_int_equal(tp_half_bits(nextafterf(65520, 0)), 0x7BFF);
    assert_int_equal(tp_half_bits(65536), 0x7C00);
    assert_int_equal(tp_half_bits(FLT_MAX), 0x7C00);
    assert_int_equal(tp_half_bits(-FLT_MAX), 0xFC00);
    assert_int_equal(tp_half_bits(INFINITY), 0x7C00);
    assert_int_equal(tp_half_bits(-INFINITY), 0xFC00);
    assert_int_equal(tp_half_bits(FLT_TRUE_MIN), 0);
    assert_int_equal(tp_half_bits(-FLT_MIN), 0x8000);
    assert_int_equal(tp_half_bits(float_of(0x7FC00000)), 0x7E00);
    assert_int_equal(tp_half_bits(float_of(0x7F800001)), 0x7C01);    /* its payload does not fit */
    assert_int_equal(tp_half_bits(float_of(0xFFFFFFFF)), 0xFFFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_is_a_float_and_comes_back),
        cmocka_unit_test(rounding_is_to_the_nearest_and_ties_to_even),
        cmocka_unit_test(what_is_too_large_is_infinite_and_nan_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
