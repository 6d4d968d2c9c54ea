/* test_run.c - a plan meets its data: every answer is what the judge says, whatever else is asked
 * for with it, on every table of kernels, with any number of threads. */
#include "random_network.h"

#include <limits.h>
#include <pthread.h>

#include "allocations.h"

/* One of everything: layers that fold, that view, that write in place, that are the input. */
static struct tp_graph *one_of_everything(void)
{
    struct tp_graph *g = network(7, 6, 3);
    int drop = put_plain(g, &tp_op_identity, 0);
    put_plain(g, &tp_op_flatten, 0);
    int pad = put_padding(g, drop, 1, 1, 2, 0);
    int conv = put(g, conv_node(g, pad, 4, 1, 3, 2), ON(pad));
    int relu = put_relu(g, put_batch_norm(g, conv));
    int deep = put_depthwise(g, put_plain(g, &tp_op_identity, relu));
    int sum = put_add(g, relu, put_conv(g, deep, 4)), act = put_relu(g, sum);
    int pool = put_max_pool(g, act), weight = put_constant(g, 4);
    int gate = put(g, (struct tp_node){ .op = &tp_op_softmax, .attr.axis.axis = 3 },
                   ON(put_global(g, act)));
    int gated = put(g, (struct tp_node){ .op = &tp_op_binary, .attr.binary = TP_BINARY_MUL },
                    ON(act, gate));
    int both = put(g, (struct tp_node){ .op = &tp_op_concat, .attr.axis.axis = 3 }, ON(gated, act));
    struct tp_node rows = { .op = &tp_op_reshape, .attr.reshape.target = { 2, { TP_ANY, 4 } } };
    int view = put(g, rows, ON(put_add(g, pool, weight)));
    put_relu(g, view);
    struct tp_node turn = { .op = &tp_op_transpose, .attr.transpose.perm = { 0, 3, 1, 2 } };
    put(g, turn, ON(both));
    put_dense(g, put_plain(g, &tp_op_flatten, both), 5);
    return g;
}

static void every_layer_can_be_asked_for_alone(void **state)
{
    (void)state;
    struct tp_graph *g = one_of_everything();
    for (int t = 0; use_table(g, t); t++)
        for (int i = 1; i < g->n_nodes; i++) {
            struct tp_tap tap = tap_of(g, i);
            check_taps(g, 1 + i % 3, &tap, 1);
        }
    tp_graph_free(g);
}

static void every_layer_can_be_asked_for_beside_any_other_and_itself(void **state)
{
    (void)state;
    struct tp_graph *g = one_of_everything();
    for (int t = 0; use_table(g, t); t++)
        for (int i = 1; i < g->n_nodes; i++)
            for (int j = 1; j <= i; j++) {
                const struct tp_tap taps[2] = { tap_of(g, (i + j) % 2 ? i : j),
                                                tap_of(g, (i + j) % 2 ? j : i) };
                check_taps(g, 2, taps, 2);
            }
    tp_graph_free(g);
}

static void all_layers_can_be_asked_for_at_once_and_twice(void **state)
{
    (void)state;
    struct tp_graph *g = one_of_everything();
    struct tp_tap taps[64];
    int n = 0;
    for (int i = g->n_nodes - 1; i > 0; i--) taps[n++] = tap_of(g, i);
    for (int i = 1; i < g->n_nodes; i++) taps[n++] = tap_of(g, i);
    assert_in_range(n, 30, 64);
    for (int t = 0; use_table(g, t); t++) {
        check_taps(g, 3, taps, n / 2);
        check_taps(g, 2, taps, n);
    }
    tp_graph_free(g);
}

static void a_layer_can_be_asked_for_pooled_in_many_ways_at_once(void **state)
{
    (void)state;
    struct tp_graph *g = one_of_everything();
    uint32_t random = 11;
    for (int t = 0; use_table(g, t); t++)
        for (int round = 0; round < 60; round++) {
            struct tp_tap taps[6];
            for (int i = 0; i < 6; i++) taps[i] = random_tap(g, &random);
            for (int i = 1; i < 6; i += 2)
                if (!taps[i].pooling.kind) taps[i].layer = taps[i - 1].layer;
            check_taps(g, 2, taps, 6);
        }
    tp_graph_free(g);
}

/* Graphs that no one has thought of. What fails is named "net <seed>"; for more of them set
 * NETWORK_SEED (the first) and NETWORK_COUNT. */
