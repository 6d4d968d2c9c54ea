/* test_place.c - where every value of a plan is. */
#include "random_network.h"

#include "graph/memory.h"
#include "graph/place.h"

/* ---- no value is written over while it is needed --------------------------------------------- */

/* Floats of the workspace (space 0) or of an output (1, ..): rows of n, `step` apart. */
struct area { int space; size_t begin; int64_t rows, n, step; };

/* Who wrote each float last while the plan runs, step by step: a value, or NOBODY. */
enum { MOST_SPACES = 8, NOBODY = -1 };
struct watch {
    const struct tp_plan *plan;
    int *owner[MOST_SPACES];
    size_t size[MOST_SPACES];
};

/* The step that makes a value; NULL for a view, a constant and the input. */
static const struct tp_step *maker_of(const struct tp_plan *plan, int value)
{
    for (int s = 0; s < plan->n_steps; s++)
        if (plan->steps[s].value == value) return &plan->steps[s].step;
    return NULL;
}

/* rows == 0: not in memory that the plan writes. */
static struct area area_of(const struct tp_plan *plan, int value, const struct tp_shape *shape)
{
    const struct tp_place *p = &plan->values[value];
    const struct tp_step *maker = maker_of(plan, value);
    struct area a = { .n = shape->rank ? shape->dim[shape->rank - 1] : 1 };
    if (p->kind != TP_PLACE_WORKSPACE && p->kind != TP_PLACE_OUTPUT) return a;
    assert_int_equal(p->offset % sizeof(float), 0);
    a.space = p->kind == TP_PLACE_OUTPUT ? 1 + p->index : 0;
    a.begin = p->offset / sizeof(float);
    a.rows = tp_shape_elements(shape) / a.n;
    a.step = maker ? maker->out_step : a.n;
    assert_true(a.step >= a.n);
    return a;
}

/* Makes `value` the owner of all floats of *a, which only `only` may own so far (unless NOBODY). */
static void own(struct watch *w, const struct area *a, int value, int only)
{
    for (int64_t r = 0; r < a->rows; r++)
        for (int64_t i = 0; i < a->n; i++) {
            const size_t at = a->begin + (size_t)(r * a->step + i);
            assert_true(at < w->size[a->space]);
            if (only != NOBODY && w->owner[a->space][at] != only)
                fail_msg("value %d is partly overwritten by %d", only, w->owner[a->space][at]);
            w->owner[a->space][at] = value;
        }
}

/* All of it is there: its own, or one other value's of which it is a view. */
static void check_there(struct watch *w, const struct area *a, int value)
{
    const bool is_view = !maker_of(w->plan, value);
    const int owner = is_view && a->rows ? w->owner[a->space][a->begin] : value;
    assert_true(owner != NOBODY);
    own(w, a, owner, owner);
}

static bool owns_any(const struct watch *w, const struct area *a, int value)
{
    for (int64_t i = 0; i < a->rows * a->n; i++)
        if (w->owner[a->space][a->begin + (size_t)(i / a->n * a->step + i % a->n)] == value)
            return true;
    return false;
}

/* What becomes of input j when the output is written. */
static void check_input(const struct watch *w, const struct tp_planned *p, int j)
{
    const struct tp_step *st = &p->step;
    const struct area in = area_of(w->plan, st->node->inputs[j], &st->in[j]);
    const struct area out = area_of(w->plan, p->value, &st->out);
    if (st->in_place && st->in_place[j]) {       /* it is a part of the output */
        assert_true(in.space == out.space && in.step == out.step && in.rows == out.rows);
        assert_true(in.begin >= out.begin && in.begin + (size_t)in.n <= out.begin + (size_t)out.n);
    } else if (owns_any(w, &in, p->value)) {     /* in place, by an operator that can */
        assert_true(st->node->op->in_place && in.begin == out.begin && in.step == in.n &&
                    in.rows * in.n == out.rows * out.n);
    }
}

