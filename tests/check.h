/* check.h - what all unit tests share: cmocka, guard pages, reproducible data, tolerant
 * comparison. */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernels/kernels.h"
#include "ops/op.h"

/* n bytes that end (to the byte) where an unmapped page begins: reading or writing past them is a
 * crash. Filled with 0xFF (NaN as floats). Release with guarded_free(). */
void *guarded(size_t n_bytes);
void guarded_free(void *p);

/* n guarded floats, uniform in [-1, 1), the same for the same seed. */
float *guarded_random(int64_t n, uint32_t seed);

uint32_t next_random(uint32_t *state);

/* Fails the test, naming `what` and the element, unless |got - want| <= tolerance * max(1, largest
 * |want|) for all n elements (NaN equals NaN, infinities equal themselves). */
void check_near(const char *what, const float *got, const double *want, int64_t n,
                double tolerance);

/* One run on one table with one number of threads; the result is the caller's, guarded. */
float *check_node_once(const struct tp_node *node, const struct tp_kernels *k,
                       const struct tp_shape *in, float *const *inputs, const struct tp_shape *out,
                       int n_threads);

/* Runs one node on every table of kernels that this processor has, with 1, 3 and 4 threads, inputs
 * and outputs against guard pages, and holds the result against ref_node(): within `tolerance`, and
 * the same bits for every number of threads. `nd->inputs` may be NULL; prepare() and plan() are
 * called as a graph would. inputs[i] has shape in[i]. */
void check_node(const struct tp_node *nd, const struct tp_shape *in, float *const *inputs,
                double tolerance);

/* The same for operators that the judge does not know: `want` is the result, in doubles. */
void check_node_against(const struct tp_node *nd, const struct tp_shape *in, float *const *inputs,
                        const double *want, double tolerance);

/* The same as check_node() with random inputs made here. */
void check_node_random(const struct tp_node *nd, const struct tp_shape *in, double tolerance);

/* Expects that nd->op->shape() fails for `in` with a message that contains `part`. */
void check_node_refused(const struct tp_node *nd, const struct tp_shape *in, const char *part);

#endif
