/* onnx_document.h - an ONNX file as protobuf-c's structs, with spans for its tensors' contents. */
#ifndef TP_ONNX_DOCUMENT_H
#define TP_ONNX_DOCUMENT_H

#include <onnx.pb-c.h>

#include "formats/onnx_cut.h"

struct tp_onnx_document {
    union {
        Onnx__ModelProto *model;
        Onnx__TensorProto *tensor;
        ProtobufCMessage *root;
    };
    size_t used_bytes, limit_bytes;  /* of memory, by protobuf-c */
    bool beyond_limit, out_of_memory;
};

/* Everything is copied but the tensors' contents. Freed with tp_onnx_document_close(), which is due
 * after a failure too. */
bool tp_onnx_document_open(struct tp_onnx_document *doc, enum tp_onnx_kind kind, const void *bytes,
                           size_t n_bytes, struct tp_err *err) TP_MUST_USE;
void tp_onnx_document_close(struct tp_onnx_document *doc);

#endif
