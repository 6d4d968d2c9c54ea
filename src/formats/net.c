/* net.c - a network as its ONNX file tells it. */
#include "formats/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian data is read as it is");

/* ---- elements -------------------------------------------------------------------------------- */

/* By number; those of no bytes are known and not read. */
static const struct { const char *name; size_t n_bytes; } types[] = {
    { "no type", 0 },      { "float", 4 },          { "uint8", 1 },      { "int8", 1 },
    { "uint16", 2 },       { "int16", 2 },          { "int32", 4 },      { "int64", 8 },
    { "string", 0 },       { "bool", 1 },           { "float16", 2 },    { "double", 8 },
    { "uint32", 4 },       { "uint64", 8 },         { "complex64", 0 },  { "complex128", 0 },
    { "bfloat16", 0 },     { "float8e4m3fn", 0 },   { "float8e4m3fnuz", 0 },
    { "float8e5m2", 0 },   { "float8e5m2fnuz", 0 }, { "uint4", 0 },      { "int4", 0 },
    { "float4e2m1", 0 },
};

static bool is_known(enum tp_onnx_type type)
{
    return (size_t)type < sizeof types / sizeof *types;
}

size_t tp_onnx_type_bytes(enum tp_onnx_type type)
{
    return is_known(type) ? types[type].n_bytes : 0;
}

bool tp_onnx_type_is_float(enum tp_onnx_type type)
{
    return type == TP_ONNX_FLOAT || type == TP_ONNX_DOUBLE || type == TP_ONNX_FLOAT16;
}

const char *tp_onnx_type_name(enum tp_onnx_type type)
{
    return is_known(type) ? types[type].name : "an unknown type";
}

static double bits_double(enum tp_onnx_type type, uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float f;
    double d;
    switch (type) {
    case TP_ONNX_FLOAT: memcpy(&f, &low, sizeof f); return f;
    case TP_ONNX_DOUBLE: memcpy(&d, &bits, sizeof d); return d;
    case TP_ONNX_FLOAT16: return tp_half_float(low);
    case TP_ONNX_INT8: return (int8_t)low;
    case TP_ONNX_INT16: return (int16_t)low;
    case TP_ONNX_INT32: return (int32_t)low;
    case TP_ONNX_INT64: return (double)(int64_t)bits;
    case TP_ONNX_BOOL: return low != 0;
    default: return (double)bits;
    }
}

double tp_net_element(const struct tp_net_tensor *t, int64_t i)
{
    const size_t n_bytes = tp_onnx_type_bytes(t->type);
    uint64_t bits = 0;
    memcpy(&bits, (const char *)t->data + (size_t)i * n_bytes, n_bytes);
    return bits_double(t->type, bits);
}

static void floats_of_halves(const char *from, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * i, sizeof half);
        out[i] = tp_half_float(half);
    }
}

