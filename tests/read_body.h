/* read_body.h - what the tests of all protocols' readers share: a body in memory that ends at a
 * guard page, read as one of them does, and what must come of it. */
#ifndef READ_BODY_H
#define READ_BODY_H

#include "check.h"

#include <stdio.h>
#include <string.h>

#include "formats/json.h"
#include "image_files.h"
#include "intake_of.h"

static const struct tp_limits body_limits = {
    .max_body_bytes = 1 << 24, .max_pixels = 10000, .max_elements = 2000000, .max_batch = 3,
};

struct body {                        /* release with body_drop() */
    struct tp_request rq;
    struct tp_arena arena;
    struct tp_err err;
    uint8_t *copy;
    bool ok;
};

/* json_bytes: Inference-Header-Content-Length, or NULL. */
static inline struct body body_read(const struct tp_dialect *dialect, const char *json_bytes,
                                    const void *bytes, size_t n_bytes, enum intake_for what)
{
    struct body b = { .copy = guarded_copy(bytes, n_bytes) };
    const struct tp_body sent = { b.copy, n_bytes, "application/json", json_bytes };
    tp_arena_init(&b.arena, 64 << 20);
    b.ok = intake_read(dialect, &b.rq, &sent, what, &body_limits, &b.arena, &b.err);
    assert_int_equal(b.ok, b.err.code == TP_OK);
    return b;
}

static inline void body_drop(struct body *b)
{
    tp_request_fini(&b->rq);
    tp_arena_fini(&b->arena);
    guarded_free(b->copy);
}

static inline struct body body_must_read(const struct tp_dialect *dialect, const char *json_bytes,
                                         const void *bytes, size_t n_bytes, enum intake_for what)
{
    struct body b = body_read(dialect, json_bytes, bytes, n_bytes, what);
    if (!b.ok) fail_msg("%.200s: %s", (const char *)bytes, b.err.message);
    return b;
}

/* Refused with that code and exactly that message. */
static inline void body_must_fail(const struct tp_dialect *dialect, const char *json_bytes,
                                  const void *bytes, size_t n_bytes, enum intake_for what,
                                  enum tp_code code, const char *message)
{
    struct body b = body_read(dialect, json_bytes, bytes, n_bytes, what);
    if (b.ok) fail_msg("%.200s was read; wanted \"%s\"", (const char *)bytes, message);
    if (b.err.code != code || strcmp(b.err.message, message))
        fail_msg("%.200s: got %s\n%s\nwanted %s\n%s", (const char *)bytes, tp_code_name(b.err.code),
                 b.err.message, tp_code_name(code), message);
    body_drop(&b);
}

/* One source, a tensor of that shape and those values. */
static inline void body_check_tensor(const struct body *b, int i, const char *shape,
                                     const float *want)
{
    assert_in_range(i, 0, b->rq.n_sources - 1);
    const struct tp_source *s = &b->rq.sources[i];
    assert_int_equal(s->kind, TP_SOURCE_TENSOR);
    assert_string_equal(TP_SHAPE(&s->tensor.shape), shape);
    for (int64_t k = 0; want && k < tp_shape_elements(&s->tensor.shape); k++)
        if (s->tensor.data[k] != want[k])
            fail_msg("value %d is %.9g, wanted %.9g", (int)k, (double)s->tensor.data[k],
                     (double)want[k]);
}

/* Source i is that file, byte by byte. */
static inline void body_check_file(const struct body *b, int i, const struct file *f)
{
    assert_in_range(i, 0, b->rq.n_sources - 1);
    assert_int_equal(b->rq.sources[i].kind, TP_SOURCE_FILE);
    assert_int_equal(b->rq.sources[i].n_bytes, f->n);
    assert_memory_equal(b->rq.sources[i].bytes, f->bytes, f->n);
}

#endif
