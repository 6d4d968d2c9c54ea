/* test_pack.c - weights of every layout become the same panels. */
#include "check.h"
#include "ops/depthwise.h"
#include "ops/pack.h"
#include "ops/parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct kernel { int height, width, channels, filters, groups; };     /* channels of the input */

static const struct kernel kernels[] = {
    { 1, 1, 1, 1, 1 }, { 1, 1, 300, 70, 1 }, { 3, 3, 5, 7, 1 }, { 3, 3, 64, 33, 1 },
    { 7, 7, 3, 64, 1 }, { 1, 7, 19, 17, 1 }, { 3, 2, 12, 51, 3 }, { 3, 3, 68, 34, 2 },
    { 1, 1, 6, 9, 3 }, { 2, 2, 4, 20, 4 }, { 13, 11, 2, 3, 1 },
    { 3, 3, 17, 17, 17 }, { 5, 1, 64, 64, 64 }, { 3, 3, 24, 24, 3 },     /* depthwise */
};
enum { N_KERNELS = sizeof kernels / sizeof *kernels };

static struct tp_conv_attr attr_of(const struct kernel *s)
{
    return (struct tp_conv_attr){
        .window.kernel = { s->height, s->width }, .groups = s->groups, .filters = s->filters,
        .in_channels = s->channels,
    };
}

/* The weight of tap (y, x), channel c of its group, filter f: a number of its own. */
static float weight(const struct kernel *s, int y, int x, int c, int f)
{
    const int depth = s->channels / s->groups;
    return (float)(1 + ((y * s->width + x) * depth + c) * s->filters + f);
}

/* The same kernel in the three layouts. They begin at odd addresses, as in files, and end at a
 * guard page. */
enum layout { HWIO, OIHW, TURNED, N_LAYOUTS };

static char *lay_out(const struct kernel *s, enum layout layout)
{
    const int depth = s->channels / s->groups, own = s->filters / s->groups;
    const int taps = s->height * s->width;
    char *data = guarded((size_t)(taps * depth * s->filters) * sizeof(float) + 1);
    for (int i = 0; i < taps * depth * s->filters; i++) {
        const int f = i % s->filters, c = i / s->filters % depth, tap = i / s->filters / depth;
        const int places[N_LAYOUTS] = {
            i, (f * depth + c) * taps + tap,
            ((f / own * depth + c) * own + f % own) * taps + taps - 1 - tap,
        };
        const float x = weight(s, tap / s->width, tap % s->width, c, f);
        memcpy(data + (size_t)places[layout] * sizeof x, &x, sizeof x);
    }
    memmove(data + 1, data, (size_t)(taps * depth * s->filters) * sizeof(float));
    return data;
}

static struct tp_pack_source weights_of(const char *data, const struct tp_conv_attr *a,
                                    enum layout layout)
{
    return layout == HWIO ? tp_pack_hwio(data + 1, a)
         : layout == OIHW ? tp_pack_oihw(data + 1, a) : tp_pack_turned(data + 1, a);
}

static void check_packed(const float *packed, const struct kernel *s, int nr)
{
    const int depth = s->channels / s->groups, columns = s->filters / s->groups;
    const int panels = (columns + nr - 1) / nr, rows = s->height * s->width * depth;
    for (int i = 0; i < s->groups * panels * rows * nr; i++) {
        const int row = i / nr % rows, panel = i / nr / rows, tap = row / depth;
        const int column = panel % panels * nr + i % nr;
        const float want = column >= columns ? 0
            : weight(s, tap / s->width, tap % s->width, row % depth,
                     panel / panels * columns + column);
        if (packed[i] != want)
            fail_msg("%dx%dx%dx%d: float %d is %g instead of %g", s->height, s->width, s->channels,
                     s->filters, i, (double)packed[i], (double)want);
    }
}

