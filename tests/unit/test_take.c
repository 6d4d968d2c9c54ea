/* test_take.c - slices, flips, tiles, expansions, pads and gathers, one table per axis. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

static struct tp_node take(float fill)
{
    return (struct tp_node){ .name = "cut", .type = "Slice", .op = &tp_op_take, .n_inputs = 1,
                             .attr.take.fill = fill };
}

static void set_table(struct tp_node *nd, int axis, const int32_t *index, int64_t n)
{
    nd->attr.take.index[axis] = index;
    nd->attr.take.n[axis] = n;
}

/* The definition, place by place. */
static double *wanted(const struct tp_node *nd, const struct tp_shape *in, const float *x)
{
    const struct tp_take_attr *a = &nd->attr.take;
    struct tp_shape out;
    struct tp_err err = { 0 };
    if (!nd->op->shape(nd, in, &out, &err)) fail_msg("%s", err.message);
    const int64_t n = tp_shape_elements(&out);
    double *want = malloc((size_t)n * sizeof *want);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, from = 0, step = 1;
        bool none = false;
        for (int k = in->rank - 1; k >= 0; k--) {
            int64_t at = rest % out.dim[k];
            rest /= out.dim[k];
            if (a->index[k]) at = a->index[k][at];
            none |= at < 0;
            from += at * step;
            step *= in->dim[k];
        }
        want[i] = none ? (double)a->fill : (double)x[from];
    }
    return want;
}

static void check_take(const struct tp_node *nd, const struct tp_shape *in)
{
    float *x = guarded_random(tp_shape_elements(in), 7);
    double *want = wanted(nd, in, x);
    check_node_against(nd, in, &x, want, 0);
    free(want);
    guarded_free(x);
}

static void without_tables_it_is_a_copy(void **state)
{
    (void)state;
    const struct tp_node nd = take(0);
    const struct tp_shape shapes[] = {
        { .rank = 0 }, { .rank = 1, .dim = { 1 } }, TP_SHAPE4(2, 3, 5, 7), TP_SHAPE2(1, 50001),
        { .rank = 8, .dim = { 2, 1, 3, 1, 2, 3, 1, 2 } },
    };
    for (int i = 0; i < 5; i++) check_take(&nd, &shapes[i]);
}

static void each_axis_follows_its_own_table(void **state)
{
    (void)state;
    static const int32_t slice[] = { 1, 2, 3 }, flip[] = { 4, 3, 2, 1, 0 }, one[] = { 2 };
    static const int32_t tile[] = { 0, 1, 2, 3, 4, 0, 1, 2, 3, 4 }, pad[] = { -1, -1, 0, 1, -1 };
    static const int32_t stride[] = { 0, 2, 4 }, reflect[] = { 2, 1, 0, 1, 2, 3, 4, 3, 2 };
    static const int32_t whole[] = { 0, 1, 2, 3, 4 }, nothing[] = { -1 };
    static const struct { const int32_t *index; int64_t n; } tables[] = {
        { slice, 3 }, { flip, 5 }, { one, 1 }, { tile, 10 }, { pad, 5 }, { stride, 3 },
        { reflect, 9 }, { whole, 5 }, { nothing, 1 }, { NULL, 0 },
    };
    enum { N = sizeof tables / sizeof *tables };
    const struct tp_shape in = TP_SHAPE4(5, 5, 5, 5);
    for (int i = 0; i < N * N * N * N; i += 61) {
        struct tp_node nd = take(-3.5f);
        for (int axis = 0, rest = i; axis < 4; axis++, rest /= N)
            set_table(&nd, axis, tables[rest % N].index, tables[rest % N].n);
        check_take(&nd, &in);
    }
}

static void any_rank_with_random_tables(void **state)
{
    (void)state;
    static int32_t index[TP_MAX_RANK][MOST];
    uint32_t seed = 3;
    for (int t = 0; t < 100; t++) {
        struct tp_node nd = take(9);
        struct tp_shape in = { .rank = (int)(next_random(&seed) % (TP_MAX_RANK + 1)) };
        for (int k = 0; k < in.rank; k++) {
            in.dim[k] = 1 + next_random(&seed) % (in.rank > 4 ? 3 : 9);
            if (next_random(&seed) % 2) continue;
            const int64_t n = 1 + next_random(&seed) % (in.rank > 4 ? 3 : 12);
            const bool runs = next_random(&seed) % 2;
            for (int64_t i = 0; i < n; i++)
                index[k][i] = runs && i && index[k][i - 1] + 1 < in.dim[k] ? index[k][i - 1] + 1
                            : (int32_t)(next_random(&seed) % (in.dim[k] + 1)) - 1;
            set_table(&nd, k, index[k], n);
        }
        check_take(&nd, &in);
    }
}

