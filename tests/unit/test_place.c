/* test_place.c - where every value of a plan is. */
#include "random_network.h"

#include "graph/memory.h"
#include "graph/place.h"

/* ---- no value is written over while it is needed --------------------------------------------- */

enum { MOST_VALUES = 128 };

struct region { size_t begin, end; };

static struct region region_of(const struct tp_plan *plan, int value, const struct tp_shape *shape)
{
    const struct tp_place *p = &plan->values[value];
    if (p->kind != TP_PLACE_WORKSPACE) return (struct region){ 0, 0 };
    return (struct region){ p->offset,
                            p->offset + (size_t)tp_shape_elements(shape) * sizeof(float) };
}

static bool overlap(struct region a, struct region b) { return a.begin < b.end && b.begin < a.end; }

/* What is in the workspace while the plan runs, step by step. */
struct watch {
    const struct tp_plan *plan;
    int n;
    struct { int value; struct region region; bool lost; } seen[MOST_VALUES];
};

static void write_over(struct watch *w, struct region r)
{
    for (int i = 0; i < w->n; i++)
        if (overlap(w->seen[i].region, r)) w->seen[i].lost = true;
}

/* The value itself, or what it is a view of: then all that is known is that some value is there. */
static void check_there(const struct watch *w, struct region r, int value, int step)
{
    for (int i = 0; i < w->n; i++)
        if (w->seen[i].value == value && w->seen[i].lost)
            fail_msg("step %d reads value %d, which was written over", step, value);
    for (int i = 0; i < w->n; i++)
        if (!w->seen[i].lost && w->seen[i].region.begin == r.begin) {
            assert_int_equal(w->seen[i].region.end, r.end);
            return;
        }
    fail_msg("step %d reads value %d at %zu, where nothing is any more", step, value, r.begin);
}

static void check_step(struct watch *w, int s)
{
    const struct tp_planned *p = &w->plan->steps[s];
    const struct tp_step *st = &p->step;
    const struct region out = region_of(w->plan, p->value, &st->out);
    const struct region scratch = { p->scratch, p->scratch + st->scratch_bytes };
    assert_true(out.end <= w->plan->workspace_bytes && scratch.end <= w->plan->workspace_bytes);
    assert_int_equal(out.begin % TP_BLOCK_ALIGN, 0);
    assert_int_equal(scratch.begin % TP_BLOCK_ALIGN, 0);
    assert_false(overlap(out, scratch));
    if (out.end) assert_true(out.begin >= (size_t)st->node->n_inputs * sizeof(void *));
    for (int j = 0; j < st->node->n_inputs; j++) {
        const struct region in = region_of(w->plan, st->node->inputs[j], &st->in[j]);
        if (!in.end) continue;
        check_there(w, in, st->node->inputs[j], s);
        assert_false(overlap(in, scratch));
        if (overlap(in, out)) {      /* in place: the same bytes, by an operator that can */
            assert_true(st->node->op->in_place);
            assert_int_equal(in.begin, out.begin);
            assert_int_equal(in.end, out.end);
        }
    }
    write_over(w, scratch);
    write_over(w, out);
    if (!out.end) return;
    assert_true(w->n < MOST_VALUES);
    w->seen[w->n].value = p->value;
    w->seen[w->n].lost = false;
    w->seen[w->n++].region = out;
}

static void check_places(const struct tp_plan *plan)
{
    static struct watch w;
    w.plan = plan;
    w.n = 0;
    for (int s = 0; s < plan->n_steps; s++) check_step(&w, s);
    for (int i = 0; i < plan->n_outputs; i++)
        assert_int_not_equal(plan->values[plan->outputs[i].value].kind, TP_PLACE_NONE);
}

static void no_value_is_written_over_while_it_is_needed(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        uint32_t random = seed;
        struct tp_graph *g = random_network(seed, 60);
        assert_true(use_table(g, 0));
        for (int round = 0; round < 4; round++) {
            struct tp_tap taps[3];
            for (int i = 0; i < 3; i++) taps[i] = random_tap(g, &random);
            struct tp_plan *plan = plan_of(g, 1 + round, taps, 1 + round % 3);
            check_places(plan);
            tp_plan_free(plan);
        }
        tp_graph_free(g);
    }
}

/* ---- where outputs lie ----------------------------------------------------------------------- */

