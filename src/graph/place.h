/* place.h - a plan's insides, shared by the files that make and run it: where every value is. */
#ifndef TP_PLACE_H
#define TP_PLACE_H

#include "graph/plan.h"
#include "graph/rewrite.h"

enum tp_place_kind {
    TP_PLACE_NONE,                   /* not computed */
    TP_PLACE_INPUT,                  /* the caller's input */
    TP_PLACE_OUTPUT,                 /* written straight into the caller's output `index` */
    TP_PLACE_CONSTANT,               /* a weight of the model, at `constant` */
    TP_PLACE_WORKSPACE,              /* at `offset` */
};

struct tp_place {
    enum tp_place_kind kind;
    int index;
    size_t offset;                   /* in bytes; within an output, that of a Concat's part */
    const float *constant;
};

struct tp_planned {                  /* a step and what it makes */
    struct tp_step step;
    int value;
    size_t scratch;                  /* offset in the workspace */
};

struct tp_plan_output {
    const char *name;
    struct tp_shape shape;           /* of all runs */
    int64_t n_elements;              /* of one run */
    int value;
    int tap;                         /* that it answers */
    bool argmax;
    bool copied;                     /* not written in place: copied at the end */
};

struct tp_plan {
    struct tp_arena arena;           /* everything below */
    const struct tp_kernels *kernels;
    struct tp_graph *owned;          /* NULL: somebody else's */
    struct tp_shape input;           /* of all runs */
    int repeat;                      /* how often the steps are run, each time on the next image */
    struct tp_planned *steps;
    int n_steps;
    struct tp_place *values;         /* by value */
    struct tp_plan_output *outputs;
    int n_outputs;
    size_t output_bytes, workspace_bytes;
    int64_t macs, operations;
};

/* Decides where every value of the plan's steps lies. The workspace begins with room for the
 * pointers to one step's inputs (max_inputs of them). */
bool tp_place_values(struct tp_plan *plan, const struct tp_rewrite *rw, int max_inputs,
                     struct tp_err *err) TP_MUST_USE;

#endif
