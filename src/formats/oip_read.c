/* oip_read.c - Open Inference Protocol v2: requests of inference, with the binary tensor extension.
 *
 * A body is JSON, then the bytes of the tensors that it announces with "binary_data_size", packed
 * in their order. Inference-Header-Content-Length says where the JSON ends; 0 there means that the
 * body is the input and nothing else. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "formats/datatype.h"
#include "formats/intake.h"
#include "formats/json_scan.h"
#include "formats/npy.h"
#include "formats/oip_said.h"

enum { MAX_OUTPUTS = 256, LENGTH_BYTES = 4 };

struct reading {
    struct tp_intake *in;
    struct tp_json *doc;
    struct tp_oip_said *said;
    const uint8_t *binary, *end;     /* what is not taken yet of the bytes behind the JSON */
};

/* ---- the input ------------------------------------------------------------------------------- */

struct input {                       /* one entry of "inputs" */
    const char *name;
    struct tp_shape shape;
    enum tp_datatype type;
    json_t *data;                    /* NULL: binary */
    const uint8_t *bytes;
    size_t n_bytes;
};

/* A member that may be missing: null is what some clients send for those that were not set. */
static json_t *member(const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);
    return json_is_null(v) ? NULL : v;
}

static const char *text_of(const struct reading *r, const json_t *v)
{
    return json_is_string(v) && !tp_json_span(r->doc, v) ? json_string_value(v) : NULL;
}

/* "parameters" of the request, an input or an output: an object, or NULL where there are none. */
static bool find_parameters(struct reading *r, const json_t *of, const char *where, json_t **out)
{
    *out = member(of, "parameters");
    if (!*out || json_is_object(*out)) return true;
    return tp_fail(r->in->err, TP_INVALID_JSON, "%sparameters: expected an object; got %s", where,
                   tp_json_kind(r->doc, *out));
}

/* Where the input's values are: exactly one of "data" and "binary_data_size", or all that follows
 * the JSON. */
static bool find_bytes(struct reading *r, struct input *x, const json_t *parameters)
{
    struct tp_err *err = r->in->err;
    const json_t *size = member(parameters, "binary_data_size");
    const size_t left = (size_t)(r->end - r->binary);
    if (member(parameters, "shared_memory_region"))
        return tp_fail(err, TP_INVALID_ARGUMENT, "input '%.64s': shared memory is not read here; "
                       "send the values as \"data\" or as binary", x->name);
    if (x->data && size)
        return tp_fail(err, TP_INVALID_ARGUMENT, "input '%.64s' has both data and "
                       "binary_data_size; expected one of them", x->name);
    if (x->data) return true;
    if (!size && !left)
        return tp_fail(err, TP_INVALID_ARGUMENT, "input '%.64s' has no values: expected \"data\", "
                       "or \"binary_data_size\" in its parameters and the bytes behind the JSON "
                       "(Inference-Header-Content-Length says where that ends)", x->name);
    x->n_bytes = left;
    if (size) {
        const json_int_t n = json_integer_value(size);
        if (!json_is_integer(size) || n < 0)
            return tp_fail(err, TP_INVALID_ARGUMENT, "input '%.64s': binary_data_size is %s; "
                           "expected a number of bytes", x->name,
                           json_is_integer(size) ? "negative" : tp_json_kind(r->doc, size));
        if ((uint64_t)n > left)
            return tp_fail(err, TP_INVALID_ARGUMENT, "input '%.64s': binary_data_size is %lld and "
                           "%zu bytes are there behind the JSON", x->name, (long long)n, left);
        x->n_bytes = (size_t)n;
    }
    x->bytes = r->binary;
    r->binary += x->n_bytes;
    return true;
}

static bool read_input(struct reading *r, const json_t *v, struct input *x)
{
    struct tp_intake *in = r->in;
    char where[128];
    *x = (struct input){ .name = text_of(r, json_object_get(v, "name")) };
    const char *datatype = text_of(r, json_object_get(v, "datatype"));
    const json_t *shape = json_object_get(v, "shape");
    json_t *parameters;
    if (!x->name || !datatype || !shape)
        return tp_fail(in->err, TP_INVALID_JSON, "inputs[0]: expected an object with the texts "
                       "\"name\" and \"datatype\", and \"shape\"; got %s",
                       !json_is_object(v) ? tp_json_kind(r->doc, v)
                       : !x->name ? "no name" : !datatype ? "no datatype" : "no shape");
    snprintf(where, sizeof where, "input '%.64s': ", x->name);
    if (!find_parameters(r, v, where, &parameters)) return false;
    snprintf(where, sizeof where, "input '%.64s'", x->name);
    if (!tp_datatype_read(datatype, &x->type, in->err)) return tp_fail_in(in->err, "%s", where);
    snprintf(where, sizeof where, "input '%.64s': shape", x->name);
    x->data = member(v, "data");
    return tp_json_ints(r->doc, shape, where, x->shape.dim, TP_MAX_RANK, &x->shape.rank,
                        in->err) &&
           tp_shape_check(&x->shape, in->limits->max_elements, where, in->err) &&
           find_bytes(r, x, parameters);
}

