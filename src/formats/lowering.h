/* lowering.h - what the files that lower operators share: a value's state, and the few moves that
 * all of them are made of. */
#ifndef TP_LOWERING_H
#define TP_LOWERING_H

#include "formats/lower.h"

enum { TP_KNOWN_ELEMENTS = 4096 };   /* contents up to here are computed with instead of run */

/* A value in one lowering. Constant: `known` or `floats` is there (or the net's weight has them);
 * else it is made by a node of the graph. */
struct tp_lowered {
    bool made;
    bool constant;
    bool fixed;                      /* constant for every input shape: follows from weights */
    enum tp_onnx_type type;
    struct tp_shape shape;           /* in ONNX's order of axes */
    const double *known;             /* contents in ONNX's order, or NULL */
    const float *floats;             /* the same as floats, or NULL */
    const struct tp_net_tensor *tensor;          /* the same as they stand in the file, or NULL */
    int node;                        /* of the graph, or -1 */
    int perm[TP_MAX_RANK];           /* axis k in memory is ONNX's axis perm[k] */
};

struct tp_lowering {
    struct tp_net *net;              /* written by the first lowering only */
    bool first;
    int64_t operations;              /* that constants may still cost */
    struct tp_lowered *aside;        /* [net->n_values]: of what is run now; zero between */
    struct tp_graph *graph;
    struct tp_lowered *values;       /* [net->n_values] */
    struct tp_net_node *nd;          /* that is being lowered */
    const char *label;               /* of nd, for messages and nodes */
    int64_t macs;                    /* nd's, where its nodes do not tell; else -1 */
    const struct tp_limits *limits;
    struct tp_err *err;
};

typedef bool tp_lower_fn(struct tp_lowering *l);

/* What is done with constants: most operators are run once, as on any input (RUN); those that move
 * elements can do it with known contents themselves (MOVE), or need not touch them (VIEW). */
enum tp_lower_kind { TP_LOWER_RUN, TP_LOWER_MOVE, TP_LOWER_VIEW };

/* How an operator is lowered. Its first `least` inputs must be there; it has at most `most`, and at
 * most `outputs` outputs. */
enum { TP_LOWER_MANY = 255 };        /* as many as one likes */
struct tp_lower_rule {
    const char *op;
    tp_lower_fn *lower;
    enum tp_lower_kind kind;
    uint8_t least, most, outputs;
};

/* NULL where the operator is not there. */
const struct tp_lower_rule *tp_lower_operator(const char *op);

/* ---- the node's inputs, outputs and attributes ----------------------------------------------- */

/* Input `i`, or NULL where it is left out. */
struct tp_lowered *tp_low_in(const struct tp_lowering *l, int i);
bool tp_low_wants(const struct tp_lowering *l, int output);      /* somebody reads that output */

/* An attribute of another kind is answered like none and fails the node when it is lowered. */
int64_t tp_low_int(struct tp_lowering *l, const char *name, int64_t otherwise);
float tp_low_float(struct tp_lowering *l, const char *name, float otherwise);
const char *tp_low_string(struct tp_lowering *l, const char *name, const char *otherwise);

/* NULL where there is none of that name; fails as above where it is of another kind. */
const struct tp_net_attr *tp_low_attr(struct tp_lowering *l, const char *name,
                                      enum tp_attr_kind kind);

/* One of the words between the blanks. */
bool tp_low_word(struct tp_lowering *l, const char *name, const char *otherwise, const char *words,
                 const char **out);

/* A whole number from `least` to `most`. */
bool tp_low_int_in(struct tp_lowering *l, const char *name, int64_t otherwise, int64_t least,
                   int64_t most, int *out);

/* The element type of the attribute `to` of a Cast. */
bool tp_low_cast_type(struct tp_lowering *l, enum tp_onnx_type *to);

/* Whole numbers of an attribute, or of known input `i` (-1: attribute only). *n = -1: neither is
 * there. Fails where the input is there but not known, or is longer than `most`. */
bool tp_low_ints(struct tp_lowering *l, const char *name, int i, int64_t *out, int most, int *n);

/* An axis counted from the end when negative. */
bool tp_low_axis(struct tp_lowering *l, int64_t axis, int rank, int *out);

/* The axis that Concat joins along. */
bool tp_low_concat_axis(struct tp_lowering *l, int rank, int *axis);

/* "node '/conv1/Conv' (Conv): ..."; TP_UNSUPPORTED_FORMAT means: sound, but beyond us. */
bool tp_low_fail(struct tp_lowering *l, enum tp_code code, const char *fmt, ...) TP_PRINTF(3, 4);
bool tp_low_no_memory(struct tp_lowering *l);

/* ---- constants ------------------------------------------------------------------------------- */

/* Contents as doubles, or NULL (no error) where they are not known or too many. */
const double *tp_low_known(struct tp_lowering *l, struct tp_lowered *v);

/* Contents of a constant as floats in ONNX's order; NULL with an error where it is none. */
const float *tp_low_floats(struct tp_lowering *l, struct tp_lowered *v);

/* Makes output `o` a constant. `data` lives in the lowering. */
bool tp_low_out_known(struct tp_lowering *l, int o, enum tp_onnx_type type,
                      const struct tp_shape *shape, const double *data);

/* ---- values in memory ------------------------------------------------------------------------ */

/* The node of v with its axes in memory in the order `perm` (NULL: ONNX's own); -1 on failure.
 * Where v has fewer than `rank` axes, axes of size 1 stand in front, as broadcasting has it, and
 * perm counts them. */
int tp_low_node(struct tp_lowering *l, struct tp_lowered *v, int rank, const int *perm);

