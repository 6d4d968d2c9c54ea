/* layer.h - one layer of a pipeline while it is read: its fields, its weights, and the nodes that
 * it becomes in the graph. */
#ifndef TP_LAYER_H
#define TP_LAYER_H

#include "formats/pipeline_weights.h"

struct tp_layer {                    /* one layer while it is being read */
    struct tp_fields fields;
    struct tp_pipeline_weights weights;
    struct tp_graph *graph;
    const char *name, *type;
    const int *inputs;               /* nodes of the graph */
    int n_inputs;
};

/* A node of the layer's name, type and inputs. */
struct tp_node tp_layer_node(const struct tp_layer *ly, const struct tp_op *op);

/* The layer's first input. */
const struct tp_shape *tp_layer_input(const struct tp_layer *ly);

/* Adds *nd to the graph and checks its shape, so far as it is known, against the limits. */
bool tp_layer_add(const struct tp_layer *ly, const struct tp_node *nd, int *index,
                  struct tp_err *err) TP_MUST_USE;

/* Adds *nd as a hidden node "<layer>/<part>": an inner value of the layer. */
bool tp_layer_add_hidden(const struct tp_layer *ly, const char *part, const struct tp_node *nd,
                         int *index, struct tp_err *err) TP_MUST_USE;

/* Adds *nd followed by what the layer's field "activation" asks for (nothing if absent or null). */
bool tp_layer_add_activated(const struct tp_layer *ly, const struct tp_node *nd,
                            struct tp_err *err) TP_MUST_USE;

/* Adds the activation of that name as the layer itself. */
bool tp_layer_add_activation(const struct tp_layer *ly, const char *name,
                             struct tp_err *err) TP_MUST_USE;

/* Adds a softmax over `axis` (which counts the batch) of node `input` as the layer itself. */
bool tp_layer_add_softmax(const struct tp_layer *ly, int input, int axis, int64_t n_parameters,
                          struct tp_err *err) TP_MUST_USE;

/* The last axis of the first input. Fails when the network's input leaves it open. */
bool tp_layer_channels(const struct tp_layer *ly, int *channels, struct tp_err *err) TP_MUST_USE;

/* The same where the input must be a map [n, h, w, c]. */
bool tp_layer_map_channels(const struct tp_layer *ly, int *channels,
                           struct tp_err *err) TP_MUST_USE;

/* The field "axis" (default -1, the last), counted from 0 = the batch, which it may not be. */
bool tp_layer_axis(const struct tp_layer *ly, int *axis, struct tp_err *err) TP_MUST_USE;

#endif
