/* folder.h - which models a folder offers. */
#ifndef TP_FOLDER_H
#define TP_FOLDER_H

#include "base/err.h"

struct tp_folder_entry {
    char name[256];                  /* of the model */
    char path[264];                  /* beneath the folder: NAME.onnx or NAME/model.onnx, ... */
    uint64_t stamp;                  /* another one when a file of the model has changed */
};

/* Lists the models of `folder` in the order of their names; *entries is the caller's to free(). A
 * model in a folder of its own consists of all files there; a flat one of its file and all files
 * beside it that are no models (preprocessing, labels, weights). */
bool tp_folder_list(struct tp_folder_entry **entries, int *n_entries, const char *folder,
                    struct tp_err *err) TP_MUST_USE;

#endif
