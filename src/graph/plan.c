/* plan.c - how a graph is run for one input shape. */
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "graph/cost.h"
#include "graph/place.h"

/* What is asked of a plan. */
struct question {
    const struct tp_graph *g;
    const struct tp_shape *input;    /* of one run */
    const struct tp_want *wants;
    int n_wants, repeat;
    const struct tp_limits *limits;
    struct tp_err *err;
};

static int max_inputs(const struct tp_rewrite *rw)
{
    int most = 1;
    for (int i = 0; i < rw->n_nodes; i++)
        if (rw->alive[i] && rw->nodes[i].n_inputs > most) most = rw->nodes[i].n_inputs;
    return most;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool count_operations(int64_t *sum, const struct tp_step *st, const struct question *q)
{
    int64_t n = tp_cost_times(tp_cost_operations(st), q->repeat);
    if (n <= q->limits->max_operations - *sum) {
        *sum += n;
        return true;
    }
    return tp_fail(q->err, TP_TOO_LARGE,
                   "%s: up to here %.3g operations are needed; the limit is %.3g "
                   "(--max-operations)",
                   st->node->name, (double)*sum + (double)n, (double)q->limits->max_operations);
}

static bool make_steps(struct tp_plan *plan, const struct tp_rewrite *rw, const struct question *q)
{
    struct tp_arena *arena = &plan->arena;
    plan->steps = tp_arena_zalloc(arena, (size_t)rw->n_nodes, sizeof *plan->steps);
    plan->values = tp_arena_zalloc(arena, (size_t)rw->n_nodes, sizeof *plan->values);
    if (!plan->steps || !plan->values) return tp_arena_fail(arena, q->err);
    int64_t operations = 0;
    for (int i = 1; i < rw->n_nodes; i++) {
        const struct tp_node *nd = &rw->nodes[i];
        if (!rw->alive[i] || nd->op->is_view || nd->op == &tp_op_constant) continue;
        struct tp_shape *in = tp_arena_zalloc(arena, (size_t)nd->n_inputs + 1, sizeof *in);
        if (!in) return tp_arena_fail(arena, q->err);
        for (int j = 0; j < nd->n_inputs; j++) in[j] = rw->shapes[nd->inputs[j]];
        struct tp_planned *p = &plan->steps[plan->n_steps++];
        p->value = i;
        p->step = (struct tp_step){
            .node = nd, .k = plan->kernels, .in = in, .out = rw->shapes[i],
            .out_step = rw->shapes[i].rank ? rw->shapes[i].dim[rw->shapes[i].rank - 1] : 1,
        };
        if (!count_operations(&operations, &p->step, q)) return false;
        if (nd->op->plan && !nd->op->plan(&p->step, arena, q->err)) return false;
        plan->macs = tp_cost_plus(plan->macs, tp_cost_macs(&p->step));
    }
    plan->macs = tp_cost_times(plan->macs, q->repeat);
    plan->operations = operations;
    return true;
}

/* ---- outputs --------------------------------------------------------------------------------- */

/* The shape of `repeat` values of shape *s, one behind the other. */
static bool repeat_shape(struct tp_shape *s, int repeat)
{
    if (repeat == 1) return true;
    if (!s->rank) s->dim[s->rank++] = 1;
    return !__builtin_mul_overflow(s->dim[0], repeat, &s->dim[0]);
}

static bool make_outputs(struct tp_plan *plan, const struct tp_rewrite *rw,
                         const struct tp_tap_output *outputs, const struct question *q)
{
    plan->outputs = tp_arena_zalloc(&plan->arena, (size_t)rw->n_wanted, sizeof *plan->outputs);
    if (!plan->outputs) return tp_arena_fail(&plan->arena, q->err);
    plan->n_outputs = rw->n_wanted;
    for (int i = 0; i < rw->n_wanted; i++) {
        struct tp_plan_output *o = &plan->outputs[i];
        *o = (struct tp_plan_output){
            .name = outputs[i].name, .tap = outputs[i].want, .argmax = outputs[i].argmax,
            .value = rw->wanted[i], .shape = rw->shapes[rw->wanted[i]],
        };
        o->n_elements = tp_shape_elements(&o->shape);
        size_t bytes;
        if (!repeat_shape(&o->shape, q->repeat) ||
            __builtin_mul_overflow((size_t)o->n_elements * sizeof(float), (size_t)q->repeat,
                                   &bytes) ||
            bytes > q->limits->max_output_bytes - plan->output_bytes)
            return tp_fail(
                q->err, TP_TOO_LARGE,
                "%s: the answer %s takes more than the limit of %zu "
                "bytes (--max-output-bytes); ask for fewer layers, or pool them (pool=avg)",
                o->name, TP_SHAPE(&o->shape), q->limits->max_output_bytes);
        plan->output_bytes += bytes;
    }
    return true;
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* The limit, but never so many elements that their bytes are more than can be counted. */
static int64_t most_elements(const struct tp_limits *limits)
{
    const int64_t countable = (int64_t)(SIZE_MAX / 4 / sizeof(float));
    return limits->max_elements < countable ? limits->max_elements : countable;
}

/* The graph's nodes that the wants need, with their shapes, and the wants' own behind them. */
static bool gather(struct tp_rewrite *rw, const struct tp_tap_output **outputs,
                   const struct question *q)
{
    int *layers = tp_arena_zalloc(rw->arena, (size_t)q->n_wants, sizeof *layers);
    if (!layers) return tp_arena_fail(rw->arena, q->err);
    for (int i = 0; i < q->n_wants; i++) layers[i] = q->wants[i].node;
    if (!tp_rewrite_init(rw, q->g, q->input, q->err)) return false;
    rw->wanted = layers;
    rw->n_wanted = q->n_wants;
    tp_rewrite_prune(rw);
    return tp_rewrite_shapes(rw, q->err) &&
           tp_tap_append(rw, q->wants, q->n_wants, outputs, q->err);
}

/* Everything but the allocation of *plan itself. */
static bool fill(struct tp_plan *plan, const struct question *q)
{
    struct tp_rewrite rw = { .arena = &plan->arena, .max_elements = most_elements(q->limits) };
    const struct tp_tap_output *outputs;
    if (!gather(&rw, &outputs, q) ||
        !tp_rewrite_run(&rw, q->err) ||
        !make_steps(plan, &rw, q) ||
        !make_outputs(plan, &rw, outputs, q) ||
        !tp_place_values(plan, &rw, max_inputs(&rw), q->err))
        return false;
    if (plan->workspace_bytes > q->limits->max_workspace_bytes)
        return tp_fail(q->err, TP_TOO_LARGE,
                       "%s: an input of %s needs a workspace of %zu MiB; the limit is %zu MiB",
                       q->g->name, TP_SHAPE(&plan->input),
                       (plan->workspace_bytes + (1 << 20) - 1) >> 20,
                       q->limits->max_workspace_bytes >> 20);
    return true;
}

static bool check_repeat(const struct question *q)
{
    if (q->repeat == 1) return true;
    if (q->repeat < 1 || !q->input->rank || q->input->dim[0] != 1)
        return tp_fail(q->err, TP_INTERNAL, "%s: %d runs of an input %s; it must be one image's",
                       q->g->name, q->repeat, TP_SHAPE(q->input));
    for (int i = 0; i < q->n_wants; i++) {
        const struct tp_pooling *pooling = &q->wants[i].tap->pooling;
        if (pooling->kind != TP_POOL_NONE && pooling->form == TP_POOL_ROIS)
            return tp_fail(q->err, TP_INVALID_ARGUMENT, "%s: this model's file fixes the batch at "
                           "one image; rois for several images at once are not possible; send one "
                           "image a request", q->wants[i].name);
    }
    return true;
}

static bool check(const struct question *q, struct tp_shape *whole)
{
    const struct tp_shape *wanted = &q->g->shapes[0];
    *whole = *q->input;
    if (q->n_wants < 1) return tp_fail(q->err, TP_INVALID_ARGUMENT, "layers: none asked for");
    if (!check_repeat(q)) return false;
    if (q->repeat > 1) whole->dim[0] = q->repeat;
    if (!tp_shape_check(whole, most_elements(q->limits), "input", q->err)) return false;
    if (!tp_shape_fits(q->input, wanted))
        return tp_fail(q->err, TP_INVALID_SHAPE,
                       "input: shape %s does not fit model '%s', which takes %s",
                       TP_SHAPE(q->input), q->g->name, TP_SHAPE(wanted));
    return true;
}

static bool make(struct tp_plan **out, const struct question *q)
{
    struct tp_shape whole;
    *out = NULL;
    if (!check(q, &whole)) return false;
    struct tp_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return tp_fail(q->err, TP_NO_MEMORY, "out of memory");
    tp_arena_init(&plan->arena, SIZE_MAX);
    plan->kernels = tp_kernels_get();
    plan->input = whole;
    plan->repeat = q->repeat;
    if (fill(plan, q))
        *out = plan;
    else
        tp_plan_free(plan);
    return *out != NULL;
}

bool tp_plan_build(struct tp_plan **out, struct tp_graph *g, bool owns_graph,
                   const struct tp_shape *input, const struct tp_want *wants, int n_wants,
                   int repeat, const struct tp_limits *limits, struct tp_err *err)
{
    const struct question q = { g, input, wants, n_wants, repeat, limits, err };
    bool ok = make(out, &q);
    if (ok && owns_graph) (*out)->owned = g;
    if (!ok && owns_graph) tp_graph_free(g);
    return ok;
}

bool tp_plan_make(struct tp_plan **out, const struct tp_graph *g, const struct tp_shape *input,
                  const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                  struct tp_err *err)
{
    *out = NULL;
    struct tp_want *wants = calloc((size_t)n_taps + 1, sizeof *wants);   /* + 1: not of 0 bytes */
    const struct question q = { g, input, wants, n_taps, 1, limits, err };
    if (!wants) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    for (int i = 0; i < n_taps; i++) {
        int node = taps[i].layer ? tp_graph_find(g, taps[i].layer) : g->outputs[0];
        if (node < 0) {
            tp_graph_fail_layer(g, taps[i].layer, err);
            goto out;
        }
        wants[i] = (struct tp_want){
            .tap = &taps[i], .name = g->nodes[node].name, .node = node, .channels_last = true,
        };
    }
    make(out, &q);
out:
    free(wants);
    return *out != NULL;
}

void tp_plan_free(struct tp_plan *plan)
{
    if (!plan) return;
    tp_arena_fini(&plan->arena);
    tp_graph_free(plan->owned);
    free(plan);
}

size_t tp_plan_workspace_bytes(const struct tp_plan *plan) { return plan->workspace_bytes; }
size_t tp_plan_output_bytes(const struct tp_plan *plan) { return plan->output_bytes; }
int tp_plan_n_outputs(const struct tp_plan *plan) { return plan->n_outputs; }
int tp_plan_n_steps(const struct tp_plan *plan) { return plan->n_steps; }

struct tp_step_info tp_plan_step(const struct tp_plan *plan, int step)
{
    const struct tp_step *st = &plan->steps[step].step;
    const struct tp_node *nd = st->node;
    struct tp_step_info info = {
        .name = nd->name, .op = nd->op->name, .shape = st->out, .macs = tp_cost_macs(st),
        .algorithm = nd->op->algorithm ? nd->op->algorithm(st) : NULL,
        .bytes = tp_shape_elements(&st->out) + tp_cost_weights(st),
    };
    for (int i = 0; i < nd->n_inputs; i++) info.bytes += tp_shape_elements(&st->in[i]);
    info.bytes *= (int64_t)sizeof(float);
    return info;
}

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

int tp_plan_output_tap(const struct tp_plan *plan, int index) { return plan->outputs[index].tap; }

bool tp_plan_output_is_argmax(const struct tp_plan *plan, int index)
{
    return plan->outputs[index].argmax;
}
