/* bench_net.c - a network, made ready to run, and its times. */
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "cli/bench.h"
#include "formats/net.h"
#include "formats/options.h"
#include "formats/pooling.h"
#include "service/clock.h"

enum { DEFAULT_SIDE = 224, MAX_SIDE = 65536, WARM_UP_RUNS = 3 };

/* ---- the input ------------------------------------------------------------------------------- */

/* What is fixed stays; open sides are `side`s, or 224. A size that the network has fixed otherwise
 * is refused. */
static bool choose_input(const struct tp_model *m, const char *size, struct tp_shape *s,
                         struct tp_err *err)
{
    static const int fallback[4] = { 1, DEFAULT_SIDE, DEFAULT_SIDE, 3 };
    int side[2];
    *s = m->input;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] == TP_ANY) s->dim[i] = s->rank == 4 ? fallback[i] : 1;
    if (!size) return true;
    int n = tp_pooling_ints(size, 'x', 1, MAX_SIDE, side, 2);
    if (!n)
        return tp_fail(err, TP_INVALID_ARGUMENT, "--size %.32s: expected height x width such as "
                       "224x320, or one number for both, of 1 to %d", size, MAX_SIDE);
    if (s->rank != 4)
        return tp_fail(err, TP_INVALID_SHAPE, "--size %s: model '%s' does not take images, but %s",
                       size, m->name, TP_SHAPE(&m->input));
    for (int i = 0; i < 2; i++) {
        s->dim[i + 1] = side[n == 2 ? i : 0];
        if (m->input.dim[i + 1] != TP_ANY && m->input.dim[i + 1] != s->dim[i + 1])
            return tp_fail(err, TP_INVALID_SHAPE, "--size %s: model '%s' takes %s alone, [n, "
                           "height, width, channels]", size, m->name, TP_SHAPE(&m->input));
    }
    return true;
}

/* Marsaglia's xorshift: -1 to 1, the same for every build. */
static void fill(float *x, int64_t n)
{
    uint32_t state = 2463534242;
    for (int64_t i = 0; i < n; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        x[i] = (float)(state >> 8) * 0x1p-23f - 1;
    }
}

/* ---- the network ----------------------------------------------------------------------------- */

static bool make_plan(struct tp_bench_net *net, const struct tp_bench_ask *ask, struct tp_err *err)
{
    const struct tp_options words = { .layers = ask->layers };
    struct tp_shape input;
    struct tp_ask asked;
    return choose_input(net->model, ask->size, &input, err) &&
           tp_options_ask(&words, net->model, &asked, &net->arena, err) &&
           tp_plan_new(&net->plan, net->model, &input, asked.taps, asked.n_taps, &ask->limits, err);
}

/* What summary calls a layer: the module that ends there, else the node, else the tensor. */
static const char *layer_name(const struct tp_model *m, const char *tensor)
{
    for (int i = 0; i < m->n_layers; i++) {
        const struct tp_layer_info *l = &m->layers[i];
        if (!strcmp(l->name, tensor)) return l->module ? l->module : l->node ? l->node : tensor;
    }
    return tensor;
}

/* Steps bear the names of their nodes as messages tell them. */
static bool name_steps(struct tp_bench_net *net, struct tp_err *err)
{
    const struct tp_net *file = net->model->net;
    const int n = tp_plan_n_steps(net->plan);
    net->names = tp_arena_zalloc(&net->arena, (size_t)n + 1, sizeof *net->names);
    if (!net->names) return tp_arena_fail(&net->arena, err);
    for (int s = 0; s < n; s++) net->names[s] = tp_plan_step(net->plan, s).name;
    for (int i = 0; file && i < file->n_nodes; i++) {
        const struct tp_net_node *nd = &file->nodes[i];
        const struct tp_net_label label = tp_net_label(file, nd);
        if (!nd->n_outputs || nd->outputs[0] < 0) continue;
        for (int s = 0; s < n; s++)
            if (!strcmp(net->names[s], label.text))
                net->names[s] = layer_name(net->model, file->values[nd->outputs[0]].name);
    }
    return true;
}

static bool make_room(struct tp_bench_net *net, struct tp_err *err)
{
    const int n = tp_plan_n_outputs(net->plan);
    const int64_t n_input = tp_shape_elements(tp_plan_input_shape(net->plan));
    net->input = tp_arena_floats(&net->arena, n_input);
    net->outputs = tp_arena_zalloc(&net->arena, (size_t)n, sizeof *net->outputs);
    bool ok = net->input && net->outputs;
    for (int i = 0; ok && i < n; i++) {
        const struct tp_shape s = tp_plan_output_shape(net->plan, i);
        ok = (net->outputs[i] = tp_arena_floats(&net->arena, tp_shape_elements(&s))) != NULL;
    }
    net->workspace = tp_pages_alloc(tp_plan_workspace_bytes(net->plan));
    if (!ok || !net->workspace) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    fill(net->input, n_input);
    return true;
}

bool tp_bench_net_init(struct tp_bench_net *net, const struct tp_bench_ask *ask,
                       struct tp_err *err)
{
    *net = (struct tp_bench_net){ .n_threads = ask->n_threads };
    tp_arena_init(&net->arena, SIZE_MAX);
    if (!tp_model_open(&net->model, ask->model, ask->folder, &ask->limits, err) ||
        !make_plan(net, ask, err) || !name_steps(net, err) || !make_room(net, err))
        return false;
    for (int i = 0; i < WARM_UP_RUNS; i++) tp_bench_net_run(net);
    return true;
}

void tp_bench_net_fini(struct tp_bench_net *net)
{
    if (net->workspace) tp_pages_free(net->workspace, tp_plan_workspace_bytes(net->plan));
    tp_plan_free(net->plan);
    tp_arena_fini(&net->arena);
    tp_model_free(net->model);
}

/* ---- its times ------------------------------------------------------------------------------- */

double tp_bench_net_run(const struct tp_bench_net *net)
{
    const double start = tp_clock_ms();
    tp_plan_run(net->plan, net->input, net->outputs, net->workspace, net->n_threads);
    return tp_clock_ms() - start;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static struct tp_bench_times summarize(double *ms, int n)
{
    qsort(ms, (size_t)n, sizeof *ms, compare);
    return (struct tp_bench_times){ (ms[(n - 1) / 2] + ms[n / 2]) / 2, ms[0] };
}

bool tp_bench_net_measure(struct tp_bench_net *net, int runs, struct tp_bench_times *whole,
                          struct tp_bench_times **steps, struct tp_err *err)
{
    const int n = tp_plan_n_steps(net->plan);
    double *ms = tp_arena_zalloc(&net->arena, (size_t)runs, sizeof *ms);
    double *clocked = tp_arena_zalloc(&net->arena, (size_t)runs * (size_t)n, sizeof *clocked);
    *steps = tp_arena_zalloc(&net->arena, (size_t)n + 1, sizeof **steps);
    if (!ms || !clocked || !*steps) return tp_arena_fail(&net->arena, err);
    for (int r = 0; r < runs; r++) ms[r] = tp_bench_net_run(net);
    *whole = summarize(ms, runs);
    for (int r = 0; r < runs; r++)
        tp_plan_run_clocked(net->plan, net->input, net->outputs, net->workspace, net->n_threads,
                            clocked + (size_t)r * (size_t)n);
    for (int s = 0; s < n; s++) {
        for (int r = 0; r < runs; r++) ms[r] = clocked[(size_t)r * (size_t)n + (size_t)s];
        (*steps)[s] = summarize(ms, runs);
    }
    return true;
}
