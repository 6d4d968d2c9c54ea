/* test_plan.c - what is computed for one input shape: answers asked for, sizes, refusals. */
#include "network.h"

#include "allocations.h"

static const struct tp_window window2 = {
    .kernel = { 2, 2 }, .strides = { 2, 2 }, .dilations = { 1, 1 },
};

/* conv [8, 8, 4] -> relu -> pool [4, 4, 4] -> flat [64] */
static struct tp_graph *small_net(void)
{
    struct tp_graph *g = network(8, 8, 3);
    put_plain(g, &tp_op_flatten, put_max_pool(g, put_relu(g, put_conv(g, 0, 4))));
    assert_true(use_table(g, 0));
    return g;
}

static void check_refused(const struct tp_graph *g, const struct tp_shape *input,
                          const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                          enum tp_code code, const char *part)
{
    struct tp_plan *plan = (struct tp_plan *)(uintptr_t)1;
    struct tp_err err = { 0 };
    assert_false(tp_plan_make(&plan, g, input, taps, n_taps, limits, &err));
    assert_null(plan);
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
    assert_int_equal(err.code, code);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void answers_bear_the_names_and_shapes_of_their_layers(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    const struct tp_tap taps[] = {
        { .layer = "l3" }, { .layer = "l1", .channels_first = true },
        { .layer = "l1", .pooling.kind = TP_POOL_AVG },
        { .layer = "l2", .pooling = { TP_POOL_MAX, TP_POOL_WINDOW, window2 } },
        { .layer = "l4", .channels_first = true },
    };
    static const char *const shapes[] = { "[5, 4, 4, 4]", "[5, 4, 8, 8]", "[5, 4]", "[5, 4, 4, 4]",
                                          "[5, 64]" };
    struct tp_plan *plan = plan_of(g, 5, taps, 5);
    size_t bytes = 0;
    assert_int_equal(tp_plan_n_outputs(plan), 5);
    for (int i = 0; i < 5; i++) {
        const struct tp_shape s = tp_plan_output_shape(plan, i);
        assert_string_equal(tp_plan_output_name(plan, i), taps[i].layer);
        assert_string_equal(TP_SHAPE(&s), shapes[i]);
        bytes += (size_t)tp_shape_elements(&s) * sizeof(float);
    }
    assert_int_equal(tp_plan_output_bytes(plan), bytes);
    assert_string_equal(TP_SHAPE(tp_plan_input_shape(plan)), "[5, 8, 8, 3]");
    tp_plan_free(plan);
    tp_graph_free(g);
    tp_plan_free(NULL);
}

static void no_layer_by_name_means_the_first_output(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    const struct tp_tap tap = { .layer = NULL };
    struct tp_plan *plan = plan_of(g, 1, &tap, 1);
    assert_string_equal(tp_plan_output_name(plan, 0), "l4");
    tp_plan_free(plan);
    for (int t = 0; use_table(g, t); t++) check_taps(g, 2, &tap, 1);
    tp_graph_free(g);
}

static void every_pooling_is_of_the_layer_that_it_names(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    struct tp_window odd = { .kernel = { 3, 2 }, .strides = { 2, 1 }, .dilations = { 1, 1 },
                             .pads = { 1, 0, 2, 1 }, .padding = TP_PADDING_EXPLICIT };
    odd.ceil_mode = true;
    for (int t = 0; use_table(g, t); t++)
        for (int kind = TP_POOL_MAX; kind <= TP_POOL_SUM; kind++) {
            const struct tp_tap taps[] = {
                { .layer = "l1", .pooling = { kind, TP_POOL_GLOBAL, window2 } },
                { .layer = "l2", .pooling = { kind, TP_POOL_WINDOW, window2 } },
                { .layer = "l3", .pooling = { kind, TP_POOL_WINDOW, odd }, .channels_first = true },
                { .layer = "l3", .pooling = { kind, TP_POOL_GLOBAL, odd }, .channels_first = true },
            };
            check_taps(g, 3, taps, 4);
        }
    tp_graph_free(g);
}

static void only_what_the_answer_needs_is_run(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    const struct tp_tap taps[] = {
        { .layer = "l1" }, { .layer = "l3" }, { .layer = "l4" },
        { .layer = "l2", .pooling.kind = TP_POOL_SUM },
    };
    static const int steps[] = { 1, 2, 2, 2 };           /* the relu is folded; a view takes none */
    for (int i = 0; i < 4; i++) {
        struct tp_plan *plan = plan_of(g, 1, &taps[i], 1);
        assert_int_equal(tp_plan_n_steps(plan), steps[i]);
        tp_plan_free(plan);
    }
    tp_graph_free(g);
}

static void multiply_adds_are_those_of_the_steps_times_the_batch(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 6, 3);
    int conv = put_conv(g, 0, 4), deep = put_depthwise(g, conv), dense = put_dense(g, deep, 7);
    assert_true(use_table(g, 0));
    const struct tp_tap tap = tap_of(g, dense), first = tap_of(g, conv);
    struct tp_plan *plan = plan_of(g, 3, &tap, 1);
    assert_int_equal(tp_plan_macs(plan), 3 * 48 * (9 * 3 * 4 + 9 * 4 + 4 * 7));
    tp_plan_free(plan);
    plan = plan_of(g, 2, &first, 1);
    assert_int_equal(tp_plan_macs(plan), 2 * 48 * 9 * 3 * 4);
    tp_plan_free(plan);
    tp_graph_free(g);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void a_question_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    const struct tp_shape in = batch_of(g, 1);
    struct tp_window large = window2;
    large.kernel[1] = 9;
    const struct tp_tap unknown[] = { { .layer = "l1" }, { .layer = "conv" } };
    const struct tp_tap flat = { .layer = "l4", .pooling.kind = TP_POOL_MAX };
    const struct tp_tap beyond = { .layer = "l1",
                                   .pooling = { TP_POOL_AVG, TP_POOL_WINDOW, large } };
    const struct tp_tap input = { .layer = "input" };
    check_refused(g, &in, NULL, 0, &wide_limits, TP_INVALID_ARGUMENT, "layers: none asked for");
    check_refused(g, &in, unknown, 2, &wide_limits, TP_NOT_FOUND,
                  "model 'net' has no layer 'conv'; it has: l1, l2, l3, l4");
    check_refused(g, &in, &input, 1, &wide_limits, TP_NOT_FOUND, "no layer 'input'");
    check_refused(g, &in, &flat, 1, &wide_limits, TP_INVALID_SHAPE,
                  "l4: pooling needs a map [n, height, width, channels]; this layer is [1, 64]");
    check_refused(g, &in, &beyond, 1, &wide_limits, TP_INVALID_SHAPE,
                  "l1: kernel 2x9 exceeds the padded input: its width is 8, the window's 9");
    tp_graph_free(g);
}

