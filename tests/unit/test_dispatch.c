/* test_dispatch.c - which table of kernels is chosen, and that no table has a hole. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

static int as_before(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    unsetenv("TIDEPOOL_CPU");
    return tp_kernels_init(&err) ? 0 : -1;
}

static int n_runnable(void)
{
    int n = 0;
    while (tp_kernels_list(n)) n++;
    return n;
}

static void left_alone_the_strongest_table_is_chosen(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    unsetenv("TIDEPOOL_CPU");
    assert_true(tp_kernels_init(&err));
    assert_ptr_equal(tp_kernels_get(), tp_kernels_list(n_runnable() - 1));
    setenv("TIDEPOOL_CPU", "", 1);
    assert_true(tp_kernels_init(&err));
    assert_ptr_equal(tp_kernels_get(), tp_kernels_list(n_runnable() - 1));
}

static void each_table_can_be_asked_for_by_name(void **state)
{
    (void)state;
    const struct tp_kernels *k;
    for (int i = 0; (k = tp_kernels_list(i)); i++) {
        struct tp_err err = { 0 };
        setenv("TIDEPOOL_CPU", k->name, 1);
        assert_true(tp_kernels_init(&err));
        assert_ptr_equal(tp_kernels_get(), k);
    }
}

static void an_unknown_name_is_refused_with_those_there_are(void **state)
{
    (void)state;
    static const char *const names[] = { "avx1024", "AVX2", "base ", "avx", "neon2" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct tp_err err = { 0 };
        setenv("TIDEPOOL_CPU", names[i], 1);
        assert_false(tp_kernels_init(&err));
        assert_int_equal(err.code, TP_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, names[i]));
        for (int t = 0; tp_kernels_list(t); t++)
            assert_non_null(strstr(err.message, tp_kernels_list(t)->name));
    }
}

#ifdef __x86_64__
static void a_table_beyond_this_processor_is_refused_with_the_best_it_can(void **state)
{
    (void)state;
    static const char *const names[] = { "base", "avx2", "avx512" };
    int n = n_runnable();
    for (int i = n; i < 3; i++) {
        struct tp_err err = { 0 };
        setenv("TIDEPOOL_CPU", names[i], 1);
        assert_false(tp_kernels_init(&err));
        assert_non_null(strstr(err.message, "cannot run"));
        assert_non_null(strstr(err.message, names[n - 1]));
    }
    for (int i = 0; i < n; i++) assert_string_equal(tp_kernels_list(i)->name, names[i]);
}
#endif

static void before_the_choice_the_plainest_is_in_use(void **state)
{
    (void)state;
    tp_kernels_use(NULL);
    assert_ptr_equal(tp_kernels_get(), tp_kernels_list(0));
}

static void the_list_has_no_entry_outside_it(void **state)
{
    (void)state;
    assert_true(n_runnable() >= 1);
    assert_null(tp_kernels_list(-1));
    assert_null(tp_kernels_list(n_runnable() + 1));
}

static void no_table_has_a_hole(void **state)
{
    (void)state;
    const struct tp_kernels *k;
    for (int i = 0; (k = tp_kernels_list(i)); i++) {
        assert_true(k->mr >= 1 && k->nr >= 1);
        assert_true(k->gemm && k->depthwise && k->activate && k->affine && k->softmax && k->lerp);
        assert_true(k->pool_max && k->pool_min && k->pool_sum && k->pool_lp);
        for (int r = 0; r < TP_N_REDUCE_KINDS; r++) assert_true(k->reduce[r]);
        for (int b = 0; b < TP_N_BINARY_KINDS; b++) assert_true(k->binary[b]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(left_alone_the_strongest_table_is_chosen, as_before),
        cmocka_unit_test_teardown(each_table_can_be_asked_for_by_name, as_before),
        cmocka_unit_test_teardown(an_unknown_name_is_refused_with_those_there_are, as_before),
#ifdef __x86_64__
        cmocka_unit_test_teardown(a_table_beyond_this_processor_is_refused_with_the_best_it_can,
                                  as_before),
#endif
        cmocka_unit_test_teardown(before_the_choice_the_plainest_is_in_use, as_before),
        cmocka_unit_test(the_list_has_no_entry_outside_it),
        cmocka_unit_test(no_table_has_a_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
