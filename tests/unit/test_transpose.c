/* test_transpose.c - axes in another order. */
#include "check.h"

#include <string.h>

static struct tp_node transpose(int rank, const int *perm)
{
    struct tp_node nd = {
        .name = "turn", .type = "Permute", .op = &tp_op_transpose, .n_inputs = 1,
    };
    memcpy(nd.attr.transpose.perm, perm, (size_t)rank * sizeof *perm);
    return nd;
}

/* Sizes below, at and beyond a tile. */
static void layouts_of_maps_turn_into_each_other(void **state)
{
    (void)state;
    static const int first[4] = { 0, 3, 1, 2 }, last[4] = { 0, 2, 3, 1 };
    const struct tp_shape shapes[] = {
        TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(1, 33, 17, 40), TP_SHAPE4(3, 1, 16, 16),
        TP_SHAPE4(1, 1, 1, 70), TP_SHAPE4(1, 31, 31, 1), TP_SHAPE4(1, 2, 300, 2),
    };
    const struct tp_node to_first = transpose(4, first), to_last = transpose(4, last);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        check_node_random(&to_first, &shapes[i], 0);
        check_node_random(&to_last, &shapes[i], 0);
    }
}

/* The next permutation in lexical order; false after the last. */
static bool next_order(int *perm, int n)
{
    int i = n - 2, j = n - 1;
    while (i >= 0 && perm[i] > perm[i + 1]) i--;
    if (i < 0) return false;
    while (perm[j] < perm[i]) j--;
    int swap = perm[i];
    perm[i] = perm[j];
    perm[j] = swap;
    for (int a = i + 1, b = n - 1; a < b; a++, b--) {
        swap = perm[a];
        perm[a] = perm[b];
        perm[b] = swap;
    }
    return true;
}

static void every_order_of_five_axes_is_right(void **state)
{
    (void)state;
    const struct tp_shape in = { .rank = 5, .dim = { 2, 3, 1, 5, 18 } };
    int perm[5] = { 0, 1, 2, 3, 4 };
    do {
        const struct tp_node nd = transpose(5, perm);
        check_node_random(&nd, &in, 0);
    } while (next_order(perm, 5));
}

static void eight_axes_are_possible(void **state)
{
    (void)state;
    static const int perm[8] = { 7, 2, 5, 0, 3, 6, 1, 4 };
    const struct tp_shape in = { .rank = 8, .dim = { 2, 3, 2, 2, 3, 2, 1, 3 } };
    const struct tp_node nd = transpose(8, perm);
    check_node_random(&nd, &in, 0);
}

static void open_sizes_move_along(void **state)
{
    (void)state;
    static const int perm[4] = { 0, 3, 1, 2 };
    const struct tp_shape in = TP_SHAPE4(TP_ANY, TP_ANY, 6, 3);
    const struct tp_shape want = TP_SHAPE4(TP_ANY, 3, TP_ANY, 6);
    const struct tp_node nd = transpose(4, perm);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_true(tp_shape_equal(&out, &want));
}

static void an_order_that_names_no_axis_or_one_twice_is_refused(void **state)
{
    (void)state;
    static const int twice[4] = { 0, 1, 1, 2 }, far[4] = { 0, 1, 2, 4 };
    const struct tp_node a = transpose(4, twice), b = transpose(4, far);
    const struct tp_shape in = TP_SHAPE4(1, 2, 3, 4);
    check_node_refused(&a, &in, "turn: axis 1 at place 2 of the new order");
    check_node_refused(&b, &in, "has axes 0 to 3, each to be named once");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_of_maps_turn_into_each_other),
        cmocka_unit_test(every_order_of_five_axes_is_right),
        cmocka_unit_test(eight_axes_are_possible),
        cmocka_unit_test(open_sizes_move_along),
        cmocka_unit_test(an_order_that_names_no_axis_or_one_twice_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
