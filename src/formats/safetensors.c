/* safetensors.c - weights in a safetensors file: 8 bytes of header length, a JSON header
 * {"name": {"dtype": "F32", "shape": [64, 3], "data_offsets": [0, 768]}, ...}, raw data. */
#include "formats/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "formats/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian data is copied as it is");

enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100 << 20, NAMED = 5 };

struct type {
    const char *name;
    unsigned element_bytes;
    void (*read)(float *to, const uint8_t *from, int64_t n);  /* NULL: known, but not read here */
};

struct entry {
    const char *name;
    const struct type *type;
    struct tp_shape shape;
    uint64_t begin, end;             /* in the data */
};

struct tp_safetensors {
    const uint8_t *data;
    struct entry *entries;           /* by where their data begins */
    int n_entries;
};

/* ---- numbers --------------------------------------------------------------------------------- */

static void read_f32(float *to, const uint8_t *from, int64_t n)
{
    memcpy(to, from, (size_t)n * sizeof *to);
}

static void read_f64(float *to, const uint8_t *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double x;
        memcpy(&x, from + 8 * i, sizeof x);
        to[i] = (float)x;
    }
}

/* The upper half of a float. */
static void read_bf16(float *to, const uint8_t *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)from[2 * i] << 16 | (uint32_t)from[2 * i + 1] << 24;
        memcpy(&to[i], &bits, sizeof bits);
    }
}

static void read_f16(float *to, const uint8_t *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = tp_half_float((uint32_t)from[2 * i] | (uint32_t)from[2 * i + 1] << 8);
}

static const struct type types[] = {
    { "F32", 4, read_f32 }, { "F16", 2, read_f16 }, { "BF16", 2, read_bf16 },
    { "F64", 8, read_f64 }, { "BOOL", 1, NULL },    { "U8", 1, NULL },
    { "I8", 1, NULL },      { "F8_E5M2", 1, NULL }, { "F8_E4M3", 1, NULL },
    { "F8_E8M0", 1, NULL }, { "I16", 2, NULL },     { "U16", 2, NULL },
    { "I32", 4, NULL },     { "U32", 4, NULL },     { "I64", 8, NULL },
    { "U64", 8, NULL },     { "C64", 8, NULL },
};

static const struct type *find_type(const char *name)
{
    for (size_t i = 0; name && i < sizeof types / sizeof *types; i++)
        if (!strcmp(name, types[i].name)) return &types[i];
    return NULL;
}

/* ---- the header ------------------------------------------------------------------------------ */

struct parser {
    struct tp_safetensors *st;
    struct tp_json doc;
    uint64_t data_bytes;
    struct tp_arena *arena;
    struct tp_err *err;
};

static bool read_offsets(struct parser *ps, const json_t *v, struct entry *e, const char *where)
{
    int64_t offsets[2];
    int n;
    if (!tp_json_ints(&ps->doc, v, where, offsets, 2, &n, ps->err)) return false;
    if (n != 2 || offsets[0] < 0 || offsets[0] > offsets[1] ||
        (uint64_t)offsets[1] > ps->data_bytes)
        return tp_fail(ps->err, TP_INVALID_MODEL,
                       "%s: data_offsets must be [begin, end] within the "
                       "%" PRIu64 " bytes of data (is the file truncated?)",
                       where, ps->data_bytes);
    e->begin = (uint64_t)offsets[0];
    e->end = (uint64_t)offsets[1];
    return true;
}

/* The data's length is what shape and dtype say. */
static bool check_size(const struct parser *ps, const struct entry *e, const char *where)
{
    int64_t n = tp_shape_elements(&e->shape);
    uint64_t bytes;
    for (int i = 0; i < e->shape.rank; i++)
        if (e->shape.dim[i] < 0)
            return tp_fail(ps->err, TP_INVALID_MODEL, "%s: shape %s has a negative dimension",
                           where, TP_SHAPE(&e->shape));
    if (n < 0 || __builtin_mul_overflow((uint64_t)n, e->type->element_bytes, &bytes) ||
        bytes != e->end - e->begin)
        return tp_fail(ps->err, TP_INVALID_MODEL,
                       "%s: %" PRIu64 " bytes of data do not make %s of %s", where,
                       e->end - e->begin, TP_SHAPE(&e->shape), e->type->name);
    return true;
}

