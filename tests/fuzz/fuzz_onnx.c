/* fuzz_onnx.c - libFuzzer entry: any bytes as an ONNX file and as one tensor; every element that is
 * there is read. Build (clang), with what protoc-c makes of src/formats/onnx.proto in build/gen:
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc -Ibuild/gen \
 *         tests/fuzz/fuzz_onnx.c <libtidepool's sources> build/gen/onnx.pb-c.c -lprotobuf-c -lm
 *   ./a.out -max_len=4096 corpus <folder of small .onnx and .pb files> */
#include <stdlib.h>
#include <string.h>

#include "formats/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void must(bool holds)
{
    if (!holds) abort();
}

static void read_all(const struct tp_net_tensor *t)
{
    must(t->shape.rank <= TP_MAX_RANK && t->n_elements == tp_shape_elements(&t->shape));
    if (!tp_onnx_type_bytes(t->type)) return;
    volatile double sum = 0;
    for (int64_t i = 0; i < t->n_elements; i++) sum = sum + tp_net_element(t, i);
    float *floats = malloc((size_t)t->n_elements * sizeof *floats + 1);
    tp_net_floats(t, floats);
    free(floats);
}

/* Each node follows what it reads, and everything that is read is there. */
static void check_node(const struct tp_net *net, int index)
{
    const struct tp_net_node *nd = &net->nodes[index];
    must(nd->op[0] && strlen(TP_NODE(net, nd)) > 0);
    for (int i = 0; i < nd->n_inputs; i++) {
        if (nd->inputs[i] < 0) continue;
        const struct tp_net_value *v = &net->values[nd->inputs[i]];
        must(v->producer < index);
        must(v->producer >= 0 || v->weight || nd->inputs[i] == net->input);
    }
    for (int i = 0; i < nd->n_outputs; i++)
        must(nd->outputs[i] < 0 || net->values[nd->outputs[i]].producer == index);
    for (int i = 0; i < nd->n_attrs; i++)
        if (nd->attrs[i].kind == TP_ATTR_TENSOR) read_all(&nd->attrs[i].tensor);
}

static void check_net(const struct tp_net *net)
{
    must(net->opset >= 1 && net->opset <= 21 && net->n_nodes > 0 && net->n_outputs > 0);
    for (int i = 0; i < net->n_nodes; i++) check_node(net, i);
    for (int i = 0; i < net->n_values; i++) {
        must(tp_names_find(&net->tensors, net->values[i].name) == i);
        if (net->values[i].weight) read_all(net->values[i].weight);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const struct tp_limits limits = { .max_layers = 64, .max_elements = 1 << 20 };
    struct tp_onnx_files files = { 0 };
    struct tp_err err = { 0 };
    struct tp_net *net;
    struct tp_arena arena;
    struct tp_net_tensor t;
    const char *name;
    const bool is_net = tp_onnx_parse(&net, data, n_bytes, "fuzz", -1, &files, &limits, &err);
    must(is_net == (err.code == TP_OK) && is_net == !err.message[0] && is_net == (net != NULL));
    must(err.code != TP_INTERNAL && err.code != TP_NO_MEMORY);
    if (is_net) check_net(net);
    tp_net_free(net);

    err = (struct tp_err){ 0 };
    tp_arena_init(&arena, 64 << 20);
    const bool is_tensor = tp_onnx_parse_tensor(&t, &name, data, n_bytes, &arena, &err);
    must(is_tensor == (err.code == TP_OK) && is_tensor == !err.message[0]);
    if (is_tensor) read_all(&t);
    tp_arena_fini(&arena);
    return 0;
}
