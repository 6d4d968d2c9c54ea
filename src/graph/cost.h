/* cost.h - what a step costs, near enough to tell what is too much: no model may keep a thread for
 * hours. */
#ifndef TP_COST_H
#define TP_COST_H

#include "ops/op.h"

/* Sums and products of what is not negative; INT64_MAX stands for more than can be counted. */
int64_t tp_cost_plus(int64_t a, int64_t b);
int64_t tp_cost_times(int64_t a, int64_t b);

/* Multiply-adds of the whole batch. */
int64_t tp_cost_macs(const struct tp_step *st);

/* Floats of its weights, as the model has them. */
int64_t tp_cost_weights(const struct tp_step *st);

/* Multiply-adds, window taps and elements that are read or written. */
int64_t tp_cost_operations(const struct tp_step *st);

#endif
