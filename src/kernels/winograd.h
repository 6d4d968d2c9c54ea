/* winograd.h - the transforms of Winograd's minimal filtering for 3x3 kernels, vectors along the
 * channels: S. Winograd, "Arithmetic Complexity of Computations" (1980); A. Lavin, S. Gray, "Fast
 * Algorithms for Convolutional Neural Networks" (CVPR 2016).
 *
 * F(m, 3) makes m outputs of m + 2 inputs d and 3 weights g as A' [(G g) * (B' d)]: polynomials are
 * multiplied by their values at m + 1 points and at infinity. The matrices follow from the points
 * (Cook and Toom): row j of G is (1, p, p^2) / N for the point p, N the product of its distances to
 * the other points; row j of B' the product of x - q over the other points q, by powers of x; row i
 * of A' the points' i-th powers. F(2, 3) has 0, 1, -1 (the sign of 0's N is left to B'); F(4, 3)
 * has 0, a, -a, b, -b with a = 5/8 and b = 3/2: errors are 3 to 5 times smaller than those of the
 * usual 1 and 2 (1.4e-6 to 3.3e-6 of the largest output for 64 to 512 channels; the direct sum's
 * are 1.7e-7 to 4.1e-7). */

#include "kernels/pool.h"

enum { WINOGRAD_MOST = 6 };          /* values along a side of a tile's transform */

#define POINT_A 0.625f
#define POINT_B 1.5f
#define A2 (POINT_A * POINT_A)
#define B2 (POINT_B * POINT_B)

/* Multiplies by B', by A', by G along one side; m is a constant where they are inlined. */
INLINE void winograd_turn_in(const int m, vec *d)
{
    if (m == 2) {
        const vec d1 = d[1];
        d[0] -= d[2];
        d[1] = d1 + d[2];
        d[2] -= d1;
        d[3] -= d1;
        return;
    }
    const vec even_a = d[4] - B2 * d[2], odd_a = POINT_A * (d[3] - B2 * d[1]);
    const vec even_b = d[4] - A2 * d[2], odd_b = POINT_B * (d[3] - A2 * d[1]);
    d[0] = A2 * B2 * d[0] - (A2 + B2) * d[2] + d[4];
    d[5] = A2 * B2 * d[1] - (A2 + B2) * d[3] + d[5];
    d[1] = even_a + odd_a;
    d[2] = even_a - odd_a;
    d[3] = even_b + odd_b;
    d[4] = even_b - odd_b;
}

INLINE void winograd_turn_out(const int m, vec *d)
{
    if (m == 2) {
        const vec d0 = d[0];
        d[0] = d0 + d[1] + d[2];
        d[1] = d[1] - d[2] + d[3];
        return;
    }
    const vec sum_a = d[1] + d[2], difference_a = d[1] - d[2];
    const vec sum_b = d[3] + d[4], difference_b = d[3] - d[4];
    d[0] += sum_a + sum_b;
    d[1] = POINT_A * difference_a + POINT_B * difference_b;
    d[2] = A2 * sum_a + B2 * sum_b;
    d[3] = POINT_A * A2 * difference_a + POINT_B * B2 * difference_b + d[5];
}

INLINE void winograd_turn_weights(const int m, vec *g)
{
    const vec g0 = g[0], g1 = g[1], g2 = g[2];
    if (m == 2) {
        const vec sum = 0.5f * (g0 + g2), half = 0.5f * g1;
        g[1] = sum + half;
        g[2] = sum - half;
        g[3] = g2;
        return;
    }
    const float n0 = 1 / (A2 * B2), na = 1 / (2 * A2 * (A2 - B2)), nb = 1 / (2 * B2 * (B2 - A2));
    const vec even_a = na * g0 + na * A2 * g2, odd_a = na * POINT_A * g1;
    const vec even_b = nb * g0 + nb * B2 * g2, odd_b = nb * POINT_B * g1;
    g[0] = n0 * g0;
    g[1] = even_a + odd_a;
    g[2] = even_a - odd_a;
    g[3] = even_b + odd_b;
    g[4] = even_b - odd_b;
    g[5] = g2;
}

/* A tile is turned down its columns and then along its rows. */
INLINE void winograd_in(const int m, float *v, ptrdiff_t plane, const float *const *pixels,
                        int channels)
{
    const int side = m + 2;
    for (int c = 0; c < channels; c += VL) {
        const int at = c + VL <= channels ? c : channels - VL;
        vec t[WINOGRAD_MOST][WINOGRAD_MOST];             /* [column][row] */
        UNROLL for (int j = 0; j < side; j++) {
            UNROLL for (int i = 0; i < side; i++) t[j][i] = load(pixels[i * side + j] + at);
            winograd_turn_in(m, t[j]);
        }
        UNROLL for (int i = 0; i < side; i++) {
            vec row[WINOGRAD_MOST];
            UNROLL for (int j = 0; j < side; j++) row[j] = t[j][i];
            winograd_turn_in(m, row);
            UNROLL for (int j = 0; j < side; j++) store(v + (i * side + j) * plane + at, row[j]);
        }
    }
}

