/* test_tap.c - what is asked of a layer: every pooling, joined, turned and made unit length,
 * against a judge who goes by tidepool.h's words. */
#include "network.h"

#include "graph/tap.h"

static const struct tp_window odd_window = {
    .kernel = { 3, 2 }, .strides = { 2, 1 }, .dilations = { 1, 1 },
    .pads = { 1, 0, 2, 1 }, .padding = TP_PADDING_EXPLICIT, .ceil_mode = true,
};

/* Two regions of each of two images: one inside, one that sticks out. */
static const float four_boxes[4][4] = {
    { 1, 1, 7, 6 }, { -4, 2, 3.5f, 14 }, { 0, 0, 9, 11 }, { 5.25f, 4.5f, 5.75f, 9 },
};

/* conv [11, 9, 5] -> pool [5, 4, 5] -> flat [100] */
static struct tp_graph *small_net(void)
{
    struct tp_graph *g = network(11, 9, 3);
    put_plain(g, &tp_op_flatten, put_max_pool(g, put_relu(g, put_conv(g, 0, 5))));
    return g;
}

static struct tp_pooling pooling_of(enum tp_pool_kind kind, enum tp_pool_form form)
{
    struct tp_pooling p = { .kind = kind, .form = form, .window = odd_window, .grid = { 3, 2 },
                            .n_levels = 3, .levels = { 1, 3, 2 }, .p = 2.5f };
    p.n_boxes = 4;
    p.boxes = four_boxes[0];
    return p;
}

static void check_taps_everywhere(struct tp_graph *g, const struct tp_tap *taps, int n_taps)
{
    for (int t = 0; use_table(g, t); t++) check_taps(g, 2, taps, n_taps);
}

/* ---- pooling --------------------------------------------------------------------------------- */

static void every_kind_is_pooled_in_every_form(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    for (int kind = TP_POOL_MAX; kind <= TP_POOL_STD; kind++) {
        struct tp_tap taps[10] = { { 0 } };
        for (int form = TP_POOL_GLOBAL; form <= TP_POOL_ROIS; form++)
            for (int first = 0; first < 2; first++)
                taps[2 * form + first] = (struct tp_tap){
                    .layer = first ? "l1" : "l3", .channels_first = first,
                    .pooling = pooling_of((enum tp_pool_kind)kind, (enum tp_pool_form)form),
                };
        check_taps_everywhere(g, taps, 10);
        for (int i = 0; i < 10; i++) check_taps_everywhere(g, &taps[i], 1);
    }
    tp_graph_free(g);
}

static void check_shape(const struct tp_graph *g, struct tp_tap tap, const char *shape)
{
    struct tp_plan *plan = plan_of(g, 2, &tap, 1);
    const struct tp_shape s = tp_plan_output_shape(plan, 0);
    assert_string_equal(TP_SHAPE(&s), shape);
    tp_plan_free(plan);
}

static void answers_have_the_shapes_of_the_contract(void **state)
{
    (void)state;
    static const char *const last[] = { "[2, 5]", "[2, 6, 9, 5]", "[2, 3, 2, 5]", "[2, 70]",
                                        "[4, 3, 2, 5]" };
    static const char *const first[] = { "[2, 5]", "[2, 5, 6, 9]", "[2, 5, 3, 2]", "[2, 70]",
                                         "[4, 5, 3, 2]" };
    struct tp_graph *g = small_net();
    assert_true(use_table(g, 0));
    for (int kind = TP_POOL_MAX; kind <= TP_POOL_STD; kind++)
        for (int form = TP_POOL_GLOBAL; form <= TP_POOL_ROIS; form++) {
            struct tp_tap tap = { .layer = "l1" };
            tap.pooling = pooling_of((enum tp_pool_kind)kind, (enum tp_pool_form)form);
            check_shape(g, tap, last[form]);
            tap.channels_first = true;
            check_shape(g, tap, first[form]);
            tap.pooling.grid[0] = tap.pooling.grid[1] = 1;
            if (form == TP_POOL_GRID) check_shape(g, tap, "[2, 5, 1, 1]");
        }
    tp_graph_free(g);
}

