/* pipeline_layers.c - Keras's layer classes. One reader per class, in a table at the end; names,
 * defaults and meanings are Keras 3's (keras.io/api/layers), weights have Keras's shapes. */
#include "formats/pipeline_layers.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/pipeline_conv.h"

const char tp_pipeline_layers_common[] = "type, name, inputs";

/* ---- normalization --------------------------------------------------------------------------- */

/* A vector of n weights: one per channel. */
static bool read_vector(const struct tp_layer *ly, const char *key, int n, const float **out,
                        struct tp_err *err)
{
    const struct tp_shape shape = { .rank = 1, .dim = { n } };
    return tp_pipeline_weights_read(&ly->weights, &ly->fields, key, &shape, "one per channel", out,
                                    err);
}

struct batch_norm {
    int channels;
    float epsilon;
    const float *gamma, *beta, *mean, *variance;     /* [channels]; gamma, beta: NULL for 1, 0 */
};

/* gamma (x - mean) / sqrt(variance + epsilon) + beta as scale x + shift, worked out in double. */
static bool fold_batch_norm(const struct tp_layer *ly, const struct batch_norm *bn,
                            struct tp_node *nd, struct tp_err *err)
{
    float *scale = tp_arena_floats(&ly->graph->arena, bn->channels);
    float *shift = tp_arena_floats(&ly->graph->arena, bn->channels);
    if (!scale || !shift) return tp_arena_fail(&ly->graph->arena, err);
    for (int c = 0; c < bn->channels; c++) {
        if (bn->variance[c] < 0)
            return tp_fail(err, TP_INVALID_MODEL, "%s: moving_variance of channel %d is %g; a "
                           "variance cannot be negative", ly->name, c, (double)bn->variance[c]);
        double s = (bn->gamma ? (double)bn->gamma[c] : 1.0) /
                   sqrt((double)bn->variance[c] + (double)bn->epsilon);
        scale[c] = (float)s;
        shift[c] = (float)((bn->beta ? (double)bn->beta[c] : 0.0) - (double)bn->mean[c] * s);
        if (!isfinite(scale[c]) || !isfinite(shift[c]))
            return tp_fail(err, TP_INVALID_MODEL, "%s: channel %d is scaled by gamma / "
                           "sqrt(variance + epsilon) = %g, which float32 cannot hold; a larger "
                           "epsilon would help", ly->name, c, s);
    }
    nd->scale = scale;
    nd->shift = shift;
    return true;
}

/* A weight that a flag ("scale", "center") can switch off; counts it. */
static bool read_optional(const struct tp_layer *ly, const char *flag, const char *key, int n,
                          const float **out, int64_t *n_parameters, struct tp_err *err)
{
    bool wanted;
    *out = NULL;
    if (!tp_fields_bool(&ly->fields, flag, true, &wanted, err)) return false;
    if (!wanted && tp_fields_get(&ly->fields, key))
        return tp_fail(err, TP_INVALID_MODEL, "%s: %s is given although %s is false; take one of "
                       "them out", ly->name, key, flag);
    if (!wanted) return true;
    *n_parameters += n;
    return read_vector(ly, key, n, out, err);
}

static bool read_batch_normalization(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_affine);
    struct batch_norm bn;
    int axis;
    if (!tp_layer_axis(ly, &axis, err)) return false;
    if (axis != tp_layer_input(ly)->rank - 1)
        return tp_fail(err, TP_INVALID_MODEL, "%s: axis is %d; only the last one (-1), the "
                       "channels, can be normalized", ly->name, axis);
    if (!tp_layer_channels(ly, &bn.channels, err) ||
        !tp_fields_number(&ly->fields, "epsilon", 1e-3, 0, FLT_MAX, &bn.epsilon, err) ||
        !read_optional(ly, "scale", "gamma", bn.channels, &bn.gamma, &nd.n_parameters, err) ||
        !read_optional(ly, "center", "beta", bn.channels, &bn.beta, &nd.n_parameters, err) ||
        !read_vector(ly, "moving_mean", bn.channels, &bn.mean, err) ||
        !read_vector(ly, "moving_variance", bn.channels, &bn.variance, err))
        return false;
    nd.n_parameters += 2 * (int64_t)bn.channels;
    return fold_batch_norm(ly, &bn, &nd, err) && tp_layer_add(ly, &nd, NULL, err);
}