static void an_input_of_another_shape_is_refused(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    const struct tp_tap tap = { .layer = "l1" };
    const struct tp_shape wrong[] = {
        TP_SHAPE4(1, 8, 8, 1), TP_SHAPE4(1, 8, 9, 3), TP_SHAPE2(1, 192),
        { .rank = 3, .dim = { 8, 8, 3 } },
    };
    for (int i = 0; i < 4; i++)
        check_refused(g, &wrong[i], &tap, 1, &wide_limits, TP_INVALID_SHAPE,
                      "does not fit model 'net', which takes [any, 8, 8, 3]");
    const struct tp_shape none = TP_SHAPE4(0, 8, 8, 3), open = TP_SHAPE4(TP_ANY, 8, 8, 3);
    const struct tp_shape deep = { .rank = TP_MAX_RANK + 1 };
    check_refused(g, &none, &tap, 1, &wide_limits, TP_INVALID_SHAPE, "input: dimension 0");
    check_refused(g, &open, &tap, 1, &wide_limits, TP_INVALID_SHAPE, "input: dimension 0");
    check_refused(g, &deep, &tap, 1, &wide_limits, TP_INVALID_SHAPE, "input: 9 dimensions");
    tp_graph_free(g);
}

/* A model of any size meets an image that is too small for it. */
static void an_input_that_a_layer_cannot_take_is_refused_by_that_layer(void **state)
{
    (void)state;
    struct tp_graph *g = network(TP_ANY, TP_ANY, 3);
    int conv = put(g, conv_node(g, 0, 2, 1, 3, 3), ON(0)), pool = put_max_pool(g, conv);
    struct tp_node rows = { .op = &tp_op_reshape, .attr.reshape.target = { 2, { 12, TP_ANY } } };
    int reshaped = put(g, rows, ON(0));
    assert_true(use_table(g, 0));
    const struct tp_tap pooled = tap_of(g, pool), whole = tap_of(g, conv);
    const struct tp_tap cut = tap_of(g, reshaped);
    const struct tp_shape in = TP_SHAPE4(1, 3, 5, 3);
    struct tp_err err = { 0 };
    struct tp_plan *plan;
    check_refused(g, &in, &pooled, 1, &wide_limits, TP_INVALID_SHAPE, "l2: kernel 2x2 exceeds");
    check_refused(g, &in, &cut, 1, &wide_limits, TP_INVALID_SHAPE,
                  "l3: cannot reshape 45 elements to [12, any]");
    assert_true(tp_plan_make(&plan, g, &in, &whole, 1, &wide_limits, &err));
    tp_plan_free(plan);
    tp_graph_free(g);
}

