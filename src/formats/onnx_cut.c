/* onnx_cut.c - the first reader of an ONNX file: walks protobuf's wire format along the schema that
 * protobuf-c has, and copies what is read of it.
 *
 * The wire format (protobuf.dev/programming-guides/encoding): a field is a tag (number * 8 + wire
 * type, a varint) and a payload, which is a varint (0), 8 bytes (1), a length and so many bytes
 * (2), or 4 bytes (5). 3 and 4, groups, are not in ONNX's schema. */
#include "formats/onnx_cut.h"

#include <limits.h>
#include <onnx.pb-c.h>
#include <stdio.h>

#include "base/utf8.h"

enum {
    MAX_DEPTH = 8,                   /* model.graph.input.type.tensor_type.shape.dim is 7 */
    MAX_VARINT_BYTES = 10,
    LENGTH_BYTES = 5,                /* of a length that is known later: padded with zeros */
    FLOOR_BYTES = 8 << 20,           /* what a small document may become */
};

enum wire { VARINT = 0, EIGHT = 1, LENGTH = 2, FOUR = 5 };

/* A message that is being walked through. */
struct level {
    const ProtobufCMessageDescriptor *type;
    const char *field;               /* its name in the level above */
    const uint8_t *end;
    size_t length_at;                /* where its length is written */
    uint64_t seen;                   /* its submessages that may be there once, by field index */
};

struct cutter {
    struct tp_buf *out;
    const uint8_t *begin, *p;
    struct level levels[MAX_DEPTH];
    int depth;                       /* of the level at hand */
    struct tp_err *err;
};

/* One field as it stands in the file. */
struct field {
    const uint8_t *tag, *payload, *end;
    uint32_t number;
    enum wire wire;
};