/* ---- activations ----------------------------------------------------------------------------- */

static bool read_activation(const struct tp_layer *ly, struct tp_err *err)
{
    const char *name;
    return tp_fields_text(&ly->fields, "activation", NULL, &name, err) &&
           tp_layer_add_activation(ly, name, err);
}

static bool read_relu(const struct tp_layer *ly, struct tp_err *err)
{
    const struct tp_fields *f = &ly->fields;
    struct tp_node nd = tp_layer_node(ly, &tp_op_activation);
    float max = INFINITY, slope, threshold;
    if (!json_is_null(tp_fields_get(f, "max_value")) &&
        !tp_fields_number(f, "max_value", HUGE_VAL, 0, FLT_MAX, &max, err))
        return false;
    if (!tp_fields_number(f, "negative_slope", 0, 0, FLT_MAX, &slope, err) ||
        !tp_fields_number(f, "threshold", 0, 0, FLT_MAX, &threshold, err))
        return false;
    nd.act = (struct tp_act){ TP_ACT_RELU, slope, max, threshold };
    if (slope == 0 && threshold == 0) nd.act = (struct tp_act){ TP_ACT_CLAMP, 0, max, 0 };
    return tp_layer_add(ly, &nd, NULL, err);
}

static bool read_leaky_relu(const struct tp_layer *ly, struct tp_err *err)
{
    const struct tp_fields *f = &ly->fields;
    struct tp_node nd = tp_layer_node(ly, &tp_op_activation);
    bool older = tp_fields_get(f, "alpha");
    if (older && tp_fields_get(f, "negative_slope"))
        return tp_fail(err, TP_INVALID_MODEL, "%s: alpha is negative_slope's older name; give one "
                       "of them", ly->name);
    nd.act.kind = TP_ACT_LEAKY_RELU;
    return tp_fields_number(f, older ? "alpha" : "negative_slope", 0.3, 0, FLT_MAX, &nd.act.alpha,
                            err) &&
           tp_layer_add(ly, &nd, NULL, err);
}

/* alpha's shape: the input's without the batch, 1 along the shared axes (counted from 1). */
static bool alpha_shape(const struct tp_layer *ly, struct tp_shape *alpha, struct tp_err *err)
{
    const struct tp_shape *in = tp_layer_input(ly);
    int64_t shared[TP_MAX_RANK];
    int n;
    if (!tp_fields_ints(&ly->fields, "shared_axes", shared, TP_MAX_RANK, &n, err)) return false;
    alpha->rank = in->rank - 1;
    memcpy(alpha->dim, in->dim + 1, (size_t)alpha->rank * sizeof *alpha->dim);
    for (int i = 0; i < n; i++) {
        if (shared[i] < 1 || shared[i] > alpha->rank)
            return tp_fail(err, TP_INVALID_MODEL, "%s: shared_axes has %lld; axes are counted from "
                           "1 (the first after the batch) to %d", ly->name, (long long)shared[i],
                           alpha->rank);
        alpha->dim[shared[i] - 1] = 1;
    }
    if (tp_shape_known(alpha)) return true;
    return tp_fail(err, TP_INVALID_SHAPE, "%s: alpha would have shape %s; share the open axes "
                   "(\"shared_axes\": [1, 2]) or give their sizes in input.shape", ly->name,
                   TP_SHAPE(alpha));
}