static void tensors_beyond_max_elements_are_refused_by_name(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    struct tp_limits limits = wide_limits;
    const struct tp_tap tap = { .layer = "l3" };
    const struct tp_shape in = batch_of(g, 2);
    limits.max_elements = 2 * 8 * 8 * 3 - 1;
    check_refused(g, &in, &tap, 1, &limits, TP_TOO_LARGE,
                  "input: [2, 8, 8, 3] has more than the 383 elements");
    limits.max_elements++;
    check_refused(g, &in, &tap, 1, &limits, TP_TOO_LARGE,
                  "l1: [2, 8, 8, 4] has more than the 384 elements");
    tp_graph_free(g);
}

static void answers_beyond_max_output_bytes_are_refused_by_name(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    struct tp_limits limits = wide_limits;
    const struct tp_tap taps[] = { { .layer = "l3" }, { .layer = "l4" } };
    const struct tp_shape in = batch_of(g, 1);
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    limits.max_output_bytes = 255;
    check_refused(g, &in, taps, 1, &limits, TP_TOO_LARGE,
                  "l3: the answer [1, 4, 4, 4] takes more than the limit of 255 bytes "
                  "(--max-output-bytes)");
    limits.max_output_bytes = 511;
    check_refused(g, &in, taps, 2, &limits, TP_TOO_LARGE, "l4: the answer [1, 64] takes more");
    limits.max_output_bytes = 512;
    assert_true(tp_plan_make(&plan, g, &in, taps, 2, &limits, &err));
    tp_plan_free(plan);
    tp_graph_free(g);
}

static void a_workspace_beyond_its_limit_is_refused(void **state)
{
    (void)state;
    struct tp_graph *g = network(TP_ANY, TP_ANY, 4);
    struct tp_limits limits = wide_limits;
    int end = put_global(g, put_max_pool(g, put_max_pool(g, 0)));
    assert_true(use_table(g, 0));
    const struct tp_tap tap = tap_of(g, end);
    const struct tp_shape in = TP_SHAPE4(1, 1024, 1024, 4);
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    assert_true(tp_plan_make(&plan, g, &in, &tap, 1, &wide_limits, &err));
    limits.max_workspace_bytes = tp_plan_workspace_bytes(plan);
    tp_plan_free(plan);
    assert_in_range(limits.max_workspace_bytes, 5 << 20, 6 << 20);   /* 4 MiB, 1 MiB and a little */
    assert_true(tp_plan_make(&plan, g, &in, &tap, 1, &limits, &err));
    tp_plan_free(plan);
    limits.max_workspace_bytes--;
    check_refused(g, &in, &tap, 1, &limits, TP_TOO_LARGE,
                  "net: an input of [1, 1024, 1024, 4] needs a workspace of 6 MiB; "
                  "the limit is 5 MiB");
    tp_graph_free(g);
}

