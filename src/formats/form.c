/* form.c - the forms of an answer: their names, and whose work each one is. */
#include "formats/form.h"

#include <string.h>
#include <strings.h>

#include "formats/mosaic.h"
#include "formats/npy.h"
#include "formats/safetensors_write.h"

/* ---- names ----------------------------------------------------------------------------------- */

static const struct { const char *name, *type, *suffix; } forms[TP_N_FORMS] = {
    [TP_FORM_JSON] = { "json", "application/json", ".json" },
    [TP_FORM_NPY] = { "npy", "application/x-npy", ".npy" },
    [TP_FORM_SAFETENSORS] = { "safetensors", "application/vnd.safetensors", ".safetensors" },
    [TP_FORM_BINARY] = { "binary", "application/octet-stream", ".bin" },
    [TP_FORM_PNG] = { "png", "image/png", ".png" },
};

static const struct { const char *name, *datatype, *npy; } types[] = {
    [TP_FP32] = { "fp32", "FP32", "<f4" },
    [TP_FP16] = { "fp16", "FP16", "<f2" },
    [TP_UINT8] = { "uint8", "UINT8", "|u1" },
};

enum { N_TYPES = sizeof types / sizeof *types };

const char *tp_form_name(enum tp_form form) { return forms[form].name; }
const char *tp_form_type(enum tp_form form) { return forms[form].type; }
const char *tp_form_suffix(enum tp_form form) { return forms[form].suffix; }
const char *tp_form_datatype(enum tp_dtype type) { return types[type].datatype; }

bool tp_form_read(const char *name, enum tp_form *form, struct tp_err *err)
{
    for (int i = 0; i < TP_N_FORMS; i++)
        if (!strcmp(name, forms[i].name)) {
            *form = (enum tp_form)i;
            return true;
        }
    return tp_fail(err, TP_INVALID_ARGUMENT, "format=%.32s: expected json, npy, safetensors, "
                   "binary or png", name);
}

bool tp_form_read_dtype(const char *name, enum tp_dtype *type, struct tp_err *err)
{
    for (int i = 0; i < N_TYPES; i++)
        if (!strcmp(name, types[i].name)) {
            *type = (enum tp_dtype)i;
            return true;
        }
    return tp_fail(err, TP_INVALID_ARGUMENT, "dtype=%.32s: expected fp32, fp16 or uint8", name);
}

bool tp_form_of_type(const char *type, size_t n_bytes, enum tp_form *form)
{
    for (int i = 0; i < TP_N_FORMS; i++)
        if (strlen(forms[i].type) == n_bytes && !strncasecmp(type, forms[i].type, n_bytes)) {
            *form = (enum tp_form)i;
            return true;
        }
    return false;
}

/* ---- what a form holds ----------------------------------------------------------------------- */

static bool check_one(const struct tp_answer *a, enum tp_form form, struct tp_err *err)
{
    if (a->n_outputs != 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "format=%s holds one output, and there are %d; "
                       "format=safetensors holds them all, concat=true makes one of them",
                       forms[form].name, a->n_outputs);
    return true;
}

bool tp_form_check(const struct tp_answer *a, enum tp_form form, enum tp_dtype type,
                   struct tp_err *err)
{
    if (type != TP_FP32 && (form == TP_FORM_JSON || form == TP_FORM_PNG))
        return tp_fail(err, TP_INVALID_ARGUMENT, "dtype=%s: not of format=%s; give it with "
                       "format=npy, safetensors or binary", types[type].name, forms[form].name);
    for (int i = 0; i < a->n_outputs; i++)
        if (a->outputs[i].argmax && form != TP_FORM_JSON && form != TP_FORM_SAFETENSORS)
            return tp_fail(err, TP_INVALID_ARGUMENT, "argmax: format=%s has no room for it; ask "
                           "for json or safetensors", forms[form].name);
    switch (form) {
    case TP_FORM_NPY:
    case TP_FORM_BINARY: return check_one(a, form, err);
    case TP_FORM_PNG: return tp_mosaic_check(a, err);
    case TP_FORM_JSON:
    case TP_FORM_SAFETENSORS:
    case TP_N_FORMS: break;
    }
    return true;
}