/* A pyramid's levels in the order asked for; more than a map has pixels; one alone. */
static void a_pyramid_may_have_any_levels(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    struct tp_tap tap = { .layer = "l3", .pooling = pooling_of(TP_POOL_AVG, TP_POOL_PYRAMID) };
    for (int n = 1; n <= TP_MAX_LEVELS; n += 5) {
        tap.pooling.n_levels = n;
        for (int i = 0; i < n; i++) tap.pooling.levels[i] = 1 + (i * 5 + 3) % 8;
        check_taps_everywhere(g, &tap, 1);
    }
    tp_graph_free(g);
}

static void boxes_are_not_needed_once_the_plan_is_made(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    float boxes[16];
    struct tp_tap tap = { .layer = "l1", .pooling = pooling_of(TP_POOL_AVG, TP_POOL_ROIS) };
    assert_true(use_table(g, 0));
    memcpy(boxes, four_boxes, sizeof boxes);
    tap.pooling.boxes = boxes;
    struct trial t = trial_of(g, 2, &tap, 1);
    memset(boxes, 0xFF, sizeof boxes);
    trial_run(&t, 1, true);
    tap.pooling.boxes = four_boxes[0];
    trial_judge(&t, g, &tap, 1);
    trial_free(&t);
    tp_graph_free(g);
}

/* ---- unit length, places, joining ------------------------------------------------------------ */

static void answers_may_have_unit_length(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    struct tp_tap taps[7] = { { .layer = "l1" }, { .layer = "l3", .channels_first = true },
                              { .layer = "l4" } };
    for (int form = TP_POOL_WINDOW; form <= TP_POOL_ROIS; form++)
        taps[2 + form] = (struct tp_tap){
            .layer = "l2", .pooling = pooling_of(TP_POOL_AVG, (enum tp_pool_form)form),
            .channels_first = form % 2,
        };
    for (int i = 0; i < 7; i++) {
        taps[i].normalize = true;
        check_taps_everywhere(g, &taps[i], 1);
    }
    check_taps_everywhere(g, taps, 7);
    tp_graph_free(g);
}

static void places_follow_their_maxima(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    struct tp_tap taps[6] = { { 0 } };
    for (int form = TP_POOL_GLOBAL; form <= TP_POOL_PYRAMID; form++)
        taps[form] = (struct tp_tap){
            .layer = "l1", .pooling = pooling_of(TP_POOL_MAX, (enum tp_pool_form)form),
            .argmax = true, .channels_first = form % 2, .normalize = form > 1,
        };
    taps[4] = (struct tp_tap){ .layer = "l4" };
    taps[5] = taps[1];
    taps[5].channels_first = false;
    check_taps_everywhere(g, taps, 6);
    assert_true(use_table(g, 0));
    struct tp_plan *plan = plan_of(g, 1, taps, 6);
    assert_int_equal(tp_plan_n_outputs(plan), 11);
    for (int i = 0; i < 11; i++) {
        const bool argmax = i < 8 ? i % 2 : i == 10;
        const struct tp_shape s = tp_plan_output_shape(plan, i);
        assert_int_equal(tp_plan_output_tap(plan, i), i < 8 ? i / 2 : i == 8 ? 4 : 5);
        assert_int_equal(tp_plan_output_is_argmax(plan, i), argmax);
        assert_string_equal(tp_plan_output_name(plan, i),
                            i == 8 ? "l4" : argmax ? "l1.argmax" : "l1");
        if (!argmax) continue;
        const struct tp_shape maxima = tp_plan_output_shape(plan, i - 1);
        assert_true(tp_shape_equal(&s, &maxima));
    }
    tp_plan_free(plan);
    tp_graph_free(g);
}

