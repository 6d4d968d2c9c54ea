/* test_patterns.c - activations that exporters write as several nodes, in the spellings that are
 * met, and what only looks like them.
 *
 * Every check_layers() holds the answers against the judge, who computes what is written. */
#include "network.h"

static int put_act(struct tp_graph *g, enum tp_act_kind kind, float alpha, float beta, int from)
{
    struct tp_node nd = { .op = &tp_op_activation };
    nd.act = (struct tp_act){ .kind = kind, .alpha = alpha, .beta = beta };
    return put(g, nd, ON(from));
}

static int put_number(struct tp_graph *g, double value)
{
    struct tp_node nd = { .op = &tp_op_constant };
    nd.attr.constant.data = weights(g, 1, value, 0);
    return put(g, nd, 0, NULL);
}

static int put_binary(struct tp_graph *g, enum tp_binary_kind kind, int a, int b)
{
    return put(g, (struct tp_node){ .op = &tp_op_binary, .attr.binary = kind }, ON(a, b));
}

static int add(struct tp_graph *g, int x, double value)
{
    return put_binary(g, TP_BINARY_ADD, x, put_number(g, value));
}

static int times(struct tp_graph *g, int x, double value)
{
    return put_binary(g, TP_BINARY_MUL, x, put_number(g, value));
}

static int over(struct tp_graph *g, int x, double value)
{
    return put_binary(g, TP_BINARY_DIV, x, put_number(g, value));
}

static int product(struct tp_graph *g, int a, int b)
{
    return put_binary(g, TP_BINARY_MUL, a, b);
}

static int clip6(struct tp_graph *g, int x) { return put_act(g, TP_ACT_CLAMP, 0, 6, x); }

/* The spellings: of what, in how many steps where nothing is recognised. */

static int swish(struct tp_graph *g, int x)
{
    return product(g, x, put_act(g, TP_ACT_SIGMOID, 0, 0, x));
}

static int swish_turned(struct tp_graph *g, int x)
{
    return product(g, put_act(g, TP_ACT_SIGMOID, 0, 0, x), x);
}

static int hard_swish(struct tp_graph *g, int x)
{
    return product(g, x, put_act(g, TP_ACT_HARD_SIGMOID, 1 / 6.0f, 0.5f, x));
}

static int hard_swish_over(struct tp_graph *g, int x)
{
    return over(g, product(g, x, clip6(g, add(g, x, 3))), 6);
}

static int hard_swish_inside(struct tp_graph *g, int x)
{
    return product(g, times(g, clip6(g, add(g, x, 3)), 1 / 6.0), x);
}

static int hard_swish_before(struct tp_graph *g, int x)
{
    return product(g, over(g, x, 6), clip6(g, add(g, x, 3)));
}

/* The 3 and the sixth per channel. */
static int hard_swish_affine(struct tp_graph *g, int x)
{
    struct tp_node three = { .op = &tp_op_affine, .shift = weights(g, channels_of(g, x), 3, 0) };
    struct tp_node sixth = { .op = &tp_op_affine };
    sixth.scale = weights(g, channels_of(g, x), 1 / 6.0, 0);
    return put(g, sixth, ON(product(g, x, clip6(g, put(g, three, ON(x))))));
}

static int hard_sigmoid(struct tp_graph *g, int x)
{
    return over(g, clip6(g, add(g, x, 3)), 6);
}

static int hard_sigmoid_turned(struct tp_graph *g, int x)
{
    int three = put_number(g, 3), sixth = put_number(g, 1 / 6.0);
    return product(g, sixth, clip6(g, put_binary(g, TP_BINARY_ADD, three, x)));
}

static int hard_sigmoid_clipped(struct tp_graph *g, int x)
{
    return put_act(g, TP_ACT_CLAMP, 0, 1, add(g, over(g, x, 6), 0.5));
}

/* torch.onnx */
static int gelu(struct tp_graph *g, int x)
{
    int erf = put_act(g, TP_ACT_ERF, 0, 0, over(g, x, M_SQRT2));
    return times(g, product(g, x, add(g, erf, 1)), 0.5);
}

