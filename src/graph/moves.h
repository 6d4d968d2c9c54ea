/* moves.h - data that are moved twice, or not at all: transposes of transposes, views of views,
 * a Concat of one. */
#ifndef TP_MOVES_H
#define TP_MOVES_H

#include "graph/rewrite.h"

/* Consecutive transposes become one; a move that leaves every element at its place becomes a view
 * (no step), and an identity where the shape stays too. False when memory is out. */
bool tp_moves_drop(struct tp_rewrite *rw) TP_MUST_USE;

#endif
