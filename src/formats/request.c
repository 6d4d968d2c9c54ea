/* request.c - a request's body. */
#include "formats/request.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "formats/base64.h"
#include "formats/json.h"
#include "formats/multipart.h"
#include "formats/npy.h"

enum { MAX_OUTPUTS = 256, MAX_WORD_BYTES = 1 << 15 };

#define READABLE                                                                                   \
    "a JPEG, PNG or WebP file, a .npy array, multipart/form-data with such files, or JSON"

struct reader {                      /* what every step needs */
    struct tp_request *rq;
    const struct tp_limits *limits;
    struct tp_arena *arena;
    struct tp_err *err;
    enum tp_request_kind kind;
};

static struct tp_source *add_source(const struct reader *r)
{
    struct tp_request *rq = r->rq;
    if (rq->n_sources == r->limits->max_batch) {
        tp_fail(r->err, TP_TOO_LARGE, "more than %d inputs in one request (--max-batch)",
                r->limits->max_batch);
        return NULL;
    }
    if (!rq->sources)
        rq->sources = tp_arena_zalloc(r->arena, (size_t)r->limits->max_batch, sizeof *rq->sources);
    if (!rq->sources) {
        tp_arena_fail(r->arena, r->err);
        return NULL;
    }
    return &rq->sources[rq->n_sources++];
}

/* ---- .npy ------------------------------------------------------------------------------------ */

/* The sizes of images in an array of the shape *s: n, h, w, c, and whether the channels come first.
 * A model's own layout is tried first, then what image libraries give. */
static bool image_sizes(const struct tp_shape *s, bool channels_first, int64_t size[4], bool *first)
{
    struct tp_shape t = *s;
    if (t.rank == 2) t = (struct tp_shape){ .rank = 3, .dim = { t.dim[0], t.dim[1], 1 } };
    if (t.rank == 3) t = TP_SHAPE4(1, t.dim[0], t.dim[1], t.dim[2]);
    if (t.rank != 4) return false;
    for (int i = 0; i < 4; i++)
        if (t.dim[i] < 1 || t.dim[i] > INT32_MAX) return false;
    *first = channels_first && s->rank > 2 && (t.dim[1] == 1 || t.dim[1] == 3);
    const int64_t last[4] = { t.dim[0], t.dim[1], t.dim[2], t.dim[3] };
    const int64_t front[4] = { t.dim[0], t.dim[2], t.dim[3], t.dim[1] };
    memcpy(size, *first ? front : last, sizeof last);
    return size[3] == 1 || size[3] == 3;
}

/* [3, h, w] to [h, w, 3]. */
static bool interleave(const struct reader *r, struct tp_image *im)
{
    size_t n = (size_t)im->width * (size_t)im->height;
    uint8_t *to = tp_arena_alloc(r->arena, 3 * n);
    if (!to) return tp_arena_fail(r->arena, r->err);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) to[3 * i + c] = im->pixels[c * n + i];
    im->pixels = to;
    return true;
}

/* uint8 [h, w], [h, w, c] or [n, h, w, c] with 1 or 3 channels (or those first): images. */
static bool add_pixels(const struct reader *r, const struct tp_npy *npy)
{
    int64_t s[4];
    bool first;
    if (!image_sizes(&npy->shape, r->kind == TP_REQUEST_CHANNELS_FIRST, s, &first))
        return tp_fail(r->err, TP_INVALID_SHAPE,
                       "npy: a uint8 array is read as an image and must be "
                       "[height, width], [height, width, channels] or [n, height, width, channels] "
                       "with 1 or 3 channels%s; this one is %s",
                       r->kind == TP_REQUEST_CHANNELS_FIRST
                           ? " (or, as this model has it, those in front of the height)" : "",
                       TP_SHAPE(&npy->shape));
    if (s[1] > r->limits->max_pixels / s[2])
        return tp_fail(r->err, TP_TOO_LARGE, "npy: an image of %" PRId64 "x%" PRId64 " exceeds the "
                       "limit of %" PRId64 " pixels (--max-pixels)", s[2], s[1],
                       r->limits->max_pixels);
    size_t each = (size_t)(s[1] * s[2] * s[3]);
    for (int64_t i = 0; i < s[0]; i++) {
        struct tp_source *source = add_source(r);
        if (!source) return false;
        *source = (struct tp_source){
            .kind = TP_SOURCE_PIXELS,
            .image = { .pixels = (uint8_t *)npy->data + (size_t)i * each, .height = (int)s[1],
                       .width = (int)s[2], .channels = (int)s[3] },
        };
        if (first && s[3] == 3 && !interleave(r, &source->image)) return false;
    }
    return true;
}

