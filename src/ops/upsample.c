/* upsample.c - maps made larger by whole factors, as Keras UpSampling2D does: nearest repeats
 * pixels; bilinear samples at half-pixel centres with the edge repeated outwards. */
#include "ops/op.h"
#include "ops/parallel.h"

#include <string.h>

enum {
    FEW_CHANNELS = 16,               /* below, one call per pixel costs more than what it does */
    TILE_FLOATS = 512,               /* of a row, interpolated between two rows, on the stack */
};

struct work {
    const struct tp_step *st;
    const struct tp_io *io;
};

static bool upsample_shape(const struct tp_node *nd, const struct tp_shape *in,
                           struct tp_shape *out, struct tp_err *err)
{
    const int *scale = nd->attr.upsample.scale;
    if (scale[0] < 1 || scale[1] < 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: size %dx%d; each factor must be at least 1",
                       nd->name, scale[0], scale[1]);
    if (!tp_op_need_map(nd, in, err)) return false;
    *out = *in;
    for (int axis = 0; axis < 2; axis++) {
        int64_t *length = &out->dim[axis + 1];
        if (*length != TP_ANY && __builtin_mul_overflow(*length, scale[axis], length))
            return tp_fail(err, TP_TOO_LARGE, "%s: %s times %dx%d is beyond any size", nd->name,
                           TP_SHAPE(in), scale[0], scale[1]);
    }
    return true;
}

/* ---- nearest --------------------------------------------------------------------------------- */

/* One input row into one output row: every pixel `times` times. */
static void repeat_pixels(float *out, const float *in, int64_t width, int times, int64_t channels)
{
    for (int64_t x = 0; x < width; x++, in += channels)
        for (int i = 0; i < times; i++, out += channels) {
            if (channels >= FEW_CHANNELS) memcpy(out, in, (size_t)channels * sizeof *out);
            else
                for (int64_t c = 0; c < channels; c++) out[c] = in[c];
        }
}

/* Items are input rows of all images. */
static void nearest_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const int64_t *in = work->st->in[0].dim;
    const int *scale = work->st->node->attr.upsample.scale;
    const int64_t row = in[2] * scale[1] * in[3];
    for (int64_t y = begin; y < end; y++) {
        float *out = work->io->out + y * scale[0] * row;
        repeat_pixels(out, work->io->in[0] + y * in[2] * in[3], in[2], scale[1], in[3]);
        for (int i = 1; i < scale[0]; i++) memcpy(out + i * row, out, (size_t)row * sizeof *out);
    }
}

/* ---- bilinear -------------------------------------------------------------------------------- */

/* Output position o lies `weight` of the way from input position `low` to low + 1 (either may be
 * one step outside: the edge's value holds there). */
struct place { int64_t low; float weight; };

static struct place place_at(int64_t o, int scale)
{
    int64_t base = o / scale;
    int64_t phase = 2 * (o % scale) + 1;     /* the output's centre, in halves of output pixels */
    if (phase < scale) return (struct place){ base - 1, (float)(phase + scale) / (float)scale / 2 };
    return (struct place){ base, (float)(phase - scale) / (float)scale / 2 };
}

static int64_t inside(int64_t i, int64_t length) { return i < 0 ? 0 : i < length ? i : length - 1; }

/* Many channels: a call per pixel. up, down: the two input rows. */
static void blend_wide(const struct tp_step *st, float *out, const float *up, const float *down,
                       float wy)
{
    const int64_t width = st->in[0].dim[2], channels = st->in[0].dim[3];
    const int scale = st->node->attr.upsample.scale[1];
    for (int64_t x = 0; x < width * scale; x++, out += channels) {
        struct place p = place_at(x, scale);
        int64_t low = inside(p.low, width) * channels, high = inside(p.low + 1, width) * channels;
        st->k->lerp(out, up + low, up + high, down + low, down + high, p.weight, wy, (int)channels);
    }
}

/* Dense pixels of n channels to places `step` floats apart. */
static void spread(float *out, int64_t step, const float *in, int n_pixels, int n)
{
    if (n == 1)
        for (int i = 0; i < n_pixels; i++) out[i * step] = in[i];
    else
        for (int i = 0; i < n_pixels; i++)
            for (int c = 0; c < n; c++) out[i * step + c] = in[i * n + c];
}

/* Few channels: a tile of the input row is interpolated downwards once, then rightwards once for
 * each phase, whose pixels share a weight and lie `scale` apart. */
static void blend_narrow(const struct tp_step *st, float *out, const float *up, const float *down,
                         float wy)
{
    const int64_t width = st->in[0].dim[2];
    const int n = (int)st->in[0].dim[3], scale = st->node->attr.upsample.scale[1];
    const int tile = TILE_FLOATS / n - 2;        /* input pixels; one more on either side */
    float column[TILE_FLOATS], phase[TILE_FLOATS];
    for (int64_t x = 0; x < width; x += tile) {
        const int64_t end = x + tile < width ? x + tile : width;
        const int64_t from = inside(x - 1, width), to = inside(end, width) + 1;
        const int n_pixels = (int)(end - x);
        float *first = column + (from - (x - 1)) * n;
        st->k->lerp(first, up + from * n, up + from * n, down + from * n, down + from * n, 0, wy,
                    (int)(to - from) * n);
        if (x == 0) memcpy(column, column + n, (size_t)n * sizeof *column);
        if (end == width)
            memcpy(column + (n_pixels + 1) * n, column + n_pixels * n, (size_t)n * sizeof *column);
        for (int i = 0; i < scale; i++) {
            const struct place p = place_at(i, scale);
            const float *a = column + (p.low + 1) * n;
            st->k->lerp(phase, a, a + n, a, a + n, p.weight, 0, n_pixels * n);
            spread(out + (x * scale + i) * n, (int64_t)scale * n, phase, n_pixels, n);
        }
    }
}

/* Items are output rows of all images. */
static void bilinear_range(const void *ctx, int64_t begin, int64_t end)
{
    const struct work *work = ctx;
    const int64_t *in = work->st->in[0].dim, *to = work->st->out.dim;
    for (int64_t i = begin; i < end; i++) {
        struct place p = place_at(i % to[1], work->st->node->attr.upsample.scale[0]);
        const float *image = work->io->in[0] + i / to[1] * in[1] * in[2] * in[3];
        const float *up = image + inside(p.low, in[1]) * in[2] * in[3];
        const float *down = image + inside(p.low + 1, in[1]) * in[2] * in[3];
        float *out = work->io->out + i * to[2] * to[3];
        if (in[3] < FEW_CHANNELS) blend_narrow(work->st, out, up, down, p.weight);
        else blend_wide(work->st, out, up, down, p.weight);
    }
}

static void upsample_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct work work = { st, io };
    const bool nearest = st->node->attr.upsample.mode == TP_NEAREST;
    const int64_t n_rows = st->in[0].dim[0] * (nearest ? st->in[0].dim[1] : st->out.dim[1]);
    tp_parallel_for(io->n_threads, n_rows, 4 * tp_shape_elements(&st->out),
                    nearest ? nearest_range : bilinear_range, &work);
}

const struct tp_op tp_op_upsample = {
    .name = "Resize", .shape = upsample_shape, .run = upsample_run,
};
