/* test_builtin.c - line-detector, edges and gist: their texts, and what they compute. */
#include "graph_of.h"

#include "formats/builtin.h"
#include "formats/preprocess.h"
#include "graph/plan.h"

static struct tp_graph *builtin(const char *name)
{
    struct tp_buf pipeline = { 0 }, preprocess = { 0 };
    struct tp_graph *g;
    struct tp_err err = { 0 };
    assert_true(tp_builtin_text(name, &pipeline, &preprocess));
    if (!tp_pipeline_parse(&g, pipeline.data, pipeline.n_bytes, "other", NULL, &test_limits, &err))
        fail_msg("%s", err.message);
    tp_buf_fini(&pipeline);
    tp_buf_fini(&preprocess);
    return g;
}

static struct tp_preprocess builtin_preprocess(const char *name, const struct tp_graph *g)
{
    struct tp_buf pipeline = { 0 }, preprocess = { 0 };
    struct tp_err err = { 0 };
    struct tp_preprocess p = tp_preprocess_default(&g->shapes[0]);
    assert_true(tp_builtin_text(name, &pipeline, &preprocess));
    if (!tp_preprocess_parse(&p, preprocess.data, preprocess.n_bytes, &err))
        fail_msg("%s", err.message);
    tp_buf_fini(&pipeline);
    tp_buf_fini(&preprocess);
    return p;
}

static struct tp_shape shape_of(const struct tp_graph *g, const char *layer)
{
    int index = tp_graph_find(g, layer);
    if (index < 0) fail_msg("no layer %s", layer);
    return g->shapes[index];
}

/* What `layer` gives for one [height, width, 1] image, in double. The caller's to free(). */
static double *values(const struct tp_graph *g, const char *layer, int height, int width,
                      const float *image, struct tp_shape *out)
{
    const struct tp_shape in = TP_SHAPE4(1, height, width, 1);
    int index = tp_graph_find(g, layer);
    if (index < 0) fail_msg("no layer %s", layer);
    return ref_graph(g, &in, image, index, out);
}

static void there_are_three_and_no_more(void **state)
{
    (void)state;
    struct tp_buf pipeline = { 0 }, preprocess = { 0 };
    assert_string_equal(tp_builtin_name(0), "line-detector");
    assert_string_equal(tp_builtin_name(1), "edges");
    assert_string_equal(tp_builtin_name(2), "gist");
    assert_null(tp_builtin_name(3));
    assert_null(tp_builtin_name(-1));
    assert_false(tp_builtin_text("gist2", &pipeline, &preprocess));
    assert_int_equal(pipeline.n_bytes + preprocess.n_bytes, 0);
}

static void each_bears_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; tp_builtin_name(i); i++) {
        struct tp_graph *g = builtin(tp_builtin_name(i));
        assert_string_equal(g->name, tp_builtin_name(i));
        tp_graph_free(g);
    }
}

/* ---- line-detector --------------------------------------------------------------------------- */

static void line_detector_is_the_tutorial_s(void **state)
{
    (void)state;
    float image[8][8] = { { 0 } };
    struct tp_shape out;
    for (int y = 0; y < 8; y++) image[y][3] = image[y][4] = 1;
    struct tp_graph *g = builtin("line-detector");
    int64_t n_parameters = 0;
    for (int i = 0; i < g->n_nodes; i++) n_parameters += g->nodes[i].n_parameters;
    assert_int_equal(n_parameters, 10);
    assert_int_equal(g->n_nodes, 3);
    assert_string_equal(TP_SHAPE(&g->shapes[0]), "[any, 8, 8, 1]");
    struct tp_shape conv_shape = shape_of(g, "conv"), pool_shape = shape_of(g, "pool");
    assert_string_equal(TP_SHAPE(&conv_shape), "[any, 6, 6, 1]");
    assert_string_equal(TP_SHAPE(&pool_shape), "[any, 3, 3, 1]");

    double *conv = values(g, "conv", 8, 8, &image[0][0], &out);
    for (int i = 0; i < 36; i++) assert_true(conv[i] == (i % 6 == 2 || i % 6 == 3 ? 3 : 0));
    double *pool = values(g, "pool", 8, 8, &image[0][0], &out);
    for (int i = 0; i < 9; i++) assert_true(pool[i] == (i % 3 == 1 ? 3 : 0));
    free(conv);
    free(pool);
    tp_graph_free(g);
}

/* ---- edges ----------------------------------------------------------------------------------- */

