/* test_pool.c - sliding pooling against the judge: windows, paddings, dilations, odd sizes. */
#include "pool_golden.h"

#include <math.h>
#include <string.h>

static const enum tp_pool_op kinds[] = { TP_OP_MAX, TP_OP_AVG, TP_OP_MIN, TP_OP_SUM, TP_OP_LP };

static struct tp_node pool_node(enum tp_pool_op kind, struct tp_window window)
{
    struct tp_node nd = { .name = "p", .type = "Pooling", .op = &tp_op_pool, .n_inputs = 1 };
    nd.attr.pool.kind = kind;
    nd.attr.pool.window = window;
    nd.attr.pool.p = 2;
    return nd;
}

static struct tp_window square(int kernel, int stride, enum tp_padding padding)
{
    return (struct tp_window){ .kernel = { kernel, kernel }, .strides = { stride, stride },
                               .dilations = { 1, 1 }, .padding = padding };
}

/* All five kinds of a window over one map, average with and without the padding. */
static void check_kinds(struct tp_window window, struct tp_shape in)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct tp_node nd = pool_node(kinds[i], window);
        check_node_random(&nd, &in, 1e-6);
    }
    struct tp_node nd = pool_node(TP_OP_AVG, window);
    nd.attr.pool.count_include_pad = true;
    check_node_random(&nd, &in, 1e-6);
}

/* One of the six by turns: for sweeps whose cases are many and alike for all kinds. */
static void check_by_turns(struct tp_window window, struct tp_shape in)
{
    static unsigned turn;
    unsigned which = turn++ % 6;
    struct tp_node nd = pool_node(which < 5 ? kinds[which] : TP_OP_AVG, window);
    nd.attr.pool.count_include_pad = which == 5;
    check_node_random(&nd, &in, 1e-6);
}

static void every_number_of_channels_is_exact(void **state)
{
    (void)state;
    for (int c = 1; c <= 40; c++) {
        check_by_turns(square(3, 2, TP_PADDING_SAME), TP_SHAPE4(1, 7, 37, c));
        check_by_turns(square(2, 1, TP_PADDING_VALID), TP_SHAPE4(1, 3, 11, c));
        check_by_turns(square(2, 2, TP_PADDING_VALID), TP_SHAPE4(1, 4, 41, c));
    }
    check_kinds(square(3, 2, TP_PADDING_SAME), TP_SHAPE4(1, 3, 21, 1));
    check_kinds(square(3, 2, TP_PADDING_SAME), TP_SHAPE4(1, 3, 21, 5));
    check_kinds(square(3, 2, TP_PADDING_SAME), TP_SHAPE4(1, 5, 6, 67));
    check_kinds(square(3, 1, TP_PADDING_SAME), TP_SHAPE4(1, 2, 3, 129));
}

static void few_rows_of_many_channels_are_exact(void **state)
{
    (void)state;
    check_kinds(square(3, 2, TP_PADDING_SAME), TP_SHAPE4(1, 7, 7, 2048));
    check_kinds(square(2, 2, TP_PADDING_VALID), TP_SHAPE4(2, 2, 2, 200));
}

static void every_size_of_map_and_window_is_exact(void **state)
{
    (void)state;
    for (int size = 1; size <= 7; size++)
        for (int kernel = 1; kernel <= 4; kernel++)
            for (int stride = 1; stride <= 5; stride++) {
                struct tp_window w = square(kernel, stride, TP_PADDING_SAME);
                check_by_turns(w, TP_SHAPE4(1, size, 8 - size, 3));
                if (kernel > size || kernel > 8 - size) continue;
                w.padding = TP_PADDING_VALID;
                check_by_turns(w, TP_SHAPE4(1, size, 8 - size, 2));
            }
}

static void wide_strides_over_few_channels_are_exact(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 9; channels += 2)
        for (int stride = 2; stride <= 40; stride += stride < 5 ? 1 : 17)
            for (int width = 59; width <= 61; width++)
                check_by_turns(square(2, stride, TP_PADDING_VALID),
                               TP_SHAPE4(1, 3, width, channels));
}

static void explicit_pads_may_differ_on_all_sides(void **state)
{
    (void)state;
    struct tp_window w = { .kernel = { 4, 3 }, .strides = { 3, 2 }, .dilations = { 1, 1 },
                           .padding = TP_PADDING_EXPLICIT };
    for (int top = 0; top < 4; top++)
        for (int left = 0; left < 3; left++)
            for (int bottom = 0; bottom < 4; bottom++) {
                const int pads[4] = { top, left, bottom, 2 - left };
                memcpy(w.pads, pads, sizeof pads);
                check_by_turns(w, TP_SHAPE4(2, 5, 11, 5));
            }
}

