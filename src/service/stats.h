/* stats.h - what a model has done, and how long it took. */
#ifndef TP_STATS_H
#define TP_STATS_H

#include "formats/answer.h"
#include "formats/repository.h"
#include "service/estimate.h"

/* Counted by any thread. A model that is loaded anew from its file goes on with the figures of the
 * one before, which may still be at work; one that was unloaded or gone starts at zero. */
struct tp_stats;

struct tp_stats *tp_stats_new(void);             /* NULL: out of memory */
struct tp_stats *tp_stats_hold(struct tp_stats *stats);      /* the same, once more */
void tp_stats_put(struct tp_stats *stats);       /* NULL is fine, as for all below */

/* Counts one request, answered at now_ms or failed. Of those that failed only the time is counted,
 * of those of more distinct batch sizes than TP_FIGURES_BATCHES all but the size. */
void tp_stats_record(struct tp_stats *stats, const struct tp_timing *timing, int n_images, bool ok,
                     int64_t now_ms);

/* What is learnt from its jobs, as long as the figures are held. NULL for NULL. */
struct tp_pace *tp_stats_pace(struct tp_stats *stats);

/* Milliseconds since 1970. */
int64_t tp_stats_now_ms(void);

void tp_stats_read(struct tp_stats *stats, struct tp_figures *figures);

#endif
