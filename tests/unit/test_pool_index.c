/* test_pool_index.c - where maxima are: against PyTorch, and against the maxima themselves. */
#include "pool_golden.h"

#include <math.h>
#include <stdlib.h>

static struct tp_node index_node(struct tp_window window)
{
    struct tp_node nd = { .name = "i", .type = "MaxPool", .op = &tp_op_pool_index, .n_inputs = 1 };
    nd.attr.pool.window = window;
    return nd;
}

static struct tp_node grid_node(int height, int width)
{
    struct tp_node nd = index_node((struct tp_window){ .kernel = { 0 } });
    nd.attr.pool.bins[0] = height;
    nd.attr.pool.bins[1] = width;
    return nd;
}

/* ---- the definition -------------------------------------------------------------------------- */

static bool belongs(const struct tp_pool_attr *a, int axis, int64_t length, int64_t o,
                    int64_t place)
{
    const struct tp_window *w = &a->window;
    if (a->bins[0])
        return place >= o * length / a->bins[axis] && place * a->bins[axis] < (o + 1) * length;
    for (int k = 0; k < w->kernel[axis]; k++)
        if (o * w->strides[axis] - w->pads[axis] + k * w->dilations[axis] == place) return true;
    return false;
}

/* Explicit padding or none. */
static void check_data(const struct tp_node *nd, struct tp_shape in, float *data)
{
    const struct tp_pool_attr *a = &nd->attr.pool;
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd->op->shape(nd, &in, &out, &err));
    const int64_t h = in.dim[1], w = in.dim[2], c = in.dim[3];
    const int64_t oh = out.rank == 2 ? 1 : out.dim[1], ow = out.rank == 2 ? 1 : out.dim[2];
    double *want = malloc((size_t)tp_shape_elements(&out) * sizeof *want);
    for (int64_t i = 0; i < tp_shape_elements(&out); i++) {
        const int64_t x = i / c % ow, y = i / c / ow % oh, n = i / c / ow / oh;
        const float *map = data + n * h * w * c + i % c;
        want[i] = -1;
        for (int64_t at = 0; at < h * w; at++)
            if (belongs(a, 0, h, y, at / w) && belongs(a, 1, w, x, at % w) &&
                (want[i] < 0 || isnan(map[at * c]) || map[at * c] > map[(int64_t)want[i] * c]))
                want[i] = (double)at;
    }
    check_node_against(nd, &in, &data, want, 0);
    free(want);
}

static void check_random(const struct tp_node *nd, struct tp_shape in)
{
    float *data = guarded_random(tp_shape_elements(&in), 11);
    check_data(nd, in, data);
    guarded_free(data);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void every_number_of_channels_is_exact(void **state)
{
    (void)state;
    const struct tp_node window = index_node((struct tp_window){
        .kernel = { 3, 2 }, .strides = { 2, 2 }, .dilations = { 1, 1 }, .pads = { 1, 1, 1, 1 },
        .padding = TP_PADDING_EXPLICIT });
    const struct tp_node grid = grid_node(3, 2), global = grid_node(1, 1);
    for (int c = 1; c <= 50; c += c < 18 ? 1 : 7) {
        check_random(&window, TP_SHAPE4(2, 7, 6, c));
        check_random(&grid, TP_SHAPE4(1, 7, 5, c));
        check_random(&global, TP_SHAPE4(3, 4, 9, c));
    }
}

static void every_window_is_exact(void **state)
{
    (void)state;
    for (int kernel = 1; kernel <= 4; kernel++)
        for (int stride = 1; stride <= 3; stride++)
            for (int dilation = 1; dilation <= 3; dilation += 2)
                for (int pad = 0; pad < kernel; pad++) {
                    const struct tp_node nd = index_node((struct tp_window){
                        .kernel = { kernel, kernel }, .strides = { stride, 4 - stride },
                        .dilations = { dilation, 1 }, .pads = { pad, pad, pad, 0 },
                        .padding = TP_PADDING_EXPLICIT, .ceil_mode = stride == 2 });
                    check_random(&nd, TP_SHAPE4(1, 11, 7, 3));
                }
}

static void windows_are_pytorchs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof window_goldens / sizeof *window_goldens; i++) {
        const struct tp_shape in = golden_shape(window_goldens[i].shape);
        float *map = golden_map(window_goldens[i].shape, WINDOW_SEED + (uint32_t)i,
                                window_goldens[i].special);
        const struct tp_node nd = index_node(window_goldens[i].window);
        check_golden(&nd, &in, &map, window_goldens[i].index, 0);
        guarded_free(map);
    }
}