static void dilated_windows_are_exact(void **state)
{
    (void)state;
    struct tp_window w = { .kernel = { 3, 2 }, .strides = { 1, 2 }, .dilations = { 2, 3 },
                           .padding = TP_PADDING_SAME };
    check_kinds(w, TP_SHAPE4(1, 9, 13, 7));
    w.padding = TP_PADDING_VALID;
    check_kinds(w, TP_SHAPE4(2, 9, 13, 17));
}

static void windows_much_larger_than_the_map_are_exact(void **state)
{
    (void)state;
    check_kinds(square(31, 1, TP_PADDING_SAME), TP_SHAPE4(1, 5, 6, 3));
    check_kinds(square(11, 1, TP_PADDING_SAME), TP_SHAPE4(1, 13, 12, 2));
}

static void ceil_mode_adds_a_partial_window(void **state)
{
    (void)state;
    struct tp_window w = square(3, 2, TP_PADDING_EXPLICIT);
    w.ceil_mode = true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int pad = 0; pad <= 1; pad++) {
            w.pads[0] = w.pads[1] = pad;
            struct tp_node nd = pool_node(kinds[i], w);
            check_node_random(&nd, &TP_SHAPE4(1, 6, 8, 4), 1e-6);
        }
}

/* One run of `nd` over `input`, on the table that is chosen. Returns the output's shape. */
static struct tp_shape run_node(const struct tp_node *nd, struct tp_shape in, const float *input,
                                float *output)
{
    struct tp_err err = { 0 };
    struct tp_arena arena;
    struct tp_step st = { .node = nd, .k = tp_kernels_get(), .in = &in };
    struct tp_io io = { &input, output, NULL, 1 };
    tp_arena_init(&arena, SIZE_MAX);
    assert_true(nd->op->shape(nd, &in, &st.out, &err));
    assert_true(nd->op->plan(&st, &arena, &err));
    nd->op->run(&st, &io);
    tp_arena_fini(&arena);
    return st.out;
}

/* Four ones, windows of 3 by strides of 2, one column of padding in front and none behind: the last
 * window reaches beyond even that, and is divided by the two places that exist (PyTorch). */
static void an_average_never_counts_what_lies_beyond_the_padding(void **state)
{
    (void)state;
    const float ones[4] = { 1, 1, 1, 1 };
    float out[3];
    struct tp_node nd = pool_node(TP_OP_AVG, (struct tp_window){
        .kernel = { 1, 3 }, .strides = { 1, 2 }, .dilations = { 1, 1 }, .pads = { 0, 1, 0, 0 },
        .padding = TP_PADDING_EXPLICIT, .ceil_mode = true });
    nd.attr.pool.count_include_pad = true;
    struct tp_shape shape = run_node(&nd, TP_SHAPE4(1, 1, 4, 1), ones, out);
    assert_int_equal(shape.dim[2], 2);
    assert_float_equal(out[0], 2.0f / 3, 1e-6f);
    assert_float_equal(out[1], 1, 1e-6f);

    struct tp_shape longer = run_node(&nd, TP_SHAPE4(1, 1, 3, 1), ones, out);
    assert_int_equal(longer.dim[2], 2);
    assert_float_equal(out[1], 1, 1e-6f);        /* two places, both real */

    nd.attr.pool.window.pads[3] = 1;             /* now three places, one of them padding */
    run_node(&nd, TP_SHAPE4(1, 1, 3, 1), ones, out);
    assert_float_equal(out[1], 2.0f / 3, 1e-6f);
}

static void padding_never_wins(void **state)
{
    (void)state;
    struct tp_node most = pool_node(TP_OP_MAX, square(3, 1, TP_PADDING_SAME));
    struct tp_node least = pool_node(TP_OP_MIN, square(3, 1, TP_PADDING_SAME));
    float in[9 * 5], out[9 * 5];
    for (int i = 0; i < 45; i++) in[i] = -1;
    run_node(&most, TP_SHAPE4(1, 3, 3, 5), in, out);
    for (int i = 0; i < 45; i++) assert_float_equal(out[i], -1, 0);
    for (int i = 0; i < 45; i++) in[i] = 1;
    run_node(&least, TP_SHAPE4(1, 3, 3, 5), in, out);
    for (int i = 0; i < 45; i++) assert_float_equal(out[i], 1, 0);
}

