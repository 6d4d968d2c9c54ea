/* test_combine.c - Add and Average of several maps. */
#include "check.h"

#include <string.h>

static struct tp_node combine(int n_inputs, bool mean)
{
    return (struct tp_node){ .name = "add", .type = "Add", .op = &tp_op_combine,
                             .n_inputs = n_inputs, .attr.combine.mean = mean };
}

static void two_to_five_inputs_are_added_and_averaged(void **state)
{
    (void)state;
    const struct tp_shape map = TP_SHAPE4(2, 17, 19, 11);
    const struct tp_shape in[5] = { map, map, map, map, map };
    for (int n = 2; n <= 5; n++) {
        const struct tp_node add = combine(n, false), mean = combine(n, true);
        check_node_random(&add, in, 1e-6);
        check_node_random(&mean, in, 1e-6);
    }
}

static void inputs_broadcast_wherever_they_stand(void **state)
{
    (void)state;
    const struct tp_shape in[4] = {
        TP_SHAPE4(1, 1, 1, 5), TP_SHAPE4(2, 1, 3, 1), { .rank = 1, .dim = { 1 } },
        TP_SHAPE4(2, 4, 1, 5),
    };
    const struct tp_node add = combine(4, false), mean = combine(4, true);
    check_node_random(&add, in, 1e-6);
    check_node_random(&mean, in, 1e-6);
}

static void an_activation_follows_the_sum(void **state)
{
    (void)state;
    const struct tp_shape in[3] = { TP_SHAPE2(3, 2500), TP_SHAPE2(3, 2500), TP_SHAPE2(1, 2500) };
    struct tp_node nd = combine(3, true);
    nd.act = (struct tp_act){ .kind = TP_ACT_CLAMP, .alpha = 0, .beta = 0.25f };
    check_node_random(&nd, in, 1e-6);
}

/* Add([x, y, x]) may be given x's memory to write to. */
static void an_input_that_is_also_the_output_may_come_twice(void **state)
{
    (void)state;
    enum { N = 5003 };
    const struct tp_shape in[3] = { TP_SHAPE2(1, N), TP_SHAPE2(1, N), TP_SHAPE2(1, N) };
    const struct tp_node nd = combine(3, false);
    float *x = guarded_random(N, 1), *y = guarded_random(N, 2), want[N];
    struct tp_step st = { .node = &nd, .k = tp_kernels_get(), .in = in, .out = in[0] };
    const struct tp_io io = { .in = (const float *const[]){ x, y, x }, .out = x, .n_threads = 1 };
    struct tp_arena arena;
    struct tp_err err = { 0 };
    for (int i = 0; i < N; i++) want[i] = x[i] + y[i] + x[i];
    tp_arena_init(&arena, SIZE_MAX);
    assert_true(nd.op->plan(&st, &arena, &err));
    nd.op->run(&st, &io);
    assert_memory_equal(x, want, sizeof want);
    tp_arena_fini(&arena);
    guarded_free(x);
    guarded_free(y);
}

static void what_cannot_be_added_is_refused(void **state)
{
    (void)state;
    const struct tp_node three = combine(3, false), one = combine(1, false);
    const struct tp_shape in[3] = {
        TP_SHAPE4(1, 1, 4, 8), TP_SHAPE4(1, 4, 4, 8), TP_SHAPE4(1, 3, 4, 8),
    };
    check_node_refused(&three, in, "add: inputs 1 and 2 have shapes [1, 4, 4, 8] and [1, 3, 4, 8]");
    check_node_refused(&one, in, "add: Add has 1 input; it needs at least 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_to_five_inputs_are_added_and_averaged),
        cmocka_unit_test(inputs_broadcast_wherever_they_stand),
        cmocka_unit_test(an_activation_follows_the_sum),
        cmocka_unit_test(an_input_that_is_also_the_output_may_come_twice),
        cmocka_unit_test(what_cannot_be_added_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