static void grids_are_pytorchs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof grid_goldens / sizeof *grid_goldens; i++) {
        const struct tp_shape in = golden_shape(grid_goldens[i].shape);
        float *map = golden_map(grid_goldens[i].shape, GRID_SEED + (uint32_t)i,
                                grid_goldens[i].special);
        const struct tp_node nd = grid_node(grid_goldens[i].bins[0], grid_goldens[i].bins[1]);
        check_golden(&nd, &in, &map, grid_goldens[i].index, 0);
        guarded_free(map);
    }
}

static void of_equals_the_first_counts_and_of_nans_the_last(void **state)
{
    (void)state;
    const struct { float x[6]; double want; } cases[] = {
        { { 1, 3, 3, 2, 3, 0 }, 1 },
        { { 0.0f, -0.0f, 0.0f, 0, 0, 0 }, 0 },
        { { -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY }, 0 },
        { { -INFINITY, -INFINITY, -3e38f, -INFINITY, -INFINITY, -INFINITY }, 2 },
        { { 1, NAN, INFINITY, NAN, INFINITY, 2 }, 3 },
        { { NAN, 9, 9, 9, 9, 9 }, 0 },
        { { 5, 9, 9, 9, 9, NAN }, 5 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int c = 1; c <= 35; c += 17) {
            const struct tp_node nd = grid_node(1, 1);
            const struct tp_shape in = TP_SHAPE4(1, 2, 3, c);
            float *map = guarded((size_t)(6 * c) * sizeof *map);
            double want[35];
            for (int j = 0; j < 6 * c; j++) map[j] = cases[i].x[j / c];
            for (int j = 0; j < c; j++) want[j] = cases[i].want;
            check_node_against(&nd, &in, &map, want, 0);
            guarded_free(map);
        }
}

static void a_window_on_padding_alone_has_no_place(void **state)
{
    (void)state;
    const struct tp_node nd = index_node((struct tp_window){
        .kernel = { 2, 1 }, .strides = { 1, 1 }, .dilations = { 9, 1 }, .pads = { 6, 0, 6, 0 },
        .padding = TP_PADDING_EXPLICIT });
    check_random(&nd, TP_SHAPE4(1, 2, 3, 2));
}

static void maps_too_large_for_floats_to_count_are_refused(void **state)
{
    (void)state;
    struct tp_shape out;
    struct tp_err err = { 0 };
    const struct tp_node nd = grid_node(1, 1);
    assert_true(nd.op->shape(&nd, &TP_SHAPE4(1, 4096, 4096, 1), &out, &err));
    assert_true(nd.op->shape(&nd, &TP_SHAPE4(TP_ANY, TP_ANY, 1 << 28, 1), &out, &err));
    check_node_refused(&nd, &TP_SHAPE4(1, 4096, 4097, 1), "4096x4097");
    check_node_refused(&nd, &TP_SHAPE4(1, INT64_MAX, 2, 1), "at most 16777216");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_channels_is_exact),
        cmocka_unit_test(every_window_is_exact),
        cmocka_unit_test(windows_are_pytorchs),
        cmocka_unit_test(grids_are_pytorchs),
        cmocka_unit_test(of_equals_the_first_counts_and_of_nans_the_last),
        cmocka_unit_test(a_window_on_padding_alone_has_no_place),
        cmocka_unit_test(maps_too_large_for_floats_to_count_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
