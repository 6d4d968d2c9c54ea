/* run.c - a plan meets its data. Nothing here can fail or allocates. */
#include <string.h>
#include <time.h>

#include "graph/place.h"
#include "ops/parallel.h"

struct buffers {
    const float *input;
    float *const *outputs;
    char *workspace;
    int turn;                        /* which of the plan's runs this is */
};

static float *locate(const struct tp_plan *plan, int value, const struct buffers *b)
{
    const struct tp_place *p = &plan->values[value];
    switch (p->kind) {
    case TP_PLACE_INPUT: return (float *)b->input;           /* steps only read it */
    case TP_PLACE_OUTPUT:
        return b->outputs[p->index] + b->turn * plan->outputs[p->index].n_elements +
               p->offset / sizeof(float);
    case TP_PLACE_CONSTANT: return (float *)p->constant;     /* the same */
    case TP_PLACE_WORKSPACE: return (float *)(void *)(b->workspace + p->offset);
    case TP_PLACE_NONE: break;
    }
    return NULL;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct runs {
    const struct tp_plan *plan;
    const float *input;
    float *const *outputs;
    void *workspace;
    int n_threads;
    double *ms;                      /* [n_steps], or NULL */
    bool (*go_on)(void *ctx, const char *layer); /* or NULL */
    void *ctx;
    bool stopped;
};

static void run_once(struct runs *r, const struct buffers *b)
{
    const struct tp_plan *plan = r->plan;
    double *ms = r->ms, then = ms ? now_ms() : 0;
    const float **in = (void *)b->workspace;                 /* place.c keeps room for them there */
    for (int s = 0; s < plan->n_steps; s++) {
        const struct tp_planned *p = &plan->steps[s];
        const struct tp_node *nd = p->step.node;
        if (r->go_on && !r->go_on(r->ctx, nd->name)) {
            r->stopped = true;
            return;
        }
        for (int j = 0; j < nd->n_inputs; j++) in[j] = locate(plan, nd->inputs[j], b);
        const struct tp_io io = {
            .in = in, .out = locate(plan, p->value, b),
            .scratch = b->workspace + p->scratch, .n_threads = r->n_threads,
        };
        nd->op->run(&p->step, &io);
        if (!ms) continue;
        const double now = now_ms();
        ms[s] += now - then;
        then = now;
    }
    for (int i = 0; i < plan->n_outputs; i++) {
        const struct tp_plan_output *o = &plan->outputs[i];
        if (o->copied)
            memcpy(b->outputs[i] + b->turn * o->n_elements, locate(plan, o->value, b),
                   (size_t)o->n_elements * sizeof(float));
    }
}

static void run_all(void *ctx)
{
    struct runs *r = ctx;
    const struct tp_plan *plan = r->plan;
    const int64_t n = tp_shape_elements(&plan->input) / plan->repeat;
    for (int i = 0; i < plan->repeat && !r->stopped; i++) {
        const struct buffers b = { r->input + i * n, r->outputs, r->workspace, i };
        run_once(r, &b);
    }
}

void tp_plan_run_clocked(const struct tp_plan *plan, const float *input, float *const outputs[],
                         void *workspace, int n_threads, double *ms)
{
    struct runs r = { plan, input, outputs, workspace, n_threads, .ms = ms };
    tp_parallel_team(n_threads, plan->operations, run_all, &r);
}

bool tp_plan_run_while(const struct tp_plan *plan, const float *input, float *const outputs[],
                       void *workspace, int n_threads,
                       bool (*go_on)(void *ctx, const char *layer), void *ctx)
{
    struct runs r = { plan, input, outputs, workspace, n_threads, .go_on = go_on, .ctx = ctx };
    tp_parallel_team(n_threads, plan->operations, run_all, &r);
    return !r.stopped;
}

void tp_plan_run(const struct tp_plan *plan, const float *input, float *const outputs[],
                 void *workspace, int n_threads)
{
    tp_plan_run_clocked(plan, input, outputs, workspace, n_threads, NULL);
}
