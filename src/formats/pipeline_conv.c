/* pipeline_conv.c - the layers that multiply by a kernel. */
#include "formats/pipeline_conv.h"

/* The bias, unless "use_bias" is false; counts it. */
static bool read_bias(const struct tp_layer *ly, struct tp_node *nd, int n, struct tp_err *err)
{
    bool use_bias;
    if (!tp_fields_bool(&ly->fields, "use_bias", true, &use_bias, err)) return false;
    if (!use_bias && tp_fields_get(&ly->fields, "bias"))
        return tp_fail(err, TP_INVALID_MODEL, "%s: bias is given although use_bias is false; take "
                       "one of them out", ly->name);
    if (!use_bias) return true;
    if (!tp_fields_get(&ly->fields, "bias"))
        return tp_fail(err, TP_INVALID_MODEL, "%s: bias is missing; expected [%d] numbers, or "
                       "\"use_bias\": false", ly->name, n);
    nd->n_parameters += n;
    const struct tp_shape shape = { .rank = 1, .dim = { n } };
    return tp_pipeline_weights_read(&ly->weights, &ly->fields, "bias", &shape,
                                    "one per output channel", &nd->shift, err);
}

static bool read_conv_window(const struct tp_layer *ly, struct tp_window *w, struct tp_err *err)
{
    const struct tp_fields *f = &ly->fields;
    return tp_fields_pair(f, "kernel_size", TP_REQUIRED, 1, TP_FIELDS_MAX_SIDE, w->kernel, err) &&
           tp_fields_pair(f, "strides", 1, 1, TP_FIELDS_MAX_SIDE, w->strides, err) &&
           tp_fields_pair(f, "dilation_rate", 1, 1, TP_FIELDS_MAX_SIDE, w->dilations, err) &&
           tp_fields_padding(f, w, err);
}

bool tp_pipeline_conv_2d(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_conv);
    struct tp_conv_attr *a = &nd.attr.conv;
    if (!tp_fields_int(&ly->fields, "filters", TP_REQUIRED, 1, TP_MAX_CHANNELS, &a->filters, err) ||
        !tp_fields_int(&ly->fields, "groups", 1, 1, TP_MAX_CHANNELS, &a->groups, err) ||
        !read_conv_window(ly, &a->window, err) ||
        !tp_layer_map_channels(ly, &a->in_channels, err))
        return false;
    if (a->in_channels % a->groups || a->filters % a->groups)
        return tp_fail(err, TP_INVALID_MODEL, "%s: groups is %d; it must divide the %d input "
                       "channels and the %d filters", ly->name, a->groups, a->in_channels,
                       a->filters);
    const struct tp_shape shape = TP_SHAPE4(a->window.kernel[0], a->window.kernel[1],
                                            a->in_channels / a->groups, a->filters);
    if (!tp_pipeline_weights_read(&ly->weights, &ly->fields, "kernel", &shape,
                         "kernel height, width, input channels / groups, filters", &a->kernel, err))
        return false;
    nd.n_parameters = tp_shape_elements(&shape);
    return read_bias(ly, &nd, a->filters, err) && tp_layer_add_activated(ly, &nd, err);
}

/* A depthwise convolution is one of as many groups as there are channels: its kernel [kh, kw,
 * channels, multiplier] has the same bytes as [kh, kw, 1, channels * multiplier]. */
static bool read_depthwise(const struct tp_layer *ly, const char *key, struct tp_node *nd,
                           struct tp_err *err)
{
    struct tp_conv_attr *a = &nd->attr.conv;
    int multiplier, channels;
    if (!tp_fields_int(&ly->fields, "depth_multiplier", 1, 1, TP_MAX_CHANNELS, &multiplier, err) ||
        !read_conv_window(ly, &a->window, err) || !tp_layer_map_channels(ly, &channels, err))
        return false;
    if ((int64_t)channels * multiplier > TP_MAX_CHANNELS)
        return tp_fail(err, TP_TOO_LARGE, "%s: %d channels times depth_multiplier %d is more than "
                       "%d channels", ly->name, channels, multiplier, TP_MAX_CHANNELS);
    a->in_channels = a->groups = channels;
    a->filters = channels * multiplier;
    const struct tp_shape shape =
        TP_SHAPE4(a->window.kernel[0], a->window.kernel[1], channels, multiplier);
    nd->n_parameters = tp_shape_elements(&shape);
    return tp_pipeline_weights_read(&ly->weights, &ly->fields, key, &shape,
                           "kernel height, width, input channels, depth multiplier", &a->kernel,
                           err);
}

bool tp_pipeline_conv_depthwise(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_conv);
    bool older = tp_fields_get(&ly->fields, "depthwise_kernel");
    if (older && tp_fields_get(&ly->fields, "kernel"))
        return tp_fail(err, TP_INVALID_MODEL, "%s: kernel and depthwise_kernel are two names of "
                       "one thing; give one of them", ly->name);
    return read_depthwise(ly, older ? "depthwise_kernel" : "kernel", &nd, err) &&
           read_bias(ly, &nd, nd.attr.conv.filters, err) && tp_layer_add_activated(ly, &nd, err);
}

bool tp_pipeline_conv_separable(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node depthwise = tp_layer_node(ly, &tp_op_conv), nd = depthwise;
    struct tp_conv_attr *a = &nd.attr.conv;
    int inner;
    if (!tp_fields_int(&ly->fields, "filters", TP_REQUIRED, 1, TP_MAX_CHANNELS, &a->filters, err) ||
        !read_depthwise(ly, "depthwise_kernel", &depthwise, err))
        return false;
    a->window = (struct tp_window){ { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, false };
    a->groups = 1;
    a->in_channels = depthwise.attr.conv.filters;
    const struct tp_shape shape = TP_SHAPE4(1, 1, a->in_channels, a->filters);
    nd.n_parameters = depthwise.n_parameters + tp_shape_elements(&shape);
    nd.inputs = &inner;
    return tp_pipeline_weights_read(&ly->weights, &ly->fields, "pointwise_kernel", &shape,
                           "1, 1, input channels * depth multiplier, filters", &a->kernel, err) &&
           read_bias(ly, &nd, a->filters, err) &&
           tp_layer_add_hidden(ly, "depthwise", &depthwise, &inner, err) &&
           tp_layer_add_activated(ly, &nd, err);
}

bool tp_pipeline_conv_dense(const struct tp_layer *ly, struct tp_err *err)
{
    struct tp_node nd = tp_layer_node(ly, &tp_op_gemm);
    struct tp_gemm_attr *a = &nd.attr.gemm;
    if (!tp_fields_int(&ly->fields, "units", TP_REQUIRED, 1, TP_MAX_CHANNELS, &a->units, err) ||
        !tp_layer_channels(ly, &a->in_features, err))
        return false;
    const struct tp_shape shape = TP_SHAPE2(a->in_features, a->units);
    nd.n_parameters = tp_shape_elements(&shape);
    return tp_pipeline_weights_read(&ly->weights, &ly->fields, "kernel", &shape,
                                    "input features, units", &a->kernel, err) &&
           read_bias(ly, &nd, a->units, err) && tp_layer_add_activated(ly, &nd, err);
}
