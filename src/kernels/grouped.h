/* grouped.h - convolutions in groups of a few channels: vectors lie along the channels of several
 * groups.
 *
 * Lane j of an output vector belongs to channel j of a group and needs all of its group's inputs:
 * each in turn is spread over the group's lanes by a shuffle. A product of matrices would fill 4 or
 * 8 lanes of 32 (ResNeXt's 3x3 over 56x56x128, 4 channels to a group: 1.36 ms; so 0.28). */

/* VL channels from c on of n pixels from `first` on; n and group are constants where this is
 * inlined. */
INLINE void group_run(const struct filter *f, int c, int first, const int n, const int group)
{
    static const int32_t lanes[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    const struct tp_span *s = f->s;
    const ptrdiff_t step = s->in_step, channels = s->channels;
    const int base = group < VL ? c : c - c % group;
    const float *in = s->in + first * step + base;
    veci lane;
    memcpy(&lane, lanes, sizeof lane);
    lane -= lane % (group < VL ? group : 1);
    vec acc[RUN];
    UNROLL for (int r = 0; r < n; r++) acc[r] = (vec){ 0 };
    for (int t = 0; t < s->n_taps; t++) {
        const float *p = in + s->taps[t];
        const float *w = f->weights + (ptrdiff_t)f->index[t] * group * channels + c;
        UNROLL for (int r = 0; r < n; r++) {
            const vec x = load(p + r * step);
            UNROLL for (int i = 0; i < group; i++)
                acc[r] += load(w + i * channels) *
                          (group < VL ? lanes_of(x, lane + i) : splat(p[r * step + i]));
        }
    }
    UNROLL for (int r = 0; r < n; r++)
        store(s->out + (first + r) * s->out_step + c,
              clamp(acc[r] * filter_scale(f, c) + filter_shift(f, c), f->lo, f->hi));
}

/* Functions of their own: inlined into one, they would crowd out each other's registers. */
#define GROUP(GROUP, N)                                                                          \
    static __attribute__((noinline)) void group_##GROUP##_##N(const struct filter *f, int c,     \
                                                              int i)                             \
    {                                                                                            \
        group_run(f, c, i, N, GROUP);                                                            \
    }
GROUP(2, 8) GROUP(2, 1) GROUP(4, 8) GROUP(4, 1) GROUP(8, 8) GROUP(8, 1)
#undef GROUP

static void grouped(const struct tp_span *s, int group, const float *weights, const int *index,
                    const float *scale, const float *shift, float lo, float hi)
{
    typedef void run_fn(const struct filter *f, int c, int i);
    run_fn *const eight = group == 2 ? group_2_8 : group == 4 ? group_4_8 : group_8_8;
    run_fn *const one = group == 2 ? group_2_1 : group == 4 ? group_4_1 : group_8_1;
    const struct filter f = { s, weights, index, scale, shift, lo, hi };
    for (int c = 0; c < s->channels; c += VL) {
        const int at = c + VL <= s->channels ? c : s->channels - VL;
        int i = 0;
        for (; i + RUN <= s->n_pixels; i += RUN) eight(&f, at, i);
        for (; i < s->n_pixels; i++) one(&f, at, i);
    }
}
