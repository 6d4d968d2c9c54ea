/* stats.c - what a model has done. */
#include "service/stats.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct tp_stats {
    atomic_int holders;
    pthread_mutex_t lock;            /* of the figures */
    struct tp_figures figures;
    struct tp_pace pace;
};

struct tp_pace *tp_stats_pace(struct tp_stats *s) { return s ? &s->pace : NULL; }

struct tp_stats *tp_stats_new(void)
{
    struct tp_stats *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    atomic_init(&s->holders, 1);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

struct tp_stats *tp_stats_hold(struct tp_stats *s)
{
    if (s) atomic_fetch_add(&s->holders, 1);
    return s;
}

void tp_stats_put(struct tp_stats *s)
{
    if (!s || atomic_fetch_sub(&s->holders, 1) > 1) return;
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static uint64_t ns_of(double ms) { return ms > 0 && ms < 1e12 ? (uint64_t)(ms * 1e6 + 0.5) : 0; }

static void count(struct tp_duration *d, uint64_t ns)
{
    d->count++;
    d->ns += ns;
}

/* The figures of that size, in their order; NULL when there are too many. */
static struct tp_batch_figures *find_batch(struct tp_figures *f, int size)
{
    int at = 0;
    while (at < f->n_batches && f->batches[at].size < size) at++;
    if (at < f->n_batches && f->batches[at].size == size) return &f->batches[at];
    if (f->n_batches == TP_FIGURES_BATCHES) return NULL;
    struct tp_batch_figures *place = &f->batches[at];
    memmove(place + 1, place, (size_t)(f->n_batches++ - at) * sizeof *place);
    *place = (struct tp_batch_figures){ .size = size };
    return place;
}

static void count_answered(struct tp_figures *f, const struct tp_timing *t, int n_images,
                           int64_t now_ms)
{
    const uint64_t input = ns_of(t->decode), infer = ns_of(t->infer), output = ns_of(t->encode);
    struct tp_batch_figures *batch = n_images > 0 ? find_batch(f, n_images) : NULL;
    if (now_ms > f->last_ms) f->last_ms = now_ms;
    if (n_images > 0) f->n_images += (uint64_t)n_images;
    f->n_requests++;
    count(&f->queue, ns_of(t->queue));
    count(&f->input, input);
    count(&f->infer, infer);
    count(&f->output, output);
    if (!batch) return;
    count(&batch->input, input);
    count(&batch->infer, infer);
    count(&batch->output, output);
}

void tp_stats_record(struct tp_stats *s, const struct tp_timing *t, int n_images, bool ok,
                     int64_t now_ms)
{
    const uint64_t ns = ns_of(t->queue) + ns_of(t->decode) + ns_of(t->infer) + ns_of(t->encode);
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    count(ok ? &s->figures.success : &s->figures.fail, ns);
    if (ok) count_answered(&s->figures, t, n_images, now_ms);
    pthread_mutex_unlock(&s->lock);
}

int64_t tp_stats_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void tp_stats_read(struct tp_stats *s, struct tp_figures *figures)
{
    *figures = (struct tp_figures){ 0 };
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    *figures = s->figures;
    pthread_mutex_unlock(&s->lock);
}
