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

const float *tp_op_factors(const float *given, float value, int64_t n, struct tp_arena *arena)
{
    if (given) return given;
    float *p = tp_arena_floats(arena, n);
    for (int64_t i = 0; p && i < n; i++) p[i] = value;
    return p;
}

bool tp_op_need_map(const struct tp_node *nd, const struct tp_shape *in, struct tp_err *err)
{
    if (in->rank == 4) return true;
    return tp_fail(err, TP_INVALID_SHAPE, "%s: %s needs a map [n, height, width, channels]; its "
                   "input is %s", nd->name, nd->type, TP_SHAPE(in));
}
