/* test_adaptive_pool.c - pooling onto a grid, against the judge and PyTorch's own bin edges. */
#include "pool_golden.h"

#include <math.h>

static const enum tp_pool_op kinds[] = { TP_OP_MAX, TP_OP_AVG, TP_OP_MIN, TP_OP_SUM };

static struct tp_node grid_node(enum tp_pool_op kind, int height, int width)
{
    struct tp_node nd = { .name = "a", .type = "AdaptivePooling", .op = &tp_op_adaptive_pool,
                          .n_inputs = 1 };
    nd.attr.pool.kind = kind;
    nd.attr.pool.bins[0] = height;
    nd.attr.pool.bins[1] = width;
    return nd;
}

static void check_grid(int height, int width, struct tp_shape in)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct tp_node nd = grid_node(kinds[i], height, width);
        check_node_random(&nd, &in, 5e-6);   /* of the result, though random sums nearly cancel */
    }
}

static void every_grid_on_every_size_is_exact(void **state)
{
    (void)state;
    for (int bins = 1; bins <= 7; bins++)
        for (int size = 1; size <= 11; size += 2)
            check_grid(bins, 8 - bins, TP_SHAPE4(1, size, 12 - size, 3));
}

static void every_number_of_channels_is_exact(void **state)
{
    (void)state;
    for (int c = 1; c <= 40; c++) check_grid(2, 3, TP_SHAPE4(2, 5, 19, c));
    check_grid(3, 3, TP_SHAPE4(1, 5, 4, 257));
    check_grid(1, 2, TP_SHAPE4(1, 2, 3, 1031));
    check_grid(2, 2, TP_SHAPE4(1, 3, 3, 2500));
}

static void large_bins_are_exact(void **state)
{
    (void)state;
    check_grid(4, 4, TP_SHAPE4(1, 67, 131, 5));
    check_grid(1, 1, TP_SHAPE4(1, 3, 700, 17));
    check_grid(2, 1, TP_SHAPE4(1, 3, 2049, 1));
    check_grid(2, 2, TP_SHAPE4(1, 601, 5, 3));
}

/* torch.nn.AdaptiveAvgPool1d(3) over 0 1 2 3 4 5 6 is 1 3 5: bins 0-2, 2-4, 4-6 overlap. */
static void bins_are_pytorchs(void **state)
{
    (void)state;
    const float seven[7] = { 0, 1, 2, 3, 4, 5, 6 };
    const float *in = seven;
    float out[3];
    struct tp_node nd = grid_node(TP_OP_AVG, 1, 3);
    struct tp_shape from = TP_SHAPE4(1, 1, 7, 1);
    struct tp_step st = { .node = &nd, .k = tp_kernels_get(), .in = &from };
    struct tp_io io = { &in, out, NULL, 1 };
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, &from, &st.out, &err));
    nd.op->run(&st, &io);
    for (int i = 0; i < 3; i++) assert_float_equal(out[i], 1 + 2 * i, 0);
}

static void grids_are_pytorchs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof grid_goldens / sizeof *grid_goldens; i++) {
        const struct tp_shape in = golden_shape(grid_goldens[i].shape);
        float *map = golden_map(grid_goldens[i].shape, GRID_SEED + (uint32_t)i,
                                grid_goldens[i].special);
        struct tp_node nd = grid_node(TP_OP_MAX, grid_goldens[i].bins[0], grid_goldens[i].bins[1]);
        check_golden(&nd, &in, &map, grid_goldens[i].max, 1e-6);
        nd.attr.pool.kind = TP_OP_AVG;
        check_golden(&nd, &in, &map, grid_goldens[i].avg, 1e-6);
        guarded_free(map);
    }
}

static void nan_and_infinity_go_through(void **state)
{
    (void)state;
    for (int c = 1; c <= 33; c += 8) {
        struct tp_shape in = TP_SHAPE4(1, 13, 47, c);
        float *data = guarded_random(tp_shape_elements(&in), 3);
        data[5 * c] = INFINITY;
        data[90 * c + c - 1] = NAN;
        data[400 * c + c / 2] = -INFINITY;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            struct tp_node nd = grid_node(kinds[i], 3, 2);
            check_node(&nd, &in, &data, 2e-6);
        }
        guarded_free(data);
    }
}

static void the_grid_is_the_shape_whatever_the_input(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    struct tp_shape out;
    struct tp_node nd = grid_node(TP_OP_MAX, 4, 5);
    assert_true(nd.op->shape(&nd, &TP_SHAPE4(TP_ANY, TP_ANY, TP_ANY, 7), &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(TP_ANY, 4, 5, 7)));
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 5, 5, 2);
    struct tp_node none = grid_node(TP_OP_MAX, 0, 3), negative = grid_node(TP_OP_AVG, 3, -1);
    struct tp_node gem = grid_node(TP_OP_GEM, 3, 3), deviation = grid_node(TP_OP_STD, 3, 3);
    struct tp_node lp = grid_node(TP_OP_LP, 3, 3), vector = grid_node(TP_OP_MAX, 1, 1);
    check_node_refused(&none, &in, "grid 0x3");
    check_node_refused(&negative, &in, "grid 3x-1");
    check_node_refused(&lp, &in, "Lp pooling onto a grid");
    check_node_refused(&gem, &in, "gem pooling onto a grid");
    check_node_refused(&deviation, &in, "std pooling onto a grid");
    check_node_refused(&vector, &TP_SHAPE2(1, 5), "needs a map");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_grid_on_every_size_is_exact),
        cmocka_unit_test(every_number_of_channels_is_exact),
        cmocka_unit_test(large_bins_are_exact),
        cmocka_unit_test(bins_are_pytorchs),
        cmocka_unit_test(grids_are_pytorchs),
        cmocka_unit_test(nan_and_infinity_go_through),
        cmocka_unit_test(the_grid_is_the_shape_whatever_the_input),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
