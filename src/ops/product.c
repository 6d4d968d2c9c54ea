/* product.c - a matrix product cut into tiles over threads.
 *
 * Every (panel of weights, tile of rows) is computed alike by whichever thread gets it. A thread
 * has a share of the rows, or of the panels, and goes through it block of tiles by block, panel by
 * panel. The size of a block is what suits the caches: all of the share's tiles when the weights
 * outweigh the input (each panel is then read once), else as many as leave their input in the
 * second-level cache while the panels stream by. */
#include "ops/product.h"
#include "base/cpu.h"
#include "ops/parallel.h"

enum {
    AHEAD_FLOATS = 4 << 10,          /* how far ahead weights are fetched that are used but once */
};

/* One run's division into tiles. Rows that lie evenly apart form a line; a line is cut into tiles
 * of nearly equal heights, of which the first n_tall have one row more. */
struct tiling {
    const struct tp_product *p;
    const struct tp_node *nd;
    const struct tp_kernels *k;
    const float *in, *residual;
    float *out;
    int64_t line_rows, lines_inner;  /* lines along the middle axis */
    ptrdiff_t step[3];
    int64_t line_tiles, tile_rows, n_tall;
    int64_t n_tiles, block_tiles;
    int64_t row_shares, column_shares;
    int64_t group_panels, n_panels;
    int64_t n_columns;               /* of all groups: floats in an output row */
    ptrdiff_t out_step;
    float lo, hi;
    bool activate;                   /* the activation is not a clamp: done on finished rows */
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Rows of an axis continue those of the axis inside it when the steps say so: a 1x1 convolution is
 * one line over the whole batch, a map one pixel wide is a line of its height. */
static void lay_lines(struct tiling *t, const struct tp_product *p, int n_threads)
{
    int64_t rows[3] = { 1, 1, 1 };
    int axis = 0;
    for (int i = 0; i < 3; i++) {
        if (p->rows[i] == 1) continue;
        if (rows[axis] > 1 && p->step[i] != rows[axis] * t->step[axis]) axis++;
        if (rows[axis] == 1) t->step[axis] = p->step[i];
        rows[axis] *= p->rows[i];
    }
    t->line_rows = rows[0];
    t->lines_inner = rows[1];
    t->line_tiles = (rows[0] + t->k->mr - 1) / t->k->mr;
    if (rows[1] * rows[2] == 1) {                /* as many for each thread */
        const int64_t even = (t->line_tiles + n_threads - 1) / n_threads * n_threads;
        if (t->line_tiles > 1 && even <= rows[0]) t->line_tiles = even;
    }
    t->tile_rows = rows[0] / t->line_tiles;
    t->n_tall = rows[0] % t->line_tiles;
    t->n_tiles = t->line_tiles * rows[1] * rows[2];
}

static void choose_block(struct tiling *t, const struct tp_product *p)
{
    const int64_t depth = (int64_t)p->n_seg * p->seg_len;
    const int64_t weights = t->n_panels * t->k->nr * depth;
    const int64_t row_floats = t->step[0] > depth ? depth : t->step[0];
    const int64_t input = p->rows[0] * p->rows[1] * p->rows[2] * row_floats;
    const int64_t tile_floats = (t->tile_rows + 1) * (row_floats + t->n_columns);
    const int64_t floats = (int64_t)(tp_cpu_cache_bytes(2) / 4 / sizeof(float));
    t->block_tiles = t->n_tiles;
    if (weights < input) t->block_tiles = least(t->n_tiles, floats / tile_floats + 1);
}

/* Threads share out the rows: what one has written it mostly reads again in the next layer, from
 * its own cache (MobileNet v3 small on two threads: 1.36 to 1.16 ms). Panels are shared out where
 * there are too few tiles for all, or too few for equal shares. */
static void choose_shares(struct tiling *t, int n_threads)
{
    const int64_t most = (t->n_tiles + n_threads - 1) / n_threads;
    const bool even = 8 * most * n_threads <= 9 * t->n_tiles;
    t->row_shares = even || t->n_panels < n_threads ? least(n_threads, t->n_tiles) : 1;
    t->column_shares = least(n_threads / t->row_shares, t->n_panels);
}

/* Tiles [tile, end) of one panel. `panel` holds what is the same for all of them; its a, c and
 * residual are those of row 0. No division per tile: with it, short products (K = 64) lost a tenth
 * of their speed on AVX-512, a fifth on AVX2. */
static void run_tiles(const struct tiling *t, const struct tp_tile *panel, int64_t tile,
                      int64_t end)
{
    int64_t line = tile / t->line_tiles, i = tile % t->line_tiles;
    struct tp_tile now = *panel;
    const int64_t depth = (int64_t)panel->n_seg * panel->seg_len;
    const int64_t n_ahead = t->k->nr / panel->ahead_step;    /* tiles that fetch something */
    int64_t n_done = 0;
    while (tile < end) {
        const int64_t stop = least(t->line_tiles, i + end - tile);
        const float *a = panel->a + line / t->lines_inner * t->step[2] +
                         line % t->lines_inner * t->step[1];
        tile += stop - i;
        for (; i < stop; i++) {
            const int64_t row = i * t->tile_rows + least(i, t->n_tall);
            const int64_t at = line * t->line_rows + row;
            now.a = a + row * t->step[0];
            now.m = (int)(t->tile_rows + (i < t->n_tall));
            now.c = panel->c + at * t->out_step;
            if (panel->residual) now.residual = panel->residual + at * t->n_columns;
            now.ahead = n_done < n_ahead ? panel->ahead + n_done++ * depth * now.ahead_step : now.b;
            t->k->gemm(&now);
        }
        i = 0;
        line++;
    }
}

static void run_row(const struct tiling *t, const struct tp_tile *panel, int64_t tile)
{
    struct tp_tile now = *panel;
    now.m = 1;
    now.n = TP_ROW_PANELS * t->k->nr;
    now.a += tile / t->lines_inner * t->step[2] + tile % t->lines_inner * t->step[1];
    now.c += tile * t->out_step;
    if (now.residual) now.residual += tile * t->n_columns;
    t->k->gemm_row(&now);
}

/* Whether TP_ROW_PANELS panels from q on are full, and of one group. */
static bool whole_panels(const struct tiling *t, int64_t q, int64_t last)
{
    const int64_t column = (q % t->group_panels + TP_ROW_PANELS) * t->k->nr;
    return q + TP_ROW_PANELS <= last && column <= t->p->columns;
}

/* Tiles [tile, end) of one panel; `row`: the only row of TP_ROW_PANELS panels. */
static void run_panel(const struct tiling *t, int64_t panel, int64_t tile, int64_t end, bool row)
{
    const struct tp_product *p = t->p;
    const int nr = t->k->nr;
    const int64_t depth = (int64_t)p->n_seg * p->seg_len;
    const int64_t group = panel / t->group_panels, column = panel % t->group_panels * nr;
    const int64_t channel = group * p->columns + column;
    const int64_t share = nr / (end - tile);     /* of the next panel's columns, for each tile */
    const int64_t ahead = end - tile > 1 ? depth : least(depth, AHEAD_FLOATS / nr);
    const struct tp_tile first = {
        .a = t->in + group * p->seg_len, .lda = t->step[0],
        .seg = p->seg, .n_seg = p->n_seg, .seg_len = p->seg_len,
        .b = p->packed + panel * depth * nr,
        .c = t->out + channel, .ldc = t->out_step,
        .n = (int)least(nr, p->columns - column),
        .scale = t->nd->scale ? t->nd->scale + channel : NULL,
        .shift = t->nd->shift ? t->nd->shift + channel : NULL,
        .residual = t->residual ? t->residual + channel : NULL, .ldr = t->n_columns,
        .lo = t->lo, .hi = t->hi,
        .ahead = p->packed + (panel * depth + ahead) * nr,
        .ahead_step = share * (end - tile) < nr ? share + 1 : share,
    };
    if (row) run_row(t, &first, tile);
    else run_tiles(t, &first, tile, end);
}

/* The first row of a tile. */
static int64_t row_of(const struct tiling *t, int64_t tile)
{
    const int64_t i = tile % t->line_tiles;
    return tile / t->line_tiles * t->line_rows + i * t->tile_rows + least(i, t->n_tall);
}

/* Long runs: an activation by tile, of 32 floats at a time, takes 1.7 times as long. */
static void activate(const struct tiling *t, int64_t tile, int64_t end, int64_t column, int64_t n)
{
    const int64_t row = row_of(t, tile), n_rows = row_of(t, end) - row;
    const bool dense = n == t->out_step;
    float *out = t->out + row * t->out_step + column;
    for (int64_t i = 0; i < (dense ? 1 : n_rows); i++, out += t->out_step)
        t->k->activate(out, out, dense ? n_rows * n : n, &t->nd->act);
}

/* Where a panel's columns begin in the output. */
static int64_t channel_of(const struct tiling *t, int64_t panel)
{
    const int64_t column = panel % t->group_panels * t->k->nr;
    return panel / t->group_panels * t->p->columns + column;
}

/* Tiles [tile, end) of panels [panel, last). */
static void run_block(const struct tiling *t, int64_t panel, int64_t last, int64_t tile,
                      int64_t end)
{
    const bool alone = t->line_rows == 1 && end - tile == 1;
    for (int64_t q = panel; q < last;) {
        const int64_t some = alone && whole_panels(t, q, last) ? TP_ROW_PANELS : 1;
        run_panel(t, q, tile, end, some > 1);
        q += some;
    }
    if (!t->activate) return;
    const int64_t first = channel_of(t, panel);
    activate(t, tile, end, first, channel_of(t, last) - first);
}

static void run_shares(const void *ctx, int64_t begin, int64_t end)
{
    const struct tiling *t = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = i / t->column_shares, column = i % t->column_shares;
        const int64_t stop = t->n_tiles * (row + 1) / t->row_shares;
        const int64_t last = t->n_panels * (column + 1) / t->column_shares;
        for (int64_t tile = t->n_tiles * row / t->row_shares; tile < stop; tile += t->block_tiles)
            run_block(t, t->n_panels * column / t->column_shares, last, tile,
                      least(stop, tile + t->block_tiles));
    }
}

void tp_product_run(const struct tp_product *p, const struct tp_node *nd,
                    const struct tp_kernels *k, const float *in, float *out, const float *residual,
                    int n_threads)
{
    struct tiling t = {
        .p = p, .nd = nd, .k = k, .in = in, .out = out, .residual = residual,
        .group_panels = ((int64_t)p->columns + k->nr - 1) / k->nr,
        .n_columns = (int64_t)p->groups * p->columns,
    };
    t.out_step = p->out_step ? p->out_step : t.n_columns;
    t.n_panels = p->groups * t.group_panels;
    t.activate = !tp_op_clamp(&nd->act, &t.lo, &t.hi);
    lay_lines(&t, p, n_threads);
    choose_block(&t, p);
    choose_shares(&t, n_threads);
    const int64_t work = p->rows[0] * p->rows[1] * p->rows[2] * t.n_columns * p->n_seg * p->seg_len;
    tp_parallel_for(n_threads, t.row_shares * t.column_shares, work, run_shares, &t);
}
