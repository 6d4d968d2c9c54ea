/* budget.c - how much memory requests may take together, and how much each of them has. */
#include "base/budget.h"

#include "base/heap.h"

static size_t mib_up(size_t n_bytes) { return (n_bytes >> 20) + (n_bytes % (1 << 20) > 0); }

void tp_budget_init(struct tp_budget *b, size_t limit_bytes)
{
    b->limit_bytes = limit_bytes;
    b->spare_bytes = 0;
    atomic_init(&b->taken_bytes, 0);
    atomic_init(&b->fixed_bytes, 0);
}

static bool take_below(struct tp_budget *b, size_t n_bytes, size_t limit_bytes)
{
    size_t taken = atomic_load(&b->taken_bytes);
    do {
        if (b->limit_bytes && (taken > limit_bytes || n_bytes > limit_bytes - taken)) return false;
    } while (!atomic_compare_exchange_weak(&b->taken_bytes, &taken, taken + n_bytes));
    return true;
}

bool tp_budget_take(struct tp_budget *b, size_t n_bytes)
{
    return !b || take_below(b, n_bytes, b->limit_bytes);
}

bool tp_budget_take_spare(struct tp_budget *b, size_t n_bytes)
{
    return !b || take_below(b, n_bytes, b->limit_bytes + b->spare_bytes);
}

void tp_budget_give(struct tp_budget *b, size_t n_bytes)
{
    if (b) atomic_fetch_sub(&b->taken_bytes, n_bytes);
}

bool tp_budget_fix(struct tp_budget *b, size_t n_bytes)
{
    if (!tp_budget_take(b, n_bytes)) return false;
    if (b) atomic_fetch_add(&b->fixed_bytes, n_bytes);
    return true;
}

void tp_budget_unfix(struct tp_budget *b, size_t n_bytes)
{
    if (!b) return;
    atomic_fetch_sub(&b->fixed_bytes, n_bytes);
    atomic_fetch_sub(&b->taken_bytes, n_bytes);
}

size_t tp_budget_taken(const struct tp_budget *b) { return b ? atomic_load(&b->taken_bytes) : 0; }

static size_t beyond(const struct tp_budget *b, size_t n_bytes)
{
    if (!b || !b->limit_bytes) return SIZE_MAX;
    return n_bytes < b->limit_bytes ? b->limit_bytes - n_bytes : 0;
}

size_t tp_budget_left(const struct tp_budget *b) { return beyond(b, tp_budget_taken(b)); }

size_t tp_budget_most(const struct tp_budget *b)
{
    return beyond(b, b ? atomic_load(&b->fixed_bytes) : 0);
}

void tp_budget_relieve(const struct tp_budget *b)
{
    if (tp_budget_left(b) < (b ? b->limit_bytes / 2 : 0)) tp_heap_trim_if_worth();
}

/* ---- shares ---------------------------------------------------------------------------------- */

bool tp_share_reserve(struct tp_share *s, size_t n_bytes)
{
    const size_t unused = s->held_bytes - s->used_bytes;
    if (n_bytes <= unused) return true;
    if (!tp_budget_take(s->budget, n_bytes - unused)) {
        s->refused_bytes = n_bytes;
        return false;
    }
    s->held_bytes += n_bytes - unused;
    return true;
}

bool tp_share_use(struct tp_share *s, size_t n_bytes)
{
    if (!s) return true;
    if (!tp_share_reserve(s, n_bytes)) return false;
    s->used_bytes += n_bytes;
    return true;
}

void tp_share_release(struct tp_share *s, size_t n_bytes)
{
    if (s) s->used_bytes -= n_bytes;
}

void tp_share_part(struct tp_share *s, size_t n_bytes)
{
    s->used_bytes -= n_bytes;
    s->held_bytes -= n_bytes;
}

void tp_share_trim(struct tp_share *s)
{
    const size_t n_bytes = s->held_bytes - s->used_bytes;
    if (n_bytes >= TP_HEAP_MAPPED_BYTES) tp_budget_relieve(s->budget);
    tp_budget_give(s->budget, n_bytes);
    s->held_bytes = s->used_bytes;
}

void tp_share_close(struct tp_share *s)
{
    s->used_bytes = 0;
    tp_share_trim(s);
}

bool tp_share_fail(const struct tp_share *s, struct tp_err *err)
{
    const size_t most = tp_budget_most(s->budget);
    if (s->refused_bytes > most || s->used_bytes > most - s->refused_bytes)
        return tp_fail(err, TP_TOO_LARGE, "this needs at least %zu MiB of memory, and all requests "
                       "together may take %zu (--memory-budget)",
                       mib_up(s->used_bytes) + mib_up(s->refused_bytes), most >> 20);
    return tp_fail(err, TP_UNAVAILABLE, "other requests have the memory that this one needs "
                   "(%zu MiB more, --memory-budget); try again later", mib_up(s->refused_bytes));
}
