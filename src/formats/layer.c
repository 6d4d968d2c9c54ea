/* layer.c - one layer of a pipeline while it is read. */
#include "formats/layer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Keras 3's activations by name, with Keras's constants. Softmax is a node of its own. */
static const struct { const char *name; struct tp_act act; } activations[] = {
    { "linear", { .kind = TP_ACT_LINEAR } },
    { "relu", { .kind = TP_ACT_CLAMP, .alpha = 0, .beta = INFINITY } },
    { "relu6", { .kind = TP_ACT_CLAMP, .alpha = 0, .beta = 6 } },
    { "leaky_relu", { .kind = TP_ACT_LEAKY_RELU, .alpha = 0.2f } },
    { "elu", { .kind = TP_ACT_ELU, .alpha = 1 } },
    { "sigmoid", { .kind = TP_ACT_SIGMOID } },
    { "tanh", { .kind = TP_ACT_TANH } },
    { "hard_sigmoid", { .kind = TP_ACT_HARD_SIGMOID, .alpha = 1.0f / 6, .beta = 0.5f } },
    { "hard_swish", { .kind = TP_ACT_HARD_SWISH } },
    { "hard_silu", { .kind = TP_ACT_HARD_SWISH } },
    { "swish", { .kind = TP_ACT_SWISH } },
    { "silu", { .kind = TP_ACT_SWISH } },
    { "gelu", { .kind = TP_ACT_GELU } },
    { "abs", { .kind = TP_ACT_ABS } },
    { "square", { .kind = TP_ACT_SQUARE } },
    { "sqrt", { .kind = TP_ACT_SQRT } },
};
enum { N_ACTIVATIONS = sizeof activations / sizeof *activations };
static const char softmax[] = "softmax";

struct tp_node tp_layer_node(const struct tp_layer *ly, const struct tp_op *op)
{
    return (struct tp_node){
        .name = ly->name, .type = ly->type, .op = op, .n_inputs = ly->n_inputs,
        .inputs = ly->inputs,
    };
}

const struct tp_shape *tp_layer_input(const struct tp_layer *ly)
{
    return &ly->graph->shapes[ly->inputs[0]];
}

bool tp_layer_add(const struct tp_layer *ly, const struct tp_node *nd, int *index,
                  struct tp_err *err)
{
    const struct tp_limits *limits = ly->weights.limits;
    struct tp_graph *g = ly->graph;
    if (g->n_nodes > limits->max_layers)                 /* node 0 is the input */
        return tp_fail(err, TP_TOO_LARGE, "%s: the pipeline has more than the %d layers that are "
                       "allowed, counting the parts that layers are made of", ly->name,
                       limits->max_layers);
    if (!tp_graph_add(g, nd, index, err)) return false;
    struct tp_shape least = g->shapes[g->n_nodes - 1];
    for (int i = 0; i < least.rank; i++)
        if (least.dim[i] == TP_ANY) least.dim[i] = 1;
    return tp_shape_check(&least, limits->max_elements, ly->name, err);
}

bool tp_layer_add_hidden(const struct tp_layer *ly, const char *part, const struct tp_node *nd,
                         int *index, struct tp_err *err)
{
    struct tp_node inner = *nd;
    inner.name = tp_arena_printf(&ly->graph->arena, "%s/%s", ly->name, part);
    inner.hidden = true;
    inner.n_parameters = 0;                              /* the layer itself counts them */
    if (!inner.name) return tp_arena_fail(&ly->graph->arena, err);
    return tp_layer_add(ly, &inner, index, err);
}

bool tp_layer_add_softmax(const struct tp_layer *ly, int input, int axis, int64_t n_parameters,
                          struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_softmax);
    nd.n_inputs = 1;
    nd.inputs = &input;
    nd.attr.axis.axis = axis;
    nd.n_parameters = n_parameters;
    return tp_layer_add(ly, &nd, NULL, err);
}

static bool fail_activation(const struct tp_layer *ly, const char *name, struct tp_err *err)
{
    char all[256];
    size_t n = 0;
    for (int i = 0; i < N_ACTIVATIONS && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s, ", activations[i].name);
    return tp_fail(err, TP_INVALID_MODEL, "%s: activation is '%.48s'; it must be one of %s%s",
                   ly->name, name, all, softmax);
}

static bool find_activation(const struct tp_layer *ly, const char *name, struct tp_act *act,
                            struct tp_err *err)
{
    for (int i = 0; i < N_ACTIVATIONS; i++) {
        if (strcmp(activations[i].name, name)) continue;
        *act = activations[i].act;
        return true;
    }
    return fail_activation(ly, name, err);
}

bool tp_layer_add_activated(const struct tp_layer *ly, const struct tp_node *nd,
                            struct tp_err *err)
{
    struct tp_node activated = *nd;
    const char *name = "linear";
    int inner;
    if (!json_is_null(tp_fields_get(&ly->fields, "activation")) &&
        !tp_fields_text(&ly->fields, "activation", name, &name, err))
        return false;
    if (strcmp(name, softmax))
        return find_activation(ly, name, &activated.act, err) &&
               tp_layer_add(ly, &activated, NULL, err);
    if (!tp_layer_add_hidden(ly, "linear", nd, &inner, err)) return false;
    int last = ly->graph->shapes[inner].rank - 1;
    return tp_layer_add_softmax(ly, inner, last, nd->n_parameters, err);
}

bool tp_layer_add_activation(const struct tp_layer *ly, const char *name, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_activation);
    if (!strcmp(name, softmax))
        return tp_layer_add_softmax(ly, ly->inputs[0], tp_layer_input(ly)->rank - 1, 0, err);
    if (!find_activation(ly, name, &nd.act, err)) return false;
    if (nd.act.kind == TP_ACT_LINEAR) nd.op = &tp_op_identity;
    return tp_layer_add(ly, &nd, NULL, err);
}

bool tp_layer_channels(const struct tp_layer *ly, int *channels, struct tp_err *err)
{
    const struct tp_shape *in = tp_layer_input(ly);
    int64_t last = in->dim[in->rank - 1];
    if (last == TP_ANY)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: the last axis of its input %s is open; %s needs "
                       "to know it: give the number instead of null in input.shape", ly->name,
                       TP_SHAPE(in), ly->type);
    if (last > TP_MAX_CHANNELS)
        return tp_fail(err, TP_TOO_LARGE, "%s: its input %s has more than %d channels", ly->name,
                       TP_SHAPE(in), TP_MAX_CHANNELS);
    *channels = (int)last;
    return true;
}

bool tp_layer_map_channels(const struct tp_layer *ly, int *channels, struct tp_err *err)
{
    const struct tp_node nd = tp_layer_node(ly, &tp_op_identity);
    return tp_op_need_map(&nd, tp_layer_input(ly), err) && tp_layer_channels(ly, channels, err);
}

bool tp_layer_axis(const struct tp_layer *ly, int *axis, struct tp_err *err)
{
    int rank = tp_layer_input(ly)->rank;
    if (!tp_fields_int(&ly->fields, "axis", -1, -rank, rank - 1, axis, err)) return false;
    if (*axis < 0) *axis += rank;
    if (*axis) return true;
    return tp_fail(err, TP_INVALID_MODEL, "%s: axis 0 is the batch; it must be from 1 to %d, or "
                   "from %d to -1", ly->name, rank - 1, 1 - rank);
}