/* Adds a weight as a hidden value of shape [1, *shape]. */
static bool add_constant(const struct tp_layer *ly, const char *part, const float *data,
                         const struct tp_shape *shape, int *index, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_constant);
    nd.n_inputs = 0;
    nd.attr.constant.data = data;
    nd.attr.constant.shape = (struct tp_shape){ .rank = shape->rank + 1, .dim = { 1 } };
    memcpy(nd.attr.constant.shape.dim + 1, shape->dim, (size_t)shape->rank * sizeof *shape->dim);
    return tp_layer_add_hidden(ly, part, &nd, index, err);
}

static bool read_prelu(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_binary);
    struct tp_shape shape = { 0 };
    const float *alpha;
    int inputs[2] = { ly->inputs[0] };
    if (!alpha_shape(ly, &shape, err) ||
        !tp_pipeline_weights_read(&ly->weights, &ly->fields, "alpha", &shape,
                         "the input's without the batch, 1 along shared_axes", &alpha, err) ||
        !add_constant(ly, "alpha", alpha, &shape, &inputs[1], err))
        return false;
    nd.attr.binary = TP_BINARY_PRELU;
    nd.n_inputs = 2;
    nd.inputs = inputs;
    nd.n_parameters = tp_shape_elements(&shape);
    return tp_layer_add(ly, &nd, NULL, err);
}

static bool read_softmax(const struct tp_layer *ly, struct tp_err *err)
{
    int axis;
    return tp_layer_axis(ly, &axis, err) && tp_layer_add_softmax(ly, ly->inputs[0], axis, 0, err);
}

/* ---- pooling --------------------------------------------------------------------------------- */

/* pool_size, strides (absent or null: as the window) and padding, of `kind`. */
static bool read_pool(const struct tp_layer *ly, enum tp_pool_op kind, struct tp_node *nd,
                      struct tp_err *err)
{
    const struct tp_fields *f = &ly->fields;
    struct tp_window *w = &nd->attr.pool.window;
    *nd = tp_layer_node(ly, &tp_op_pool);
    nd->attr.pool.kind = kind;
    w->dilations[0] = w->dilations[1] = 1;
    if (!tp_fields_pair(f, "pool_size", 2, 1, TP_FIELDS_MAX_SIDE, w->kernel, err)) return false;
    memcpy(w->strides, w->kernel, sizeof w->strides);
    const json_t *strides = tp_fields_get(f, "strides");
    if (strides && !json_is_null(strides) &&
        !tp_fields_pair(f, "strides", TP_REQUIRED, 1, TP_FIELDS_MAX_SIDE, w->strides, err))
        return false;
    return tp_fields_padding(f, w, err);
}

static bool read_max_pooling2d(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd;
    return read_pool(ly, TP_OP_MAX, &nd, err) && tp_layer_add(ly, &nd, NULL, err);
}

static bool read_average_pooling2d(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd;
    return read_pool(ly, TP_OP_AVG, &nd, err) && tp_layer_add(ly, &nd, NULL, err);
}

static bool read_lp_pooling2d(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd;
    return read_pool(ly, TP_OP_LP, &nd, err) &&
           tp_fields_number(&ly->fields, "p", 2, 1, 1000, &nd.attr.pool.p, err) &&
           tp_layer_add(ly, &nd, NULL, err);
}

static bool read_global(const struct tp_layer *ly, enum tp_pool_op kind, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_global_pool);
    nd.attr.pool.kind = kind;
    return tp_fields_bool(&ly->fields, "keepdims", false, &nd.attr.pool.keep_dims, err) &&
           tp_layer_add(ly, &nd, NULL, err);
}

static bool read_global_max(const struct tp_layer *ly, struct tp_err *err)
{
    return read_global(ly, TP_OP_MAX, err);
}

static bool read_global_average(const struct tp_layer *ly, struct tp_err *err)
{
    return read_global(ly, TP_OP_AVG, err);
}

static bool read_global_sum(const struct tp_layer *ly, struct tp_err *err)
{
    return read_global(ly, TP_OP_SUM, err);
}

