/* roi.c - pooling of boxes: RoIAlign's bilinear samples, or MaxRoiPool's whole pixels.
 *
 * RoIAlign is as torchvision.ops.roi_align and ONNX RoiAlign have it (He et al., "Mask R-CNN",
 * 2017): a sample more than a pixel outside the map is 0. MaxRoiPool is Girshick's (ONNX
 * MaxRoiPool, torchvision.ops.roi_pool): corners are rounded, bins reach from floor to ceil, an
 * empty one is 0.
 *
 * A box may be anything. One with a NaN, or of an image that is not there, gives zeros. Corners are
 * brought to within a million pixels of the map's own corner, where floats still tell quarters of a
 * pixel apart; so the samples of a bin that lie in the map are about four per pixel at most, and
 * those that lie beside it are counted instead of taken. */
#include "ops/aggregate.h"
#include "ops/cells.h"
#include "ops/parallel.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
    FARTHEST = 1 << 20,              /* from the map's corner that anything lies, in pixels */
    MOST_SAMPLES = 256,              /* of a sampling ratio */
};

static const char *const axis_name[2] = { "height", "width" };

/* ---- shape ----------------------------------------------------------------------------------- */

static bool check_axis(const struct tp_node *nd, int axis, int64_t length, struct tp_err *err)
{
    const struct tp_roi_attr *a = &nd->attr.roi;
    if (length > FARTHEST)
        return tp_fail(err, TP_TOO_LARGE, "%s: the map's %s is %" PRId64 "; at most %d is possible",
                       nd->name, axis_name[axis], length, (int)FARTHEST);
    if (a->bins[axis] < 1 || a->bins[axis] > FARTHEST)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: bins %dx%d; each side must be from 1 to %d",
                       nd->name, a->bins[0], a->bins[1], (int)FARTHEST);
    if (!(a->scale[axis] > 0 && isfinite(a->scale[axis])))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: the scale of the boxes' %s is %g; it must be "
                       "a number above 0", nd->name, axis_name[axis], (double)a->scale[axis]);
    return true;
}

static bool roi_shape(const struct tp_node *nd, const struct tp_shape *in, struct tp_shape *out,
                      struct tp_err *err)
{
    const struct tp_roi_attr *a = &nd->attr.roi;
    const struct tp_shape *boxes = &in[1], *images = &in[2];
    if (!tp_op_need_map(nd, in, err)) return false;
    if (boxes->rank != 2 || !tp_shape_fits(boxes, &TP_SHAPE2(TP_ANY, 4)))
        return tp_fail(err, TP_INVALID_SHAPE, "%s: the boxes are %s; they must be [boxes, 4]",
                       nd->name, TP_SHAPE(boxes));
    if (images->rank != 1 || (images->dim[0] != boxes->dim[0] && images->dim[0] != TP_ANY &&
                              boxes->dim[0] != TP_ANY))
        return tp_fail(err, TP_INVALID_SHAPE, "%s: the boxes' images are %s; there must be one "
                       "number for each of the boxes, %s", nd->name, TP_SHAPE(images),
                       TP_SHAPE(boxes));
    if (!check_axis(nd, 0, in->dim[1], err) || !check_axis(nd, 1, in->dim[2], err) ||
        !tp_aggregate_check(nd, a->kind, a->p, err)) return false;
    if (a->sampling_ratio < 0 || a->sampling_ratio > MOST_SAMPLES)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: sampling ratio %d; it must be from 0 to %d",
                       nd->name, a->sampling_ratio, (int)MOST_SAMPLES);
    if (a->by_neighbour && (a->kind != TP_OP_MAX || a->quantized))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: only the maximum of samples can be taken by "
                       "neighbours", nd->name);
    *out = TP_SHAPE4(boxes->dim[0], a->bins[0], a->bins[1], in->dim[3]);
    return true;
}

/* ---- where samples lie ----------------------------------------------------------------------- */

/* One bin along one axis: sample i of `n` lies at start + (i + 1/2) * bin / n. */
struct line {
    float start, bin;
    int n;                           /* samples; [first, end) are not beside the map */
    int first, end;
};

static float place(const struct line *l, int i)
{
    return l->start + ((float)i + 0.5f) * l->bin / (float)l->n;
}

/* The first sample beyond `limit` in the direction in which they go, which is down in a box that
 * stands on its head. Places never turn back, so halving finds it. */
