/* request.c - a request's body. */
#include "formats/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "formats/intake.h"
#include "formats/multipart.h"
#include "formats/npy.h"

enum { MAX_OUTPUTS = 256 };

#define READABLE                                                                                   \
    "a JPEG, PNG or WebP file, a .npy array, multipart/form-data with such files, or JSON"

static bool read_multipart(struct tp_intake *in, const char *content_type, const void *body,
                           size_t n_bytes)
{
    struct tp_part *parts;
    int n_parts;
    if (!tp_multipart_parse(&parts, &n_parts, content_type, body, n_bytes,
                            in->limits->max_batch + 1, in->arena, in->err)) return false;
    for (int i = 0; i < n_parts; i++) {
        const struct tp_part *p = &parts[i];
        char where[128];
        if (!in->model && !strcmp(p->name, "pipeline")) {
            struct tp_json *doc;
            if (in->rq->pipeline)
                return tp_fail(in->err, TP_INVALID_ARGUMENT, "multipart: two parts named pipeline");
            if (!tp_intake_document(in, &doc, p->data, p->n_bytes, "part 'pipeline'")) return false;
            in->rq->pipeline = doc->root;
            continue;
        }
        snprintf(where, sizeof where, "part %d ('%.40s')", i, p->filename ? p->filename : p->name);
        if (!tp_intake_file(in, where, p->data, p->n_bytes)) return false;
    }
    if (!in->rq->n_sources)
        return tp_fail(in->err, TP_INVALID_ARGUMENT,
                       "multipart: no file among %d parts; expected at least one image",
                       n_parts);
    return true;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* {"shape": [...], "data": [...]} */
static bool read_shape_data(struct tp_intake *in, const struct tp_json *doc, json_t *v,
                            struct tp_tensor *t)
{
    const char *key;
    json_t *value, *shape = NULL, *data = NULL;
    json_object_foreach(v, key, value) {
        if (!strcmp(key, "shape")) shape = value;
        else if (!strcmp(key, "data")) data = value;
        else
            return tp_fail(in->err, TP_INVALID_JSON,
                           "tensor: unknown key '%.40s'; expected shape and data",
                           key);
    }
    if (!shape || !data)
        return tp_fail(in->err, TP_INVALID_JSON, "tensor: \"%s\" is missing; expected {\"shape\": "
                       "[...], \"data\": [...]}", shape ? "data" : "shape");
    struct tp_shape s = { 0 };
    if (!tp_json_ints(doc, shape, "tensor.shape", s.dim, TP_MAX_RANK, &s.rank, in->err) ||
        !tp_shape_check(&s, in->limits->max_elements, "tensor.shape", in->err) ||
        !tp_intake_numbers(in, doc, data, "tensor.data", t)) return false;
    int64_t n = tp_shape_elements(&t->shape);
    if (n != tp_shape_elements(&s))
        return tp_fail(in->err, TP_INVALID_SHAPE,
                       "tensor: shape %s needs %" PRId64 " numbers; data has %" PRId64,
                       TP_SHAPE(&s), tp_shape_elements(&s), n);
    t->shape = s;
    return true;
}

static bool add_tensor(struct tp_intake *in, const struct tp_json *doc, json_t *v)
{
    struct tp_tensor t = { 0 };
    if (json_is_object(v) ? !read_shape_data(in, doc, v, &t)
                          : !tp_intake_numbers(in, doc, v, "tensor", &t))
        return false;
    return tp_intake_tensor(in, &t);
}

static bool add_images(struct tp_intake *in, const struct tp_json *doc, const json_t *v)
{
    char where[32];
    if (!json_is_array(v) || !json_array_size(v))
        return tp_fail(in->err, TP_INVALID_JSON,
                       "images: expected an array of base64 texts or data: URIs; got %s",
                       tp_json_kind(doc, v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        snprintf(where, sizeof where, "images[%zu]", i);
        if (!tp_intake_base64(in, doc, json_array_get(v, i), where)) return false;
    }
    return true;
}

static bool read_output(struct tp_intake *in, const struct tp_json *doc, json_t *v, int i)
{
    const char *key, *word;
    json_t *value;
    char where[32];
    snprintf(where, sizeof where, "outputs[%d].", i);
    if (!json_is_object(v))
        return tp_fail(in->err, TP_INVALID_JSON,
                       "outputs[%d]: expected an object such as {\"name\": "
                       "\"conv\", \"pool\": \"max\"}; got %s",
                       i, tp_json_kind(doc, v));
    json_object_foreach(v, key, value) {
        enum tp_word_scope scope = tp_options_scope(key);
        if (!tp_intake_word(in, doc, where, key, value, &word)) return false;
        if (!strcmp(key, "name")) in->rq->names[i] = word;
        else if (scope == TP_WORD_OF_QUERY)
            return tp_fail(in->err, TP_INVALID_ARGUMENT,
                           "%s%s: an output is one layer; \"name\" names it", where, key);
        else if (scope == TP_WORD_OF_ANSWER)
            return tp_fail(in->err, TP_INVALID_ARGUMENT, "%s%s: holds for the whole answer; put it "
                           "beside \"outputs\" or into the query", where, key);
        else if (!tp_options_set(&in->rq->outputs[i], key, word, in->err))
            return tp_fail_in(in->err, "outputs[%d]", i);
    }
    if (in->rq->names[i]) return true;
    return tp_fail(in->err, TP_INVALID_JSON, "outputs[%d]: \"name\" is missing; it names the layer",
                   i);
}

static bool read_outputs(struct tp_intake *in, const struct tp_json *doc, const json_t *v)
{
    struct tp_request *rq = in->rq;
    size_t n = json_array_size(v);
    if (!json_is_array(v) || n < 1 || n > MAX_OUTPUTS)
        return tp_fail(in->err, TP_INVALID_JSON,
                       "outputs: expected an array of 1 to %d objects; got %s", MAX_OUTPUTS,
                       tp_json_kind(doc, v));
    rq->names = tp_arena_zalloc(in->arena, n, sizeof *rq->names);
    rq->outputs = tp_arena_zalloc(in->arena, n, sizeof *rq->outputs);
    if (!rq->names || !rq->outputs) return tp_arena_fail(in->arena, in->err);
    rq->n_outputs = (int)n;
    for (size_t i = 0; i < n; i++)
        if (!read_output(in, doc, json_array_get(v, i), (int)i)) return false;
    return true;
}

static bool read_member(struct tp_intake *in, struct tp_json *doc, const char *key, json_t *value)
{
    enum tp_word_scope scope = tp_options_scope(key);
    const char *word;
    bool input = !strcmp(key, "tensor") || !strcmp(key, "image") || !strcmp(key, "images");
    if (input && in->rq->n_sources)
        return tp_fail(in->err, TP_INVALID_JSON,
                       "body: more than one of tensor, image and images; expected exactly one");
    if (!strcmp(key, "tensor")) return add_tensor(in, doc, value);
    if (!strcmp(key, "image")) return tp_intake_base64(in, doc, value, "image");
    if (!strcmp(key, "images")) return add_images(in, doc, value);
    if (!strcmp(key, "outputs")) return read_outputs(in, doc, value);
    if (!in->model && !strcmp(key, "pipeline")) {
        in->rq->pipeline = value;
        return true;
    }
    if (scope == TP_WORD_OF_ANSWER || scope == TP_WORD_OF_BOTH)
        return tp_intake_word(in, doc, "", key, value, &word) &&
               tp_options_set(&in->rq->words, key, word, in->err);
    if (scope != TP_WORD_UNKNOWN)
        return tp_fail(in->err, TP_INVALID_JSON, "body: %s stands in the query, or is said of each "
                       "in \"outputs\": [{\"name\": \"conv\", \"pool\": \"max\"}]", key);
    return tp_fail(in->err, TP_INVALID_JSON,
                   "body: unknown key '%.40s'; there are tensor, image, images, outputs, "
                   "normalize, concat, top, layout, nested, digits, format%s",
                   key,
                   !in->model          ? ", pipeline"
                   : strcmp(key, "pipeline") ? ""
                                             : " (a pipeline is posted to /v1/run)");
}

static bool read_json(struct tp_intake *in, const void *body, size_t n_bytes)
{
    struct tp_json *doc;
    const char *key;
    json_t *value;
    if (!tp_intake_document(in, &doc, body, n_bytes, "body")) return false;
    if (!json_is_object(doc->root))
        return tp_fail(in->err, TP_INVALID_JSON,
                       "body: expected an object such as {\"tensor\": [...]}; got %s",
                       tp_json_kind(doc, doc->root));
    json_object_foreach(doc->root, key, value)
        if (!read_member(in, doc, key, value)) return false;
    if (!in->rq->n_sources)
        return tp_fail(in->err, TP_INVALID_JSON, "body: no input; expected \"tensor\", \"image\" "
                       "or \"images\"");
    return true;
}

/* ---- any body -------------------------------------------------------------------------------- */

static bool type_is(const char *content_type, const char *type)
{
    size_t n = strlen(type);
    return content_type && !strncasecmp(content_type, type, n) &&
           (type[n - 1] == '/' || !content_type[n] || strchr("; \t", content_type[n]));
}

/* Types under which a body of ours may come: the right ones, what curl (--data-binary) and fetch()
 * (a string) say when nobody told them, and none. */
static bool type_is_possible(const char *type)
{
    static const char *const possible[] = {
        "image/", "application/json", "application/x-npy", "application/octet-stream",
        "application/x-www-form-urlencoded", "text/plain", "text/json", "binary/octet-stream",
    };
    if (!type || !*type) return true;
    for (size_t i = 0; i < sizeof possible / sizeof *possible; i++)
        if (type_is(type, possible[i])) return true;
    return false;
}

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static bool looks_like_json(const uint8_t *p, size_t n_bytes)
{
    size_t i = 0;
    while (i < n_bytes && is_blank(p[i])) i++;
    return i < n_bytes && (p[i] == '{' || p[i] == '[');
}

/* A text that also ends as JSON does: raw floats may begin with any byte. */
static bool ends_like_json(const uint8_t *p, size_t n_bytes)
{
    while (n_bytes && is_blank(p[n_bytes - 1])) n_bytes--;
    return n_bytes && (p[n_bytes - 1] == '}' || p[n_bytes - 1] == ']');
}

static bool read_bytes(struct tp_intake *in, const struct tp_body *body)
{
    const void *bytes = body->bytes;
    const size_t n = body->n_bytes;
    const char *type = body->content_type;
    bool file = tp_npy_sniff(bytes, n) || tp_image_sniff(bytes, n) != TP_IMAGE_UNKNOWN;
    bool raw = !file && in->model && type_is(type, "application/octet-stream") &&
               !(looks_like_json(bytes, n) && ends_like_json(bytes, n));
    bool json = looks_like_json(bytes, n) || type_is(type, "application/json") ||
                type_is(type, "text/json");
    if (raw) return tp_intake_raw(in, "body", bytes, n);
    if (!file && json) return read_json(in, bytes, n);
    if (!in->model)
        return tp_fail(in->err, TP_UNSUPPORTED_FORMAT,
                       "this path needs a pipeline beside the input: JSON "
                       "with \"pipeline\", or multipart/form-data with a part named pipeline");
    if (file) return tp_intake_file(in, "body", bytes, n);
    return tp_fail(in->err, TP_UNSUPPORTED_FORMAT,
                   "the body is of no format that is read here; expected " READABLE);
}

bool tp_request_read(struct tp_intake *in, const struct tp_body *body)
{
    const char *type = body->content_type;
    if (!body->n_bytes)
        return tp_fail(in->err, TP_INVALID_ARGUMENT, "the body is empty; expected " READABLE);
    if (!type_is_possible(type) && !type_is(type, "multipart/form-data"))
        return tp_fail(in->err, TP_UNSUPPORTED_FORMAT,
                       "Content-Type %.64s is not read here; expected " READABLE, type);
    if (!(type_is(type, "multipart/form-data")
              ? read_multipart(in, type, body->bytes, body->n_bytes)
              : read_bytes(in, body)))
        return false;
    if (!in->model && !in->rq->pipeline)
        return tp_fail(in->err, TP_INVALID_ARGUMENT,
                       "no pipeline; expected \"pipeline\" beside the input, or "
                       "a part named pipeline");
    return true;
}

void tp_request_fini(struct tp_request *rq)
{
    if (rq->doc) tp_json_fini(rq->doc);
    *rq = (struct tp_request){ 0 };
}

bool tp_request_fit(const struct tp_shape *given, const struct tp_shape *wanted,
                    bool channels_first, struct tp_shape *fitted, struct tp_err *err)
{
    const int64_t *d = given->dim;
    struct tp_shape tries[4];
    int n = 0;
    tries[n++] = *given;
    if (given->rank + 1 == wanted->rank) {                       /* no batch axis */
        struct tp_shape s = { .rank = given->rank + 1, .dim = { 1 } };
        memcpy(s.dim + 1, d, (size_t)given->rank * sizeof *s.dim);
        tries[n++] = s;
    }
    if (wanted->rank == 4 && given->rank == 3)                   /* gray images without channels */
        tries[n++] = channels_first ? TP_SHAPE4(d[0], 1, d[1], d[2])
                                    : TP_SHAPE4(d[0], d[1], d[2], 1);
    if (wanted->rank == 4 && given->rank == 2)
        tries[n++] = channels_first ? TP_SHAPE4(1, 1, d[0], d[1]) : TP_SHAPE4(1, d[0], d[1], 1);
    for (int i = 0; i < n; i++)
        if (tp_shape_fits(&tries[i], wanted)) {
            *fitted = tries[i];
            return true;
        }
    return tp_fail(err, TP_INVALID_SHAPE, "tensor: shape %s does not fit the model's input %s%s",
                   TP_SHAPE(given), TP_SHAPE(wanted),
                   wanted->rank != 4 ? "" : channels_first ? " (NCHW)" : " (NHWC)");
}