void tp_net_floats(const struct tp_net_tensor *t, float *out)
{
    const int64_t n = t->n_elements;
    if (n && t->type == TP_ONNX_FLOAT) memcpy(out, t->data, (size_t)n * sizeof *out);
    else if (t->type == TP_ONNX_FLOAT16) floats_of_halves(t->data, n, out);
    else for (int64_t i = 0; i < n; i++) out[i] = (float)tp_net_element(t, i);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

void tp_net_free(struct tp_net *net)
{
    if (!net) return;
    tp_arena_fini(&net->arena);
    free(net);
}

const struct tp_net_attr *tp_net_attr(const struct tp_net_node *node, const char *name)
{
    for (int i = 0; i < node->n_attrs; i++)
        if (!strcmp(node->attrs[i].name, name)) return &node->attrs[i];
    return NULL;
}

struct tp_net_label tp_net_label(const struct tp_net *net, const struct tp_net_node *node)
{
    struct tp_net_label l;
    int output = -1;
    for (int i = node->n_outputs - 1; i >= 0; i--)
        if (node->outputs[i] >= 0) output = node->outputs[i];
    if (node->name[0])
        snprintf(l.text, sizeof l.text, "node '%.100s' (%.40s)", node->name, node->op);
    else if (output >= 0)
        snprintf(l.text, sizeof l.text, "node that makes '%.90s' (%.40s)",
                 net->values[output].name, node->op);
    else
        snprintf(l.text, sizeof l.text, "node %td of the graph (%.40s)", node - net->nodes,
                 node->op);
    return l;
}

/* ---- order ----------------------------------------------------------------------------------- */

static bool claim(struct tp_net *net, int node, int value, struct tp_err *err)
{
    struct tp_net_value *v = &net->values[value];
    const struct tp_net_node *nd = &net->nodes[node];
    if (v->producer == node)
        return tp_fail(err, TP_INVALID_MODEL, "%s: makes '%.100s' twice", TP_NODE(net, nd),
                       v->name);
    if (v->producer >= 0)
        return tp_fail(err, TP_INVALID_MODEL, "%s: makes '%.100s', which %s makes already",
                       TP_NODE(net, nd), v->name, TP_NODE(net, &net->nodes[v->producer]));
    if (v->weight || value == net->input)
        return tp_fail(err, TP_INVALID_MODEL, "%s: makes '%.100s', which is %s already",
                       TP_NODE(net, nd), v->name, v->weight ? "an initializer" : "the input");
    v->producer = node;
    return true;
}

static bool find_producers(struct tp_net *net, struct tp_err *err)
{
    for (int i = 0; i < net->n_values; i++) net->values[i].producer = -1;
    for (int i = 0; i < net->n_nodes; i++) {
        const struct tp_net_node *nd = &net->nodes[i];
        for (int j = 0; j < nd->n_outputs; j++)
            if (nd->outputs[j] >= 0 && !claim(net, i, nd->outputs[j], err)) return false;
    }
    return true;
}

static bool is_there(const struct tp_net *net, int value)
{
    const struct tp_net_value *v = &net->values[value];
    return v->producer >= 0 || v->weight || value == net->input;
}

static bool check_readers(const struct tp_net *net, struct tp_err *err)
{
    for (int i = 0; i < net->n_nodes; i++) {
        const struct tp_net_node *nd = &net->nodes[i];
        for (int j = 0; j < nd->n_inputs; j++)
            if (nd->inputs[j] >= 0 && !is_there(net, nd->inputs[j]))
                return tp_fail(err, TP_INVALID_MODEL, "%s: reads '%.100s', which is neither made "
                               "by a node nor an initializer nor the input", TP_NODE(net, nd),
                               net->values[nd->inputs[j]].name);
    }
    for (int i = 0; i < net->n_outputs; i++)
        if (!is_there(net, net->outputs[i]))
            return tp_fail(err, TP_INVALID_MODEL, "output '%.100s': no node makes it",
                           net->values[net->outputs[i]].name);
    return true;
}

/* A walk from each node, in the file's order, to those it reads. */
struct walk {
    struct { int node, next_input; } *path;
    enum { NEW, ON_PATH, DONE } *state;          /* [n_nodes] */
    int *order;                                  /* [n_nodes] */
    int depth, n_done;
};

/* One step: the last node of the path is done, or the path leads on to one that it reads. */
static bool step(const struct tp_net *net, struct walk *w, struct tp_err *err)
{
    const int node = w->path[w->depth - 1].node;
    const struct tp_net_node *nd = &net->nodes[node];
    if (w->path[w->depth - 1].next_input == nd->n_inputs) {
        w->state[node] = DONE;
        w->order[w->n_done++] = node;
        w->depth--;
        return true;
    }
    const int value = nd->inputs[w->path[w->depth - 1].next_input++];
    const int producer = value < 0 ? -1 : net->values[value].producer;
    if (producer < 0 || w->state[producer] == DONE) return true;
    if (w->state[producer] == ON_PATH)
        return tp_fail(err, TP_INVALID_MODEL, "%s: reads '%.100s', which is computed from what it "
                       "makes; the graph has a cycle", TP_NODE(net, nd), net->values[value].name);
    w->state[producer] = ON_PATH;
    w->path[w->depth].node = producer;
    w->path[w->depth++].next_input = 0;
    return true;
}

static bool find_order(struct tp_net *net, struct walk *w, struct tp_err *err)
{
    for (int i = 0; i < net->n_nodes; i++) {
        if (w->state[i] == DONE) continue;
        w->state[i] = ON_PATH;
        w->path[0].node = i;
        w->path[0].next_input = 0;
        w->depth = 1;
        while (w->depth)
            if (!step(net, w, err)) return false;
    }
    return true;
}

bool tp_net_sort(struct tp_net *net, struct tp_err *err)
{
    const size_t n = (size_t)net->n_nodes;
    struct walk w = { 0 };
    if (!find_producers(net, err) || !check_readers(net, err)) return false;
    w.path = tp_arena_zalloc(&net->arena, n, sizeof *w.path);
    w.state = tp_arena_zalloc(&net->arena, n, sizeof *w.state);
    w.order = tp_arena_zalloc(&net->arena, n, sizeof *w.order);
    struct tp_net_node *sorted = tp_arena_zalloc(&net->arena, n, sizeof *sorted);
    if (!w.path || !w.state || !w.order || !sorted) return tp_arena_fail(&net->arena, err);
    if (!find_order(net, &w, err)) return false;
    for (int i = 0; i < net->n_nodes; i++) {
        sorted[i] = net->nodes[w.order[i]];
        for (int j = 0; j < sorted[i].n_outputs; j++)
            if (sorted[i].outputs[j] >= 0) net->values[sorted[i].outputs[j]].producer = i;
    }
    net->nodes = sorted;
    return true;
}
