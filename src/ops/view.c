/* view.c - the same elements in the same order under another shape, the batch's axis included. */
#include "ops/op.h"

static bool view_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                       struct tp_err *err)
{
    const struct tp_shape *shape = &nd->attr.view.shape;
    const int64_t n = tp_shape_elements(in);
    if (!tp_shape_check(shape, INT64_MAX, nd->name, err)) return false;
    if (n != TP_ANY && n != tp_shape_elements(shape))
        return tp_fail(err, TP_INVALID_SHAPE, "%s: cannot see its input %s as %s; both must have "
                       "the same number of elements", nd->name, TP_SHAPE(in), TP_SHAPE(shape));
    *out = *shape;
    return true;
}

const struct tp_op tp_op_view = { .name = "View", .shape = view_shape, .is_view = true };
