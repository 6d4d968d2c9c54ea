/* test_broadcast.c - how an output is walked: axes joined where that is possible. */
#include "check.h"
#include "ops/broadcast.h"

/* Plans two inputs of these shapes; the caller ends the arena. */
static const struct tp_broadcast *plan(const struct tp_shape in[2], struct tp_arena *arena)
{
    static const struct tp_node nd = { .name = "add", .op = &tp_op_binary, .n_inputs = 2 };
    struct tp_step st = { .node = &nd, .in = in };
    struct tp_err err = { 0 };
    tp_arena_init(arena, SIZE_MAX);
    assert_true(tp_broadcast_shape(&nd, in, &st.out, &err));
    assert_true(tp_broadcast_plan(&st, arena, &err));
    return st.state;
}

static void equal_shapes_are_one_long_row(void **state)
{
    (void)state;
    const struct tp_shape in[2] = { TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(2, 5, 7, 3) };
    struct tp_arena arena;
    const struct tp_broadcast *b = plan(in, &arena);
    assert_int_equal(b->rank, 1);
    assert_int_equal(b->dim[0], 2 * 5 * 7 * 3);
    assert_int_equal(b->step[0][0], 1);
    assert_int_equal(b->step[1][0], 1);
    tp_arena_fini(&arena);
}

static void a_value_per_channel_of_each_map_needs_three_axes(void **state)
{
    (void)state;
    const struct tp_shape in[2] = { TP_SHAPE4(2, 5, 7, 3), TP_SHAPE4(2, 1, 1, 3) };
    const int64_t dim[3] = { 2, 35, 3 }, map[3] = { 105, 3, 1 }, factor[3] = { 3, 0, 1 };
    struct tp_arena arena;
    const struct tp_broadcast *b = plan(in, &arena);
    assert_int_equal(b->rank, 3);
    assert_memory_equal(b->dim, dim, sizeof dim);
    assert_memory_equal(b->step[0], map, sizeof map);
    assert_memory_equal(b->step[1], factor, sizeof factor);
    tp_arena_fini(&arena);
}

static void a_single_number_is_a_row_of_one(void **state)
{
    (void)state;
    const struct tp_shape in[2] = { TP_SHAPE4(1, 1, 1, 1), { .rank = 0 } };
    struct tp_arena arena;
    const struct tp_broadcast *b = plan(in, &arena);
    assert_int_equal(b->rank, 1);
    assert_int_equal(b->dim[0], 1);
    tp_arena_fini(&arena);
}

static void memory_that_runs_out_is_an_error(void **state)
{
    (void)state;
    static const struct tp_node nd = { .name = "add", .op = &tp_op_binary, .n_inputs = 2 };
    const struct tp_shape in[2] = { TP_SHAPE2(1, 3), TP_SHAPE2(1, 3) };
    struct tp_step st = { .node = &nd, .in = in, .out = in[0] };
    struct tp_arena arena;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 16);
    assert_false(tp_broadcast_plan(&st, &arena, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    tp_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_shapes_are_one_long_row),
        cmocka_unit_test(a_value_per_channel_of_each_map_needs_three_axes),
        cmocka_unit_test(a_single_number_is_a_row_of_one),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
