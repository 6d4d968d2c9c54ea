/* inputs.h - the list of files that a command is to work on. */
#ifndef TP_INPUTS_H
#define TP_INPUTS_H

#include "base/arena.h"

struct tp_inputs {
    struct tp_arena arena;
    const char **paths;
    bool *done;                      /* done in an earlier run */
    int n_paths, capacity;
};

/* Expands the words: a folder stands for its files (.jpg .jpeg .png .webp .npy .json, by name, not
 * its sub-folders), anything else for itself. Release with tp_inputs_fini(). */
bool tp_inputs_gather(struct tp_inputs *in, char **words, int n_words,
                      struct tp_err *err) TP_MUST_USE;

/* Marks as done the inputs that lines of `out_path` ({"input":"<path>",...}) name. A last line that
 * was cut off is taken away from the file. A file that is not there marks nothing. */
bool tp_inputs_resume(struct tp_inputs *in, const char *out_path, struct tp_err *err) TP_MUST_USE;

void tp_inputs_fini(struct tp_inputs *in);

#endif
