/* op.h - what an operator is: shapes in, shape out; weights packed once; a run that cannot fail.
 *
 * A node is a layer is a value: every node has exactly one output, and its index in the graph names
 * all three. Operators bear ONNX's names; `type` is the name that the user wrote. Feature maps are
 * [n, h, w, c]; vectors [n, c]; other ranks appear behind Reshape and Permute. */
#ifndef TP_OP_H
#define TP_OP_H

#include "base/arena.h"
#include "base/tensor.h"
#include "kernels/kernels.h"

struct tp_op;

enum tp_interpolation { TP_NEAREST, TP_BILINEAR };

/* How a convolution is computed, which says how its weights lie. */
enum tp_conv_form {
    TP_CONV_DIRECT,                  /* panels; depthwise.h: [kh, kw, in / groups, filters] */
    TP_CONV_WINOGRAD_2,              /* 3x3, 2x2 or 4x4 pixels at a time: see winograd.h */
    TP_CONV_WINOGRAD_4,
};

struct tp_conv_packed { enum tp_conv_form form; const float *data; };

struct tp_conv_attr {                /* Conv: also Dense's big brother, depthwise included */
    struct tp_window window;
    int groups;
    int filters;                     /* output channels, a multiple of groups */
    int in_channels;                 /* input channels, a multiple of groups */
    bool pooled;                     /* of the result, maxima of 2x2 pixels without overlap come
                                        out; by Winograd's method, and no residual */
    bool gated;                      /* the second input, [n, 1, 1, in_channels], scales the first;
                                        1x1 and one group only */
    const float *kernel;             /* [kh, kw, in_channels / groups, filters] */
    struct tp_conv_packed packed;    /* what prepare() made of it */
};

struct tp_gemm_attr {                /* Gemm (Keras Dense): acts on the last axis */
    int units, in_features;
    const float *kernel;             /* [in_features, units] */
    const float *packed;
};

enum tp_pool_op { TP_OP_MAX, TP_OP_AVG, TP_OP_MIN, TP_OP_SUM, TP_OP_LP, TP_OP_GEM, TP_OP_STD };

struct tp_pool_attr {                /* sliding, global and adaptive pooling */
    enum tp_pool_op kind;
    struct tp_window window;         /* sliding */
    bool count_include_pad;          /* sliding avg: divide by the whole window */
    float p;                         /* lp, gem */
    int bins[2];                     /* adaptive: output height, width */
    bool keep_dims;                  /* global: [n, 1, 1, c] instead of [n, c] */
};

/* Regions: inputs are the map [n, h, w, c], the boxes [r, 4] (x0, y0, x1, y1, in pixels of what
 * `scale` leads from) and each box's image [r] (a number below n). The output is
 * [r, bins[0], bins[1], c]. */
struct tp_roi_attr {
    enum tp_pool_op kind;            /* over the samples of a bin */
    bool quantized;                  /* MaxRoiPool: whole pixels instead of samples */
    int bins[2];
    int sampling_ratio;              /* samples per bin and axis; 0: as many as a bin has pixels */
    float scale[2];                  /* map pixels per box pixel: height, width */
    bool half_pixel;                 /* RoIAlign's aligned=true */
    bool by_neighbour;               /* ONNX RoiAlign's mode "max": each sample counts as the
                                        largest of its four neighbours times their weights */
    float p;                         /* lp, gem */
};

/* out[i0][i1]... = in[index[0][i0]][index[1][i1]]...: a slice, a flip, a tile, an expansion, a pad
 * or a gather, each axis by a table of its own. */
struct tp_take_attr {
    const int32_t *index[TP_MAX_RANK];   /* [n[axis]] places in the input; -1: `fill`.
                                            NULL: the whole axis as it is */
    int64_t n[TP_MAX_RANK];          /* the output's size where there is a table */
    float fill;
};

/* out[.., i, ..] = sum over t < n_taps of weight[i][t] * in[.., index[i][t], ..] along one axis. */
struct tp_interpolate_attr {
    int axis;
    int64_t n_out;
    int n_taps;
    const int32_t *index;            /* [n_out, n_taps], all inside the input */
    const float *weight;             /* [n_out, n_taps] */
};

enum tp_reduction {
    TP_REDUCTION_MEAN, TP_REDUCTION_MAX, TP_REDUCTION_MIN, TP_REDUCTION_SUM, TP_REDUCTION_PROD,
    TP_REDUCTION_L1, TP_REDUCTION_L2, TP_REDUCTION_SUM_SQUARE, TP_REDUCTION_LOG_SUM,
    TP_REDUCTION_LOG_SUM_EXP,
};

/* What is done with the n_axes neighbouring axes that begin with `axis`, taken as one. */
struct tp_axes_attr {
    int axis, n_axes;
    enum tp_reduction reduction;     /* Reduce: the axes become 1 each */
    bool min, last;                  /* ArgMax (one axis, which becomes 1): ArgMin; the last of
                                        equal ones instead of the first */
    float epsilon;                   /* Standardize, Normalize */
    float p;                         /* Normalize: 1, 2 or infinity */
};

struct tp_node {
    const char *name;                /* unique in its graph */
    const char *type;                /* as the user wrote it: "Conv2D" */
    const struct tp_op *op;
    int n_inputs;
    const int *inputs;               /* node indices */
    int64_t n_parameters;            /* as Keras counts them */
    bool hidden;                     /* made by us (half of a SeparableConv2D): not listed */

