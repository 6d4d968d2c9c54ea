/* test_ration.c - who computes rests so that the process stays within its quota. */
#include "check.h"

#include "service/ration.h"

static void test_without_a_quota_nobody_rests(void **state)
{
    struct tp_ration r;
    (void)state;
    tp_ration_init(&r);
    assert_true(tp_ration_rest_ms(&r, 10, 1000) == 0);
    tp_ration_set(&r, 0.5);
    tp_ration_set(&r, 0);
    assert_true(tp_ration_rest_ms(&r, 20, 2000) == 0);
    tp_ration_fini(&r);
}

/* One thread that uses chunk_ms at a time and rests as it is told. */
static void check_within(double cpus, double chunk_ms)
{
    enum { PERIOD_MS = 100, N_PERIODS = 200 };
    double used[N_PERIODS + 1] = { 0 }, wall = 5000, busy = 300, total = 0;
    const double start = wall;
    struct tp_ration r;
    tp_ration_init(&r);
    tp_ration_set(&r, cpus);
    assert_true(tp_ration_rest_ms(&r, wall, busy) == 0);
    for (;;) {
        wall += chunk_ms;
        busy += chunk_ms;
        const int period = (int)((wall - start) / PERIOD_MS);
        if (period >= N_PERIODS) break;
        used[period] += chunk_ms;
        total += chunk_ms;
        wall += tp_ration_rest_ms(&r, wall, busy);
    }
    for (int i = 1; i < N_PERIODS; i++) assert_true(used[i] <= cpus * PERIOD_MS + chunk_ms);
    assert_true(total <= cpus * PERIOD_MS * N_PERIODS);
    assert_true(total >= 0.9 * cpus * PERIOD_MS * N_PERIODS);
    tp_ration_fini(&r);
}

static void test_what_is_used_stays_just_below_the_quota(void **state)
{
    (void)state;
    check_within(1, 2);
    check_within(0.5, 4);
    check_within(0.25, 1);
    check_within(0.9, 20);
}

static void test_less_than_the_quota_never_rests(void **state)
{
    struct tp_ration r;
    (void)state;
    tp_ration_init(&r);
    tp_ration_set(&r, 2);
    for (int i = 1; i < 1000; i++) assert_true(tp_ration_rest_ms(&r, 10 * i, 15 * i) == 0);
    tp_ration_fini(&r);
}

static void test_having_rested_is_soon_forgotten(void **state)
{
    struct tp_ration r;
    (void)state;
    tp_ration_init(&r);
    tp_ration_set(&r, 1);
    assert_true(tp_ration_rest_ms(&r, 0, 0) == 0);
    assert_true(tp_ration_rest_ms(&r, 60000, 0) == 0);           /* a minute of nothing */
    assert_true(tp_ration_rest_ms(&r, 60010, 40) > 20);          /* 4 threads for 10 ms */
    tp_ration_fini(&r);
}

static void test_nobody_pays_long_for_what_others_used(void **state)
{
    struct tp_ration r;
    double wall = 1000, used = 0;
    (void)state;
    tp_ration_init(&r);
    tp_ration_set(&r, 0.5);
    assert_true(tp_ration_rest_ms(&r, wall, used) == 0);
    used += 60000;                                               /* models were loaded */
    double rest = tp_ration_rest_ms(&r, wall += 1, used);
    assert_true(rest > 90 && rest <= 100);
    rest = tp_ration_rest_ms(&r, wall += rest, used);
    assert_true(rest == 0);
    tp_ration_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_quota_nobody_rests),
        cmocka_unit_test(test_what_is_used_stays_just_below_the_quota),
        cmocka_unit_test(test_less_than_the_quota_never_rests),
        cmocka_unit_test(test_having_rested_is_soon_forgotten),
        cmocka_unit_test(test_nobody_pays_long_for_what_others_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
