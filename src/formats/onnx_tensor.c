/* onnx_tensor.c - the contents of one TensorProto: in raw_data, in the field of its type, or in a
 * file of its own. All sizes are held against the shape before memory is asked for. */
#include "formats/onnx_tensor.h"

#include <inttypes.h>
#include <string.h>

#include "formats/onnx_external.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian data stay as they are");

enum { DATA_HERE = 0, DATA_EXTERNAL = 1 };

struct reader {
    const Onnx__TensorProto *t;
    const struct tp_onnx_source *source;
    struct tp_net_tensor *out;
    size_t n_bytes;                  /* that the elements need */
    bool copy;
    struct tp_arena *arena;
    struct tp_err *err;
};

static bool read_shape(struct reader *r)
{
    struct tp_net_tensor *out = r->out;
    const size_t rank = r->t->n_dims;
    if (rank > TP_MAX_RANK)
        return tp_fail(r->err, TP_INVALID_MODEL, "%zu dimensions; at most %d are possible", rank,
                       TP_MAX_RANK);
    out->shape.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        out->shape.dim[i] = r->t->dims[i];
        if (r->t->dims[i] < 0)
            return tp_fail(r->err, TP_INVALID_MODEL, "dimension %zu is %" PRId64, i,
                           r->t->dims[i]);
    }
    out->n_elements = tp_shape_elements(&out->shape);
    if (out->n_elements < 0 || __builtin_mul_overflow((size_t)out->n_elements,
                                                      tp_onnx_type_bytes(out->type), &r->n_bytes))
        return tp_fail(r->err, TP_INVALID_MODEL, "shape %s has more elements than can be counted",
                       TP_SHAPE(&out->shape));
    return true;
}

/* ---- fields of contents ---------------------------------------------------------------------- */

struct contents {
    const char *name;
    size_t n_spans;
    const ProtobufCBinaryData *spans;
};

static struct tp_onnx_span span_of(const struct contents *c, size_t i)
{
    struct tp_onnx_span span;        /* onnx_cut.c put it there, for whatever was in the file */
    memcpy(&span, c->spans[i].data, sizeof span);
    return span;
}

/* Where ONNX has elements of that type that are not raw. */
static struct contents typed_contents(const Onnx__TensorProto *t, enum tp_onnx_type type)
{
    switch (type) {
    case TP_ONNX_FLOAT: return (struct contents){ "float_data", t->n_float_data, t->float_data };
    case TP_ONNX_DOUBLE:
        return (struct contents){ "double_data", t->n_double_data, t->double_data };
    case TP_ONNX_INT64: return (struct contents){ "int64_data", t->n_int64_data, t->int64_data };
    case TP_ONNX_UINT32: case TP_ONNX_UINT64:
        return (struct contents){ "uint64_data", t->n_uint64_data, t->uint64_data };
    default: return (struct contents){ "int32_data", t->n_int32_data, t->int32_data };
    }
}

static bool fail_size(const struct reader *r, const char *where, uint64_t n, const char *unit)
{
    const bool in_bytes = unit[0] == 'b';
    return tp_fail(r->err, TP_INVALID_MODEL, "shape %s needs %" PRIu64 " %s, %s has %" PRIu64,
                   TP_SHAPE(&r->out->shape),
                   in_bytes ? (uint64_t)r->n_bytes : (uint64_t)r->out->n_elements, unit, where, n);
}

static bool keep(struct reader *r, const void *data)
{
    r->out->data = data;
    if (!r->copy) return true;
    void *copy = tp_arena_alloc(r->arena, r->n_bytes);
    if (!copy) return tp_arena_fail(r->arena, r->err);
    memcpy(copy, data, r->n_bytes);
    r->out->data = copy;
    return true;
}

/* Little-endian elements: raw_data, float_data, double_data. */
static bool read_plain(struct reader *r, const struct contents *c)
{
    uint64_t total = 0;
    for (size_t i = 0; i < c->n_spans; i++) total += span_of(c, i).n_bytes;
    if (total != r->n_bytes) return fail_size(r, c->name, total, "bytes");
    if (c->n_spans == 1) return keep(r, r->source->bytes + span_of(c, 0).begin);
    uint8_t *to = tp_arena_alloc(r->arena, r->n_bytes);
    if (!to) return tp_arena_fail(r->arena, r->err);
    r->out->data = to;
    for (size_t i = 0; i < c->n_spans; i++) {
        const struct tp_onnx_span span = span_of(c, i);
        memcpy(to, r->source->bytes + span.begin, span.n_bytes);
        to += span.n_bytes;
    }
    return true;
}

/* ---- varints --------------------------------------------------------------------------------- */

/* Every byte below 128 ends one. */
static uint64_t count_varints(const uint8_t *p, const uint8_t *end)
{
    uint64_t n = 0;
    for (; p < end; p++) n += *p < 128;
    return n;
}

/* The value of int32_data and int64_data's fields; longer varints than 64 bits lose their upper
 * ones, as in protobuf itself. */
static const uint8_t *read_varint(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    int shift = 0;
    *out = 0;
    for (; p < end && *p > 127; p++, shift += 7)
        if (shift < 64) *out |= (uint64_t)(*p & 127) << shift;
    if (p == end) return p;
    if (shift < 64) *out |= (uint64_t)*p << shift;
    return p + 1;
}

