/* fuzz_pipeline.c - any bytes as a pipeline: refused with a message, or a graph.
 * clang -fsanitize=fuzzer,address,undefined; seeds: tests/data/pipelines. */
#include <stdlib.h>

#include "formats/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const struct tp_limits limits = {
        .max_body_bytes = 1 << 20, .max_elements = 1 << 20, .max_layers = 256,
    };
    struct tp_graph *g;
    struct tp_err err = { 0 };
    bool ok = tp_pipeline_parse(&g, (const char *)data, n_bytes, "fuzz", NULL, &limits, &err);
    if (ok != (g != NULL) || ok != (err.code == TP_OK)) abort();
    tp_graph_free(g);
    return 0;
}