static void too_many_operations_are_refused_by_the_layer_that_exceeds_them(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    struct tp_limits limits = wide_limits;
    int conv = put_conv(g, 0, 4), pool = put_max_pool(g, conv);
    assert_true(use_table(g, 0));
    const struct tp_tap first = tap_of(g, conv), second = tap_of(g, pool);
    const struct tp_shape in = batch_of(g, 2);
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    limits.max_operations = 2 * 64 * 4 * (9 * 4 + 1);
    assert_true(tp_plan_make(&plan, g, &in, &first, 1, &limits, &err));
    tp_plan_free(plan);
    check_refused(g, &in, &second, 1, &limits, TP_TOO_LARGE, "l2: up to here");
    limits.max_operations += 2 * 16 * 4 * 4;
    assert_true(tp_plan_make(&plan, g, &in, &second, 1, &limits, &err));
    tp_plan_free(plan);
    limits.max_operations = 1000;
    check_refused(g, &in, &second, 1, &limits, TP_TOO_LARGE, "l1: up to here 1.89e+04 operations");
    tp_graph_free(g);
}

/* A window far larger than the map reads no more than the map. */
static void a_huge_window_costs_what_it_reads(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    struct tp_limits limits = wide_limits;
    int conv = put_conv(g, 0, 4);
    assert_true(use_table(g, 0));
    struct tp_tap tap = tap_of(g, conv);
    tap.pooling = (struct tp_pooling){
        .kind = TP_POOL_MAX, .form = TP_POOL_WINDOW, .window = window2,
    };
    tap.pooling.window.kernel[0] = tap.pooling.window.kernel[1] = 1 << 28;
    tap.pooling.window.padding = TP_PADDING_SAME;
    const struct tp_shape in = batch_of(g, 1);
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    limits.max_operations = 64 * 4 * (9 * 4 + 1) + 16 * 4 * 64;
    if (!tp_plan_make(&plan, g, &in, &tap, 1, &limits, &err)) fail_msg("%s", err.message);
    tp_plan_free(plan);
    limits.max_operations--;
    check_refused(g, &in, &tap, 1, &limits, TP_TOO_LARGE, "l1: up to here");
    tp_graph_free(g);
}

/* Without any limit there is still arithmetic. */
static void sizes_that_cannot_be_counted_are_refused(void **state)
{
    (void)state;
    const struct tp_limits none = { .max_elements = INT64_MAX, .max_workspace_bytes = SIZE_MAX,
                                    .max_output_bytes = SIZE_MAX, .max_operations = INT64_MAX };
    struct tp_limits bytes = none;
    struct tp_graph *g = network(TP_ANY, TP_ANY, 8);
    int conv = put_conv(g, 0, 8), gap = put_global(g, put_conv(g, conv, 8));
    int relu = put_relu(g, 0), small = put_global(g, relu);
    assert_true(use_table(g, 0));
    const struct tp_tap heavy = tap_of(g, gap), plain = tap_of(g, relu), pooled = tap_of(g, small);
    const struct tp_tap three[] = { plain, plain, plain };
    const struct tp_shape at_most = TP_SHAPE4((int64_t)1 << 40, 1 << 10, 1 << 6, 8);
    const struct tp_shape beyond = TP_SHAPE4((int64_t)1 << 40, 1 << 10, 1 << 7, 8);
    const struct tp_shape overflows = TP_SHAPE4((int64_t)1 << 40, 1 << 20, 1 << 20, 8);
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    check_refused(g, &beyond, &plain, 1, &none, TP_TOO_LARGE, "input: ");
    check_refused(g, &overflows, &plain, 1, &none, TP_TOO_LARGE, "input: ");
    check_refused(g, &at_most, &heavy, 1, &none, TP_TOO_LARGE, "");
    check_refused(g, &at_most, &pooled, 1, &wide_limits, TP_TOO_LARGE, "");
    bytes.max_output_bytes = (size_t)1 << 62;
    check_refused(g, &at_most, three, 3, &bytes, TP_TOO_LARGE, "--max-output-bytes");
    if (!tp_plan_make(&plan, g, &at_most, three, 3, &none, &err)) fail_msg("%s", err.message);
    assert_int_equal(tp_plan_output_bytes(plan), (size_t)3 << 61);
    tp_plan_free(plan);
    tp_graph_free(g);
}

