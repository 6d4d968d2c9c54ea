/* fuzz_model.c - libFuzzer entry: any bytes as an ONNX file that becomes a model, is tried, and is
 * asked for layers in another size, pooled. Build (clang), with what protoc-c makes of
 * src/formats/onnx.proto in build/gen:
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc -Ibuild/gen \
 *         tests/fuzz/fuzz_model.c tests/fuzz/mutate_onnx.c <libtidepool's sources and kernels> \
 *         build/gen/onnx.pb-c.c -lprotobuf-c -lm <image and JSON libraries>
 *   ASAN_OPTIONS=detect_stack_use_after_return=0 ./a.out -timeout=20 -rss_limit_mb=1500 \
 *         -max_len=8192 corpus <folder of small .onnx files> */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "formats/model.h"
#include "formats/onnx.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { ASKED_LAYERS = 4 };

static const struct tp_limits limits = {
    .max_body_bytes = 1 << 20, .max_elements = 1 << 18, .max_batch = 4, .max_layers = 8,
    .max_workspace_bytes = 32 << 20, .max_operations = 1 << 24, .max_output_bytes = 8 << 20,
};

static void check(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}
#define must(holds) check(holds, #holds)

/* What failed says why, and is neither our fault nor the machine's. */
static void check_refused(const struct tp_err *err)
{
    if (err->code != TP_OK && err->message[0] && err->code != TP_INTERNAL &&
        err->code != TP_NO_MEMORY) return;
    fprintf(stderr, "refused with code %d: %s\n", (int)err->code, err->message);
    abort();
}

static void run(const struct tp_plan *plan)
{
    const int64_t n = tp_shape_elements(tp_plan_input_shape(plan));
    const size_t n_bytes = tp_plan_workspace_bytes(plan);
    const int n_outputs = tp_plan_n_outputs(plan);
    float *input = malloc((size_t)n * sizeof *input), *outputs[2 * ASKED_LAYERS];
    void *workspace = tp_pages_alloc(n_bytes);
    must(input && workspace && n_outputs <= 2 * ASKED_LAYERS);
    for (int64_t i = 0; i < n; i++) input[i] = (float)(i % 7) - 2;
    for (int i = 0; i < n_outputs; i++) {
        const struct tp_shape s = tp_plan_output_shape(plan, i);
        outputs[i] = malloc((size_t)tp_shape_elements(&s) * sizeof **outputs);
    }
    tp_plan_run(plan, input, outputs, workspace, 1);
    for (int i = 0; i < n_outputs; i++) free(outputs[i]);
    tp_pages_free(workspace, n_bytes);
    free(input);
}

/* Another size than the model was tried in, two images where the file lets them. */
static struct tp_shape another_size(const struct tp_model *m, unsigned seed)
{
    struct tp_shape s = m->input;
    for (int i = 0; i < s.rank; i++) {
        if (s.dim[i] != TP_ANY) continue;
        s.dim[i] = i == 0 ? 1 + seed % 2 : i == 3 ? 3 : 5 + seed % 11;
    }
    return s;
}

static struct tp_pooling some_pooling(unsigned seed)
{
    static const struct tp_window window = { { 2, 3 }, { 2, 1 }, { 1, 2 }, { 0 }, TP_PADDING_SAME,
                                             false };
    static const float boxes[] = { 0, 0, 4, 3, -1, 2, 9, 90 };
    struct tp_pooling p = {
        .kind = (enum tp_pool_kind)(seed % (TP_POOL_STD + 1)), .p = 3, .window = window,
        .form = (enum tp_pool_form)(seed / 8 % (TP_POOL_ROIS + 1)), .grid = { 2, 3 },
        .n_levels = 2, .levels = { 1, 3 }, .boxes = boxes, .n_boxes = 2,
    };
    return p;
}

/* A few of its layers, each pooled another way. */
static void ask(const struct tp_model *m, unsigned seed)
{
    const struct tp_shape input = another_size(m, seed);
    const int n_layers = tp_model_n_layers(m);
    for (int i = 0; i < ASKED_LAYERS && n_layers; i++) {
        const struct tp_layer_info info = tp_model_layer(m, (int)((seed + 7u * (unsigned)i) %
                                                                  (unsigned)n_layers));
        const struct tp_tap tap = {
            .layer = info.name, .pooling = some_pooling(seed / 3 + 13u * (unsigned)i),
            .channels_first = seed & 1, .normalize = seed & 2, .argmax = !(seed % 5) && i == 1,
        };
        struct tp_err err = { 0 };
        struct tp_plan *plan;
        must((info.why != NULL) == (info.shape.rank < 0));
        if (!tp_plan_new(&plan, m, &input, &tap, 1, &limits, &err)) {
            check_refused(&err);
            continue;
        }
        run(plan);
        tp_plan_free(plan);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct tp_err err = { 0 };
    (void)argc;
    (void)argv;
    must(tp_init(&err));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct tp_onnx_files files = { 0 };
    struct tp_err err = { 0 };
    struct tp_net *net;
    struct tp_model *m;
    unsigned seed = 17;
    for (size_t i = 0; i < n_bytes; i++) seed = seed * 31 + data[i];
    uint8_t *file = malloc(n_bytes + 1);             /* gone, as in the service, when it is asked */
    must(file != NULL);
    if (n_bytes) memcpy(file, data, n_bytes);
    const bool is_net = tp_onnx_parse(&net, file, n_bytes, "fuzz", -1, &files, &limits, &err);
    const bool is_model = is_net && tp_model_new_net(&m, net, &limits, &err);
    free(file);
    if (!is_model) {
        check_refused(&err);
        return 0;
    }
    if (!tp_model_try(m, &limits, &err)) check_refused(&err);
    ask(m, seed >> 4);
    tp_model_free(m);
    return 0;
}
