/* model.h - what a model is to the floors above: layers by name, and how images become its input.
 * Behind it stands a graph (pipelines, built-ins) or a network read from an ONNX file, of which a
 * graph is made for each input shape. */
#ifndef TP_MODEL_H
#define TP_MODEL_H

#include "formats/preprocess.h"
#include "graph/graph.h"
#include "graph/plan.h"

struct tp_net;
struct tp_model {
    struct tp_arena arena;           /* names, layers, labels */
    const char *name;
    struct tp_graph *graph;          /* NULL for an ONNX network */
    struct tp_net *net;              /* NULL for a pipeline */
    struct tp_names names;           /* of nodes and modules: values of the net */
    struct tp_preprocess preprocess;
    bool builtin;
    bool channels_first;             /* its own layout: tensors and answers are [n, c, h, w] */
    bool one_by_one;                 /* the file fixes the batch at 1: larger ones run in turn */
    struct tp_shape input;           /* channels last, n open; TP_ANY where open */
    const char *input_name;          /* as the file has it; "input" */
    struct tp_layer_info *layers;    /* those that users see, in the order of computation */
    int n_layers;
    const char **outputs;            /* what is answered when nothing is asked for */
    int n_outputs;
    int64_t n_parameters;            /* of all layers */
    int64_t n_unfolded;              /* more, as trained: of batch normalizations that the exporter
                                        folded into convolutions */
    const char *warning;             /* all nodes that cannot be run, and why; NULL: none */
    const char **labels;             /* of the last axis of an output [n, n_labels]; may be NULL */
    int n_labels;
};

/* Makes a model of a graph, which it takes over (also on failure). */
bool tp_model_new(struct tp_model **out, struct tp_graph *graph, struct tp_err *err) TP_MUST_USE;

/* Makes a model of a network, which it takes over (also on failure): lowers it once for a size that
 * its input allows, packing its weights. What cannot be computed is told by the layers' `why`; the
 * model is refused when nothing can. The file's bytes are not needed afterwards. */
bool tp_model_new_net(struct tp_model **out, struct tp_net *net, const struct tp_limits *limits,
                      struct tp_err *err) TP_MUST_USE;

/* The input's shape in the model's own layout. */
struct tp_shape tp_model_own_input(const struct tp_model *m);

/* The value of the net that `name` names (a tensor, a node or a module), or -1. */
int tp_model_value(const struct tp_model *m, const char *name);

/* What is known of the layer that `name` (a tensor, a node or a module) means; NULL: no such layer
 * is listed. */
const struct tp_layer_info *tp_model_find_layer(const struct tp_model *m, const char *name);

/* Whether a tap may name `layer`; fails with the names there are, or why it cannot be computed. */
bool tp_model_check_layer(const struct tp_model *m, const char *layer,
                          struct tp_err *err) TP_MUST_USE;

/* tp_plan_new() of a network. */
bool tp_model_plan_net(struct tp_plan **out, const struct tp_model *m, const struct tp_shape *input,
                       const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                       struct tp_err *err) TP_MUST_USE;

/* Runs the whole model once on zeros, in the smallest size its input allows up to its preprocessing
 * crop. */
bool tp_model_try(const struct tp_model *m, const struct tp_limits *limits,
                  struct tp_err *err) TP_MUST_USE;

/* Sum over the layers; TP_ANY while the input's size is open. */
int64_t tp_model_macs(const struct tp_model *model);

#endif
