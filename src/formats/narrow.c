/* narrow.c - float32 as the types that an answer may have.
 *
 * The loops run over blocks of LANES values, whose length the compiler knows: so they become vector
 * code at -O2. Where channels are last a block is LANES maps side by side, else LANES values of
 * one map. */
#include "formats/narrow.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "ops/parallel.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as they are");

enum { LANES = 16 };

size_t tp_narrow_bytes(enum tp_dtype type)
{
    switch (type) {
    case TP_FP32: return 4;
    case TP_FP16: return 2;
    case TP_UINT8: return 1;
    }
    return 0;
}

struct tp_shape tp_narrow_maps(const struct tp_shape *s, bool channels_first)
{
    if (s->rank == 4) return TP_SHAPE2(s->dim[0], s->dim[channels_first ? 1 : 3]);
    if (s->rank == 0) return *s;
    return (struct tp_shape){ .rank = 1, .dim = { s->dim[0] } };
}

/* ---- float32 and float16 --------------------------------------------------------------------- */

struct values { char *to; const float *from; };

static void copy(const void *ctx, int64_t begin, int64_t end)
{
    const struct values *v = ctx;
    memcpy(v->to + 4 * begin, v->from + begin, (size_t)(end - begin) * sizeof *v->from);
}

static void halve(const void *ctx, int64_t begin, int64_t end)
{
    const struct values *v = ctx;
    uint16_t block[LANES];
    int64_t i = begin;
    for (; i + LANES <= end; i += LANES) {
        for (int j = 0; j < LANES; j++) block[j] = tp_half_bits(v->from[i + j]);
        memcpy(v->to + 2 * i, block, sizeof block);
    }
    for (; i < end; i++) {
        block[0] = tp_half_bits(v->from[i]);
        memcpy(v->to + 2 * i, block, sizeof *block);
    }
}

/* ---- uint8 ----------------------------------------------------------------------------------- */

/* n maps of `pixels` values each: those of map j of image i begin at i * image + j * map, `step`
 * apart. */
struct maps {
    uint8_t *to;
    char *scale, *zero;
    const float *from;
    int64_t per_image, pixels, image, map, step;
    int64_t blocks;                  /* of an image: what a thread takes */
};

struct range { float least[LANES], most[LANES]; };

/* q = (x * by - zero) / scale. `by` is 1, or a half where the range itself is no float. */
struct ruler { float by[LANES], zero[LANES], scale[LANES]; };

static void widen(struct range *r, const float *restrict x, int64_t n, int64_t step)
{
    struct range own = *r;
    for (int64_t i = 0; i < n; i++, x += step)
        for (int j = 0; j < LANES; j++) {
            const float v = x[j], low = v >= -FLT_MAX ? v : FLT_MAX,        /* NaN: neither */
                        high = v <= FLT_MAX ? v : -FLT_MAX;
            own.least[j] = low < own.least[j] ? low : own.least[j];
            own.most[j] = high > own.most[j] ? high : own.most[j];
        }
    *r = own;
}

/* The nearest of 0 to 255; NaN is 0. Compares the bits: a choice between floats becomes a branch
 * here, and the loop no vector code. */
static inline uint8_t level(float q)
{
    const int32_t most = 0x437F0000, infinity = 0x7F800000;         /* 255 */
    int32_t bits;
    memcpy(&bits, &q, sizeof bits);
    bits &= -(int32_t)(bits > 0) & -(int32_t)(bits <= infinity);
    bits = bits < most ? bits : most;
    memcpy(&q, &bits, sizeof q);
    return (uint8_t)(int32_t)(q + 0.5f);
}

static void quantize(uint8_t *restrict to, const float *restrict x, const struct ruler *ruler,
                     int64_t n, int64_t step)
{
    const struct ruler own = *ruler;
    for (int64_t i = 0; i < n; i++, x += step, to += step) {
        uint8_t block[LANES];
        for (int j = 0; j < LANES; j++) {
            block[j] = level((x[j] * own.by[j] - own.zero[j]) / own.scale[j]);
        }
        memcpy(to, block, sizeof block);
    }
}

static const struct range nothing = {
    .least = { [0 ... LANES - 1] = FLT_MAX },
    .most = { [0 ... LANES - 1] = -FLT_MAX },
};

/* Lane j of the ruler, and the map's scale and zero as they are answered. */
static void measure(const struct maps *m, int64_t map, float least, float most, struct ruler *ruler,
                    int j)
{
    const double range = (double)most - least;
    const bool none = range < 0, flat = range < 255.0 * FLT_MIN;     /* else scale is no denormal */
    const float scale = flat ? 0 : (float)(range / 255), zero = none ? 0 : least;
    const float by = range > FLT_MAX ? 0.5f : 1;
    memcpy(m->scale + 4 * map, &scale, sizeof scale);
    memcpy(m->zero + 4 * map, &zero, sizeof zero);
    ruler->by[j] = by;
    ruler->zero[j] = zero * by;
    ruler->scale[j] = flat ? 1 : scale * by;
}