static int gelu_half_first(struct tp_graph *g, int x)
{
    int erf = put_act(g, TP_ACT_ERF, 0, 0, times(g, x, M_SQRT1_2));
    return product(g, times(g, x, 0.5), add(g, erf, 1));
}

static int gelu_half_inside(struct tp_graph *g, int x)
{
    int erf = put_act(g, TP_ACT_ERF, 0, 0, over(g, x, M_SQRT2));
    return product(g, times(g, put_binary(g, TP_BINARY_ADD, put_number(g, 1), erf), 0.5), x);
}

static int gelu_tanh_of(struct tp_graph *g, int x, int cube)
{
    int inner = put_binary(g, TP_BINARY_ADD, x, times(g, cube, 0.044715));
    int tanh = put_act(g, TP_ACT_TANH, 0, 0, times(g, inner, sqrt(2 / M_PI)));
    return product(g, times(g, x, 0.5), add(g, tanh, 1));
}

static int gelu_tanh(struct tp_graph *g, int x)
{
    return gelu_tanh_of(g, x, put_binary(g, TP_BINARY_POW, x, put_number(g, 3)));
}

static int gelu_tanh_power(struct tp_graph *g, int x)
{
    return gelu_tanh_of(g, x, put_act(g, TP_ACT_POW, 3, 0, x));
}

static int gelu_tanh_products(struct tp_graph *g, int x)
{
    return gelu_tanh_of(g, x, product(g, product(g, x, x), x));
}

/* x (1 + 0.044715 x^2) sqrt(2 / pi) */
static int gelu_tanh_factored(struct tp_graph *g, int x)
{
    int square = put_act(g, TP_ACT_SQUARE, 0, 0, x);
    int inner = product(g, times(g, x, sqrt(2 / M_PI)), add(g, times(g, square, 0.044715), 1));
    return times(g, product(g, x, add(g, put_act(g, TP_ACT_TANH, 0, 0, inner), 1)), 0.5);
}

static int mish(struct tp_graph *g, int x)
{
    int softplus = put_act(g, TP_ACT_SOFTPLUS, 0, 0, x);
    return product(g, x, put_act(g, TP_ACT_TANH, 0, 0, softplus));
}

typedef int spell_fn(struct tp_graph *g, int x);

static const struct { spell_fn *spell; enum tp_act_kind kind; } spellings[] = {
    { swish, TP_ACT_SWISH }, { swish_turned, TP_ACT_SWISH }, { hard_swish, TP_ACT_HARD_SWISH },
    { hard_swish_over, TP_ACT_HARD_SWISH }, { hard_swish_inside, TP_ACT_HARD_SWISH },
    { hard_swish_before, TP_ACT_HARD_SWISH }, { hard_swish_affine, TP_ACT_HARD_SWISH },
    { hard_sigmoid, TP_ACT_HARD_SIGMOID }, { hard_sigmoid_turned, TP_ACT_HARD_SIGMOID },
    { hard_sigmoid_clipped, TP_ACT_HARD_SIGMOID }, { gelu, TP_ACT_GELU },
    { gelu_half_first, TP_ACT_GELU }, { gelu_half_inside, TP_ACT_GELU },
    { gelu_tanh, TP_ACT_GELU_TANH }, { gelu_tanh_power, TP_ACT_GELU_TANH },
    { gelu_tanh_products, TP_ACT_GELU_TANH }, { gelu_tanh_factored, TP_ACT_GELU_TANH },
    { mish, TP_ACT_MISH },
};

enum { N_SPELLINGS = sizeof spellings / sizeof *spellings };

/* How many nodes behind x are no constants. */
static int count_nodes(const struct tp_graph *g, int x)
{
    int n = 0;
    for (int i = x + 1; i < g->n_nodes; i++) n += g->nodes[i].op != &tp_op_constant;
    return n;
}

/* Wide enough that the activations' ends are seen. */
static int put_wide(struct tp_graph *g)
{
    struct tp_node nd = { .op = &tp_op_affine };
    nd.scale = weights(g, channels_of(g, 0), 8, 1);
    return put(g, nd, ON(put_max_pool(g, 0)));
}