static bool fail_count(struct reading *r, const struct input *x, int64_t n)
{
    return tp_fail(r->in->err, TP_INVALID_SHAPE, "input '%.64s': shape %s has %" PRId64
                   " values; data has %" PRId64, x->name, TP_SHAPE(&x->shape),
                   tp_shape_elements(&x->shape), n);
}

/* How many elements there are in data that is no array of numbers. */
static int64_t count(const json_t *v)
{
    int64_t n = 0;
    for (size_t i = 0; i < json_array_size(v); i++) n += count(json_array_get(v, i));
    return json_is_array(v) ? n : 1;
}

/* Data that is no array of numbers, nested or flat: as many elements as the shape says. */
static bool check_list(struct reading *r, const struct input *x)
{
    const int64_t n = json_is_array(x->data) ? count(x->data) : -1;
    if (n == tp_shape_elements(&x->shape)) return true;
    if (n >= 0) return fail_count(r, x, n);
    return tp_fail(r->in->err, TP_INVALID_JSON, "input '%.64s': data of %s %s must be an array of "
                   "%s; got %s", x->name, tp_datatype_name(x->type), TP_SHAPE(&x->shape),
                   x->type == TP_DT_BOOL ? "true and false" : "texts in base64",
                   tp_json_kind(r->doc, x->data));
}

static bool store_bools(struct reading *r, const struct input *x, const json_t *v, float **to)
{
    if (json_is_boolean(v)) {
        *(*to)++ = json_is_true(v);
        return true;
    }
    if (!json_is_array(v))
        return tp_fail(r->in->err, TP_INVALID_JSON, "input '%.64s': data of BOOL holds %s; "
                       "expected true and false", x->name, tp_json_kind(r->doc, v));
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!store_bools(r, x, json_array_get(v, i), to)) return false;
    return true;
}

static bool add_json_bools(struct reading *r, const struct input *x)
{
    struct tp_intake *in = r->in;
    if (!check_list(r, x)) return false;
    const struct tp_tensor t = {
        x->shape, tp_arena_floats(in->arena, tp_shape_elements(&x->shape)),
    };
    float *to = t.data;
    if (!t.data) return tp_arena_fail(in->arena, in->err);
    return store_bools(r, x, x->data, &to) && tp_intake_tensor(in, &t);
}

static bool add_json_numbers(struct reading *r, const struct input *x)
{
    struct tp_intake *in = r->in;
    struct tp_tensor t = { 0 };
    char where[128];
    snprintf(where, sizeof where, "input '%.64s': data", x->name);
    if (!tp_intake_numbers(in, r->doc, x->data, where, &t)) return false;
    const int64_t n = tp_shape_elements(&t.shape);
    const struct tp_json_span *span = tp_json_span(r->doc, x->data);
    if (n != tp_shape_elements(&x->shape)) return fail_count(r, x, n);
    t.shape = x->shape;
    return tp_datatype_check(x->type, t.data, n, r->doc->text + span->begin,
                             r->doc->text + span->end, where, in->err) &&
           tp_intake_tensor(in, &t);
}

static bool add_binary_numbers(struct reading *r, const struct input *x)
{
    struct tp_intake *in = r->in;
    const int64_t n = tp_shape_elements(&x->shape);
    const size_t wanted = (size_t)n * tp_datatype_bytes(x->type);
    if (x->n_bytes != wanted)
        return tp_fail(in->err, TP_INVALID_SHAPE, "input '%.64s': %zu bytes of binary data; %s %s "
                       "has %zu", x->name, x->n_bytes, tp_datatype_name(x->type),
                       TP_SHAPE(&x->shape), wanted);
    const struct tp_tensor t = { x->shape, tp_arena_floats(in->arena, n) };
    if (!t.data) return tp_arena_fail(in->arena, in->err);
    tp_datatype_floats(x->type, x->bytes, n, t.data);
    return tp_intake_tensor(in, &t);
}

