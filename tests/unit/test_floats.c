/* test_floats.c - numbers as text: every value read is the nearest float, every text written is the
 * shortest that reads back. libc's strtof and printf are the judges. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/floats.h"

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Reads `text` from against a guard page; it must be taken whole and be what strtof reads. */
static void check_read(const char *text)
{
    size_t n = strlen(text);
    char *copy = guarded(n);
    memcpy(copy, text, n);
    float got = -12345, want = strtof(text, NULL);
    const char *behind = tp_float_read(copy, copy + n, &got);
    if (behind != copy + n || to_bits(got) != to_bits(want))
        fail_msg("'%s': read as %.9g, expected %.9g", text, (double)got, (double)want);
    assert_ptr_equal(tp_float_skip(copy, copy + n), copy + n);
    guarded_free(copy);
}

/* The same without the guard page, for loops. */
static void check_read_fast(const char *text)
{
    float got = -12345, want = strtof(text, NULL);
    const char *end = text + strlen(text);
    if (tp_float_read(text, end, &got) != end || to_bits(got) != to_bits(want))
        fail_msg("'%s': read as %.9g, expected %.9g", text, (double)got, (double)want);
}

static void numbers_are_read_to_the_nearest_float(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1",
        "-1",
        "10",
        "0.1",
        "0.10",
        "3.14159",
        "1e0",
        "1E+5",
        "1e-5",
        "1e05",
        "12345678",
        "123456789",
        "1234567890123456789",
        "12345678901234567890",
        "123456789012345678901234567890",
        "0.12345678901234567",
        "0.0000000000000000000000000000001",
        "0.00000000000000000000012345678901234567",
        "1000000000000000000000000000000000000000e-39",
        "16777217",
        "16777219",
        "16777216.999999999999999999999",
        "33554434.5",
        "0.30000001192092896",
        "9007199254740993",
        "1e22",
        "1e23",
        "7.2e-10",
        "255",
        "0.003921568859368563",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_read(texts[i]);
}

static void what_float32_cannot_hold_becomes_infinity_or_zero(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1e39",
        "-1e39",
        "3.4028235e38",
        "3.4028235677973366e38",
        "3.40282356e38",
        "3.4028236e38",
        "340282356779733661637539395458142568447",
        "340282356779733661637539395458142568448",
        "1e999",
        "1e99999999999999999999",
        "1e-50",
        "-1e-50",
        "1e-99999999999999999999",
        "0e99999999999999999999",
        "7.006492321624085e-46",
        "7.006492321624086e-46",
        "1.401298464324817e-45",
        "1e-45",
        "1e-46",
        "0.00000000000000000000000000000000000000000000000000000000000000000000000000000001e80",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_read(texts[i]);
    float x;
    tp_float_read("1e39", (const char *)"1e39" + 4, &x);
    assert_true(isinf(x));
}

static void only_numbers_of_json_are_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          "-",   "+1", ".5",  "-.5", "1.",   "-1.",  "1.e5", "01",
        "-01",       "00",  "1e", "1e+", "1e-", "1.5e", "NaN",  "nan",  "Infinity",
        "-Infinity", "inf", " 1", "x",   "e5",  "--1",  "\xFF",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t n = strlen(texts[i]);
        char *copy = guarded(n);
        float x;
        memcpy(copy, texts[i], n);
        if (tp_float_read(copy, copy + n, &x)) fail_msg("'%s' was read", texts[i]);
        if (tp_float_skip(copy, copy + n)) fail_msg("'%s' was skipped", texts[i]);
        guarded_free(copy);
    }
}

