/* preprocess_json.c - preprocess.json: the text form of struct tp_preprocess. */
#include "formats/fields.h"
#include "base/buf.h"
#include "formats/float_write.h"
#include "formats/preprocess.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 64 << 10, PARSE_BYTES = 1 << 20 };

static const char *const modes[] = { "none", "shortest", "exact", "letterbox", NULL };
static const char *const filters[] = { "nearest", "bilinear", "bicubic", NULL };
static const char *const colors[] = { "rgb", "bgr", "gray", NULL };
static const char *const decodes[] = { "fast", "exact", NULL };

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_size(struct tp_preprocess *p, const struct tp_fields *f, struct tp_err *err)
{
    bool pair = tp_json_span(f->doc, tp_fields_get(f, "size"));
    if (!tp_fields_get(f, "mode")) p->mode = pair ? TP_RESIZE_EXACT : TP_RESIZE_SHORTEST;
    if (p->mode == TP_RESIZE_SHORTEST && pair)
        return tp_fail(err, TP_INVALID_MODEL, "%s: size must be one whole number where mode is "
                       "shortest; [height, width] goes with exact and letterbox", f->where);
    return tp_fields_pair(f, "size", TP_REQUIRED, 1, TP_PREPROCESS_MAX_SIDE, p->size, err);
}

static bool read_resize(struct tp_preprocess *p, const struct tp_fields *parent, struct tp_err *err)
{
    const json_t *v = tp_fields_get(parent, "resize");
    struct tp_fields f = { parent->doc, v, "preprocess.json: resize" };
    int mode, filter;
    if (!v) return true;
    if (json_is_null(v)) {
        p->mode = TP_RESIZE_NONE;
        return true;
    }
    if (!json_is_object(v)) return tp_fields_wrong(parent, "resize", "an object or null", err);
    if (!tp_fields_known(&f, "resize", "mode, size, interpolation, antialias", "", err) ||
        !tp_fields_choice(&f, "mode", modes, (int)p->mode, &mode, err) ||
        !tp_fields_choice(&f, "interpolation", filters, (int)p->filter, &filter, err) ||
        !tp_fields_bool(&f, "antialias", p->antialias, &p->antialias, err))
        return false;
    bool same = (int)p->mode == mode && p->size[0] > 0;      /* its size may stay the preset's */
    p->mode = (enum tp_resize_mode)mode;
    p->filter = (enum tp_resample_filter)filter;
    if (tp_fields_get(&f, "size")) return read_size(p, &f, err);
    if (p->mode == TP_RESIZE_NONE || same) return true;
    return tp_fields_missing(&f, "size", "a whole number or [height, width]", err);
}

static bool read_crop(struct tp_preprocess *p, const struct tp_fields *f, struct tp_err *err)
{
    const json_t *v = tp_fields_get(f, "crop");
    if (json_is_null(v)) p->crop[0] = p->crop[1] = 0;
    else if (v && !tp_fields_pair(f, "crop", TP_REQUIRED, 1, TP_PREPROCESS_MAX_SIDE, p->crop, err))
        return false;
    if (p->crop[0] && p->mode == TP_RESIZE_LETTERBOX)
        return tp_fail(err, TP_INVALID_MODEL, "%s: crop goes with resize mode none, shortest or "
                       "exact; letterbox already gives the final size", f->where);
    return true;
}

/* mean or std: one number for all channels, or one for each. */
static bool read_channels(const struct tp_fields *f, const char *key, int channels, float out[3],
                          struct tp_err *err)
{
    const json_t *v = tp_fields_get(f, key);
    const struct tp_json_span *span = tp_json_span(f->doc, v);
    struct tp_fields_where where = tp_fields_where(f, key);
    struct tp_shape shape;
    if (!v) return true;
    if (!span) {
        if (!tp_fields_number(f, key, NAN, -FLT_MAX, FLT_MAX, &out[0], err)) return false;
        out[1] = out[2] = out[0];
        return true;
    }
    if (!tp_json_span_shape(f->doc, span, where.text, &shape, err)) return false;
    if (shape.rank != 1 || shape.dim[0] != channels)
        return tp_fail(err, TP_INVALID_MODEL, "%s has shape %s; it must be one number, or a list "
                       "of %d, one for each channel of the color", where.text, TP_SHAPE(&shape),
                       channels);
    return tp_json_span_floats(f->doc, span, where.text, out, err);
}

