/* onnx_tensor.h - the contents of one TensorProto, wherever the file has them. */
#ifndef TP_ONNX_TENSOR_H
#define TP_ONNX_TENSOR_H

#include "formats/net.h"
#include "formats/onnx.h"
#include "formats/onnx_document.h"

/* Where spans and external data lead. */
struct tp_onnx_source {
    const uint8_t *bytes;            /* the file */
    int dir_fd;
    struct tp_onnx_files *files;
};

/* Reads *t. Contents that stand as little-endian elements of their type stay where they are; the
 * arena gets the others, or all with `copy`. data is NULL (and not looked for) where elements are
 * no numbers: see tp_onnx_type_bytes(). Messages begin with the shape or the field. */
bool tp_onnx_tensor_read(struct tp_net_tensor *out, const Onnx__TensorProto *t,
                         const struct tp_onnx_source *source, bool copy, struct tp_arena *arena,
                         struct tp_err *err) TP_MUST_USE;

#endif
