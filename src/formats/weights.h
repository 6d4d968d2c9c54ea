/* weights.h - weight files that lie beside a pipeline. */
#ifndef TP_WEIGHTS_H
#define TP_WEIGHTS_H

#include "formats/file.h"
#include "formats/pipeline.h"

enum { TP_MAX_WEIGHT_FILES = 16 };

/* The safetensors files of one folder, mapped as they are first named and until fini. */
struct tp_weights {
    int dir_fd;                      /* borrowed */
    struct tp_arena arena;
    struct {
        const char *name;
        struct tp_file file;
        struct tp_safetensors *tensors;
    } open[TP_MAX_WEIGHT_FILES];
    int n_open;
};

/* A source that reads `w`, which must stay where it is. A file's name has no slash in it and is not
 * a link, so nothing outside of the folder can be read. */
struct tp_weight_source tp_weights_init(struct tp_weights *w, int dir_fd);
void tp_weights_fini(struct tp_weights *w);

/* tp_file_is_whole() of all files that were read. */
bool tp_weights_are_whole(const struct tp_weights *w, struct tp_err *err) TP_MUST_USE;

#endif
