/* fuzz_json.c - libFuzzer entry: any text as a JSON document, every span converted.
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Isrc -D_GNU_SOURCE
 *     tests/fuzz/fuzz_json.c src/formats/json*.c src/formats/floats.c src/base/*.c -ljansson -lm */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/floats.h"
#include "formats/json.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
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
