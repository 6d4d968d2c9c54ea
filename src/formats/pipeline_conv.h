/* pipeline_conv.h - the layers that multiply by a kernel and add a bias: Conv2D, DepthwiseConv2D,
 * SeparableConv2D, Dense. Readers as in struct tp_layer_class. */
#ifndef TP_PIPELINE_CONV_H
#define TP_PIPELINE_CONV_H

#include "formats/layer.h"

bool tp_pipeline_conv_2d(const struct tp_layer *ly, struct tp_err *err) TP_MUST_USE;
bool tp_pipeline_conv_depthwise(const struct tp_layer *ly, struct tp_err *err) TP_MUST_USE;

/* A hidden depthwise convolution "<name>/depthwise", then a 1x1 convolution. */
bool tp_pipeline_conv_separable(const struct tp_layer *ly, struct tp_err *err) TP_MUST_USE;
bool tp_pipeline_conv_dense(const struct tp_layer *ly, struct tp_err *err) TP_MUST_USE;

#endif
