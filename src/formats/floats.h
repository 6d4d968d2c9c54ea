/* floats.h - tensors as JSON text. */
#ifndef TP_FLOATS_H
#define TP_FLOATS_H

#include "base/buf.h"
#include "base/tensor.h"

/* Appends a tensor's data as a JSON array: nested by its dimensions, or flat. digits > 0 rounds to
 * that many significant digits (at most 9) as printf's %.*g does, 0 is shortest. Large ones are
 * written by up to n_threads threads (below 2: by the caller's). */
void tp_floats_write(struct tp_buf *b, const struct tp_tensor *t, bool nested, int digits,
                     int n_threads);

#endif
