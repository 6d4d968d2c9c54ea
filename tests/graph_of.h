/* graph_of.h - for tests of pipelines: a graph from the text of a few layers, what it computes. */
#ifndef GRAPH_OF_H
#define GRAPH_OF_H

#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/pipeline.h"
#include "ref.h"

static const struct tp_limits test_limits = {
    .max_body_bytes = 8 << 20, .max_elements = 1 << 24, .max_layers = 4096,
};

/* Reads {"input": {"shape": shape}, "layers": [layers]}; false with *err filled. */
static inline bool try_graph(struct tp_graph **g, const char *shape, const char *layers,
                             const struct tp_weight_source *weights, struct tp_err *err)
{
    struct tp_buf b = { 0 };
    tp_buf_printf(&b, "{\"input\": {\"shape\": %s}, \"layers\": [%s]}", shape, layers);
    bool ok = tp_pipeline_parse(g, b.data, b.n_bytes, "test", weights, &test_limits, err);
    tp_buf_fini(&b);
    return ok;
}

static inline struct tp_graph *graph_of(const char *shape, const char *layers)
{
    struct tp_graph *g;
    struct tp_err err = { 0 };
    if (!try_graph(&g, shape, layers, NULL, &err)) fail_msg("%s", err.message);
    return g;
}

static inline void check_refused(const char *shape, const char *layers, const char *part)
{
    struct tp_graph *g;
    struct tp_err err = { 0 };
    if (try_graph(&g, shape, layers, NULL, &err)) fail_msg("accepted: %s", layers);
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
}

/* Runs the layers on one input of shape [1, sizes of `shape`] in double precision and compares what
 * `layer` gives with `want`. */
static inline void check_values(const char *shape, const char *layers, const char *layer,
                                const float *input, const double *want, int64_t n_want)
{
    struct tp_graph *g = graph_of(shape, layers);
    struct tp_shape in = g->shapes[0], out;
    int index = tp_graph_find(g, layer);
    if (index < 0) fail_msg("no layer %s", layer);
    in.dim[0] = 1;
    double *got = ref_graph(g, &in, input, index, &out);
    assert_int_equal(tp_shape_elements(&out), n_want);
    for (int64_t i = 0; i < n_want; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-6 * (1 + fabs(want[i]))))
            fail_msg("%s: element %lld is %.9g, expected %.9g", layer, (long long)i,
                     got[i], want[i]);
    free(got);
    tp_graph_free(g);
}

#define FLOATS(...) ((const float[]){ __VA_ARGS__ })
#define DOUBLES(...) ((const double[]){ __VA_ARGS__ })

#endif
