/* ops.c - what all operators share. */
#include "ops/op.h"

#include <math.h>

bool tp_op_shape_same(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                      struct tp_err *err)
{
    (void)nd, (void)err;
    *out = in[0];
    return true;
}

bool tp_op_clamp(const struct tp_act *act, float *lo, float *hi)
{
    const bool clamps = act->kind == TP_ACT_CLAMP;
    *lo = clamps ? act->alpha : -INFINITY;
    *hi = clamps ? act->beta : INFINITY;
    return clamps || act->kind == TP_ACT_LINEAR;
}

bool tp_op_need_map(const struct tp_node *nd, const struct tp_shape *in, struct tp_err *err)
{
    if (in->rank == 4) return true;
    return tp_fail(err, TP_INVALID_SHAPE, "%s: %s needs a map [n, height, width, channels]; its "
                   "input is %s", nd->name, nd->type, TP_SHAPE(in));
}
