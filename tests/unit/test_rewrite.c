/* test_rewrite.c - the same values with fewer steps: what is folded, what must not be.
 *
 * check_layers() holds every answer against the judge, who knows of no folding, and tells how many
 * steps the plan takes. */
#include "network.h"

#include "graph/rewrite.h"

static int put_identity(struct tp_graph *g, int from)
{
    return put_plain(g, &tp_op_identity, from);
}

/* ---- batch normalizations and activations ---------------------------------------------------- */

typedef int put_fn(struct tp_graph *g, int from);

static int put_conv5(struct tp_graph *g, int from) { return put_conv(g, from, 5); }
static int put_dense5(struct tp_graph *g, int from) { return put_dense(g, from, 5); }

static void a_batch_norm_and_an_activation_are_part_of_what_they_follow(void **state)
{
    (void)state;
    static put_fn *const producers[] = { put_conv5, put_dense5, put_depthwise };
    for (int i = 0; i < 3; i++) {
        struct tp_graph *g = network(6, 7, 3);
        int x = producers[i](g, 0), bn = put_batch_norm(g, x), relu = put_relu(g, bn);
        assert_int_equal(check_layers(g, ON(relu)), 1);
        assert_int_equal(check_layers(g, ON(bn)), 1);
        assert_int_equal(check_layers(g, ON(x)), 1);
        assert_int_equal(check_layers(g, ON(bn, relu)), 2);
        assert_int_equal(check_layers(g, ON(x, relu)), 2);
        assert_int_equal(check_layers(g, ON(relu, x, bn)), 3);
        tp_graph_free(g);
    }
}

static void batch_norms_that_follow_each_other_become_one(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    int a = put_batch_norm(g, put_conv(g, 0, 6)), b = put_batch_norm(g, a);
    int c = put_relu(g, put_batch_norm(g, b));
    assert_int_equal(check_layers(g, ON(c)), 1);
    assert_int_equal(check_layers(g, ON(b, c)), 2);
    tp_graph_free(g);
}

/* bn(relu(conv)) is not relu(bn(conv)). */
static void a_batch_norm_behind_an_activation_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    struct tp_node nd = conv_node(g, 0, 4, 1, 3, 3);
    nd.act = relu_act;
    int conv = put(g, nd, ON(0)), bn = put_batch_norm(g, conv);
    int later = put_batch_norm(g, put_relu(g, put_conv(g, 0, 4)));
    assert_int_equal(check_layers(g, ON(bn)), 2);
    assert_int_equal(check_layers(g, ON(later)), 2);
    tp_graph_free(g);
}

static void an_activation_behind_an_activation_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    struct tp_node abs = { .op = &tp_op_activation, .act.kind = TP_ACT_ABS };
    struct tp_node tanh_act = { .op = &tp_op_activation, .act.kind = TP_ACT_TANH };
    int a = put(g, abs, ON(put_conv(g, 0, 4))), b = put(g, tanh_act, ON(a));
    assert_int_equal(check_layers(g, ON(b)), 2);
    tp_graph_free(g);
}

static void a_convolution_that_is_read_twice_is_not_changed(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    int conv = put_conv(g, 0, 4), bn = put_batch_norm(g, conv), relu = put_relu(g, conv);
    assert_int_equal(check_layers(g, ON(bn, relu)), 3);
    assert_int_equal(check_layers(g, ON(relu)), 1);      /* nobody else reads it now */
    assert_int_equal(check_layers(g, ON(bn)), 1);
    tp_graph_free(g);
}

static void a_batch_norm_alone_takes_an_activation_with_it(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    int relu = put_relu(g, put_batch_norm(g, 0));
    int pooled = put_relu(g, put_max_pool(g, 0));
    assert_int_equal(check_layers(g, ON(relu)), 1);
    assert_int_equal(check_layers(g, ON(pooled)), 1);
    assert_int_equal(check_layers(g, ON(put_batch_norm(g, put_max_pool(g, 0)))), 2);
    tp_graph_free(g);
}

static void nothing_is_folded_into_the_input_a_constant_or_a_view(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    int constant = put_constant(g, 6);
    int a = put_relu(g, 0), b = put_batch_norm(g, 0), c = put_relu(g, constant);
    int flat = put_relu(g, put_plain(g, &tp_op_flatten, put_conv(g, 0, 3)));
    assert_int_equal(check_layers(g, ON(a)), 1);
    assert_int_equal(check_layers(g, ON(b)), 1);
    assert_int_equal(check_layers(g, ON(c)), 1);
    assert_int_equal(check_layers(g, ON(flat)), 2);
    assert_int_equal(check_layers(g, ON(flat, a, b, c)), 5);
    tp_graph_free(g);
}

/* ---- residual sums --------------------------------------------------------------------------- */