static void several_nodes_become_one_activation(void **state)
{
    (void)state;
    for (int i = 0; i < N_SPELLINGS; i++) {
        struct tp_graph *g = network(6, 7, 3);
        int x = put_wide(g), y = spellings[i].spell(g, x);
        if (check_layers(g, ON(y)) != 2) fail_msg("spelling %d takes more than one step", i);
        tp_graph_free(g);
    }
}

static void the_activation_is_part_of_the_convolution_in_front(void **state)
{
    (void)state;
    for (int i = 0; i < N_SPELLINGS; i++) {
        struct tp_graph *g = network(6, 7, 3);
        int conv = put_conv(g, 0, 5), y = spellings[i].spell(g, put_batch_norm(g, conv));
        if (check_layers(g, ON(y)) != 1) fail_msg("spelling %d takes more than one step", i);
        assert_int_equal(check_layers(g, ON(conv, y)), 2);
        tp_graph_free(g);
    }
}

/* Whatever is asked for of the inside is what is written there. */
static void nodes_inside_can_be_asked_for(void **state)
{
    (void)state;
    for (int i = 0; i < N_SPELLINGS; i++) {
        struct tp_graph *g = network(4, 5, 3);
        int x = put_wide(g), y = spellings[i].spell(g, x), n = count_nodes(g, x);
        struct tp_tap taps[16];
        int n_taps = 0;
        for (int k = x + 1; k < g->n_nodes; k++) {
            if (g->nodes[k].op == &tp_op_constant) continue;
            assert_in_range(check_layers(g, ON(y, k)), k == y ? 2 : 3, n + 2);
            taps[n_taps++] = tap_of(g, k);
        }
        for (int t = 0; use_table(g, t); t++)
            assert_int_equal(check_taps(g, 2, taps, n_taps), n + 2);
        tp_graph_free(g);
    }
}

static void the_right_one_is_recognised(void **state)
{
    (void)state;
    for (int i = 0; i < N_SPELLINGS; i++) {
        struct tp_arena arena;
        struct tp_err err = { 0 };
        struct tp_graph *g = network(4, 5, 3);
        int y = spellings[i].spell(g, 0);
        struct tp_rewrite rw = { .arena = &arena, .max_elements = 1000, .wanted = &y,
                                 .n_wanted = 1 };
        tp_arena_init(&arena, SIZE_MAX);
        assert_true(tp_rewrite_init(&rw, g, &TP_SHAPE4(1, 4, 5, 3), &err));
        tp_rewrite_prune(&rw);
        assert_true(tp_rewrite_shapes(&rw, &err) && tp_rewrite_run(&rw, &err));
        assert_ptr_equal(rw.nodes[y].op, &tp_op_activation);
        assert_int_equal(rw.nodes[y].act.kind, spellings[i].kind);
        assert_int_equal(rw.nodes[y].inputs[0], 0);
        assert_string_equal(rw.nodes[y].name, g->nodes[y].name);
        tp_arena_fini(&arena);
        tp_graph_free(g);
    }
}

/* x of a pattern may be what another scale made, as of a batch normalization over one channel. */
static void what_scales_the_input_is_not_taken_for_the_pattern(void **state)
{
    (void)state;
    for (int i = 0; i < N_SPELLINGS; i++) {
        struct tp_graph *g = network(6, 7, 1);
        int x = add(g, times(g, put_max_pool(g, 0), 7), 0.25), y = spellings[i].spell(g, x);
        assert_int_equal(check_layers(g, ON(y)), 3);
        assert_int_equal(check_layers(g, ON(x, y)), 4);
        tp_graph_free(g);
    }
}

static void one_may_follow_another(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 7, 3);
    int x = put_conv(g, 0, 5), y = swish(g, x), z = hard_swish_over(g, y), last = gelu(g, z);
    assert_int_equal(check_layers(g, ON(last)), 3);
    assert_int_equal(check_layers(g, ON(last, y)), 3);
    assert_int_equal(check_layers(g, ON(x, last)), 4);
    tp_graph_free(g);
}

static int nearly_swish(struct tp_graph *g, int x)
{
    return product(g, x, put_act(g, TP_ACT_SIGMOID, 0, 0, times(g, x, 1.702)));
}

