/* lower.c - a network walked through once: which nodes are needed, which are computed now, which
 * become nodes of the graph. */
#include "formats/lowering.h"

#include <stdlib.h>
#include <string.h>

#include "graph/cost.h"
#include "graph/plan.h"
#include "graph/tap.h"

enum {
    RAW_KEPT_BYTES = 64 << 10,
    CONSTANTS_SHARE = 256,           /* of limits->max_operations, constants cost one part */
    WEIGHTS_TIMES = 8,               /* that tables and packed weights may be as large as weights */
};

/* ---- constants that nodes make of constants -------------------------------------------------- */

static struct tp_arena *lasting(const struct tp_lowering *l, bool fixed)
{
    return fixed && l->first ? &l->net->arena : &l->graph->arena;
}

/* Remembers what follows from weights alone: later lowerings find it in the net. */
static void remember(struct tp_lowering *l, int value)
{
    const struct tp_lowered *v = &l->values[value];
    struct tp_net_value *to = &l->net->values[value];
    if (!l->first || !v->fixed || !v->floats || to->weight) return;
    to->floats = v->floats;
    to->floats_shape = v->shape;
    to->floats_type = v->type;
}

static bool copy_result(struct tp_lowering *l, int value, struct tp_lowered *from, bool fixed)
{
    struct tp_lowered *to = &l->values[value];
    const int64_t n = tp_shape_elements(&from->shape);
    float *data = tp_arena_floats(lasting(l, fixed), n);
    if (!data) return tp_low_no_memory(l);
    *to = (struct tp_lowered){
        .made = true, .constant = true, .fixed = fixed, .type = from->type, .shape = from->shape,
        .floats = data, .node = -1,
    };
    return true;
}

/* Runs the little graph that makes the node's outputs, straight into their constants. */
static bool run_outputs(struct tp_lowering *l, struct tp_lowering *sub, const struct tp_want *wants,
                        float *const *outputs, int n)
{
    static const struct tp_tap tap = { .channels_first = true };
    struct tp_want *with_tap = tp_low_room(l, n, sizeof *with_tap);
    struct tp_plan *plan;
    if (!with_tap) return false;
    for (int i = 0; i < n; i++) {
        with_tap[i] = wants[i];
        with_tap[i].tap = &tap;
    }
    const struct tp_shape input = sub->graph->shapes[0];
    if (!tp_plan_build(&plan, sub->graph, false, &input, with_tap, n, 1, l->limits, l->err))
        return false;
    const float zero = 0;
    void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 127) / 64 * 64);
    if (workspace) tp_plan_run(plan, &zero, outputs, workspace, 1);
    else tp_fail(l->err, TP_NO_MEMORY, "out of memory");
    free(workspace);
    tp_plan_free(plan);
    return l->err->code == TP_OK;
}

static bool is_made(const struct tp_lowering *l)
{
    for (int o = 0; o < l->nd->n_outputs; o++)
        if (l->nd->outputs[o] >= 0 && !l->values[l->nd->outputs[o]].made) return false;
    return true;
}

/* Attributes of the wrong kind are noticed when they are asked for. */
static bool apply(struct tp_lowering *l, tp_lower_fn *fn)
{
    if (!fn(l) || l->err->code != TP_OK) return false;
    return is_made(l) || tp_low_fail(l, TP_INTERNAL, "an output is not made");
}

/* What the little graph costs is taken from what constants may cost together. */
static bool spend(struct tp_lowering *l, const struct tp_graph *g)
{
    int64_t cost = 0;
    for (int i = 1; i < g->n_nodes; i++) {
        const struct tp_node *nd = &g->nodes[i];
        struct tp_shape *in = tp_low_room(l, nd->n_inputs, sizeof *in);
        if (!in) return false;
        for (int j = 0; j < nd->n_inputs; j++) in[j] = g->shapes[nd->inputs[j]];
        const struct tp_step step = { .node = nd, .in = in, .out = g->shapes[i] };
        cost = tp_cost_plus(cost, tp_cost_operations(&step));
    }
    if (cost > l->operations)
        return tp_low_fail(l, TP_TOO_LARGE, "up to here constants cost more than %.3g operations "
                           "(a part of --max-operations)",
                           (double)(l->limits->max_operations / CONSTANTS_SHARE));
    l->operations -= cost;
    return true;
}

