/* onnx.h - ONNX files (protobuf) as networks. */
#ifndef TP_ONNX_H
#define TP_ONNX_H

#include "formats/net.h"

/* External data: files beneath the model's folder, each mapped once. */
struct tp_onnx_files {
    struct tp_onnx_file *first;
};

/* Reads an ONNX file of n_bytes at `bytes`. Initializers stay where they are, so `bytes` must live
 * as long as the net needs its weights (see lower.h); everything else is copied, tensors of
 * attributes too. External data are files beneath the folder open at `dir_fd` (-1: none may be
 * read): they are mapped into *files, empty before, and stay so until tp_onnx_close(), which is
 * due after a failure too. Opsets 1 to 21. A network without inputs has input == -1. Errors name
 * the node, tensor and field. *out is freed with tp_net_free(). */
bool tp_onnx_parse(struct tp_net **out, const void *bytes, size_t n_bytes, const char *name,
                   int dir_fd, struct tp_onnx_files *files, const struct tp_limits *limits,
                   struct tp_err *err) TP_MUST_USE;
void tp_onnx_close(struct tp_onnx_files *files);

/* tp_file_is_whole() of all of them. */
bool tp_onnx_is_whole(const struct tp_onnx_files *files, struct tp_err *err) TP_MUST_USE;

/* An input of the file that becomes a weight. */
struct tp_onnx_binding {
    const char *name;
    struct tp_net_tensor tensor;     /* data must live as long as the file's */
};

/* The same with inputs bound to constants, without external data: for tests whose networks have
 * several inputs. */
bool tp_onnx_parse_bound(struct tp_net **out, const void *bytes, size_t n_bytes, const char *name,
                         const struct tp_onnx_binding *bindings, int n_bindings,
                         const struct tp_limits *limits, struct tp_err *err) TP_MUST_USE;

/* Reads one TensorProto (ONNX's test data are such files). *out's data and everything else live in
 * the arena. */
bool tp_onnx_parse_tensor(struct tp_net_tensor *out, const char **name, const void *bytes,
                          size_t n_bytes, struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

#endif
