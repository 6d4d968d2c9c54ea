/* scan.c - protobuf's wire format, and of ONNX's messages the few fields that scan.h tells.
 * Field numbers: onnx.proto (github.com/onnx/onnx). */
#include "scan.h"

#include <string.h>

struct wire { const uint8_t *at, *end; };

struct field {
    unsigned number;
    uint64_t value;                  /* varint */
    struct wire sub;                 /* length-delimited: message, string, packed */
};

static bool varint(struct wire *w, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

static bool skip(struct wire *w, size_t n_bytes)
{
    if (n_bytes > (size_t)(w->end - w->at)) return false;
    w->at += n_bytes;
    return true;
}

/* The next field; false at the end, with w->at beyond w->end where the bytes are broken. */
static bool next(struct wire *w, struct field *f)
{
    uint64_t tag, n_bytes;
    bool ok = false;
    if (w->at == w->end) return false;
    *f = (struct field){ 0 };
    if (varint(w, &tag)) {
        f->number = (unsigned)(tag >> 3);
        switch (tag & 7) {
        case 0: ok = varint(w, &f->value); break;
        case 1: ok = skip(w, 8); break;
        case 2:
            ok = varint(w, &n_bytes) && skip(w, n_bytes);
            if (ok) f->sub = (struct wire){ w->at - n_bytes, w->at };
            break;
        case 5: ok = skip(w, 4); break;
        default: break;
        }
    }
    if (!ok) w->at = w->end = NULL;
    return ok;
}

static bool is_broken(const struct wire *w) { return !w->at; }

static bool copy(char *out, struct wire text)
{
    size_t n = (size_t)(text.end - text.at);
    if (n >= SCAN_NAME) return false;
    if (n) memcpy(out, text.at, n);
    out[n] = 0;
    return true;
}

static bool is_text(struct wire text, const char *what)
{
    size_t n = (size_t)(text.end - text.at);
    return n == strlen(what) && !memcmp(text.at, what, n);
}

static void note_type(struct scan *s, uint64_t type)
{
    if (type < 32) s->types |= UINT32_C(1) << type;
}

/* TensorProto: data_type 2, name 8. */
static bool tensor(struct scan *s, struct wire w, char *name)
{
    struct field f;
    if (name) name[0] = 0;
    while (next(&w, &f)) {
        if (f.number == 2) note_type(s, f.value);
        if (f.number == 8 && name && !copy(name, f.sub)) return false;
    }
    return !is_broken(&w);
}

/* ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1 } }. */
static bool value(struct scan *s, struct wire w, struct scan_value *out)
{
    struct field f, kind, inner;
    *out = (struct scan_value){ 0 };
    while (next(&w, &f)) {
        if (f.number == 1 && !copy(out->name, f.sub)) return false;
        if (f.number != 2) continue;
        struct wire type = f.sub;
        while (next(&type, &kind)) {
            if (kind.number != 1) continue;
            out->is_tensor = true;
            struct wire t = kind.sub;
            while (next(&t, &inner))
                if (inner.number == 1) out->type = (int)inner.value;
        }
    }
    if (out->is_tensor) note_type(s, (uint64_t)out->type);
    return !is_broken(&w);
}

/* AttributeProto: name 1, i 3, s 4, t 5. */
static bool attribute(struct scan *s, struct wire w, bool is_cast)
{
    struct field f;
    struct wire name = { 0 }, text = { 0 };
    uint64_t i = 0;
    while (next(&w, &f)) {
        if (f.number == 1) name = f.sub;
        if (f.number == 3) i = f.value;
        if (f.number == 4) text = f.sub;
        if (f.number == 5 && !tensor(s, f.sub, NULL)) return false;
    }
    if (is_cast && is_text(name, "to")) note_type(s, i);
    if (is_text(name, "training_mode") && i) s->training = true;
    if (is_text(name, "mode") && is_text(text, "cubic")) s->cubic = true;
    return !is_broken(&w);
}

/* NodeProto: op_type 4, attribute 5, domain 7. */
static bool node(struct scan *s, struct wire w)
{
    struct field f;
    struct wire again = w;
    char op[SCAN_NAME] = "", domain[SCAN_NAME] = "";
    while (next(&w, &f)) {
        if (f.number == 4 && !copy(op, f.sub)) return false;
        if (f.number == 7 && !copy(domain, f.sub)) return false;
    }
    while (next(&again, &f))
        if (f.number == 5 && !attribute(s, f.sub, !strcmp(op, "Cast"))) return false;
    if (is_broken(&w) || is_broken(&again)) return false;
    if (domain[0]) {
        if (strlen(domain) + 1 + strlen(op) >= sizeof domain) return false;
        strcat(strcat(domain, "."), op);
        strcpy(op, domain);
    }
    s->n_nodes++;
    for (int k = 0; k < s->n_ops; k++)
        if (!strcmp(s->ops[k], op)) return true;
    if (s->n_ops == SCAN_OPS) return false;
    strcpy(s->ops[s->n_ops++], op);
    return true;
}

static void drop_input(struct scan *s, const char *name)
{
    int n = 0;
    for (int i = 0; i < s->n_inputs; i++)
        if (strcmp(s->inputs[i].name, name)) s->inputs[n++] = s->inputs[i];
    s->n_inputs = n;
}

/* GraphProto: node 1, initializer 5, input 11, output 12, value_info 13. */
static bool graph(struct scan *s, struct wire w)
{
    struct field f;
    struct wire again = w;
    struct scan_value info;
    char name[SCAN_NAME];
    while (next(&w, &f)) {
        if (f.number == 1 && !node(s, f.sub)) return false;
        if (f.number == 11 && (s->n_inputs == SCAN_VALUES ||
                               !value(s, f.sub, &s->inputs[s->n_inputs++]))) return false;
        if (f.number == 12 && (s->n_outputs == SCAN_VALUES ||
                               !value(s, f.sub, &s->outputs[s->n_outputs++]))) return false;
        if (f.number == 13 && !value(s, f.sub, &info)) return false;
    }
    while (next(&again, &f)) {
        if (f.number != 5) continue;
        if (!tensor(s, f.sub, name)) return false;
        drop_input(s, name);
    }
    return !is_broken(&w) && !is_broken(&again);
}

/* ModelProto: graph 7. */
bool scan_model(struct scan *out, const void *bytes, size_t n_bytes)
{
    struct wire w = { bytes, (const uint8_t *)bytes + n_bytes };
    struct field f;
    bool found = false;
    *out = (struct scan){ 0 };
    while (next(&w, &f)) {
        if (f.number != 7) continue;
        if (!graph(out, f.sub)) return false;
        found = true;
    }
    return found && !is_broken(&w);
}
