/* builtin.h - the models that need no file: line-detector, edges, gist. */
#ifndef TP_BUILTIN_H
#define TP_BUILTIN_H

#include "base/buf.h"

/* Name of built-in `index`, NULL behind the last. */
const char *tp_builtin_name(int index);

/* Appends the built-in's pipeline JSON and, to `preprocess`, its preprocess.json. False when there
 * is no built-in of that name (no error is filled: it may be a file's name). */
bool tp_builtin_text(const char *name, struct tp_buf *pipeline, struct tp_buf *preprocess);

#endif
