/* graph.c - a network as its file describes it. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { FIRST_NODES = 16 };

bool tp_graph_new(struct tp_graph **out, const char *name, const struct tp_shape *input,
                  struct tp_err *err)
{
    struct tp_graph *g = calloc(1, sizeof *g);
    *out = NULL;
    if (!g) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    tp_arena_init(&g->arena, SIZE_MAX);
    g->names.arena = &g->arena;
    g->name = tp_arena_strndup(&g->arena, name, strlen(name));
    struct tp_node node = {
        .name = "input", .type = "Input", .op = &tp_op_input, .hidden = true, .attr.input = *input,
    };
    if (!g->name) {
        tp_arena_fail(&g->arena, err);
        goto out;
    }
    if (!tp_graph_add(g, &node, NULL, err)) goto out;
    *out = g;
out:
    if (!*out) tp_graph_free(g);
    return *out != NULL;
}

void tp_graph_free(struct tp_graph *g)
{
    if (!g) return;
    tp_arena_fini(&g->arena);
    free(g);
}

/* Doubles the room for nodes and shapes; the old arrays stay in the arena until it goes. */
static bool grow(struct tp_graph *g)
{
    int capacity = g->capacity ? 2 * g->capacity : FIRST_NODES;
    struct tp_node *nodes = tp_arena_zalloc(&g->arena, (size_t)capacity, sizeof *nodes);
    struct tp_shape *shapes = tp_arena_zalloc(&g->arena, (size_t)capacity, sizeof *shapes);
    if (!nodes || !shapes) return false;
    if (g->n_nodes) {
        memcpy(nodes, g->nodes, (size_t)g->n_nodes * sizeof *nodes);
        memcpy(shapes, g->shapes, (size_t)g->n_nodes * sizeof *shapes);
    }
    g->nodes = nodes;
    g->shapes = shapes;
    g->capacity = capacity;
    return true;
}

static bool infer(const struct tp_graph *g, const struct tp_node *node, struct tp_shape *out,
                  struct tp_err *err)
{
    struct tp_shape few[4];
    struct tp_shape *in = few;
    size_t n = (size_t)node->n_inputs;
    if (n > sizeof few / sizeof *few && !(in = malloc(n * sizeof *in)))
        return tp_fail(err, TP_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) in[i] = g->shapes[node->inputs[i]];
    bool ok = node->op->shape(node, in, out, err);
    if (in != few) free(in);
    return ok;
}

bool tp_graph_add(struct tp_graph *g, const struct tp_node *node, int *index, struct tp_err *err)
{
    /* The input node's name is free for a layer: a reader decides what "input" means. */
    if (!node->hidden && tp_names_find(&g->names, node->name) >= 0)
        return tp_fail(err, TP_INVALID_MODEL, "%s: two layers have this name; each needs its own",
                       node->name);
    if (g->n_nodes == g->capacity && !grow(g)) return tp_arena_fail(&g->arena, err);

    struct tp_node copy = *node;
    size_t input_bytes = (size_t)node->n_inputs * sizeof *node->inputs;
    int *inputs = tp_arena_alloc(&g->arena, input_bytes);
    copy.name = tp_arena_strndup(&g->arena, node->name, strlen(node->name));
    if (!inputs || !copy.name) return tp_arena_fail(&g->arena, err);
    if (input_bytes) memcpy(inputs, node->inputs, input_bytes);
    copy.inputs = inputs;

    if (!infer(g, &copy, &g->shapes[g->n_nodes], err)) return false;
    if (!copy.hidden && !tp_names_add(&g->names, copy.name, g->n_nodes))
        return tp_arena_fail(&g->arena, err);
    g->nodes[g->n_nodes] = copy;
    if (index) *index = g->n_nodes;
    g->n_nodes++;
    return true;
}

int tp_graph_find(const struct tp_graph *g, const char *name)
{
    return tp_names_find(&g->names, name);
}

static bool find_outputs(struct tp_graph *g, struct tp_err *err)
{
    bool *read = tp_arena_zalloc(&g->arena, (size_t)g->n_nodes, sizeof *read);
    int *outputs = tp_arena_alloc(&g->arena, (size_t)g->n_nodes * sizeof *outputs);
    if (!read || !outputs) return tp_arena_fail(&g->arena, err);
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->nodes[i].n_inputs; j++) read[g->nodes[i].inputs[j]] = true;
    for (int i = 1; i < g->n_nodes; i++)
        if (!read[i] && !g->nodes[i].hidden) outputs[g->n_outputs++] = i;
    g->outputs = outputs;
    if (g->n_outputs) return true;
    return tp_fail(err, TP_INVALID_MODEL, "%s: the model has no layers", g->name);
}

bool tp_graph_finish(struct tp_graph *g, const struct tp_kernels *k, struct tp_err *err)
{
    if (!g->n_outputs && !find_outputs(g, err)) return false;
    for (int i = 0; i < g->n_nodes; i++) {
        struct tp_node *nd = &g->nodes[i];
        if (nd->op->prepare && !nd->op->prepare(nd, &g->shapes[i], k, &g->arena, err))
            return false;
    }
    return true;
}

bool tp_graph_fail_layer(const struct tp_graph *g, const char *name, struct tp_err *err)
{
    struct tp_buf names = { 0 };
    int left_out = 0;
    for (int i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].hidden) tp_buf_list(&names, g->nodes[i].name, &left_out);
    if (left_out) tp_buf_printf(&names, " and %d more", left_out);
    tp_fail(err, TP_NOT_FOUND, "model '%s' has no layer '%.64s'; it has: %.*s", g->name, name,
            (int)names.n_bytes, names.data ? names.data : "");
    tp_buf_fini(&names);
    return false;
}
