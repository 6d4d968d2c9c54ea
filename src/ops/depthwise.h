/* depthwise.h - convolutions with one filter per channel, or a few channels in a group, which Conv
 * hands over to. */
#ifndef TP_DEPTHWISE_H
#define TP_DEPTHWISE_H

#include "ops/op.h"

/* Whether a Conv is one: as many filters as channels, 1, 2, 4 or 8 of them in a group. */
bool tp_depthwise_is(const struct tp_conv_attr *a);

/* Conv's plan and run for it. Its weights are [kh, kw, channels of a group, channels]. */
bool tp_depthwise_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;
void tp_depthwise_run(const struct tp_step *st, const struct tp_io *io);

#endif