/* Also over threads, each block being a thread's own. */
static void every_layout_becomes_panels_with_zeros_behind_the_last_column(void **state)
{
    const struct tp_kernels *k;
    (void)state;
    tp_parallel_set_grain(1);
    for (int table = 0; (k = tp_kernels_list(table)); table++)
        for (int i = 0; i < N_KERNELS * N_LAYOUTS * 3; i++) {
            const struct kernel *s = &kernels[i / 3 / N_LAYOUTS];
            const struct tp_conv_attr a = attr_of(s);
            const enum layout layout = (enum layout)(i / 3 % N_LAYOUTS);
            if (tp_depthwise_is(&a)) continue;
            char *data = lay_out(s, layout);
            const struct tp_pack_source w = weights_of(data, &a, layout);
            struct tp_arena arena;
            struct tp_err err = { 0 };
            struct tp_conv_packed packed;
            tp_arena_init(&arena, SIZE_MAX);
            assert_true(tp_pack_conv(&packed, TP_CONV_DIRECT, &w, &a, "conv", k, &arena, i % 3 + 1,
                                     &err));
            assert_int_equal((uintptr_t)packed.data % 64, 0);
            check_packed(packed.data, s, k->nr);
            tp_arena_fini(&arena);
            guarded_free(data);
        }
}

/* G g G' in doubles, from the points of kernels/winograd.h. */
static double plane_of(const struct kernel *s, int m, int plane, int channel, int column)
{
    static const double points[2][5] = { { 0, 1, -1 }, { 0, 0.625, -0.625, 1.5, -1.5 } };
    const int side = m + 2, at[2] = { plane / side, plane % side };
    double g[2][3], sum = 0;
    for (int i = 0; i < 2; i++) {
        const double *p = points[m / 4];
        double distance = m == 2 && at[i] == 0 ? -1 : 1;     /* there B' bears the sign */
        for (int j = 0; j < side - 1; j++)
            if (j != at[i] && at[i] < side - 1) distance *= p[at[i]] - p[j];
        for (int j = 0; j < 3; j++)
            g[i][j] = at[i] == side - 1 ? j == 2 : pow(p[at[i]], j) / distance;
    }
    for (int i = 0; i < 9; i++)
        sum += g[0][i / 3] * g[1][i % 3] * (double)weight(s, i / 3, i % 3, channel, column);
    return sum;
}

static void winograds_planes_are_turned_kernels(void **state)
{
    static const struct kernel s = { 3, 3, 33, 35, 1 };
    const struct tp_conv_attr a = attr_of(&s);
    const struct tp_kernels *k;
    (void)state;
    for (int i = 0; (k = tp_kernels_list(i / 6)); i++) {
        const int m = i & 1 ? 4 : 2, planes = (m + 2) * (m + 2);
        char *data = lay_out(&s, (enum layout)(i % 3));
        const struct tp_pack_source w = weights_of(data, &a, (enum layout)(i % 3));
        struct tp_arena arena;
        struct tp_err err = { 0 };
        struct tp_conv_packed packed;
        tp_arena_init(&arena, SIZE_MAX);
        assert_true(tp_pack_conv(&packed, m == 4 ? TP_CONV_WINOGRAD_4 : TP_CONV_WINOGRAD_2, &w, &a,
                                 "conv", k, &arena, i % 3 + 1, &err));
        for (int at = 0; at < (s.filters + k->nr - 1) / k->nr * planes * s.channels * k->nr; at++) {
            const int panel = at / k->nr / s.channels / planes, column = panel * k->nr + at % k->nr;
            const int plane = at / k->nr / s.channels % planes, channel = at / k->nr % s.channels;
            const double want = column < s.filters ? plane_of(&s, m, plane, channel, column) : 0;
            if (fabs((double)packed.data[at] - want) > 2e-6 * 9 * s.channels * s.filters)
                fail_msg("F(%d, 3): panel %d, plane %d, channel %d, column %d is %g instead of %g",
                         m, panel, plane, channel, column, (double)packed.data[at], want);
        }
        tp_arena_fini(&arena);
        guarded_free(data);
    }
}

static void one_filter_per_channel_stays_without_panels(void **state)
{
    (void)state;
    for (int i = 0; i < N_KERNELS * N_LAYOUTS; i++) {
        const struct kernel *s = &kernels[i / N_LAYOUTS];
        const struct tp_conv_attr a = attr_of(s);
        const enum layout layout = (enum layout)(i % N_LAYOUTS);
        if (!tp_depthwise_is(&a)) continue;
        char *data = lay_out(s, layout);
        const struct tp_pack_source w = weights_of(data, &a, layout);
        struct tp_arena arena;
        struct tp_err err = { 0 };
        struct tp_conv_packed packed;
        tp_arena_init(&arena, SIZE_MAX);
        assert_true(tp_pack_conv(&packed, TP_CONV_DIRECT, &w, &a, "dw", tp_kernels_list(0), &arena,
                                 1, &err));
        for (int t = 0; t < s->height * s->width * s->channels / s->groups * s->filters; t++)
            assert_true(packed.data[t] == (float)(1 + t));    /* [kh, kw, 1, filters] */
        tp_arena_fini(&arena);
        guarded_free(data);
    }
}