static void long_rows_are_copied_in_pieces(void **state)
{
    (void)state;
    enum { N = 40000 };
    int32_t *index = malloc(N * sizeof *index);
    const struct tp_shape row = TP_SHAPE2(2, N), column = TP_SHAPE2(N, 3);
    struct tp_node nd = take(1);
    for (int mode = 0; mode < 4; mode++) {               /* pad, flip, every third, nothing */
        for (int i = 0; i < N; i++)
            index[i] = mode == 0 ? (i < 19 || i > N - 5 ? -1 : i - 19)
                     : mode == 1 ? N - 1 - i : mode == 2 ? i / 3 * 3 : -1;
        set_table(&nd, 0, NULL, 0);
        set_table(&nd, 1, index, N);
        check_take(&nd, &row);
        set_table(&nd, 1, NULL, 0);
        set_table(&nd, 0, index, N);
        check_take(&nd, &column);
    }
    static const int32_t last[] = { 2 }, rows[] = { 1, -1, 0 };
    set_table(&nd, 0, NULL, 0);
    set_table(&nd, 1, last, 1);                          /* one column: a walk by steps */
    check_take(&nd, &column);
    set_table(&nd, 0, rows, 3);                          /* whole rows of `fill` */
    set_table(&nd, 1, index, N);
    check_take(&nd, &row);
    free(index);
}

static void nans_and_zeros_keep_their_bits(void **state)
{
    (void)state;
    static const int32_t flip[] = { 3, 2, 1, 0 };
    const struct tp_shape in = { .rank = 1, .dim = { 4 } };
    struct tp_node nd = take(0);
    float *x = guarded(4 * sizeof *x);
    x[0] = NAN, x[1] = -0.0f, x[2] = -INFINITY, x[3] = 1e-45f;
    const double want[] = { 1e-45f, -INFINITY, -0.0, NAN };
    set_table(&nd, 0, flip, 4);
    check_node_against(&nd, &in, &x, want, 0);
    guarded_free(x);
}

static void open_sizes_stay_open_where_there_is_no_table(void **state)
{
    (void)state;
    static const int32_t index[] = { 7, 900 };
    const struct tp_shape in = TP_SHAPE4(TP_ANY, TP_ANY, 3, 4);
    const struct tp_shape want = TP_SHAPE4(TP_ANY, 2, 3, 4);
    struct tp_node nd = take(0);
    struct tp_shape out;
    struct tp_err err = { 0 };
    set_table(&nd, 1, index, 2);
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_true(tp_shape_equal(&out, &want));
}

static void places_outside_the_input_are_refused(void **state)
{
    (void)state;
    static const int32_t far[] = { 0, 1, 3 }, low[] = { 0, -2 };
    const struct tp_shape in = TP_SHAPE4(1, 3, 3, 2), open = TP_SHAPE2(TP_ANY, 2);
    const struct tp_shape huge = { .rank = 3, .dim = { INT64_MAX / 4, 2, 2 } };
    struct tp_node nd = take(0);
    set_table(&nd, 2, far, 3);
    check_node_refused(&nd, &in, "cut: place 2 of axis 2 is to be place 3 of its input "
                       "[1, 3, 3, 2]");
    check_node_refused(&nd, &open, "cut: a table for axis 2; its input [any, 2] has 2 axes");
    check_node_refused(&nd, &huge, "cut: place 2 of axis 2");
    set_table(&nd, 2, far, 0);
    check_node_refused(&nd, &in, "cut: 0 places along axis 2; there must be at least 1");
    set_table(&nd, 2, NULL, 0);
    set_table(&nd, 0, low, 2);
    check_node_refused(&nd, &in, "cut: place 1 of axis 0 is to be place -2");
    check_node_refused(&nd, &open, "cut: place 1 of axis 0 is to be place -2");
}

static void sizes_beyond_counting_are_refused(void **state)
{
    (void)state;
    static const int32_t index[8] = { 0 };
    const struct tp_shape in = { .rank = 3, .dim = { 1, INT32_MAX, INT32_MAX } };
    struct tp_node nd = take(0);
    set_table(&nd, 0, index, 8);
    check_node_refused(&nd, &in, "cut: [8, 2147483647, 2147483647] has too many elements");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_tables_it_is_a_copy),
        cmocka_unit_test(each_axis_follows_its_own_table),
        cmocka_unit_test(any_rank_with_random_tables),
        cmocka_unit_test(long_rows_are_copied_in_pieces),
        cmocka_unit_test(nans_and_zeros_keep_their_bits),
        cmocka_unit_test(open_sizes_stay_open_where_there_is_no_table),
        cmocka_unit_test(places_outside_the_input_are_refused),
        cmocka_unit_test(sizes_beyond_counting_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