/* ---- images as BYTES ------------------------------------------------------------------------- */

static bool is_file(const uint8_t *p, size_t n_bytes)
{
    return tp_npy_sniff(p, n_bytes) || tp_image_sniff(p, n_bytes) != TP_IMAGE_UNKNOWN;
}

/* n elements of BYTES in binary form: each with its length in front, in 4 bytes, little-endian. A
 * lone one may come without. */
static bool add_binary_files(struct reading *r, const char *where, const uint8_t *p, size_t n_bytes,
                             int64_t n)
{
    struct tp_err *err = r->in->err;
    const uint8_t *end = p + n_bytes;
    char element[128];
    if (n == 1 && is_file(p, n_bytes)) return tp_intake_file(r->in, where, p, n_bytes);
    for (int64_t i = 0; i < n; i++) {
        if (end - p < LENGTH_BYTES)
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: the bytes end before element %" PRId64
                           " of %" PRId64 "; each has its length in 4 bytes in front", where, i, n);
        const uint32_t length = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                                (uint32_t)p[3] << 24;
        p += LENGTH_BYTES;
        if (length > (size_t)(end - p))
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: element %" PRId64 " has %" PRIu32
                           " bytes by its length, and %zu are there", where, i, length,
                           (size_t)(end - p));
        snprintf(element, sizeof element, "%s element %" PRId64, where, i);
        if (!tp_intake_file(r->in, element, p, length)) return false;
        p += length;
    }
    if (p == end) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "%s: %zu bytes are left over behind its last element",
                   where, (size_t)(end - p));
}

/* Elements as JSON has them: base64, since a JPEG is no text. */
static bool store_files(struct reading *r, const struct input *x, const json_t *v, int *i)
{
    char where[128];
    for (size_t k = 0; k < json_array_size(v); k++)
        if (!store_files(r, x, json_array_get(v, k), i)) return false;
    if (json_is_array(v)) return true;
    snprintf(where, sizeof where, "input '%.64s': element %d", x->name, (*i)++);
    return tp_intake_base64(r->in, r->doc, v, where);
}

static bool add_files(struct reading *r, const struct input *x)
{
    char where[128];
    int i = 0;
    snprintf(where, sizeof where, "input '%.64s'", x->name);
    if (!x->data)
        return add_binary_files(r, where, x->bytes, x->n_bytes, tp_shape_elements(&x->shape));
    return check_list(r, x) && store_files(r, x, x->data, &i);
}

static bool add_input(struct reading *r, const struct input *x)
{
    const char *wanted = r->in->model->input_name;
    if (x->type == TP_DT_BYTES) return add_files(r, x);
    if (strcmp(x->name, wanted))
        return tp_fail(r->in->err, TP_INVALID_ARGUMENT, "input '%.64s': the model's input is "
                       "'%.64s'; images come as an input of datatype BYTES, of any name",
                       x->name, wanted);
    if (!x->data) return add_binary_numbers(r, x);
    return x->type == TP_DT_BOOL && !tp_json_span(r->doc, x->data) ? add_json_bools(r, x)
                                                                   : add_json_numbers(r, x);
}

