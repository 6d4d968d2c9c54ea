/* test_rewrite.c - the same values with fewer steps: the passes over the nodes. What they fold,
 * recognise and drop is told by test_fold.c, test_patterns.c and test_moves.c. */
#include "network.h"

#include "graph/rewrite.h"

static int put_identity(struct tp_graph *g, int from)
{
    return put_plain(g, &tp_op_identity, from);
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

/* ---- the passes alone ------------------------------------------------------------------------ */

static struct tp_rewrite rewrite_of(struct tp_graph *g, struct tp_arena *arena, int *wanted)
{
    struct tp_rewrite rw = { .arena = arena, .max_elements = 240 };
    struct tp_err err = { 0 };
    tp_arena_init(arena, SIZE_MAX);
    assert_true(tp_rewrite_init(&rw, g, &g->shapes[0], &err));
    rw.wanted = wanted;
    rw.n_wanted = 1;
    tp_rewrite_prune(&rw);
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
    assert_true(tp_rewrite_shapes(&rw, &err));
    assert_string_equal(TP_SHAPE(&rw.shapes[small]), "[2, 2, 3, 5]");
    assert_int_equal(rw.shapes[large].rank, 0);
    rw.max_elements = 239;
    assert_false(tp_rewrite_shapes(&rw, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_non_null(strstr(err.message, "l1: [2, 4, 6, 5] has more than the 239 elements"));
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

static void nodes_are_added_with_their_shapes_however_many(void **state)
{
    (void)state;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    struct tp_graph *g = network(TP_ANY, TP_ANY, 2);
    int relu = put_relu(g, 0), index = 0;
    struct tp_rewrite rw = rewrite_of(g, &arena, &relu);
    struct tp_node twice = { .name = "twice", .op = &tp_op_concat, .n_inputs = 2,
                             .attr.axis.axis = 3 };
    rw.shapes[0] = TP_SHAPE4(1, 4, 6, 2);
    assert_true(tp_rewrite_shapes(&rw, &err));
    for (int i = 0; i < 100; i++) {
        int inputs[] = { i % 2 ? 0 : relu, relu };       /* the caller's, and gone afterwards */
        twice.inputs = inputs;
        assert_true(tp_rewrite_append(&rw, &twice, &index, &err));
        inputs[0] = inputs[1] = -1;
        assert_int_equal(index, 2 + i);
    }
    assert_int_equal(rw.n_nodes, 102);
    for (int i = 2; i < 102; i++) {
        assert_true(rw.alive[i]);
        assert_int_equal(rw.nodes[i].inputs[0], (i - 2) % 2 ? 0 : relu);
        assert_string_equal(TP_SHAPE(&rw.shapes[i]), "[1, 4, 6, 4]");
    }
    twice.inputs = (const int[]){ index, index };
    rw.max_elements = 191;
    assert_false(tp_rewrite_append(&rw, &twice, &index, &err));
    assert_non_null(strstr(err.message, "twice: [1, 4, 6, 8] has more than the 191 elements"));
    tp_arena_fini(&arena);
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_are_looked_through),
        cmocka_unit_test(an_identity_of_the_input_or_a_constant_takes_no_step),
        cmocka_unit_test(layers_that_nobody_needs_are_gone),
        cmocka_unit_test(pruning_keeps_what_is_wanted_and_what_that_reads),
        cmocka_unit_test(shapes_are_worked_out_for_what_is_needed_only),
        cmocka_unit_test(nodes_are_added_with_their_shapes_however_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
