/* loader.c - the thread that loads models. */
#include "service/loader.h"

#include <stdlib.h>
#include <string.h>

struct tp_loader {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool asked, stop, ended;
    struct tp_order *first, **last;  /* the orders that wait; where the next one goes */
    int n_orders;
    struct tp_models *models;
    int n_threads;
    void (*done)(void *ctx);
    void *ctx;
};

static void load_folder(struct tp_loader *l)
{
    tp_models_load(l->models, l->n_threads);
    if (l->done && !atomic_load(&l->models->ending)) l->done(l->ctx);
}

static bool carry_out(struct tp_loader *l, struct tp_order *o)
{
    if (atomic_load(&l->models->ending))
        return tp_fail(&o->err, TP_UNAVAILABLE, "the service is ending: no model is loaded or "
                       "unloaded any more");
    return o->kind == TP_ORDER_LOAD
               ? tp_models_load_one(l->models, o->name, l->n_threads, &o->err)
               : tp_models_unload(l->models, o->name, &o->err);
}

/* The first order, or NULL; the loader is locked. */
static struct tp_order *take_order(struct tp_loader *l)
{
    struct tp_order *o = l->first;
    if (!o) return NULL;
    l->first = o->next;
    if (!l->first) l->last = &l->first;
    l->n_orders--;
    return o;
}

/* By turns the folder, when it was asked for, and an order: neither keeps the other waiting. What
 * waits at the end has failed by then, the models' loading having ended. */
static void *run(void *arg)
{
    struct tp_loader *l = arg;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->asked && !l->first && !l->stop) pthread_cond_wait(&l->wake, &l->lock);
        if (l->stop && !l->first) break;
        const bool asked = l->asked && !l->stop;
        struct tp_order *o = take_order(l);
        l->asked = false;
        pthread_mutex_unlock(&l->lock);
        if (asked) load_folder(l);
        if (o) {
            carry_out(l, o);         /* a failure stands in the order */
            o->done(o);
        }
        pthread_mutex_lock(&l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

bool tp_loader_start(struct tp_loader **out, struct tp_models *models, int n_threads,
                     void (*done)(void *ctx), void *ctx, struct tp_err *err)
{
    struct tp_loader *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    *l = (struct tp_loader){
        .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .asked = true,
        .last = &l->first, .models = models, .n_threads = n_threads, .done = done, .ctx = ctx,
    };
    const int error = pthread_create(&l->thread, NULL, run, l);
    if (error) {
        free(l);
        return tp_fail(err, TP_INTERNAL, "the loader's thread: %s", strerror(error));
    }
    *out = l;
    return true;
}

static void tell(struct tp_loader *l, bool *what)
{
    pthread_mutex_lock(&l->lock);
    *what = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

void tp_loader_again(struct tp_loader *l) { tell(l, &l->asked); }

bool tp_loader_order(struct tp_loader *l, struct tp_order *order, struct tp_err *err)
{
    bool ok = true;
    pthread_mutex_lock(&l->lock);
    if (l->stop)
        ok = tp_fail(err, TP_UNAVAILABLE, "the service is ending: no model is loaded or unloaded "
                     "any more");
    else if (l->n_orders == TP_LOADER_ORDERS)
        ok = tp_fail(err, TP_UNAVAILABLE, "%d models wait to be loaded or unloaded; try again "
                     "later", l->n_orders);
    if (ok) {
        order->next = NULL;
        *l->last = order;
        l->last = &order->next;
        l->n_orders++;
        pthread_cond_signal(&l->wake);
    }
    pthread_mutex_unlock(&l->lock);
    return ok;
}

void tp_loader_stop(struct tp_loader *l)
{
    if (!l || l->ended) return;
    tp_models_end_loading(l->models);
    tell(l, &l->stop);
    pthread_join(l->thread, NULL);
    l->ended = true;
}

void tp_loader_free(struct tp_loader *l)
{
    if (!l) return;
    tp_loader_stop(l);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
