/* identity.c - layers that do nothing once a network is trained (Dropout, linear activations). */
#include "ops/op.h"

const struct tp_op tp_op_identity = {
    .name = "Identity", .shape = tp_op_shape_same, .is_view = true,
};
