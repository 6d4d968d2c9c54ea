/* test_matmul.c - products of matrices that both come from the network. */
#include "check.h"
#include "base/tensor.h"

#include <math.h>
#include <stdlib.h>

static const struct tp_node matmul = {
    .name = "scores", .type = "MatMul", .op = &tp_op_matmul, .n_inputs = 2,
};

/* The first float of an input's matrix that takes part in product `batch` of `out`'s. */
static const float *matrix(const struct tp_shape *s, const float *x, const struct tp_shape *out,
                           int64_t batch)
{
    int64_t at = 0, stride = s->dim[s->rank - 2] * s->dim[s->rank - 1];
    for (int axis = out->rank - 3, own = s->rank - 3; own >= 0; axis--, own--) {
        if (s->dim[own] > 1) at += batch % out->dim[axis] * stride;
        batch /= out->dim[axis];
        stride *= s->dim[own];
    }
    return x + at;
}

static double activated(double x, const struct tp_act *act)
{
    if (act->kind == TP_ACT_CLAMP) return fmin(fmax(x, act->alpha), act->beta);
    return act->kind == TP_ACT_TANH ? tanh(x) : x;
}

static void check_data(const struct tp_node *nd, const struct tp_shape in[2], float *const x[2])
{
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd->op->shape(nd, in, &out, &err));
    const int64_t m = out.dim[out.rank - 2], n = out.dim[out.rank - 1];
    const int64_t k = in[0].dim[in[0].rank - 1], all = tp_shape_elements(&out);
    double *want = calloc((size_t)all, sizeof *want);
    for (int64_t i = 0; i < all; i++) {
        const float *a = matrix(&in[0], x[0], &out, i / n / m) + i / n % m * k;
        const float *b = matrix(&in[1], x[1], &out, i / n / m) + i % n;
        for (int64_t t = 0; t < k; t++) want[i] += (double)a[t] * b[t * n];
        want[i] = activated(want[i], &nd->act);
    }
    check_node_against(nd, in, x, want, 2e-6);
    free(want);
}

static void check(const struct tp_node *nd, const struct tp_shape *a, const struct tp_shape *b)
{
    const struct tp_shape in[2] = { *a, *b };
    float *x[2] = { guarded_random(tp_shape_elements(a), 1),
                    guarded_random(tp_shape_elements(b), 2) };
    check_data(nd, in, x);
    guarded_free(x[0]);
    guarded_free(x[1]);
}

static void products_of_any_size_match_their_definition(void **state)
{
    static const int64_t m[] = { 1, 2, 6, 7, 15, 29 }, k[] = { 1, 5, 64 };
    static const int64_t n[] = { 1, 3, 8, 16, 17, 33, 70 };
    (void)state;
    for (int i = 0; i < 6 * 3 * 7; i++) {
        const int64_t rows = m[i % 6], depth = k[i / 6 % 3], columns = n[i / 18];
        check(&matmul, &TP_SHAPE2(rows, depth), &TP_SHAPE2(depth, columns));
        check(&matmul, &(struct tp_shape){ 3, { 3, rows, depth } },
              &(struct tp_shape){ 3, { 3, depth, columns } });
    }
}

