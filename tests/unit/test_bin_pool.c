/* test_bin_pool.c - pooling window by window and bin by bin, against the definitions in double
 * precision and against PyTorch. */
#include "pool_golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const enum tp_pool_op kinds[] = { TP_OP_MAX, TP_OP_AVG, TP_OP_MIN, TP_OP_SUM, TP_OP_LP,
                                         TP_OP_GEM, TP_OP_STD };
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static struct tp_node bin_node(enum tp_pool_op kind, float p)
{
    struct tp_node nd = { .name = "b", .type = "Pooling", .op = &tp_op_bin_pool, .n_inputs = 1 };
    nd.attr.pool.kind = kind;
    nd.attr.pool.p = p;
    return nd;
}

static struct tp_node window_node(enum tp_pool_op kind, float p, struct tp_window window)
{
    struct tp_node nd = bin_node(kind, p);
    nd.attr.pool.window = window;
    return nd;
}

static struct tp_node grid_node(enum tp_pool_op kind, float p, int height, int width)
{
    struct tp_node nd = bin_node(kind, p);
    nd.attr.pool.bins[0] = height;
    nd.attr.pool.bins[1] = width;
    return nd;
}

/* ---- the definitions ------------------------------------------------------------------------- */

/* Values of one window or bin, at most `most`. */
struct values { double *x; int n; };

static double settle(const struct tp_pool_attr *a, const struct values *v)
{
    double sum = 0, mean = 0, best = v->n ? v->x[0] : 0;
    for (int i = 0; i < v->n; i++) mean += v->x[i] / v->n;
    for (int i = 0; i < v->n; i++) {
        const double x = v->x[i];
        if (isnan(x) || (a->kind == TP_OP_MAX ? x > best : x < best)) best = x;
        sum += a->kind == TP_OP_LP    ? pow(fabs(x), (double)a->p)
             : a->kind == TP_OP_GEM   ? pow(x < (double)1e-6f ? (double)1e-6f : x, (double)a->p)
             : a->kind == TP_OP_STD   ? (x - mean) * (x - mean) : x;
    }
    if (!v->n) return 0;
    switch (a->kind) {
    case TP_OP_MAX:
    case TP_OP_MIN: return best;
    case TP_OP_SUM: return sum;
    case TP_OP_AVG: return sum / v->n;
    case TP_OP_LP: return pow(sum, 1 / (double)a->p);
    case TP_OP_GEM: return pow(sum / v->n, 1 / (double)a->p);
    case TP_OP_STD: return sqrt(sum / v->n);
    }
    return NAN;
}

/* Whether `place` of an axis belongs to output `o`. */
static bool belongs(const struct tp_pool_attr *a, int axis, int64_t length, int64_t n_out,
                    int64_t o, int64_t place)
{
    const struct tp_window *w = &a->window;
    if (a->bins[0])
        return place >= o * length / a->bins[axis] && place * a->bins[axis] < (o + 1) * length;
    const int64_t span = (int64_t)(w->kernel[axis] - 1) * w->dilations[axis] + 1;
    const int64_t total = (n_out - 1) * w->strides[axis] + span - length;
    const int64_t before = w->padding == TP_PADDING_EXPLICIT ? w->pads[axis]
                         : w->padding == TP_PADDING_SAME && total > 0 ? total / 2 : 0;
    for (int64_t k = 0; k < w->kernel[axis]; k++)
        if (o * w->strides[axis] - before + k * w->dilations[axis] == place) return true;
    return false;
}

static double *judge(const struct tp_node *nd, const struct tp_shape *in, const float *data)
{
    const struct tp_pool_attr *a = &nd->attr.pool;
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd->op->shape(nd, in, &out, &err));
    const int64_t h = in->dim[1], w = in->dim[2], c = in->dim[3];
    const int64_t oh = out.rank == 2 ? 1 : out.dim[1], ow = out.rank == 2 ? 1 : out.dim[2];
    double *want = malloc((size_t)tp_shape_elements(&out) * sizeof *want);
    struct values v = { malloc((size_t)(h * w) * sizeof(double)), 0 };
    for (int64_t i = 0; i < tp_shape_elements(&out); i++) {
        const int64_t channel = i % c, x = i / c % ow, y = i / c / ow % oh, n = i / c / ow / oh;
        v.n = 0;
        for (int64_t py = 0; py < h; py++)
            for (int64_t px = 0; px < w; px++)
                if (belongs(a, 0, h, oh, y, py) && belongs(a, 1, w, ow, x, px))
                    v.x[v.n++] = (double)data[((n * h + py) * w + px) * c + channel];
        want[i] = settle(a, &v);
    }
    free(v.x);
    return want;
}

static void check_data(const struct tp_node *nd, struct tp_shape in, float *data, double tolerance)
{
    double *want = judge(nd, &in, data);
    check_node_against(nd, &in, &data, want, tolerance);
    free(want);
}

static void check_random(const struct tp_node *nd, struct tp_shape in, double tolerance)
{
    float *data = guarded_random(tp_shape_elements(&in), 9);
    check_data(nd, in, data, tolerance);
    guarded_free(data);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void every_kind_on_every_grid_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < N_KINDS; i++)
        for (int bins = 1; bins <= 7; bins += 2)
            for (int size = 1; size <= 11; size += 5) {
                const struct tp_node nd = grid_node(kinds[i], 3, bins, 8 - bins);
                check_random(&nd, TP_SHAPE4(1, size, 12 - size, 3), 2e-6);
            }
}