static int first_beyond(const struct line *l, float limit, bool or_at)
{
    int low = 0, high = l->n;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        const float at = place(l, middle);
        const bool beyond = (or_at && at == limit) || (l->bin < 0 ? at < limit : at > limit);
        if (beyond) high = middle;
        else low = middle + 1;
    }
    return low;
}

static float corner(float x, float scale)
{
    const float at = x * scale;
    return at < -FARTHEST ? -FARTHEST : at > FARTHEST ? FARTHEST : at;
}

/* Bin `index` of [from, to) along an axis of the map. In float, operation by operation as
 * torchvision has it, for the same samples at the edges. */
static struct line line_of(const struct tp_roi_attr *a, int axis, float from, float to, int index,
                           int64_t length)
{
    const float offset = a->half_pixel ? 0.5f : 0;
    const float start = corner(from, a->scale[axis]) - offset;
    float size = corner(to, a->scale[axis]) - offset - start;
    if (!a->half_pixel && size < 1) size = 1;
    struct line l = { .bin = size / (float)a->bins[axis], .n = a->sampling_ratio };
    l.start = start + (float)index * l.bin;
    if (!l.n) l.n = l.bin > 0 ? (int)ceilf(l.bin) : 0;
    const bool up = l.bin >= 0;
    l.first = first_beyond(&l, up ? -1 : (float)length, true);
    l.end = first_beyond(&l, up ? (float)length : -1, false);
    if (l.end < l.first) l.end = l.first;
    return l;
}

/* ---- samples --------------------------------------------------------------------------------- */

struct samples {
    const struct tp_step *st;
    const float *map;                /* the first of these channels, of the image's first pixel */
    struct line y, x;
    int n_channels;
};

struct neighbours { int64_t low, high; float weight; };          /* the weight is of `high` */

static struct neighbours neighbours_of(const struct line *l, int i, int64_t length)
{
    float at = place(l, i);
    if (at < 0) at = 0;
    const int64_t low = (int64_t)at;
    if (low >= length - 1) return (struct neighbours){ length - 1, length - 1, 0 };
    return (struct neighbours){ low, low + 1, at - (float)low };
}

/* A tp_pixels_fn: samples that lie in the map, row by row. By neighbours each is four pixels. */
static void read_samples(const void *ctx, float *block, int64_t first, int n)
{
    const struct samples *s = ctx;
    const int64_t *in = s->st->in[0].dim;
    const bool by_neighbour = s->st->node->attr.roi.by_neighbour;
    const int64_t n_columns = s->x.end - s->x.first;
    for (int64_t i = first; i < first + n; i++, block += s->n_channels) {
        const int64_t sample = by_neighbour ? i / 4 : i;
        const struct neighbours y = neighbours_of(&s->y, s->y.first + (int)(sample / n_columns),
                                                  in[1]);
        const struct neighbours x = neighbours_of(&s->x, s->x.first + (int)(sample % n_columns),
                                                  in[2]);
        const float *const near[4] = {
            s->map + (y.low * in[2] + x.low) * in[3], s->map + (y.low * in[2] + x.high) * in[3],
            s->map + (y.high * in[2] + x.low) * in[3], s->map + (y.high * in[2] + x.high) * in[3],
        };
        if (!by_neighbour) {
            s->st->k->lerp(block, near[0], near[1], near[2], near[3], x.weight, y.weight,
                           s->n_channels);
            continue;
        }
        const float weight = (i & 2 ? y.weight : 1 - y.weight) * (i & 1 ? x.weight : 1 - x.weight);
        s->st->k->binary[TP_BINARY_MUL](block, near[i % 4], 1, &weight, 0, s->n_channels);
    }
}

/* ---- whole pixels ---------------------------------------------------------------------------- */

/* The pixels of bin `index` between two rounded corners, both of which belong to the box. */
static struct tp_bin pixels_of(const struct tp_roi_attr *a, int axis, float from, float to,
                               int index, int64_t length)
{
    const int64_t start = (int64_t)roundf(corner(from, a->scale[axis]));
    int64_t size = (int64_t)roundf(corner(to, a->scale[axis])) - start + 1;
    if (size < 1) size = 1;
    const float bin = (float)size / (float)a->bins[axis];
    struct tp_bin b = { start + (int64_t)floorf((float)index * bin),
                        start + (int64_t)ceilf((float)(index + 1) * bin) };
    b.begin = b.begin < 0 ? 0 : b.begin > length ? length : b.begin;
    b.end = b.end < b.begin ? b.begin : b.end > length ? length : b.end;
    return b;
}