static int other_input(struct tp_graph *g, int x)
{
    return product(g, x, put_act(g, TP_ACT_SIGMOID, 0, 0, put_batch_norm(g, x)));
}

static int squeeze(struct tp_graph *g, int x)
{
    return product(g, x, put_act(g, TP_ACT_SIGMOID, 0, 0, put_global(g, x)));
}

static int other_bound(struct tp_graph *g, int x)
{
    return over(g, product(g, x, put_act(g, TP_ACT_CLAMP, 0, 5, add(g, x, 3))), 6);
}

static int other_shift(struct tp_graph *g, int x)
{
    return over(g, product(g, x, clip6(g, add(g, x, 2.999))), 6);
}

static int other_divisor(struct tp_graph *g, int x)
{
    return over(g, product(g, x, clip6(g, add(g, x, 3))), 6.0001);
}

static int shifted_factor(struct tp_graph *g, int x)
{
    return over(g, product(g, add(g, x, 1), clip6(g, add(g, x, 3))), 6);
}

static int other_root(struct tp_graph *g, int x)
{
    int erf = put_act(g, TP_ACT_ERF, 0, 0, over(g, x, 1.4));
    return times(g, product(g, x, add(g, erf, 1)), 0.5);
}

static int whole_gelu(struct tp_graph *g, int x)
{
    int erf = put_act(g, TP_ACT_ERF, 0, 0, over(g, x, M_SQRT2));
    return product(g, x, add(g, erf, 1));
}

static int other_power(struct tp_graph *g, int x)
{
    return gelu_tanh_of(g, x, put_act(g, TP_ACT_SQUARE, 0, 0, x));
}

static int tanh_shrink(struct tp_graph *g, int x)
{
    return product(g, x, put_act(g, TP_ACT_TANH, 0, 0, x));
}

static int cast_shadow(struct tp_graph *g, int x)
{
    struct tp_node nd = { .op = &tp_op_binary, .attr.binary = TP_BINARY_MUL, .act = relu_act };
    return times(g, put(g, nd, ON(x, put_act(g, TP_ACT_SIGMOID, 0, 0, x))), 2);
}

static void what_only_looks_like_one_is_left_alone(void **state)
{
    (void)state;
    static spell_fn *const spells[] = {
        nearly_swish, other_input, squeeze, other_bound, other_shift, other_divisor,
        shifted_factor, other_root, whole_gelu, other_power, tanh_shrink, cast_shadow,
    };
    for (int i = 0; i < (int)(sizeof spells / sizeof *spells); i++) {
        struct tp_graph *g = network(6, 7, 3);
        int x = put_max_pool(g, 0), y = spells[i](g, x), n = count_nodes(g, x);
        int steps = check_layers(g, ON(y));
        /* A factor may fold its activation; the product and its gate stay two. */
        if (steps < 3) fail_msg("look-alike %d takes %d steps of %d", i, steps, n + 1);
        tp_graph_free(g);
    }
}

/* A value that is broadcast is not an activation of its small self. */
static void a_gate_that_broadcasts_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 7, 3);
    struct tp_node wide = { .op = &tp_op_constant };
    int x = put_global(g, 0), gate = put_act(g, TP_ACT_SIGMOID, 0, 0, x);
    wide.attr.constant.data = weights(g, 4, 1, 0);       /* all ones, of two rows and columns */
    wide.attr.constant.shape = TP_SHAPE4(1, 2, 2, 1);
    int spread = product(g, x, put(g, wide, 0, NULL));
    assert_int_equal(check_layers(g, ON(product(g, spread, gate))), 4);
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_nodes_become_one_activation),
        cmocka_unit_test(the_activation_is_part_of_the_convolution_in_front),
        cmocka_unit_test(nodes_inside_can_be_asked_for),
        cmocka_unit_test(the_right_one_is_recognised),
        cmocka_unit_test(what_scales_the_input_is_not_taken_for_the_pattern),
        cmocka_unit_test(one_may_follow_another),
        cmocka_unit_test(what_only_looks_like_one_is_left_alone),
        cmocka_unit_test(a_gate_that_broadcasts_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
