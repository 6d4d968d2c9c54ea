/* plan.c - how a graph is run for one input shape. */
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "graph/memory.h"
#include "graph/place.h"
#include "graph/rewrite.h"

static int max_inputs(const struct tp_rewrite *rw)
{
    int most = 1;
    for (int i = 0; i < rw->n_nodes; i++)
        if (rw->alive[i] && rw->nodes[i].n_inputs > most) most = rw->nodes[i].n_inputs;
    return most;
}

/* The operator that does what a tap asks, reading node `layer`. */
static struct tp_node pooling_node(const struct tp_graph *g, const int *layer,
                                   const struct tp_pooling *pooling)
{
    static const enum tp_pool_op kinds[] = {
        [TP_POOL_MAX] = TP_OP_MAX, [TP_POOL_AVG] = TP_OP_AVG,
        [TP_POOL_MIN] = TP_OP_MIN, [TP_POOL_SUM] = TP_OP_SUM,
    };
    bool sliding = pooling->form == TP_POOL_WINDOW;
    struct tp_node nd = {
        .name = g->nodes[*layer].name, .type = "pooling", .hidden = true,
        .op = sliding ? &tp_op_pool : &tp_op_global_pool,
        .n_inputs = 1, .inputs = layer,
    };
    nd.attr.pool.kind = kinds[pooling->kind];
    nd.attr.pool.window = pooling->window;
    return nd;
}

/* Channels first at the door: [n, h, w, c] to [n, c, h, w]. Other ranks stay as they are. */
static struct tp_node transpose_node(const struct tp_node *from, const int *value)
{
    return (struct tp_node){
        .name = from->name, .type = "layout", .hidden = true, .op = &tp_op_transpose,
        .n_inputs = 1, .inputs = value, .attr.transpose.perm = { 0, 3, 1, 2 },
    };
}

/* Appends a node that reads the tap's value so far and becomes its value. */
static void append(struct tp_rewrite *rw, int tap, const struct tp_node *nd)
{
    rw->nodes[rw->n_nodes] = *nd;
    rw->wanted[tap] = rw->n_nodes++;
}

/* Rank of a tap's answer as far as the model alone tells it. */
static bool is_map(const struct tp_graph *g, int layer, const struct tp_pooling *pooling)
{
    if (pooling->kind != TP_POOL_NONE && pooling->form == TP_POOL_GLOBAL) return false;
    return g->shapes[layer].rank == 4;
}

/* The graph's nodes, and behind them what every tap asks to be done with its layer. */
static bool gather(struct tp_rewrite *rw, const struct tp_graph *g, const struct tp_tap *taps,
                   int n_taps, struct tp_err *err)
{
    size_t room = (size_t)g->n_nodes + 2 * (size_t)n_taps;
    int *reads = tp_arena_zalloc(rw->arena, 2 * (size_t)n_taps, sizeof *reads);
    rw->nodes = tp_arena_zalloc(rw->arena, room, sizeof *rw->nodes);
    rw->shapes = tp_arena_zalloc(rw->arena, room, sizeof *rw->shapes);
    rw->wanted = tp_arena_zalloc(rw->arena, (size_t)n_taps, sizeof *rw->wanted);
    if (!reads || !rw->nodes || !rw->shapes || !rw->wanted) return tp_arena_fail(rw->arena, err);
    memcpy(rw->nodes, g->nodes, (size_t)g->n_nodes * sizeof *rw->nodes);
    rw->n_nodes = g->n_nodes;
    rw->n_wanted = n_taps;
    for (int i = 0; i < n_taps; i++) {
        int layer = taps[i].layer ? tp_graph_find(g, taps[i].layer) : g->outputs[0];
        if (layer < 0) return tp_graph_fail_layer(g, taps[i].layer, err);
        rw->wanted[i] = reads[2 * i] = layer;
        if (taps[i].pooling.kind != TP_POOL_NONE) {
            struct tp_node nd = pooling_node(g, &reads[2 * i], &taps[i].pooling);
            append(rw, i, &nd);
        }
        if (taps[i].channels_first && is_map(g, layer, &taps[i].pooling)) {
            reads[2 * i + 1] = rw->wanted[i];
            struct tp_node nd = transpose_node(&g->nodes[layer], &reads[2 * i + 1]);
            append(rw, i, &nd);
        }
    }
    return true;
}