/* "not an ONNX file, or a damaged one: byte 17 (graph.node): ...". Always false. */
static bool fail_at(const struct cutter *c, const uint8_t *p, const char *field, const char *wrong)
{
    char path[128] = "";
    size_t n = 0;
    for (int i = 1; i <= c->depth + 1 && n < sizeof path; i++) {
        const char *name = i <= c->depth ? c->levels[i].field : field;
        if (name) n += (size_t)snprintf(path + n, sizeof path - n, "%s%s", n ? "." : "", name);
    }
    return tp_fail(c->err, TP_INVALID_MODEL,
                   "not an ONNX file, or a damaged one: byte %td%s%s%s: %s", p - c->begin,
                   n ? " (" : "", path, n ? ")" : "", wrong);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The varint at p; the byte behind it, or NULL when there is none. */
static const uint8_t *read_varint(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;
    for (int i = 0; i < MAX_VARINT_BYTES && p + i < end; i++) {
        v |= (uint64_t)(p[i] & 127) << 7 * i;
        if (p[i] < 128) {
            *out = v;
            return p + i + 1;
        }
    }
    return NULL;
}

static bool read_payload(const struct cutter *c, struct field *f, const uint8_t *p,
                         const uint8_t *end)
{
    const size_t room = (size_t)(end - p);
    uint64_t n = 0;
    switch (f->wire) {
    case VARINT:
        f->payload = p;
        f->end = read_varint(p, end, &n);
        return f->end || fail_at(c, p, NULL, "a number that does not end");
    case LENGTH:
        p = read_varint(p, end, &n);
        break;
    case EIGHT: n = 8; break;
    case FOUR: n = 4; break;
    default: return fail_at(c, f->tag, NULL, "a field of a kind that ONNX does not have");
    }
    if (!p || n > (size_t)(end - p))
        return fail_at(c, f->tag, NULL, room ? "a field that ends behind what holds it; is the "
                       "file truncated?" : "a field without contents; is the file truncated?");
    f->payload = p;
    f->end = p + n;
    return true;
}

static bool read_field(const struct cutter *c, struct field *f)
{
    const uint8_t *end = c->levels[c->depth].end;
    uint64_t tag;
    f->tag = c->p;
    const uint8_t *p = read_varint(c->p, end, &tag);
    if (!p || tag > UINT32_MAX || tag < 8) return fail_at(c, c->p, NULL, "no field begins there");
    f->number = (uint32_t)tag >> 3;
    f->wire = (enum wire)(tag & 7);
    return read_payload(c, f, p, end);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_varint(struct tp_buf *b, uint64_t v)
{
    uint8_t bytes[MAX_VARINT_BYTES];
    size_t n = 0;
    for (; v > 127; v >>= 7) bytes[n++] = (uint8_t)(v | 128);
    bytes[n++] = (uint8_t)v;
    tp_buf_bytes(b, bytes, n);
}

static void put_field(struct tp_buf *b, uint32_t number, enum wire wire, const void *payload,
                      size_t n_bytes)
{
    put_varint(b, (uint64_t)number << 3 | wire);
    if (wire == LENGTH) put_varint(b, n_bytes);
    tp_buf_bytes(b, payload, n_bytes);
}

static bool open_level(struct cutter *c, const struct field *f,
                       const ProtobufCFieldDescriptor *known)
{
    static const uint8_t no_length[LENGTH_BYTES];
    struct level *l = &c->levels[c->depth];
    const uint64_t bit = (uint64_t)1 << (known - l->type->fields);
    if (known->label != PROTOBUF_C_LABEL_REPEATED && l->seen & bit)
        return fail_at(c, f->tag, known->name, "stands there twice");
    l->seen |= bit;
    if (c->depth + 1 == MAX_DEPTH) return fail_at(c, f->tag, known->name, "nested too deep");
    put_varint(c->out, (uint64_t)f->number << 3 | LENGTH);
    c->levels[++c->depth] = (struct level){
        .type = known->descriptor, .field = known->name, .end = f->end,
        .length_at = c->out->n_bytes,
    };
    tp_buf_bytes(c->out, no_length, sizeof no_length);
    c->p = f->payload;
    return true;
}

/* Now that the level's length is known. Five bytes hold 35 bits. */
static void close_level(struct cutter *c)
{
    const size_t at = c->levels[c->depth--].length_at;
    if (c->out->failed) return;
    size_t n = c->out->n_bytes - at - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++, n >>= 7)
        c->out->data[at + (size_t)i] = (char)((n & 127) | (i + 1 < LENGTH_BYTES ? 128 : 0));
}

/* ---- one field ------------------------------------------------------------------------------- */

static bool check_text(const struct cutter *c, const struct field *f, const char *name)
{
    if (f->end - f->payload > TP_ONNX_NAME_BYTES)
        return fail_at(c, f->tag, name, "longer than the 4096 bytes that a name may have");
    for (const uint8_t *p = f->payload; p < f->end; ) {
        const size_t n = tp_utf8_bytes((const char *)p, (size_t)(f->end - p));
        if (!n || !*p) return fail_at(c, p, name, "not UTF-8 without NUL, as names must be");
        p += n;
    }
    return true;
}

/* What a value of the schema's type is on the wire; packed numbers are LENGTH too. */
static enum wire wire_of(const ProtobufCFieldDescriptor *known)
{
    switch (known->type) {
    case PROTOBUF_C_TYPE_FLOAT: return FOUR;
    case PROTOBUF_C_TYPE_STRING: case PROTOBUF_C_TYPE_BYTES: case PROTOBUF_C_TYPE_MESSAGE:
        return LENGTH;
    default: return VARINT;          /* onnx.proto has int32 and int64 besides */
    }
}

/* One element of a tensor's contents on the wire. */
static enum wire wire_of_element(uint32_t number)
{
    switch (number) {
    case 4: return FOUR;             /* float_data */
    case 9: return LENGTH;           /* raw_data: all of it */
    case 10: return EIGHT;           /* double_data */
    default: return VARINT;
    }
}

static bool cut_contents(struct cutter *c, const struct field *f, const char *name)
{
    const struct tp_onnx_span span = { (uint64_t)(f->payload - c->begin),
                                       (uint64_t)(f->end - f->payload) };
    if (f->wire != LENGTH && f->wire != wire_of_element(f->number))
        return fail_at(c, f->tag, name, "a value of another kind was expected");
    put_field(c->out, f->number, LENGTH, &span, sizeof span);
    return true;
}

static bool cut_field(struct cutter *c)
{
    const struct level *l = &c->levels[c->depth];
    struct field f = { 0 };
    if (!read_field(c, &f)) return false;
    c->p = f.end;
    const ProtobufCFieldDescriptor *known =
        protobuf_c_message_descriptor_get_field(l->type, f.number);
    if (!known) return true;
    if (known->type == PROTOBUF_C_TYPE_BYTES && l->type == &onnx__tensor_proto__descriptor)
        return cut_contents(c, &f, known->name);
    const bool is_number = wire_of(known) != LENGTH;
    const bool packed = is_number && f.wire == LENGTH && known->label == PROTOBUF_C_LABEL_REPEATED;
    if (f.wire != wire_of(known) && !packed)
        return fail_at(c, f.tag, known->name, "a value of another kind was expected");
    if (known->type == PROTOBUF_C_TYPE_MESSAGE) return open_level(c, &f, known);
    if (known->type == PROTOBUF_C_TYPE_STRING && !check_text(c, &f, known->name)) return false;
    put_field(c->out, f.number, f.wire, f.payload, (size_t)(f.end - f.payload));
    return true;
}

bool tp_onnx_cut(struct tp_buf *out, enum tp_onnx_kind kind, const void *bytes, size_t n_bytes,
                 struct tp_err *err)
{
    struct cutter c = { .out = out, .begin = bytes, .p = bytes, .err = err };
    c.levels[0].type = kind == TP_ONNX_MODEL ? &onnx__model_proto__descriptor
                                             : &onnx__tensor_proto__descriptor;
    c.levels[0].end = c.begin + n_bytes;
    size_t limit = INT_MAX / 2;      /* protobuf-c's own is INT_MAX */
    if (n_bytes < (limit - FLOOR_BYTES) / 2) limit = 2 * n_bytes + FLOOR_BYTES;
    while (c.depth || c.p < c.levels[0].end) {
        if (c.p == c.levels[c.depth].end) close_level(&c);
        else if (!cut_field(&c)) return false;
        if (out->failed) return tp_fail(err, TP_NO_MEMORY, "out of memory");
        if (out->n_bytes > limit)
            return tp_fail(err, TP_TOO_LARGE, "needs more than %zu bytes without its weights, for "
                           "%zu bytes of file; it has too many small fields", limit, n_bytes);
    }
    return true;
}