static void layers_are_joined_as_vectors_in_their_order(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    struct tp_tap taps[7] = {
        { .layer = "l4", .normalize = true },
        { .layer = "l1", .pooling = pooling_of(TP_POOL_GEM, TP_POOL_GLOBAL), .joined = true },
        { .layer = "l3", .channels_first = true, .joined = true, .normalize = true },
        { .layer = "l3", .pooling = pooling_of(TP_POOL_MAX, TP_POOL_PYRAMID) },
        { .layer = "l1", .pooling = pooling_of(TP_POOL_AVG, TP_POOL_GRID), .joined = true },
        { .layer = "l2", .pooling = pooling_of(TP_POOL_STD, TP_POOL_GRID), .joined = true,
          .channels_first = true },
        { .layer = "l4" },
    };
    check_taps_everywhere(g, taps, 7);
    check_taps_everywhere(g, taps, 3);
    check_taps_everywhere(g, taps + 3, 3);
    check_taps_everywhere(g, taps, 1);
    assert_true(use_table(g, 0));
    struct tp_plan *plan = plan_of(g, 3, taps, 7);
    static const char *const names[] = { "concat", "concat", "l4" };
    static const char *const shapes[] = { "[3, 205]", "[3, 130]", "[3, 100]" };
    static const int first[] = { 0, 3, 6 };
    assert_int_equal(tp_plan_n_outputs(plan), 3);
    for (int i = 0; i < 3; i++) {
        const struct tp_shape s = tp_plan_output_shape(plan, i);
        assert_string_equal(tp_plan_output_name(plan, i), names[i]);
        assert_string_equal(TP_SHAPE(&s), shapes[i]);
        assert_int_equal(tp_plan_output_tap(plan, i), first[i]);
    }
    tp_plan_free(plan);
    tp_graph_free(g);
}

/* ---- layers that are channels first ---------------------------------------------------------- */

/* Runs one want of `node` of a graph whose first input is [2, h, w, c]. */
static float *answer(struct tp_graph *g, const struct tp_tap *tap, int node, bool channels_last,
                     struct tp_shape *shape, int *n_steps)
{
    const struct tp_want want = { tap, "want", node, channels_last };
    const struct tp_shape input = batch_of(g, 2);
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    if (!tp_plan_build(&plan, g, false, &input, &want, 1, 1, &wide_limits, &err))
        fail_msg("%s", err.message);
    assert_string_equal(tp_plan_output_name(plan, 0), "want");
    *shape = tp_plan_output_shape(plan, 0);
    *n_steps = tp_plan_n_steps(plan);
    float *in = guarded_random(tp_shape_elements(&input), 3);
    float *out = guarded((size_t)tp_shape_elements(shape) * sizeof *out);
    void *workspace = guarded(tp_plan_workspace_bytes(plan));
    tp_plan_run(plan, in, &out, workspace, 2);
    guarded_free(in);
    guarded_free(workspace);
    tp_plan_free(plan);
    return out;
}

/* The same map, once as [n, h, w, c] and once turned, answers the same to every tap. */
static void a_layer_that_is_channels_first_answers_as_its_twin(void **state)
{
    (void)state;
    struct tp_graph *g = network(11, 9, 3);
    int map = put_max_pool(g, 0);
    struct tp_node turn = { .op = &tp_op_transpose, .attr.transpose.perm = { 0, 3, 1, 2 } };
    int turned = put(g, turn, ON(map)), flat = put_plain(g, &tp_op_flatten, map);
    assert_true(use_table(g, 0));
    for (int form = -1; form <= TP_POOL_ROIS; form++)
        for (int first = 0; first < 2; first++) {
            struct tp_tap tap = { .channels_first = first, .normalize = true };
            struct tp_shape s, t;
            int n, m;
            if (form >= 0) tap.pooling = pooling_of(TP_POOL_LP, (enum tp_pool_form)form);
            float *a = answer(g, &tap, map, true, &s, &n);
            float *b = answer(g, &tap, turned, false, &t, &m);
            assert_true(tp_shape_equal(&s, &t));
            assert_int_equal(n, m);  /* turning there and back takes no step */
            assert_memory_equal(a, b, (size_t)tp_shape_elements(&s) * sizeof *a);
            guarded_free(a);
            guarded_free(b);
        }
    struct tp_tap plain = { .channels_first = true };
    struct tp_shape s;
    int n;
    guarded_free(answer(g, &plain, flat, false, &s, &n));
    assert_string_equal(TP_SHAPE(&s), "[2, 60]");
    tp_graph_free(g);
}

