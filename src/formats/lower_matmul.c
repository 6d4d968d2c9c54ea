/* lower_matmul.c - Gemm and MatMul: a product with weights along the last axis, or of two
 * values. */
#include "formats/lowering.h"
#include "ops/pack.h"

#include <string.h>

/* Weights [in, units] (turned: [units, in]), packed now or found in the net. */
static const float *packed_weights(struct tp_lowering *l, struct tp_lowered *v, bool turned)
{
    const int64_t rows = v->shape.dim[0], columns = v->shape.dim[1];
    const bool lasts = l->first && v->fixed;
    if (l->nd->packed) return l->nd->packed->data;
    const bool raw = v->tensor && v->tensor->data && v->type == TP_ONNX_FLOAT;
    const void *data = raw ? v->tensor->data : tp_low_floats(l, v);
    if (!data) return NULL;
    struct tp_arena *arena = lasts ? &l->net->arena : &l->graph->arena;
    const struct tp_pack_source w = {
        data, .channel = turned ? 1 : columns, .column = turned ? columns : 1,
    };
    struct tp_conv_packed *kept = tp_arena_zalloc(arena, 1, sizeof *kept);
    if (!kept) {
        tp_low_no_memory(l);
        return NULL;
    }
    struct tp_err err = { 0 };
    if (!tp_pack_gemm(&kept->data, &w, (int)(turned ? columns : rows),
                      (int)(turned ? rows : columns), l->label, tp_kernels_get(), arena,
                      l->limits->max_threads, &err)) {
        tp_low_no_memory(l);
        return NULL;
    }
    if (lasts) l->nd->packed = kept;
    if (lasts && raw) l->net->values[v - l->values].n_packed++;
    return kept->data;
}

/* Node `from`, whose last axis in memory is the one to be summed over, times the weights. */
static int dense(struct tp_lowering *l, int from, struct tp_lowered *weights, bool turned,
                 const float *scale, const float *shift)
{
    const int64_t rows = weights->shape.dim[0], columns = weights->shape.dim[1];
    if (rows < 1 || columns < 1 || rows > INT32_MAX || columns > INT32_MAX) {
        tp_low_fail(l, TP_INVALID_SHAPE, "its weights are %s", TP_SHAPE(&weights->shape));
        return -1;
    }
    struct tp_node nd = { .scale = scale, .shift = shift };
    nd.attr.gemm.in_features = (int)(turned ? columns : rows);
    nd.attr.gemm.units = (int)(turned ? rows : columns);
    nd.attr.gemm.packed = packed_weights(l, weights, turned);
    if (!nd.attr.gemm.packed) return -1;
    return tp_low_add(l, &tp_op_gemm, &nd, &from, 1);
}

static int times(struct tp_lowering *l, int node, float factor)
{
    return tp_low_binary(l, TP_BINARY_MUL, node, tp_low_scalar(l, factor), TP_ACT_LINEAR);
}

static const float *filled(struct tp_lowering *l, int64_t n, float value)
{
    float *p = tp_low_room(l, n, sizeof *p);
    for (int64_t i = 0; p && i < n; i++) p[i] = value;
    return p;
}

/* beta * c where c is one number per unit, or one for all; NULL without error where it is not. */
static const float *bias_of(struct tp_lowering *l, struct tp_lowered *c, int64_t units, float beta)
{
    const int64_t n = tp_shape_elements(&c->shape);
    const bool per_unit = c->shape.rank && c->shape.dim[c->shape.rank - 1] == units && n == units;
    if (!c->constant || (!per_unit && n != 1)) return NULL;
    const float *values = tp_low_floats(l, c);
    if (beta == 1 && per_unit) return values;
    float *p = values ? tp_low_room(l, units, sizeof *p) : NULL;
    for (int64_t i = 0; p && i < units; i++) p[i] = beta * values[n == 1 ? 0 : i];
    return p;
}

