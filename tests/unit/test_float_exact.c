/* test_float_exact.c - decimals against doubles, to the last digit. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "formats/float_exact.h"

static void decimals_and_doubles_compare_exactly(void **state)
{
    (void)state;
    static const struct { uint32_t digits; int64_t exp; double x; int side; } cases[] = {
        { 5, -1, 0.5, 0 }, { 1, -1, 0.1, -1 }, { 3, -1, 0.3, 1 }, { 1, 0, 1, 0 }, { 9, 0, 10, -1 },
        { 1, 22, 1e22, 0 }, { 1, 23, 1e23, 1 }, { 1, 38, 0x1p126, 1 }, { 1, 38, 0x1p127, -1 },
        { 1, -45, 0x1p-150, 1 }, { 7, -46, 0x1p-150, -1 }, { 16777217, 0, 16777216, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct tp_float_exact decimal = { 1, { cases[i].digits } };
        assert_int_equal(tp_float_exact_compare(decimal, cases[i].exp, cases[i].x), cases[i].side);
    }
}

/* 2^-150 has 105 digits: 7006492321624085... */
static void the_longest_tie_fits(void **state)
{
    (void)state;
    struct tp_float_exact tie = { 0 };
    char text[200];
    snprintf(text, sizeof text, "%.150f", 0x1p-150);
    for (const char *p = text + 2; *p; p++) tp_float_exact_mul_add(&tie, 10, (uint32_t)(*p - '0'));
    assert_int_equal(tp_float_exact_compare(tie, -150, 0x1p-150), 0);
    tp_float_exact_mul_add(&tie, 10, 1);
    assert_int_equal(tp_float_exact_compare(tie, -151, 0x1p-150), 1);
}

static void powers_are_those_of_ten(void **state)
{
    (void)state;
    char text[16];
    for (int exp = TP_POW10_MIN; exp <= TP_POW10_MAX; exp++) {
        snprintf(text, sizeof text, "1e%d", exp);
        assert_true(tp_float_exact_pow10[exp - TP_POW10_MIN] == strtod(text, NULL));
        if (exp >= 0 && exp < 10)
            assert_true(tp_float_exact_pow10_whole[exp] == strtod(text, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_and_doubles_compare_exactly),
        cmocka_unit_test(the_longest_tie_fits),
        cmocka_unit_test(powers_are_those_of_ten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
