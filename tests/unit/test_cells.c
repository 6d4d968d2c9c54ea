/* test_cells.c - which pixels windows and bins have, against the definitions tried pixel by
 * pixel. */
#include "check.h"
#include "ops/cells.h"

#include <string.h>

static struct tp_node node_of(struct tp_window window)
{
    struct tp_node nd = { .name = "c", .type = "Pooling", .op = &tp_op_bin_pool, .n_inputs = 1 };
    nd.attr.pool.window = window;
    return nd;
}

/* Calls at() for every output pixel of the node and holds each axis against `lies`, which tells
 * whether a place of the map belongs to it. */
typedef bool lies_fn(const struct tp_node *nd, int axis, int64_t index, int64_t place,
                     const struct tp_cells *c);

static void check_cells(const struct tp_node *nd, struct tp_shape in, lies_fn *lies)
{
    struct tp_err err = { 0 };
    struct tp_arena arena;
    struct tp_step st = { .node = nd, .in = &in };
    tp_arena_init(&arena, SIZE_MAX);
    assert_true(tp_cells_shape(nd, &in, &st.out, &err));
    assert_true(tp_cells_plan(&st, &arena, &err));
    const struct tp_cells *c = st.state;
    for (int axis = 0; axis < 2; axis++) {
        assert_int_equal(c->out[axis], st.out.dim[axis + 1]);
        for (int64_t i = 0; i < c->out[axis]; i++) {
            const struct tp_cell cell = tp_cells_at(c, axis ? 0 : i, axis ? i : 0);
            int64_t next = cell.first[axis], seen = 0;
            for (int64_t place = 0; place < in.dim[axis + 1]; place++) {
                if (!lies(nd, axis, i, place, c)) continue;
                assert_int_equal(place, next);
                next += cell.step[axis];
                seen++;
            }
            assert_int_equal(seen, cell.n[axis]);
        }
    }
    tp_arena_fini(&arena);
}

static bool in_window(const struct tp_node *nd, int axis, int64_t index, int64_t place,
                      const struct tp_cells *c)
{
    const struct tp_window *w = &nd->attr.pool.window;
    for (int k = 0; k < w->kernel[axis]; k++)
        if (index * w->strides[axis] - c->fit.before[axis] + k * w->dilations[axis] == place)
            return true;
    return false;
}

/* Pixel [place, place + 1) and bin [index / bins, (index + 1) / bins) of the length overlap. */
static bool in_bin(const struct tp_node *nd, int axis, int64_t index, int64_t place,
                   const struct tp_cells *c)
{
    const int64_t bins = nd->attr.pool.bins[axis], length = c->in[axis];
    return (place + 1) * bins > index * length && place * bins < (index + 1) * length;
}

static void windows_have_the_pixels_of_their_taps(void **state)
{
    (void)state;
    for (int kernel = 1; kernel <= 4; kernel++)
        for (int stride = 1; stride <= 3; stride++)
            for (int dilation = 1; dilation <= 3; dilation++)
                for (int pad = 0; pad < 3 && pad < kernel; pad++) {
                    const struct tp_node nd = node_of((struct tp_window){
                        .kernel = { kernel, kernel }, .strides = { stride, 1 },
                        .dilations = { dilation, 1 }, .pads = { pad, pad, 0, pad },
                        .padding = TP_PADDING_EXPLICIT, .ceil_mode = pad == 1,
                    });
                    check_cells(&nd, TP_SHAPE4(1, 11, 7, 1), in_window);
                }
}

static void same_padding_and_far_dilations_are_cut_at_the_edge(void **state)
{
    (void)state;
    for (int dilation = 1; dilation <= 40; dilation += 3) {
        const struct tp_node nd = node_of((struct tp_window){
            .kernel = { 3, 2 }, .strides = { 1, 2 }, .dilations = { dilation, 41 - dilation },
            .padding = TP_PADDING_SAME,
        });
        check_cells(&nd, TP_SHAPE4(1, 6, 9, 1), in_window);
    }
}

static void bins_have_every_pixel_they_touch(void **state)
{
    (void)state;
    for (int bins = 1; bins <= 9; bins++)
        for (int size = 1; size <= 20; size++) {
            struct tp_node nd = node_of((struct tp_window){ .kernel = { 0 } });
            nd.attr.pool.keep_dims = true;
            nd.attr.pool.bins[0] = bins;
            nd.attr.pool.bins[1] = 10 - bins;
            check_cells(&nd, TP_SHAPE4(1, size, 21 - size, 1), in_bin);
        }
}

