/* test_max_unpool.c - maxima put back: places, what is no place, and several in one place. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

static struct tp_node unpool_node(int64_t height, int64_t width)
{
    struct tp_node nd = { .name = "u", .type = "MaxUnpool", .op = &tp_op_max_unpool,
                          .n_inputs = 2 };
    nd.attr.unpool.height = height;
    nd.attr.unpool.width = width;
    return nd;
}

static void check_data(const struct tp_node *nd, struct tp_shape shape, float *x, float *places)
{
    const int64_t n_out = nd->attr.unpool.height * nd->attr.unpool.width;
    const int64_t n = shape.dim[1] * shape.dim[2], c = shape.dim[3];
    const struct tp_shape in[2] = { shape, shape };
    float *const inputs[2] = { x, places };
    double *want = calloc((size_t)(shape.dim[0] * n_out * c), sizeof *want);
    for (int64_t image = 0; image < shape.dim[0]; image++)
        for (int64_t i = 0; i < n * c; i++) {
            const float place = places[image * n * c + i];
            for (int64_t at = 0; at < n_out; at++)
                if ((float)at == place)
                    want[(image * n_out + at) * c + i % c] = (double)x[image * n * c + i];
        }
    check_node_against(nd, in, inputs, want, 0);
    free(want);
}

/* Places drawn from [-spare, n_out + spare). */
static void check_random(struct tp_shape shape, int height, int width, int spare)
{
    const struct tp_node nd = unpool_node(height, width);
    const int64_t n = tp_shape_elements(&shape);
    float *x = guarded_random(n, 3), *places = guarded_random(n, 4);
    uint32_t state = 17;
    for (int64_t i = 0; i < n; i++)
        places[i] = (float)((int)(next_random(&state) % (uint32_t)(height * width + 2 * spare)) -
                            spare);
    check_data(&nd, shape, x, places);
    guarded_free(x);
    guarded_free(places);
}

static void values_go_to_their_places(void **state)
{
    (void)state;
    for (int c = 1; c <= 40; c++) check_random(TP_SHAPE4(2, 3, 2, c), 7, 5, 0);
    check_random(TP_SHAPE4(1, 1, 1, 1), 1, 1, 0);
    check_random(TP_SHAPE4(3, 5, 5, 67), 11, 10, 0);
}

/* More values than places, so that most places are drawn several times. */
static void of_several_in_one_place_the_last_stays(void **state)
{
    (void)state;
    for (int c = 1; c <= 40; c += 13) check_random(TP_SHAPE4(2, 9, 8, c), 2, 3, 0);
}

static void places_outside_the_map_are_nowhere(void **state)
{
    (void)state;
    check_random(TP_SHAPE4(2, 6, 5, 19), 4, 3, 50);
    const float odd[] = { NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 6, 1e19f, -1, -1e-30f, 5 };
    enum { N = sizeof odd / sizeof *odd };
    const struct tp_node nd = unpool_node(2, 3);
    const struct tp_shape in[2] = { TP_SHAPE4(1, 1, N, 1), TP_SHAPE4(1, 1, N, 1) };
    float *x = guarded_random(N, 3), *places = guarded(sizeof odd);
    double want[6] = { 0 };
    for (int i = 0; i < N; i++) places[i] = odd[i];
    want[5] = (double)x[N - 1];
    check_node_against(&nd, in, (float *const[2]){ x, places }, want, 0);
    guarded_free(x);
    guarded_free(places);
}

static void nan_and_infinity_are_values_like_others(void **state)
{
    (void)state;
    const struct tp_node nd = unpool_node(2, 2);
    float *x = guarded(3 * sizeof *x), *places = guarded(3 * sizeof *places);
    x[0] = NAN, x[1] = -INFINITY, x[2] = INFINITY;
    places[0] = 2, places[1] = 0, places[2] = 3;
    check_data(&nd, TP_SHAPE4(1, 3, 1, 1), x, places);
    guarded_free(x);
    guarded_free(places);
}

/* What max pooling took apart: the maxima come back where they were. */
static void unpooling_undoes_pooling(void **state)
{
    (void)state;
    enum { H = 6, W = 8, C = 5 };
    const struct tp_window window = { .kernel = { 2, 2 }, .strides = { 2, 2 },
                                      .dilations = { 1, 1 } };
    struct tp_node pool = { .name = "p", .type = "MaxPool", .op = &tp_op_pool_index,
                            .attr.pool.window = window };
    struct tp_node unpool = unpool_node(H, W);
    struct tp_err err = { 0 };
    struct tp_arena arena;
    float *map = guarded_random(H * W * C, 8), maxima[H * W * C / 4], places[H * W * C / 4];
    struct tp_shape in = TP_SHAPE4(1, H, W, C);
    struct tp_step st = { .node = &pool, .k = tp_kernels_get(), .in = &in };
    tp_arena_init(&arena, SIZE_MAX);
    assert_true(pool.op->shape(&pool, &in, &st.out, &err));
    assert_true(pool.op->plan(&st, &arena, &err));
    const struct tp_io io = { (const float *const[1]){ map }, places, NULL, 1 };
    pool.op->run(&st, &io);
    for (int i = 0; i < H * W * C / 4; i++) maxima[i] = map[(int)places[i] * C + i % C];

    const struct tp_shape both[2] = { st.out, st.out };
    double want[H * W * C] = { 0 };
    for (int i = 0; i < H * W * C / 4; i++)
        want[(int)places[i] * C + i % C] = (double)maxima[i];
    check_node_against(&unpool, both, (float *const[2]){ maxima, places }, want, 0);
    int n = 0;
    for (int i = 0; i < H * W * C; i++) n += want[i] != 0;
    assert_int_equal(n, H * W * C / 4);
    tp_arena_fini(&arena);
    guarded_free(map);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct tp_shape out;
    struct tp_err err = { 0 };
    const struct tp_node nd = unpool_node(4, 4), none = unpool_node(0, 4);
    const struct tp_shape differ[2] = { TP_SHAPE4(1, 2, 2, 3), TP_SHAPE4(1, 2, 2, 4) };
    const struct tp_shape vectors[2] = { TP_SHAPE2(1, 2), TP_SHAPE2(1, 2) };
    const struct tp_shape good[2] = { TP_SHAPE4(TP_ANY, 2, 2, 3), TP_SHAPE4(2, 2, 2, 3) };
    check_node_refused(&nd, differ, "[1, 2, 2, 4]");
    check_node_refused(&nd, vectors, "needs a map");
    check_node_refused(&none, good, "0x4");
    assert_true(nd.op->shape(&nd, good, &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(TP_ANY, 4, 4, 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_to_their_places),
        cmocka_unit_test(of_several_in_one_place_the_last_stays),
        cmocka_unit_test(places_outside_the_map_are_nowhere),
        cmocka_unit_test(nan_and_infinity_are_values_like_others),
        cmocka_unit_test(unpooling_undoes_pooling),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
