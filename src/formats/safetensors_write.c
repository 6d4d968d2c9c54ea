/* safetensors_write.c - an answer as a safetensors file: 8 bytes of header length, a JSON header,
 * raw data without gaps. The widest values come first and the header is filled up to a multiple of
 * 8, so that every tensor lies where its type may lie in memory. */
#include "formats/safetensors_write.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as they are");

enum { LENGTH_BYTES = 8 };

/* What an entry holds of its output. */
enum part { VALUES, SCALE, ZERO, ARGMAX, N_PARTS };

static const char *const suffixes[N_PARTS] = { "", ".scale", ".zero", ".argmax" };

struct entry {                       /* of one output */
    const struct tp_answer_output *output;
    char *name;                      /* malloc()ed; as it will read: valid UTF-8 */
    struct tp_shape maps;
    size_t at[N_PARTS];              /* in the data */
};

struct file {
    struct tp_buf *b;
    const struct tp_answer *a;
    enum tp_dtype type;
    struct entry *entries;           /* one per output */
    size_t data_bytes;
};

/* ---- names ----------------------------------------------------------------------------------- */

static bool has(const struct file *f, const struct entry *e, enum part part)
{
    switch (part) {
    case VALUES: return true;
    case SCALE:
    case ZERO: return f->type == TP_UINT8;
    case ARGMAX: return e->output->argmax;
    case N_PARTS: break;
    }
    return false;
}

/* Whether a tensor of either would have a name of the other's. */
static bool collide(const struct file *f, const struct entry *e, const struct entry *other)
{
    const bool longer = strlen(e->name) > strlen(other->name);
    const struct entry *a = longer ? other : e, *b = longer ? e : other;
    const size_t n = strlen(a->name);
    if (strncmp(a->name, b->name, n)) return false;
    for (int part = 0; part < N_PARTS; part++)
        if (has(f, a, part) && !strcmp(b->name + n, suffixes[part])) return true;
    return false;
}

static bool is_taken(const struct file *f, int i)
{
    if (!strcmp(f->entries[i].name, "__metadata__")) return true;
    for (int j = 0; j < i; j++)
        if (collide(f, &f->entries[i], &f->entries[j])) return true;
    return false;
}

/* The name as JSON will have it, without the quotes: two different names of odd bytes may read the
 * same there. */
static bool take_name(struct file *f, int i)
{
    struct tp_buf b = { 0 };
    tp_json_quote(&b, f->a->outputs[i].name);
    const size_t n_bytes = b.n_bytes - 1;
    for (int k = 1; !b.failed; k++) {
        b.n_bytes = n_bytes;
        if (k > 1) tp_buf_printf(&b, "#%d", k);
        tp_buf_bytes(&b, "", 1);
        if (b.failed) break;
        f->entries[i].name = b.data + 1;
        if (!is_taken(f, i)) break;
    }
    f->entries[i].name = b.failed ? NULL : strdup(b.data + 1);
    tp_buf_fini(&b);
    return f->entries[i].name;
}

/* ---- the header ------------------------------------------------------------------------------ */

static size_t value_bytes(const struct file *f, enum part part)
{
    return part == ARGMAX ? 8 : part == VALUES ? tp_narrow_bytes(f->type) : 4;
}

static const char *type_name(const struct file *f, enum part part)
{
    static const char *const names[] = { [TP_FP32] = "F32", [TP_FP16] = "F16", [TP_UINT8] = "U8" };
    return part == ARGMAX ? "I64" : part == VALUES ? names[f->type] : "F32";
}

