/* absent.c - models that are known and not served. */
#include "service/absent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tp_absents_fini(struct tp_absents *all)
{
    free(all->list);
    *all = (struct tp_absents){ 0 };
}

bool tp_absents_reserve(struct tp_absents *all, int n, struct tp_err *err)
{
    const int room = all->n + n;
    if (room <= all->room) return true;
    struct tp_absent *more = realloc(all->list, (size_t)room * sizeof *more);
    if (!more) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    all->list = more;
    all->room = room;
    return true;
}

/* Where the name stands, or would. */
static int find_place(const struct tp_absents *all, const char *name, bool *is_there)
{
    int low = 0, high = all->n;
    *is_there = false;
    while (low < high) {
        const int middle = low + (high - low) / 2, order = strcmp(all->list[middle].name, name);
        if (order < 0) low = middle + 1;
        else high = middle;
        if (order == 0) *is_there = true;
    }
    return low;
}

struct tp_absent *tp_absents_find(const struct tp_absents *all, const char *name)
{
    bool is_there;
    const int at = find_place(all, name, &is_there);
    return is_there ? &all->list[at] : NULL;
}

struct tp_absent *tp_absents_add(struct tp_absents *all, const char *name)
{
    bool is_there;
    const int at = find_place(all, name, &is_there);
    struct tp_absent *a = &all->list[at];
    if (is_there) return a;
    memmove(a + 1, a, (size_t)(all->n++ - at) * sizeof *a);
    *a = (struct tp_absent){ .state = TP_MODEL_UNAVAILABLE };
    snprintf(a->name, sizeof a->name, "%s", name);
    return a;
}

void tp_absents_remove(struct tp_absents *all, const char *name)
{
    struct tp_absent *a = tp_absents_find(all, name);
    if (a) memmove(a, a + 1, (size_t)(all->list + --all->n - a) * sizeof *a);
}

void tp_absent_set(struct tp_absent *a, const char *path, enum tp_model_state state,
                   const char *reason)
{
    a->state = state;
    a->unloaded = false;
    a->leaving = NULL;
    snprintf(a->path, sizeof a->path, "%s", path ? path : "");
    snprintf(a->reason, sizeof a->reason, "%s", reason);
}