static void reading_stops_behind_the_number(void **state)
{
    (void)state;
    static const struct { const char *text; int length;
    } cases[] = {
        { "1,2", 1 },   { "0x10", 1 },      { "-2.5]", 4 },      { "1.5.5", 3 },
        { "1e5e5", 3 }, { "12345678,", 8 }, { "123456789 ", 9 }, { "0.12345678901234567890]", 22 },
        { "1-", 1 },    { "7\0008", 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text, *end = text + strlen(text);
        float x;
        assert_ptr_equal(tp_float_read(text, end, &x), text + cases[i].length);
        assert_ptr_equal(tp_float_skip(text, end), text + cases[i].length);
    }
}

static void a_text_may_end_at_any_byte(void **state)
{
    (void)state;
    static const char text[] = "-123456789.0123456789e-12";
    for (size_t n = 0; n < sizeof text; n++) {
        char *copy = guarded(n);
        memcpy(copy, text, n);
        float x;
        const char *read = tp_float_read(copy, copy + n, &x),
                   *skipped = tp_float_skip(copy, copy + n);
        assert_ptr_equal(read, skipped);
        guarded_free(copy);
    }
}

/* Ties between neighbours of every exponent, and what lies just beside them, in up to 160 digits.
 */
static void ties_are_read_to_even_and_their_neighbours_are_not(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (uint32_t exponent = 0; exponent < 255; exponent++)
        for (int i = 0; i < 12; i++) {
            uint32_t bits = exponent << 23 | (i < 2    ? (uint32_t)i
                                              : i == 2 ? 0x7FFFFF
                                                       : next_random(&seed) >> 9);
            double tie = ((double)from_bits(bits) +
                          (bits == 0x7F7FFFFF ? 0x1p128 : (double)from_bits(bits + 1))) /
                         2;
            char text[256];
            int n = snprintf(text, sizeof text, "%.160e", tie);
            check_read_fast(text);
            text[n - 5] = '1';                               /* the last digit: a little more */
            check_read_fast(text);
            snprintf(text, sizeof text, "%.160e", nextafter(tie, 0));
            check_read_fast(text);
            snprintf(text, sizeof text, "%.17g", tie);
            check_read_fast(text);
        }
}

static void long_digit_strings_count_to_the_last_digit(void **state)
{
    (void)state;
    enum { N = 5000 };
    char text[N + 16] = "1.00000005960464477539062500000000000";   /* a tie: 1 + 2^-24 */
    memset(text + strlen(text), '0', N - strlen(text));
    text[N] = '\0';
    check_read(text);
    text[N - 1] = '1';
    check_read(text);
    memset(text, '9', N);
    check_read(text);
    snprintf(text + N, 16, "e-%d", N - 1);
    check_read(text);
}

/* What is written for x, as a string. */
static const char *written(float x)
{
    static char text[TP_FLOAT_TEXT_BYTES + 1];
    char *exact = guarded(TP_FLOAT_TEXT_BYTES);
    int n = tp_float_write(exact, x);
    assert_in_range(n, 1, TP_FLOAT_TEXT_BYTES);
    memcpy(text, exact, (size_t)n);
    text[n] = '\0';
    guarded_free(exact);
    return text;
}

static void floats_are_written_as_people_write_them(void **state)
{
    (void)state;
    static const struct { float x; const char *text;
    } cases[] = {
        { 0, "0" },
        { -0.0f, "-0" },
        { 1, "1" },
        { -3, "-3" },
        { 0.1f, "0.1" },
        { 0.5f, "0.5" },
        { 255, "255" },
        { 100, "100" },
        { 16777216, "16777216" },
        { 33554432, "33554432" },
        { 1e7f, "10000000" },
        { 1e14f, "100000000000000" },
        { 1e15f, "1e15" },
        { 123456780000000.0f, "123456780000000" },
        { 3.14159274f, "3.1415927" },
        { -2.5f, "-2.5" },
        { 0.001f, "0.001" },
        { 1e-5f, "0.00001" },
        { -0.0000123456789f, "-0.000012345679" },
        { 1e-6f, "1e-6" },
        { 1e-7f, "1e-7" },
        { 1.5e-7f, "1.5e-7" },
        { FLT_MAX, "3.4028235e38" },
        { FLT_MIN, "1.1754944e-38" },
        { -1e-45f, "-1e-45" },
        { 1.17549421e-38f, "1.1754942e-38" },
        { 9.8e-45f, "1e-44" },
        { NAN, "null" },
        { INFINITY, "null" },
        { -INFINITY, "null" },
        { 0.3f, "0.3" },
        { 8589934592.0f, "8589935000" },
        { 1.0f / 3, "0.33333334" },
        { 123.456f, "123.456" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(written(cases[i].x), cases[i].text);
}

/* Significant digits of a decimal. */
static int digits_of(const char *text)
{
    int n = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (n == 0 && *text == '0')) continue;
        n++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return n - zeros;
}

static void check_written(float x)
{
    char text[TP_FLOAT_TEXT_BYTES + 1], shorter[32];
    int n = tp_float_write(text, x);
    text[n] = '\0';
    float back;
    assert_ptr_equal(tp_float_read(text, text + n, &back), text + n);
    if (to_bits(back) != to_bits(x) || to_bits(strtof(text, NULL)) != to_bits(x))
        fail_msg("%.9g is written as %s", (double)x, text);
    int digits = digits_of(text);
    if (digits < 2) return;
    snprintf(shorter, sizeof shorter, "%.*e", digits - 2, (double)x);
    if (strtof(shorter, NULL) == x)
        fail_msg("%.9g is written as %s, longer than %s", (double)x, text, shorter);
    snprintf(shorter, sizeof shorter, "%.*e", digits - 1, (double)x);
    if (strtof(shorter, NULL) == x &&
        fabs(strtod(text, NULL) - (double)x) > fabs(strtod(shorter, NULL) - (double)x))
        fail_msg("%.9g is written as %s, farther off than %s", (double)x, text, shorter);
}

static void what_is_written_is_shortest_and_reads_back(void **state)
{
    (void)state;
    uint32_t seed = 3;
    for (uint32_t exponent = 0; exponent < 255; exponent++) {
        check_written(from_bits(exponent << 23 | (exponent ? 0 : 1)));
        check_written(from_bits(exponent << 23 | 0x7FFFFF));
        for (int i = 0; i < 200; i++)
            check_written(from_bits(exponent << 23 | next_random(&seed) >> 9));
    }
    for (int i = 0; i < 20000; i++) check_written((float)i / 1024 - 8);
}

static void random_bit_patterns_are_read_as_strtof_does(void **state)
{
    (void)state;
    static const char *const formats[] = { "%.9g", "%.17g", "%.7e", "%.30e", "%.12g", "%f" };
    uint32_t seed = 11;
    for (int i = 0; i < 300000; i++) {
        float x = from_bits(next_random(&seed));
        char text[400];
        if (!isfinite(x)) continue;
        snprintf(text, sizeof text, formats[i % 6], (double)x * (1 + (double)(i % 7) * 1e-9));
        check_read_fast(text);
    }
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static void check_array(const struct tp_shape *shape, float *data, bool nested, int digits,
                        const char *want)
{
    struct tp_buf b = { 0 };
    const struct tp_tensor t = { *shape, data };
    tp_floats_write(&b, &t, nested, digits);
    tp_buf_bytes(&b, "", 1);
    assert_string_equal(b.data, want);
    tp_buf_fini(&b);
}

static void arrays_nest_as_their_shape_says(void **state)
{
    (void)state;
    float x[] = { 0, 1.5f, -2, 3, 4, 5, 6, 7 };
    check_array(&TP_SHAPE2(2, 2), x, true, 0, "[[0,1.5],[-2,3]]");
    check_array(&TP_SHAPE2(2, 2), x, false, 0, "[0,1.5,-2,3]");
    check_array(&TP_SHAPE4(1, 2, 2, 1), x, true, 0, "[[[[0],[1.5]],[[-2],[3]]]]");
    check_array(&TP_SHAPE4(2, 1, 1, 2), x, true, 0, "[[[[0,1.5]]],[[[-2,3]]]]");
    check_array(&(struct tp_shape){ .rank = 3, .dim = { 2, 2, 2 } }, x, true, 0,
                "[[[0,1.5],[-2,3]],[[4,5],[6,7]]]");
    check_array(&(struct tp_shape){ .rank = 1, .dim = { 1 } }, x, true, 0, "[0]");
    check_array(&(struct tp_shape){ .rank = 0 }, x + 1, true, 0, "1.5");
    check_array(&(struct tp_shape){ .rank = 0 }, x + 1, false, 0, "[1.5]");
}

static void empty_arrays_keep_their_shape(void **state)
{
    (void)state;
    check_array(&(struct tp_shape){ .rank = 1, .dim = { 0 } }, NULL, true, 0, "[]");
    check_array(&TP_SHAPE2(2, 0), NULL, true, 0, "[[],[]]");
    check_array(&TP_SHAPE2(0, 2), NULL, true, 0, "[]");
    check_array(&(struct tp_shape){ .rank = 3, .dim = { 2, 0, 3 } }, NULL, true, 0, "[[],[]]");
    check_array(&TP_SHAPE2(0, 2), NULL, false, 0, "[]");
}

static void infinities_and_nan_are_null_in_arrays(void **state)
{
    (void)state;
    float x[] = { NAN, INFINITY, -INFINITY, -0.0f };
    check_array(&TP_SHAPE2(2, 2), x, true, 0, "[[null,null],[null,-0]]");
    check_array(&TP_SHAPE2(2, 2), x, true, 4, "[[null,null],[null,-0]]");
}

static void digits_round_and_drop_zeros(void **state)
{
    (void)state;
    float x[] = { 3.14159274f, 0.5f, 2.5f, 3.5f, 99999, 0.000123456f, 1e-30f, 1e10f };
    check_array(&TP_SHAPE2(1, 8), x, false, 3,
                "[3.14,0.5,2.5,3.5,100000,0.000123,1e-30,10000000000]");
    check_array(&TP_SHAPE2(1, 8), x, false, 1, "[3,0.5,2,4,100000,0.0001,1e-30,10000000000]");
    check_array(&TP_SHAPE2(1, 1), (float[]){ 0.1f }, false, 9, "[0.100000001]");
    check_array(&TP_SHAPE2(1, 1), (float[]){ 0.1f }, false, 8, "[0.1]");
}

static void digits_round_as_printf_does(void **state)
{
    (void)state;
    uint32_t seed = 5;
    for (int i = 0; i < 100000; i++) {
        float x = i & 1 ? from_bits(next_random(&seed))
                        : (float)((int)(next_random(&seed) % 200001) - 100000) / 64;
        int digits = 1 + i % 9;
        if (!isfinite(x)) continue;
        char want[32];
        struct tp_buf b = { 0 };
        const struct tp_tensor t = { { 0, { 0 } }, &x };
        tp_floats_write(&b, &t, true, digits);
        tp_buf_bytes(&b, "", 1);
        snprintf(want, sizeof want, "%.*e", digits - 1, (double)x);
        if (strtod(b.data, NULL) != strtod(want, NULL))
            fail_msg("%.9g to %d digits is written as %s, expected %s", (double)x, digits, b.data,
                     want);
        tp_buf_fini(&b);
    }
}

static void a_limit_is_met_to_the_byte(void **state)
{
    (void)state;
    enum { N = 1000 };
    float *x = guarded_random(N, 1);
    const struct tp_tensor t = { { 1, { N } }, x };
    struct tp_buf b = { 0 };
    tp_floats_write(&b, &t, true, 0);
    size_t n = b.n_bytes;
    tp_buf_fini(&b);

    b = (struct tp_buf){ .limit_bytes = n };
    tp_floats_write(&b, &t, true, 0);
    assert_false(b.failed);
    tp_buf_fini(&b);
    b = (struct tp_buf){ .limit_bytes = n - 1 };
    tp_floats_write(&b, &t, true, 0);
    assert_true(b.failed);
    tp_buf_fini(&b);
    guarded_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_to_the_nearest_float),
        cmocka_unit_test(what_float32_cannot_hold_becomes_infinity_or_zero),
        cmocka_unit_test(only_numbers_of_json_are_read),
        cmocka_unit_test(reading_stops_behind_the_number),
        cmocka_unit_test(a_text_may_end_at_any_byte),
        cmocka_unit_test(ties_are_read_to_even_and_their_neighbours_are_not),
        cmocka_unit_test(long_digit_strings_count_to_the_last_digit),
        cmocka_unit_test(floats_are_written_as_people_write_them),
        cmocka_unit_test(what_is_written_is_shortest_and_reads_back),
        cmocka_unit_test(random_bit_patterns_are_read_as_strtof_does),
        cmocka_unit_test(arrays_nest_as_their_shape_says),
        cmocka_unit_test(empty_arrays_keep_their_shape),
        cmocka_unit_test(infinities_and_nan_are_null_in_arrays),
        cmocka_unit_test(digits_round_and_drop_zeros),
        cmocka_unit_test(digits_round_as_printf_does),
        cmocka_unit_test(a_limit_is_met_to_the_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
