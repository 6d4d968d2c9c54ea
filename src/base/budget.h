/* budget.h - how much memory requests may take together, and how much each of them has.
 *
 * Who is about to allocate asks first: tp_share_use() before malloc(), tp_share_release() after
 * free(). What a request is likely to need is set aside for it beforehand (tp_share_reserve()), so
 * that it does not fail half way for want of it. */
#ifndef TP_BUDGET_H
#define TP_BUDGET_H

#include <stdatomic.h>

#include "base/err.h"

/* Shared by all threads. */
struct tp_budget {
    size_t limit_bytes;              /* 0: none, everything fits */
    size_t spare_bytes;              /* beyond it, for what must get in even so */
    _Atomic size_t taken_bytes;
    _Atomic size_t fixed_bytes;      /* of those, what no request's end gives back: the program,
                                        its models */
};

void tp_budget_init(struct tp_budget *b, size_t limit_bytes);

/* False: it does not fit, nothing is taken. NULL for a budget is fine, here and below: none. */
bool tp_budget_take(struct tp_budget *b, size_t n_bytes) TP_MUST_USE;
void tp_budget_give(struct tp_budget *b, size_t n_bytes);

/* The same for little that must get in when requests have taken all: it may use what is spare. */
bool tp_budget_take_spare(struct tp_budget *b, size_t n_bytes) TP_MUST_USE;

/* The same for what lasts. */
bool tp_budget_fix(struct tp_budget *b, size_t n_bytes) TP_MUST_USE;
void tp_budget_unfix(struct tp_budget *b, size_t n_bytes);

size_t tp_budget_taken(const struct tp_budget *b);
size_t tp_budget_left(const struct tp_budget *b);            /* SIZE_MAX without a limit */

/* The most that a single request could ever get; SIZE_MAX without a limit. */
size_t tp_budget_most(const struct tp_budget *b);

/* After much was freed: where more than half of the budget is taken, the allocator's holes go back
 * to the system, since they are in nobody's budget. Not always: the pages that every photo uses
 * would go and be faulted in by the next (a 1200x900 one took 5.3 ms so, 3.7 without). */
void tp_budget_relieve(const struct tp_budget *b);

/* What one request has of it. One thread at a time. */
struct tp_share {
    struct tp_budget *budget;        /* NULL: nothing is counted */
    size_t held_bytes;               /* taken from the budget */
    size_t used_bytes;               /* of those, what is allocated now */
    size_t refused_bytes;            /* what was asked for in vain the last time; 0: nothing was */
};

/* Sees to it that n_bytes more can be used. False: they are not to be had now. */
bool tp_share_reserve(struct tp_share *s, size_t n_bytes) TP_MUST_USE;

/* Counts an allocation that is about to be made, and one that is gone. What was used once stays
 * held for the next. NULL for a share is fine: nothing is counted. */
bool tp_share_use(struct tp_share *s, size_t n_bytes) TP_MUST_USE;
void tp_share_release(struct tp_share *s, size_t n_bytes);

/* Leaves n_bytes of what is used to somebody else, who gives them to the budget in the end. */
void tp_share_part(struct tp_share *s, size_t n_bytes);

/* Gives back what is held and not used; where that is much, the budget is relieved. */
void tp_share_trim(struct tp_share *s);
void tp_share_close(struct tp_share *s);         /* gives back all; its memory is gone or will be */

/* The error for what was refused last: too large if it could never be had, else not now. Always
 * false. */
bool tp_share_fail(const struct tp_share *s, struct tp_err *err);

#endif
