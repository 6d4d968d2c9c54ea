/* depthwise.h - one filter per channel: vectors lie along the channels.
 *
 * Runs of pixels are walked eight at a time, channels outside, so that a weight is loaded once for
 * eight pixels. The few pixels left over, and those alone at a map's border, take four vectors of
 * channels at a time instead: one sum alone would wait for itself (a pixel takes 5 ns per vector
 * instead of 11). A last, partial vector of channels is computed as the last whole one, overlapping
 * its neighbour: the same values twice instead of masks. */

enum { RUN = 8, ABREAST = 4 };

struct filter {
    const struct tp_span *s;
    const float *weights;
    const int *index;
    const float *scale, *shift;
    float lo, hi;
};

INLINE vec filter_scale(const struct filter *f, int c)
{
    return f->scale ? load(f->scale + c) : splat(1);
}

INLINE vec filter_shift(const struct filter *f, int c)
{
    return f->shift ? load(f->shift + c) : splat(0);
}

/* VL channels from c on of n pixels from `first` on; n is a constant where this is inlined. */
INLINE void filter_run(const struct filter *f, int c, int first, const int n)
{
    const struct tp_span *s = f->s;
    const ptrdiff_t step = s->in_step, channels = s->channels, *taps = s->taps;
    const float *in = s->in + first * step + c, *weights = f->weights + c;
    const int *index = f->index, *end = index + s->n_taps;
    vec acc[RUN];
    UNROLL for (int i = 0; i < n; i++) acc[i] = (vec){ 0 };
    for (; index < end; index++, taps++) {
        const vec w = load(weights + *index * channels);
        const float *p = in + *taps;
        const float *three[3] = { p, n > 3 ? p + 3 * step : p, n > 6 ? p + 6 * step : p };
        UNROLL for (int i = 0; i < n; i++) acc[i] += w * load(three[i / 3] + i % 3 * step);
    }
    const vec scale = filter_scale(f, c), shift = filter_shift(f, c);
    const vec lo = splat(f->lo), hi = splat(f->hi);
    const ptrdiff_t out_step = s->out_step;
    float *out = s->out + first * out_step + c;
    UNROLL for (int i = 0; i < n; i++)
        store(out + i * out_step, vmin(vmax(acc[i] * scale + shift, lo), hi));
}

/* n vectors of channels from c on of one pixel; n is a constant where this is inlined. */
INLINE void filter_pixel(const struct filter *f, int c, int pixel, const int n)
{
    const struct tp_span *s = f->s;
    const ptrdiff_t channels = s->channels;
    const float *in = s->in + pixel * s->in_step + c, *weights = f->weights + c;
    float *out = s->out + pixel * s->out_step + c;
    vec acc[ABREAST];
    UNROLL for (int v = 0; v < n; v++) acc[v] = (vec){ 0 };
    for (int t = 0; t < s->n_taps; t++) {
        const float *p = in + s->taps[t], *w = weights + f->index[t] * channels;
        UNROLL for (int v = 0; v < n; v++) acc[v] += load(w + v * VL) * load(p + v * VL);
    }
    UNROLL for (int v = 0; v < n; v++)
        store(out + v * VL, clamp(acc[v] * filter_scale(f, c + v * VL) +
                                  filter_shift(f, c + v * VL), f->lo, f->hi));
}

/* Functions of their own: inlined into one, they would crowd out each other's registers. */
#define ALONE static __attribute__((noinline))
ALONE void filter_8(const struct filter *f, int c, int i) { filter_run(f, c, i, 8); }
ALONE void filter_4(const struct filter *f, int c, int i) { filter_run(f, c, i, 4); }
ALONE void filter_abreast(const struct filter *f, int c, int i) { filter_pixel(f, c, i, ABREAST); }
ALONE void filter_single(const struct filter *f, int c, int i) { filter_pixel(f, c, i, 1); }
#undef ALONE

/* A map of fewer channels than a vector holds. */
static __attribute__((noinline)) void filter_few(const struct filter *f)
{
    const struct tp_span *s = f->s;
    for (int i = 0; i < s->n_pixels; i++) {
        const float *in = s->in + i * s->in_step;
        float *out = s->out + i * s->out_step;
        for (int c = 0; c < s->channels; c++) {
            float x = 0;
            for (int t = 0; t < s->n_taps; t++)
                x += f->weights[(ptrdiff_t)f->index[t] * s->channels + c] * in[s->taps[t] + c];
            x = x * (f->scale ? f->scale[c] : 1) + (f->shift ? f->shift[c] : 0);
            x = x < f->lo ? f->lo : x;
            out[c] = x > f->hi ? f->hi : x;
        }
    }
}

static void depthwise(const struct tp_span *s, const float *weights, const int *index,
                      const float *scale, const float *shift, float lo, float hi)
{
    const struct filter f = { s, weights, index, scale, shift, lo, hi };
    const int last = s->channels - VL, in_runs = s->n_pixels / 4 * 4;
    if (last < 0) {
        filter_few(&f);
        return;
    }
    for (int c = 0; in_runs && c < s->channels; c += VL) {
        const int from = c < last ? c : last;
        int i = 0;
        for (; i + 8 <= in_runs; i += 8) filter_8(&f, from, i);
        if (i < in_runs) filter_4(&f, from, i);
    }
    for (int i = in_runs; i < s->n_pixels; i++) {
        int c = 0;
        for (; c + ABREAST * VL <= s->channels; c += ABREAST * VL) filter_abreast(&f, c, i);
        for (; c < s->channels; c += VL) filter_single(&f, c < last ? c : last, i);
    }
}
