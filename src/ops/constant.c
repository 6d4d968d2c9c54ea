/* constant.c - a weight as a value. Never run: the plan hands the weight itself to its readers. */
#include "ops/op.h"

static bool constant_shape(const struct tp_node *nd, const struct tp_shape *in,
                           struct tp_shape *out, struct tp_err *err)
{
    (void)in, (void)err;
    *out = nd->attr.constant.shape;
    return true;
}

const struct tp_op tp_op_constant = { .name = "Constant", .shape = constant_shape };
