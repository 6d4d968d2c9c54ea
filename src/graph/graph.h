/* graph.h - a network as its file describes it: nodes in an order in which each comes after what it
 * reads. Node 0 is the input. Names, attributes and weights live in the graph's arena. */
#ifndef TP_GRAPH_H
#define TP_GRAPH_H

#include "graph/names.h"
#include "ops/op.h"

struct tp_graph {
    struct tp_arena arena;
    const char *name;
    struct tp_node *nodes;
    int n_nodes, capacity;
    int *outputs;                    /* node indices; what is answered when nothing is asked for */
    int n_outputs;
    struct tp_shape *shapes;   /* [n_nodes], known as soon as a node is added; TP_ANY where open */
    struct tp_names names;
};

/* A graph with its input node, of shape [n, ...] (n is TP_ANY). Freed with tp_graph_free(). */
bool tp_graph_new(struct tp_graph **out, const char *name, const struct tp_shape *input,
                  struct tp_err *err) TP_MUST_USE;
void tp_graph_free(struct tp_graph *g);

/* Adds a copy of *node (name and inputs are copied too; weights must live in g->arena). `inputs`
 * name earlier nodes. Infers its shape, which checks its attributes against its inputs. *index (may
 * be NULL) receives its place. Fails on a name that is taken. */
bool tp_graph_add(struct tp_graph *g, const struct tp_node *node, int *index,
                  struct tp_err *err) TP_MUST_USE;

/* Index of the node of that name, or -1. Hidden nodes are not found. */
int tp_graph_find(const struct tp_graph *g, const char *name);

/* Sets the outputs to all nodes that no node reads, unless outputs were set, and packs the weights
 * for `k`. The graph is read-only from here on. */
bool tp_graph_finish(struct tp_graph *g, const struct tp_kernels *k,
                     struct tp_err *err) TP_MUST_USE;

/* Error: no such layer; the message lists the names there are (the first ones when many). */
bool tp_graph_fail_layer(const struct tp_graph *g, const char *name, struct tp_err *err);

#endif
