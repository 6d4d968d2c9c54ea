/* product.h - a matrix product in tiles over threads: what convolution and Dense are made of. */
#ifndef TP_PRODUCT_H
#define TP_PRODUCT_H

#include "ops/op.h"

/* out[row][column] = sum_k in(row, k) * weights[k][column], then the node's epilogue. A row is an
 * output pixel; row (i2, i1, i0), i0 fastest, reads its k from the floats that `seg` names, counted
 * from in + i0 * step[0] + i1 * step[1] + i2 * step[2]. Group g reads g * seg_len floats further on
 * and makes the columns from g * columns on. */
struct tp_product {
    int64_t rows[3];                 /* along width, height and batch */
    ptrdiff_t step[3];               /* floats from one row's input to its neighbour's */
    const ptrdiff_t *seg;            /* [n_seg] */
    int n_seg, seg_len;
    int groups, columns;             /* columns of one group */
    ptrdiff_t out_step;              /* from one output row to the next; 0: there is nothing between
                                        them */
    const float *packed;             /* panels [group][panel][depth][nr]: see pack.h */
};

/* Computes all rows into out; residual: [rows, groups * columns], NULL for none. */
void tp_product_run(const struct tp_product *p, const struct tp_node *nd,
                    const struct tp_kernels *k, const float *in, float *out, const float *residual,
                    int n_threads);

#endif