bool tp_lower_gemm(struct tp_lowering *l)
{
    static const int swap[2] = { 1, 0 };
    struct tp_lowered *a = tp_low_in(l, 0), *b = tp_low_in(l, 1), *c = tp_low_in(l, 2), turned;
    const float alpha = tp_low_float(l, "alpha", 1), beta = tp_low_float(l, "beta", 1);
    const bool turn_b = tp_low_int(l, "transB", 0) != 0;
    int node;
    if (a->shape.rank != 2 || b->shape.rank != 2)
        return tp_low_fail(l, TP_INVALID_SHAPE, "it needs two matrices; it has %s and %s",
                           TP_SHAPE(&a->shape), TP_SHAPE(&b->shape));
    if (tp_low_int(l, "transA", 0)) {
        if (!tp_low_transpose(l, a, swap, &turned)) return false;
        a = &turned;
    }
    const int64_t units = b->shape.dim[turn_b ? 0 : 1], depth = b->shape.dim[turn_b ? 1 : 0];
    if (a->shape.dim[1] != depth)
        return tp_low_fail(l, TP_INVALID_SHAPE, "its matrices are %s and %s%s; the inner sizes "
                           "differ", TP_SHAPE(&a->shape), TP_SHAPE(&b->shape),
                           turn_b ? ", the second transposed" : "");
    const float *shift = c ? bias_of(l, c, units, beta) : NULL;
    if (l->err->code != TP_OK) return false;
    if (b->constant) {
        const float *scale = alpha != 1 ? filled(l, units, alpha) : NULL;
        if (alpha != 1 && !scale) return false;
        node = dense(l, tp_low_node(l, a, 2, NULL), b, turn_b, scale, shift);
        if (shift) c = NULL;
    } else {
        struct tp_lowered right = *b;
        if (turn_b && !tp_low_transpose(l, b, swap, &right)) return false;
        const int inputs[2] = { tp_low_node(l, a, 2, NULL), tp_low_node(l, &right, 2, NULL) };
        node = tp_low_add(l, &tp_op_matmul, NULL, inputs, 2);
        if (alpha != 1) node = times(l, node, alpha);
    }
    if (c) {
        int sum = tp_low_node(l, c, 2, NULL);
        if (beta != 1) sum = times(l, sum, beta);
        node = tp_low_binary(l, TP_BINARY_ADD, node, sum, TP_ACT_LINEAR);
    }
    return tp_low_out(l, 0, node, NULL, a->type);
}

/* Two values, or a constant on the left: NumPy's rules, vectors becoming matrices. */
static bool matmul(struct tp_lowering *l, struct tp_lowered *a, struct tp_lowered *b)
{
    const int a_rank = a->shape.rank, b_rank = b->shape.rank;
    int left = tp_low_node(l, a, a_rank, NULL), right = tp_low_node(l, b, b_rank, NULL);
    if (a_rank == 1) left = tp_low_view(l, left, &TP_SHAPE2(1, a->shape.dim[0]));
    if (b_rank == 1) right = tp_low_view(l, right, &TP_SHAPE2(b->shape.dim[0], 1));
    const int inputs[2] = { left, right };
    const int node = tp_low_add(l, &tp_op_matmul, NULL, inputs, 2);
    if (node < 0) return false;
    const struct tp_shape *all = tp_low_shape(l, node);
    struct tp_shape s = { .rank = 0 };
    for (int i = 0; i < all->rank; i++)
        if (!(i == all->rank - 2 && a_rank == 1) && !(i == all->rank - 1 && b_rank == 1))
            s.dim[s.rank++] = all->dim[i];
    return tp_low_out(l, 0, tp_low_view(l, node, &s), NULL, a->type);
}

bool tp_lower_matmul(struct tp_lowering *l)
{
    struct tp_lowered *a = tp_low_in(l, 0), *b = tp_low_in(l, 1);
    int perm[TP_MAX_RANK];
    if (!a->shape.rank || !b->shape.rank)
        return tp_low_fail(l, TP_INVALID_SHAPE, "it needs two inputs with axes");
    const int rank = a->shape.rank;
    if (a->constant || !b->constant || b->shape.rank != 2 || rank < 2) return matmul(l, a, b);
    if (a->shape.dim[rank - 1] != b->shape.dim[0])
        return tp_low_fail(l, TP_INVALID_SHAPE, "its inputs are %s and %s; the inner sizes differ",
                           TP_SHAPE(&a->shape), TP_SHAPE(&b->shape));
    int n = 0;                       /* the last axis goes last, the others as they lie */
    for (int k = 0; k < rank; k++) if (a->perm[k] != rank - 1) perm[n++] = a->perm[k];
    perm[n] = rank - 1;
    return tp_low_out(l, 0, dense(l, tp_low_node(l, a, rank, perm), b, false, NULL, NULL), perm,
                      a->type);
}
