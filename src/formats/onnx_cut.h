/* onnx_cut.h - an ONNX file without what is not read and without its tensors' contents: small
 * enough for protobuf-c, which copies whatever it is given. */
#ifndef TP_ONNX_CUT_H
#define TP_ONNX_CUT_H

#include "base/buf.h"

/* What a file is: a ModelProto, or a TensorProto. */
enum tp_onnx_kind { TP_ONNX_MODEL, TP_ONNX_TENSOR };

/* Where contents lie in the file; stands as it is in memory in the fields that onnx.proto calls
 * cut. */
struct tp_onnx_span { uint64_t begin, n_bytes; };

/* Appends the shortened document to *out. Afterwards it holds the fields of onnx.proto and no
 * others, each of the wire type that the schema says (repeated numbers may be packed or not), no
 * submessage twice that may be there once, spans within the file, all strings UTF-8 without NUL of
 * at most TP_ONNX_NAME_BYTES. A field of contents that is not packed gives one span for each
 * element. */
enum { TP_ONNX_NAME_BYTES = 4096 };
bool tp_onnx_cut(struct tp_buf *out, enum tp_onnx_kind kind, const void *bytes, size_t n_bytes,
                 struct tp_err *err) TP_MUST_USE;

#endif
