/* onnx_of.h - for tests of networks: ONNX files written field by field, as protobuf has them.
 *
 *     struct onnx_of m = { .opset = 13 };
 *     onnx_input(&m, "x", TP_ONNX_FLOAT, DIMS(-1, 3, 8, 8));      -1: an open size
 *     onnx_floats(&m, "w", DIMS(2, 3, 1, 1), (const float[]){ 1, 2, 3, 4, 5, 6 });
 *     onnx_node(&m, "Conv", "x w", "y");               names between blanks; "-": left out
 *     onnx_attr_ints(&m, "pads", DIMS(0, 0, 0, 0));               of the node written last
 *     onnx_output(&m, "y");
 *     struct tp_net *net = onnx_net(&m);                          or onnx_file() for the bytes
 *
 * What is written stays until onnx_fini(), which goes after tp_net_free(): weights lie there. */
#ifndef ONNX_OF_H
#define ONNX_OF_H

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/onnx.h"

#define DIMS(...) (const int64_t[]){ __VA_ARGS__ }, \
    (int)(sizeof (const int64_t[]){ __VA_ARGS__ } / sizeof(int64_t))

static const struct tp_limits onnx_limits = {
    .max_body_bytes = 8 << 20, .max_elements = 1 << 24, .max_batch = 64, .max_layers = 4096,
    .max_workspace_bytes = 64 << 20, .max_operations = (int64_t)1 << 32,
    .max_output_bytes = 64 << 20,
};

/* ---- protobuf -------------------------------------------------------------------------------- */

static inline void pb_varint(struct tp_buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; v > 127; v >>= 7) bytes[n++] = (uint8_t)(v | 128);
    bytes[n++] = (uint8_t)v;
    tp_buf_bytes(b, bytes, n);
}

static inline void pb_int(struct tp_buf *b, int field, int64_t v)
{
    pb_varint(b, (uint64_t)field << 3);
    pb_varint(b, (uint64_t)v);
}

static inline void pb_float(struct tp_buf *b, int field, float v)
{
    pb_varint(b, (uint64_t)field << 3 | 5);
    tp_buf_bytes(b, &v, sizeof v);
}

static inline void pb_bytes(struct tp_buf *b, int field, const void *bytes, size_t n_bytes)
{
    pb_varint(b, (uint64_t)field << 3 | 2);
    pb_varint(b, n_bytes);
    tp_buf_bytes(b, bytes, n_bytes);
}

static inline void pb_text(struct tp_buf *b, int field, const char *text)
{
    pb_bytes(b, field, text, strlen(text));
}

/* Appends a message and frees it. */
static inline void pb_message(struct tp_buf *b, int field, struct tp_buf *message)
{
    pb_bytes(b, field, message->data, message->n_bytes);
    tp_buf_fini(message);
}

/* [packed = true], as varints. */
static inline void pb_packed(struct tp_buf *b, int field, const int64_t *v, int n)
{
    struct tp_buf packed = { 0 };
    for (int i = 0; i < n; i++) pb_varint(&packed, (uint64_t)v[i]);
    pb_message(b, field, &packed);
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* The TensorProto without data; `name` may be NULL. */
static inline struct tp_buf onnx_tensor_head(const char *name, int type, const int64_t *dims,
                                             int rank)
{
    struct tp_buf t = { 0 };
    for (int i = 0; i < rank; i++) pb_int(&t, 1, dims[i]);
    pb_int(&t, 2, type);
    if (name) pb_text(&t, 8, name);
    return t;
}

/* With raw_data. */
static inline struct tp_buf onnx_tensor(const char *name, int type, const int64_t *dims, int rank,
                                        const void *data, size_t n_bytes)
{
    struct tp_buf t = onnx_tensor_head(name, type, dims, rank);
    pb_bytes(&t, 9, data, n_bytes);
    return t;
}

static inline size_t onnx_elements(const int64_t *dims, int rank)
{
    size_t n = 1;
    for (int i = 0; i < rank; i++) n *= (size_t)dims[i];
    return n;
}

/* ---- models ---------------------------------------------------------------------------------- */

struct onnx_of {
    int64_t opset;                   /* of the domain "" */
    struct tp_buf graph;             /* GraphProto, so far without the node at hand */
    struct tp_buf node;              /* NodeProto */
    struct tp_buf extra;             /* further fields of ModelProto */
    struct tp_buf file;
};

/* Closes the node at hand. */
static inline void onnx_flush(struct onnx_of *m)
{
    if (m->node.n_bytes) pb_message(&m->graph, 1, &m->node);
}

/* ValueInfoProto of a tensor; rank -1 for none. */
static inline void onnx_value_info(struct onnx_of *m, int field, const char *name, int type,
                                   const int64_t *dims, int rank)
{
    struct tp_buf shape = { 0 }, tensor = { 0 }, kind = { 0 }, info = { 0 };
    for (int i = 0; i < rank; i++) {
        struct tp_buf dim = { 0 };
        char symbol[16];
        snprintf(symbol, sizeof symbol, "d%d", i);
        if (dims[i] >= 0) pb_int(&dim, 1, dims[i]);
        else pb_text(&dim, 2, symbol);
        pb_message(&shape, 1, &dim);
    }
    pb_int(&tensor, 1, type);
    if (rank >= 0) pb_message(&tensor, 2, &shape);
    pb_message(&kind, 1, &tensor);
    pb_text(&info, 1, name);
    pb_message(&info, 2, &kind);
    pb_message(&m->graph, field, &info);
}

static inline void onnx_input(struct onnx_of *m, const char *name, int type, const int64_t *dims,
                              int rank)
{
    onnx_value_info(m, 11, name, type, dims, rank);
}

static inline void onnx_output(struct onnx_of *m, const char *name)
{
    onnx_value_info(m, 12, name, TP_ONNX_FLOAT, NULL, -1);
}

/* An initializer. */
static inline void onnx_weight(struct onnx_of *m, const char *name, int type, const int64_t *dims,
                               int rank, const void *data, size_t n_bytes)
{
    struct tp_buf t = onnx_tensor(name, type, dims, rank, data, n_bytes);
    pb_message(&m->graph, 5, &t);
}

static inline void onnx_floats(struct onnx_of *m, const char *name, const int64_t *dims, int rank,
                               const float *data)
{
    onnx_weight(m, name, TP_ONNX_FLOAT, dims, rank, data, 4 * onnx_elements(dims, rank));
}

/* As int64. */
static inline void onnx_ints(struct onnx_of *m, const char *name, const int64_t *dims, int rank,
                             const int64_t *data)
{
    onnx_weight(m, name, TP_ONNX_INT64, dims, rank, data, 8 * onnx_elements(dims, rank));
}

static inline void onnx_names(struct tp_buf *node, int field, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, " ");
        bool left_out = n == 1 && *names == '-';
        pb_bytes(node, field, names, left_out ? 0 : n);
        names += n + strspn(names + n, " ");
    }
}