/* ---- in turn --------------------------------------------------------------------------------- */

/* Some of everything that an answer can be: computed, pooled, joined, the input itself, a constant,
 * a view, twice the same. */
struct several { struct tp_tap taps[9]; struct tp_want wants[9]; };

static void ask_several(struct several *s, const int *nodes)
{
    static const enum tp_pool_kind kinds[] = { TP_POOL_NONE, TP_POOL_MAX, TP_POOL_GEM };
    memset(s, 0, sizeof *s);
    for (int i = 0; i < 9; i++) {
        struct tp_tap *tap = &s->taps[i];
        if (i < 3) tap->pooling = (struct tp_pooling){ .kind = kinds[i], .p = 3 };
        tap->argmax = i == 1;
        tap->channels_first = i == 4;
        tap->normalize = i == 2;
        tap->joined = i == 8;
        s->wants[i] = (struct tp_want){ tap, "layer", nodes[i < 3 ? 0 : i], true };
    }
}

static void check_in_turn(struct tp_graph *g, const struct several *s, int repeat)
{
    struct tp_shape one = batch_of(g, 1), all = batch_of(g, repeat);
    struct tp_plan *single, *turns;
    struct tp_err err = { 0 };
    float *outputs[10], *want[10];
    if (!tp_plan_build(&single, g, false, &one, s->wants, 9, 1, &wide_limits, &err) ||
        !tp_plan_build(&turns, g, false, &one, s->wants, 9, repeat, &wide_limits, &err))
        fail_msg("%s", err.message);
    const int n = tp_plan_n_outputs(single);
    const int64_t n_input = tp_shape_elements(&one);
    assert_int_equal(n, 9);
    assert_int_equal(tp_plan_n_outputs(turns), n);
    assert_int_equal(tp_plan_macs(turns), repeat * tp_plan_macs(single));
    assert_int_equal(tp_plan_output_bytes(turns), repeat * tp_plan_output_bytes(single));
    assert_int_equal(tp_plan_workspace_bytes(turns), tp_plan_workspace_bytes(single));
    assert_true(tp_shape_equal(tp_plan_input_shape(turns), &all));
    float *input = guarded_random(repeat * n_input, 5);
    void *workspace = guarded(tp_plan_workspace_bytes(turns));
    int64_t sizes[10];
    for (int i = 0; i < n; i++) {
        const struct tp_shape a = tp_plan_output_shape(single, i);
        struct tp_shape b = tp_plan_output_shape(turns, i);
        sizes[i] = tp_shape_elements(&a);
        if (a.rank || repeat > 1) {
            assert_int_equal(b.dim[0], repeat * (a.rank ? a.dim[0] : 1));
            b.dim[0] /= repeat;
        }
        if (a.rank) assert_true(tp_shape_equal(&a, &b));
        else assert_int_equal(b.rank, repeat > 1);       /* as many numbers as runs */
        outputs[i] = guarded((size_t)(repeat * sizes[i]) * sizeof(float));
        want[i] = guarded((size_t)sizes[i] * sizeof(float));
    }
    tp_plan_run(turns, input, outputs, workspace, 2);
    for (int r = 0; r < repeat; r++) {
        tp_plan_run(single, input + r * n_input, want, workspace, 1);
        for (int i = 0; i < n; i++)
            assert_memory_equal(outputs[i] + r * sizes[i], want[i],
                                (size_t)sizes[i] * sizeof(float));
    }
    for (int i = 0; i < n; i++) guarded_free(outputs[i]), guarded_free(want[i]);
    guarded_free(input);
    guarded_free(workspace);
    tp_plan_free(single);
    tp_plan_free(turns);
}