static bool finish_outputs(struct tp_lowering *l, struct tp_lowering *sub, bool fixed)
{
    const struct tp_net_node *nd = l->nd;
    struct tp_want *wants = tp_low_room(sub, nd->n_outputs, sizeof *wants);
    float **outputs = tp_low_room(sub, nd->n_outputs, sizeof *outputs);
    int n = 0;
    if (!wants || !outputs) return false;
    for (int o = 0; o < nd->n_outputs; o++) {
        if (!tp_low_wants(l, o)) continue;
        struct tp_lowered *v = &sub->values[nd->outputs[o]];
        wants[n].node = tp_low_node(sub, v, v->shape.rank, NULL);
        wants[n].name = l->label;
        if (wants[n].node < 0 || !copy_result(l, nd->outputs[o], v, fixed)) return false;
        outputs[n++] = (float *)l->values[nd->outputs[o]].floats;
    }
    if (!spend(l, sub->graph) || !run_outputs(l, sub, wants, outputs, n)) return false;
    for (int o = 0; o < nd->n_outputs; o++)
        if (nd->outputs[o] >= 0) remember(l, nd->outputs[o]);
    return true;
}

/* All inputs are constants: a graph of this one node is run now. The node's values are put aside
 * for that, and away again: there may be very many others. */
static bool evaluate(struct tp_lowering *l, tp_lower_fn *fn, bool fixed)
{
    const struct tp_net_node *nd = l->nd;
    struct tp_lowering sub = *l;
    sub.first = false;
    if (!l->aside) l->aside = tp_low_room(l, l->net->n_values, sizeof *l->aside);
    if (!l->aside || !tp_graph_new(&sub.graph, l->net->name, &TP_SHAPE2(1, 1), l->err))
        return false;
    sub.graph->arena.limit_bytes = l->graph->arena.limit_bytes;
    sub.values = l->aside;
    for (int i = 0; i < nd->n_inputs; i++)
        if (nd->inputs[i] >= 0) sub.values[nd->inputs[i]] = l->values[nd->inputs[i]];
    const bool ok = apply(&sub, fn) && finish_outputs(l, &sub, fixed);
    for (int i = 0; i < nd->n_inputs; i++)
        if (nd->inputs[i] >= 0) sub.values[nd->inputs[i]] = (struct tp_lowered){ 0 };
    for (int o = 0; o < nd->n_outputs; o++)
        if (nd->outputs[o] >= 0) sub.values[nd->outputs[o]] = (struct tp_lowered){ 0 };
    tp_graph_free(sub.graph);
    return ok;
}

/* ---- the walk -------------------------------------------------------------------------------- */

struct tp_shape tp_lower_input(const struct tp_net *net, const struct tp_shape *s)
{
    if (s->rank != 4 || net->channels_last) return *s;
    return TP_SHAPE4(s->dim[0], s->dim[2], s->dim[3], s->dim[1]);
}

struct tp_shape tp_lower_file_order(const struct tp_net *net, const struct tp_shape *s)
{
    if (s->rank != 4 || net->channels_last) return *s;
    return TP_SHAPE4(s->dim[0], s->dim[3], s->dim[1], s->dim[2]);
}