static inline void onnx_node(struct onnx_of *m, const char *op, const char *inputs,
                             const char *outputs)
{
    onnx_flush(m);
    onnx_names(&m->node, 1, inputs);
    onnx_names(&m->node, 2, outputs);
    pb_text(&m->node, 4, op);
}

static inline void onnx_node_name(struct onnx_of *m, const char *name)
{
    pb_text(&m->node, 3, name);
}

/* An entry of the node's metadata. */
static inline void onnx_node_note(struct onnx_of *m, const char *key, const char *value)
{
    struct tp_buf entry = { 0 };
    pb_text(&entry, 1, key);
    pb_text(&entry, 2, value);
    pb_message(&m->node, 9, &entry);
}

static inline struct tp_buf onnx_attr_head(const char *name, int type)
{
    struct tp_buf a = { 0 };
    pb_text(&a, 1, name);
    pb_int(&a, 20, type);
    return a;
}

static inline void onnx_attr_int(struct onnx_of *m, const char *name, int64_t v)
{
    struct tp_buf a = onnx_attr_head(name, 2);
    pb_int(&a, 3, v);
    pb_message(&m->node, 5, &a);
}

static inline void onnx_attr_float(struct onnx_of *m, const char *name, float v)
{
    struct tp_buf a = onnx_attr_head(name, 1);
    pb_float(&a, 2, v);
    pb_message(&m->node, 5, &a);
}

static inline void onnx_attr_text(struct onnx_of *m, const char *name, const char *v)
{
    struct tp_buf a = onnx_attr_head(name, 3);
    pb_text(&a, 4, v);
    pb_message(&m->node, 5, &a);
}

static inline void onnx_attr_ints(struct onnx_of *m, const char *name, const int64_t *v, int n)
{
    struct tp_buf a = onnx_attr_head(name, 7);
    for (int i = 0; i < n; i++) pb_int(&a, 8, v[i]);
    pb_message(&m->node, 5, &a);
}

static inline void onnx_attr_floats(struct onnx_of *m, const char *name, const float *v, int n)
{
    struct tp_buf a = onnx_attr_head(name, 6);
    for (int i = 0; i < n; i++) pb_float(&a, 7, v[i]);
    pb_message(&m->node, 5, &a);
}

static inline void onnx_attr_tensor(struct onnx_of *m, const char *name, int type,
                                    const int64_t *dims, int rank, const void *data,
                                    size_t n_bytes)
{
    struct tp_buf a = onnx_attr_head(name, 4);
    struct tp_buf t = onnx_tensor(NULL, type, dims, rank, data, n_bytes);
    pb_message(&a, 5, &t);
    pb_message(&m->node, 5, &a);
}

/* The file; its bytes are m->file's. */
static inline struct tp_buf *onnx_file(struct onnx_of *m)
{
    struct tp_buf opset = { 0 };
    onnx_flush(m);
    tp_buf_fini(&m->file);
    pb_int(&m->file, 1, 8);          /* ir_version */
    pb_int(&opset, 2, m->opset);
    pb_message(&m->file, 8, &opset);
    pb_bytes(&m->file, 7, m->graph.data, m->graph.n_bytes);
    tp_buf_bytes(&m->file, m->extra.data, m->extra.n_bytes);
    return &m->file;
}

static inline void onnx_fini(struct onnx_of *m)
{
    tp_buf_fini(&m->graph);
    tp_buf_fini(&m->node);
    tp_buf_fini(&m->extra);
    tp_buf_fini(&m->file);
}

static inline bool onnx_try(struct onnx_of *m, struct tp_net **net, struct tp_err *err)
{
    const struct tp_buf *f = onnx_file(m);
    return tp_onnx_parse(net, f->data, f->n_bytes, "test", -1, &(struct tp_onnx_files){ 0 },
                         &onnx_limits, err);
}

static inline struct tp_net *onnx_net(struct onnx_of *m)
{
    struct tp_net *net;
    struct tp_err err = { 0 };
    if (!onnx_try(m, &net, &err)) fail_msg("%s", err.message);
    return net;
}

#endif