static bool read_adaptive(const struct tp_layer *ly, enum tp_pool_op kind, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_adaptive_pool);
    nd.attr.pool.kind = kind;
    return tp_fields_pair(&ly->fields, "output_size", TP_REQUIRED, 1, TP_FIELDS_MAX_SIDE,
                          nd.attr.pool.bins, err) &&
           tp_layer_add(ly, &nd, NULL, err);
}

static bool read_adaptive_max(const struct tp_layer *ly, struct tp_err *err)
{
    return read_adaptive(ly, TP_OP_MAX, err);
}

static bool read_adaptive_average(const struct tp_layer *ly, struct tp_err *err)
{
    return read_adaptive(ly, TP_OP_AVG, err);
}

/* ---- several inputs into one ----------------------------------------------------------------- */

/* Keras would put axes of 1 behind the shorter one's batch; to ask is safer than to guess. */
static bool check_ranks(const struct tp_layer *ly, struct tp_err *err)
{
    const struct tp_shape *first = tp_layer_input(ly);
    for (int i = 1; i < ly->n_inputs; i++) {
        const struct tp_shape *other = &ly->graph->shapes[ly->inputs[i]];
        if (other->rank != first->rank)
            return tp_fail(err, TP_INVALID_SHAPE, "%s: inputs 0 and %d have shapes %s and %s; they "
                           "must have as many axes (Reshape, or \"keepdims\": true on global "
                           "pooling)", ly->name, i, TP_SHAPE(first), TP_SHAPE(other));
    }
    return true;
}

static bool read_combine(const struct tp_layer *ly, bool mean, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_combine);
    nd.attr.combine.mean = mean;
    return check_ranks(ly, err) && tp_layer_add(ly, &nd, NULL, err);
}

static bool read_add(const struct tp_layer *ly, struct tp_err *err)
{
    return read_combine(ly, false, err);
}

static bool read_average(const struct tp_layer *ly, struct tp_err *err)
{
    return read_combine(ly, true, err);
}

/* ((a op b) op c) op ...: all but the last are hidden. */
static bool read_chain(const struct tp_layer *ly, enum tp_binary_kind kind, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_binary);
    int pair[2] = { ly->inputs[0] };
    char part[16];
    if (!check_ranks(ly, err)) return false;
    nd.attr.binary = kind;
    nd.n_inputs = 2;
    nd.inputs = pair;
    for (int i = 1; i < ly->n_inputs - 1; i++) {
        pair[1] = ly->inputs[i];
        snprintf(part, sizeof part, "%d", i);
        if (!tp_layer_add_hidden(ly, part, &nd, &pair[0], err)) return false;
    }
    pair[1] = ly->inputs[ly->n_inputs - 1];
    return tp_layer_add(ly, &nd, NULL, err);
}

static bool read_subtract(const struct tp_layer *ly, struct tp_err *err)
{
    return read_chain(ly, TP_BINARY_SUB, err);
}

static bool read_multiply(const struct tp_layer *ly, struct tp_err *err)
{
    return read_chain(ly, TP_BINARY_MUL, err);
}

static bool read_maximum(const struct tp_layer *ly, struct tp_err *err)
{
    return read_chain(ly, TP_BINARY_MAX, err);
}

static bool read_concatenate(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_concat);
    return tp_layer_axis(ly, &nd.attr.axis.axis, err) && tp_layer_add(ly, &nd, NULL, err);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static bool read_flatten(const struct tp_layer *ly, struct tp_err *err)
{
    const struct tp_node nd = tp_layer_node(ly, &tp_op_flatten);
    return tp_layer_add(ly, &nd, NULL, err);
}

static bool read_reshape(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_reshape);
    struct tp_shape *target = &nd.attr.reshape.target, least;
    int open = 0;
    if (!tp_fields_ints(&ly->fields, "target_shape", target->dim, TP_MAX_RANK - 1, &target->rank,
                        err))
        return false;
    if (!target->rank)
        return tp_fields_missing(&ly->fields, "target_shape", "a list of whole numbers", err);
    least = *target;
    for (int i = 0; i < least.rank; i++)
        if (least.dim[i] == TP_ANY) {            /* Keras's -1 */
            least.dim[i] = 1;
            open++;
        }
    if (open > 1)
        return tp_fail(err, TP_INVALID_MODEL, "%s: target_shape has %d times -1; at most one can "
                       "be worked out", ly->name, open);
    return tp_shape_check(&least, ly->weights.limits->max_elements,
                          tp_fields_where(&ly->fields, "target_shape").text, err) &&
           tp_layer_add(ly, &nd, NULL, err);
}

