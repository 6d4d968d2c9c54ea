/* input.c - what the caller feeds. Never run: the plan hands the caller's data to its readers. */
#include "ops/op.h"

static bool input_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                        struct tp_err *err)
{
    (void)in, (void)err;
    *out = nd->attr.input;
    return true;
}

const struct tp_op tp_op_input = { .name = "Input", .shape = input_shape };