static void edges_tell_direction_and_polarity(void **state)
{
    (void)state;
    float image[5][5];
    struct tp_shape out;
    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 5; x++) image[y][x] = x >= 2;        /* dark to light between 1 and 2 */
    struct tp_graph *g = builtin("edges");
    double *relu = values(g, "relu", 5, 5, &image[0][0], &out);
    assert_string_equal(TP_SHAPE(&out), "[1, 5, 5, 6]");
    const double *at = relu + (2 * 5 + 2) * 6;
    static const double want[6] = { 4, 0, 0, 0, 0, 1 };
    for (int i = 0; i < 6; i++) assert_true(at[i] == want[i]);

    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 5; x++) image[y][x] = y < 2;         /* light to dark, downwards */
    double *turned = values(g, "relu", 5, 5, &image[0][0], &out);
    at = turned + (2 * 5 + 2) * 6;
    static const double want_turned[6] = { 0, 0, 0, 4, 1, 0 };
    for (int i = 0; i < 6; i++) assert_true(at[i] == want_turned[i]);
    free(relu);
    free(turned);
    tp_graph_free(g);
}

static void edges_come_in_opposite_pairs(void **state)
{
    (void)state;
    struct tp_graph *g = builtin("edges");
    const float *kernel = g->nodes[1].attr.conv.kernel;          /* [3, 3, 1, 6] */
    for (int tap = 0; tap < 9; tap++)
        for (int pair = 0; pair < 3; pair++)
            assert_true(kernel[tap * 6 + 2 * pair] == -kernel[tap * 6 + 2 * pair + 1]);
    assert_null(g->nodes[1].shift);
    tp_graph_free(g);
}

/* ---- gist ------------------------------------------------------------------------------------ */

enum { SIDE = 11, N_FILTERS = 16, N_ORIENTATIONS = 8 };

static const float *gabor_kernel(const struct tp_graph *g, const char *layer)
{
    int index = tp_graph_find(g, layer);
    assert_true(index > 0);
    return g->nodes[index].attr.conv.kernel;                     /* [11, 11, 1, 16] */
}

static void gabor_filters_have_no_mean_and_unit_norm(void **state)
{
    (void)state;
    struct tp_graph *g = builtin("gist");
    const float *kernel = gabor_kernel(g, "scale1/gabor");
    for (int i = 0; i < N_FILTERS; i++) {
        double sum = 0, squares = 0;
        for (int tap = 0; tap < SIDE * SIDE; tap++) {
            double w = (double)kernel[tap * N_FILTERS + i];
            sum += w;
            squares += w * w;
        }
        assert_true(fabs(sum) < 1e-6);
        assert_true(fabs(squares - 1) < 1e-6);
    }
    assert_memory_equal(kernel, gabor_kernel(g, "scale4/gabor"),
                        SIDE * SIDE * N_FILTERS * sizeof *kernel);
    tp_graph_free(g);
}

static void gabor_pairs_are_even_and_odd(void **state)
{
    (void)state;
    struct tp_graph *g = builtin("gist");
    const float *kernel = gabor_kernel(g, "scale2/gabor");
    for (int i = 0; i < N_ORIENTATIONS; i++)
        for (int tap = 0; tap < SIDE * SIDE; tap++) {
            int mirrored = SIDE * SIDE - 1 - tap;
            const float *a = kernel + tap * N_FILTERS + i, *b = kernel + mirrored * N_FILTERS + i;
            assert_true(fabsf(a[0] - b[0]) < 1e-6f);
            assert_true(fabsf(a[N_ORIENTATIONS] + b[N_ORIENTATIONS]) < 1e-6f);
        }
    tp_graph_free(g);
}

/* A grating that runs along an orientation excites that one most, and its magnitude is smooth: that
 * is what the quadrature is for. */
static void gist_tells_orientation_whatever_the_phase(void **state)
{
    (void)state;
    enum { N = 32 };
    float image[N][N];
    struct tp_shape out;
    struct tp_graph *g = builtin("gist");
    for (int orientation = 0; orientation < N_ORIENTATIONS; orientation++) {
        double angle = M_PI * orientation / N_ORIENTATIONS;
        for (int y = 0; y < N; y++)
            for (int x = 0; x < N; x++)
                image[y][x] = (float)cos(2 * M_PI * 0.3 * (x * cos(angle) + y * sin(angle)));
        double *map = values(g, "scale1/magnitude", N, N, &image[0][0], &out);
        assert_string_equal(TP_SHAPE(&out), "[1, 32, 32, 8]");
        double low = INFINITY, high = 0;
        for (int y = 8; y < N - 8; y++)
            for (int x = 8; x < N - 8; x++) {
                const double *at = map + (y * N + x) * N_ORIENTATIONS;
                for (int i = 0; i < N_ORIENTATIONS; i++)
                    if (i != orientation) assert_true(at[i] < 0.8 * at[orientation]);
                low = fmin(low, at[orientation]);
                high = fmax(high, at[orientation]);
            }
        assert_true(high < 1.02 * low);
        free(map);
    }
    tp_graph_free(g);
}

