/* test_where.c - the choice between two operands, element by element. */
#include "check.h"
#include "base/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct tp_node where = {
    .name = "mask", .type = "Where", .op = &tp_op_where, .n_inputs = 3,
};

/* The value of an input that broadcasts to `out`, at out's element i. */
static float value_at(const struct tp_shape *s, const float *x, const struct tp_shape *out,
                      int64_t i)
{
    int64_t at = 0, stride = 1;
    for (int axis = out->rank - 1, own = s->rank - 1; own >= 0; axis--, own--) {
        if (s->dim[own] > 1) at += i % out->dim[axis] * stride;
        i /= out->dim[axis];
        stride *= s->dim[own];
    }
    return x[at];
}

static void check(const struct tp_node *nd, const struct tp_shape in[3], float *const x[3])
{
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd->op->shape(nd, in, &out, &err));
    const int64_t n = tp_shape_elements(&out);
    double *want = malloc((size_t)n * sizeof *want);
    for (int64_t i = 0; i < n; i++) {
        const bool first = value_at(&in[0], x[0], &out, i) != 0;
        want[i] = first ? value_at(&in[1], x[1], &out, i) : value_at(&in[2], x[2], &out, i);
        if (nd->act.kind == TP_ACT_CLAMP && want[i] < nd->act.alpha) want[i] = nd->act.alpha;
    }
    check_node_against(nd, in, x, want, 0);
    free(want);
}

static void check_random(const struct tp_node *nd, const struct tp_shape in[3])
{
    float *x[3];
    for (int i = 0; i < 3; i++)
        x[i] = guarded_random(tp_shape_elements(&in[i]), (uint32_t)i + 1);
    for (int64_t i = 0; i < tp_shape_elements(&in[0]); i++) x[0][i] = truncf(x[0][i] * 2);
    check(nd, in, x);
    for (int i = 0; i < 3; i++) guarded_free(x[i]);
}

static void all_three_broadcast_as_numpy_does(void **state)
{
    (void)state;
    const struct tp_shape shapes[][3] = {
        { TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(2, 5, 7, 3) },
        { TP_SHAPE4(2, 5, 7, 1), { .rank = 1, .dim = { 19 } }, { .rank = 1, .dim = { 1 } } },
        { { .rank = 1, .dim = { 1 } }, TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(1, 5, 1, 3) },
        { TP_SHAPE2(3, 1), TP_SHAPE2(1, 41), { .rank = 0 } },
        { { .rank = 0 }, { .rank = 0 }, { .rank = 0 } },
        { TP_SHAPE2(2, 5001), TP_SHAPE2(1, 5001), TP_SHAPE2(2, 1) },     /* longer than a piece */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_random(&where, shapes[i]);
}

static void an_activation_follows(void **state)
{
    (void)state;
    struct tp_node nd = where;
    const struct tp_shape in[3] = { TP_SHAPE2(29, 1), TP_SHAPE2(29, 31), TP_SHAPE2(1, 31) };
    nd.act = (struct tp_act){ .kind = TP_ACT_CLAMP, .alpha = 0, .beta = INFINITY };
    check_random(&nd, in);
}

/* What is not chosen does not matter; a NaN is not zero. */
static void the_other_operand_leaves_no_trace(void **state)
{
    (void)state;
    enum { N = 6 };
    const struct tp_shape in[3] = { TP_SHAPE2(1, N), TP_SHAPE2(1, N), TP_SHAPE2(1, N) };
    static const float values[3][N] = {
        { 0, -0.0f, NAN, -INFINITY, 1e-45f, 1 },
        { NAN, INFINITY, 1, 2, 3, NAN },
        { 4, 5, NAN, -INFINITY, NAN, 6 },
    };
    float *x[3];
    for (int i = 0; i < 3; i++) {
        x[i] = guarded(sizeof values[i]);
        memcpy(x[i], values[i], sizeof values[i]);
    }
    check(&where, in, x);
    for (int i = 0; i < 3; i++) guarded_free(x[i]);
}

static void shapes_that_do_not_broadcast_are_named(void **state)
{
    (void)state;
    const struct tp_shape in[3] = { TP_SHAPE2(2, 1), TP_SHAPE2(2, 5), TP_SHAPE2(3, 5) };
    check_node_refused(&where, in, "mask: inputs 0 and 2 have shapes [2, 1] and [3, 5], which do "
                       "not broadcast");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_three_broadcast_as_numpy_does),
        cmocka_unit_test(an_activation_follows),
        cmocka_unit_test(the_other_operand_leaves_no_trace),
        cmocka_unit_test(shapes_that_do_not_broadcast_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
