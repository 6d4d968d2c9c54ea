/* test_tensor.c - shapes: products that cannot be had, open dimensions, what messages say. */
#include "check.h"

#include <string.h>

#include "base/tensor.h"

static struct tp_shape shape(int rank, const int64_t *dims)
{
    struct tp_shape s = { .rank = rank };
    for (int i = 0; i < rank && i < TP_MAX_RANK; i++) s.dim[i] = dims[i];
    return s;
}
#define S(...) shape(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), \
                     (const int64_t[]){ __VA_ARGS__ })

static void elements_are_the_product(void **state)
{
    (void)state;
    struct tp_shape scalar = { 0 }, empty = S(3, 0, 2), map = S(2, 3, 4, 5);
    assert_int_equal(tp_shape_elements(&scalar), 1);
    assert_int_equal(tp_shape_elements(&empty), 0);
    assert_int_equal(tp_shape_elements(&map), 120);
}

static void elements_of_an_open_shape_are_open(void **state)
{
    (void)state;
    struct tp_shape s = S(TP_ANY, 8, 8, 1);
    assert_int_equal(tp_shape_elements(&s), TP_ANY);
    assert_false(tp_shape_known(&s));
    s.dim[0] = 1;
    assert_true(tp_shape_known(&s));
}

static void a_product_beyond_int64_is_told_apart(void **state)
{
    (void)state;
    struct tp_shape most = S(INT64_MAX), twice = S(INT64_MAX, 2);
    struct tp_shape wraps_to_zero = S((int64_t)1 << 32, (int64_t)1 << 32);
    struct tp_shape wraps_to_one = S(((int64_t)1 << 31) * 2 + 1, ((int64_t)1 << 32) - 1, 4);
    assert_true(tp_shape_elements(&most) == INT64_MAX);
    assert_int_equal(tp_shape_elements(&twice), -2);
    assert_int_equal(tp_shape_elements(&wraps_to_zero), -2);
    assert_int_equal(tp_shape_elements(&wraps_to_one), -2);
}

static void a_span_multiplies_its_dimensions_only(void **state)
{
    (void)state;
    struct tp_shape s = S(2, 3, 5, 7);
    assert_int_equal(tp_shape_span(&s, 0, 4), 210);
    assert_int_equal(tp_shape_span(&s, 1, 3), 15);
    assert_int_equal(tp_shape_span(&s, 2, 2), 1);
}

static void shapes_are_equal_in_rank_and_every_dimension(void **state)
{
    (void)state;
    struct tp_shape a = S(2, 3), b = S(2, 3), other = S(2, 4), longer = S(2, 3, 1);
    b.dim[7] = 99;                   /* beyond the rank nothing counts */
    assert_true(tp_shape_equal(&a, &b));
    assert_false(tp_shape_equal(&a, &other));
    assert_false(tp_shape_equal(&a, &longer));
}

static void an_open_dimension_fits_any_size(void **state)
{
    (void)state;
    struct tp_shape wanted = S(TP_ANY, TP_ANY, 8, 3);
    struct tp_shape good = S(5, 1, 8, 3), wrong_size = S(5, 1, 9, 3), wrong_rank = S(1, 8, 3);
    assert_true(tp_shape_fits(&good, &wanted));
    assert_false(tp_shape_fits(&wrong_size, &wanted));
    assert_false(tp_shape_fits(&wrong_rank, &wanted));
    assert_false(tp_shape_fits(&wanted, &good));     /* what is given must be whole */
}

static void refused(const struct tp_shape *s, int64_t max, enum tp_code code, const char *part)
{
    struct tp_err err = { 0 };
    assert_false(tp_shape_check(s, max, "tensor", &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
    assert_memory_equal(err.message, "tensor: ", 8);
}

static void check_accepts_up_to_the_limit(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    struct tp_shape s = S(1, 8, 8, 1), scalar = { 0 };
    assert_true(tp_shape_check(&s, 64, "tensor", &err));
    assert_true(tp_shape_check(&scalar, 1, "tensor", &err));
    assert_int_equal(err.code, TP_OK);
    refused(&s, 63, TP_TOO_LARGE, "more than the 63 elements");
}

static void check_names_the_dimension_that_is_wrong(void **state)
{
    (void)state;
    struct tp_shape zero = S(1, 8, 0, 1), negative = S(-3, 8), smallest = S(1, INT64_MIN);
    refused(&zero, 100, TP_INVALID_SHAPE, "dimension 2 of [1, 8, 0, 1] is 0");
    refused(&negative, 100, TP_INVALID_SHAPE, "dimension 0 of [-3, 8] is -3");
    refused(&smallest, 100, TP_INVALID_SHAPE, "is -9223372036854775808");
}

static void check_refuses_an_overflow_and_too_many_dimensions(void **state)
{
    (void)state;
    struct tp_shape wraps = S((int64_t)1 << 32, (int64_t)1 << 32);
    struct tp_shape deep = S(1, 1, 1, 1, 1, 1, 1, 1, 1), odd = { .rank = -1 };
    refused(&wraps, INT64_MAX, TP_TOO_LARGE, "[4294967296, 4294967296]");
    refused(&deep, 100, TP_INVALID_SHAPE, "9 dimensions; at most 8");
    refused(&odd, 100, TP_INVALID_SHAPE, "-1 dimensions");
}

static void a_shape_prints_as_people_write_it(void **state)
{
    (void)state;
    struct tp_shape scalar = { 0 }, map = S(TP_ANY, 224, 224, 3);
    assert_string_equal(TP_SHAPE(&scalar), "[]");
    assert_string_equal(TP_SHAPE(&map), "[any, 224, 224, 3]");
}

static void the_longest_shape_prints_whole(void **state)
{
    (void)state;
    struct tp_shape s = { .rank = TP_MAX_RANK };
    for (int i = 0; i < TP_MAX_RANK; i++) s.dim[i] = INT64_MIN;
    struct tp_shape_text t = tp_shape_print(&s);
    assert_int_equal(t.text[strlen(t.text) - 1], ']');
    assert_int_equal(strlen(t.text), TP_MAX_RANK * 20 + (TP_MAX_RANK - 1) * 2 + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_the_product),
        cmocka_unit_test(elements_of_an_open_shape_are_open),
        cmocka_unit_test(a_product_beyond_int64_is_told_apart),
        cmocka_unit_test(a_span_multiplies_its_dimensions_only),
        cmocka_unit_test(shapes_are_equal_in_rank_and_every_dimension),
        cmocka_unit_test(an_open_dimension_fits_any_size),
        cmocka_unit_test(check_accepts_up_to_the_limit),
        cmocka_unit_test(check_names_the_dimension_that_is_wrong),
        cmocka_unit_test(check_refuses_an_overflow_and_too_many_dimensions),
        cmocka_unit_test(a_shape_prints_as_people_write_it),
        cmocka_unit_test(the_longest_shape_prints_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