static struct tp_plan *plan_layers(struct tp_graph *g, int n, const int *layers)
{
    struct tp_tap taps[8];
    assert_true(use_table(g, 0) && n <= 8);
    for (int i = 0; i < n; i++) taps[i] = tap_of(g, layers[i]);
    return plan_of(g, 1, taps, n);
}

static void what_is_asked_for_is_made_in_the_callers_memory(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    int a = put_max_pool(g, 0), b = put_conv(g, a, 4), c = put_conv(g, b, 3);
    struct tp_plan *plan = plan_layers(g, ON(c, a));
    assert_int_equal(plan->values[c].kind, TP_PLACE_OUTPUT);
    assert_int_equal(plan->values[c].index, 0);
    assert_int_equal(plan->values[a].kind, TP_PLACE_OUTPUT);
    assert_int_equal(plan->values[a].index, 1);
    assert_int_equal(plan->values[b].kind, TP_PLACE_WORKSPACE);
    assert_false(plan->outputs[0].copied || plan->outputs[1].copied);
    tp_plan_free(plan);
    tp_graph_free(g);
}

static void what_is_asked_for_again_is_copied(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    int pool = put_max_pool(g, 0), flat = put_plain(g, &tp_op_flatten, pool);
    int rows = put(g, (struct tp_node){ .op = &tp_op_reshape,
                                        .attr.reshape.target = { 2, { 8, 8 } } }, ON(flat));
    struct tp_plan *plan = plan_layers(g, ON(rows, pool, flat, rows));
    assert_int_equal(plan->n_steps, 1);
    for (int i = 0; i < 4; i++) {    /* a view is where its map is */
        assert_int_equal(plan->values[plan->outputs[i].value].kind, TP_PLACE_OUTPUT);
        assert_int_equal(plan->values[plan->outputs[i].value].index, 0);
        assert_int_equal(plan->outputs[i].copied, i > 0);
    }
    tp_plan_free(plan);
    tp_graph_free(g);
}

static void the_input_and_constants_are_copied_when_asked_for(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    int same = put_plain(g, &tp_op_identity, 0), flat = put_plain(g, &tp_op_flatten, 0);
    int constant = put_constant(g, 5);
    struct tp_plan *plan = plan_layers(g, ON(same, flat, constant));
    assert_int_equal(plan->values[same].kind, TP_PLACE_INPUT);
    assert_int_equal(plan->values[flat].kind, TP_PLACE_INPUT);
    assert_int_equal(plan->values[constant].kind, TP_PLACE_CONSTANT);
    assert_ptr_equal(plan->values[constant].constant, g->nodes[constant].attr.constant.data);
    for (int i = 0; i < 3; i++) assert_true(plan->outputs[i].copied);
    assert_int_equal(plan->n_steps, 0);
    assert_int_equal(plan->workspace_bytes, TP_BLOCK_ALIGN);   /* but the inputs' pointers */
    tp_plan_free(plan);
    tp_graph_free(g);
}

/* ---- steps in place -------------------------------------------------------------------------- */

static bool shares_place(const struct tp_plan *plan, int a, int b)
{
    const struct tp_place *p = &plan->values[a], *q = &plan->values[b];
    return p->kind == TP_PLACE_WORKSPACE && q->kind == TP_PLACE_WORKSPACE && p->offset == q->offset;
}

static int put_softmax(struct tp_graph *g, int from)
{
    return put(g, (struct tp_node){ .op = &tp_op_softmax, .attr.axis.axis = 3 }, ON(from));
}

static void an_elementwise_step_writes_over_what_nobody_reads_again(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    int a = put_max_pool(g, 0), b = put_softmax(g, a), c = put_softmax(g, b);
    int other = put_max_pool(g, 0), d = put_add(g, c, other), end = put_max_pool(g, d);
    struct tp_plan *plan = plan_layers(g, ON(end));
    assert_true(shares_place(plan, a, b) && shares_place(plan, b, c) && shares_place(plan, c, d));
    assert_false(shares_place(plan, d, other));
    check_places(plan);
    tp_plan_free(plan);
    tp_graph_free(g);
}

static void a_step_beside_what_is_read_again_or_is_smaller_takes_new_memory(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    int a = put_max_pool(g, 0), b = put_softmax(g, a), again = put_add(g, b, a);
    int small = put_global(g, again), wide = put_add(g, small, again), end = put_max_pool(g, wide);
    struct tp_plan *plan = plan_layers(g, ON(end));
    assert_false(shares_place(plan, a, b));
    assert_true(shares_place(plan, b, again));           /* the last to read b */
    assert_false(shares_place(plan, small, wide));       /* its first input is one pixel */
    check_places(plan);
    tp_plan_free(plan);
    tp_graph_free(g);
}

