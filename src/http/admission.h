/* admission.h - what is taken on: the work, the body and the memory for both, or a refusal. */
#ifndef TP_ADMISSION_H
#define TP_ADMISSION_H

#include "http/exchange.h"
#include "http/policy.h"
#include "service/workers.h"

/* What can be said of a request before anything is made ready for it: its route (which it finds),
 * its key, the length of its body. False: ex->reply says why not. */
bool tp_admission_judge(struct tp_exchange *ex, const char *method, const char *path,
                        const struct tp_framing *framing);

/* Whether the job that the headers announce can be taken at all, once ex->job stands and before its
 * body is read. False: ex->reply says why not. */
bool tp_admission_has_room(struct tp_exchange *ex, const struct tp_framing *framing);

/* Whether a refusal waits for the end of the request, so that the connection stays. */
bool tp_admission_lets_pass(const struct tp_exchange *ex, const struct tp_framing *framing);

/* Refusals that come later: a body beyond --max-body, a queue without a place. */
void tp_admission_refuse_large(struct tp_exchange *ex);
void tp_admission_refuse_waiting(struct tp_exchange *ex, struct tp_wait wait);

/* When to come again: after what waits now is done, and up to half of that later, so that those who
 * were refused together do not come together. */
int tp_admission_retry_seconds(struct tp_server *s);

#endif
