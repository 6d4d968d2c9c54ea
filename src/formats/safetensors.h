/* safetensors.h - weights in a safetensors file: a JSON header, then raw little-endian data. */
#ifndef TP_SAFETENSORS_H
#define TP_SAFETENSORS_H

#include "base/arena.h"
#include "base/tensor.h"

struct tp_safetensors;

/* Parses `bytes`, which must outlive *out. Every tensor's offsets, size and dtype are checked. The
 * index lives in `arena`. */
bool tp_safetensors_parse(struct tp_safetensors **out, const void *bytes, size_t n_bytes,
                          struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

/* Copies one tensor into `arena` as float32 (F32, F16, BF16 and F64 are read). Fails when there is
 * none of that name; the message lists some that there are. */
bool tp_safetensors_read(const struct tp_safetensors *st, const char *name, struct tp_tensor *out,
                         struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

#endif