/* One map whose values are `step` apart, one by one; r is what is known of its range already. */
static void finish_range(struct range *r, const float *x, int64_t n, int64_t step)
{
    for (int j = 1; j < LANES; j++) {
        r->least[0] = fminf(r->least[0], r->least[j]);
        r->most[0] = fmaxf(r->most[0], r->most[j]);
    }
    for (int64_t i = 0; i < n; i++) {
        const float v = x[i * step];
        if (!isfinite(v)) continue;
        r->least[0] = fminf(r->least[0], v);
        r->most[0] = fmaxf(r->most[0], v);
    }
}

static void quantize_one(uint8_t *to, const float *x, const struct ruler *ruler, int64_t n,
                         int64_t step)
{
    for (int64_t i = 0; i < n; i++) {
        const float v = x[i * step];
        to[i * step] = level((v * ruler->by[0] - ruler->zero[0]) / ruler->scale[0]);
    }
}

/* A map that lies in one piece (step 1) in blocks, the rest of it and any other value by value. */
static void one_map(const struct maps *m, int64_t image, int64_t map)
{
    const int64_t at = image * m->image + map * m->map;
    const int64_t blocks = m->step == 1 ? m->pixels / LANES : 0, done = blocks * LANES;
    const float *x = m->from + at, *rest = x + done;
    struct range r = nothing;
    struct ruler ruler;
    widen(&r, x, blocks, LANES);
    finish_range(&r, rest, m->pixels - done, m->step);
    measure(m, image * m->per_image + map, r.least[0], r.most[0], &ruler, 0);
    for (int j = 1; j < LANES; j++) {
        ruler.by[j] = ruler.by[0];
        ruler.zero[j] = ruler.zero[0];
        ruler.scale[j] = ruler.scale[0];
    }
    quantize(m->to + at, x, &ruler, blocks, LANES);
    quantize_one(m->to + at + done, rest, &ruler, m->pixels - done, m->step);
}

static void many_maps(const struct maps *m, int64_t image, int64_t first)
{
    const int64_t at = image * m->image + first;
    struct range r = nothing;
    struct ruler ruler;
    widen(&r, m->from + at, m->pixels, m->step);
    for (int j = 0; j < LANES; j++)
        measure(m, image * m->per_image + first + j, r.least[j], r.most[j], &ruler, j);
    quantize(m->to + at, m->from + at, &ruler, m->pixels, m->step);
}

static void blocks(const void *ctx, int64_t begin, int64_t end)
{
    const struct maps *m = ctx;
    const int64_t wide = m->map == 1 && m->step > 1 ? LANES : 1;
    for (int64_t i = begin; i < end; i++) {
        const int64_t image = i / m->blocks, first = i % m->blocks * wide;
        if (wide > 1 && first + wide <= m->per_image) {
            many_maps(m, image, first);
            continue;
        }
        for (int64_t map = first; map < first + wide && map < m->per_image; map++)
            one_map(m, image, map);
    }
}

/* Where the maps of that shape lie. */
static struct maps find_maps(const struct tp_shape *s, bool channels_first)
{
    const int64_t rows = s->rank ? s->dim[0] : 1, row = tp_shape_elements(s) / rows;
    struct maps m = { .per_image = 1, .pixels = row, .image = row, .map = row, .step = 1 };
    if (s->rank == 4) {
        m.per_image = s->dim[channels_first ? 1 : 3];
        m.pixels = row / m.per_image;
        m.map = channels_first ? m.pixels : 1;
        m.step = channels_first ? 1 : m.per_image;
    }
    m.blocks = m.map == 1 && m.step > 1 ? (m.per_image + LANES - 1) / LANES : m.per_image;
    return m;
}

void tp_narrow_write(void *to, void *scale, void *zero, const struct tp_tensor *t,
                     bool channels_first, enum tp_dtype type, int n_threads)
{
    const int64_t n = tp_shape_elements(&t->shape);
    const struct values v = { to, t->data };
    struct maps m;
    switch (type) {
    case TP_FP32:
        tp_parallel_for(n_threads, n, 4 * n, copy, &v);
        return;
    case TP_FP16:
        tp_parallel_for(n_threads, n, 8 * n, halve, &v);
        return;
    case TP_UINT8:
        m = find_maps(&t->shape, channels_first);
        m.to = to;
        m.scale = scale;
        m.zero = zero;
        m.from = t->data;
        tp_parallel_for(n_threads, n / m.image * m.blocks, 16 * n, blocks, &m);
        return;
    }
}