static bool read_inputs(struct reading *r, const json_t *v)
{
    struct input x;
    if (json_array_size(v) > 1)
        return tp_fail(r->in->err, TP_INVALID_JSON, "inputs: the model takes one, and %zu are "
                       "here; several images are one input of datatype BYTES", json_array_size(v));
    if (!json_array_size(v))
        return tp_fail(r->in->err, TP_INVALID_JSON, "inputs: expected an array with the model's "
                       "input; got %s", tp_json_kind(r->doc, v));
    if (!read_input(r, json_array_get(v, 0), &x) || !add_input(r, &x)) return false;
    if (r->binary == r->end) return true;
    return tp_fail(r->in->err, TP_INVALID_ARGUMENT, "%zu bytes are left over behind the JSON and "
                   "the %zu bytes of input '%.64s'", (size_t)(r->end - r->binary), x.n_bytes,
                   x.name);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

/* Where a tensor of the answer stands: in JSON, or behind it. */
static bool read_binary(struct reading *r, const char *where, const char *key, const json_t *v,
                        enum tp_oip_binary *out)
{
    *out = json_is_true(v) ? TP_OIP_BINARY : TP_OIP_TEXT;
    if (json_is_boolean(v)) return true;
    return tp_fail(r->in->err, TP_INVALID_ARGUMENT, "%s%s: expected true or false; got %s", where,
                   key, tp_json_kind(r->doc, v));
}

static bool read_dtype(struct reading *r, const char *where, const char *word, bool *fp16)
{
    *fp16 = !strcmp(word, "fp16");
    if (*fp16 || !strcmp(word, "fp32")) return true;
    return tp_fail(r->in->err, TP_INVALID_ARGUMENT, "%sdtype: '%.32s'; expected fp32 or fp16",
                   where, word);
}

/* One parameter of an output. */
static bool read_parameter(struct reading *r, const char *where, const char *key, const json_t *v,
                           struct tp_oip_output *o, struct tp_options *words)
{
    struct tp_err *err = r->in->err;
    const char *word;
    if (!strcmp(key, "binary_data")) return read_binary(r, where, key, v, &o->binary);
    if (!strcmp(key, "classification")) {
        const json_int_t k = json_integer_value(v);
        o->classification = (int)k;
        if (json_is_integer(v) && k >= 1 && k <= TP_ANSWER_MAX_TOP) return true;
        return tp_fail(err, TP_INVALID_ARGUMENT, "%sclassification: expected 1 to %d", where,
                       TP_ANSWER_MAX_TOP);
    }
    if (!tp_intake_word(r->in, r->doc, where, key, v, &word)) return false;
    if (!strcmp(key, "dtype")) return read_dtype(r, where, word, &o->fp16);
    const enum tp_word_scope scope = tp_options_scope(key);
    if (scope == TP_WORD_OF_OUTPUT || scope == TP_WORD_OF_BOTH)
        return tp_options_set(words, key, word, err);
    return tp_fail(err, TP_INVALID_ARGUMENT, "%s'%.40s' is no parameter of an output; there are "
                   "pool, window, stride, padding, ceil, grid, pyramid, rois, p, argmax, "
                   "normalize, dtype, binary_data, classification", where, key);
}

static bool read_output(struct reading *r, const json_t *v, int i, struct tp_oip_output *o)
{
    struct tp_request *rq = r->in->rq;
    json_t *parameters, *value;
    const char *key;
    char where[32];
    *o = r->said->all;
    snprintf(where, sizeof where, "outputs[%d]: ", i);
    rq->names[i] = text_of(r, json_object_get(v, "name"));
    if (!rq->names[i])
        return tp_fail(r->in->err, TP_INVALID_JSON, "%sexpected an object with the \"name\" of a "
                       "layer; got %s", where,
                       json_is_object(v) ? "none" : tp_json_kind(r->doc, v));
    if (!find_parameters(r, v, where, &parameters)) return false;
    json_object_foreach(parameters, key, value)
        if (!read_parameter(r, where, key, value, o, &rq->outputs[i])) return false;
    return true;
}

static bool read_outputs(struct reading *r, const json_t *v)
{
    struct tp_intake *in = r->in;
    struct tp_request *rq = in->rq;
    const size_t n = json_array_size(v);
    if (!json_is_array(v) || n > MAX_OUTPUTS)
        return tp_fail(in->err, TP_INVALID_JSON, "outputs: expected an array of at most %d objects "
                       "such as {\"name\": \"conv\"}; got %s", MAX_OUTPUTS,
                       tp_json_kind(r->doc, v));
    if (!n) return true;                                      /* as if it were not there */
    struct tp_oip_output *outputs = tp_arena_zalloc(in->arena, n, sizeof *outputs);
    rq->names = tp_arena_zalloc(in->arena, n, sizeof *rq->names);
    rq->outputs = tp_arena_zalloc(in->arena, n, sizeof *rq->outputs);
    if (!outputs || !rq->names || !rq->outputs) return tp_arena_fail(in->arena, in->err);
    r->said->outputs = outputs;
    rq->n_outputs = (int)n;
    for (size_t i = 0; i < n; i++)
        if (!read_output(r, json_array_get(v, i), (int)i, &outputs[i])) return false;
    return true;
}

/* One parameter of the whole request. What other servers know and this one has no use for
 * (priority, sequences, names of one's own) is left alone, as the protocol has it. */
static bool read_common(struct reading *r, const char *key, const json_t *v)
{
    static const char where[] = "parameters: ";
    struct tp_intake *in = r->in;
    struct tp_oip_output *all = &r->said->all;
    const enum tp_word_scope scope = tp_options_scope(key);
    const char *word;
    if (!strcmp(key, "binary_data_output")) return read_binary(r, where, key, v, &all->binary);
    if (!strncmp(key, "triton_", 7))
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "%s'%.40s' begins with triton_, which is "
                       "reserved", where, key);
    if (scope == TP_WORD_OF_OUTPUT || scope == TP_WORD_OF_QUERY)
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "%s'%.40s' belongs to an output: \"outputs\": "
                       "[{\"name\": \"conv\", \"parameters\": {\"pool\": \"max\"}}]", where, key);
    if (scope == TP_WORD_UNKNOWN) return true;
    if (!tp_intake_word(in, r->doc, where, key, v, &word)) return false;
    return !strcmp(key, "dtype") ? read_dtype(r, where, word, &all->fp16)
                                 : tp_options_set(&in->rq->words, key, word, in->err);
}

