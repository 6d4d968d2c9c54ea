/* test_activation.c - the operator that applies an activation. */
#include "check.h"

static struct tp_node activation(struct tp_act act)
{
    return (struct tp_node){ .name = "relu", .type = "Activation", .op = &tp_op_activation,
                             .n_inputs = 1, .act = act };
}

static void every_kind_is_applied_to_maps_and_vectors(void **state)
{
    (void)state;
    const struct tp_shape shapes[] = { TP_SHAPE4(2, 5, 7, 3), TP_SHAPE2(3, 41), TP_SHAPE2(1, 1) };
    for (int kind = 0; kind < TP_N_ACT_KINDS; kind++)
        for (int i = 0; i < 3; i++) {
            const struct tp_node nd = activation((struct tp_act){ kind, 0.25f, 0.75f, 0.125f });
            check_node_random(&nd, &shapes[i], 1e-6);
        }
}

static void open_sizes_pass_through(void **state)
{
    (void)state;
    const struct tp_node nd = activation((struct tp_act){ .kind = TP_ACT_TANH });
    const struct tp_shape in = TP_SHAPE4(TP_ANY, TP_ANY, 7, 3);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, &in, &out, &err));
    assert_true(tp_shape_equal(&in, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_applied_to_maps_and_vectors),
        cmocka_unit_test(open_sizes_pass_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
