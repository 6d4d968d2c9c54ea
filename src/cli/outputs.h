/* outputs.h - where a command's answers go when each of them is a file. */
#ifndef TP_OUTPUTS_H
#define TP_OUTPUTS_H

#include "cli/inputs.h"

struct tp_outputs {
    const char **paths;              /* one per input, in its arena; NULL: standard output */
};

/* One input's answer goes to the file `out`, or to standard output where that is NULL. Several
 * inputs' answers, or where `out` is a folder, go into the folder `out`, which is made if need be,
 * each named after its input with `suffix` (".npy") as its end; a second one of that name gets -2.
 * Refuses to write over an input. */
bool tp_outputs_place(struct tp_outputs *o, struct tp_inputs *in, const char *out,
                      const char *suffix, struct tp_err *err) TP_MUST_USE;

/* Marks as done the inputs whose answers are there. */
void tp_outputs_resume(const struct tp_outputs *o, struct tp_inputs *in);

/* Writes the file beside its place and moves it there when it is whole; what is no regular file is
 * written to as it is. */
bool tp_outputs_write(const char *path, const void *bytes, size_t n_bytes,
                      struct tp_err *err) TP_MUST_USE;

#endif