static bool read_permute(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_transpose);
    int rank = tp_layer_input(ly)->rank, n;
    int64_t dims[TP_MAX_RANK];
    bool seen[TP_MAX_RANK] = { false };
    if (!tp_fields_ints(&ly->fields, "dims", dims, TP_MAX_RANK, &n, err)) return false;
    bool ok = n == rank - 1;
    for (int i = 0; ok && i < n; i++) {          /* perm[0] = 0: the batch stays */
        ok = dims[i] >= 1 && dims[i] < rank && !seen[dims[i]];
        if (!ok) break;
        seen[dims[i]] = true;
        nd.attr.transpose.perm[i + 1] = (int)dims[i];
    }
    if (ok) return tp_layer_add(ly, &nd, NULL, err);
    return tp_fail(err, TP_INVALID_MODEL, "%s: dims must be the numbers 1 to %d in some order: its "
                   "input is %s, and the batch is not counted", ly->name, rank - 1,
                   TP_SHAPE(tp_layer_input(ly)));
}

static bool read_zero_padding2d(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_pad);
    return tp_fields_edges(&ly->fields, "padding", 1, nd.attr.pad.edge, err) &&
           tp_layer_add(ly, &nd, NULL, err);
}

static bool read_cropping2d(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_crop);
    return tp_fields_edges(&ly->fields, "cropping", 0, nd.attr.pad.edge, err) &&
           tp_layer_add(ly, &nd, NULL, err);
}

