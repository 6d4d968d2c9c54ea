/* test_peak.c - the loop that measures the processor: it counts right, and its numbers stay such
 * that no processor is slow with them. */
#include "check.h"

#include <math.h>

#include "kernels/kernels.h"

enum { MOST_NR = 64 };

static void operations_are_those_of_a_tile(void **state)
{
    (void)state;
    const struct tp_kernels *k;
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        float numbers[MOST_NR];
        assert_in_range(k->nr, 1, MOST_NR);
        for (int i = 0; i < MOST_NR; i++) numbers[i] = 1;
        assert_int_equal(k->peak(numbers, 0), 0);
        for (int i = 0; i < MOST_NR; i++) numbers[i] = 1;
        assert_int_equal(k->peak(numbers, 1000), INT64_C(2000) * k->mr * k->nr);
    }
}

static void numbers_stay_normal(void **state)
{
    (void)state;
    const struct tp_kernels *k;
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        float few[MOST_NR], many[MOST_NR];
        for (int i = 0; i < MOST_NR; i++) few[i] = many[i] = 1 + (float)i / MOST_NR;
        k->peak(few, 1);
        k->peak(many, 1000000);
        for (int i = 0; i < k->nr; i++) assert_true(isnormal(many[i]) && many[i] == few[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_those_of_a_tile),
        cmocka_unit_test(numbers_stay_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
