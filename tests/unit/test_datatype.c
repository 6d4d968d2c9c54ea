/* test_datatype.c - every element type: packed bytes to float32, and the numbers that a JSON text
 * may give it. */
#include "check.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/datatype.h"
#include "formats/float_read.h"

static const char *const names[] = {
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
    "BF16", "FP32", "FP64", "BYTES",
};

static void names_are_read_and_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct tp_err err = { 0 };
        enum tp_datatype type;
        assert_true(tp_datatype_read(names[i], &type, &err));
        assert_int_equal(type, i);
        assert_string_equal(tp_datatype_name(type), names[i]);
    }
    static const char *const others[] = { "", "fp32", "FLOAT32", "FP8", "STRING", "UINT8 " };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct tp_err err = { 0 };
        enum tp_datatype type;
        char want[200];
        assert_false(tp_datatype_read(others[i], &type, &err));
        assert_int_equal(err.code, TP_INVALID_ARGUMENT);
        snprintf(want, sizeof want, "datatype '%s' is not known; there are BOOL, UINT8 to UINT64, "
                 "INT8 to INT64, FP16, BF16, FP32, FP64 and BYTES", others[i]);
        assert_string_equal(err.message, want);
    }
}

/* ---- packed ---------------------------------------------------------------------------------- */

/* n elements at every offset, the last one ending at a guard page. */
static void check_packed(enum tp_datatype type, const void *bytes, int n, const float *want)
{
    const size_t n_bytes = (size_t)n * tp_datatype_bytes(type);
    for (size_t shift = 0; shift < 8; shift++) {
        uint8_t *copy = guarded(n_bytes + shift);
        float *out = guarded((size_t)n * sizeof *out);
        memcpy(copy + shift, bytes, n_bytes);
        tp_datatype_floats(type, copy + shift, n, out);
        for (int i = 0; i < n; i++)
            if (memcmp(&out[i], &want[i], sizeof *out) && !(isnan(out[i]) && isnan(want[i])))
                fail_msg("%s: element %d is %.9g, wanted %.9g", tp_datatype_name(type), i,
                         (double)out[i], (double)want[i]);
        guarded_free(copy);
        guarded_free(out);
    }
}

#define PACKED(type, c_type, ...) do { \
    const c_type x[] = { __VA_ARGS__ }; \
    float want[sizeof x / sizeof *x]; \
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) want[i] = (float)x[i]; \
    check_packed(type, x, sizeof x / sizeof *x, want); } while (0)

static void packed_integers_become_the_nearest_floats(void **state)
{
    (void)state;
    PACKED(TP_DT_UINT8, uint8_t, 0, 1, 127, 128, 255);
    PACKED(TP_DT_UINT16, uint16_t, 0, 1, 32767, 32768, 65535);
    PACKED(TP_DT_UINT32, uint32_t, 0, 1, 16777217, 2147483648, 4294967295);
    PACKED(TP_DT_UINT64, uint64_t, 0, 1, 1ull << 63, UINT64_MAX, 9007199791611905u);
    PACKED(TP_DT_INT8, int8_t, 0, 1, -1, 127, -128);
    PACKED(TP_DT_INT16, int16_t, 0, 1, -1, 32767, -32768);
    PACKED(TP_DT_INT32, int32_t, 0, -1, INT32_MAX, INT32_MIN, 16777217, -16777219);
    PACKED(TP_DT_INT64, int64_t, 0, -1, INT64_MAX, INT64_MIN, 9007199791611905, -9007199791611905);
    check_packed(TP_DT_BOOL, "\0\1\0\xFF", 4, (const float[]){ 0, 1, 0, 1 });
}