static void a_sum_is_part_of_the_convolution_that_it_adds_to(void **state)
{
    (void)state;
    static put_fn *const producers[] = { put_conv5, put_dense5, put_depthwise };
    for (int i = 0; i < 3; i++) {
        struct tp_graph *g = network(6, 5, 5);
        int x = put_max_pool(g, 0), conv = producers[i](g, x), bn = put_batch_norm(g, conv);
        int right = put_add(g, x, bn), left = put_add(g, bn, x);
        int relu = put_relu(g, right);
        assert_int_equal(check_layers(g, ON(right)), 2);
        assert_int_equal(check_layers(g, ON(left)), 2);
        assert_int_equal(check_layers(g, ON(relu)), 2);
        assert_int_equal(check_layers(g, ON(relu, right)), 3);
        assert_int_equal(check_layers(g, ON(relu, bn)), 3);
        assert_int_equal(check_layers(g, ON(left, right)), 4);
        tp_graph_free(g);
    }
}

static void of_two_convolutions_one_takes_the_sum(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 2);
    int a = put_conv(g, 0, 4), b = put_conv(g, 0, 4), sum = put_relu(g, put_add(g, a, b));
    assert_int_equal(check_layers(g, ON(sum)), 2);
    assert_int_equal(check_layers(g, ON(sum, b)), 2);    /* then a takes it */
    assert_int_equal(check_layers(g, ON(a, sum)), 2);
    assert_int_equal(check_layers(g, ON(a, b, sum)), 3);
    tp_graph_free(g);
}

static void sums_of_sums_are_folded_one_by_one(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int x = 0;
    for (int i = 0; i < 4; i++) x = put_add(g, put_conv(g, x, 4), x);
    assert_int_equal(check_layers(g, ON(x)), 4);
    /* A convolution that has one residual takes no second. */
    int other = put_max_pool(g, put_padding(g, 0, 3, 3, 3, 2));
    int twice = put_add(g, put_add(g, put_conv(g, 0, 4), 0), other);
    assert_int_equal(check_layers(g, ON(twice)), 4);
    tp_graph_free(g);
}

/* bn(conv + x) scales x too. */
static void a_batch_norm_behind_a_sum_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int sum = put_add(g, put_conv(g, 0, 4), 0), bn = put_relu(g, put_batch_norm(g, sum));
    assert_int_equal(check_layers(g, ON(bn)), 2);
    tp_graph_free(g);
}

static void sums_that_a_convolution_cannot_take_stay(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    struct tp_node mean = { .op = &tp_op_combine, .attr.combine.mean = true };
    int conv = put_conv(g, 0, 4), same = put_add(g, conv, conv);
    int active = put_add(g, put_relu(g, put_conv(g, 0, 4)), 0);
    int average = put(g, mean, ON(put_conv(g, 0, 4), 0));
    int three = put(g, (struct tp_node){ .op = &tp_op_combine }, ON(put_conv(g, 0, 4), 0, 0));
    int plain = put_add(g, 0, 0);
    assert_int_equal(check_layers(g, ON(same)), 2);
    assert_int_equal(check_layers(g, ON(conv, same)), 2);
    assert_int_equal(check_layers(g, ON(active)), 2);
    assert_int_equal(check_layers(g, ON(average)), 2);
    assert_int_equal(check_layers(g, ON(three)), 2);
    assert_int_equal(check_layers(g, ON(plain)), 1);
    tp_graph_free(g);
}

static void sums_that_broadcast_stay(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int small = put_conv(g, put_global(g, 0), 4), wide = put_conv(g, 0, 4);
    int bias = put_constant(g, 4), scalar = put_conv(g, put_global(g, 0), 1);
    assert_int_equal(check_layers(g, ON(put_add(g, 0, small))), 3);
    assert_int_equal(check_layers(g, ON(put_add(g, wide, put_global(g, 0)))), 3);
    assert_int_equal(check_layers(g, ON(put_add(g, wide, bias))), 2);
    assert_int_equal(check_layers(g, ON(put_add(g, bias, wide))), 2);
    assert_int_equal(check_layers(g, ON(put_add(g, scalar, wide))), 4);
    tp_graph_free(g);
}

/* ---- padding --------------------------------------------------------------------------------- */

static int put_window(struct tp_graph *g, int from, enum tp_padding padding, int groups)
{
    struct tp_node nd = conv_node(g, from, 4, groups, 3, 2);
    nd.attr.conv.window.padding = padding;
    nd.attr.conv.window.strides[0] = 2;
    nd.attr.conv.window.dilations[1] = 2;
    nd.attr.conv.window.pads[0] = 1;                     /* read only when explicit */
    nd.attr.conv.window.pads[3] = 2;
    return put(g, nd, ON(from));
}

