/* plan.h - how a graph is run for one input shape: what is computed, in what order, and where in
 * one workspace each value lies. */
#ifndef TP_PLAN_H
#define TP_PLAN_H

#include "graph/graph.h"

/* Plans the taps' values for an input of shape *input; see tp_plan_new() in tidepool.h, which is
 * this for a model. The plan borrows the graph. */
bool tp_plan_make(struct tp_plan **out, const struct tp_graph *g, const struct tp_shape *input,
                  const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                  struct tp_err *err) TP_MUST_USE;

/* Multiply-adds of the whole batch: what a run costs. */
int64_t tp_plan_macs(const struct tp_plan *plan);

/* Steps left after rewriting. */
int tp_plan_n_steps(const struct tp_plan *plan);

/* The input shape it was made for, and room that its outputs take. */
const struct tp_shape *tp_plan_input_shape(const struct tp_plan *plan);
size_t tp_plan_output_bytes(const struct tp_plan *plan);

#endif