static void packed_floats_keep_their_values(void **state)
{
    (void)state;
    const uint16_t half[] = { 0, 0x8000, 1, 0x3FF, 0x400, 0x3C00, 0xBC00, 0x7BFF, 0x7C00, 0xFC00,
                              0x7E00 };
    check_packed(TP_DT_FP16, half, 11, (const float[]){ 0, -0.0f, 0x1p-24f, 1023 * 0x1p-24f,
            0x1p-14f,
                                                        1, -1, 65504, INFINITY, -INFINITY, NAN });
    const uint16_t brain[] = { 0, 0x8000, 1, 0x3F80, 0xC020, 0x7F7F, 0x7F80, 0xFF80, 0x7FC0 };
    check_packed(TP_DT_BF16, brain, 9, (const float[]){ 0, -0.0f, 0x1p-133f, 1, -2.5f, 0x1.FEp127f,
                                                        INFINITY, -INFINITY, NAN });
    const float single[] = { 0, -0.0f, 1.5f, FLT_MIN, FLT_TRUE_MIN, -FLT_MAX, INFINITY, NAN };
    check_packed(TP_DT_FP32, single, 8, single);
    const double wide[] = { 0, -0.0, 0.1, 1e-50, 3.5e38, -1e300, INFINITY, NAN, 1 + 0x1p-24,
                            1 + 0x3p-24 };
    check_packed(TP_DT_FP64, wide, 10, (const float[]){ 0, -0.0f, 0.1f, 0, INFINITY, -INFINITY,
                                                        INFINITY, NAN, 1, 1 + 0x1p-22f });
}

/* ---- numbers of a text ----------------------------------------------------------------------- */

/* Reads the numbers of text as the JSON reader does, and checks them as `type`. The text ends at a
 * guard page. */
static bool check(enum tp_datatype type, const char *text, float *x, struct tp_err *err)
{
    const size_t n_bytes = strlen(text);
    char *copy = guarded(n_bytes);
    int64_t n = 0;
    memcpy(copy, text, n_bytes);
    for (const char *p = copy; p < copy + n_bytes; ) {
        const char *behind = tp_float_read(p, copy + n_bytes, &x[n]);
        n += behind != NULL;
        p = behind ? behind : p + 1;
    }
    *err = (struct tp_err){ 0 };
    const bool ok = tp_datatype_check(type, x, n, copy, copy + n_bytes, "data", err);
    guarded_free(copy);
    return ok;
}

static void must_fit(enum tp_datatype type, const char *number)
{
    struct tp_err err;
    float x[2];
    char text[600];
    snprintf(text, sizeof text, "[0,%s]", number);
    if (!check(type, text, x, &err)) fail_msg("%s: %s", text, err.message);
}

static void must_not_fit(enum tp_datatype type, const char *number, const char *range)
{
    struct tp_err err;
    float x[2];
    char text[600], want[300];
    snprintf(text, sizeof text, "[ 0 , %s ]", number);
    if (check(type, text, x, &err)) fail_msg("%s is no %s", number, tp_datatype_name(type));
    snprintf(want, sizeof want, "data: number 1 is %.32s; %s holds whole numbers from %s", number,
             tp_datatype_name(type), range);
    assert_int_equal(err.code, TP_INVALID_ARGUMENT);
    assert_string_equal(err.message, want);
}

static const struct range {
    enum tp_datatype type;
    const char *least, *most, *below, *above, *range;
} ranges[] = {
    { TP_DT_BOOL, "0", "1", "-1", "2", "0 to 1" },
    { TP_DT_UINT8, "0", "255", "-1", "256", "0 to 255" },
    { TP_DT_UINT16, "0", "65535", "-1", "65536", "0 to 65535" },
    { TP_DT_UINT32, "0", "4294967295", "-1", "4294967296", "0 to 4294967295" },
    { TP_DT_UINT64, "0", "18446744073709551615", "-1", "18446744073709551616",
      "0 to 18446744073709551615" },
    { TP_DT_INT8, "-128", "127", "-129", "128", "-128 to 127" },
    { TP_DT_INT16, "-32768", "32767", "-32769", "32768", "-32768 to 32767" },
    { TP_DT_INT32, "-2147483648", "2147483647", "-2147483649", "2147483648",
      "-2147483648 to 2147483647" },
    { TP_DT_INT64, "-9223372036854775808", "9223372036854775807", "-9223372036854775809",
      "9223372036854775808", "-9223372036854775808 to 9223372036854775807" },
};