/* Whether the field's value is one of the type's. */
static bool is_in_range(enum tp_onnx_type type, uint64_t v)
{
    const int32_t i = (int32_t)(uint32_t)v;
    switch (type) {
    case TP_ONNX_INT8: return i == (int8_t)i;
    case TP_ONNX_UINT8: return i == (uint8_t)i;
    case TP_ONNX_INT16: return i == (int16_t)i;
    case TP_ONNX_UINT16: case TP_ONNX_FLOAT16: return i == (uint16_t)i;   /* float16: its bits */
    case TP_ONNX_BOOL: return i == 0 || i == 1;
    case TP_ONNX_UINT32: return v <= UINT32_MAX;
    default: return true;
    }
}

/* Integers and what else is stored as such, one varint each. */
static bool read_varints(struct reader *r, const struct contents *c)
{
    const size_t size = tp_onnx_type_bytes(r->out->type);
    uint64_t n = 0, v;
    for (size_t i = 0; i < c->n_spans; i++) {
        const struct tp_onnx_span span = span_of(c, i);
        const uint8_t *p = r->source->bytes + span.begin, *end = p + span.n_bytes;
        n += count_varints(p, end);
        if (p < end && end[-1] > 127)
            return tp_fail(r->err, TP_INVALID_MODEL, "%s ends within a number", c->name);
    }
    if (n != (uint64_t)r->out->n_elements) return fail_size(r, c->name, n, "elements");
    uint8_t *to = tp_arena_alloc(r->arena, r->n_bytes);
    if (!to) return tp_arena_fail(r->arena, r->err);
    r->out->data = to;
    for (size_t i = 0; i < c->n_spans; i++) {
        const struct tp_onnx_span span = span_of(c, i);
        const uint8_t *p = r->source->bytes + span.begin, *end = p + span.n_bytes;
        for (; p < end; to += size) {
            p = read_varint(p, end, &v);
            if (!is_in_range(r->out->type, v))
                return tp_fail(r->err, TP_INVALID_MODEL, "%s holds %" PRId64 ", which is no %s",
                               c->name, (int64_t)v, tp_onnx_type_name(r->out->type));
            memcpy(to, &v, size);
        }
    }
    return true;
}

/* ---- the door -------------------------------------------------------------------------------- */

static bool read_external(struct reader *r)
{
    struct tp_onnx_external external = { 0 };
    const void *data;
    for (size_t i = 0; i < r->t->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = r->t->external_data[i];
        if (!e->key || !e->value) continue;
        if (!strcmp(e->key, "location")) external.location = e->value;
        else if (!strcmp(e->key, "offset")) external.offset = e->value;
        else if (!strcmp(e->key, "length")) external.length = e->value;
    }
    return tp_onnx_external_find(&data, r->source->files, r->source->dir_fd, &external, r->n_bytes,
                                 r->err) &&
           keep(r, data);
}

static bool read_contents(struct reader *r)
{
    const struct contents raw = { "raw_data", r->t->n_raw_data, r->t->raw_data };
    const struct contents typed = typed_contents(r->t, r->out->type);
    if (r->t->data_location == DATA_EXTERNAL) return read_external(r);
    if (r->t->data_location != DATA_HERE)
        return tp_fail(r->err, TP_INVALID_MODEL, "data_location is %d; there are 0 and 1",
                       r->t->data_location);
    if (raw.n_spans > 1) return tp_fail(r->err, TP_INVALID_MODEL, "raw_data stands there twice");
    if (raw.n_spans && typed.n_spans)
        return tp_fail(r->err, TP_INVALID_MODEL, "both raw_data and %s; one was expected",
                       typed.name);
    if (raw.n_spans) return read_plain(r, &raw);
    if (r->out->type == TP_ONNX_FLOAT || r->out->type == TP_ONNX_DOUBLE)
        return read_plain(r, &typed);
    return read_varints(r, &typed);
}

bool tp_onnx_tensor_read(struct tp_net_tensor *out, const Onnx__TensorProto *t,
                         const struct tp_onnx_source *source, bool copy, struct tp_arena *arena,
                         struct tp_err *err)
{
    struct reader r = { t, source, out, 0, copy, arena, err };
    *out = (struct tp_net_tensor){ .type = (enum tp_onnx_type)t->data_type };
    return read_shape(&r) && (!tp_onnx_type_bytes(out->type) || read_contents(&r));
}

bool tp_onnx_parse_tensor(struct tp_net_tensor *out, const char **name, const void *bytes,
                          size_t n_bytes, struct tp_arena *arena, struct tp_err *err)
{
    struct tp_onnx_document doc;
    struct tp_onnx_files none = { 0 };
    const struct tp_onnx_source source = { bytes, -1, &none };
    bool ok = tp_onnx_document_open(&doc, TP_ONNX_TENSOR, bytes, n_bytes, err);
    if (ok) {
        const char *text = doc.tensor->name ? doc.tensor->name : "";
        *name = tp_arena_strndup(arena, text, strlen(text));
        ok = *name ? tp_onnx_tensor_read(out, doc.tensor, &source, true, arena, err)
                   : tp_arena_fail(arena, err);
    }
    if (ok && !tp_onnx_type_bytes(out->type))
        ok = tp_fail(err, TP_UNSUPPORTED_FORMAT, "tensor '%.100s': its elements are %s; numbers "
                     "are read", *name, tp_onnx_type_name(out->type));
    tp_onnx_document_close(&doc);
    return ok;
}
