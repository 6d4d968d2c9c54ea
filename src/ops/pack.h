/* pack.h - weights, as they lie in a file or an array, into the panels that products read. */
#ifndef TP_PACK_H
#define TP_PACK_H

#include "ops/op.h"

/* Where the weights of a product lie: floats of any alignment. Steps count floats from one to the
 * next and may be negative. */
struct tp_pack_source {
    const void *data;                /* group 0, tap 0, channel 0, column 0 */
    ptrdiff_t group, tap, channel, column;
};

/* The kernels of convolutions; sizes and groups are those of `a`: its window.kernel[], groups,
 * filters and in_channels must be set and fit together. */
struct tp_pack_source tp_pack_hwio(const void *data, const struct tp_conv_attr *a);   /* Keras:
                                        [kh, kw, in_channels / groups, filters] */
struct tp_pack_source tp_pack_oihw(const void *data, const struct tp_conv_attr *a);   /* ONNX Conv:
                                        [filters, in_channels / groups, kh, kw] */
struct tp_pack_source tp_pack_turned(const void *data, const struct tp_conv_attr *a); /* ONNX
                                        ConvTranspose: [in_channels, filters / groups, kh, kw],
                                        turned by 180 degrees: the kernel of the convolution over
                                        the map with zeros between its pixels */

/* Makes a Conv's `packed`, which is the arena's; w may be released afterwards. `form` must suit the
 * convolution (see tp_winograd_choose(); TP_CONV_DIRECT always does). `name` starts the messages.
 * Fails when the sizes overflow or the arena is full.
 *
 * Winograd's planes lie [panel][plane][channel][nr], so that all of a panel is one stream. */
bool tp_pack_conv(struct tp_conv_packed *packed, enum tp_conv_form form,
                  const struct tp_pack_source *w, const struct tp_conv_attr *a, const char *name,
                  const struct tp_kernels *k, struct tp_arena *arena, int n_threads,
                  struct tp_err *err) TP_MUST_USE;

/* Likewise a Gemm's: w.channel leads along the inputs, w.column along the units. [in, out]:
 * { data, .channel = out, .column = 1 }; [out, in]: { data, .channel = 1, .column = in }. */
bool tp_pack_gemm(const float **packed, const struct tp_pack_source *w, int in_features, int units,
                  const char *name, const struct tp_kernels *k, struct tp_arena *arena,
                  int n_threads, struct tp_err *err) TP_MUST_USE;

#endif
