/* gemm.h - a tile of a matrix product: MR rows of broadcast inputs against one panel of NR columns.
 *
 * One body, compiled for every number of rows and for a whole or a narrow panel, so that all sums
 * stay in registers. Each small loop bears UNROLL: without it gcc 12 keeps `acc` in memory, at 40 %
 * of the speed. The order of summation is that of k in every instance. */

enum { NV = NR / VL };

/* The columns behind n never reach memory: the tile is finished densely packed, [m][n], where a
 * vector may run over into the next row, which is written after it. */
static __attribute__((noinline)) void finish_narrow(const struct tp_tile *t, const float *sums)
{
    float scale[NR] = { 0 }, shift[NR] = { 0 }, residual[MR * NR + NR], dense[MR * NR + NR];
    const size_t n = (size_t)t->n, row_bytes = n * sizeof(float);
    if (t->scale) memcpy(scale, t->scale, row_bytes);
    if (t->shift) memcpy(shift, t->shift, row_bytes);
    for (int r = 0; t->residual && r < t->m; r++)
        memcpy(residual + (size_t)r * n, t->residual + r * t->ldr, row_bytes);
    for (int r = 0; r < t->m; r++) {
        for (size_t j = 0; j < n; j += VL) {
            vec x = load(sums + (size_t)r * NR + j);
            if (t->scale) x *= load(scale + j);
            x += load(shift + j);
            if (t->residual) x += load(residual + (size_t)r * n + j);
            store(dense + (size_t)r * n + j, clamp(x, t->lo, t->hi));
        }
    }
    if (t->ldc == t->n) {
        memcpy(t->c, dense, (size_t)t->m * row_bytes);
        return;
    }
    for (int r = 0; r < t->m; r++) memcpy(t->c + r * t->ldc, dense + (size_t)r * n, row_bytes);
}

/* The first nv vectors of m rows of the product; m and nv are constants where this is inlined.
 * Inputs are reached from one pointer per three rows (p, p + lda, p + 2 lda): more would spill. */
INLINE void tile(const struct tp_tile *t, const int m, const int nv)
{
    const ptrdiff_t lda = t->lda;
    const float *b = t->b, *ahead = t->ahead;
    const ptrdiff_t ahead_step = t->ahead_step;
    vec acc[MR][NV];
    UNROLL for (int r = 0; r < m; r++)
        UNROLL for (int v = 0; v < nv; v++) acc[r][v] = (vec){ 0 };

    if (t->residual)                 /* on its way meanwhile: 56x56x64 to 256, 0.60 to 0.56 ms */
        UNROLL for (int r = 0; r < m; r++)
            UNROLL for (int v = 0; v < nv; v++)
                __builtin_prefetch(t->residual + r * t->ldr + v * VL);
    for (int s = 0; s < t->n_seg; s++) {
        const float *row[(MR + 2) / 3];
        UNROLL for (int i = 0; 3 * i < m; i++) row[i] = t->a + t->seg[s] + 3 * i * lda;
        for (int k = 0; k < t->seg_len; k++) {
            vec w[NV];
            UNROLL for (int v = 0; v < nv; v++) w[v] = load(b + v * VL);
            UNROLL for (int r = 0; r < m; r++) {
                vec x = splat(row[r / 3][r % 3 * lda]);
                UNROLL for (int v = 0; v < nv; v++) acc[r][v] += x * w[v];
            }
            UNROLL for (int i = 0; 3 * i < m; i++) row[i]++;
            b += NR;
            __builtin_prefetch(ahead, 0, 2);
            __builtin_prefetch(ahead + 16, 0, 2);
            ahead += ahead_step;
        }
    }

    if (t->n < nv * VL) {
        float sums[MR * NR];
        UNROLL for (int r = 0; r < m; r++)
            UNROLL for (int v = 0; v < nv; v++) store(sums + r * NR + v * VL, acc[r][v]);
        finish_narrow(t, sums);
        return;
    }
    const float *scale = t->scale, *shift = t->shift, *residual = t->residual;
    const ptrdiff_t ldc = t->ldc, ldr = t->ldr;
    const float lo = t->lo, hi = t->hi;
    float *c = t->c;
    UNROLL for (int v = 0; v < nv; v++) {
        if (scale)
            UNROLL for (int r = 0; r < m; r++) acc[r][v] *= load(scale + v * VL);
        if (shift)
            UNROLL for (int r = 0; r < m; r++) acc[r][v] += load(shift + v * VL);
        if (residual)
            UNROLL for (int r = 0; r < m; r++) acc[r][v] += load(residual + r * ldr + v * VL);
        if (lo > -__builtin_inff() || hi < __builtin_inff())
            UNROLL for (int r = 0; r < m; r++) acc[r][v] = clamp(acc[r][v], lo, hi);
        UNROLL for (int r = 0; r < m; r++) store(c + r * ldc + v * VL, acc[r][v]);
    }
}

