/* pack.c - weights into panels, block by block on their way through the first-level cache.
 *
 * A product reads panels [group][panel][depth][nr], where depth counts tap by tap, channel by
 * channel, with zeros behind the last column. Files have a column's weights together instead (or
 * a row's, as Keras); reading one float of every column at a time would meet the same few lines of
 * the cache again and again, columns being large powers of two apart. */
#include "ops/pack.h"

#include "ops/depthwise.h"
#include "ops/parallel.h"
#include "ops/winograd.h"

#include <limits.h>
#include <string.h>

enum {
    BLOCK = 128, STRIP = 16,         /* floats of a column, and columns, that are turned at once */
    CHANNELS = BLOCK / 9,            /* of 3x3 kernels */
    MOST_NR = 32,
};

struct packing {
    const struct tp_pack_source *w;
    float *to;
    int64_t channels, taps, columns; /* of one group */
    int64_t panels, blocks;          /* of one group, of one panel */
    int nr;
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Copies n floats which lie at[0], at[step], .. counted from the weights' first. */
static void fetch(float *to, const struct tp_pack_source *w, ptrdiff_t at, ptrdiff_t step,
                  int64_t n)
{
    const char *from = (const char *)w->data + at * (ptrdiff_t)sizeof *to;
    if (step == 1) {
        memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i, from + i * step * (ptrdiff_t)sizeof *to, sizeof *to);
}

/* Weights [begin, end) of one column, counted channel by channel, tap by tap: as ONNX has them. */
static void fetch_column(float *to, const struct packing *p, ptrdiff_t column, int64_t begin,
                         int64_t end)
{
    const struct tp_pack_source *w = p->w;
    if (p->taps == 1 || (w->tap == 1 && w->channel == p->taps)) {
        const ptrdiff_t step = p->taps == 1 ? w->channel : 1;
        fetch(to, w, column + begin * step, step, end - begin);
        return;
    }
    while (begin < end) {
        const int64_t channel = begin / p->taps, tap = begin % p->taps;
        const int64_t n = least(p->taps - tap, end - begin);
        fetch(to, w, column + channel * w->channel + tap * w->tap, w->tap, n);
        to += n;
        begin += n;
    }
}

/* Rows [begin, end) of a panel, as fetch_column() counts them, from `width` columns that begin at
 * `first`. */
static void turn_block(const struct packing *p, float *panel, ptrdiff_t first, int64_t width,
                       int64_t begin, int64_t end)
{
    float strip[STRIP][BLOCK + 16];              /* a power of two apart they would share lines */
    for (int64_t j = 0; j < p->nr; j += STRIP) {
        const int n = (int)least(STRIP, p->nr - j);
        for (int i = 0; i < n; i++) {
            if (j + i < width)
                fetch_column(strip[i], p, first + (j + i) * p->w->column, begin, end);
            else
                memset(strip[i], 0, (size_t)(end - begin) * sizeof **strip);
        }
        int64_t channel = begin / p->taps, tap = begin % p->taps;
        for (int64_t e = 0; e < end - begin; e++) {
            float *row = panel + (tap * p->channels + channel) * p->nr + j;
            for (int i = 0; i < n; i++) row[i] = strip[i][e];
            if (++tap < p->taps) continue;
            tap = 0;
            channel++;
        }
    }
}

/* Rows [begin, end) of a panel where a row's weights are neighbours. */
static void copy_block(const struct packing *p, float *panel, ptrdiff_t first, int64_t width,
                       int64_t begin, int64_t end)
{
    const size_t n = (size_t)width, rest = (size_t)(p->nr - width);
    for (int64_t d = begin; d < end; d++) {
        float *row = panel + d * p->nr;
        const int64_t tap = d / p->channels, channel = d % p->channels;
        fetch(row, p->w, first + tap * p->w->tap + channel * p->w->channel, 1, width);
        memset(row + n, 0, rest * sizeof *row);
    }
}

static void pack_blocks(const void *ctx, int64_t begin, int64_t end)
{
    const struct packing *p = ctx;
    const struct tp_pack_source *w = p->w;
    const int64_t depth = p->taps * p->channels;
    for (int64_t i = begin; i < end; i++) {
        const int64_t panel = i / p->blocks, row = i % p->blocks * BLOCK;
        const int64_t column = panel % p->panels * p->nr;
        const ptrdiff_t first = panel / p->panels * w->group + column * w->column;
        (w->column == 1 ? copy_block : turn_block)(p, p->to + panel * depth * p->nr, first,
                                                   least(p->nr, p->columns - column), row,
                                                   least(depth, row + BLOCK));
    }
}

static bool pack(const float **packed, struct packing *p, int64_t groups, const char *name,
                 const struct tp_kernels *k, struct tp_arena *arena, int n_threads,
                 struct tp_err *err)
{
    p->nr = k->nr;
    p->panels = (p->columns + k->nr - 1) / k->nr;
    const int64_t depth = tp_shape_elements(&TP_SHAPE2(p->channels, p->taps));
    const int64_t n = tp_shape_elements(&TP_SHAPE4(groups, p->panels, depth, k->nr));
    if (depth < 0 || depth > INT_MAX || n < 0)
        return tp_fail(err, TP_TOO_LARGE, "%s: its weights are too large to be packed", name);
    p->blocks = (depth + BLOCK - 1) / BLOCK;
    *packed = p->to = tp_arena_floats(arena, n);
    if (!p->to) return tp_arena_fail(arena, err);
    tp_parallel_for(n_threads, groups * p->panels * p->blocks, 4 * n, pack_blocks, p);
    return true;
}

/* [tap][channel of a group][filter]; a group's filters are fetched in turn. */
static bool pack_depthwise(const float **packed, const struct packing *p, int groups,
                           struct tp_arena *arena, struct tp_err *err)
{
    const int64_t rows = p->taps * p->channels, filters = groups * p->columns;
    float *to = tp_arena_floats(arena, tp_shape_elements(&TP_SHAPE2(rows, filters)));
    *packed = to;
    if (!to) return tp_arena_fail(arena, err);
    for (int64_t i = 0; i < rows; i++) {
        const ptrdiff_t row = i / p->channels * p->w->tap + i % p->channels * p->w->channel;
        for (int64_t j = 0; j < p->columns; j++)
            for (int64_t g = 0; g < groups; g++)
                fetch(to + i * filters + g * p->columns + j, p->w,
                      row + g * p->w->group + j * p->w->column, 1, 1);
    }
    return true;
}

/* ---- Winograd's planes ----------------------------------------------------------------------- */

struct turning {
    struct packing of;
    const struct tp_winograd *winograd;
    int64_t planes, strips;          /* strips of channels in a panel */
};

/* A strip of channels becomes a small panel first, whose kernels are turned one by one. */
static void pack_planes(const void *ctx, int64_t begin, int64_t end)
{
    const struct turning *t = ctx;
    const struct packing *p = &t->of;
    float small[9 * CHANNELS * MOST_NR];
    for (int64_t i = begin; i < end; i++) {
        const int64_t panel = i / t->strips, channel = i % t->strips * CHANNELS;
        const int64_t column = panel * p->nr;
        struct tp_pack_source w = *p->w;
        struct packing strip = { .w = &w, .nr = p->nr, .taps = p->taps };
        strip.channels = least(CHANNELS, p->channels - channel);
        w.data = (const char *)w.data + channel * w.channel * (ptrdiff_t)sizeof(float);
        (w.column == 1 ? copy_block : turn_block)(&strip, small, column * w.column,
                                                  least(p->nr, p->columns - column), 0,
                                                  strip.channels * p->taps);
        float *u = p->to + (panel * t->planes * p->channels + channel) * p->nr;
        for (int64_t c = 0; c < strip.channels; c++)
            t->winograd->weights(u + c * p->nr, p->channels * p->nr, small + c * p->nr,
                                 strip.channels * p->nr);
    }
}

static bool pack_winograd(const float **packed, struct turning *t, const char *name,
                          const struct tp_kernels *k, struct tp_arena *arena, int n_threads,
                          struct tp_err *err)
{
    struct packing *p = &t->of;
    p->nr = k->nr;
    p->panels = (p->columns + k->nr - 1) / k->nr;
    const int64_t n = tp_shape_elements(&TP_SHAPE4(p->panels, t->planes, p->channels, k->nr));
    if (n < 0)
        return tp_fail(err, TP_TOO_LARGE, "%s: its weights are too large to be packed", name);
    *packed = p->to = tp_arena_floats(arena, n);
    if (!p->to) return tp_arena_fail(arena, err);
    t->strips = (p->channels + CHANNELS - 1) / CHANNELS;
    tp_parallel_for(n_threads, p->panels * t->strips, 4 * n, pack_planes, t);
    return true;
}

bool tp_pack_conv(struct tp_conv_packed *packed, enum tp_conv_form form,
                  const struct tp_pack_source *w, const struct tp_conv_attr *a, const char *name,
                  const struct tp_kernels *k, struct tp_arena *arena, int n_threads,
                  struct tp_err *err)
{
    struct packing p = {
        .w = w, .channels = a->in_channels / a->groups, .columns = a->filters / a->groups,
        .taps = (int64_t)a->window.kernel[0] * a->window.kernel[1],
    };
    packed->form = form;
    if (form != TP_CONV_DIRECT) {
        const int m = tp_winograd_m(form);
        struct turning t = { p, &k->winograd[m / 4], (m + 2) * (m + 2), 0 };
        return pack_winograd(&packed->data, &t, name, k, arena, n_threads, err);
    }
    if (tp_depthwise_is(a)) return pack_depthwise(&packed->data, &p, a->groups, arena, err);
    return pack(&packed->data, &p, a->groups, name, k, arena, n_threads, err);
}

bool tp_pack_gemm(const float **packed, const struct tp_pack_source *w, int in_features, int units,
                  const char *name, const struct tp_kernels *k, struct tp_arena *arena,
                  int n_threads, struct tp_err *err)
{
    struct packing p = { .w = w, .channels = in_features, .columns = units, .taps = 1 };
    return pack(packed, &p, 1, name, k, arena, n_threads, err);
}

struct tp_pack_source tp_pack_hwio(const void *data, const struct tp_conv_attr *a)
{
    const ptrdiff_t filters = a->filters;
    return (struct tp_pack_source){
        data, .group = filters / a->groups, .tap = a->in_channels / a->groups * filters,
        .channel = filters, .column = 1,
    };
}

struct tp_pack_source tp_pack_oihw(const void *data, const struct tp_conv_attr *a)
{
    const ptrdiff_t taps = (ptrdiff_t)a->window.kernel[0] * a->window.kernel[1];
    const ptrdiff_t column = taps * (a->in_channels / a->groups);
    return (struct tp_pack_source){
        data, .group = column * (a->filters / a->groups), .tap = 1, .channel = taps,
        .column = column,
    };
}

/* Its input channels are those of the convolution, its taps in reverse order. */
struct tp_pack_source tp_pack_turned(const void *data, const struct tp_conv_attr *a)
{
    const ptrdiff_t taps = (ptrdiff_t)a->window.kernel[0] * a->window.kernel[1];
    const ptrdiff_t channel = taps * (a->filters / a->groups);
    return (struct tp_pack_source){
        (const char *)data + (taps - 1) * (ptrdiff_t)sizeof(float),
        .group = channel * (a->in_channels / a->groups), .tap = -1, .channel = channel,
        .column = taps,
    };
}