/* ---- run ------------------------------------------------------------------------------------- */

struct work {
    const struct tp_step *st;
    const struct tp_io *io;
    int n_units;                     /* stretches of channels */
};

/* One bin's channels: those from which `map` points on. */
static void pool_whole(const struct tp_step *st, struct tp_aggregate *a, float *out,
                       const float *map, const float *box, const int bin[2])
{
    const struct tp_roi_attr *attr = &st->node->attr.roi;
    const int64_t *in = st->in[0].dim;
    const struct tp_bin y = pixels_of(attr, 0, box[1], box[3], bin[0], in[1]);
    const struct tp_bin x = pixels_of(attr, 1, box[0], box[2], bin[1], in[2]);
    const struct tp_cell_pixels pixels = {
        .map = map, .width = in[2], .channels = in[3], .n_channels = a->channels,
        .cell = { { y.begin, x.begin }, { y.end - y.begin, x.end - x.begin }, { 1, 1 } },
    };
    a->n_pixels = pixels.cell.n[0] * pixels.cell.n[1];
    a->read = tp_cells_read;
    a->ctx = &pixels;
    tp_aggregate(a, out);
}

static void pool_samples(const struct tp_step *st, struct tp_aggregate *a, float *out,
                         const float *map, const float *box, const int bin[2])
{
    const struct tp_roi_attr *attr = &st->node->attr.roi;
    const int64_t *in = st->in[0].dim;
    const struct samples s = {
        .st = st, .map = map, .n_channels = a->channels,
        .y = line_of(attr, 0, box[1], box[3], bin[0], in[1]),
        .x = line_of(attr, 1, box[0], box[2], bin[1], in[2]),
    };
    const int64_t n = (int64_t)(s.y.end - s.y.first) * (s.x.end - s.x.first);
    a->n_pixels = attr->by_neighbour ? 4 * n : n;
    a->n_zeros = (double)s.y.n * s.x.n - (double)n;
    a->read = read_samples;
    a->ctx = &s;
    tp_aggregate(a, out);
}

static bool is_sound(const float *box)
{
    return !isnan(box[0]) && !isnan(box[1]) && !isnan(box[2]) && !isnan(box[3]);
}

/* Items are stretches of channels of bins of boxes. */
static void bins_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const struct tp_step *st = work->st;
    const struct tp_roi_attr *attr = &st->node->attr.roi;
    const int64_t *in = st->in[0].dim;
    for (int64_t i = begin; i < end; i++) {
        const int64_t unit = i % work->n_units, place_out = i / work->n_units;
        const int64_t row = place_out / attr->bins[1], index = row / attr->bins[0];
        const int bin[2] = { (int)(row % attr->bins[0]), (int)(place_out % attr->bins[1]) };
        const int64_t from = tp_aggregate_begin(in[3], unit);
        const int n = (int)(tp_aggregate_begin(in[3], unit + 1) - from);
        const float *box = work->io->in[1] + index * 4, image = work->io->in[2][index];
        float *out = work->io->out + place_out * in[3] + from;
        if (!is_sound(box) || !(image >= 0 && (double)image < (double)in[0])) {
            memset(out, 0, (size_t)n * sizeof *out);
            continue;
        }
        const float *map = work->io->in[0] + (int64_t)image * in[1] * in[2] * in[3] + from;
        struct tp_aggregate a = { .k = st->k, .kind = attr->kind, .p = attr->p, .channels = n };
        (attr->quantized ? pool_whole : pool_samples)(st, &a, out, map, box, bin);
    }
}

static void roi_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct tp_roi_attr *a = &st->node->attr.roi;
    const struct work work = { st, io, tp_aggregate_units(st->in[0].dim[3]) };
    const int64_t n_samples = a->sampling_ratio ? a->sampling_ratio * a->sampling_ratio : 4;
    tp_parallel_for(io->n_threads, st->out.dim[0] * a->bins[0] * a->bins[1] * work.n_units,
                    16 * n_samples * tp_shape_elements(&st->out), bins_range, &work);
}

const struct tp_op tp_op_roi = {
    .name = "Roi", .shape = roi_shape, .run = roi_run,
};
