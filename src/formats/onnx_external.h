/* onnx_external.h - ONNX's external data: tensors' contents in files of their own. */
#ifndef TP_ONNX_EXTERNAL_H
#define TP_ONNX_EXTERNAL_H

#include "formats/onnx.h"

struct tp_onnx_external {
    const char *location;            /* a path beneath the model's folder */
    const char *offset, *length;     /* decimal numbers; NULL: 0, and whatever is needed */
};

/* *out: the n_bytes that *external describes, in a file beneath the folder open at `dir_fd`, which
 * is mapped once for all of *files. */
bool tp_onnx_external_find(const void **out, struct tp_onnx_files *files, int dir_fd,
                           const struct tp_onnx_external *external, uint64_t n_bytes,
                           struct tp_err *err) TP_MUST_USE;

#endif