static void integers_are_held_to_their_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *r = &ranges[i];
        static const char *const fractions[] = {
            "1.5", "0.5", "1e-1", "15e-1", "1.00000000001", "16777216.5", "0.000000000000000001",
            "99999999999999999999999999", "1e38", "0.1e25", "-1e25",
        };
        static const char *const whole[] = {
            "1", "0", "-0", "0.0", "-0.0", "1.0", "1.000000000000000000000000000000", "1e0",
            "10e-1",
            "0.1e1", "0.001e+3", "1000e-3", "0e99", "0.0E-99", "0e999999999999999999999999",
        };
        must_fit(r->type, r->least);
        must_fit(r->type, r->most);
        must_not_fit(r->type, r->below, r->range);
        must_not_fit(r->type, r->above, r->range);
        for (size_t k = 0; k < sizeof fractions / sizeof *fractions; k++)
            must_not_fit(r->type, fractions[k], r->range);
        for (size_t k = 0; k < sizeof whole / sizeof *whole; k++) must_fit(r->type, whole[k]);
    }
}

static void a_point_or_an_exponent_changes_nothing(void **state)
{
    (void)state;
    must_fit(TP_DT_UINT64, "18446744073709551615.0");
    must_not_fit(TP_DT_UINT64, "18446744073709551616.0", "0 to 18446744073709551615");
    must_fit(TP_DT_UINT64, "1.8446744073709551615e19");
    must_fit(TP_DT_UINT64, "18446744073709551615000e-3");
    must_not_fit(TP_DT_UINT64, "18446744073709551615001e-3", "0 to 18446744073709551615");
    must_fit(TP_DT_INT32, "21474836.47e2");
    must_not_fit(TP_DT_INT32, "21474836.48e2", "-2147483648 to 2147483647");
    must_fit(TP_DT_INT32, "-2.147483648E+9");
    must_not_fit(TP_DT_INT32, "2147483.6475e3", "-2147483648 to 2147483647");
    must_not_fit(TP_DT_UINT8, "1e-99999999999999999999", "0 to 255");
}

/* Digits without end: neither slow nor beyond anything. */
static void long_numbers_are_judged(void **state)
{
    (void)state;
    char zeros[500], number[520];
    memset(zeros, '0', sizeof zeros - 1);
    zeros[sizeof zeros - 1] = '\0';
    snprintf(number, sizeof number, "7.%s", zeros);
    must_fit(TP_DT_UINT8, number);
    snprintf(number, sizeof number, "7.%s1", zeros);
    must_not_fit(TP_DT_UINT8, number, "0 to 255");
    snprintf(number, sizeof number, "0.%s1e500", zeros);
    must_fit(TP_DT_UINT8, number);
    snprintf(number, sizeof number, "7%se-499", zeros);
    struct tp_err err;
    float x[1] = { 7 };
    char text[600];
    const int n = snprintf(text, sizeof text, "[%s]", number);
    err = (struct tp_err){ 0 };
    assert_true(tp_datatype_check(TP_DT_UINT8, x, 1, text, text + n, "data", &err));
}

static void the_first_offender_is_named_wherever_it_is_nested(void **state)
{
    (void)state;
    struct tp_err err;
    float x[8];
    assert_true(check(TP_DT_INT8, "[[1,-2,3],\n\t[127,-128,0]]", x, &err));
    assert_true(x[0] == 1 && x[1] == -2 && x[4] == -128);
    assert_false(check(TP_DT_INT8, "[[1,-2,3],\n[127,-129,300]]", x, &err));
    assert_string_equal(err.message, "data: number 4 is -129; INT8 holds whole numbers from -128 "
            "to "
                                     "127");
}