static void neither_the_input_nor_an_answer_is_written_over(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    int a = put_softmax(g, put_plain(g, &tp_op_identity, 0)), b = put_softmax(g, a);
    int c = put_max_pool(g, b);
    struct tp_plan *plan = plan_layers(g, ON(c, a));
    assert_int_equal(plan->values[a].kind, TP_PLACE_OUTPUT);
    assert_int_equal(plan->values[b].kind, TP_PLACE_WORKSPACE);
    check_places(plan);
    tp_plan_free(plan);
    plan = plan_layers(g, ON(c));
    assert_int_equal(plan->values[a].kind, TP_PLACE_WORKSPACE);
    tp_plan_free(plan);
    tp_graph_free(g);
}

/* A view keeps alive what it looks at. */
static void a_map_lives_as_long_as_its_views_are_read(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    int a = put_max_pool(g, 0), view = put_plain(g, &tp_op_flatten, a), b = put_softmax(g, a);
    int gone = put_max_pool(g, b), flat = put_plain(g, &tp_op_flatten, gone);
    int dense = put_dense(g, view, 16), sum = put_add(g, dense, flat), end = put_relu(g, sum);
    struct tp_plan *plan = plan_layers(g, ON(end));
    assert_false(shares_place(plan, a, b));
    assert_true(shares_place(plan, a, view));
    check_places(plan);
    tp_plan_free(plan);
    tp_graph_free(g);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void a_chain_takes_no_more_than_its_two_largest_neighbours(void **state)
{
    (void)state;
    struct tp_graph *g = network(32, 32, 4);
    int x = 0;
    size_t sum = 0, widest = 0, before = 0;
    for (int i = 0; i < 10; i++) {
        struct tp_node nd = conv_node(g, x, i % 2 ? 16 : 8, 1, 3, 3);
        x = put(g, nd, ON(x));       /* no padding: no scratch */
        struct tp_shape s = g->shapes[x];
        s.dim[0] = 1;
        size_t bytes = (size_t)tp_shape_elements(&s) * sizeof(float);
        sum += bytes;
        if (before + bytes > widest) widest = before + bytes;
        before = bytes;
    }
    struct tp_plan *plan = plan_layers(g, ON(put_global(g, x)));
    assert_true(plan->workspace_bytes >= widest);
    assert_true(plan->workspace_bytes <= widest + 3 * TP_BLOCK_ALIGN);
    assert_true(plan->workspace_bytes < sum / 2);
    tp_plan_free(plan);
    tp_graph_free(g);
}

static void a_step_with_very_many_inputs_has_room_for_their_pointers(void **state)
{
    (void)state;
    enum { N = 200 };
    struct tp_graph *g = network(2, 2, 1);
    int inputs[N];
    for (int i = 0; i < N; i++) inputs[i] = i % 2 ? put_max_pool(g, 0) : put_global(g, 0);
    int all = put(g, (struct tp_node){ .op = &tp_op_concat, .attr.axis.axis = 3 }, N, inputs);
    struct tp_plan *plan = plan_layers(g, ON(all));
    for (int i = 0; i < N; i++)
        assert_true(plan->values[inputs[i]].offset >= N * sizeof(void *));
    tp_plan_free(plan);
    assert_int_equal(check_layers(g, ON(all)), N + 1);
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_value_is_written_over_while_it_is_needed),
        cmocka_unit_test(what_is_asked_for_is_made_in_the_callers_memory),
        cmocka_unit_test(what_is_asked_for_again_is_copied),
        cmocka_unit_test(the_input_and_constants_are_copied_when_asked_for),
        cmocka_unit_test(an_elementwise_step_writes_over_what_nobody_reads_again),
        cmocka_unit_test(a_step_beside_what_is_read_again_or_is_smaller_takes_new_memory),
        cmocka_unit_test(neither_the_input_nor_an_answer_is_written_over),
        cmocka_unit_test(a_map_lives_as_long_as_its_views_are_read),
        cmocka_unit_test(a_chain_takes_no_more_than_its_two_largest_neighbours),
        cmocka_unit_test(a_step_with_very_many_inputs_has_room_for_their_pointers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
