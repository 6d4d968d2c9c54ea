/* plan.h - how a graph is run for one input shape: what is computed, in what order, and where in
 * one workspace each value lies. */
#ifndef TP_PLAN_H
#define TP_PLAN_H

#include "graph/graph.h"
#include "graph/tap.h"

/* Plans the wanted values for an input of shape *input, run `repeat` times in turn: with more than
 * one, *input is one image's ([1, ...]), and the plan is as one whose input and outputs are
 * `repeat` times as long. The plan borrows the graph, or with owns_graph frees it with itself (also
 * when this fails). The wants are not needed afterwards. */
bool tp_plan_build(struct tp_plan **out, struct tp_graph *g, bool owns_graph,
                   const struct tp_shape *input, const struct tp_want *wants, int n_wants,
                   int repeat, const struct tp_limits *limits, struct tp_err *err) TP_MUST_USE;

/* Plans the taps' values, found in the graph by name; see tp_plan_new() in tidepool.h, which is
 * this for a model that is a graph. The plan borrows the graph. */
bool tp_plan_make(struct tp_plan **out, const struct tp_graph *g, const struct tp_shape *input,
                  const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                  struct tp_err *err) TP_MUST_USE;

/* Multiply-adds of the whole batch: what a run costs. */
int64_t tp_plan_macs(const struct tp_plan *plan);

/* Steps left after rewriting, of one of the runs in turn. */
int tp_plan_n_steps(const struct tp_plan *plan);

/* A step, as a bench shows it. */
struct tp_step_info {
    const char *name;                /* of the layer whose value it makes, whatever was fused in */
    const char *op;                  /* "Conv" */
    const char *algorithm;           /* how it is made: "winograd 4x4"; NULL: in its only way */
    struct tp_shape shape;           /* of its output */
    int64_t macs;                    /* of the whole batch of one run; as papers count them */
    int64_t bytes;                   /* of inputs, weights and output, each once */
};
struct tp_step_info tp_plan_step(const struct tp_plan *plan, int step);

/* tp_plan_run() that asks go_on(ctx, layer) before each layer, in the caller's thread. False: that
 * said no, and the outputs hold nothing of use. */
bool tp_plan_run_while(const struct tp_plan *plan, const float *input, float *const outputs[],
                       void *workspace, int n_threads,
                       bool (*go_on)(void *ctx, const char *layer), void *ctx) TP_MUST_USE;

/* tp_plan_run() that adds to ms[step] the milliseconds that each step took. */
void tp_plan_run_clocked(const struct tp_plan *plan, const float *input, float *const outputs[],
                         void *workspace, int n_threads, double *ms);

/* The input shape it was made for, and room that its outputs take. */
const struct tp_shape *tp_plan_input_shape(const struct tp_plan *plan);
size_t tp_plan_output_bytes(const struct tp_plan *plan);

#endif
