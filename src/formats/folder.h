/* folder.h - which models a folder offers. */
#ifndef TP_FOLDER_H
#define TP_FOLDER_H

#include "base/err.h"

struct tp_folder_entry {
    char name[256];                  /* of the model */
    bool readable;                   /* false: a kind of file that is not read (path names it) */
    char path[264];                  /* beneath the folder: NAME.json or NAME/pipeline.json */
};

/* Lists the models of `folder` in the order of their names; *entries is the caller's to free(). */
bool tp_folder_list(struct tp_folder_entry **entries, int *n_entries, const char *folder,
                    struct tp_err *err) TP_MUST_USE;

#endif