    union {
        struct tp_conv_attr conv;
        struct tp_gemm_attr gemm;
        struct tp_pool_attr pool;
        enum tp_binary_kind binary;
        struct { bool mean; } combine;   /* n-ary Add when false, Average when true */
        struct { int axis; bool log; } axis;   /* Concat, Softmax (LogSoftmax); counts the batch */
        struct tp_roi_attr roi;
        struct tp_take_attr take;
        struct tp_interpolate_attr interpolate;
        struct tp_axes_attr axes;    /* Reduce, ArgMax, Standardize, Normalize */
        struct { int size; float alpha, beta, bias; } lrn;   /* across the last axis */
        struct { struct tp_shape shape; } view;              /* batch included, whole */
        struct { int64_t height, width; } unpool;            /* of the output */
        struct { struct tp_shape target; } reshape;   /* without the batch; one TP_ANY infers */
        struct { int perm[TP_MAX_RANK]; } transpose;         /* of all axes, batch included */
        struct { int edge[4]; float value; } pad;   /* top, left, bottom, right; also Crop */
        struct { int scale[2]; enum tp_interpolation mode; } upsample;
        struct tp_shape input;                               /* Input: [n, ...] */
        struct { const float *data; struct tp_shape shape; } constant;   /* a weight as a value */
    } attr;

    /* Applied to every result, in this order, on its way out: scale[c] * x + shift[c], then plus
     * the residual, then the activation. scale and shift (bias) have one float per output channel
     * or are NULL. Read by Conv, Gemm, Affine and Add; elsewhere only act may be set, and only
     * where the operator's `fuses_act` says so. */
    const float *scale, *shift;
    struct tp_act act;
    bool residual;                   /* the last of `inputs` is added before the activation */
};

/* One node with its sizes, ready to run. Made by the plan; lives as long as it. */
struct tp_step {
    const struct tp_node *node;
    const struct tp_kernels *k;
    const struct tp_shape *in;       /* [n_inputs] */
    struct tp_shape out;
    int64_t out_step;                /* floats from one output pixel (all but the last axis) to the
                                        next: more than the last axis where the output is a part of
                                        a Concat's; for operators that are `strides_out` */
    const bool *in_place;            /* Concat: [n_inputs], those that lie in the output already;
                                        NULL: none */
    void *state;                     /* what the operator's plan() made; NULL */
    size_t scratch_bytes;
};

/* Where a step's data are in this run. */
struct tp_io {
    const float *const *in;          /* [n_inputs] */
    float *out;
    void *scratch;                   /* scratch_bytes, 64-byte aligned */
    int n_threads;
};

struct tp_op {
    const char *name;
    /* The output's shape. Dimensions of `in` may be TP_ANY and then stay so where they matter.
     * Messages start with "<layer>: ". */
    bool (*shape)(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                  struct tp_err *err);
    /* Once, when the model is loaded: packs weights into the model's arena. `out` is the output's
     * shape as far as it is known then. NULL: nothing to do. */
    bool (*prepare)(struct tp_node *nd, const struct tp_shape *out, const struct tp_kernels *k,
                    struct tp_arena *arena, struct tp_err *err);
    /* Once per plan, all sizes known: fills st->state and st->scratch_bytes. NULL: nothing to
     * do. */
    bool (*plan)(struct tp_step *st, struct tp_arena *arena, struct tp_err *err);
    void (*run)(const struct tp_step *st, const struct tp_io *io);
    /* Multiply-adds per image, as papers count them. NULL: 0. */
    int64_t (*macs)(const struct tp_node *nd, const struct tp_shape *in,
                    const struct tp_shape *out);
    /* The algorithm that plan() chose. NULL: there is but one. */
    const char *(*algorithm)(const struct tp_step *st);
    bool is_view;   /* the output is the input's bytes under another shape; no run */
    bool fuses_affine;               /* scale and shift of a following BatchNormalization */
    bool fuses_act;                  /* any tp_act */
    bool fuses_residual;
    /* Whether a step's out_step may be larger than the last axis. NULL: no. */
    bool (*strides_out)(const struct tp_node *nd);
    bool in_place;                   /* out may be in[0] when the shapes' sizes agree */
};

extern const struct tp_op tp_op_input, tp_op_constant, tp_op_conv, tp_op_gemm, tp_op_affine,
    tp_op_activation, tp_op_softmax, tp_op_pool, tp_op_global_pool, tp_op_adaptive_pool,
    tp_op_binary, tp_op_combine, tp_op_concat, tp_op_identity, tp_op_reshape, tp_op_flatten,
    tp_op_transpose, tp_op_pad, tp_op_crop, tp_op_upsample, tp_op_view, tp_op_take,
    tp_op_interpolate, tp_op_reduce, tp_op_arg_max, tp_op_standardize, tp_op_normalize, tp_op_lrn,
    tp_op_where, tp_op_matmul, tp_op_bin_pool, tp_op_pool_index, tp_op_max_unpool, tp_op_roi;

/* The common case of `shape`: the output is shaped like the first input. */
bool tp_op_shape_same(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                      struct tp_err *err);

/* The bounds that `act` clamps to (infinite ones for linear), for kernels that clamp on their way
 * out. False, with infinite bounds, when it is another activation: that is then applied to the
 * result. */
bool tp_op_clamp(const struct tp_act *act, float *lo, float *hi);

/* `given`, or n times `value`; NULL when the arena is full. */
const float *tp_op_factors(const float *given, float value, int64_t n, struct tp_arena *arena);

/* in[0] must be a map [n, h, w, c]; the message says what it is instead. */
bool tp_op_need_map(const struct tp_node *nd, const struct tp_shape *in,
                    struct tp_err *err) TP_MUST_USE;

#endif