static bool read_entry(struct parser *ps, const char *name, const json_t *v)
{
    struct entry *e = &ps->st->entries[ps->st->n_entries++];
    const char *where = tp_arena_printf(ps->arena, "safetensors: tensor '%.100s'", name);
    e->name = tp_arena_strndup(ps->arena, name, strlen(name));
    if (!where || !e->name) return tp_arena_fail(ps->arena, ps->err);
    if (!json_is_object(v))
        return tp_fail(ps->err, TP_INVALID_MODEL, "%s: an object was expected, got %s", where,
                       tp_json_kind(&ps->doc, v));
    const json_t *type = json_object_get(v, "dtype");
    e->type = find_type(json_string_value(type));
    if (!e->type)
        return tp_fail(ps->err, TP_INVALID_MODEL, "%s: unknown dtype %.20s", where,
                       json_is_string(type) ? json_string_value(type)
                                            : tp_json_kind(&ps->doc, type));
    return tp_json_ints(&ps->doc, json_object_get(v, "shape"), where, e->shape.dim, TP_MAX_RANK,
                        &e->shape.rank, ps->err) &&
           read_offsets(ps, json_object_get(v, "data_offsets"), e, where) &&
           check_size(ps, e, where);
}

static int by_begin(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static bool read_entries(struct parser *ps)
{
    const char *name;
    json_t *v;
    struct tp_safetensors *st = ps->st;
    if (!json_is_object(ps->doc.root))
        return tp_fail(ps->err, TP_INVALID_MODEL,
                       "safetensors: the header is %s; it must be an object",
                       tp_json_kind(&ps->doc, ps->doc.root));
    st->entries = tp_arena_zalloc(ps->arena, json_object_size(ps->doc.root), sizeof *st->entries);
    if (!st->entries) return tp_arena_fail(ps->arena, ps->err);
    json_object_foreach(ps->doc.root, name, v)
        if (strcmp(name, "__metadata__") && !read_entry(ps, name, v)) return false;

    if (st->n_entries) qsort(st->entries, (size_t)st->n_entries, sizeof *st->entries, by_begin);
    for (int i = 1; i < st->n_entries; i++)
        if (st->entries[i].begin < st->entries[i - 1].end)
            return tp_fail(ps->err, TP_INVALID_MODEL,
                           "safetensors: tensors '%.100s' and '%.100s' overlap",
                           st->entries[i - 1].name, st->entries[i].name);
    return true;
}

bool tp_safetensors_parse(struct tp_safetensors **out, const void *bytes, size_t n_bytes,
                          struct tp_arena *arena, struct tp_err *err)
{
    uint64_t header_bytes;
    if (n_bytes < LENGTH_BYTES)
        return tp_fail(err, TP_INVALID_MODEL, "safetensors: %zu bytes are no safetensors file",
                       n_bytes);
    memcpy(&header_bytes, bytes, sizeof header_bytes);
    if (header_bytes > n_bytes - LENGTH_BYTES || header_bytes > MAX_HEADER_BYTES)
        return tp_fail(err, TP_INVALID_MODEL,
                       "safetensors: a header of %" PRIu64 " bytes in a file of "
                       "%zu; not a safetensors file, or truncated",
                       header_bytes, n_bytes);
    const char *header = (const char *)bytes + LENGTH_BYTES;
    struct parser ps = { .data_bytes = n_bytes - LENGTH_BYTES - header_bytes,
                         .arena = arena,
                         .err = err };
    ps.st = tp_arena_zalloc(arena, 1, sizeof *ps.st);
    if (!ps.st) return tp_arena_fail(arena, err);
    ps.st->data = (const uint8_t *)header + header_bytes;
    bool ok = tp_json_parse(&ps.doc, header, header_bytes, arena, "safetensors header", 1, err) &&
              read_entries(&ps);
    tp_json_fini(&ps.doc);
    if (ok) *out = ps.st;
    return ok;
}

/* ---- one tensor ------------------------------------------------------------------------------ */

static bool fail_unknown(const struct tp_safetensors *st, const char *name, struct tp_err *err)
{
    char names[NAMED * 64] = "";
    size_t n = 0;
    for (int i = 0; i < st->n_entries && i < NAMED; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s'%.40s'", i ? ", " : "",
                              st->entries[i].name);
    return tp_fail(err, TP_NOT_FOUND, "safetensors: no tensor '%.100s'; there %s %s%s", name,
                   st->n_entries == 1 ? "is" : "are", st->n_entries ? names : "none",
                   st->n_entries > NAMED ? ", ..." : "");
}

bool tp_safetensors_read(const struct tp_safetensors *st, const char *name, struct tp_tensor *out,
                         struct tp_arena *arena, struct tp_err *err)
{
    const struct entry *e = st->entries, *end = e + st->n_entries;
    while (e < end && strcmp(e->name, name)) e++;
    if (e == end) return fail_unknown(st, name, err);
    if (!e->type->read)
        return tp_fail(err, TP_UNSUPPORTED_FORMAT,
                       "safetensors: tensor '%.100s' is %s; F32, F16, BF16 and "
                       "F64 are read",
                       name, e->type->name);
    int64_t n = tp_shape_elements(&e->shape);
    float *data = tp_arena_floats(arena, n);
    if (!data) return tp_arena_fail(arena, err);
    e->type->read(data, st->data + e->begin, n);
    *out = (struct tp_tensor){ .shape = e->shape, .data = data };
    return true;
}
