/* pipeline_layers.h - Keras's layer classes: their fields, and the nodes that they become. */
#ifndef TP_PIPELINE_LAYERS_H
#define TP_PIPELINE_LAYERS_H

#include "formats/layer.h"

enum { TP_PIPELINE_MAX_INPUTS = 256 };           /* of one layer */

struct tp_layer_class {
    const char *type;                /* Keras's class name */
    int min_inputs, max_inputs;
    const char *fields;              /* beside those that every layer has; "a, b, c" */
    bool (*read)(const struct tp_layer *ly, struct tp_err *err);
};

extern const char tp_pipeline_layers_common[];   /* the fields that every layer has */

/* Class `index`, NULL behind the last. */
const struct tp_layer_class *tp_pipeline_layers_get(int index);

/* The class of that name, or NULL. */
const struct tp_layer_class *tp_pipeline_layers_find(const char *type);

/* Error: no such class; the message lists all. Always false. */
bool tp_pipeline_layers_fail(const char *where, const char *type, struct tp_err *err);

/* Checks the layer's fields and inputs, reads it, and adds its nodes; the last of them is the
 * layer. */
bool tp_pipeline_layers_read(const struct tp_layer_class *class, const struct tp_layer *ly,
                             struct tp_err *err) TP_MUST_USE;

#endif