static void every_kind_of_window_is_exact(void **state)
{
    (void)state;
    struct tp_window w = { .kernel = { 3, 2 }, .strides = { 2, 1 }, .dilations = { 1, 1 } };
    for (int i = 0; i < N_KINDS; i++)
        for (int padding = TP_PADDING_VALID; padding <= TP_PADDING_EXPLICIT; padding++)
            for (int ceil_mode = 0; ceil_mode < 2; ceil_mode++)
                for (int dilation = 1; dilation <= 2; dilation++) {
                    w.padding = (enum tp_padding)padding;
                    w.ceil_mode = ceil_mode;
                    w.dilations[0] = dilation;
                    memcpy(w.pads, (const int[4]){ 1, 0, 2, 1 }, sizeof w.pads);
                    const struct tp_node nd = window_node(kinds[i], 2.5f, w);
                    check_random(&nd, TP_SHAPE4(2, 8, 5, 7), 2e-6);
                }
}

static void every_number_of_channels_is_exact(void **state)
{
    (void)state;
    const struct tp_window w = { .kernel = { 2, 3 }, .strides = { 1, 2 }, .dilations = { 1, 1 } };
    const int wide[] = { 127, 128, 129, 257, 640 };
    for (int c = 1; c <= 40; c++) {
        const struct tp_node nd = window_node(kinds[4 + c % 3], 3, w);
        check_random(&nd, TP_SHAPE4(1, 3, 6, c), 2e-6);
    }
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        for (int kind = 4; kind < N_KINDS; kind++) {
            const struct tp_node nd = grid_node(kinds[kind], 3, 1, 2);
            check_random(&nd, TP_SHAPE4(2, 4, 7, wide[i]), 2e-6);
        }
}

static void whole_maps_are_pooled_into_vectors(void **state)
{
    (void)state;
    for (int i = 0; i < N_KINDS; i++)
        for (int c = 1; c <= 66; c += 32) {
            const struct tp_node nd = grid_node(kinds[i], 3, 1, 1);
            check_random(&nd, TP_SHAPE4(1, 33, 29, c), 1e-5);
        }
}

static void windows_are_pytorchs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof window_goldens / sizeof *window_goldens; i++) {
        const struct tp_shape in = golden_shape(window_goldens[i].shape);
        float *map = golden_map(window_goldens[i].shape, WINDOW_SEED + (uint32_t)i,
                                window_goldens[i].special);
        struct tp_node nd = window_node(TP_OP_MAX, window_goldens[i].p, window_goldens[i].window);
        check_golden(&nd, &in, &map, window_goldens[i].max, 1e-6);
        nd.attr.pool.kind = TP_OP_LP;
        if (window_goldens[i].lp) check_golden(&nd, &in, &map, window_goldens[i].lp, 2e-6);
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
        struct tp_node nd = grid_node(TP_OP_MAX, 0, grid_goldens[i].bins[0],
                                      grid_goldens[i].bins[1]);
        check_golden(&nd, &in, &map, grid_goldens[i].max, 1e-6);
        nd.attr.pool.kind = TP_OP_AVG;
        check_golden(&nd, &in, &map, grid_goldens[i].avg, 1e-6);
        guarded_free(map);
    }
}

static void nan_goes_through_and_infinity_where_it_should(void **state)
{
    (void)state;
    const struct tp_window w = { .kernel = { 3, 3 }, .strides = { 2, 2 }, .dilations = { 1, 1 },
                                 .padding = TP_PADDING_SAME };
    const struct tp_shape in = TP_SHAPE4(1, 9, 11, 5);
    float *data = guarded_random(tp_shape_elements(&in), 4);
    data[3] = NAN;
    data[5 * 40 + 1] = INFINITY;
    data[5 * 70 + 2] = -INFINITY;
    for (int i = 0; i < N_KINDS; i++) {
        const struct tp_node nd = window_node(kinds[i], 2, w);
        check_data(&nd, in, data, 2e-6);
        const struct tp_node grid = grid_node(kinds[i], 3, 2, 3);
        check_data(&grid, in, data, 2e-6);
    }
    guarded_free(data);
}

/* A tap in front of the map and one behind it: the window between them has nothing. */
static void windows_on_padding_alone_are_zero(void **state)
{
    (void)state;
    const struct tp_window w = { .kernel = { 2, 1 }, .strides = { 1, 1 }, .dilations = { 9, 1 },
                                 .pads = { 6, 0, 6, 0 }, .padding = TP_PADDING_EXPLICIT };
    for (int i = 0; i < N_KINDS; i++) {
        const struct tp_node nd = window_node(kinds[i], 2, w);
        check_random(&nd, TP_SHAPE4(1, 2, 3, 2), 1e-6);
    }
}

static void p_must_be_a_number_of_at_least_one(void **state)
{
    (void)state;
    const struct tp_shape in = TP_SHAPE4(1, 3, 3, 1);
    const float bad[] = { 0, 0.99f, -2, NAN, INFINITY };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct tp_node lp = grid_node(TP_OP_LP, bad[i], 1, 1);
        const struct tp_node gem = grid_node(TP_OP_GEM, bad[i], 1, 1);
        const struct tp_node std = grid_node(TP_OP_STD, bad[i], 1, 1);
        struct tp_shape out;
        struct tp_err err = { 0 };
        check_node_refused(&lp, &in, "at least 1");
        check_node_refused(&gem, &in, "at least 1");
        assert_true(std.op->shape(&std, &in, &out, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_on_every_grid_is_exact),
        cmocka_unit_test(every_kind_of_window_is_exact),
        cmocka_unit_test(every_number_of_channels_is_exact),
        cmocka_unit_test(whole_maps_are_pooled_into_vectors),
        cmocka_unit_test(windows_are_pytorchs),
        cmocka_unit_test(grids_are_pytorchs),
        cmocka_unit_test(nan_goes_through_and_infinity_where_it_should),
        cmocka_unit_test(windows_on_padding_alone_are_zero),
        cmocka_unit_test(p_must_be_a_number_of_at_least_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