/* Every stretch of a cell's pixels, whole rows and single pixels, all channels and some. */
static void a_cell_is_read_in_stretches_of_any_length(void **state)
{
    (void)state;
    enum { HEIGHT = 7, WIDTH = 9, CHANNELS = 5 };
    float *map = guarded_random(HEIGHT * WIDTH * CHANNELS, 1);
    for (int step = 1; step <= 2; step++)
        for (int from = 0; from < CHANNELS; from += 2) {
            const struct tp_cell_pixels p = {
                .map = map + from, .width = WIDTH, .channels = CHANNELS,
                .n_channels = CHANNELS - from,
                .cell = { { 1, 0 }, { 3, step == 1 ? 9 : 5 }, { 2, step } },
            };
            const int64_t all = p.cell.n[0] * p.cell.n[1];
            for (int64_t first = 0; first < all; first++)
                for (int n = 1; n <= all - first; n++) {
                    float *block = guarded((size_t)(n * p.n_channels) * sizeof *block);
                    tp_cells_read(&p, block, first, n);
                    for (int i = 0; i < n * p.n_channels; i++) {
                        const int64_t pixel = first + i / p.n_channels;
                        const int64_t y = 1 + pixel / p.cell.n[1] * 2;
                        const int64_t x = pixel % p.cell.n[1] * step;
                        const float want = map[(y * WIDTH + x) * CHANNELS + from +
                                               i % p.n_channels];
                        assert_memory_equal(&block[i], &want, sizeof want);
                    }
                    guarded_free(block);
                }
        }
    guarded_free(map);
}

static void shapes_are_those_of_windows_and_grids(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    struct tp_shape out;
    struct tp_node nd = node_of((struct tp_window){ .kernel = { 3, 2 }, .strides = { 2, 2 },
                                                    .dilations = { 1, 1 } });
    assert_true(tp_cells_shape(&nd, &TP_SHAPE4(2, 7, TP_ANY, 5), &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(2, 3, TP_ANY, 5)));
    nd.attr.pool.bins[0] = nd.attr.pool.bins[1] = 1;
    assert_true(tp_cells_shape(&nd, &TP_SHAPE4(TP_ANY, 7, TP_ANY, 5), &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE2(TP_ANY, 5)));
    nd.attr.pool.keep_dims = true;
    assert_true(tp_cells_shape(&nd, &TP_SHAPE4(3, 7, 7, 5), &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(3, 1, 1, 5)));
    nd.attr.pool.keep_dims = false;
    nd.attr.pool.bins[1] = 2;
    assert_true(tp_cells_shape(&nd, &TP_SHAPE4(3, 7, 7, 5), &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(3, 1, 2, 5)));
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 5, 5, 1);
    struct tp_node nd = node_of((struct tp_window){ .kernel = { 3, 0 }, .strides = { 1, 1 },
                                                    .dilations = { 1, 1 } });
    check_node_refused(&nd, &in, "window width 0");
    nd.attr.pool.window.kernel[1] = 6;
    check_node_refused(&nd, &in, "exceeds the padded input");
    nd.attr.pool.window = (struct tp_window){
        .kernel = { 2, 2 }, .strides = { 1, 1 }, .dilations = { 1, 1 }, .pads = { 0, 2, 0, 0 },
        .padding = TP_PADDING_EXPLICIT };
    check_node_refused(&nd, &in, "pads [0, 2, 0, 0]");
    nd.attr.pool.bins[0] = 3;
    check_node_refused(&nd, &in, "grid 3x0");
    nd.attr.pool.bins[0] = -3, nd.attr.pool.bins[1] = 2;
    check_node_refused(&nd, &in, "grid -3x2");
    nd.attr.pool.bins[0] = 2;
    check_node_refused(&nd, &TP_SHAPE2(1, 5), "needs a map");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_have_the_pixels_of_their_taps),
        cmocka_unit_test(same_padding_and_far_dilations_are_cut_at_the_edge),
        cmocka_unit_test(bins_have_every_pixel_they_touch),
        cmocka_unit_test(a_cell_is_read_in_stretches_of_any_length),
        cmocka_unit_test(shapes_are_those_of_windows_and_grids),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
