/* test_float_write.c - every text written is the shortest that reads back. libc's strtof and printf
 * are the judges. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/float_read.h"
#include "formats/float_write.h"
#include "kernels/kernels.h"

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

/* A row by any table is what its numbers are one by one, which exact integers decide. */
static void check_row(const float *x, int n)
{
    char want[300 * (TP_FLOAT_TEXT_BYTES + 1)], got[sizeof want + TP_FLOAT_ROW_SPARE];
    int length = 0;
    const struct tp_kernels *before = tp_kernels_get(), *k;
    assert_in_range(n, 0, 300);
    for (int i = 0; i < n; i++) {
        if (i) want[length++] = ',';
        length += tp_float_write(want + length, x[i]);
    }
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        tp_kernels_use(k);
        const int got_length = (int)(tp_float_write_row(got, x, n, 0) - got);
        if (got_length != length || memcmp(got, want, (size_t)length))
            fail_msg("%s: %.*s instead of %.*s", k->name, got_length, got, length, want);
    }
    tp_kernels_use(before);
}

static void rows_are_the_same_on_every_table(void **state)
{
    (void)state;
    enum { N = 300 };
    float *x = guarded(N * sizeof *x);
    uint32_t seed = 13;
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i < N; i++) {
            const uint32_t bits = next_random(&seed) << 16 ^ next_random(&seed);
            switch (round % 4) {
            case 0: x[i] = from_bits(bits); break;
            case 1: x[i] = (float)(int)bits / 2e9f; break;
            case 2: x[i] = bits & 1 ? 0 : ldexpf((float)(bits >> 8), -(int)(bits >> 3 & 15)); break;
            default: x[i] = from_bits(bits & 0xFF800000); break;   /* powers of two */
            }
        }
        check_row(x, N);
    }
    for (int n = 0; n < 70; n++) check_row(x + N - n, n);
    static const float nice[] = { 1, 0.5f, 2, 3, 1e6f, 1e7f, 1e8f, 16777216, 33554434, 8388608.5f,
                                  2097152.25f, 0.1f, 1e-5f, 9.9999e-6f, 1e15f, 9.9999e14f, -0.0f };
    check_row(nice, sizeof nice / sizeof *nice);
    guarded_free(x);
}

static void a_row_ends_where_its_room_does(void **state)
{
    (void)state;
    const float longest[] = { -0.0000123456789f, -123456780000000.0f, -0.000012345679f };
    const size_t n_bytes = 3 * (TP_FLOAT_TEXT_BYTES + 1) + TP_FLOAT_ROW_SPARE;
    char *text = guarded(n_bytes);
    const char *end = tp_float_write_row(text, longest, 3, 0);
    assert_int_equal(end - text, strlen("-0.000012345679,-123456780000000,-0.000012345679"));
    end = tp_float_write_row(text, longest, 3, 9);
    assert_memory_equal(text, "-0.0000123456794,-123456780000000,-0.0000123456794", end - text);
    guarded_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_written_as_people_write_them),
        cmocka_unit_test(what_is_written_is_shortest_and_reads_back),
        cmocka_unit_test(rows_are_the_same_on_every_table),
        cmocka_unit_test(a_row_ends_where_its_room_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