static void check_step(struct watch *w, int s)
{
    const struct tp_planned *p = &w->plan->steps[s];
    const struct tp_step *st = &p->step;
    const struct area out = area_of(w->plan, p->value, &st->out);
    const struct area scratch = { 0, p->scratch / sizeof(float), 1,
                                  (int64_t)(st->scratch_bytes / sizeof(float)), 0 };
    assert_int_equal(p->scratch % TP_BLOCK_ALIGN, 0);
    if (out.rows && out.step == out.n)
        assert_int_equal(out.begin * sizeof(float) % TP_BLOCK_ALIGN, 0);
    if (out.rows && !out.space)
        assert_true(out.begin >= (size_t)st->node->n_inputs * sizeof(void *) / sizeof(float));
    own(w, &scratch, NOBODY, NOBODY);
    for (int j = 0; j < st->node->n_inputs; j++) {
        const struct area in = area_of(w->plan, st->node->inputs[j], &st->in[j]);
        check_there(w, &in, st->node->inputs[j]);
    }
    own(w, &out, p->value, NOBODY);
    assert_false(owns_any(w, &scratch, p->value));
    for (int j = 0; j < st->node->n_inputs; j++) check_input(w, p, j);
}

static void check_places(const struct tp_plan *plan)
{
    struct watch w = { .plan = plan };
    assert_true(plan->n_outputs < MOST_SPACES);
    for (int i = 0; i <= plan->n_outputs; i++) {
        w.size[i] = i ? (size_t)plan->outputs[i - 1].n_elements
                      : plan->workspace_bytes / sizeof(float);
        w.owner[i] = malloc((w.size[i] + 1) * sizeof **w.owner);
        for (size_t f = 0; f < w.size[i]; f++) w.owner[i][f] = NOBODY;
    }
    for (int s = 0; s < plan->n_steps; s++) check_step(&w, s);
    for (int i = 0; i < plan->n_outputs; i++)
        assert_int_not_equal(plan->values[plan->outputs[i].value].kind, TP_PLACE_NONE);
    for (int i = 0; i <= plan->n_outputs; i++) free(w.owner[i]);
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

/* ---- parts of Concats ------------------------------------------------------------------------ */

static int put_concat(struct tp_graph *g, int n, const int *inputs)
{
    return put(g, (struct tp_node){ .op = &tp_op_concat, .attr.axis.axis = 3 }, n, inputs);
}

static const bool *in_place_of(const struct tp_plan *plan, int value)
{
    return maker_of(plan, value)->in_place;
}

static void convolutions_write_their_part_of_a_concat(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    int a = put_conv(g, 0, 3), c = put_conv(g, a, 6);
    int d = put_conv(g, 0, 7), first = put_concat(g, ON(c, d)), last = put_global(g, first);
    struct tp_plan *plan = plan_layers(g, ON(last));
    assert_true(in_place_of(plan, first)[0] && in_place_of(plan, first)[1]);
    assert_int_equal(plan->values[d].offset, plan->values[c].offset + 6 * sizeof(float));
    check_places(plan);
    tp_plan_free(plan);
    assert_true(check_layers(g, ON(last)) > 0);
    plan = plan_layers(g, ON(first));            /* in the caller's memory */
    assert_int_equal(plan->values[d].kind, TP_PLACE_OUTPUT);
    assert_int_equal(plan->values[d].offset, 6 * sizeof(float));
    check_places(plan);
    tp_plan_free(plan);
    assert_true(check_layers(g, ON(first)) > 0);
    tp_graph_free(g);
}

/* What is wanted itself, read by others, taken twice or made by others than convolutions. */
static void other_parts_are_copied(void **state)
{
    (void)state;
    struct tp_graph *g = network(8, 8, 4);
    int a = put_conv(g, 0, 3), b = put_conv(g, 0, 5), c = put_conv(g, 0, 6), d = put_conv(g, 0, 2);
    int same = put_relu(g, put_global(g, b));
    int all = put_concat(g, ON(a, b, c, c, 0, d)), end = put_global(g, all);
    struct tp_plan *plan = plan_layers(g, ON(a, same, end));
    static const bool want[] = { false, false, false, false, false, true };
    for (int j = 0; j < 6; j++) assert_int_equal(in_place_of(plan, all)[j], want[j]);
    check_places(plan);
    tp_plan_free(plan);
    assert_true(check_layers(g, ON(a, same, end)) > 0);
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_value_is_written_over_while_it_is_needed),
        cmocka_unit_test(convolutions_write_their_part_of_a_concat),
        cmocka_unit_test(other_parts_are_copied),
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