static bool read_parameters(struct reading *r, const json_t *root)
{
    json_t *parameters, *value;
    const char *key;
    if (!find_parameters(r, root, "", &parameters)) return false;
    json_object_foreach(parameters, key, value)
        if (!read_common(r, key, value)) return false;
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool read_json(struct reading *r, const void *text, size_t n_bytes)
{
    struct tp_intake *in = r->in;
    if (!tp_intake_document(in, &r->doc, text, n_bytes, "body")) return false;
    const json_t *root = r->doc->root;
    const json_t *id = member(root, "id"), *outputs = member(root, "outputs");
    if (!json_is_object(root))
        return tp_fail(in->err, TP_INVALID_JSON, "body: expected an object with \"inputs\"; got %s",
                       tp_json_kind(r->doc, root));
    r->said->id = text_of(r, id);
    if (id && !r->said->id)
        return tp_fail(in->err, TP_INVALID_JSON, "id: expected a text; got %s",
                       tp_json_kind(r->doc, id));
    return read_parameters(r, root) && (!outputs || read_outputs(r, outputs)) &&
           read_inputs(r, json_object_get(root, "inputs"));
}

/* The input alone: a file, one with its length in front, or numbers. Answered in binary. */
static bool read_raw(struct reading *r, const uint8_t *bytes, size_t n_bytes)
{
    const bool prefixed = n_bytes > LENGTH_BYTES && is_file(bytes + LENGTH_BYTES,
                                                            n_bytes - LENGTH_BYTES);
    r->said->all.binary = TP_OIP_BINARY;
    if (!n_bytes)
        return tp_fail(r->in->err, TP_INVALID_ARGUMENT, "the body is empty; with "
                       "Inference-Header-Content-Length: 0 it is the input itself");
    if (is_file(bytes, n_bytes) || prefixed)
        return add_binary_files(r, "body", bytes, n_bytes, 1);
    return tp_intake_raw(r->in, "body", bytes, n_bytes);
}

/* How long the JSON is, by its header. */
static bool read_length(struct tp_intake *in, const struct tp_body *body, size_t *n_json)
{
    const char *text = body->json_bytes;
    size_t n = 0;
    bool ok = *text != '\0';
    for (const char *p = text; *p && ok; p++)
        ok = *p >= '0' && *p <= '9' && !__builtin_mul_overflow(n, 10, &n) &&
             !__builtin_add_overflow(n, (size_t)(*p - '0'), &n);
    *n_json = n;
    if (!ok)
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "Inference-Header-Content-Length: '%.32s'; "
                       "expected the number of bytes of the JSON, from 0", text);
    if (n <= body->n_bytes) return true;
    return tp_fail(in->err, TP_INVALID_ARGUMENT, "Inference-Header-Content-Length: %zu exceeds the "
                   "body, which has %zu bytes", n, body->n_bytes);
}

bool tp_oip_read(struct tp_intake *in, const struct tp_body *body)
{
    struct reading r = { .in = in };
    size_t n_json = body->n_bytes;
    const uint8_t *bytes = body->bytes;
    if (body->json_bytes && !read_length(in, body, &n_json)) return false;
    r.said = tp_arena_zalloc(in->arena, 1, sizeof *r.said);
    if (!r.said) return tp_arena_fail(in->arena, in->err);
    in->rq->said = r.said;
    if (body->json_bytes && !n_json) return read_raw(&r, bytes, body->n_bytes);
    if (!body->n_bytes)
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "the body is empty; expected {\"inputs\": "
                       "[...]}");
    r.binary = bytes + n_json;
    r.end = bytes + body->n_bytes;
    return read_json(&r, bytes, n_json);
}
