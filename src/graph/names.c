/* names.c - which node bears which name. */
#include "graph/names.h"

#include <string.h>

enum { FIRST_SLOTS = 64 };

/* FNV-1a, 32 bits. Names come from model files of the operator's own and from pipelines that are
 * capped at a few thousand layers, so collisions made on purpose cost milliseconds at most. */
static uint32_t hash(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static int slot_of(const struct tp_names *names, const char *name)
{
    uint32_t mask = (uint32_t)names->n_slots - 1, i = hash(name) & mask;
    while (names->slots[i].name && strcmp(names->slots[i].name, name)) i = (i + 1) & mask;
    return (int)i;
}

int tp_names_find(const struct tp_names *names, const char *name)
{
    if (!names->n_slots) return -1;
    int i = slot_of(names, name);
    return names->slots[i].name ? names->slots[i].index : -1;
}

static bool grow(struct tp_names *names)
{
    struct tp_names bigger = { .arena = names->arena };
    bigger.n_slots = names->n_slots ? 2 * names->n_slots : FIRST_SLOTS;
    bigger.slots = tp_arena_zalloc(names->arena, (size_t)bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (int i = 0; i < names->n_slots; i++)
        if (names->slots[i].name)
            bigger.slots[slot_of(&bigger, names->slots[i].name)] = names->slots[i];
    bigger.n_used = names->n_used;
    *names = bigger;
    return true;
}

bool tp_names_add(struct tp_names *names, const char *name, int index)
{
    if (2 * (names->n_used + 1) > names->n_slots && !grow(names)) return false;
    int i = slot_of(names, name);
    names->slots[i].name = name;
    names->slots[i].index = index;
    names->n_used++;
    return true;
}
