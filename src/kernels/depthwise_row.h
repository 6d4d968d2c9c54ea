/* depthwise_row.h - one filter per channel, 3 or 5 pixels wide: a window that slides along a row.
 *
 * The window's columns stay in registers: a step to the right reads one new column (two at stride
 * 2) instead of all of them. Weights stay there too, so all three rows of a 3x3 window are taken at
 * once, those of a 5x5 window by two, with sums kept in the output row meanwhile. */

enum { SLIDE_ROWS = 3, SLIDE_COLUMNS = 5 };

/* The sums of `rows` rows, for a vector of channels from c on; kernel, rows and stride are
 * constants where this is inlined. `first`: sums begin here; `last`: they end here. */
INLINE void slide(const struct tp_depthwise_row *r, int c, const float *in, const float *weights,
                  bool first, bool last, const int kernel, const int rows, const int stride)
{
    const ptrdiff_t step = r->channels, row = r->row;
    vec w[SLIDE_ROWS][SLIDE_COLUMNS], window[SLIDE_ROWS][SLIDE_COLUMNS];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int k = 0; k < kernel; k++) w[i][k] = load(weights + (i * kernel + k) * step);
    int x = -r->left;                                /* the column that comes next */
    UNROLL for (int k = 0; k < kernel - stride; k++, x++)
        UNROLL for (int i = 0; i < rows; i++)
            window[i][k] = x >= 0 && x < r->width ? load(in + x * step + i * row) : (vec){ 0 };

    const vec scale = r->scale ? load(r->scale + c) : splat(1);
    const vec shift = r->shift ? load(r->shift + c) : splat(0);
    const vec lo = splat(r->lo), hi = splat(r->hi);
    float *out = r->out + c;
    in += x * step;
    for (int n = r->n_pixels; n > 0; n--, out += step) {
        UNROLL for (int k = kernel - stride; k < kernel; k++, x++, in += step) {
            if ((unsigned)x < (unsigned)r->width)
                UNROLL for (int i = 0; i < rows; i++) window[i][k] = load(in + i * row);
            else
                UNROLL for (int i = 0; i < rows; i++) window[i][k] = (vec){ 0 };
        }
        vec sum = first ? (vec){ 0 } : load(out);
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int k = 0; k < kernel; k++) sum += w[i][k] * window[i][k];
        store(out, last ? vmin(vmax(sum * scale + shift, lo), hi) : sum);
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int k = 0; k < kernel - stride; k++) window[i][k] = window[i][k + stride];
    }
}

/* Functions of their own: inlined into one, they would crowd out each other's registers. */
#define SLIDE(KERNEL, ROWS, STRIDE)                                                              \
    static __attribute__((noinline)) void slide_##KERNEL##_##ROWS##_##STRIDE(                    \
        const struct tp_depthwise_row *r, int c, const float *in, const float *weights,          \
        bool first, bool last)                                                                   \
    {                                                                                            \
        slide(r, c, in, weights, first, last, KERNEL, ROWS, STRIDE);                             \
    }
SLIDE(3, 1, 1) SLIDE(3, 2, 1) SLIDE(3, 3, 1) SLIDE(3, 1, 2) SLIDE(3, 2, 2) SLIDE(3, 3, 2)
SLIDE(5, 1, 1) SLIDE(5, 2, 1) SLIDE(5, 1, 2) SLIDE(5, 2, 2)
#undef SLIDE

typedef void slide_fn(const struct tp_depthwise_row *r, int c, const float *in,
                      const float *weights, bool first, bool last);

/* by_rows: for 1, 2, .. most rows. A last, partial vector of channels is the last whole one: the
 * same values twice instead of masks. */
INLINE void slide_all(const struct tp_depthwise_row *r, slide_fn *const *by_rows, int most,
                      int kernel)
{
    for (int c = r->begin; c < r->end; c += VL) {
        const int at = c + VL <= r->end ? c : r->end - VL;
        for (int i = 0; i < r->n_rows; i += most) {
            const int rows = r->n_rows - i < most ? r->n_rows - i : most;
            by_rows[rows - 1](r, at, r->in + at + i * r->row,
                              r->weights + (ptrdiff_t)i * kernel * r->channels + at, i == 0,
                              i + rows == r->n_rows);
        }
    }
}

static void depthwise_3(const struct tp_depthwise_row *r)
{
    static slide_fn *const by_one[3] = { slide_3_1_1, slide_3_2_1, slide_3_3_1 };
    static slide_fn *const by_two[3] = { slide_3_1_2, slide_3_2_2, slide_3_3_2 };
    slide_all(r, r->stride == 1 ? by_one : by_two, 3, 3);
}

static void depthwise_5(const struct tp_depthwise_row *r)
{
    static slide_fn *const by_one[2] = { slide_5_1_1, slide_5_2_1 };
    static slide_fn *const by_two[2] = { slide_5_1_2, slide_5_2_2 };
    slide_all(r, r->stride == 1 ? by_one : by_two, 2, 5);
}