static bool read_up_sampling2d(const struct tp_layer *ly, struct tp_err *err)
{
    static const char *const words[] = { "nearest", "bilinear", NULL };
    static const enum tp_interpolation modes[] = { TP_NEAREST, TP_BILINEAR };
    struct tp_node nd = tp_layer_node(ly, &tp_op_upsample);
    int word;
    int *scale = nd.attr.upsample.scale;
    if (!tp_fields_pair(&ly->fields, "size", 2, 1, TP_FIELDS_MAX_SIDE, scale, err) ||
        !tp_fields_choice(&ly->fields, "interpolation", words, 0, &word, err))
        return false;
    nd.attr.upsample.mode = modes[word];
    return tp_layer_add(ly, &nd, NULL, err);
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool read_dropout(const struct tp_layer *ly, struct tp_err *err)
{
    const struct tp_node nd = tp_layer_node(ly, &tp_op_identity);
    float rate;
    return tp_fields_number(&ly->fields, "rate", NAN, 0, 1, &rate, err) &&
           tp_layer_add(ly, &nd, NULL, err);
}

/* `key` as one number per channel; a lone number stands for all. */
static bool read_per_channel(const struct tp_layer *ly, const char *key, double fallback,
                             int channels, const float **out, struct tp_err *err)
{
    const json_t *v = tp_fields_get(&ly->fields, key);
    float one;
    if (v && !json_is_number(v)) return read_vector(ly, key, channels, out, err);
    if (!tp_fields_number(&ly->fields, key, fallback, -FLT_MAX, FLT_MAX, &one, err)) return false;
    float *all = tp_arena_floats(&ly->graph->arena, channels);
    *out = all;
    if (!all) return tp_arena_fail(&ly->graph->arena, err);
    for (int c = 0; c < channels; c++) all[c] = one;
    return true;
}

/* Adds input * (or +) one number as the layer itself, or as its hidden `part`. */
static bool add_scalar(const struct tp_layer *ly, enum tp_binary_kind kind, float value, int input,
                       const char *part, int *index, struct tp_err *err)
{
    struct tp_shape ones = { .rank = ly->graph->shapes[input].rank - 1 };
    for (int i = 0; i < ones.rank; i++) ones.dim[i] = 1;
    struct tp_node nd = tp_layer_node(ly, &tp_op_binary);
    int inputs[2] = { input };
    float *number = tp_arena_floats(&ly->graph->arena, 1);
    if (!number) return tp_arena_fail(&ly->graph->arena, err);
    *number = value;
    const char *what = kind == TP_BINARY_MUL ? "scale" : "offset";
    if (!add_constant(ly, what, number, &ones, &inputs[1], err)) return false;
    nd.attr.binary = kind;
    nd.n_inputs = 2;
    nd.inputs = inputs;
    return part ? tp_layer_add_hidden(ly, part, &nd, index, err)
                : tp_layer_add(ly, &nd, index, err);
}

/* Two lone numbers need not know the channels, nor a copy for each of them. */
static bool rescale_all(const struct tp_layer *ly, struct tp_err *err)
{
    float scale, offset;
    int scaled = ly->inputs[0];
    if (!tp_fields_number(&ly->fields, "scale", NAN, -FLT_MAX, FLT_MAX, &scale, err) ||
        !tp_fields_number(&ly->fields, "offset", 0, -FLT_MAX, FLT_MAX, &offset, err))
        return false;
    if (offset == 0) return add_scalar(ly, TP_BINARY_MUL, scale, scaled, NULL, &scaled, err);
    return add_scalar(ly, TP_BINARY_MUL, scale, scaled, "scaled", &scaled, err) &&
           add_scalar(ly, TP_BINARY_ADD, offset, scaled, NULL, &scaled, err);
}

static bool read_rescaling(const struct tp_layer *ly, struct tp_err *err)
{
    const json_t *scale = tp_fields_get(&ly->fields, "scale");
    const json_t *offset = tp_fields_get(&ly->fields, "offset");
    struct tp_node nd = tp_layer_node(ly, &tp_op_affine);
    int channels;
    if ((!scale || json_is_number(scale)) && (!offset || json_is_number(offset)))
        return rescale_all(ly, err);
    return tp_layer_channels(ly, &channels, err) &&
           read_per_channel(ly, "scale", NAN, channels, &nd.scale, err) &&
           read_per_channel(ly, "offset", 0, channels, &nd.shift, err) &&
           tp_layer_add(ly, &nd, NULL, err);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define CONV "filters, kernel_size, strides, padding, dilation_rate"
#define TAIL "activation, use_bias, bias, data_format"
#define POOL "pool_size, strides, padding, data_format"
#define GLOBAL "keepdims, data_format"
#define GRID "output_size, data_format"

enum { MANY = TP_PIPELINE_MAX_INPUTS };

/* api/pipeline.schema.json says the same; test_pipeline_layers.c holds the two together. */
static const struct tp_layer_class classes[] = {
    { "Conv2D", 1, 1, CONV ", groups, kernel, " TAIL, tp_pipeline_conv_2d },
    { "DepthwiseConv2D", 1, 1, "kernel_size, strides, padding, dilation_rate, depth_multiplier, "
      "kernel, depthwise_kernel, " TAIL, tp_pipeline_conv_depthwise },
    { "SeparableConv2D", 1, 1, CONV ", depth_multiplier, depthwise_kernel, pointwise_kernel, " TAIL,
      tp_pipeline_conv_separable },
    { "Dense", 1, 1, "units, activation, use_bias, kernel, bias", tp_pipeline_conv_dense },
    { "BatchNormalization", 1, 1, "axis, epsilon, center, scale, gamma, beta, moving_mean, "
      "moving_variance", read_batch_normalization },
    { "Activation", 1, 1, "activation", read_activation },
    { "ReLU", 1, 1, "max_value, negative_slope, threshold", read_relu },
    { "LeakyReLU", 1, 1, "negative_slope, alpha", read_leaky_relu },
    { "PReLU", 1, 1, "alpha, shared_axes", read_prelu },
    { "Softmax", 1, 1, "axis", read_softmax },
    { "MaxPooling2D", 1, 1, POOL, read_max_pooling2d },
    { "AveragePooling2D", 1, 1, POOL, read_average_pooling2d },
    { "LpPooling2D", 1, 1, "p, " POOL, read_lp_pooling2d },
    { "GlobalMaxPooling2D", 1, 1, GLOBAL, read_global_max },
    { "GlobalAveragePooling2D", 1, 1, GLOBAL, read_global_average },
    { "GlobalSumPooling2D", 1, 1, GLOBAL, read_global_sum },
    { "AdaptiveMaxPooling2D", 1, 1, GRID, read_adaptive_max },
    { "AdaptiveAveragePooling2D", 1, 1, GRID, read_adaptive_average },
    { "Add", 2, MANY, "", read_add },
    { "Subtract", 2, 2, "", read_subtract },
    { "Multiply", 2, MANY, "", read_multiply },
    { "Maximum", 2, MANY, "", read_maximum },
    { "Average", 2, MANY, "", read_average },
    { "Concatenate", 2, MANY, "axis", read_concatenate },
    { "Flatten", 1, 1, "data_format", read_flatten },
    { "Reshape", 1, 1, "target_shape", read_reshape },
    { "Permute", 1, 1, "dims", read_permute },
    { "ZeroPadding2D", 1, 1, "padding, data_format", read_zero_padding2d },
    { "Cropping2D", 1, 1, "cropping, data_format", read_cropping2d },
    { "UpSampling2D", 1, 1, "size, interpolation, data_format", read_up_sampling2d },
    { "Dropout", 1, 1, "rate", read_dropout },
    { "Rescaling", 1, 1, "scale, offset", read_rescaling },
};
enum { N_CLASSES = sizeof classes / sizeof *classes };

const struct tp_layer_class *tp_pipeline_layers_get(int index)
{
    return index < N_CLASSES ? &classes[index] : NULL;
}

const struct tp_layer_class *tp_pipeline_layers_find(const char *type)
{
    for (int i = 0; i < N_CLASSES; i++)
        if (!strcmp(classes[i].type, type)) return &classes[i];
    return NULL;
}

bool tp_pipeline_layers_fail(const char *where, const char *type, struct tp_err *err)
{
    char all[TP_MESSAGE_BYTES];
    size_t n = 0;
    for (int i = 0; i < N_CLASSES && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", classes[i].type);
    return tp_fail(err, TP_INVALID_MODEL, "%.64s: no layer type '%.32s'; there are %s", where, type,
                   all);
}

static bool check_inputs(const struct tp_layer_class *class, const struct tp_layer *ly,
                         struct tp_err *err)
{
    if (ly->n_inputs >= class->min_inputs && ly->n_inputs <= class->max_inputs) return true;
    if (class->min_inputs == class->max_inputs)
        return tp_fail(err, TP_INVALID_MODEL, "%s: %s takes %d input%s, not %d; list them in "
                       "\"inputs\"", ly->name, class->type, class->min_inputs,
                       class->min_inputs > 1 ? "s" : "", ly->n_inputs);
    return tp_fail(err, TP_INVALID_MODEL, "%s: %s takes %d to %d inputs, not %d; list them in "
                   "\"inputs\"", ly->name, class->type, class->min_inputs, class->max_inputs,
                   ly->n_inputs);
}

bool tp_pipeline_layers_read(const struct tp_layer_class *class, const struct tp_layer *ly,
                             struct tp_err *err)
{
    static const char *const formats[] = { "channels_last", NULL };
    int format;
    const struct tp_fields *f = &ly->fields;
    return tp_fields_known(f, class->type, tp_pipeline_layers_common, class->fields, err) &&
           check_inputs(class, ly, err) &&
           tp_fields_choice(f, "data_format", formats, 0, &format, err) && class->read(ly, err);
}
