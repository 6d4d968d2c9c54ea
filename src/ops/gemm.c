/* gemm.c - Gemm, Keras's Dense: a matrix product along the last axis.
 *
 * Source: Keras Dense (input of any rank: tensordot over its last axis). One row reads each weight
 * once and is bound by memory; threads then share out the panels of weights. */
#include "ops/pack.h"
#include "ops/product.h"

#include <inttypes.h>

static bool gemm_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                       struct tp_err *err)
{
    const struct tp_gemm_attr *a = &nd->attr.gemm;
    if (a->units < 1)
        return tp_fail(err, TP_INVALID_MODEL, "%s: units is %d; it must be at least 1", nd->name,
                       a->units);
    if (in->rank < 2)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: %s needs [n, features] or more dimensions; its "
                       "input is %s", nd->name, nd->type, TP_SHAPE(in));
    const int64_t features = in->dim[in->rank - 1];
    if (features != TP_ANY && features != a->in_features)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: kernel is for %d features, but the last "
                       "dimension of its input %s is %" PRId64, nd->name, a->in_features,
                       TP_SHAPE(in), features);
    *out = *in;
    out->dim[in->rank - 1] = a->units;
    return true;
}

static bool gemm_prepare(struct tp_node *nd, const struct tp_shape *out,
                         const struct tp_kernels *k, struct tp_arena *arena, struct tp_err *err)
{
    (void)out;
    struct tp_gemm_attr *a = &nd->attr.gemm;
    if (a->packed) return true;                  /* straight from a file */
    const struct tp_pack_source w = { a->kernel, .channel = a->units, .column = 1 };
    return tp_pack_gemm(&a->packed, &w, a->in_features, a->units, nd->name, k, arena, 1, err);
}

static void gemm_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct tp_node *nd = st->node;
    const struct tp_gemm_attr *a = &nd->attr.gemm;
    const struct tp_product product = {
        .rows = { tp_shape_span(&st->out, 0, st->out.rank - 1), 1, 1 },
        .step = { a->in_features },
        .seg = (const ptrdiff_t[1]){ 0 }, .n_seg = 1, .seg_len = a->in_features,
        .groups = 1, .columns = a->units, .packed = a->packed,
    };
    const float *residual = nd->residual ? io->in[nd->n_inputs - 1] : NULL;
    tp_product_run(&product, nd, st->k, io->in[0], io->out, residual, io->n_threads);
}

static int64_t gemm_macs(const struct tp_node *nd, const struct tp_shape *in,
                         const struct tp_shape *out)
{
    struct tp_shape factors = *out;
    (void)in;
    factors.dim[0] = nd->attr.gemm.in_features;
    const int64_t n = tp_shape_elements(&factors);
    return n < TP_ANY ? INT64_MAX : n;
}

const struct tp_op tp_op_gemm = {
    .name = "Gemm", .shape = gemm_shape, .prepare = gemm_prepare, .run = gemm_run,
    .macs = gemm_macs,
    .fuses_affine = true, .fuses_act = true, .fuses_residual = true,
};
