/* preprocess.c - from an image file to the tensor that a model is fed.
 *
 * Geometry is torchvision's: Resize, then CenterCrop, with its roundings. Letterbox is
 * Ultralytics': scaled to fit, centred, an odd pixel of padding at the bottom and right, padded
 * with gray 114. All of it comes down to laying a resized image on a canvas, and only what is
 * seen there is computed. */
#include "formats/preprocess.h"
#include "ops/parallel.h"

#include <math.h>
#include <string.h>

enum { LETTERBOX_GRAY = 114, CROP_BLACK = 0 };

/* A resized image (never made whole) laid on a canvas; index 0 is height, 1 is width. */
struct layout {
    int64_t resized[2];
    int canvas[2];
    int64_t offset[2];               /* of the canvas in the resized image; < 0: padding first */
    int first[2], seen[2];           /* the part of the canvas that shows the image */
    uint8_t fill;                    /* the rest of it */
};

struct tp_preprocess tp_preprocess_default(const struct tp_shape *input)
{
    struct tp_preprocess p = {
        .filter = TP_RESAMPLE_BILINEAR, .antialias = true, .scale = 1.0f / 255.0f,
        .std = { 1, 1, 1 }, .color = input->rank == 4 && input->dim[3] == 1 ? TP_GRAY : TP_RGB,
    };
    bool fixed = input->rank == 4 && input->dim[1] > 0 && input->dim[1] <= TP_PREPROCESS_MAX_SIDE &&
                 input->dim[2] > 0 && input->dim[2] <= TP_PREPROCESS_MAX_SIDE;
    if (fixed) {
        p.mode = TP_RESIZE_EXACT;
        p.size[0] = (int)input->dim[1];
        p.size[1] = (int)input->dim[2];
    }
    return p;
}

struct tp_preprocess tp_preprocess_imagenet(const struct tp_shape *input)
{
    static const float mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };
    struct tp_preprocess p = tp_preprocess_default(input);
    if (input->rank != 4 || input->dim[3] != 3) return p;
    for (int i = 0; i < 2; i++) {
        const int64_t side = input->dim[1 + i] > 0 ? input->dim[1 + i] : 224;
        p.crop[i] = side < TP_PREPROCESS_MAX_SIDE ? (int)side : TP_PREPROCESS_MAX_SIDE;
    }
    const int least = p.crop[0] < p.crop[1] ? p.crop[0] : p.crop[1];
    const int64_t resized = ((int64_t)least * 256 + 112) / 224;
    p.mode = TP_RESIZE_SHORTEST;
    p.size[0] = p.size[1] = resized < TP_PREPROCESS_MAX_SIDE ? (int)resized
                                                             : TP_PREPROCESS_MAX_SIDE;
    memcpy(p.mean, mean, sizeof mean);
    memcpy(p.std, std, sizeof std);
    return p;
}

/* ---- geometry -------------------------------------------------------------------------------- */

/* Python's round(x / 2): halves go to the even neighbour. */
static int64_t round_half(int64_t x)
{
    int64_t down = x >> 1;
    return down + (x & down & 1);
}

/* Python's round(length * r), at least one pixel, at most what there is room for. */
static int64_t fit(int length, double r, int room)
{
    double n = rint(length * r);
    return n < 1 ? 1 : n > room ? room : (int64_t)n;
}

static void resized_size(const struct tp_preprocess *p, const int full[2], int64_t resized[2])
{
    int shorter = full[0] <= full[1] ? 0 : 1;
    double r;
    switch (p->mode) {
    case TP_RESIZE_NONE:
        resized[0] = full[0];
        resized[1] = full[1];
        break;
    case TP_RESIZE_EXACT:
        resized[0] = p->size[0];
        resized[1] = p->size[1];
        break;
    case TP_RESIZE_SHORTEST:         /* int(size * long / short), as torchvision rounds */
        resized[shorter] = p->size[0];
        resized[!shorter] = (int64_t)p->size[0] * full[!shorter] / full[shorter];
        break;
    case TP_RESIZE_LETTERBOX:
        r = fmin((double)p->size[0] / full[0], (double)p->size[1] / full[1]);
        resized[0] = fit(full[0], r, p->size[0]);
        resized[1] = fit(full[1], r, p->size[1]);
        break;
    }
}

/* One axis of the canvas. Letterbox and a crop larger than the image pad: floor of the half in
 * front (torchvision's pad and Ultralytics' LetterBox agree). */
static void lay_axis(struct layout *l, int axis, int canvas)
{
    int64_t spare = l->resized[axis] - canvas;
    l->canvas[axis] = canvas;
    l->offset[axis] = spare >= 0 ? round_half(spare) : -(-spare / 2);
    l->first[axis] = spare >= 0 ? 0 : (int)-l->offset[axis];
    l->seen[axis] = spare >= 0 ? canvas : (int)l->resized[axis];
}

