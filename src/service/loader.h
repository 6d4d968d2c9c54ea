/* loader.h - the thread that loads models: at start, and again whenever it is asked to. */
#ifndef TP_LOADER_H
#define TP_LOADER_H

#include "service/models.h"

struct tp_loader;

/* Starts loading, with up to n_threads models at a time; done(ctx) is called from the loader's
 * thread after every load that came to its end. */
bool tp_loader_start(struct tp_loader **out, struct tp_models *models, int n_threads,
                     void (*done)(void *ctx), void *ctx, struct tp_err *err) TP_MUST_USE;

/* Asks for another load; of several asked for during one, one is made. */
void tp_loader_again(struct tp_loader *loader);

/* Ends the thread, and before it the load at hand: after the files that are being read, without
 * done(). The models are not loaded again afterwards. NULL is fine. */
void tp_loader_stop(struct tp_loader *loader);

#endif
