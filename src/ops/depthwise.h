/* depthwise.h - the convolution with one filter per channel, which Conv hands over to. */
#ifndef TP_DEPTHWISE_H
#define TP_DEPTHWISE_H

#include "ops/op.h"

/* Whether a Conv is one: as many groups as channels as filters, more than one. */
bool tp_depthwise_is(const struct tp_conv_attr *a);

/* Conv's plan and run for it. Its weights [kh, kw, 1, channels] need no packing. */
bool tp_depthwise_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;
void tp_depthwise_run(const struct tp_step *st, const struct tp_io *io);

#endif