static void zeros_around_a_map_become_the_convolutions_own(void **state)
{
    (void)state;
    for (int groups = 1; groups <= 4; groups *= 2) {     /* 4: depthwise */
        struct tp_graph *g = network(6, 5, 4);
        int pad = put_padding(g, 0, 1, 2, 3, 0);
        int valid = put_window(g, pad, TP_PADDING_VALID, groups);
        int given = put_window(g, put_padding(g, 0, 0, 5, 1, 4), TP_PADDING_EXPLICIT, groups);
        int twice = put_window(g, put_padding(g, put_padding(g, 0, 1, 0, 2, 1), 0, 2, 1, 1),
                               TP_PADDING_VALID, groups);
        int relu = put_relu(g, put_batch_norm(g, valid));
        assert_int_equal(check_layers(g, ON(valid)), 1);
        assert_int_equal(check_layers(g, ON(relu)), 1);
        assert_int_equal(check_layers(g, ON(given)), 1);
        assert_int_equal(check_layers(g, ON(twice)), 2);
        assert_int_equal(check_layers(g, ON(pad, valid)), 2);
        tp_graph_free(g);
    }
}

static void padding_that_is_not_the_convolutions_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    struct tp_node ones = { .op = &tp_op_pad, .attr.pad = { { 1, 1, 1, 1 }, 1 } };
    int same = put_window(g, put_padding(g, 0, 1, 2, 3, 0), TP_PADDING_SAME, 1);
    int other = put_window(g, put(g, ones, ON(0)), TP_PADDING_VALID, 1);
    int shared = put_padding(g, 0, 1, 1, 1, 1);
    int a = put_window(g, shared, TP_PADDING_VALID, 1);
    int b = put_window(g, shared, TP_PADDING_VALID, 2);
    int pooled = put_max_pool(g, put_padding(g, 0, 1, 1, 1, 1));
    int frame = put_padding(g, 0, 0, 0, 3, 0);   /* 9 rows: the last window starts at row 8 */
    struct tp_node ceiling = conv_node(g, frame, 4, 1, 2, 1);
    ceiling.attr.conv.window.strides[0] = 2;
    ceiling.attr.conv.window.ceil_mode = true;
    assert_int_equal(check_layers(g, ON(put(g, ceiling, ON(frame)))), 2);
    assert_int_equal(check_layers(g, ON(same)), 2);
    assert_int_equal(check_layers(g, ON(other)), 2);
    assert_int_equal(check_layers(g, ON(a, b)), 3);
    assert_int_equal(check_layers(g, ON(a)), 1);
    assert_int_equal(check_layers(g, ON(pooled)), 2);
    tp_graph_free(g);
}

/* ---- identities ------------------------------------------------------------------------------ */

static void identities_are_looked_through(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int conv = put_conv(g, put_identity(g, put_identity(g, 0)), 4);
    int drop = put_identity(g, put_identity(g, conv));
    int relu = put_relu(g, put_identity(g, put_batch_norm(g, drop)));
    int sum = put_add(g, relu, put_identity(g, put_conv(g, put_identity(g, relu), 4)));
    assert_int_equal(check_layers(g, ON(relu)), 1);
    assert_int_equal(check_layers(g, ON(sum)), 2);
    assert_int_equal(check_layers(g, ON(drop)), 1);
    assert_int_equal(check_layers(g, ON(drop, conv)), 1);
    assert_int_equal(check_layers(g, ON(drop, relu)), 2);
    assert_int_equal(check_layers(g, ON(drop, sum)), 3);
    tp_graph_free(g);
}

static void an_identity_of_the_input_or_a_constant_takes_no_step(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int same = put_identity(g, 0), again = put_identity(g, same);
    int constant = put_constant(g, 7), copy = put_identity(g, constant);
    assert_int_equal(check_layers(g, ON(same)), 0);
    assert_int_equal(check_layers(g, ON(again, same, again)), 0);
    assert_int_equal(check_layers(g, ON(copy, constant, again)), 0);
    tp_graph_free(g);
}

/* ---- what is needed -------------------------------------------------------------------------- */

static void layers_that_nobody_needs_are_gone(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 3);
    int a = put_max_pool(g, 0), b = put_max_pool(g, a), c = put_max_pool(g, b);
    int side = put_max_pool(g, a), end = put_global(g, c);
    assert_int_equal(check_layers(g, ON(a)), 1);
    assert_int_equal(check_layers(g, ON(b)), 2);
    assert_int_equal(check_layers(g, ON(side)), 2);
    assert_int_equal(check_layers(g, ON(side, b)), 3);
    assert_int_equal(check_layers(g, ON(end)), 4);
    assert_int_equal(check_layers(g, ON(end, side)), 5);
    tp_graph_free(g);
}

