/* test_lrn.c - local response normalization across the last axis. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

static struct tp_node lrn(int size, float alpha, float beta, float bias)
{
    return (struct tp_node){
        .name = "lrn", .type = "LRN", .op = &tp_op_lrn, .n_inputs = 1,
        .attr.lrn = { size, alpha, beta, bias },
    };
}

static void check_lrn(const struct tp_node *nd, const struct tp_shape *in, float *x)
{
    const int64_t channels = in->dim[in->rank - 1], n = tp_shape_elements(in);
    const int64_t size = nd->attr.lrn.size, before = (size - 1) / 2, after = size - 1 - before;
    double *want = malloc((size_t)n * sizeof *want);
    for (int64_t i = 0; i < n; i++) {
        const int64_t c = i % channels;
        double sum = 0;
        for (int64_t j = c < before ? 0 : c - before; j < channels && j <= c + after; j++)
            sum += pow((double)x[i - c + j], 2);
        want[i] = (double)x[i] / pow((double)nd->attr.lrn.bias + (double)nd->attr.lrn.alpha /
                                     (double)size * sum, (double)nd->attr.lrn.beta);
    }
    check_node_against(nd, in, &x, want, 2e-6);
    free(want);
}

static void any_size_over_any_number_of_channels(void **state)
{
    (void)state;
    static const int sizes[] = { 1, 2, 3, 4, 5, 8, 17, 40, 2147483647 };
    static const int channels[] = { 1, 2, 5, 16, 19, 67 };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t c = 0; c < sizeof channels / sizeof *channels; c++) {
            const struct tp_node nd = lrn(sizes[s], 0.7f, 0.75f, 0.5f);
            const struct tp_shape in = TP_SHAPE4(2, 3, 2, channels[c]);
            float *x = guarded_random(tp_shape_elements(&in), 3);
            check_lrn(&nd, &in, x);
            guarded_free(x);
        }
}

static void any_rank_and_parameters(void **state)
{
    (void)state;
    const struct tp_shape shapes[] = {
        { .rank = 1, .dim = { 9 } }, TP_SHAPE2(3, 12),
        { .rank = 8, .dim = { 1, 2, 1, 3, 2, 1, 2, 7 } },
    };
    static const struct tp_node cases[] = {
        { .attr.lrn = { 5, 1e-4f, 0.75f, 1 } }, { .attr.lrn = { 3, 2, 0.5f, 2 } },
        { .attr.lrn = { 3, 2, 0, 2 } }, { .attr.lrn = { 3, 2, -1, 2 } },
    };
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < 4; i++) {
            struct tp_node nd = lrn(1, 0, 0, 0);
            nd.attr.lrn = cases[i].attr.lrn;
            float *x = guarded_random(tp_shape_elements(&shapes[s]), 3);
            check_lrn(&nd, &shapes[s], x);
            guarded_free(x);
        }
}

static void a_bad_channel_is_felt_by_its_neighbours_only(void **state)
{
    (void)state;
    enum { N = 23 };
    static const float bad[] = { NAN, INFINITY, 1e4f };
    const struct tp_shape in = { .rank = 1, .dim = { N } };
    for (int size = 2; size <= 7; size++)
        for (int i = 0; i < 3; i++)
            for (int at = 0; at < N; at++) {
                const struct tp_node nd = lrn(size, 1, 0.75f, 1);
                float *x = guarded_random(N, 3);
                x[at] = bad[i];
                check_lrn(&nd, &in, x);
                guarded_free(x);
            }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(TP_ANY, 3, 4, TP_ANY), scalar = { 0 };
    const struct tp_node none = lrn(0, 1, 1, 1), negative = lrn(-5, 1, 1, 1);
    const struct tp_node nan = lrn(5, 1, NAN, 1), fine = lrn(5, 1, 1, 1);
    check_node_refused(&none, &in, "lrn: size is 0; it must be at least 1");
    check_node_refused(&negative, &in, "lrn: size is -5");
    check_node_refused(&nan, &in, "lrn: alpha 1, beta nan and bias 1 must be finite");
    check_node_refused(&fine, &scalar, "lrn: LRN works across the last axis; its input [] has "
                       "none");
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(fine.op->shape(&fine, &in, &out, &err));
    assert_true(tp_shape_equal(&out, &in));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size_over_any_number_of_channels),
        cmocka_unit_test(any_rank_and_parameters),
        cmocka_unit_test(a_bad_channel_is_felt_by_its_neighbours_only),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
