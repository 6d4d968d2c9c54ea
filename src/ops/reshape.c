/* reshape.c - the same elements in the same order under other axes; the batch axis stays. */
#include "ops/op.h"

#include <inttypes.h>

static bool fail(const struct tp_node *nd, int64_t n, struct tp_err *err)
{
    const struct tp_shape *target = &nd->attr.reshape.target;
    return tp_fail(err, TP_INVALID_SHAPE, "%s: cannot reshape %" PRId64 " elements to %s; its "
                   "sizes must multiply to %" PRId64, nd->name, n, TP_SHAPE(target), n);
}

/* The product of the target's known sizes; the place of the open one, or -1. */
static bool known_sizes(const struct tp_node *nd, int64_t *known, int *open, struct tp_err *err)
{
    const struct tp_shape *target = &nd->attr.reshape.target;
    *known = 1;
    *open = -1;
    for (int i = 0; i < target->rank; i++) {
        int64_t d = target->dim[i];
        if (d == TP_ANY && *open < 0) {
            *open = i;
            continue;
        }
        if (d == TP_ANY)
            return tp_fail(err, TP_INVALID_SHAPE, "%s: the target shape %s leaves two sizes open; "
                           "at most one can be inferred", nd->name, TP_SHAPE(target));
        if (d < 1 || __builtin_mul_overflow(*known, d, known))
            return tp_fail(err, TP_INVALID_SHAPE, "%s: %s is no shape to reshape to; each size "
                           "must be at least 1 and their product countable", nd->name,
                           TP_SHAPE(target));
    }
    return true;
}

static bool reshape_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                          struct tp_err *err)
{
    const struct tp_shape *target = &nd->attr.reshape.target;
    struct tp_shape rest = { .rank = in->rank - 1 };
    int64_t known;
    int open;
    if (target->rank > TP_MAX_RANK - 1)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: %d axes and the batch; at most %d axes are "
                       "possible", nd->name, target->rank, TP_MAX_RANK);
    if (!known_sizes(nd, &known, &open, err)) return false;
    for (int i = 0; i < rest.rank; i++) rest.dim[i] = in->dim[i + 1];

    int64_t n = tp_shape_elements(&rest);
    if (n < TP_ANY)
        return tp_fail(err, TP_TOO_LARGE, "%s: %s has too many elements to count", nd->name,
                       TP_SHAPE(in));
    *out = (struct tp_shape){ .rank = target->rank + 1, .dim = { in->dim[0] } };
    for (int i = 0; i < target->rank; i++) out->dim[i + 1] = target->dim[i];
    if (n == TP_ANY) return true;                        /* told once the input's size is known */
    if (open < 0) return n == known || fail(nd, n, err);
    if (n % known) return fail(nd, n, err);
    out->dim[open + 1] = n / known;
    return true;
}

const struct tp_op tp_op_reshape = { .name = "Reshape", .shape = reshape_shape, .is_view = true };
