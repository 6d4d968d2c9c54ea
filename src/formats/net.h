/* net.h - a network as its ONNX file tells it: values, the nodes between them, attributes, weights
 * where they lie in the file. Nothing is decided yet about layouts or kernels; lower.h does that,
 * for one input shape at a time. */
#ifndef TP_NET_H
#define TP_NET_H

#include "base/arena.h"
#include "base/tensor.h"
#include "graph/names.h"

enum tp_onnx_type {                  /* TensorProto.DataType's numbers; the ones that are read */
    TP_ONNX_NONE = 0, TP_ONNX_FLOAT = 1, TP_ONNX_UINT8 = 2, TP_ONNX_INT8 = 3, TP_ONNX_UINT16 = 4,
    TP_ONNX_INT16 = 5, TP_ONNX_INT32 = 6, TP_ONNX_INT64 = 7, TP_ONNX_STRING = 8, TP_ONNX_BOOL = 9,
    TP_ONNX_FLOAT16 = 10, TP_ONNX_DOUBLE = 11, TP_ONNX_UINT32 = 12, TP_ONNX_UINT64 = 13,
};

/* A tensor that stands in the file. Its elements lie little-endian in `data`, which is the file's
 * own memory (until tp_lower_release()) or the net's arena; not aligned. */
struct tp_net_tensor {
    enum tp_onnx_type type;
    struct tp_shape shape;           /* sizes may be 0 here */
    int64_t n_elements;
    const void *data;
};

enum tp_attr_kind {
    TP_ATTR_INT, TP_ATTR_FLOAT, TP_ATTR_STRING, TP_ATTR_TENSOR, TP_ATTR_INTS, TP_ATTR_FLOATS,
    TP_ATTR_STRINGS, TP_ATTR_OTHER,  /* a subgraph or type: kept by name, to be refused by name */
};

struct tp_net_attr {
    const char *name;
    enum tp_attr_kind kind;
    int64_t i;
    float f;
    const char *s;
    const int64_t *ints;
    const float *floats;
    const char *const *strings;
    int n;                           /* of ints, floats or strings */
    struct tp_net_tensor tensor;
};

struct tp_net_node {
    const char *name;                /* "" where the file gives none */
    const char *scopes;              /* the modules that it is in, as PyTorch's torch.export writes
                                        them: "['', 'layer1', 'layer1.0', 'conv2d_1']", or NULL */
    const char *op, *domain;         /* "Conv", ""; the domain "ai.onnx" is told as "" */
    int n_inputs, n_outputs;
    const int *inputs;               /* values; -1: left out */
    const int *outputs;              /* values; -1: not wanted */
    const struct tp_net_attr *attrs;
    int n_attrs;
    const char *why;                 /* why it cannot be run (by lower.c), or NULL */
    const char *cause;               /* the same of the first node on the way to it that cannot */
    struct tp_conv_packed *packed;   /* what lower.c's first pass packed for it, or NULL */
};

struct tp_net_value {
    const char *name;
    int producer;                    /* node, or -1: the input, a weight, or nothing */
    struct tp_net_tensor *weight;    /* an initializer's, else NULL */
    const float *floats;             /* the same as floats once they were asked for, or what nodes
                                        that read weights alone make of them */
    struct tp_shape floats_shape;
    enum tp_onnx_type floats_type;
    int n_packed;                    /* readers that have packed it and need it no more */
};

struct tp_net {
    struct tp_arena arena;
    const char *name;                /* of the model, as its owner calls it */
    int64_t opset;                   /* of the domain "" */
    struct tp_net_value *values;
    int n_values;
    struct tp_net_node *nodes;       /* each behind what it reads */
    int n_nodes;
    int input;                       /* the value that is fed */
    enum tp_onnx_type input_type;
    struct tp_shape input_shape;     /* in the file's own order; TP_ANY where symbolic */
    bool channels_last;              /* of rank 4, the input is [n, h, w, c] in the file */
    int *outputs, n_outputs;         /* values */
    struct tp_names tensors;         /* values by name */
};

/* The net's structure made sound: sorts the nodes so that each follows what it reads and fills the
 * values' producers. Fails on a value that two nodes make, one that nothing makes, and a cycle,
 * naming the node. */
bool tp_net_sort(struct tp_net *net, struct tp_err *err) TP_MUST_USE;

void tp_net_free(struct tp_net *net);

/* The attribute of that name, or NULL. */
const struct tp_net_attr *tp_net_attr(const struct tp_net_node *node, const char *name);

/* "node '/conv1/Conv' (Conv)" for messages, or by its output where it has no name. */
struct tp_net_label { char text[160]; };
struct tp_net_label tp_net_label(const struct tp_net *net, const struct tp_net_node *node);
#define TP_NODE(net, node) (tp_net_label(net, node).text)

/* Element `i` of a tensor as a double (integers beyond 2^53 rounded); types that are numbers. */
double tp_net_element(const struct tp_net_tensor *t, int64_t i);

/* Bytes of one element; 0 for types that are not numbers. */
size_t tp_onnx_type_bytes(enum tp_onnx_type type);
const char *tp_onnx_type_name(enum tp_onnx_type type);           /* "float16" */
bool tp_onnx_type_is_float(enum tp_onnx_type type);              /* of any width */

/* All elements as floats. `out` has room for them. */
void tp_net_floats(const struct tp_net_tensor *t, float *out);

#endif
