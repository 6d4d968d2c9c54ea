/* absent.h - models that are known and not served, and why: what the repository's index tells
 * beside the served ones. */
#ifndef TP_ABSENT_H
#define TP_ABSENT_H

#include "formats/folder.h"
#include "formats/repository.h"

struct tp_absent {
    char name[sizeof ((struct tp_folder_entry *)0)->name];
    char path[sizeof ((struct tp_folder_entry *)0)->path];       /* "" for a built-in */
    enum tp_model_state state;       /* never READY */
    bool unloaded;                   /* somebody wanted that: it comes back when it is asked for */
    const void *leaving;             /* what was served and still is in use (UNLOADING), or NULL */
    char reason[TP_MESSAGE_BYTES];
};

struct tp_absents {                  /* zeroed: empty */
    struct tp_absent *list;          /* in the order of their names, each once */
    int n, room;
};

void tp_absents_fini(struct tp_absents *all);

/* Room for n more. */
bool tp_absents_reserve(struct tp_absents *all, int n, struct tp_err *err) TP_MUST_USE;

/* The one of that name, or NULL. */
struct tp_absent *tp_absents_find(const struct tp_absents *all, const char *name);

/* The same, made where there is none; there must be room. Pointers to others are no longer good. */
struct tp_absent *tp_absents_add(struct tp_absents *all, const char *name);

void tp_absents_remove(struct tp_absents *all, const char *name);

/* Says why it is not served; path may be NULL. It no longer counts as unloaded. */
void tp_absent_set(struct tp_absent *a, const char *path, enum tp_model_state state,
                   const char *reason);

#endif