/* Instances are functions of their own: in one large function gcc's register allocator gives up. */
#define TILE(M)                                                                                \
    static __attribute__((noinline)) void tile_##M(const struct tp_tile *t)                    \
    {                                                                                          \
        tile(t, M < MR ? M : MR, NV);                                                          \
    }                                                                                          \
    static __attribute__((noinline)) void narrow_##M(const struct tp_tile *t)                  \
    {                                                                                          \
        tile(t, M < MR ? M : MR, 1);                                                           \
    }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7)
TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#undef TILE

static void gemm(const struct tp_tile *t)
{
    const bool narrow = t->n <= VL;
    switch (t->m) {
#define CASE(M) case M: if (M <= MR) (narrow ? narrow_##M : tile_##M)(t); return
    CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6); CASE(7);
    CASE(8); CASE(9); CASE(10); CASE(11); CASE(12); CASE(13); CASE(14);
#undef CASE
    }
}

/* One row alone waits for its weights: four streams of them keep more on their way than one does
 * (VGG-16's first Dense layer, 411 MB: 12.9 to 10.7 ms, 39 GB/s; on two threads 6.8 to 5.2). */
static void gemm_row(const struct tp_tile *t)
{
    const float *b[TP_ROW_PANELS];
    const ptrdiff_t panel = (ptrdiff_t)t->n_seg * t->seg_len * NR;
    vec acc[TP_ROW_PANELS][NV];
    UNROLL for (int p = 0; p < TP_ROW_PANELS; p++) {
        b[p] = t->b + p * panel;
        UNROLL for (int v = 0; v < NV; v++) acc[p][v] = (vec){ 0 };
    }
    for (int s = 0; s < t->n_seg; s++) {
        const float *a = t->a + t->seg[s];
        for (int k = 0; k < t->seg_len; k++) {
            const vec x = splat(a[k]);
            UNROLL for (int p = 0; p < TP_ROW_PANELS; p++) {
                UNROLL for (int v = 0; v < NV; v++) acc[p][v] += x * load(b[p] + v * VL);
                b[p] += NR;
            }
        }
    }
    const float *scale = t->scale, *shift = t->shift, *residual = t->residual;
    UNROLL for (int p = 0; p < TP_ROW_PANELS; p++) {
        const int at = p * NR;
        if (scale)
            UNROLL for (int v = 0; v < NV; v++) acc[p][v] *= load(scale + at + v * VL);
        if (shift)
            UNROLL for (int v = 0; v < NV; v++) acc[p][v] += load(shift + at + v * VL);
        if (residual)
            UNROLL for (int v = 0; v < NV; v++) acc[p][v] += load(residual + at + v * VL);
        UNROLL for (int v = 0; v < NV; v++)
            store(t->c + at + v * VL, clamp(acc[p][v], t->lo, t->hi));
    }
}