/* The canvas, once l->resized is known (and was found to be of a size that there is). */
static void lay_canvas(struct layout *l, const struct tp_preprocess *p)
{
    bool boxed = p->mode == TP_RESIZE_LETTERBOX;
    l->fill = boxed ? LETTERBOX_GRAY : CROP_BLACK;
    for (int axis = 0; axis < 2; axis++)
        lay_axis(l, axis, boxed ? p->size[axis] : p->crop[axis] ? p->crop[axis]
                                                                : (int)l->resized[axis]);
}

/* Works out all sizes and checks them, before anything of those sizes is allocated. */
static bool lay_out(const struct tp_preprocess *p, const int full[2], int channels,
                    const struct tp_limits *limits, struct layout *l, struct tp_err *err)
{
    *l = (struct layout){ 0 };
    resized_size(p, full, l->resized);
    struct tp_shape resized = TP_SHAPE4(1, l->resized[0], l->resized[1], channels);
    if (!tp_shape_check(&resized, limits->max_elements, "image after resizing", err)) return false;
    if (l->resized[0] > INT32_MAX || l->resized[1] > INT32_MAX)
        return tp_fail(err, TP_TOO_LARGE, "image after resizing: %s has too long a side",
                       TP_SHAPE(&resized));
    lay_canvas(l, p);
    struct tp_shape canvas = TP_SHAPE4(1, l->canvas[0], l->canvas[1], channels);
    return tp_shape_check(&canvas, limits->max_elements, "image after cropping", err);
}

struct tp_preprocess_map tp_preprocess_locate(const struct tp_preprocess *p, int width, int height)
{
    const int full[2] = { height, width };
    struct tp_preprocess_map m;
    struct layout l = { .fill = 0 };
    resized_size(p, full, l.resized);
    lay_canvas(&l, p);
    for (int axis = 0; axis < 2; axis++) {
        m.scale[axis] = (double)l.resized[axis] / full[axis];
        m.shift[axis] = -(double)l.offset[axis];
    }
    return m;
}

/* ---- pixels to floats ------------------------------------------------------------------------ */

struct painting {
    const struct layout *l;
    const uint8_t *seen;             /* [l->seen, from_channels] */
    int from_channels, channels;
    int source[3];                   /* which channel of `seen` each one out reads */
    float value[3][256];             /* of each byte, per channel out */
    float *out;                      /* [l->canvas, channels] */
};

static void paint_fill(const struct painting *t, float *out, int n_pixels)
{
    for (int i = 0; i < n_pixels; i++)
        for (int c = 0; c < t->channels; c++) *out++ = t->value[c][t->l->fill];
}

static void paint_rows(const void *ctx, int64_t begin, int64_t end)
{
    const struct painting *t = ctx;
    const struct layout *l = t->l;
    for (int64_t y = begin; y < end; y++) {
        float *out = t->out + y * l->canvas[1] * t->channels;
        if (y < l->first[0] || y >= l->first[0] + l->seen[0]) {
            paint_fill(t, out, l->canvas[1]);
            continue;
        }
        const uint8_t *in = t->seen + (y - l->first[0]) * l->seen[1] * t->from_channels;
        paint_fill(t, out, l->first[1]);
        out += (ptrdiff_t)l->first[1] * t->channels;
        for (int x = 0; x < l->seen[1]; x++, in += t->from_channels)
            for (int c = 0; c < t->channels; c++) *out++ = t->value[c][in[t->source[c]]];
        paint_fill(t, out, l->canvas[1] - l->first[1] - l->seen[1]);
    }
}

static void mix_paint(struct painting *t, const struct tp_preprocess *p)
{
    for (int c = 0; c < t->channels; c++) {
        t->source[c] = t->from_channels == 1 ? 0 : p->color == TP_BGR ? 2 - c : c;
        for (int v = 0; v < 256; v++)
            t->value[c][v] = ((float)v * p->scale - p->mean[c]) / p->std[c];
    }
}

static bool paint(const struct tp_preprocess *p, struct tp_tensor *out, const struct layout *l,
                  const uint8_t *seen, int from_channels, int n_threads, struct tp_arena *arena,
                  struct tp_err *err)
{
    struct painting t = { .l = l, .seen = seen, .from_channels = from_channels,
                          .channels = p->color == TP_GRAY ? 1 : 3 };
    struct tp_shape shape = TP_SHAPE4(1, l->canvas[0], l->canvas[1], t.channels);
    t.out = tp_arena_floats(arena, tp_shape_elements(&shape));
    if (!t.out) return tp_arena_fail(arena, err);
    mix_paint(&t, p);
    tp_parallel_for(n_threads, l->canvas[0], 4 * tp_shape_elements(&shape), paint_rows, &t);
    *out = (struct tp_tensor){ shape, t.out };
    return true;
}