/* One graph serves every plan: what one plan folds must be there for the next. */
static void folding_leaves_the_graph_as_it_was(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int pad = put_padding(g, 0, 1, 1, 1, 1), conv = put_window(g, pad, TP_PADDING_EXPLICIT, 1);
    int bn = put_batch_norm(g, put_identity(g, conv)), relu = put_relu(g, bn);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(check_layers(g, ON(relu)), 1);
        assert_int_equal(check_layers(g, ON(pad, conv, bn, relu)), 4);
        assert_int_equal(g->nodes[conv].n_inputs, 1);
        assert_int_equal(g->nodes[conv].inputs[0], pad);
        assert_int_equal(g->nodes[conv].attr.conv.window.pads[0], 1);
        assert_null(g->nodes[relu].scale);
    }
    tp_graph_free(g);
}

/* ---- the passes alone ------------------------------------------------------------------------ */

static struct tp_rewrite rewrite_of(struct tp_graph *g, struct tp_arena *arena, int *wanted)
{
    struct tp_rewrite rw = { .arena = arena, .nodes = g->nodes, .shapes = g->shapes,
                             .n_nodes = g->n_nodes, .wanted = wanted, .n_wanted = 1 };
    struct tp_err err = { 0 };
    tp_arena_init(arena, SIZE_MAX);
    assert_true(tp_rewrite_prune(&rw, &err));
    return rw;
}

static void pruning_keeps_what_is_wanted_and_what_that_reads(void **state)
{
    (void)state;
    struct tp_arena arena;
    struct tp_graph *g = network(8, 8, 3);
    int a = put_max_pool(g, 0), b = put_max_pool(g, a), c = put_max_pool(g, a);
    int sum = put_add(g, b, c), late = put_global(g, sum);
    struct tp_rewrite rw = rewrite_of(g, &arena, &sum);
    assert_true(rw.alive[0] && rw.alive[a] && rw.alive[b] && rw.alive[c] && rw.alive[sum]);
    assert_false(rw.alive[late]);
    tp_arena_fini(&arena);
    rw = rewrite_of(g, &arena, &b);
    assert_true(rw.alive[0] && rw.alive[a] && rw.alive[b]);
    assert_false(rw.alive[c] || rw.alive[sum] || rw.alive[late]);
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

static void shapes_are_worked_out_for_what_is_needed_only(void **state)
{
    (void)state;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    struct tp_graph *g = network(TP_ANY, TP_ANY, 3);
    int conv = put_conv(g, 0, 5), small = put_max_pool(g, conv);
    int large = put_padding(g, conv, 50, 50, 50, 50);
    struct tp_rewrite rw = rewrite_of(g, &arena, &small);
    rw.shapes[0] = TP_SHAPE4(2, 4, 6, 3);
    assert_true(tp_rewrite_shapes(&rw, 240, &err));
    assert_string_equal(TP_SHAPE(&rw.shapes[small]), "[2, 2, 3, 5]");
    assert_string_equal(TP_SHAPE(&rw.shapes[large]), "[any, any, any, 5]");
    assert_false(tp_rewrite_shapes(&rw, 239, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_non_null(strstr(err.message, "l1: [2, 4, 6, 5] has more than the 239 elements"));
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_norm_and_an_activation_are_part_of_what_they_follow),
        cmocka_unit_test(batch_norms_that_follow_each_other_become_one),
        cmocka_unit_test(a_batch_norm_behind_an_activation_stays),
        cmocka_unit_test(an_activation_behind_an_activation_stays),
        cmocka_unit_test(a_convolution_that_is_read_twice_is_not_changed),
        cmocka_unit_test(a_batch_norm_alone_takes_an_activation_with_it),
        cmocka_unit_test(nothing_is_folded_into_the_input_a_constant_or_a_view),
        cmocka_unit_test(a_sum_is_part_of_the_convolution_that_it_adds_to),
        cmocka_unit_test(of_two_convolutions_one_takes_the_sum),
        cmocka_unit_test(sums_of_sums_are_folded_one_by_one),
        cmocka_unit_test(a_batch_norm_behind_a_sum_stays),
        cmocka_unit_test(sums_that_a_convolution_cannot_take_stay),
        cmocka_unit_test(sums_that_broadcast_stay),
        cmocka_unit_test(zeros_around_a_map_become_the_convolutions_own),
        cmocka_unit_test(padding_that_is_not_the_convolutions_stays),
        cmocka_unit_test(identities_are_looked_through),
        cmocka_unit_test(an_identity_of_the_input_or_a_constant_takes_no_step),
        cmocka_unit_test(layers_that_nobody_needs_are_gone),
        cmocka_unit_test(folding_leaves_the_graph_as_it_was),
        cmocka_unit_test(pruning_keeps_what_is_wanted_and_what_that_reads),
        cmocka_unit_test(shapes_are_worked_out_for_what_is_needed_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
