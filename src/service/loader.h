/* loader.h - the thread that loads models: at start, whenever it is asked to, and one by one as
 * clients order. */
#ifndef TP_LOADER_H
#define TP_LOADER_H

#include "service/models.h"

enum { TP_LOADER_ORDERS = 64 };      /* that may wait */

struct tp_loader;

enum tp_order_kind { TP_ORDER_LOAD, TP_ORDER_UNLOAD };

/* One model to be loaded or unloaded. The loader has it until done(), which its thread calls. */
struct tp_order {
    enum tp_order_kind kind;
    char name[256];
    struct tp_err err;               /* filled when it failed */
    void (*done)(struct tp_order *order);
    void *owner;
    struct tp_order *next;
};

/* Starts loading, with up to n_threads models at a time; done(ctx) is called from the loader's
 * thread after every load of the folder that came to its end. */
bool tp_loader_start(struct tp_loader **out, struct tp_models *models, int n_threads,
                     void (*done)(void *ctx), void *ctx, struct tp_err *err) TP_MUST_USE;

/* Asks for another load of the folder; of several asked for during one, one is made. */
void tp_loader_again(struct tp_loader *loader);

/* Has the order carried out behind those that wait. False: too many wait, or the loader has been
 * stopped; the order stays the caller's. Any thread. */
bool tp_loader_order(struct tp_loader *loader, struct tp_order *order,
                     struct tp_err *err) TP_MUST_USE;

/* Ends the thread, and before it the load at hand: after the files that are being read, without
 * done(). Orders that wait fail as TP_UNAVAILABLE, and later ones are not taken. The models are not
 * loaded again afterwards. NULL is fine. */
void tp_loader_stop(struct tp_loader *loader);

/* The same; and nobody may have an order for it any more. */
void tp_loader_free(struct tp_loader *loader);

#endif