/* ,"conv.scale":{"dtype":"F32","shape":[1,6],"data_offsets":[0,24]} */
static void write_entry(struct file *f, struct entry *e, enum part part)
{
    struct tp_buf *b = f->b;
    const bool mapwise = part == SCALE || part == ZERO;
    const struct tp_shape *s = mapwise ? &e->maps : &e->output->tensor.shape;
    e->at[part] = f->data_bytes;
    f->data_bytes += (size_t)tp_shape_elements(s) * value_bytes(f, part);
    tp_buf_printf(b, ",\"%s%s\":{\"dtype\":\"%s\",\"shape\":[", e->name, suffixes[part],
                  type_name(f, part));
    for (int i = 0; i < s->rank; i++) tp_buf_printf(b, i ? ",%" PRId64 : "%" PRId64, s->dim[i]);
    tp_buf_printf(b, "],\"data_offsets\":[%zu,%zu]}", e->at[part], f->data_bytes);
}

static void write_metadata(const struct file *f)
{
    tp_buf_text(f->b, "{\"__metadata__\":{\"format\":\"tidepool\",\"model\":");
    tp_json_quote(f->b, f->a->model);
    for (int i = 0; i < f->a->n_outputs; i++)
        if (f->a->outputs[i].tensor.shape.rank == 4)
            tp_buf_printf(f->b, ",\"layout.%s\":\"%s\"", f->entries[i].name,
                          f->a->outputs[i].channels_first ? "NCHW" : "NHWC");
    tp_buf_text(f->b, "}");
}

static void write_header(struct file *f)
{
    struct tp_buf *b = f->b;
    const size_t before = b->n_bytes;
    tp_buf_bytes(b, "\0\0\0\0\0\0\0", LENGTH_BYTES);
    write_metadata(f);
    for (size_t width = 8; width; width /= 2)
        for (int i = 0; i < f->a->n_outputs; i++)
            for (int part = 0; part < N_PARTS; part++)
                if (value_bytes(f, part) == width && has(f, &f->entries[i], part))
                    write_entry(f, &f->entries[i], part);
    tp_buf_text(b, "}");
    while (!b->failed && (b->n_bytes - before) % 8) tp_buf_text(b, " ");
    if (b->failed) return;
    const uint64_t length = b->n_bytes - before - LENGTH_BYTES;
    memcpy(b->data + before, &length, sizeof length);
}

/* ---- the data -------------------------------------------------------------------------------- */

static void write_places(char *to, const float *places, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t place = (int64_t)places[i];
        memcpy(to + 8 * i, &place, sizeof place);
    }
}

static void write_data(struct file *f, int n_threads)
{
    char *data = tp_buf_reserve(f->b, f->data_bytes);
    if (!data) return;
    for (int i = 0; i < f->a->n_outputs; i++) {
        const struct entry *e = &f->entries[i];
        const struct tp_answer_output *o = e->output;
        const bool bytes = f->type == TP_UINT8;
        tp_narrow_write(data + e->at[VALUES], bytes ? data + e->at[SCALE] : NULL,
                        bytes ? data + e->at[ZERO] : NULL, &o->tensor, o->channels_first, f->type,
                        n_threads);
        if (o->argmax)
            write_places(data + e->at[ARGMAX], o->argmax, tp_shape_elements(&o->tensor.shape));
    }
    f->b->n_bytes += f->data_bytes;
}

bool tp_safetensors_write(struct tp_buf *b, const struct tp_answer *a, enum tp_dtype type,
                          int n_threads, struct tp_err *err)
{
    struct file f = { .b = b, .a = a, .type = type };
    f.entries = calloc((size_t)a->n_outputs + 1, sizeof *f.entries);
    bool ok = f.entries != NULL;
    for (int i = 0; i < a->n_outputs && ok; i++) {
        const struct tp_answer_output *o = &a->outputs[i];
        f.entries[i].output = o;
        f.entries[i].maps = tp_narrow_maps(&o->tensor.shape, o->channels_first);
        ok = take_name(&f, i);
    }
    if (ok) {
        write_header(&f);
        write_data(&f, n_threads);
    } else {
        tp_fail(err, TP_NO_MEMORY, "the answer: out of memory");
    }
    for (int i = 0; f.entries && i < a->n_outputs; i++) free(f.entries[i].name);
    free(f.entries);
    return ok && tp_buf_ok(b, "the answer", err);
}