INLINE void winograd_weights(const int m, float *u, ptrdiff_t plane, const float *g,
                             ptrdiff_t tap)
{
    const int side = m + 2;
    for (int c = 0; c < NR; c += VL) {
        vec t[3][WINOGRAD_MOST];
        UNROLL for (int j = 0; j < 3; j++) {
            UNROLL for (int i = 0; i < 3; i++) t[j][i] = load(g + (i * 3 + j) * tap + c);
            winograd_turn_weights(m, t[j]);
        }
        UNROLL for (int i = 0; i < side; i++) {
            vec row[WINOGRAD_MOST] = { t[0][i], t[1][i], t[2][i] };
            winograd_turn_weights(m, row);
            UNROLL for (int j = 0; j < side; j++) store(u + (i * side + j) * plane + c, row[j]);
        }
    }
}

/* What happens to n <= VL channels from c on, whole vectors or not. */
INLINE vec winograd_finish(const struct tp_winograd_out *w, vec x, ptrdiff_t at, int c, int n)
{
    if (n == VL) {
        if (w->scale) x *= load(w->scale + c);
        if (w->shift) x += load(w->shift + c);
        if (w->residual) x += load(w->residual + at);
    } else {
        if (w->scale) x *= load_part(w->scale + c, n);
        if (w->shift) x += load_part(w->shift + c, n);
        if (w->residual) x += load_part(w->residual + at, n);
    }
    return clamp(x, w->lo, w->hi);
}

INLINE void winograd_store(float *p, vec x, int n)
{
    if (n == VL) store(p, x);
    else store_part(p, x, n);
}

/* One row of a tile, finished. */
INLINE void winograd_row(const int m, const struct tp_winograd_out *w, const vec *row, int i, int c,
                         int n)
{
    UNROLL for (int j = 0; j < m; j++) {
        if (j >= w->columns) break;
        const ptrdiff_t at = i * w->row + j * w->pixel + c;
        winograd_store(w->out + at, winograd_finish(w, row[j], at, c, n), n);
    }
}

/* The maxima of neighbours in one row, which with those of the row above are all that comes out. */
INLINE void winograd_row_max(const int m, const struct tp_winograd_out *w, const vec *row, int i,
                             int c, int n, vec *above)
{
    UNROLL for (int j = 0; j + 1 < m; j += 2) {
        if (j + 1 >= w->columns) break;
        const vec left = winograd_finish(w, row[j], 0, c, n);
        const vec right = winograd_finish(w, row[j + 1], 0, c, n);
        if (i % 2 == 0) {
            above[j / 2] = max_of(left, right);
            continue;
        }
        const vec most = max_of(max_of(above[j / 2], left), right);
        winograd_store(w->out + i / 2 * w->row + j / 2 * w->pixel + c, most, n);
    }
}

INLINE void winograd_out(const int m, const struct tp_winograd_out *w, const bool max)
{
    const int side = m + 2;
    for (int c = 0; c < w->n; c += VL) {
        const int n = w->n - c < VL ? w->n - c : VL;
        vec t[WINOGRAD_MOST][WINOGRAD_MOST];             /* [column][row] */
        UNROLL for (int j = 0; j < side; j++) {
            UNROLL for (int i = 0; i < side; i++)
                t[j][i] = load(w->m + (i * side + j) * w->plane + c);
            winograd_turn_out(m, t[j]);
        }
        vec above[WINOGRAD_MOST / 2] = { { 0 } };
        UNROLL for (int i = 0; i < m; i++) {
            if (i >= w->rows) break;
            vec row[WINOGRAD_MOST];
            UNROLL for (int j = 0; j < side; j++) row[j] = t[j][i];
            winograd_turn_out(m, row);
            if (max) winograd_row_max(m, w, row, i, c, n, above);
            else winograd_row(m, w, row, i, c, n);
        }
    }
}

#define WINOGRAD(M)                                                                              \
    static void winograd_in_##M(float *v, ptrdiff_t plane, const float *const *pixels,           \
                                int channels)                                                    \
    {                                                                                            \
        winograd_in(M, v, plane, pixels, channels);                                              \
    }                                                                                            \
    static void winograd_weights_##M(float *u, ptrdiff_t plane, const float *g, ptrdiff_t tap)   \
    {                                                                                            \
        winograd_weights(M, u, plane, g, tap);                                                   \
    }                                                                                            \
    static void winograd_out_##M(const struct tp_winograd_out *w) { winograd_out(M, w, false); } \
    static void winograd_out_max_##M(const struct tp_winograd_out *w) { winograd_out(M, w, true); }
WINOGRAD(2) WINOGRAD(4)
#undef WINOGRAD
#undef POINT_A
#undef POINT_B
#undef A2
#undef B2
