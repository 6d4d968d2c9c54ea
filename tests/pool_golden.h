/* pool_golden.h - PyTorch's answers, and the maps that they are of. */
#ifndef POOL_GOLDEN_H
#define POOL_GOLDEN_H

#include "check.h"
#include "data/pool/goldens.h"

enum { WINDOW_SEED = 1, GRID_SEED = 100, ROI_SEED = 200, N_SPECIAL = 8 };

static inline struct tp_shape golden_shape(const int dim[4])
{
    return TP_SHAPE4(dim[0], dim[1], dim[2], dim[3]);
}

/* The map of golden `seed`, with its special values. The caller's to guarded_free(). */
static inline float *golden_map(const int dim[4], uint32_t seed, const struct special *special)
{
    float *map = guarded_random((int64_t)dim[0] * dim[1] * dim[2] * dim[3], seed);
    for (int i = 0; i < N_SPECIAL; i++)
        if (special[i].value != 0) map[special[i].at] = special[i].value;
    return map;
}

/* Runs nd like check_node(), against floats. */
static inline void check_golden(const struct tp_node *nd, const struct tp_shape *in,
                                float *const *inputs, const float *want, double tolerance)
{
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd->op->shape(nd, in, &out, &err));
    const int64_t n = tp_shape_elements(&out);
    double *wide = test_malloc((size_t)n * sizeof *wide);
    for (int64_t i = 0; i < n; i++) wide[i] = (double)want[i];
    check_node_against(nd, in, inputs, wide, tolerance);
    test_free(wide);
}

#endif