static void begin_constants(struct tp_lowering *l)
{
    for (int i = 0; i < l->net->n_values; i++) {
        const struct tp_net_value *from = &l->net->values[i];
        struct tp_lowered *v = &l->values[i];
        v->node = -1;
        if (from->weight)
            *v = (struct tp_lowered){
                .made = true, .constant = true, .fixed = true, .type = from->weight->type,
                .shape = from->weight->shape, .tensor = from->weight, .floats = from->floats,
                .node = -1,
            };
        else if (from->floats)
            *v = (struct tp_lowered){
                .made = true, .constant = true, .fixed = true, .type = from->floats_type,
                .shape = from->floats_shape, .floats = from->floats, .node = -1,
            };
    }
}

/* A small file must not ask for much: beside its weights, as much as a run may take. */
static void limit_memory(struct tp_lowering *l)
{
    const size_t run = l->limits->max_workspace_bytes;
    struct tp_arena *lasting_arena = &l->net->arena;
    size_t sum = 0;
    for (int i = 0; i < l->net->n_values; i++)
        if (l->net->values[i].weight)
            sum += (size_t)l->net->values[i].weight->n_elements * sizeof(float);
    sum *= WEIGHTS_TIMES;
    if (run > SIZE_MAX / 2 - sum) return;            /* no limit */
    l->graph->arena.limit_bytes = run + sum;
    if (l->first) lasting_arena->limit_bytes = lasting_arena->total_bytes + run + sum;
}

static bool begin(struct tp_lowering *l, struct tp_net *net, const struct tp_shape *input,
                  bool first, const struct tp_limits *limits, struct tp_err *err)
{
    *l = (struct tp_lowering){
        .net = net, .first = first, .limits = limits, .err = err, .label = net->name,
        .operations = limits->max_operations / CONSTANTS_SHARE,
    };
    const struct tp_shape fed = tp_lower_input(net, input);
    if (!tp_shape_check(&fed, limits->max_elements, "input", err) ||
        !tp_graph_new(&l->graph, net->name, &fed, err)) return false;
    limit_memory(l);
    l->values = tp_arena_zalloc(&l->graph->arena, (size_t)net->n_values + 1, sizeof *l->values);
    if (!l->values) {
        tp_low_no_memory(l);
        tp_graph_free(l->graph);
        return false;
    }
    begin_constants(l);
    return true;
}

/* The graph's node 0 is the network's input. */
static void begin_input(struct tp_lowering *l, const struct tp_shape *shape)
{
    if (l->net->input < 0) return;
    struct tp_lowered *v = &l->values[l->net->input];
    *v = (struct tp_lowered){ .made = true, .type = l->net->input_type, .shape = *shape };
    for (int i = 0; i < shape->rank; i++) v->perm[i] = i;
    if (shape->rank == 4 && !l->net->channels_last) tp_low_channels_last(4, v->perm);
}

static bool all_constant(const struct tp_lowering *l, bool *fixed)
{
    int n = 0;
    *fixed = true;
    for (int i = 0; i < l->nd->n_inputs; i++) {
        const struct tp_lowered *v = tp_low_in(l, i);
        if (!v) continue;
        if (!v->constant) return false;
        *fixed = *fixed && v->fixed;
        n++;
    }
    return n > 0;
}

/* Of a value without elements, the other sizes must be such as others may have. */
static bool is_countable(const struct tp_lowering *l, const struct tp_shape *s)
{
    struct tp_shape most = *s;
    for (int i = 0; i < s->rank; i++) if (!s->dim[i]) most.dim[i] = 1;
    const int64_t n = tp_shape_elements(&most);
    return n >= 0 && (tp_shape_elements(s) || n <= l->limits->max_elements);
}