/* ---- the way from pixels to the tensor ------------------------------------------------------- */

/* A decoder that reduces to m/8 rounds the sides up, so its last pixels show a little beyond the
 * file's edge: of `length` pixels, this much is picture. */
static double true_span(int length, int full, const struct tp_image *image, const int full_size[2])
{
    int longer = full_size[0] > full_size[1] ? full_size[0] : full_size[1];
    int reduced = image->height > image->width ? image->height : image->width;
    if (reduced == longer) return length;
    double span = full * (double)((int64_t)reduced * 8 / longer) / 8.0;
    return span < 1 ? 1 : span > length ? length : span;
}

/* image may be a reduced decoding of one of size `full`. */
static bool prepare(const struct tp_preprocess *p, struct tp_tensor *out,
                    const struct tp_image *image, const int full[2],
                    const struct tp_limits *limits, int n_threads, struct tp_arena *arena,
                    struct tp_err *err)
{
    struct layout l;
    if (!lay_out(p, full, p->color == TP_GRAY ? 1 : 3, limits, &l, err)) return false;
    struct tp_resample_part part = {
        .top = l.offset[0] > 0 ? (int)l.offset[0] : 0, .height = l.seen[0],
        .left = l.offset[1] > 0 ? (int)l.offset[1] : 0, .width = l.seen[1],
        .span_h = true_span(image->height, full[0], image, full),
        .span_w = true_span(image->width, full[1], image, full),
    };
    const uint8_t *seen = image->pixels;
    bool as_it_is = l.seen[0] == image->height && l.seen[1] == image->width &&
                    l.resized[0] == image->height && l.resized[1] == image->width;
    if (!as_it_is) {
        uint8_t *room = tp_arena_alloc(arena, (size_t)l.seen[0] * (size_t)l.seen[1] *
                                              (size_t)image->channels);
        if (!room) return tp_arena_fail(arena, err);
        if (!tp_resample_part(room, &part, (int)l.resized[0], (int)l.resized[1], image->pixels,
                              image->height, image->width, image->channels, p->filter,
                              p->antialias, n_threads, arena, err))
            return false;
        seen = room;
    }
    return paint(p, out, &l, seen, image->channels, n_threads, arena, err);
}

/* How far a JPEG may be reduced while it is decoded: to twice the size it is then resized to.
 * Filters that read single pixels would see other ones, so they get the image in full. */
static int least_side(const struct tp_preprocess *p)
{
    int side = p->size[0];
    if (p->exact_decode || p->mode == TP_RESIZE_NONE || !p->antialias ||
        p->filter == TP_RESAMPLE_NEAREST) return 0;
    if (p->mode != TP_RESIZE_SHORTEST && p->size[1] > side) side = p->size[1];
    return 2 * side;
}

bool tp_preprocess_image(const struct tp_preprocess *p, struct tp_tensor *out, const void *bytes,
                         size_t n_bytes, const struct tp_limits *limits, int n_threads,
                         int source_size[2], struct tp_arena *arena, struct tp_err *err)
{
    struct tp_image_options options = { .gray = p->color == TP_GRAY, .least_side = least_side(p),
                                        .max_pixels = limits->max_pixels };
    struct tp_image image;
    int size[2];
    if (!tp_image_decode(&image, bytes, n_bytes, &options, size, arena, err)) return false;
    if (source_size) memcpy(source_size, size, sizeof size);
    int full[2] = { size[1], size[0] };
    return prepare(p, out, &image, full, limits, n_threads, arena, err);
}

bool tp_preprocess_pixels(const struct tp_preprocess *p, struct tp_tensor *out,
                          const struct tp_image *image, const struct tp_limits *limits,
                          int n_threads, struct tp_arena *arena, struct tp_err *err)
{
    struct tp_image im = *image;
    int full[2] = { im.height, im.width };
    if (!tp_image_check_size(im.width, im.height, limits->max_pixels, err)) return false;
    if (p->color == TP_GRAY && im.channels == 3) {
        im.pixels = tp_arena_alloc(arena, (size_t)im.width * (size_t)im.height);
        if (!im.pixels) return tp_arena_fail(arena, err);
        tp_image_luma(im.pixels, image->pixels, (int64_t)im.width * im.height);
        im.channels = 1;
    }
    return prepare(p, out, &im, full, limits, n_threads, arena, err);
}