static void a_dense_kernel_may_be_transposed(void **state)
{
    enum { IN = 150, OUT = 39 };
    const struct tp_kernels *k;
    float *rows = guarded(IN * OUT * sizeof *rows), *columns = guarded(IN * OUT * sizeof *columns);
    const struct tp_pack_source by_row = { rows, .channel = OUT, .column = 1 };
    const struct tp_pack_source by_column = { columns, .channel = 1, .column = IN };
    (void)state;
    for (int i = 0; i < IN * OUT; i++) rows[i] = columns[i % OUT * IN + i / OUT] = (float)(i + 1);
    for (int table = 0; (k = tp_kernels_list(table)); table++) {
        const struct kernel s = { 1, 1, IN, OUT, 1 };
        struct tp_arena arena;
        struct tp_err err = { 0 };
        const float *packed;
        tp_arena_init(&arena, SIZE_MAX);
        assert_true(tp_pack_gemm(&packed, &by_row, IN, OUT, "fc", k, &arena, 2, &err));
        check_packed(packed, &s, k->nr);
        assert_true(tp_pack_gemm(&packed, &by_column, IN, OUT, "fc", k, &arena, 2, &err));
        check_packed(packed, &s, k->nr);
        tp_arena_fini(&arena);
    }
    guarded_free(rows);
    guarded_free(columns);
}

/* A Conv whose weights came from a file is left as it is. */
static void what_is_packed_is_not_packed_again(void **state)
{
    static const float packed[64];
    struct tp_arena arena;
    struct tp_err err = { 0 };
    struct tp_node conv = { .name = "conv", .op = &tp_op_conv }, gemm = { .op = &tp_op_gemm };
    (void)state;
    conv.attr.conv = attr_of(&kernels[0]);
    conv.attr.conv.packed.data = gemm.attr.gemm.packed = packed;
    tp_arena_init(&arena, 0);
    assert_true(conv.op->prepare(&conv, &TP_SHAPE4(1, 9, 9, 1), tp_kernels_list(0), &arena, &err));
    assert_true(gemm.op->prepare(&gemm, &TP_SHAPE2(1, 1), tp_kernels_list(0), &arena, &err));
    assert_ptr_equal(conv.attr.conv.packed.data, packed);
    assert_ptr_equal(gemm.attr.gemm.packed, packed);
    tp_arena_fini(&arena);
}

static void weights_too_large_to_pack_are_refused_by_name(void **state)
{
    const struct tp_kernels *k = tp_kernels_list(0);
    const float one = 1, *panels;
    struct tp_conv_packed packed;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    struct tp_conv_attr a = attr_of(&(struct kernel){ 40000, 40000, 4, 4, 1 });
    struct tp_pack_source w = tp_pack_oihw(&one, &a);
    (void)state;
    tp_arena_init(&arena, 1 << 20);
    assert_false(tp_pack_conv(&packed, TP_CONV_DIRECT, &w, &a, "layer", k, &arena, 1, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_string_equal(err.message, "layer: its weights are too large to be packed");
    err = (struct tp_err){ 0 };
    assert_false(tp_pack_gemm(&panels, &w, -2, 1, "layer", k, &arena, 1, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    err = (struct tp_err){ 0 };
    assert_false(tp_pack_gemm(&panels, &w, 1 << 20, 1, "layer", k, &arena, 1, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);              /* the arena's own limit */
    err = (struct tp_err){ 0 };
    a = attr_of(&(struct kernel){ 30000, 30000, 4, 4, 4 });
    assert_false(tp_pack_conv(&packed, TP_CONV_DIRECT, &w, &a, "layer", k, &arena, 1, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_int_equal(arena.total_bytes, 0);
    tp_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_becomes_panels_with_zeros_behind_the_last_column),
        cmocka_unit_test(winograds_planes_are_turned_kernels),
        cmocka_unit_test(one_filter_per_channel_stays_without_panels),
        cmocka_unit_test(a_dense_kernel_may_be_transposed),
        cmocka_unit_test(what_is_packed_is_not_packed_again),
        cmocka_unit_test(weights_too_large_to_pack_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