static void a_plan_may_run_image_by_image(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 7, 3);
    struct several s;
    int conv = put_conv(g, 0, 4), pool = put_max_pool(g, conv);
    int flat = put_plain(g, &tp_op_flatten, pool), constant = put_constant(g, 6);
    struct tp_node number = { .op = &tp_op_constant, .attr.constant.data = weights(g, 1, 2, 0) };
    int scalar = put(g, number, 0, NULL), dense = put_dense(g, flat, 3);
    ask_several(&s, (const int[]){ conv, 0, 0, 0, pool, constant, scalar, flat, dense });
    for (int t = 0; use_table(g, t); t++)
        for (int repeat = 1; repeat <= 3; repeat++) check_in_turn(g, &s, repeat);
    tp_graph_free(g);
}

static void what_is_run_in_turn_is_counted_whole(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    const struct tp_tap tap = { .layer = "l3" };
    const struct tp_want want = { &tap, "l3", tp_graph_find(g, "l3"), true };
    const struct tp_shape one = batch_of(g, 1);
    struct tp_limits limits = wide_limits;
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    limits.max_output_bytes = 3 * 4 * 4 * 4 * sizeof(float);
    limits.max_elements = 3 * 8 * 8 * 3;
    limits.max_operations = 3 * (64 * 4 * (9 * 3 + 1) + 16 * 4 * 4);
    assert_true(tp_plan_build(&plan, g, false, &one, &want, 1, 3, &limits, &err));
    tp_plan_free(plan);
    for (int i = 0; i < 3; i++) {
        static const char *const parts[] = { "l3: the answer [3, 4, 4, 4] takes more than",
                                             "input: [3, 8, 8, 3] has more", "l3: up to here" };
        struct tp_limits less = limits;
        if (i == 0) less.max_output_bytes--;
        else if (i == 1) less.max_elements--;
        else less.max_operations--;
        err.code = TP_OK;
        assert_false(tp_plan_build(&plan, g, false, &one, &want, 1, 3, &less, &err));
        if (!strstr(err.message, parts[i])) fail_msg("'%s' lacks '%s'", err.message, parts[i]);
        assert_int_equal(err.code, TP_TOO_LARGE);
    }
    tp_graph_free(g);
}

static void rois_of_images_in_turn_are_refused(void **state)
{
    (void)state;
    struct tp_graph *g = small_net();
    static const float box[4] = { 0, 0, 4, 4 };
    const struct tp_tap tap = { .pooling = { .kind = TP_POOL_MAX, .form = TP_POOL_ROIS,
                                             .grid = { 2, 2 }, .n_boxes = 1, .boxes = box } };
    const struct tp_want want = { &tap, "conv", tp_graph_find(g, "l1"), true };
    const struct tp_shape one = batch_of(g, 1), two = batch_of(g, 2);
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    assert_true(tp_plan_build(&plan, g, false, &one, &want, 1, 1, &wide_limits, &err));
    tp_plan_free(plan);
    assert_false(tp_plan_build(&plan, g, false, &one, &want, 1, 2, &wide_limits, &err));
    assert_string_equal(err.message, "conv: this model's file fixes the batch at one image; rois "
                        "for several images at once are not possible; send one image a request");
    err.code = TP_OK;
    assert_false(tp_plan_build(&plan, g, false, &two, &want, 1, 2, &wide_limits, &err));
    assert_int_equal(err.code, TP_INTERNAL);
    assert_null(plan);
    tp_graph_free(g);
}

