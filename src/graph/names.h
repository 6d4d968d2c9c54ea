/* names.h - which node bears which name. */
#ifndef TP_NAMES_H
#define TP_NAMES_H

#include "base/arena.h"

/* A hash table from strings to node indices. Strings are borrowed; memory is the arena's. */
struct tp_names {
    struct tp_arena *arena;
    struct { const char *name; int index; } *slots;
    int n_slots, n_used;             /* n_slots is a power of two, more than half of it free */
};

/* The index that `name` was given, or -1. */
int tp_names_find(const struct tp_names *names, const char *name);

/* Gives a name that is not there yet an index. False when memory is out. */
bool tp_names_add(struct tp_names *names, const char *name, int index) TP_MUST_USE;

#endif