static void gist_is_512_numbers_at_any_size(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 1, 9 }, { 7, 3 }, { 33, 20 } };
    struct tp_graph *g = builtin("gist");
    assert_string_equal(TP_SHAPE(&g->shapes[0]), "[any, any, any, 1]");
    struct tp_shape open = shape_of(g, "gist"), out;
    assert_string_equal(TP_SHAPE(&open), "[any, 512]");
    assert_int_equal(g->n_outputs, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int h = sizes[i][0], w = sizes[i][1];
        float *image = guarded_random((int64_t)h * w, 3);
        double *got = values(g, "gist", h, w, image, &out);
        assert_string_equal(TP_SHAPE(&out), "[1, 512]");
        for (int k = 0; k < 512; k++) assert_true(isfinite(got[k]) && got[k] >= 0);
        free(got);
        guarded_free(image);
    }
    tp_graph_free(g);
}

/* ---- all three through the engine ------------------------------------------------------------ */

static void check_run(const struct tp_graph *g, int height, int width)
{
    const struct tp_shape in = TP_SHAPE4(1, height, width, 1);
    struct tp_limits limits = test_limits;
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    struct tp_shape shape;
    const char *layer = g->nodes[g->outputs[0]].name;
    const struct tp_tap tap = { .layer = layer };
    limits.max_workspace_bytes = limits.max_output_bytes = (size_t)1 << 28;
    limits.max_operations = (int64_t)1 << 40;
    if (!tp_plan_make(&plan, g, &in, &tap, 1, &limits, &err)) fail_msg("%s", err.message);
    float *image = guarded_random((int64_t)height * width, 5);
    double *want = values(g, layer, height, width, image, &shape);
    shape = tp_plan_output_shape(plan, 0);
    float *out = guarded((size_t)tp_shape_elements(&shape) * sizeof *out);
    void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 127) / 64 * 64);
    tp_plan_run(plan, image, &out, workspace, 2);
    check_near(g->name, out, want, tp_shape_elements(&shape), 1e-5);
    free(workspace);
    free(want);
    guarded_free(out);
    guarded_free(image);
    tp_plan_free(plan);
}

static void the_engine_computes_what_the_reference_does(void **state)
{
    (void)state;
    struct tp_graph *g = builtin("line-detector");
    check_run(g, 8, 8);
    tp_graph_free(g);
    for (int i = 1; i < 3; i++) {
        g = builtin(tp_builtin_name(i));
        check_run(g, 1, 1);
        check_run(g, 2, 5);
        check_run(g, 37, 26);
        tp_graph_free(g);
    }
}

/* ---- images ---------------------------------------------------------------------------------- */

static void images_are_prepared_as_each_model_needs_them(void **state)
{
    (void)state;
    static const enum tp_resize_mode modes[] = { TP_RESIZE_EXACT, TP_RESIZE_NONE, TP_RESIZE_EXACT };
    static const int sizes[] = { 8, 0, 128 };
    for (int i = 0; tp_builtin_name(i); i++) {
        struct tp_graph *g = builtin(tp_builtin_name(i));
        struct tp_preprocess p = builtin_preprocess(tp_builtin_name(i), g);
        assert_int_equal(p.mode, modes[i]);
        if (sizes[i]) assert_true(p.size[0] == sizes[i] && p.size[1] == sizes[i]);
        assert_int_equal(p.color, TP_GRAY);
        assert_true(p.scale == 1.0f / 255);
        assert_false(p.exact_decode);
        tp_graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_three_and_no_more),
        cmocka_unit_test(each_bears_its_own_name),
        cmocka_unit_test(line_detector_is_the_tutorial_s),
        cmocka_unit_test(edges_tell_direction_and_polarity),
        cmocka_unit_test(edges_come_in_opposite_pairs),
        cmocka_unit_test(gabor_filters_have_no_mean_and_unit_norm),
        cmocka_unit_test(gabor_pairs_are_even_and_odd),
        cmocka_unit_test(gist_tells_orientation_whatever_the_phase),
        cmocka_unit_test(gist_is_512_numbers_at_any_size),
        cmocka_unit_test(the_engine_computes_what_the_reference_does),
        cmocka_unit_test(images_are_prepared_as_each_model_needs_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
