/* memory.h - how large the memory budget is, and what the program itself takes of it. */
#ifndef TP_MEMORY_H
#define TP_MEMORY_H

#include "base/budget.h"
#include "base/cgroup.h"

/* limit_bytes, or if that is 0 three quarters of what the system lets this process have: the rest
 * is for the kernel's buffers of our connections and for neighbours. */
void tp_memory_budget(struct tp_budget *b, size_t limit_bytes, const struct tp_cgroup *g);

/* Takes what the process has at this moment, to be called once it stands and serves nobody yet, and
 * a sixteenth for what allocators round up. Logs how much is left; fails if that is nothing. */
bool tp_memory_account(struct tp_budget *b, struct tp_err *err) TP_MUST_USE;

#endif