/* Inputs and outputs are as many as the operator has, and what is run has elements. */
static bool check_node(struct tp_lowering *l, const struct tp_lower_rule *rule)
{
    const struct tp_net_node *nd = l->nd;
    int n = 0;
    for (int i = 0; i < nd->n_inputs; i++)
        if (nd->inputs[i] >= 0) n = i + 1;
    if (n < rule->least || (n > rule->most && rule->most != TP_LOWER_MANY))
        return tp_low_fail(l, TP_INVALID_MODEL, "it has %d inputs; expected %s%d", n,
                           rule->least == rule->most ? "" : n < rule->least ? "at least "
                                                                            : "at most ",
                           n < rule->least ? rule->least : rule->most);
    for (int i = 0; i < rule->least; i++)
        if (!tp_low_in(l, i)) return tp_low_fail(l, TP_INVALID_MODEL, "input %d is left out", i);
    for (int o = rule->outputs; o < nd->n_outputs && rule->outputs != TP_LOWER_MANY; o++)
        if (nd->outputs[o] >= 0)
            return tp_low_fail(l, TP_INVALID_MODEL, "it has %d outputs; expected at most %d", o + 1,
                               rule->outputs);
    for (int i = 0; i < n; i++)
        if (tp_low_in(l, i) && !is_countable(l, &tp_low_in(l, i)->shape))
            return tp_low_fail(l, TP_TOO_LARGE, "input %d is %s", i,
                               TP_SHAPE(&tp_low_in(l, i)->shape));
    const struct tp_lowered *x = rule->kind == TP_LOWER_RUN ? tp_low_in(l, 0) : NULL;
    if (x && tp_shape_elements(&x->shape) == 0 && rule->lower != tp_lower_concat)
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "its input is %s; it must have elements",
                           TP_SHAPE(&x->shape));
    return true;
}

/* Whether there is an operator like the node's, whatever it reads. */
static bool is_there(struct tp_lowering *l)
{
    const struct tp_net_node *nd = l->nd;
    if (*nd->domain)
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "operator %s of domain '%s' is not there",
                           nd->op, nd->domain);
    if (!tp_lower_operator(nd->op))
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "operator %s is not there", nd->op);
    for (int i = 0; i < nd->n_attrs; i++)
        if (nd->attrs[i].kind == TP_ATTR_OTHER)
            return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "attribute %s is of a kind that is not "
                               "read", nd->attrs[i].name);
    return true;
}

static bool lower_node(struct tp_lowering *l)
{
    bool folded, fixed;
    if (is_made(l)) return true;
    if (!is_there(l)) return false;
    const struct tp_lower_rule *rule = tp_lower_operator(l->nd->op);
    if (!check_node(l, rule) || !tp_low_fold(l, &folded)) return false;
    if (folded) return l->err->code == TP_OK;
    const bool constant = all_constant(l, &fixed);
    const bool itself = rule->kind == TP_LOWER_VIEW ||
                        (rule->kind == TP_LOWER_MOVE && constant && tp_low_in(l, 0) &&
                         tp_low_known(l, tp_low_in(l, 0)));
    return constant && !itself ? evaluate(l, rule->lower, fixed) : apply(l, rule->lower);
}

/* A node that reads what cannot be made; fills `why`. */
static bool is_poisoned(const struct tp_net *net, const struct tp_lowering *l,
                        const struct tp_net_node *nd, const struct tp_net_node **by)
{
    for (int i = 0; i < nd->n_inputs; i++) {
        if (nd->inputs[i] < 0 || l->values[nd->inputs[i]].made) continue;
        const int producer = net->values[nd->inputs[i]].producer;
        *by = producer < 0 ? NULL : &net->nodes[producer];
        return true;
    }
    return false;
}

static int64_t graph_macs(const struct tp_graph *g, int begin_node, int end)
{
    int64_t sum = 0;
    for (int i = begin_node; i < end; i++) {
        const struct tp_node *nd = &g->nodes[i];
        struct tp_shape few[4];
        if (!nd->op->macs || nd->n_inputs > 4) continue;
        for (int j = 0; j < nd->n_inputs; j++) few[j] = g->shapes[nd->inputs[j]];
        int64_t n = nd->op->macs(nd, few, &g->shapes[i]);
        if (__builtin_mul_overflow(n, g->shapes[i].dim[0], &n) ||
            __builtin_add_overflow(sum, n, &sum)) return INT64_MAX;
    }
    return sum;
}