/* Sums and products of what is not negative; INT64_MAX stands for more than can be counted. */
static int64_t plus(int64_t a, int64_t b)
{
    int64_t n;
    return __builtin_add_overflow(a, b, &n) ? INT64_MAX : n;
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t n;
    return __builtin_mul_overflow(a, b, &n) ? INT64_MAX : n;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* What a step costs, near enough to tell what is too much: no pipeline may keep a thread for
 * hours. */
static int64_t step_operations(const struct tp_step *st)
{
    const struct tp_node *nd = st->node;
    const int *window = nd->attr.pool.window.kernel;
    int64_t elements = tp_shape_elements(&st->out);
    if (nd->op->macs)
        return plus(times(nd->op->macs(nd, st->in, &st->out), st->out.dim[0]), elements);
    if (nd->op == &tp_op_pool)               /* taps beside the map are not read */
        return times(times(elements, least(window[0], st->in->dim[1])),
                     least(window[1], st->in->dim[2]));
    for (int i = 0; i < nd->n_inputs; i++) elements = plus(elements, tp_shape_elements(&st->in[i]));
    return elements;
}

static bool count_operations(int64_t *sum, const struct tp_step *st, const struct tp_limits *limits,
                             struct tp_err *err)
{
    int64_t n = step_operations(st);
    if (n <= limits->max_operations - *sum) {
        *sum += n;
        return true;
    }
    return tp_fail(err, TP_TOO_LARGE,
                   "%s: up to here %.3g operations are needed; the limit is %.3g "
                   "(--max-operations)",
                   st->node->name, (double)*sum + (double)n, (double)limits->max_operations);
}

static bool make_steps(struct tp_plan *plan, const struct tp_rewrite *rw,
                       const struct tp_limits *limits, struct tp_err *err)
{
    plan->steps = tp_arena_zalloc(&plan->arena, (size_t)rw->n_nodes, sizeof *plan->steps);
    plan->values = tp_arena_zalloc(&plan->arena, (size_t)rw->n_nodes, sizeof *plan->values);
    if (!plan->steps || !plan->values) return tp_arena_fail(&plan->arena, err);
    int64_t operations = 0;
    for (int i = 1; i < rw->n_nodes; i++) {
        const struct tp_node *nd = &rw->nodes[i];
        if (!rw->alive[i] || nd->op->is_view || nd->op == &tp_op_constant) continue;
        struct tp_shape *in = tp_arena_zalloc(&plan->arena, (size_t)nd->n_inputs + 1, sizeof *in);
        if (!in) return tp_arena_fail(&plan->arena, err);
        for (int j = 0; j < nd->n_inputs; j++) in[j] = rw->shapes[nd->inputs[j]];
        struct tp_planned *p = &plan->steps[plan->n_steps++];
        p->value = i;
        p->step = (struct tp_step){
            .node = nd, .k = plan->kernels, .in = in, .out = rw->shapes[i],
        };
        if (!count_operations(&operations, &p->step, limits, err)) return false;
        if (nd->op->plan && !nd->op->plan(&p->step, &plan->arena, err)) return false;
        if (nd->op->macs) plan->macs = plus(plan->macs, nd->op->macs(nd, in, &rw->shapes[i]));
    }
    plan->macs = times(plan->macs, rw->shapes[0].dim[0]);
    return true;
}

static bool make_outputs(struct tp_plan *plan, const struct tp_rewrite *rw,
                         const struct tp_graph *g, const struct tp_tap *taps,
                         const struct tp_limits *limits, struct tp_err *err)
{
    plan->outputs = tp_arena_zalloc(&plan->arena, (size_t)rw->n_wanted, sizeof *plan->outputs);
    if (!plan->outputs) return tp_arena_fail(&plan->arena, err);
    plan->n_outputs = rw->n_wanted;
    for (int i = 0; i < rw->n_wanted; i++) {
        struct tp_plan_output *o = &plan->outputs[i];
        o->value = rw->wanted[i];
        o->shape = rw->shapes[o->value];
        o->name = taps[i].layer ? tp_arena_strndup(&plan->arena, taps[i].layer,
                                                   strlen(taps[i].layer))
                                : g->nodes[g->outputs[0]].name;
        if (!o->name) return tp_arena_fail(&plan->arena, err);
        size_t bytes = (size_t)tp_shape_elements(&o->shape) * sizeof(float);
        if (bytes > limits->max_output_bytes - plan->output_bytes)
            return tp_fail(
                err, TP_TOO_LARGE,
                "%s: the answer %s takes more than the limit of %zu "
                "bytes (--max-output-bytes); ask for fewer layers, or pool them (pool=avg)",
                o->name, TP_SHAPE(&o->shape), limits->max_output_bytes);
        plan->output_bytes += bytes;
    }
    return true;
}

/* The limit, but never so many elements that their bytes are more than can be counted. */
static int64_t most_elements(const struct tp_limits *limits)
{
    const int64_t countable = (int64_t)(SIZE_MAX / 4 / sizeof(float));
    return limits->max_elements < countable ? limits->max_elements : countable;
}

/* Everything but the allocation of *plan itself. */
static bool build(struct tp_plan *plan, const struct tp_graph *g, const struct tp_tap *taps,
                  int n_taps, const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_rewrite rw = { .arena = &plan->arena };
    if (!gather(&rw, g, taps, n_taps, err)) return false;
    rw.shapes[0] = plan->input;
    if (!tp_rewrite_prune(&rw, err) ||
        !tp_rewrite_shapes(&rw, most_elements(limits), err) ||
        !tp_rewrite_fold(&rw, err) ||
        !make_steps(plan, &rw, limits, err) ||
        !make_outputs(plan, &rw, g, taps, limits, err) ||
        !tp_place_values(plan, &rw, max_inputs(&rw), err))
        return false;
    if (plan->workspace_bytes > limits->max_workspace_bytes)
        return tp_fail(err, TP_TOO_LARGE,
                       "%s: an input of %s needs a workspace of %zu MiB; the limit is %zu MiB",
                       g->name, TP_SHAPE(&plan->input),
                       (plan->workspace_bytes + (1 << 20) - 1) >> 20,
                       limits->max_workspace_bytes >> 20);
    return true;
}

static bool check_input(const struct tp_graph *g, const struct tp_shape *input,
                        const struct tp_limits *limits, struct tp_err *err)
{
    const struct tp_shape *wanted = &g->shapes[0];
    if (!tp_shape_check(input, most_elements(limits), "input", err)) return false;
    if (!tp_shape_fits(input, wanted))
        return tp_fail(err, TP_INVALID_SHAPE,
                       "input: shape %s does not fit model '%s', which takes %s",
                       TP_SHAPE(input), g->name, TP_SHAPE(wanted));
    return true;
}

bool tp_plan_make(struct tp_plan **out, const struct tp_graph *g, const struct tp_shape *input,
                  const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                  struct tp_err *err)
{
    *out = NULL;
    if (n_taps < 1) return tp_fail(err, TP_INVALID_ARGUMENT, "layers: none asked for");
    if (!check_input(g, input, limits, err)) return false;
    struct tp_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    tp_arena_init(&plan->arena, SIZE_MAX);
    plan->kernels = tp_kernels_get();
    plan->input = *input;
    if (build(plan, g, taps, n_taps, limits, err))
        *out = plan;
    else
        tp_plan_free(plan);
    return *out != NULL;
}

void tp_plan_free(struct tp_plan *plan)
{
    if (!plan) return;
    tp_arena_fini(&plan->arena);
    free(plan);
}

size_t tp_plan_workspace_bytes(const struct tp_plan *plan) { return plan->workspace_bytes; }
size_t tp_plan_output_bytes(const struct tp_plan *plan) { return plan->output_bytes; }
int tp_plan_n_outputs(const struct tp_plan *plan) { return plan->n_outputs; }
int tp_plan_n_steps(const struct tp_plan *plan) { return plan->n_steps; }
int64_t tp_plan_macs(const struct tp_plan *plan) { return plan->macs; }
const struct tp_shape *tp_plan_input_shape(const struct tp_plan *plan) { return &plan->input; }

struct tp_shape tp_plan_output_shape(const struct tp_plan *plan, int index)
{
    return plan->outputs[index].shape;
}

const char *tp_plan_output_name(const struct tp_plan *plan, int index)
{
    return plan->outputs[index].name;
}
