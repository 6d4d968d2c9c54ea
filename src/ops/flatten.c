/* flatten.c - all axes but the batch as one. */
#include "ops/op.h"

static bool flatten_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                          struct tp_err *err)
{
    struct tp_shape rest = { .rank = in->rank - 1 };
    for (int i = 0; i < rest.rank; i++) rest.dim[i] = in->dim[i + 1];
    int64_t n = tp_shape_elements(&rest);
    if (n < TP_ANY)
        return tp_fail(err, TP_TOO_LARGE, "%s: %s has too many elements to count", nd->name,
                       TP_SHAPE(in));
    *out = TP_SHAPE2(in->dim[0], n);
    return true;
}

const struct tp_op tp_op_flatten = { .name = "Flatten", .shape = flatten_shape, .is_view = true };