/* What is equal to a limit in float32 is as fast as anything else: one way through the text. */
static void a_million_numbers_at_the_limit_are_read_once(void **state)
{
    (void)state;
    enum { N = 1000000 };
    static const char number[] = "9223372036854775807,";
    const size_t each = sizeof number - 1;
    char *text = malloc(N * each + 1);
    float *x = malloc(N * sizeof *x);
    struct tp_err err = { 0 };
    for (size_t i = 0; i < N; i++) {
        memcpy(text + 1 + i * each, number, each);
        x[i] = 0x1p63f;
    }
    text[0] = '[';
    text[N * each] = ']';
    assert_true(tp_datatype_check(TP_DT_INT64, x, N, text, text + N * each + 1, "data", &err));
    text[N * each - 1] = '8';
    assert_false(tp_datatype_check(TP_DT_INT64, x, N, text, text + N * each + 1, "data", &err));
    assert_string_equal(err.message, "data: number 999999 is 9223372036854775808; INT64 holds "
            "whole "
                        "numbers from -9223372036854775808 to 9223372036854775807");
    free(text);
    free(x);
}

static void check_rounded(enum tp_datatype type, const char *text, const float *want, int n)
{
    struct tp_err err;
    float x[16];
    if (!check(type, text, x, &err)) fail_msg("%s: %s", text, err.message);
    assert_memory_equal(x, want, (size_t)n * sizeof *want);
}

static void half_precision_is_rounded_to_nearest_even(void **state)
{
    (void)state;
    check_rounded(TP_DT_FP16, "[0.1,-0,1e-9,2049,2051,65519,-65519,2.9802322387695312e-8,"
                  "2.9802326e-8]", (const float[]){ 0x1.998p-4f, -0.0f, 0, 2048, 2052, 65504,
                  -65504,
                                                     0, 0x1p-24f }, 9);
    check_rounded(TP_DT_BF16, "[0.1,257,259,-257,1e-45,3.3895e38,3.394e38]",
                  (const float[]){ 0x1.9Ap-4f, 256, 260, -256, 0, 0x1.FEp127f, 0x1.FEp127f }, 7);
    struct tp_err err;
    float x[2];
    assert_false(check(TP_DT_FP16, "[1,65520]", x, &err));
    assert_string_equal(err.message, "data: number 1 is 65520; FP16 holds numbers up to 65504");
    assert_false(check(TP_DT_FP16, "[-1e6,1]", x, &err));
    assert_string_equal(err.message, "data: number 0 is -1000000; FP16 holds numbers up to 65504");
    assert_false(check(TP_DT_BF16, "[3.4e38]", x, &err));
    assert_string_equal(err.message, "data: number 0 is 3.39999995e+38; BF16 holds numbers up to "
                                     "3.38953139e38");
}

static void floats_are_what_they_are(void **state)
{
    (void)state;
    check_rounded(TP_DT_FP32, "[0.1,1e38,-7]", (const float[]){ 0.1f, 1e38f, -7 }, 3);
    check_rounded(TP_DT_FP64, "[0.1,1e38,-7]", (const float[]){ 0.1f, 1e38f, -7 }, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_told),
        cmocka_unit_test(packed_integers_become_the_nearest_floats),
        cmocka_unit_test(packed_floats_keep_their_values),
        cmocka_unit_test(integers_are_held_to_their_range),
        cmocka_unit_test(a_point_or_an_exponent_changes_nothing),
        cmocka_unit_test(long_numbers_are_judged),
        cmocka_unit_test(the_first_offender_is_named_wherever_it_is_nested),
        cmocka_unit_test(a_million_numbers_at_the_limit_are_read_once),
        cmocka_unit_test(half_precision_is_rounded_to_nearest_even),
        cmocka_unit_test(floats_are_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
