/* pipeline_weights.c - the weights of a pipeline's layers. */
#include "formats/pipeline_weights.h"

#include <inttypes.h>
#include <math.h>

static bool check_shape(const char *where, const struct tp_shape *given,
                        const struct tp_shape *expected, const char *axes, struct tp_err *err)
{
    if (tp_shape_equal(given, expected)) return true;
    return tp_fail(err, TP_INVALID_SHAPE, "%s has shape %s; expected %s (%s)", where,
                   TP_SHAPE(given), TP_SHAPE(expected), axes);
}

/* The numbers of `span` into the arena; there are as many as *expected has. */
static bool read_span(const struct tp_pipeline_weights *from, const struct tp_fields *f,
                      const struct tp_json_span *span, const char *where,
                      const struct tp_shape *expected, const float **out, struct tp_err *err)
{
    float *data = tp_arena_floats(from->arena, tp_shape_elements(expected));
    *out = data;
    if (!data) return tp_arena_fail(from->arena, err);
    return tp_json_span_floats(f->doc, span, where, data, err);
}

static bool read_nested(const struct tp_pipeline_weights *from, const struct tp_fields *f,
                        const struct tp_json_span *span, const char *where,
                        const struct tp_shape *expected, const char *axes, const float **out,
                        struct tp_err *err)
{
    struct tp_shape given;
    return tp_json_span_shape(f->doc, span, where, &given, err) &&
           check_shape(where, &given, expected, axes, err) &&
           read_span(from, f, span, where, expected, out, err);
}

/* {"shape": [3, 3, 1, 8], "data": [72 numbers]} */
static bool read_flat(const struct tp_pipeline_weights *from, const struct tp_fields *f,
                      const struct tp_shape *expected, const char *axes, const float **out,
                      struct tp_err *err)
{
    const json_t *data = tp_fields_get(f, "data");
    const struct tp_json_span *span = data ? tp_json_span(f->doc, data) : NULL;
    struct tp_shape given = { 0 };
    if (!tp_fields_known(f, "a weight given with its shape", "shape, data", "", err) ||
        !tp_fields_ints(f, "shape", given.dim, TP_MAX_RANK, &given.rank, err))
        return false;
    if (!given.rank) return tp_fields_missing(f, "shape", TP_SHAPE(expected), err);
    if (!check_shape(f->where, &given, expected, axes, err)) return false;
    if (!data) return tp_fields_missing(f, "data", "a flat list of numbers", err);
    if (!span) return tp_fields_wrong(f, "data", "a flat list of numbers", err);
    int64_t count = tp_json_span_count(span), wanted = tp_shape_elements(expected);
    if (count != wanted)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: data has %" PRId64 " numbers; its shape %s "
                       "needs %" PRId64, f->where, count, TP_SHAPE(expected), wanted);
    if (!tp_json_span_shape(f->doc, span, f->where, &given, err)) return false;
    if (given.rank != 1) return tp_fields_wrong(f, "data", "a flat list of numbers", err);
    return read_span(from, f, span, f->where, expected, out, err);
}

/* {"file": "weights.safetensors", "tensor": "conv.kernel"} */
static bool read_file(const struct tp_pipeline_weights *from, const struct tp_fields *f,
                      const struct tp_shape *expected, const char *axes, const float **out,
                      struct tp_err *err)
{
    const char *file, *name;
    struct tp_tensor tensor;
    if (!tp_fields_known(f, "a weight from a file", "file, tensor", "", err) ||
        !tp_fields_text(f, "file", NULL, &file, err) ||
        !tp_fields_text(f, "tensor", NULL, &name, err))
        return false;
    if (!from->source)
        return tp_fail(err, TP_INVALID_MODEL, "%s: file '%.64s' cannot be read from here; give the "
                       "numbers inline", f->where, file);
    if (!from->source->read(from->source->ctx, file, name, &tensor, from->arena, err))
        return tp_fail_in(err, "%s", f->where);
    if (!check_shape(f->where, &tensor.shape, expected, axes, err)) return false;
    int64_t n = tp_shape_elements(expected);
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(tensor.data[i]))
            return tp_fail(err, TP_INVALID_MODEL, "%s: number %" PRId64 " of tensor '%.64s' is %g; "
                           "weights must be finite", f->where, i, name, (double)tensor.data[i]);
    *out = tensor.data;
    return true;
}

bool tp_pipeline_weights_read(const struct tp_pipeline_weights *from, const struct tp_fields *f,
                              const char *key, const struct tp_shape *expected, const char *axes,
                              const float **out, struct tp_err *err)
{
    const json_t *v = tp_fields_get(f, key);
    const struct tp_json_span *span = v ? tp_json_span(f->doc, v) : NULL;
    const struct tp_fields_where where = tp_fields_where(f, key);
    *out = NULL;
    if (!tp_shape_check(expected, from->limits->max_elements, where.text, err)) return false;
    if (!v)
        return tp_fail(err, TP_INVALID_MODEL, "%s is missing; expected numbers of shape %s (%s)",
                       where.text, TP_SHAPE(expected), axes);
    if (span) return read_nested(from, f, span, where.text, expected, axes, out, err);
    const struct tp_fields object = { f->doc, v, where.text };
    if (json_is_object(v) && (tp_fields_get(&object, "file") || tp_fields_get(&object, "tensor")))
        return read_file(from, &object, expected, axes, out, err);
    if (json_is_object(v)) return read_flat(from, &object, expected, axes, out, err);
    return tp_fail(err, TP_INVALID_MODEL, "%s must be numbers of shape %s, {\"shape\", \"data\"} "
                   "or {\"file\", \"tensor\"}, not %s", where.text, TP_SHAPE(expected),
                   tp_json_kind(f->doc, v));
}