static void taps_of_one_layer_share_its_turned_map(void **state)
{
    (void)state;
    struct tp_graph *g = network(11, 9, 3);
    int map = put_max_pool(g, 0);
    assert_true(use_table(g, 0));
    const struct tp_tap taps[] = {
        { .pooling = pooling_of(TP_POOL_MAX, TP_POOL_GLOBAL) },
        { .pooling = pooling_of(TP_POOL_AVG, TP_POOL_GLOBAL), .channels_first = true },
        { .pooling = pooling_of(TP_POOL_MAX, TP_POOL_GLOBAL), .argmax = true },
    };
    struct tp_want wants[3];
    for (int i = 0; i < 3; i++) wants[i] = (struct tp_want){ &taps[i], "x", map, false };
    const struct tp_shape input = batch_of(g, 2);
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    assert_true(tp_plan_build(&plan, g, false, &input, wants, 3, 1, &wide_limits, &err));
    assert_int_equal(tp_plan_n_steps(plan), 1 + 1 + 3 + 1);
    tp_plan_free(plan);
    tp_graph_free(g);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void check_tap_refused(const struct tp_graph *g, const struct tp_tap *taps, int n,
                              enum tp_code code, const char *part)
{
    const struct tp_shape input = batch_of(g, 2);
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    assert_false(tp_plan_make(&plan, g, &input, taps, n, &wide_limits, &err));
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
    assert_int_equal(err.code, code);
}

static void what_cannot_be_pooled_is_refused(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    assert_true(use_table(g, 0));
    for (int form = TP_POOL_GLOBAL; form <= TP_POOL_ROIS; form++) {
        const struct tp_tap flat = { .layer = "l4",
                                     .pooling = pooling_of(TP_POOL_GEM, (enum tp_pool_form)form) };
        check_tap_refused(g, &flat, 1, TP_INVALID_SHAPE, "l4: pooling needs a map [n, height, "
                          "width, channels]; this layer is [2, 100], which pool=none");
    }
    struct tp_tap tap = { .layer = "l1", .pooling = pooling_of(TP_POOL_MAX, TP_POOL_GRID) };
    tap.pooling.grid[1] = 0;
    check_tap_refused(g, &tap, 1, TP_INVALID_ARGUMENT, "l1: grid 3x0; each side");
    tap.pooling.kind = TP_POOL_LP;
    check_tap_refused(g, &tap, 1, TP_INVALID_ARGUMENT, "l1: grid 3x0; each side");
    tap.pooling = pooling_of(TP_POOL_MAX, TP_POOL_PYRAMID);
    tap.pooling.n_levels = 0;
    check_tap_refused(g, &tap, 1, TP_INVALID_ARGUMENT, "l1: a pyramid of 0 levels; it must have 1");
    tap.pooling.n_levels = TP_MAX_LEVELS + 1;
    check_tap_refused(g, &tap, 1, TP_INVALID_ARGUMENT, "l1: a pyramid of 17 levels");
    tap.pooling = pooling_of(TP_POOL_GEM, TP_POOL_GLOBAL);
    tap.pooling.p = 0.5f;
    check_tap_refused(g, &tap, 1, TP_INVALID_ARGUMENT, "l1: p is 0.5");
    tp_graph_free(g);
}

static void boxes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    int map = tp_graph_find(g, "l3");
    struct tp_node one = { .op = &tp_op_constant };      /* a map, but not of each image */
    one.attr.constant.data = weights(g, 12, 0, 1);
    one.attr.constant.shape = TP_SHAPE4(1, 2, 2, 3);
    int constant = put(g, one, 0, NULL);
    assert_true(use_table(g, 0) && map > 0);
    struct tp_tap tap = { .layer = "l3", .pooling = pooling_of(TP_POOL_AVG, TP_POOL_ROIS) };
    tap.pooling.n_boxes = 3;
    check_tap_refused(g, &tap, 1, TP_INVALID_ARGUMENT, "l3: 3 rois for 2 images");
    tap.pooling.n_boxes = 0;
    check_tap_refused(g, &tap, 1, TP_INVALID_ARGUMENT, "l3: 0 rois for 2 images");
    const float broken[8] = { 0, 0, 4, 4, 1, 2, NAN, 3 };
    tap.pooling.n_boxes = 2;
    tap.pooling.boxes = broken;
    check_tap_refused(g, &tap, 1, TP_INVALID_ARGUMENT, "l3: roi 1 is not x0, y0, x1, y1");
    tap = tap_of(g, constant);
    tap.pooling = pooling_of(TP_POOL_AVG, TP_POOL_ROIS);
    check_tap_refused(g, &tap, 1, TP_INVALID_SHAPE, "l5: rois need one map for each image; the "
                      "input is [2, 11, 9, 3] and this layer [1, 2, 2, 3]");
    tp_graph_free(g);
}