/* ---- one output: .npy and raw bytes ---------------------------------------------------------- */

/* "1,512,7,7" */
static void add_shape(struct tp_head *head, const char *name, const struct tp_shape *s)
{
    char text[TP_HEAD_VALUE_BYTES] = "";
    struct tp_buf b = { 0 };
    for (int i = 0; i < s->rank; i++) {
        if (i) tp_buf_text(&b, ",");
        tp_buf_int(&b, s->dim[i]);
    }
    if (b.n_bytes && b.n_bytes < sizeof text) memcpy(text, b.data, b.n_bytes);
    tp_buf_fini(&b);
    tp_head_add(head, name, "%s", text);
}

static void add_headers(struct tp_head *head, const struct tp_answer_output *o,
                        const struct tp_shape *maps, enum tp_dtype type)
{
    add_shape(head, "X-Tensor-Shape", &o->tensor.shape);
    tp_head_add(head, "X-Tensor-Datatype", "%s", types[type].datatype);
    if (o->tensor.shape.rank == 4)
        tp_head_add(head, "X-Tensor-Layout", "%s", o->channels_first ? "NCHW" : "NHWC");
    if (type == TP_UINT8) add_shape(head, "X-Tensor-Scale-Shape", maps);
}

/* The values, and of uint8 scale and zero behind them: each an array with its own header, or bare.
 * One reservation, so that nothing moves while it is written. */
static void write_one(struct tp_buf *b, const struct tp_answer_output *o,
                      const struct tp_shape *maps, enum tp_form form, enum tp_dtype type,
                      int n_threads)
{
    const size_t n_bytes = (size_t)tp_shape_elements(&o->tensor.shape) * tp_narrow_bytes(type);
    const size_t map_bytes = type == TP_UINT8 ? (size_t)tp_shape_elements(maps) * 4 : 0;
    const size_t head_bytes = form == TP_FORM_NPY ? 3 * TP_NPY_HEAD_BYTES : 0;
    char *at[3] = { 0 };
    if (!tp_buf_reserve(b, n_bytes + 2 * map_bytes + head_bytes)) return;
    for (int i = 0; i < (type == TP_UINT8 ? 3 : 1); i++) {
        if (form == TP_FORM_NPY)
            tp_npy_begin(b, i ? "<f4" : types[type].npy, i ? maps : &o->tensor.shape);
        at[i] = b->data + b->n_bytes;
        b->n_bytes += i ? map_bytes : n_bytes;
    }
    tp_narrow_write(at[0], at[1], at[2], &o->tensor, o->channels_first, type, n_threads);
}

bool tp_form_write(struct tp_buf *b, struct tp_head *head, const struct tp_answer *a,
                   enum tp_form form, enum tp_dtype type, int n_threads, struct tp_err *err)
{
    struct tp_shape maps;
    head->content_type = forms[form].type;
    switch (form) {
    case TP_FORM_NPY:
    case TP_FORM_BINARY:
        maps = tp_narrow_maps(&a->outputs[0].tensor.shape, a->outputs[0].channels_first);
        add_headers(head, &a->outputs[0], &maps, type);
        write_one(b, &a->outputs[0], &maps, form, type, n_threads);
        return tp_buf_ok(b, "the answer", err);
    case TP_FORM_SAFETENSORS:
        return tp_safetensors_write(b, a, type, n_threads, err);
    case TP_FORM_PNG:
        return tp_mosaic_write(b, a, err);
    case TP_FORM_JSON:
    case TP_N_FORMS: break;
    }
    return tp_fail(err, TP_INTERNAL, "format=%s is written elsewhere", forms[form].name);
}
