/* fuzz_request.c - libFuzzer entry over request bodies. The first byte chooses the protocol, the
 * Content-Type and what the body is for, the second where the JSON of OIP ends; the rest is the
 * body. Build (clang):
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc -Itests \
 *         tests/fuzz/fuzz_request.c <libtidepool's sources> -ljansson -ldeflate -ljpeg \
 *         -lspng -lwebp -lm
 *   ./a.out -max_len=8192 corpus */
#include "intake_of.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static volatile unsigned sink;       /* so that reading is not optimised away */

static void touch(const void *bytes, size_t n_bytes)
{
    const uint8_t *p = bytes;
    unsigned sum = 0;
    for (size_t i = 0; i < n_bytes; i++) sum += p[i];
    sink = sum;
}

static void touch_source(const struct tp_source *s, const struct tp_limits *limits)
{
    const struct tp_image *im = &s->image;
    int64_t n;
    switch (s->kind) {
    case TP_SOURCE_FILE:
        if (!s->n_bytes) abort();
        touch(s->bytes, s->n_bytes);
        return;
    case TP_SOURCE_PIXELS:
        if (im->width < 1 || im->height < 1 || (im->channels != 1 && im->channels != 3)) abort();
        if ((int64_t)im->width * im->height > limits->max_pixels) abort();
        touch(im->pixels, (size_t)im->width * (size_t)im->height * (size_t)im->channels);
        return;
    case TP_SOURCE_TENSOR:
        n = tp_shape_elements(&s->tensor.shape);
        if (n < 0 || n > limits->max_elements || s->tensor.shape.rank > TP_MAX_RANK) abort();
        touch(s->tensor.data, (size_t)n * sizeof(float));
        return;
    }
    abort();
}

static void touch_outputs(const struct tp_request *rq)
{
    for (int i = 0; i < rq->n_outputs; i++) {
        const struct tp_options *o = &rq->outputs[i];
        const char *const words[] = { rq->names[i], o->pool, o->window,  o->stride, o->padding,
                                      o->ceil,      o->grid, o->pyramid, o->rois,   o->p,
                                      o->normalize, o->argmax };
        if (!rq->names[i] || o->layers || o->layout || o->nested || o->digits || o->format ||
            o->dtype || o->concat || o->top) abort();
        for (size_t j = 0; j < sizeof words / sizeof *words; j++)
            if (words[j]) touch(words[j], strlen(words[j]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const struct tp_limits limits = {
        .max_body_bytes = 1 << 16, .max_pixels = 1 << 12, .max_elements = 1 << 12, .max_batch = 4,
    };
    static const char *const types[] = {
        NULL, "application/json", "multipart/form-data; boundary=x", "image/png", "text/html",
        "application/octet-stream", "multipart/form-data", "",
    };
    static const struct tp_dialect *const dialects[] = {
        &tp_dialect_tidepool, &tp_dialect_oip, &tp_dialect_tfs, &tp_dialect_openai,
    };
    struct tp_err err = { 0 };
    struct tp_arena arena;
    struct tp_request rq;
    char length[16];
    if (n_bytes < 2) return 0;
    const struct tp_dialect *dialect = dialects[data[0] >> 5 & 3];
    const bool own = dialect == &tp_dialect_tidepool;
    const enum intake_for what = own ? (data[0] >> 3) % 3 : (data[0] >> 3) % 2;
    snprintf(length, sizeof length, "%d", data[1]);
    const struct tp_body body = { data + 2, n_bytes - 2, types[data[0] & 7],
                                  data[1] == 255 ? NULL : length };
    tp_arena_init(&arena, 1 << 20);
    bool ok = intake_read(dialect, &rq, &body, what, &limits, &arena, &err);
    if (ok != (err.code == TP_OK) || (!ok && !err.message[0])) abort();
    if (ok) {
        if (rq.n_sources < 1 || rq.n_sources > limits.max_batch ||
            (what == FOR_PIPELINE) != !!rq.pipeline)
            abort();
        for (int i = 0; i < rq.n_sources; i++) touch_source(&rq.sources[i], &limits);
        touch_outputs(&rq);
    }
    tp_request_fini(&rq);
    tp_arena_fini(&arena);
    return 0;
}