/* What is lost shows under the address sanitizer. */
static void a_graph_that_is_given_away_goes_with_its_plan(void **state)
{
    (void)state;
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    struct tp_graph *g = small_net();
    const struct tp_shape good = batch_of(g, 2), bad = batch_of(g, 0);
    const struct tp_tap tap = { .channels_first = true };
    struct tp_want want = { &tap, "conv", tp_graph_find(g, "l1"), true };
    assert_true(tp_plan_build(&plan, g, true, &good, &want, 1, 1, &wide_limits, &err));
    float *input = guarded_random(tp_shape_elements(&good), 1);
    float *out = guarded(tp_plan_output_bytes(plan));
    void *workspace = guarded(tp_plan_workspace_bytes(plan));
    tp_plan_run(plan, input, &out, workspace, 1);
    guarded_free(input);
    guarded_free(out);
    guarded_free(workspace);
    tp_plan_free(plan);
    assert_false(tp_plan_build(&plan, small_net(), true, &bad, &want, 1, 1, &wide_limits, &err));
    assert_null(plan);
}

static void an_input_may_have_any_rank(void **state)
{
    (void)state;
    for (int rank = 1; rank <= TP_MAX_RANK; rank++) {
        struct tp_graph *g;
        struct tp_shape shape = { .rank = rank };
        struct tp_err err = { 0 };
        for (int i = 0; i < rank; i++) shape.dim[i] = i == 0 ? TP_ANY : 1 + i % 3;
        assert_true(tp_graph_new(&g, "net", &shape, &err));
        int relu = put_relu(g, 0), twice = put_add(g, 0, relu);
        assert_int_equal(check_layers(g, ON(twice, relu)), 2);
        tp_graph_free(g);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

#ifdef COUNTS_ALLOCATIONS
static void running_out_of_memory_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    enum { LAYERS = 1500 };
    struct tp_graph *g = network(8, 8, 4);
    int x = 0;
    for (int i = 0; i < LAYERS; i++) x = i % 2 ? put_relu(g, x) : put_conv(g, x, 4);
    assert_true(use_table(g, 0));
    const struct tp_tap tap = tap_of(g, x);
    const struct tp_shape in = batch_of(g, 1);
    struct tp_plan *plan = NULL;
    int failures = 0;
    for (int granted_now = 0; !plan; granted_now++, failures++) {
        struct tp_err err = { 0 };
        long live = n_live;
        n_granted = granted_now;
        bool ok = tp_plan_make(&plan, g, &in, &tap, 1, &wide_limits, &err);
        n_granted = -1;
        if (ok) break;
        assert_null(plan);
        assert_int_equal(err.code, TP_NO_MEMORY);
        assert_int_equal(n_live, live);
    }
    assert_in_range(failures, 3, 1000);
    tp_plan_free(plan);
    tp_graph_free(g);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_bear_the_names_and_shapes_of_their_layers),
        cmocka_unit_test(no_layer_by_name_means_the_first_output),
        cmocka_unit_test(every_pooling_is_of_the_layer_that_it_names),
        cmocka_unit_test(only_what_the_answer_needs_is_run),
        cmocka_unit_test(multiply_adds_are_those_of_the_steps_times_the_batch),
        cmocka_unit_test(a_question_that_makes_no_sense_is_refused),
        cmocka_unit_test(an_input_of_another_shape_is_refused),
        cmocka_unit_test(an_input_that_a_layer_cannot_take_is_refused_by_that_layer),
        cmocka_unit_test(tensors_beyond_max_elements_are_refused_by_name),
        cmocka_unit_test(answers_beyond_max_output_bytes_are_refused_by_name),
        cmocka_unit_test(a_workspace_beyond_its_limit_is_refused),
        cmocka_unit_test(too_many_operations_are_refused_by_the_layer_that_exceeds_them),
        cmocka_unit_test(a_huge_window_costs_what_it_reads),
        cmocka_unit_test(sizes_that_cannot_be_counted_are_refused),
        cmocka_unit_test(a_plan_may_run_image_by_image),
        cmocka_unit_test(what_is_run_in_turn_is_counted_whole),
        cmocka_unit_test(rois_of_images_in_turn_are_refused),
        cmocka_unit_test(a_graph_that_is_given_away_goes_with_its_plan),
        cmocka_unit_test(an_input_may_have_any_rank),
#ifdef COUNTS_ALLOCATIONS
        cmocka_unit_test(running_out_of_memory_is_an_error_and_leaks_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
