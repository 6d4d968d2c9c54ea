/* test_float_read.c - every number read is the nearest float. libc's strtof is the judge. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/float_read.h"

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
        cmocka_unit_test(random_bit_patterns_are_read_as_strtof_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