static void nan_and_infinity_go_through(void **state)
{
    (void)state;
    const float odd[] = { NAN, -NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 3e38f, -3e38f };
    for (int channels = 1; channels <= 33; channels += 8)
        for (int stride = 1; stride <= 3; stride++) {
            struct tp_shape in = TP_SHAPE4(1, 9, 23, channels);
            float *data = guarded_random(tp_shape_elements(&in), 7);
            uint32_t seed = (uint32_t)channels;
            for (int i = 0; i < 12 * channels; i++)
                data[next_random(&seed) % (uint32_t)tp_shape_elements(&in)] = odd[i % 8];
            for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
                if (kinds[i] != TP_OP_MAX && kinds[i] != TP_OP_MIN) continue;
                struct tp_node nd = pool_node(kinds[i], square(3, stride, TP_PADDING_SAME));
                check_node(&nd, &in, &data, 0);
            }
            for (int64_t i = 0; i < tp_shape_elements(&in); i++)
                if (fabsf(data[i]) > 1e38f && isfinite(data[i])) data[i] = 1;
            for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
                struct tp_node nd = pool_node(kinds[i], square(3, stride, TP_PADDING_SAME));
                check_node(&nd, &in, &data, 1e-6);
            }
            guarded_free(data);
        }
}

static void windows_are_pytorchs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof window_goldens / sizeof *window_goldens; i++) {
        const struct tp_shape in = golden_shape(window_goldens[i].shape);
        float *map = golden_map(window_goldens[i].shape, WINDOW_SEED + (uint32_t)i,
                                window_goldens[i].special);
        struct tp_node nd = pool_node(TP_OP_MAX, window_goldens[i].window);
        check_golden(&nd, &in, &map, window_goldens[i].max, 1e-6);
        nd.attr.pool.kind = TP_OP_LP;
        nd.attr.pool.p = window_goldens[i].p;
        if (window_goldens[i].lp) check_golden(&nd, &in, &map, window_goldens[i].lp, 2e-6);
        guarded_free(map);
    }
}

static void every_p_of_lp_is_exact(void **state)
{
    (void)state;
    const float ps[] = { 1, 1.5f, 2, 2.25f, 3, 4, 5, 7, 20 };
    for (size_t i = 0; i < sizeof ps / sizeof *ps; i++)
        for (int channels = 1; channels <= 35; channels += 17) {
            struct tp_node nd = pool_node(TP_OP_LP, square(3, 2, TP_PADDING_SAME));
            nd.attr.pool.p = ps[i];
            check_node_random(&nd, &TP_SHAPE4(1, 8, 9, channels), 2e-6);
        }
}

static void the_activation_is_applied(void **state)
{
    (void)state;
    struct tp_node nd = pool_node(TP_OP_AVG, square(2, 2, TP_PADDING_VALID));
    nd.act = (struct tp_act){ TP_ACT_CLAMP, 0, 0.25f, 0 };
    check_node_random(&nd, &TP_SHAPE4(1, 9, 9, 5), 1e-6);
    check_node_random(&nd, &TP_SHAPE4(1, 4, 4, 300), 1e-6);
}

static void open_sizes_stay_open(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    struct tp_shape out;
    struct tp_node nd = pool_node(TP_OP_MAX, square(2, 2, TP_PADDING_VALID));
    assert_true(nd.op->shape(&nd, &TP_SHAPE4(TP_ANY, TP_ANY, 9, 3), &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(TP_ANY, TP_ANY, 4, 3)));
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 5, 5, 2);
    struct tp_node nd = pool_node(TP_OP_MAX, square(2, 2, TP_PADDING_VALID));
    check_node_refused(&nd, &TP_SHAPE2(1, 5), "needs a map");
    nd.attr.pool.window.strides[1] = 0;
    check_node_refused(&nd, &in, "stride 0");
    nd = pool_node(TP_OP_MAX, square(-3, 1, TP_PADDING_VALID));
    check_node_refused(&nd, &in, "height -3");
    nd = pool_node(TP_OP_MAX, square(6, 1, TP_PADDING_VALID));
    check_node_refused(&nd, &in, "exceeds the padded input");
    nd = pool_node(TP_OP_MAX, square(1 << 30, 1, TP_PADDING_SAME));
    check_node_refused(&nd, &in, "spans a height of");
    nd = pool_node(TP_OP_MAX, square(2, 1, TP_PADDING_SAME));
    nd.attr.pool.window.dilations[0] = INT32_MAX;
    check_node_refused(&nd, &in, "spans a height of 2147483648");
    check_node_refused(&nd, &TP_SHAPE4(1, 1LL << 40, 5, 2), "at most");
    nd = pool_node(TP_OP_GEM, square(2, 2, TP_PADDING_VALID));
    check_node_refused(&nd, &in, "sliding gem pooling is not done here");
    nd.attr.pool.kind = TP_OP_STD;
    check_node_refused(&nd, &in, "sliding std pooling is not done here");
}