/* Which nodes the wanted values need. */
static bool *find_needed(struct tp_lowering *l, const struct tp_lower_want *wants, int n_wants)
{
    const struct tp_net *net = l->net;
    bool *needed = tp_low_room(l, net->n_nodes + 1, sizeof *needed);
    if (!needed) return NULL;
    for (int i = 0; i < n_wants; i++)
        if (net->values[wants[i].value].producer >= 0)
            needed[net->values[wants[i].value].producer] = true;
    for (int i = net->n_nodes - 1; i >= 0; i--)
        for (int j = 0; needed[i] && j < net->nodes[i].n_inputs; j++) {
            const int from = net->nodes[i].inputs[j];
            if (from >= 0 && net->values[from].producer >= 0)
                needed[net->values[from].producer] = true;
        }
    return needed;
}

static bool enter(struct tp_lowering *l, int i)
{
    l->nd = &l->net->nodes[i];
    l->macs = -1;
    const struct tp_net_label label = tp_net_label(l->net, l->nd);
    l->label = tp_arena_strndup(&l->graph->arena, label.text, strlen(label.text));
    return l->label != NULL || tp_low_no_memory(l);
}

/* All nodes, noting what is learned. The first time, what is beyond us is told in the net and left
 * out; another time it is left out because it is told there. */
static bool lower_all(struct tp_lowering *l, struct tp_lower_notes *notes)
{
    struct tp_net *net = l->net;
    for (int i = 0; i < net->n_nodes; i++) {
        struct tp_net_node *nd = &net->nodes[i];
        const struct tp_net_node *by;
        const int from = l->graph->n_nodes;
        notes->macs[i] = 0;
        if (!enter(l, i)) return false;
        if (!l->first && nd->why) continue;
        const bool there = is_there(l);      /* all that are not are named, poisoned or not */
        if (there && is_poisoned(net, l, nd, &by)) {
            if (!l->first || !by) return tp_low_fail(l, TP_INTERNAL, "reads what was not made");
            nd->cause = by->cause;
            nd->why = tp_arena_printf(&net->arena, "%s depends on %s", l->label, by->cause);
            if (!nd->why) return tp_arena_fail(&net->arena, l->err);
            continue;
        }
        if (!there || !lower_node(l)) {
            if (!l->first || l->err->code != TP_UNSUPPORTED_FORMAT) return false;
            nd->why = tp_arena_strndup(&net->arena, l->err->message, strlen(l->err->message));
            nd->cause = nd->why;
            if (!nd->why) return tp_arena_fail(&net->arena, l->err);
            *l->err = (struct tp_err){ 0 };
            for (int o = 0; o < nd->n_outputs; o++)
                if (nd->outputs[o] >= 0) l->values[nd->outputs[o]] = (struct tp_lowered){ 0 };
            continue;
        }
        notes->macs[i] = l->macs >= 0 ? l->macs : graph_macs(l->graph, from, l->graph->n_nodes);
    }
    for (int i = 0; i < net->n_values; i++) {
        notes->shapes[i] = l->values[i].shape;
        if (!l->values[i].made) notes->shapes[i].rank = -1;
        notes->constant[i] = l->values[i].constant;
        notes->types[i] = l->values[i].type;
    }
    return true;
}

static bool note(struct tp_net *net, const struct tp_shape *input, bool first,
                 struct tp_lower_notes *notes, const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_lowering l;
    if (!begin(&l, net, net->input < 0 ? &TP_SHAPE2(1, 1) : input, first, limits, err))
        return false;
    begin_input(&l, input);
    bool ok = lower_all(&l, notes);
    tp_graph_free(l.graph);
    return ok;
}