/* Adds a node that reads `inputs`; -1 on failure. */
int tp_low_add(struct tp_lowering *l, const struct tp_op *op, const struct tp_node *like,
               const int *inputs, int n_inputs);

/* A view of node `from` under another shape in memory. */
int tp_low_view(struct tp_lowering *l, int from, const struct tp_shape *shape);

const struct tp_shape *tp_low_shape(const struct tp_lowering *l, int node);

/* A constant node of n elements; the data live as long as the graph. */
int tp_low_constant(struct tp_lowering *l, const float *data, const struct tp_shape *shape);
int tp_low_scalar(struct tp_lowering *l, float value);

/* a op b, then `act`. */
int tp_low_binary(struct tp_lowering *l, enum tp_binary_kind kind, int a, int b,
                  enum tp_act_kind act);

/* Makes output `o` the node, whose memory has the order `perm` (NULL: ONNX's own). */
bool tp_low_out(struct tp_lowering *l, int o, int node, const int *perm, enum tp_onnx_type type);

/* Output `o` is value *v (another name, or other axes over the same memory). */
bool tp_low_out_value(struct tp_lowering *l, int o, const struct tp_lowered *v);

/* The same elements under another shape, in ONNX's order. */
bool tp_low_reshape(struct tp_lowering *l, struct tp_lowered *v, const struct tp_shape *shape,
                    struct tp_lowered *out);

/* ONNX's Transpose: axis i of *out is axis order[i] of *v. Only names change, unless constant. */
bool tp_low_transpose(struct tp_lowering *l, struct tp_lowered *v, const int *order,
                      struct tp_lowered *out);

/* Where axis `axis` is in memory. */
int tp_low_place(const struct tp_lowered *v, int axis);

/* [0, 2, .., rank - 1, 1]: channels last. */
void tp_low_channels_last(int rank, int perm[TP_MAX_RANK]);

/* Zeroed room that lives as long as the graph; NULL with an error. No table is longer than a tensor
 * may be. */
void *tp_low_room(struct tp_lowering *l, int64_t n, size_t size);

/* ---- by family ------------------------------------------------------------------------------- */

/* What a binary operator is to the kernels; NULL where `op` is none. */
struct tp_binary_rule { const char *op; enum tp_binary_kind kind; bool compares, swapped; };
const struct tp_binary_rule *tp_low_binary_rule(const char *op);

/* Computes the node with doubles when all inputs are known and it is one of shape arithmetic.
 * *folded tells whether it was. */
bool tp_low_fold(struct tp_lowering *l, bool *folded);

tp_lower_fn tp_lower_activation, tp_lower_clip, tp_lower_pow, tp_lower_binary, tp_lower_variadic,
    tp_lower_where, tp_lower_cast, tp_lower_identity, tp_lower_conv, tp_lower_conv_transpose,
    tp_lower_pool, tp_lower_global_pool, tp_lower_max_unpool, tp_lower_roi_align,
    tp_lower_max_roi_pool, tp_lower_batch_norm, tp_lower_instance_norm, tp_lower_layer_norm,
    tp_lower_group_norm, tp_lower_lrn, tp_lower_lp_norm, tp_lower_gemm, tp_lower_matmul,
    tp_lower_softmax, tp_lower_concat, tp_lower_split, tp_lower_slice, tp_lower_gather,
    tp_lower_reshape, tp_lower_flatten, tp_lower_squeeze, tp_lower_unsqueeze, tp_lower_transpose,
    tp_lower_expand, tp_lower_tile, tp_lower_pad, tp_lower_resize, tp_lower_depth_to_space,
    tp_lower_space_to_depth, tp_lower_reduce, tp_lower_arg_max, tp_lower_dropout,
    tp_lower_constant, tp_lower_constant_of_shape, tp_lower_shape, tp_lower_size, tp_lower_range;

/* out[..] = in[index..] along the axes in memory that have a table; see struct tp_take_attr. */
int tp_low_take(struct tp_lowering *l, int from, const struct tp_take_attr *take);

/* The same of a value by ONNX's axes; with known contents at once. */
bool tp_low_take_value(struct tp_lowering *l, struct tp_lowered *v, const struct tp_take_attr *take,
                       struct tp_lowered *out);

/* ---- windows of one to three axes ------------------------------------------------------------ */

/* Told for three axes: depth, height, width; axes that the value has not are 1. */
struct tp_low_window {
    int n_axes;                      /* that the value has */
    int64_t in[3], out[3];
    int64_t kernel[3], strides[3], dilations[3];
    int64_t before[3], after[3];     /* padding */
    bool ceil_mode;
};

/* Reads kernel_shape (or takes `kernel`, [n_axes], where the attribute is left out; NULL: it must
 * be there), strides, dilations, pads, auto_pad and ceil_mode, for a map of shape [n, c, ...]. */
bool tp_low_window(struct tp_lowering *l, const struct tp_shape *map, const int64_t *kernel,
                   struct tp_low_window *w);

/* v, of rank 3 to 5, channels last with all three axes: [n, depth, height, width, c]. */
int tp_low_volume(struct tp_lowering *l, struct tp_lowered *v);

/* Output `o` is node `volume`, [n, depth, height, width, c], with the w->n_axes axes alone. */
bool tp_low_out_volume(struct tp_lowering *l, int o, int volume, int n_axes,
                       enum tp_onnx_type type);

/* Planes [n * depth, h, w, c] of a volume, and back. */
int tp_low_planes(struct tp_lowering *l, int volume);
int tp_low_stack(struct tp_lowering *l, int planes, int64_t depth);

#endif
