/* winograd.h - 3x3 convolution with fewer multiplications: a part of Conv. */
#ifndef TP_WINOGRAD_H
#define TP_WINOGRAD_H

#include "ops/op.h"

/* The form that is fastest for a map of that height and width (TP_ANY: not known), as far as it is
 * accurate; TP_CONV_DIRECT for other kernels, strides and few channels. */
enum tp_conv_form tp_winograd_choose(const struct tp_conv_attr *a, int64_t height, int64_t width);

/* For tests: the form of all convolutions that have one of Winograd's at all; TP_CONV_DIRECT: back
 * to the fastest. */
void tp_winograd_set_form(enum tp_conv_form form);

/* Pixels along a side of what a tile makes: 2 or 4. */
int tp_winograd_m(enum tp_conv_form form);

bool tp_winograd_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;
void tp_winograd_run(const struct tp_step *st, const struct tp_io *io);

#endif
