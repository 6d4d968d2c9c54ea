/* model.h - what a model is to the floors above: a graph, and how images become its input. */
#ifndef TP_MODEL_H
#define TP_MODEL_H

#include "formats/preprocess.h"
#include "graph/graph.h"
#include "graph/plan.h"

struct tp_model {
    struct tp_graph *graph;
    struct tp_preprocess preprocess;
    bool builtin;
    int *layers;                     /* node indices of the layers that users see; in its arena */
    int n_layers;
};

/* Makes a model of a graph, which it takes over (also on failure). */
bool tp_model_new(struct tp_model **out, struct tp_graph *graph, struct tp_err *err) TP_MUST_USE;

/* Sums over the layers; macs is TP_ANY while the input's size is open. */
int64_t tp_model_parameters(const struct tp_model *model);
int64_t tp_model_macs(const struct tp_model *model);

#endif
