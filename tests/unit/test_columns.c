/* test_columns.c - how [outer, length, inner] is cut; what is folded there is tested with the
 * operators. */
#include "check.h"
#include "ops/columns.h"

#include <stdlib.h>
#include <string.h>

static const struct { struct tp_shape shape; int axis, n; } cases[] = {
    { { .rank = 3, .dim = { 2, 700, 3 } }, 1, 1 }, { { .rank = 3, .dim = { 2, 40000, 1 } }, 1, 1 },
    { { .rank = 3, .dim = { 2, 300, 257 } }, 1, 1 }, { { .rank = 3, .dim = { 3, 2, 1000 } }, 1, 1 },
    { { .rank = 4, .dim = { 1, 90, 100, 17 } }, 1, 2 }, { { .rank = 2, .dim = { 5, 7 } }, 0, 2 },
    { { .rank = 3, .dim = { 1, 32769, 1 } }, 1, 1 }, { { .rank = 2, .dim = { 9, 4 } }, 2, 0 },
    { { .rank = 0 }, 0, 0 },
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void axes_are_taken_as_one(void **state)
{
    (void)state;
    const struct tp_shape s = TP_SHAPE4(2, 3, 5, 7);
    const struct tp_columns c = tp_columns_of(&s, 1, 2), none = tp_columns_of(&s, 4, 0);
    assert_int_equal(c.outer, 2);
    assert_int_equal(c.length, 15);
    assert_int_equal(c.inner, 7);
    assert_int_equal(none.outer, 210);
    assert_int_equal(none.length, 1);
    assert_int_equal(none.inner, 1);
}

static void count(const void *ctx, int64_t at, int64_t n)
{
    unsigned char *const *seen = ctx;
    for (int64_t i = at; i < at + n; i++) (*seen)[i]++;
}

static void every_element_is_in_one_unit_of_one_block(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        const struct tp_columns c = tp_columns_of(&cases[i].shape, cases[i].axis, cases[i].n);
        const int64_t n = tp_shape_elements(&cases[i].shape);
        unsigned char *seen = calloc((size_t)n + 1, 1);
        for (int64_t item = 0; item < c.outer * c.n_blocks * c.n_units; item++)
            tp_columns_runs(&c, item, count, &seen);
        for (int64_t at = 0; at < n; at++) assert_int_equal(seen[at], 1);
        assert_int_equal(seen[n], 0);
        free(seen);
    }
}

static void units_cover_all_columns_without_a_narrow_one(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        const struct tp_columns c = tp_columns_of(&cases[i].shape, cases[i].axis, cases[i].n);
        int64_t next = 0;
        for (int64_t item = 0; item < c.outer * c.n_units; item++) {
            const struct tp_unit u = tp_columns_unit(&c, item);
            assert_int_equal(u.outer * c.inner + u.first, next);
            assert_int_equal(u.value, u.outer * c.n_blocks * c.inner + u.first);
            assert_in_range(u.width, c.inner < 64 ? c.inner : 64, TP_UNIT_COLUMNS);
            next += u.width;
        }
        assert_int_equal(next, c.outer * c.inner);
    }
}

static void the_cut_does_not_depend_on_the_batch(void **state)
{
    (void)state;
    const struct tp_shape one = TP_SHAPE4(1, 64, 64, 9), three = TP_SHAPE4(3, 64, 64, 9);
    const struct tp_columns a = tp_columns_of(&one, 1, 2), b = tp_columns_of(&three, 1, 2);
    assert_true(a.n_blocks > 1);
    assert_int_equal(a.block, b.block);
    assert_int_equal(a.n_units, b.n_units);
}

/* Phases append their letter; the loop is run by one thread. */
static char trail[64];
static void phase_a(const void *ctx, int64_t begin, int64_t end)
{
    (void)ctx;
    for (int64_t i = begin; i < end; i++) strcat(trail, "a");
}
static void phase_b(const void *ctx, int64_t begin, int64_t end)
{
    (void)ctx;
    for (int64_t i = begin; i < end; i++) strcat(trail, "b");
}

static void short_columns_go_through_all_phases_at_once(void **state)
{
    (void)state;
    static const struct tp_phase phases[] = { { phase_a, true }, { phase_b, false } };
    const struct tp_shape small = { .rank = 3, .dim = { 3, 4, 5 } };
    const struct tp_shape tall = { .rank = 2, .dim = { 1, 16384 * 3 } };
    const struct tp_columns c = tp_columns_of(&small, 1, 1), d = tp_columns_of(&tall, 1, 1);
    trail[0] = '\0';
    tp_columns_run(&c, phases, 2, NULL, 60, 1);
    assert_string_equal(trail, "ababab");
    trail[0] = '\0';
    tp_columns_run(&d, phases, 2, NULL, 60, 1);
    assert_string_equal(trail, "aaab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_are_taken_as_one),
        cmocka_unit_test(every_element_is_in_one_unit_of_one_block),
        cmocka_unit_test(units_cover_all_columns_without_a_narrow_one),
        cmocka_unit_test(the_cut_does_not_depend_on_the_batch),
        cmocka_unit_test(short_columns_go_through_all_phases_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