static void batches_broadcast_as_numpy_does(void **state)
{
    static const struct tp_shape shapes[][2] = {
        { { 4, { 2, 3, 5, 7 } }, { 4, { 2, 3, 7, 9 } } },
        { { 4, { 2, 1, 5, 7 } }, { 4, { 1, 3, 7, 9 } } },
        { { 4, { 2, 3, 5, 7 } }, { 2, { 7, 9 } } },
        { { 4, { 2, 3, 5, 7 } }, { 4, { 1, 1, 7, 9 } } },
        { { 2, { 5, 7 } }, { 4, { 2, 3, 7, 9 } } },
        { { 3, { 3, 5, 7 } }, { 4, { 2, 1, 7, 9 } } },
        { { 4, { 1, 1, 5, 7 } }, { 3, { 3, 7, 9 } } },
        { { 2, { 5, 7 } }, { 5, { 1, 1, 1, 7, 9 } } },
        { { 8, { 2, 1, 2, 1, 2, 1, 3, 4 } }, { 8, { 1, 2, 1, 2, 2, 2, 4, 5 } } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check(&matmul, &shapes[i][0], &shapes[i][1]);
}

/* More panels than are packed at a time: within one matrix, and over many. */
static void large_products_go_in_several_steps(void **state)
{
    (void)state;
    check(&matmul, &TP_SHAPE2(2, 900), &TP_SHAPE2(900, 1500));
    check(&matmul, &(struct tp_shape){ 3, { 75, 2, 450 } },
          &(struct tp_shape){ 3, { 75, 450, 33 } });
}

static void an_activation_follows(void **state)
{
    struct tp_node nd = matmul;
    (void)state;
    nd.act = (struct tp_act){ TP_ACT_CLAMP, 0, 1, 0 };
    check(&nd, &(struct tp_shape){ 3, { 2, 9, 5 } }, &(struct tp_shape){ 3, { 2, 5, 35 } });
    nd.act = (struct tp_act){ .kind = TP_ACT_TANH };
    check(&nd, &(struct tp_shape){ 3, { 2, 9, 5 } }, &(struct tp_shape){ 3, { 2, 5, 35 } });
}

/* Nothing but its own row and column reaches a sum, not even times the zeros of a panel. */
static void a_nan_spoils_its_own_row_or_column_only(void **state)
{
    const struct tp_shape in[2] = { TP_SHAPE2(9, 6), TP_SHAPE2(6, 21) };
    float *x[2] = { guarded_random(9 * 6, 1), guarded_random(6 * 21, 2) };
    (void)state;
    x[0][4 * 6] = INFINITY;
    x[1][21 + 20] = NAN;
    check_data(&matmul, in, x);
    guarded_free(x[0]);
    guarded_free(x[1]);
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
    const struct tp_shape inner[2] = { { 3, { 2, 3, 4 } }, { 3, { 2, 5, 6 } } };
    const struct tp_shape flat[2] = { TP_SHAPE2(3, 4), { 1, { 4 } } };
    const struct tp_shape batch[2] = { { 3, { 2, 3, 4 } }, { 3, { 3, 4, 6 } } };
    (void)state;
    check_node_refused(&matmul, inner, "scores: cannot multiply [2, 3, 4] by [2, 5, 6]: the last "
                       "dimension of the first, 4, and the last but one of the second, 5, must be "
                       "equal");
    check_node_refused(&matmul, flat, "scores: input 1 has shape [4]; MatMul needs matrices, which "
                       "have at least 2 dimensions");
    check_node_refused(&matmul, batch, "scores: inputs 0 and 1 have shapes [2] and [3], which do "
                       "not broadcast");
}

static void open_sizes_stay_open_and_multiply_adds_are_counted(void **state)
{
    struct tp_shape in[2] = { { 3, { TP_ANY, 4, TP_ANY } }, { 3, { TP_ANY, 6, 5 } } }, out;
    struct tp_err err = { 0 };
    (void)state;
    assert_true(matmul.op->shape(&matmul, in, &out, &err));
    assert_string_equal(TP_SHAPE(&out), "[any, 4, 5]");
    assert_int_equal(matmul.op->macs(&matmul, in, &out), TP_ANY);
    in[0].dim[2] = 6;
    assert_true(matmul.op->shape(&matmul, in, &out, &err));
    assert_int_equal(matmul.op->macs(&matmul, in, &out), 4 * 5 * 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_any_size_match_their_definition),
        cmocka_unit_test(batches_broadcast_as_numpy_does),
        cmocka_unit_test(large_products_go_in_several_steps),
        cmocka_unit_test(an_activation_follows),
        cmocka_unit_test(a_nan_spoils_its_own_row_or_column_only),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(open_sizes_stay_open_and_multiply_adds_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