static void combinations_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    int constant = put_constant(g, 7);
    assert_true(use_table(g, 0));
    struct tp_tap taps[2] = { { .layer = "l1", .argmax = true }, { .layer = "l4" } };
    check_tap_refused(g, taps, 1, TP_INVALID_ARGUMENT, "l1: argmax is of maxima");
    taps[0].pooling = pooling_of(TP_POOL_AVG, TP_POOL_GLOBAL);
    check_tap_refused(g, taps, 1, TP_INVALID_ARGUMENT, "l1: argmax is of maxima");
    taps[0].pooling = pooling_of(TP_POOL_MAX, TP_POOL_ROIS);
    check_tap_refused(g, taps, 1, TP_INVALID_ARGUMENT, "l1: argmax is of maxima");
    taps[0].pooling = pooling_of(TP_POOL_MAX, TP_POOL_GLOBAL);
    taps[1].joined = true;
    check_tap_refused(g, taps, 2, TP_INVALID_ARGUMENT, "l1: argmax is an answer of its own");
    check_tap_refused(g, taps + 1, 1, TP_INVALID_ARGUMENT, "l4: joined to the answer before it");
    taps[0] = tap_of(g, constant);
    check_tap_refused(g, taps, 2, TP_INVALID_SHAPE, "l4: its answer begins with 2, that of l5 "
                      "with 7");
    taps[0].normalize = true;
    check_tap_refused(g, taps, 1, TP_INVALID_SHAPE, "l5: normalize divides the values of each "
                      "image; it needs [n, ...], and this layer is [7]");
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_pooled_in_every_form),
        cmocka_unit_test(answers_have_the_shapes_of_the_contract),
        cmocka_unit_test(a_pyramid_may_have_any_levels),
        cmocka_unit_test(boxes_are_not_needed_once_the_plan_is_made),
        cmocka_unit_test(answers_may_have_unit_length),
        cmocka_unit_test(places_follow_their_maxima),
        cmocka_unit_test(layers_are_joined_as_vectors_in_their_order),
        cmocka_unit_test(a_layer_that_is_channels_first_answers_as_its_twin),
        cmocka_unit_test(taps_of_one_layer_share_its_turned_map),
        cmocka_unit_test(what_cannot_be_pooled_is_refused),
        cmocka_unit_test(boxes_that_make_no_sense_are_refused),
        cmocka_unit_test(combinations_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