bool tp_lower_first(struct tp_net *net, const struct tp_shape *input, struct tp_lower_notes *notes,
                    const struct tp_limits *limits, struct tp_err *err)
{
    return note(net, input, true, notes, limits, err);
}

bool tp_lower_note(const struct tp_net *net, const struct tp_shape *input,
                   struct tp_lower_notes *notes, const struct tp_limits *limits, struct tp_err *err)
{
    return note((struct tp_net *)net, input, false, notes, limits, err);
}

/* The value as the plan's taps expect it: a map channels last where it lies so, else as the file
 * has it. */
static bool finish_want(struct tp_lowering *l, struct tp_lower_want *w)
{
    struct tp_lowered *v = &l->values[w->value];
    int last[TP_MAX_RANK];
    l->label = l->net->values[w->value].name;
    if (!v->made)
        return tp_fail(l->err, TP_UNSUPPORTED_FORMAT, "%s: cannot be computed", l->label);
    const bool as_fed = w->value == l->net->input && l->net->channels_last;
    w->channels_last = as_fed;
    if (v->shape.rank == 4 && !v->constant && !as_fed) {
        tp_low_channels_last(4, last);
        w->channels_last = true;
        for (int k = 0, at = 0; k < 4; k++) {          /* the same order but for axes of size 1 */
            if (v->shape.dim[v->perm[k]] == 1) continue;
            while (v->shape.dim[last[at]] == 1) at++;
            if (last[at++] != v->perm[k]) w->channels_last = false;
        }
    }
    w->node = tp_low_node(l, v, v->shape.rank, w->channels_last && !as_fed ? last : NULL);
    return w->node >= 0;
}

bool tp_lower(struct tp_graph **out, const struct tp_net *net, const struct tp_shape *input,
              struct tp_lower_want *wants, int n_wants, const struct tp_limits *limits,
              struct tp_err *err)
{
    struct tp_lowering l;
    *out = NULL;
    if (!begin(&l, (struct tp_net *)net, net->input < 0 ? &TP_SHAPE2(1, 1) : input, false, limits,
               err))
        return false;
    begin_input(&l, input);
    bool *needed = find_needed(&l, wants, n_wants), ok = needed != NULL;
    for (int i = 0; ok && i < net->n_nodes; i++) {
        if (!needed[i]) continue;
        ok = enter(&l, i);
        if (ok && net->nodes[i].why)
            ok = tp_fail(err, TP_UNSUPPORTED_FORMAT, "%s", net->nodes[i].why);
        ok = ok && lower_node(&l);
    }
    for (int i = 0; ok && i < n_wants; i++) ok = finish_want(&l, &wants[i]);
    if (ok) *out = l.graph;
    else tp_graph_free(l.graph);
    return ok;
}

bool tp_lower_release(struct tp_net *net, struct tp_err *err)
{
    int *readers = tp_arena_zalloc(&net->arena, (size_t)net->n_values + 1, sizeof *readers);
    if (!readers) return tp_arena_fail(&net->arena, err);
    for (int n = 0; n < net->n_nodes; n++)
        for (int j = 0; j < net->nodes[n].n_inputs; j++)
            if (net->nodes[n].inputs[j] >= 0) readers[net->nodes[n].inputs[j]]++;
    for (int i = 0; i < net->n_values; i++) {
        struct tp_net_value *v = &net->values[i];
        if (!v->weight) continue;
        const size_t bytes = (size_t)v->weight->n_elements * tp_onnx_type_bytes(v->weight->type);
        const bool is_needed = bytes <= RAW_KEPT_BYTES || (!v->floats && v->n_packed < readers[i]);
        void *copy = is_needed ? tp_arena_alloc(&net->arena, bytes) : NULL;
        if (is_needed && !copy) return tp_arena_fail(&net->arena, err);
        if (is_needed && bytes) memcpy(copy, v->weight->data, bytes);
        v->weight->data = copy;
    }
    return true;
}
