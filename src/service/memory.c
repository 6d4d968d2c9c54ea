/* memory.c - how large the memory budget is, and what the program itself takes of it. */
#include "service/memory.h"

#include <unistd.h>

#include "base/log.h"
#include "service/process.h"

enum { LEAST_LEFT_BYTES = 16 << 20, SLACK_PART = 16 };

void tp_memory_budget(struct tp_budget *b, size_t limit_bytes, const struct tp_cgroup *g)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    size_t all = pages > 0 && page_bytes > 0 ? (size_t)pages * (size_t)page_bytes : 0;
    const size_t group = tp_cgroup_memory(g);
    if (group && (!all || group < all)) all = group;
    tp_budget_init(b, limit_bytes ? limit_bytes : all / 4 * 3);
}

bool tp_memory_account(struct tp_budget *b, struct tp_err *err)
{
    struct tp_process p;
    const size_t own = tp_process_read(&p) ? (size_t)p.resident_bytes : 0;
    const size_t limit = b->limit_bytes, slack = limit / SLACK_PART;
    const size_t least = (own + LEAST_LEFT_BYTES) / (SLACK_PART - 1) * SLACK_PART;
    if (limit && limit < own + slack + LEAST_LEFT_BYTES)
        return tp_fail(err, TP_INVALID_ARGUMENT, "--memory-budget: %zu MiB are too little; the "
                       "program takes %zu before any request; give at least %zu", limit >> 20,
                       own >> 20, (least >> 20) + 1);
    if (!tp_budget_fix(b, own + slack))
        return tp_fail(err, TP_INTERNAL, "--memory-budget: nothing is left of it");
    b->spare_bytes = slack / 2;      /* of what stays free: who comes must hear that all is taken */
    tp_log(TP_LOG_INFO, "memory: of %zu MiB (--memory-budget) the program takes %zu, %zu stay "
           "free; models, connections (40 KiB each) and requests share %zu", limit >> 20,
           own >> 20, slack >> 20, tp_budget_left(b) >> 20);
    return true;
}
