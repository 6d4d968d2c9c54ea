/* loader.c - the thread that loads models. */
#include "service/loader.h"

#include <stdlib.h>
#include <string.h>

struct tp_loader {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool asked, stop;
    struct tp_models *models;
    int n_threads;
    void (*done)(void *ctx);
    void *ctx;
};

static void *run(void *arg)
{
    struct tp_loader *l = arg;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->asked && !l->stop) pthread_cond_wait(&l->wake, &l->lock);
        if (l->stop) break;
        l->asked = false;
        pthread_mutex_unlock(&l->lock);
        tp_models_load(l->models, l->n_threads);
        if (l->done && !atomic_load(&l->models->ending)) l->done(l->ctx);
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
        .models = models, .n_threads = n_threads, .done = done, .ctx = ctx,
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

void tp_loader_stop(struct tp_loader *l)
{
    if (!l) return;
    tp_models_end_loading(l->models);
    tell(l, &l->stop);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
