/* fuzz_json.c - libFuzzer entry: any text as a JSON document, every span converted. Some are also
 * read as a large array in which the text is over and over, whole and in parts, by every table. The
 * tables (table.base.o, ...) are compiled as the Makefile does it, by clang with the sanitizers.
 *
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Isrc -D_GNU_SOURCE
 *     tests/fuzz/fuzz_json.c src/formats/json*.c src/formats/float*.c src/base/*.c
 *     src/ops/parallel.c src/kernels/dispatch.c table.*.o -ljansson -lm -lpthread */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/floats.h"
#include "formats/json.h"
#include "kernels/kernels.h"
#include "ops/parallel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) abort();
}

/* What the door says about v holds; its floats are what writing and reading again gives. */
static void use(const struct tp_json *doc, const json_t *v, struct tp_arena *arena)
{
    struct tp_err err = { 0 };
    struct tp_shape shape;
    int64_t ints[8];
    int n;
    must(tp_json_kind(doc, v) != NULL);
    if (tp_json_ints(doc, v, "ints", ints, 8, &n, &err)) must(n >= 0 && n <= 8);
    const struct tp_json_span *span = tp_json_span(doc, v);
    float *x = span ? tp_arena_floats(arena, tp_json_span_count(span)) : NULL;
    err.code = TP_OK;
    if (!x || !tp_json_span_floats(doc, span, "floats", x, &err)) return;
    if (!tp_json_span_shape(doc, span, "shape", &shape, &err)) return;
    must(tp_shape_elements(&shape) == tp_json_span_count(span));

    struct tp_buf b = { 0 };
    struct tp_json again;
    const struct tp_tensor t = { shape, x };
    tp_floats_write(&b, &t, true, 0, 1);
    must(tp_json_parse(&again, b.data, b.n_bytes, arena, "again", 1, &err));
    float *y = tp_arena_floats(arena, tp_json_span_count(again.spans));
    must(!y || tp_json_span_floats(&again, again.spans, "again", y, &err));
    must(!y || !memcmp(x, y, (size_t)tp_shape_elements(&shape) * sizeof *x));
    tp_json_fini(&again);
    tp_buf_fini(&b);
}

/* What becomes of a text: the message, or the sum of its first array's bits. */
struct fate { char message[TP_MESSAGE_BYTES]; uint64_t sum; int64_t n; };

static struct fate fate_of(const char *text, size_t n_bytes, int n_threads)
{
    struct fate fate = { .n = 0 };
    struct tp_json doc;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 64 << 20);
    const struct tp_json_span *span = NULL;
    if (tp_json_parse(&doc, text, n_bytes, &arena, "text", n_threads, &err))
        span = tp_json_span(&doc, doc.root);
    if (span) {
        fate.n = tp_json_span_count(span);
        uint32_t *x = tp_arena_alloc(&arena, (size_t)fate.n * sizeof *x);
        struct tp_shape shape;
        if (x && tp_json_span_shape(&doc, span, "shape", &shape, &err) &&
            tp_json_span_floats(&doc, span, "floats", (float *)x, &err))
            for (int64_t i = 0; i < fate.n; i++) fate.sum = fate.sum * 31 + x[i];
    }
    memcpy(fate.message, err.message, sizeof fate.message);
    tp_json_fini(&doc);
    tp_arena_fini(&arena);
    return fate;
}

/* The same, however it is read. */
static void read_many(const uint8_t *data, size_t size)
{
    struct tp_buf b = { 0 };
    const struct tp_kernels *k;
    tp_buf_text(&b, "[0");
    while (b.n_bytes < 300 << 10) {
        tp_buf_text(&b, ",");
        tp_buf_bytes(&b, data, size);
    }
    tp_buf_text(&b, "]");
    if (!b.failed) {
        tp_parallel_set_grain(1);
        const struct fate fate = fate_of(b.data, b.n_bytes, 1);
        for (int t = 0; (k = tp_kernels_list(t)); t++) {
            tp_kernels_use(k);
            const struct fate again = fate_of(b.data, b.n_bytes, 1 + 2 * t);
            must(!memcmp(&again, &fate, sizeof fate));
        }
    }
    tp_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 && data[size - 1] % 16 == 0) read_many(data, size - 1);
    struct tp_json doc;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 64 << 20);
    bool ok = tp_json_parse(&doc, (const char *)data, size, &arena, "text", 1, &err);
    must(ok == (err.code == TP_OK) && ok == (doc.root != NULL));
    if (ok) {
        const char *key;
        json_t *v;
        size_t i;
        use(&doc, doc.root, &arena);
        json_object_foreach(doc.root, key, v) use(&doc, v, &arena);
        json_array_foreach(doc.root, i, v) use(&doc, v, &arena);
    }
    tp_json_fini(&doc);
    tp_arena_fini(&arena);
    return 0;
}