static void random_networks_answer_as_the_judge_does(void **state)
{
    (void)state;
    const char *from = getenv("NETWORK_SEED"), *count = getenv("NETWORK_COUNT");
    int first = from ? atoi(from) : 1, n = count ? atoi(count) : 150;
    for (int seed = first; seed < first + n; seed++) {
        uint32_t random = (uint32_t)seed;
        struct tp_graph *g = random_network((uint32_t)seed, 4 + seed % 24);
        struct tp_tap taps[4], all[64];
        for (int i = 0; i < 4; i++) taps[i] = random_tap(g, &random);
        for (int i = 1; i < g->n_nodes; i++) all[i - 1] = tap_of(g, i);
        for (int t = 0; use_table(g, t); t++) {
            check_taps(g, 1 + seed % 3, taps, 1);
            check_taps(g, 1 + seed % 2, taps + 1, 3);
            if (seed % 8 == 0) check_taps(g, 1, all, g->n_nodes - 1);
        }
        tp_graph_free(g);
    }
}

static struct trial busy_trial(struct tp_graph *g)
{
    const struct tp_tap taps[3] = {
        tap_of(g, g->n_nodes - 1),
        { .layer = g->nodes[8].name, .pooling.kind = TP_POOL_AVG },
        { .layer = g->nodes[9].name, .channels_first = true },
    };
    return trial_of(g, 2, taps, 3);
}

#ifdef COUNTS_ALLOCATIONS
static void nothing_is_allocated_while_a_plan_runs(void **state)
{
    (void)state;
    struct tp_graph *g = one_of_everything();
    for (int t = 0; use_table(g, t); t++) {
        struct trial trial = busy_trial(g);
        long before = n_allocations;
        tp_plan_run(trial.plan, trial.input, trial.outputs, trial.workspace, 1);
        assert_int_equal(n_allocations - before, 0);
        assert_true(before > 0);     /* the count counts */
        trial_free(&trial);
    }
    tp_graph_free(g);
}
#endif

struct patience {                    /* says no at the question after so many */
    int left, asked;
    const char *last;
};

static bool be_patient(void *ctx, const char *layer)
{
    struct patience *p = ctx;
    p->asked++;
    p->last = layer;
    return p->left-- > 0;
}

static void a_run_ends_at_the_layer_that_nobody_waits_for(void **state)
{
    (void)state;
    struct tp_graph *g = one_of_everything();
    assert_true(use_table(g, 0));
    struct trial trial = busy_trial(g);
    struct patience all = { .left = INT_MAX };
    assert_true(tp_plan_run_while(trial.plan, trial.input, trial.outputs, trial.workspace, 2,
                                  be_patient, &all));
    assert_true(all.asked > 3);
    for (int n = 0; n < all.asked; n++) {
        struct patience p = { .left = n };
        assert_false(tp_plan_run_while(trial.plan, trial.input, trial.outputs, trial.workspace, 2,
                                       be_patient, &p));
        assert_int_equal(p.asked, n + 1);
        assert_non_null(p.last);
    }
    trial_run(&trial, 1, true);      /* nothing of it stays */
    trial_free(&trial);
    tp_graph_free(g);
}

struct caller {
    const struct trial *trial;
    float *outputs[3];
    void *workspace;
};

static void *run_often(void *arg)
{
    struct caller *c = arg;
    for (int i = 0; i < 50; i++)
        tp_plan_run(c->trial->plan, c->trial->input, c->outputs, c->workspace, 1);
    return NULL;
}

static void threads_may_share_a_plan(void **state)
{
    (void)state;
    enum { CALLERS = 3 };
    struct tp_graph *g = one_of_everything();
    assert_true(use_table(g, 0));
    struct trial trial = busy_trial(g);
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    trial_run(&trial, 1, true);
    for (int i = 0; i < CALLERS; i++) {
        callers[i].trial = &trial;
        callers[i].workspace = guarded(tp_plan_workspace_bytes(trial.plan));
        for (int o = 0; o < 3; o++) callers[i].outputs[o] = guarded(output_bytes(&trial, o));
    }
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_often, &callers[i]), 0);
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < CALLERS; i++) {
        for (int o = 0; o < 3; o++) {
            assert_memory_equal(callers[i].outputs[o], trial.outputs[o], output_bytes(&trial, o));
            guarded_free(callers[i].outputs[o]);
        }
        guarded_free(callers[i].workspace);
    }
    trial_free(&trial);
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_can_be_asked_for_alone),
        cmocka_unit_test(every_layer_can_be_asked_for_beside_any_other_and_itself),
        cmocka_unit_test(all_layers_can_be_asked_for_at_once_and_twice),
        cmocka_unit_test(a_layer_can_be_asked_for_pooled_in_many_ways_at_once),
        cmocka_unit_test(random_networks_answer_as_the_judge_does),
        cmocka_unit_test(a_run_ends_at_the_layer_that_nobody_waits_for),
        cmocka_unit_test(threads_may_share_a_plan),
#ifdef COUNTS_ALLOCATIONS
        cmocka_unit_test(nothing_is_allocated_while_a_plan_runs),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
