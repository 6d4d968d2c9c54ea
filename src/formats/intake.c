/* intake.c - what the readers of all protocols share. */
#include "formats/intake.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "formats/base64.h"
#include "formats/npy.h"

enum { MAX_WORD_BYTES = 1 << 15 };

static struct tp_source *add_source(struct tp_intake *in)
{
    struct tp_request *rq = in->rq;
    if (rq->n_sources == in->limits->max_batch) {
        tp_fail(in->err, TP_TOO_LARGE, "more than %d inputs in one request (--max-batch)",
                in->limits->max_batch);
        return NULL;
    }
    if (!rq->sources)
        rq->sources = tp_arena_zalloc(in->arena, (size_t)in->limits->max_batch,
                                      sizeof *rq->sources);
    if (!rq->sources) {
        tp_arena_fail(in->arena, in->err);
        return NULL;
    }
    return &rq->sources[rq->n_sources++];
}

bool tp_intake_tensor(struct tp_intake *in, const struct tp_tensor *t)
{
    struct tp_source *source = add_source(in);
    if (!source) return false;
    *source = (struct tp_source){ .kind = TP_SOURCE_TENSOR, .tensor = *t };
    return true;
}

/* Copied: the bytes may start anywhere, and floats must not. */
static bool copy_floats(struct tp_intake *in, const struct tp_shape *shape, const void *bytes)
{
    const int64_t n = tp_shape_elements(shape);
    const struct tp_tensor t = { *shape, tp_arena_floats(in->arena, n) };
    if (!t.data) return tp_arena_fail(in->arena, in->err);
    memcpy(t.data, bytes, (size_t)n * sizeof *t.data);
    return tp_intake_tensor(in, &t);
}

bool tp_intake_raw(struct tp_intake *in, const char *where, const void *bytes, size_t n_bytes)
{
    struct tp_shape shape = tp_model_own_input(in->model), one = shape;
    one.dim[0] = 1;
    const int64_t n = tp_shape_elements(&one);
    if (n <= 0)
        return tp_fail(in->err, TP_INVALID_SHAPE, "%s: the model's input is %s; raw float32 does "
                       "not say its size: send a .npy array", where, TP_SHAPE(&shape));
    if (!n_bytes || n_bytes % ((size_t)n * sizeof(float)))
        return tp_fail(in->err, TP_INVALID_SHAPE, "%s: %zu bytes; the model's input is %s, so that "
                       "raw float32 has %zu bytes for each input", where, n_bytes,
                       TP_SHAPE(&shape), (size_t)n * sizeof(float));
    shape.dim[0] = (int64_t)(n_bytes / ((size_t)n * sizeof(float)));
    return tp_shape_check(&shape, in->limits->max_elements, where, in->err) &&
           copy_floats(in, &shape, bytes);
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
static bool interleave(struct tp_intake *in, struct tp_image *im)
{
    size_t n = (size_t)im->width * (size_t)im->height;
    uint8_t *to = tp_arena_alloc(in->arena, 3 * n);
    if (!to) return tp_arena_fail(in->arena, in->err);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) to[3 * i + c] = im->pixels[c * n + i];
    im->pixels = to;
    return true;
}

/* uint8 [h, w], [h, w, c] or [n, h, w, c] with 1 or 3 channels (or those first): images. */
static bool add_pixels(struct tp_intake *in, const struct tp_npy *npy)
{
    int64_t s[4];
    bool first;
    if (!image_sizes(&npy->shape, in->model && in->model->channels_first, s, &first))
        return tp_fail(in->err, TP_INVALID_SHAPE,
                       "npy: a uint8 array is read as an image and must be "
                       "[height, width], [height, width, channels] or [n, height, width, channels] "
                       "with 1 or 3 channels%s; this one is %s",
                       in->model && in->model->channels_first
                           ? " (or, as this model has it, those in front of the height)" : "",
                       TP_SHAPE(&npy->shape));
    if (s[1] > in->limits->max_pixels / s[2])
        return tp_fail(in->err, TP_TOO_LARGE, "npy: an image of %" PRId64 "x%" PRId64 " exceeds "
                       "the limit of %" PRId64 " pixels (--max-pixels)", s[2], s[1],
                       in->limits->max_pixels);
    size_t each = (size_t)(s[1] * s[2] * s[3]);
    for (int64_t i = 0; i < s[0]; i++) {
        struct tp_source *source = add_source(in);
        if (!source) return false;
        *source = (struct tp_source){
            .kind = TP_SOURCE_PIXELS,
            .image = { .pixels = (uint8_t *)npy->data + (size_t)i * each, .height = (int)s[1],
                       .width = (int)s[2], .channels = (int)s[3] },
        };
        if (first && s[3] == 3 && !interleave(in, &source->image)) return false;
    }
    return true;
}

