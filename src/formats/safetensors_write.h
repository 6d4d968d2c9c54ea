/* safetensors_write.h - an answer as a safetensors file. */
#ifndef TP_SAFETENSORS_WRITE_H
#define TP_SAFETENSORS_WRITE_H

#include "formats/answer.h"
#include "formats/narrow.h"

/* Appends all outputs under their names; a name that is there already (a layer pooled in two ways)
 * becomes NAME#2. Beside them, where there are such: NAME.argmax as I64, and of uint8 NAME.scale
 * and NAME.zero as F32. __metadata__ says "format": "tidepool", "model", and "layout.NAME" (NCHW
 * or NHWC) of outputs of rank 4. */
bool tp_safetensors_write(struct tp_buf *b, const struct tp_answer *a, enum tp_dtype type,
                          int n_threads, struct tp_err *err) TP_MUST_USE;

#endif