static bool add_npy(const struct reader *r, const void *bytes, size_t n_bytes)
{
    struct tp_npy npy;
    if (!tp_npy_parse(&npy, bytes, n_bytes, r->limits->max_elements, r->err)) return false;
    if (npy.type == TP_NPY_UINT8) return add_pixels(r, &npy);
    struct tp_source *source = add_source(r);
    if (!source) return false;
    /* Copied: the data may start at any byte, and floats must not. */
    float *data = tp_arena_alloc(r->arena, npy.data_bytes);
    if (!data) return tp_arena_fail(r->arena, r->err);
    memcpy(data, npy.data, npy.data_bytes);
    *source = (struct tp_source){ .kind = TP_SOURCE_TENSOR, .tensor = { npy.shape, data } };
    return true;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* An image or array file. `where` names it in messages. */
static bool add_file(const struct reader *r, const char *where, const void *bytes, size_t n_bytes)
{
    if (tp_npy_sniff(bytes, n_bytes))
        return add_npy(r, bytes, n_bytes) || tp_fail_in(r->err, "%s", where);
    if (tp_image_sniff(bytes, n_bytes) == TP_IMAGE_UNKNOWN)
        return tp_fail(r->err, n_bytes ? TP_UNSUPPORTED_FORMAT : TP_INVALID_IMAGE,
                       "%s: %s; expected a JPEG, PNG or WebP file or a .npy array", where,
                       n_bytes ? "its first bytes are of no format that is read here" : "is empty");
    struct tp_source *source = add_source(r);
    if (!source) return false;
    *source = (struct tp_source){ .kind = TP_SOURCE_FILE, .bytes = bytes, .n_bytes = n_bytes };
    return true;
}

static bool parse_document(const struct reader *r, struct tp_json **doc, const void *text,
                           size_t n_bytes, const char *what)
{
    *doc = tp_arena_zalloc(r->arena, 1, sizeof **doc);
    if (!*doc) return tp_arena_fail(r->arena, r->err);
    r->rq->pipeline_doc = *doc;                    /* fini() releases it */
    return tp_json_parse(*doc, text, n_bytes, r->arena, what, r->err);
}

static bool read_multipart(const struct reader *r, const char *content_type, const void *body,
                           size_t n_bytes)
{
    struct tp_part *parts;
    int n_parts;
    if (!tp_multipart_parse(&parts, &n_parts, content_type, body, n_bytes, r->limits->max_batch + 1,
                            r->arena, r->err)) return false;
    for (int i = 0; i < n_parts; i++) {
        const struct tp_part *p = &parts[i];
        char where[128];
        if (r->kind == TP_REQUEST_WITH_PIPELINE && !strcmp(p->name, "pipeline")) {
            struct tp_json *doc;
            if (r->rq->pipeline)
                return tp_fail(r->err, TP_INVALID_ARGUMENT, "multipart: two parts named pipeline");
            if (!parse_document(r, &doc, p->data, p->n_bytes, "part 'pipeline'")) return false;
            r->rq->pipeline = doc->root;
            continue;
        }
        snprintf(where, sizeof where, "part %d ('%.40s')", i, p->filename ? p->filename : p->name);
        if (!add_file(r, where, p->data, p->n_bytes)) return false;
    }
    if (!r->rq->n_sources)
        return tp_fail(r->err, TP_INVALID_ARGUMENT,
                       "multipart: no file among %d parts; expected at least one image",
                       n_parts);
    return true;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static bool read_numbers(const struct reader *r, const struct tp_json *doc, const json_t *v,
                         const char *where, struct tp_tensor *t)
{
    const struct tp_json_span *span = tp_json_span(doc, v);
    if (!span)
        return tp_fail(r->err, TP_INVALID_JSON,
                       "%s: expected an array of numbers, nested or flat; got %s",
                       where, tp_json_kind(doc, v));
    int64_t n = tp_json_span_count(span);
    if (!tp_json_span_shape(doc, span, where, &t->shape, r->err)) return false;
    if (n > r->limits->max_elements)
        return tp_fail(r->err, TP_TOO_LARGE, "%s: %" PRId64 " numbers; the limit is %" PRId64,
                       where, n, r->limits->max_elements);
    t->data = tp_arena_floats(r->arena, n);
    if (!t->data) return tp_arena_fail(r->arena, r->err);
    return tp_json_span_floats(doc, span, where, t->data, r->err);
}

/* {"shape": [...], "data": [...]} */
static bool read_shape_data(const struct reader *r, const struct tp_json *doc, json_t *v,
                            struct tp_tensor *t)
{
    const char *key;
    json_t *value, *shape = NULL, *data = NULL;
    json_object_foreach(v, key, value) {
        if (!strcmp(key, "shape")) shape = value;
        else if (!strcmp(key, "data")) data = value;
        else
            return tp_fail(r->err, TP_INVALID_JSON,
                           "tensor: unknown key '%.40s'; expected shape and data",
                           key);
    }
    if (!shape || !data)
        return tp_fail(r->err, TP_INVALID_JSON, "tensor: \"%s\" is missing; expected {\"shape\": "
                       "[...], \"data\": [...]}", shape ? "data" : "shape");
    struct tp_shape s = { 0 };
    if (!tp_json_ints(doc, shape, "tensor.shape", s.dim, TP_MAX_RANK, &s.rank, r->err) ||
        !tp_shape_check(&s, r->limits->max_elements, "tensor.shape", r->err) ||
        !read_numbers(r, doc, data, "tensor.data", t)) return false;
    int64_t n = tp_shape_elements(&t->shape);
    if (n != tp_shape_elements(&s))
        return tp_fail(r->err, TP_INVALID_SHAPE,
                       "tensor: shape %s needs %" PRId64 " numbers; data has %" PRId64,
                       TP_SHAPE(&s), tp_shape_elements(&s), n);
    t->shape = s;
    return true;
}

static bool add_tensor(const struct reader *r, const struct tp_json *doc, json_t *v)
{
    struct tp_tensor t = { 0 };
    if (json_is_object(v) ? !read_shape_data(r, doc, v, &t)
                          : !read_numbers(r, doc, v, "tensor", &t))
        return false;
    struct tp_source *source = add_source(r);
    if (!source) return false;
    *source = (struct tp_source){ .kind = TP_SOURCE_TENSOR, .tensor = t };
    return true;
}

static bool add_base64(const struct reader *r, const struct tp_json *doc, const json_t *v,
                       const char *where)
{
    const uint8_t *bytes;
    size_t n_bytes;
    if (!json_is_string(v) || tp_json_span(doc, v))
        return tp_fail(r->err, TP_INVALID_JSON, "%s: expected base64 text or a data: URI; got %s",
                       where, tp_json_kind(doc, v));
    return tp_base64_decode(&bytes, &n_bytes, json_string_value(v), json_string_length(v), where,
                            r->arena, r->err) &&
           add_file(r, where, bytes, n_bytes);
}

static bool add_images(const struct reader *r, const struct tp_json *doc, const json_t *v)
{
    char where[32];
    if (!json_is_array(v) || !json_array_size(v))
        return tp_fail(r->err, TP_INVALID_JSON,
                       "images: expected an array of base64 texts or data: URIs; got %s",
                       tp_json_kind(doc, v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        snprintf(where, sizeof where, "images[%zu]", i);
        if (!add_base64(r, doc, json_array_get(v, i), where)) return false;
    }
    return true;
}

/* An array of numbers as the word that the query string would have: "2x3", "0,1,1,0",
 * "0,0,9,9;5,5,8,8". False when it is none: not flat (boxes: not of fours), or a number is not
 * whole (boxes: beyond float32). *word is NULL where the arena is full. */
static bool array_word(const struct reader *r, const struct tp_json *doc, const char *key,
                       const struct tp_json_span *span, const char **word)
{
    struct tp_err ignored = { 0 };
    struct tp_shape s;
    struct tp_buf b = { .limit_bytes = MAX_WORD_BYTES };
    bool boxes = !strcmp(key, "rois"), fits = true;
    bool commas = boxes || !strcmp(key, "padding") || !strcmp(key, "pyramid");
    int64_t n = tp_json_span_count(span);
    if (n > MAX_WORD_BYTES || !tp_json_span_shape(doc, span, key, &s, &ignored) ||
        s.rank > (boxes ? 2 : 1) || (boxes && s.dim[s.rank - 1] != 4)) return false;
    float *x = tp_arena_floats(r->arena, n);
    *word = NULL;
    if (!x) return true;
    if (!tp_json_span_floats(doc, span, key, x, &ignored)) return false;
    for (int64_t i = 0; i < n; i++) {
        fits = fits && (boxes || x[i] == floorf(x[i]));
        if (i) tp_buf_text(&b, boxes && i % 4 == 0 ? ";" : commas ? "," : "x");
        tp_buf_printf(&b, "%.9g", (double)x[i]);
    }
    fits = fits && !b.failed;
    if (fits) *word = tp_arena_strndup(r->arena, b.data, b.n_bytes);
    tp_buf_fini(&b);
    return fits;
}

/* A JSON value as the word that the query string would have. `where` starts the message. */
static bool read_word(const struct reader *r, const struct tp_json *doc, const char *where,
                      const char *key, const json_t *v, const char **word)
{
    const struct tp_json_span *span = tp_json_span(doc, v);
    bool fits = true;
    if (span) fits = array_word(r, doc, key, span, word);
    else if (json_is_string(v) && json_string_length(v) < MAX_WORD_BYTES)
        *word = json_string_value(v);
    else if (json_is_boolean(v)) *word = json_is_true(v) ? "true" : "false";
    else if (json_is_integer(v))
        *word = tp_arena_printf(r->arena, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v)) *word = tp_arena_printf(r->arena, "%.17g", json_real_value(v));
    else fits = false;
    if (!fits)
        return tp_fail(r->err, TP_INVALID_JSON, "%s%.40s: expected a word or a number; got %s",
                       where, key, tp_json_kind(doc, v));
    return *word || tp_arena_fail(r->arena, r->err);
}

static bool read_output(const struct reader *r, const struct tp_json *doc, json_t *v, int i)
{
    const char *key, *word;
    json_t *value;
    char where[32];
    snprintf(where, sizeof where, "outputs[%d].", i);
    if (!json_is_object(v))
        return tp_fail(r->err, TP_INVALID_JSON,
                       "outputs[%d]: expected an object such as {\"name\": "
                       "\"conv\", \"pool\": \"max\"}; got %s",
                       i, tp_json_kind(doc, v));
    json_object_foreach(v, key, value) {
        enum tp_word_scope scope = tp_options_scope(key);
        if (!read_word(r, doc, where, key, value, &word)) return false;
        if (!strcmp(key, "name")) r->rq->names[i] = word;
        else if (scope == TP_WORD_OF_QUERY)
            return tp_fail(r->err, TP_INVALID_ARGUMENT,
                           "%s%s: an output is one layer; \"name\" names it", where, key);
        else if (scope == TP_WORD_OF_ANSWER)
            return tp_fail(r->err, TP_INVALID_ARGUMENT, "%s%s: holds for the whole answer; put it "
                           "beside \"outputs\" or into the query", where, key);
        else if (!tp_options_set(&r->rq->outputs[i], key, word, r->err))
            return tp_fail_in(r->err, "outputs[%d]", i);
    }
    if (r->rq->names[i]) return true;
    return tp_fail(r->err, TP_INVALID_JSON, "outputs[%d]: \"name\" is missing; it names the layer",
                   i);
}

static bool read_outputs(const struct reader *r, const struct tp_json *doc, const json_t *v)
{
    struct tp_request *rq = r->rq;
    size_t n = json_array_size(v);
    if (!json_is_array(v) || n < 1 || n > MAX_OUTPUTS)
        return tp_fail(r->err, TP_INVALID_JSON,
                       "outputs: expected an array of 1 to %d objects; got %s", MAX_OUTPUTS,
                       tp_json_kind(doc, v));
    rq->names = tp_arena_zalloc(r->arena, n, sizeof *rq->names);
    rq->outputs = tp_arena_zalloc(r->arena, n, sizeof *rq->outputs);
    if (!rq->names || !rq->outputs) return tp_arena_fail(r->arena, r->err);
    rq->n_outputs = (int)n;
    for (size_t i = 0; i < n; i++)
        if (!read_output(r, doc, json_array_get(v, i), (int)i)) return false;
    return true;
}

static bool read_member(const struct reader *r, struct tp_json *doc, const char *key, json_t *value)
{
    enum tp_word_scope scope = tp_options_scope(key);
    const char *word;
    bool input = !strcmp(key, "tensor") || !strcmp(key, "image") || !strcmp(key, "images");
    if (input && r->rq->n_sources)
        return tp_fail(r->err, TP_INVALID_JSON,
                       "body: more than one of tensor, image and images; expected exactly one");
    if (!strcmp(key, "tensor")) return add_tensor(r, doc, value);
    if (!strcmp(key, "image")) return add_base64(r, doc, value, "image");
    if (!strcmp(key, "images")) return add_images(r, doc, value);
    if (!strcmp(key, "outputs")) return read_outputs(r, doc, value);
    if (r->kind == TP_REQUEST_WITH_PIPELINE && !strcmp(key, "pipeline")) {
        r->rq->pipeline = value;
        return true;
    }
    if (scope == TP_WORD_OF_ANSWER || scope == TP_WORD_OF_BOTH)
        return read_word(r, doc, "", key, value, &word) &&
               tp_options_set(&r->rq->words, key, word, r->err);
    if (scope != TP_WORD_UNKNOWN)
        return tp_fail(r->err, TP_INVALID_JSON, "body: %s stands in the query, or is said of each "
                       "in \"outputs\": [{\"name\": \"conv\", \"pool\": \"max\"}]", key);
    return tp_fail(r->err, TP_INVALID_JSON,
                   "body: unknown key '%.40s'; there are tensor, image, images, outputs, "
                   "normalize, concat, top, layout, nested, digits, format%s",
                   key,
                   r->kind == TP_REQUEST_WITH_PIPELINE          ? ", pipeline"
                   : strcmp(key, "pipeline") ? ""
                                             : " (a pipeline is posted to /v1/run)");
}

static bool read_json(const struct reader *r, const void *body, size_t n_bytes)
{
    struct tp_json *doc;
    const char *key;
    json_t *value;
    if (!parse_document(r, &doc, body, n_bytes, "body")) return false;
    if (!json_is_object(doc->root))
        return tp_fail(r->err, TP_INVALID_JSON,
                       "body: expected an object such as {\"tensor\": [...]}; got %s",
                       tp_json_kind(doc, doc->root));
    json_object_foreach(doc->root, key, value)
        if (!read_member(r, doc, key, value)) return false;
    if (!r->rq->n_sources)
        return tp_fail(r->err, TP_INVALID_JSON, "body: no input; expected \"tensor\", \"image\" or "
                       "\"images\"");
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

static bool looks_like_json(const uint8_t *p, size_t n_bytes)
{
    size_t i = 0;
    while (i < n_bytes && strchr(" \t\r\n", p[i]) && p[i]) i++;
    return i < n_bytes && (p[i] == '{' || p[i] == '[');
}

static bool read_body(const struct reader *r, const char *content_type, const void *body,
                      size_t n_bytes)
{
    if (!n_bytes)
        return tp_fail(r->err, TP_INVALID_ARGUMENT, "the body is empty; expected " READABLE);
    if (type_is(content_type, "multipart/form-data"))
        return read_multipart(r, content_type, body, n_bytes);
    if (!type_is_possible(content_type))
        return tp_fail(r->err, TP_UNSUPPORTED_FORMAT,
                       "Content-Type %.64s is not read here; expected " READABLE, content_type);
    bool file = tp_npy_sniff(body, n_bytes) || tp_image_sniff(body, n_bytes) != TP_IMAGE_UNKNOWN;
    bool json = looks_like_json(body, n_bytes) || type_is(content_type, "application/json") ||
                type_is(content_type, "text/json");
    if (!file && json) return read_json(r, body, n_bytes);
    if (r->kind == TP_REQUEST_WITH_PIPELINE)
        return tp_fail(r->err, TP_UNSUPPORTED_FORMAT,
                       "this path needs a pipeline beside the input: JSON "
                       "with \"pipeline\", or multipart/form-data with a part named pipeline");
    if (file) return add_file(r, "body", body, n_bytes);
    return tp_fail(r->err, TP_UNSUPPORTED_FORMAT,
                   "the body is of no format that is read here; expected " READABLE);
}

bool tp_request_read(struct tp_request *rq, const char *content_type, const void *body,
                     size_t n_bytes, enum tp_request_kind kind, const struct tp_limits *limits,
                     struct tp_arena *arena, struct tp_err *err)
{
    *rq = (struct tp_request){ 0 };
    const struct reader r = { rq, limits, arena, err, kind };
    if (!read_body(&r, content_type, body, n_bytes)) return false;
    if (kind == TP_REQUEST_WITH_PIPELINE && !rq->pipeline)
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "no pipeline; expected \"pipeline\" beside the input, or "
                       "a part named pipeline");
    return true;
}

void tp_request_fini(struct tp_request *rq)
{
    if (rq->pipeline_doc) tp_json_fini(rq->pipeline_doc);
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