static bool add_npy(struct tp_intake *in, const void *bytes, size_t n_bytes)
{
    struct tp_npy npy;
    if (!tp_npy_parse(&npy, bytes, n_bytes, in->limits->max_elements, in->err)) return false;
    if (npy.type == TP_NPY_UINT8) return add_pixels(in, &npy);
    const struct tp_tensor t = {
        npy.shape, tp_arena_floats(in->arena, tp_shape_elements(&npy.shape)),
    };
    if (!t.data) return tp_arena_fail(in->arena, in->err);
    tp_npy_floats(&npy, t.data);
    return tp_intake_tensor(in, &t);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* An image or array file. `where` names it in messages. */
bool tp_intake_file(struct tp_intake *in, const char *where, const void *bytes, size_t n_bytes)
{
    if (tp_npy_sniff(bytes, n_bytes))
        return add_npy(in, bytes, n_bytes) || tp_fail_in(in->err, "%s", where);
    if (tp_image_sniff(bytes, n_bytes) == TP_IMAGE_UNKNOWN)
        return tp_fail(in->err, n_bytes ? TP_UNSUPPORTED_FORMAT : TP_INVALID_IMAGE,
                       "%s: %s; expected a JPEG, PNG or WebP file or a .npy array", where,
                       n_bytes ? "its first bytes are of no format that is read here" : "is empty");
    struct tp_source *source = add_source(in);
    if (!source) return false;
    *source = (struct tp_source){ .kind = TP_SOURCE_FILE, .bytes = bytes, .n_bytes = n_bytes };
    return true;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

bool tp_intake_document(struct tp_intake *in, struct tp_json **doc, const void *text,
                        size_t n_bytes, const char *what)
{
    *doc = tp_arena_zalloc(in->arena, 1, sizeof **doc);
    if (!*doc) return tp_arena_fail(in->arena, in->err);
    in->rq->doc = *doc;                            /* fini() releases it */
    return tp_json_parse(*doc, text, n_bytes, in->arena, what, in->n_threads, in->err);
}

bool tp_intake_numbers(struct tp_intake *in, const struct tp_json *doc, const json_t *v,
                       const char *where, struct tp_tensor *t)
{
    const struct tp_json_span *span = tp_json_span(doc, v);
    if (!span)
        return tp_fail(in->err, TP_INVALID_JSON,
                       "%s: expected an array of numbers, nested or flat; got %s",
                       where, tp_json_kind(doc, v));
    int64_t n = tp_json_span_count(span);
    if (!tp_json_span_shape(doc, span, where, &t->shape, in->err)) return false;
    if (n > in->limits->max_elements)
        return tp_fail(in->err, TP_TOO_LARGE, "%s: %" PRId64 " numbers; the limit is %" PRId64,
                       where, n, in->limits->max_elements);
    t->data = tp_arena_floats(in->arena, n);
    if (!t->data) return tp_arena_fail(in->arena, in->err);
    return tp_json_span_floats(doc, span, where, t->data, in->err);
}

bool tp_intake_base64(struct tp_intake *in, const struct tp_json *doc, const json_t *v,
                      const char *where)
{
    const uint8_t *bytes;
    size_t n_bytes;
    if (!json_is_string(v) || tp_json_span(doc, v))
        return tp_fail(in->err, TP_INVALID_JSON, "%s: expected base64 text or a data: URI; got %s",
                       where, tp_json_kind(doc, v));
    return tp_base64_decode(&bytes, &n_bytes, json_string_value(v), json_string_length(v), where,
                            in->arena, in->err) &&
           tp_intake_file(in, where, bytes, n_bytes);
}

/* An array of numbers as the word that the query string would have: "2x3", "0,1,1,0",
 * "0,0,9,9;5,5,8,8". False when it is none: not flat (boxes: not of fours), or a number is not
 * whole (boxes: beyond float32). *word is NULL where the arena is full. */
static bool array_word(struct tp_intake *in, const struct tp_json *doc, const char *key,
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
    float *x = tp_arena_floats(in->arena, n);
    *word = NULL;
    if (!x) return true;
    if (!tp_json_span_floats(doc, span, key, x, &ignored)) return false;
    for (int64_t i = 0; i < n; i++) {
        fits = fits && (boxes || x[i] == floorf(x[i]));
        if (i) tp_buf_text(&b, boxes && i % 4 == 0 ? ";" : commas ? "," : "x");
        tp_buf_printf(&b, "%.9g", (double)x[i]);
    }
    fits = fits && !b.failed;
    if (fits) *word = tp_arena_strndup(in->arena, b.data, b.n_bytes);
    tp_buf_fini(&b);
    return fits;
}

bool tp_intake_word(struct tp_intake *in, const struct tp_json *doc, const char *where,
                    const char *key, const json_t *v, const char **word)
{
    const struct tp_json_span *span = tp_json_span(doc, v);
    bool fits = true;
    if (span) fits = array_word(in, doc, key, span, word);
    else if (json_is_string(v) && json_string_length(v) < MAX_WORD_BYTES)
        *word = json_string_value(v);
    else if (json_is_boolean(v)) *word = json_is_true(v) ? "true" : "false";
    else if (json_is_integer(v))
        *word = tp_arena_printf(in->arena, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v)) *word = tp_arena_printf(in->arena, "%.17g", json_real_value(v));
    else fits = false;
    if (!fits)
        return tp_fail(in->err, TP_INVALID_JSON, "%s%.40s: expected a word or a number; got %s",
                       where, key, tp_json_kind(doc, v));
    return *word || tp_arena_fail(in->arena, in->err);
}