static bool read_values(struct tp_preprocess *p, const struct tp_fields *f, struct tp_err *err)
{
    int color, decode;
    if (!tp_fields_choice(f, "color", colors, (int)p->color, &color, err) ||
        !tp_fields_choice(f, "decode", decodes, p->exact_decode, &decode, err) ||
        !tp_fields_number(f, "scale", (double)p->scale, -FLT_MAX, FLT_MAX, &p->scale, err))
        return false;
    p->color = (enum tp_color)color;
    p->exact_decode = decode;
    int channels = p->color == TP_GRAY ? 1 : 3;
    if (!read_channels(f, "mean", channels, p->mean, err) ||
        !read_channels(f, "std", channels, p->std, err)) return false;
    for (int c = 0; c < channels; c++)
        if (!(p->std[c] > 0))
            return tp_fail(err, TP_INVALID_MODEL, "%s: std is %g for channel %d; what is divided "
                           "by must be above 0", f->where, (double)p->std[c], c);
    return true;
}

static bool read_document(struct tp_preprocess *p, const struct tp_json *doc, struct tp_err *err)
{
    struct tp_fields f = { doc, doc->root, "preprocess.json" };
    if (!json_is_object(doc->root))
        return tp_fail(err, TP_INVALID_MODEL, "preprocess.json: must be an object, not %s",
                       tp_json_kind(doc, doc->root));
    return tp_fields_known(&f, "preprocess.json", "resize, crop, scale, mean, std, color, decode",
                           "", err) &&
           read_resize(p, &f, err) && read_crop(p, &f, err) && read_values(p, &f, err);
}

bool tp_preprocess_parse(struct tp_preprocess *p, const char *json, size_t n_bytes,
                         struct tp_err *err)
{
    struct tp_preprocess read = *p;
    struct tp_arena arena;
    struct tp_json doc;
    if (n_bytes > MAX_TEXT_BYTES)
        return tp_fail(err, TP_TOO_LARGE, "preprocess.json: %zu bytes; at most %d are read",
                       n_bytes, MAX_TEXT_BYTES);
    tp_arena_init(&arena, PARSE_BYTES);
    bool ok = tp_json_parse(&doc, json, n_bytes, &arena, "preprocess.json", 1, err);
    if (ok) {
        ok = read_document(&read, &doc, err);
        tp_json_fini(&doc);
    }
    tp_arena_fini(&arena);
    if (ok) *p = read;
    return ok;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void print_float(struct tp_buf *b, float x)
{
    char text[TP_FLOAT_TEXT_BYTES];
    tp_buf_bytes(b, text, (size_t)tp_float_write(text, x));
}

static void print_channels(struct tp_buf *b, const char *key, const float *x, int channels)
{
    tp_buf_printf(b, ",\"%s\":[", key);
    for (int c = 0; c < channels; c++) {
        if (c) tp_buf_text(b, ",");
        print_float(b, x[c]);
    }
    tp_buf_text(b, "]");
}

static void print_resize(struct tp_buf *b, const struct tp_preprocess *p)
{
    tp_buf_printf(b, "\"resize\":{\"mode\":\"%s\"", modes[p->mode]);
    if (p->mode == TP_RESIZE_SHORTEST) tp_buf_printf(b, ",\"size\":%d", p->size[0]);
    else if (p->mode != TP_RESIZE_NONE)
        tp_buf_printf(b, ",\"size\":[%d,%d]", p->size[0], p->size[1]);
    tp_buf_printf(b, ",\"interpolation\":\"%s\",\"antialias\":%s}", filters[p->filter],
                  p->antialias ? "true" : "false");
}

void tp_preprocess_print(struct tp_buf *b, const struct tp_preprocess *p)
{
    int channels = p->color == TP_GRAY ? 1 : 3;
    tp_buf_text(b, "{");
    print_resize(b, p);
    if (p->crop[0]) tp_buf_printf(b, ",\"crop\":[%d,%d]", p->crop[0], p->crop[1]);
    else tp_buf_text(b, ",\"crop\":null");
    tp_buf_text(b, ",\"scale\":");
    print_float(b, p->scale);
    print_channels(b, "mean", p->mean, channels);
    print_channels(b, "std", p->std, channels);
    tp_buf_printf(b, ",\"color\":\"%s\",\"decode\":\"%s\"}", colors[p->color],
                  decodes[p->exact_decode]);
}
