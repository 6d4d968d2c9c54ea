/* pooling.h - one pooling, in words. */
#ifndef TP_POOLING_H
#define TP_POOLING_H

#include "formats/options.h"

enum {
    TP_POOLING_MAX_WINDOW = 1 << 16,
    TP_POOLING_MAX_GRID = 4096,
    TP_POOLING_MAX_LEVEL = 64,       /* bins of a pyramid's level, along each axis */
    TP_POOLING_MAX_BOXES = 256,
    TP_POOLING_MAX_P = 100,
};

/* Fills t->pooling and t->argmax from the words that say them; boxes are the arena's. A word that
 * means nothing beside the others is refused rather than ignored. */
bool tp_pooling_read(const struct tp_options *o, struct tp_tap *t, struct tp_arena *arena,
                     struct tp_err *err) TP_MUST_USE;

/* Words that pooling shares with others: "true" or "false" (1, 0) of the word `key`, and whole
 * numbers of [least, most] with `separator` between them, up to `max`: how many, 0: not that. */
bool tp_pooling_bool(const char *key, const char *text, bool *out, struct tp_err *err) TP_MUST_USE;
int tp_pooling_ints(const char *text, char separator, int least, int most, int *out, int max);

#endif