static void pads_as_wide_as_the_window_are_refused(void **state)
{
    (void)state;
    struct tp_node nd = pool_node(TP_OP_MAX, square(3, 1, TP_PADDING_EXPLICIT));
    for (int side = 0; side < 4; side++) {
        memset(nd.attr.pool.window.pads, 0, sizeof nd.attr.pool.window.pads);
        nd.attr.pool.window.pads[side] = 3;
        check_node_refused(&nd, &TP_SHAPE4(1, 5, 5, 2), "smaller than the window");
        nd.attr.pool.window.pads[side] = -1;
        check_node_refused(&nd, &TP_SHAPE4(1, 5, 5, 2), "must be at least 0");
        nd.attr.pool.window.pads[side] = 2;
        check_node_random(&nd, &TP_SHAPE4(1, 5, 5, 2), 0);
    }
    nd.attr.pool.window.dilations[0] = nd.attr.pool.window.dilations[1] = 2;
    nd.attr.pool.window.pads[0] = 4;             /* a dilated window spans 5 */
    check_node_random(&nd, &TP_SHAPE4(1, 5, 5, 2), 0);
}

/* Refused exactly when some window has no tap inside: counted here one by one. */
static void windows_between_whose_taps_the_map_lies_are_refused(void **state)
{
    (void)state;
    for (int length = 1; length <= 4; length++)
        for (int dilation = 1; dilation <= 7; dilation++)
            for (int kernel = 1; kernel <= 3; kernel++)
                for (int stride = 1; stride <= 8; stride += 1 + stride / 4) {
                    struct tp_node nd = pool_node(TP_OP_MAX, (struct tp_window){
                        .kernel = { kernel, 1 }, .strides = { stride, 1 },
                        .dilations = { dilation, 1 }, .padding = TP_PADDING_EXPLICIT });
                    int pad = (kernel - 1) * dilation;
                    nd.attr.pool.window.pads[0] = nd.attr.pool.window.pads[2] = pad;
                    bool misses = false;
                    for (int start = -pad; start <= length - 1; start += stride) {
                        bool hit = false;
                        for (int k = 0; k < kernel; k++)
                            hit |= start + k * dilation >= 0 && start + k * dilation < length;
                        misses |= !hit;
                    }
                    struct tp_shape in = TP_SHAPE4(1, length, 2, 3);
                    if (misses) check_node_refused(&nd, &in, "padding alone");
                    else check_node_random(&nd, &in, 0);
                }
}

static void p_below_one_is_refused(void **state)
{
    (void)state;
    const float bad[] = { 0.5f, 0, -1, NAN, INFINITY };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tp_node nd = pool_node(TP_OP_LP, square(2, 1, TP_PADDING_VALID));
        nd.attr.pool.p = bad[i];
        check_node_refused(&nd, &TP_SHAPE4(1, 5, 5, 2), "p is");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_channels_is_exact),
        cmocka_unit_test(few_rows_of_many_channels_are_exact),
        cmocka_unit_test(every_size_of_map_and_window_is_exact),
        cmocka_unit_test(wide_strides_over_few_channels_are_exact),
        cmocka_unit_test(explicit_pads_may_differ_on_all_sides),
        cmocka_unit_test(dilated_windows_are_exact),
        cmocka_unit_test(windows_much_larger_than_the_map_are_exact),
        cmocka_unit_test(ceil_mode_adds_a_partial_window),
        cmocka_unit_test(an_average_never_counts_what_lies_beyond_the_padding),
        cmocka_unit_test(padding_never_wins),
        cmocka_unit_test(nan_and_infinity_go_through),
        cmocka_unit_test(windows_are_pytorchs),
        cmocka_unit_test(every_p_of_lp_is_exact),
        cmocka_unit_test(the_activation_is_applied),
        cmocka_unit_test(open_sizes_stay_open),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
        cmocka_unit_test(pads_as_wide_as_the_window_are_refused),
        cmocka_unit_test(windows_between_whose_taps_the_map_lies_are_refused),
        cmocka_unit_test(p_below_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
