/* winograd.c - 3x3 convolution with fewer multiplications.
 *
 * Maps are cut into tiles of m x m outputs; the (m + 2)^2 inputs of a tile are turned into as many
 * planes, whose products with the planes of the weights are turned back (kernels/winograd.h). Some
 * tiles at a time are a block: its planes fill the second-level cache while the panels of the
 * weights stream by, each in one piece (with half the cache the weights are read twice as often,
 * ResNet-18 took 11.4 ms instead of 10.4; more is as fast). F(4, 3) needs 36 multiplications for 16
 * outputs instead of 144, F(2, 3) 16 for 4 instead of 36.
 *
 * Work is (block, panel of weights). A thread takes a run of it and turns the inputs of each block
 * that it meets itself: where a map is one block, every thread turns all of it, 1 to 4 % of the
 * whole, which costs less than to wait for one another. Sums and their order are the same for any
 * number of threads. */
#include "ops/winograd.h"
#include "base/cpu.h"
#include "ops/parallel.h"
#include "ops/window.h"

#include <math.h>
#include <string.h>

enum {
    LEAST_CHANNELS = 16,             /* in and out: the longest vector */
    MOST_SIDE = 6,
    USUAL_SIDE = 56,                 /* of a map whose size is open */
    READ_COST = 25,                  /* multiply-adds in the time that a float takes from memory */
    PAD_FLOATS = 16,                 /* rows a power of two apart would share lines of the cache */
    MOST_TILES = 56,
    APART_BYTES = 256 << 10,         /* between threads: prefetchers run on into a neighbour's */
};

struct winograd_plan {
    struct tp_window_fit fit;
    int m, side;
    int64_t tiles[2];                /* of one map: down, across */
    int64_t n_tiles;                 /* of all images */
    int64_t block, n_blocks;         /* tiles of a block; blocks */
    int64_t n_panels, group;         /* panels; those that are multiplied together */
    int64_t row;                     /* floats from one tile's inputs to the next one's */
    int64_t share_floats;            /* of one thread's scratch memory */
    int n_shares;                    /* that the scratch memory is for */
};

struct job {
    const struct tp_step *st;
    const struct tp_io *io;
    const struct winograd_plan *plan;
    const struct tp_winograd *turn;
    const float *residual;
    int n_shares;
    float lo, hi;
    bool activate;                   /* the activation is left to be done on the finished pixels */
};

static enum tp_conv_form wanted;     /* by a test */

void tp_winograd_set_form(enum tp_conv_form form) { wanted = form; }

int tp_winograd_m(enum tp_conv_form form) { return form == TP_CONV_WINOGRAD_4 ? 4 : 2; }

/* What a form costs, in multiply-adds: its products, its transforms (some 4 and 3 for every value
 * of an input and an output plane), and its weights, which come from memory. */
static double cost_of(enum tp_conv_form form, int64_t height, int64_t width,
                      const struct tp_conv_attr *a)
{
    const double in = a->in_channels, out = a->filters;
    if (form == TP_CONV_DIRECT) return 9 * in * out * ((double)height * (double)width + READ_COST);
    const int m = tp_winograd_m(form), planes = (m + 2) * (m + 2);
    const double tiles = (double)((height + m - 1) / m) * (double)((width + m - 1) / m);
    return planes * (in * out * (tiles + READ_COST) + tiles * (4 * in + 3 * out));
}

/* 14x14 is best with F(2, 3), whose planes are half as large as those of F(4, 3); at 7x7 it is
 * about as fast as the direct sum, and faster when the weights are in a cache. */
enum tp_conv_form tp_winograd_choose(const struct tp_conv_attr *a, int64_t height, int64_t width)
{
    const struct tp_window *w = &a->window;
    for (int i = 0; i < 2; i++)
        if (w->kernel[i] != 3 || w->strides[i] != 1 || w->dilations[i] != 1) return TP_CONV_DIRECT;
    if (a->groups != 1 || a->in_channels < LEAST_CHANNELS || a->filters < LEAST_CHANNELS)
        return TP_CONV_DIRECT;
    if (height == TP_ANY) height = USUAL_SIDE;
    if (width == TP_ANY) width = USUAL_SIDE;
    static const enum tp_conv_form forms[] = { TP_CONV_WINOGRAD_2, TP_CONV_WINOGRAD_4 };
    enum tp_conv_form best = TP_CONV_DIRECT;
    if (wanted != TP_CONV_DIRECT) return wanted;
    for (int i = 0; i < 2; i++)
        if (cost_of(forms[i], height, width, a) < cost_of(best, height, width, a))
            best = forms[i];
    return best;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t rounded(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

bool tp_winograd_plan(struct tp_step *st, struct tp_arena *arena, struct tp_err *err)
{
    const struct tp_conv_attr *a = &st->node->attr.conv;
    const struct tp_shape *in = &st->in[0];
    struct winograd_plan *p = tp_arena_zalloc(arena, 1, sizeof *p);
    if (!p) return tp_arena_fail(arena, err);
    st->state = p;
    p->fit = tp_window_fit(st->node, &a->window, in->dim[1], in->dim[2]);
    p->m = tp_winograd_m(a->packed.form);
    p->side = p->m + 2;
    for (int i = 0; i < 2; i++) p->tiles[i] = (p->fit.out[i] + p->m - 1) / p->m;
    p->n_tiles = in->dim[0] * p->tiles[0] * p->tiles[1];
    p->n_panels = (a->filters + st->k->nr - 1) / st->k->nr;
    const int64_t planes = p->side * p->side;
    p->row = rounded(a->in_channels, PAD_FLOATS) + PAD_FLOATS;
    const int64_t cache = (int64_t)(tp_cpu_cache_bytes(2) / sizeof(float));
    const int64_t most = cache / (planes * p->row);
    p->block = least(MOST_TILES, most < st->k->mr ? st->k->mr : most);
    p->n_blocks = (p->n_tiles + p->block - 1) / p->block;
    if (p->n_blocks > 1) {                       /* as many for each thread */
        const int64_t even = rounded(p->n_blocks, tp_parallel_most());
        if (p->n_tiles >= even * st->k->mr) p->n_blocks = even;
    }
    p->block = (p->n_tiles + p->n_blocks - 1) / p->n_blocks;
    p->group = cache / 4 / (planes * p->block * st->k->nr);
    p->group = p->group < 1 ? 1 : least(p->group, p->n_panels);
    p->share_floats = rounded(p->row + planes * p->block * (p->row + p->group * st->k->nr) +
                              APART_BYTES / (int)sizeof(float), PAD_FLOATS);
    p->n_shares = tp_parallel_most();
    st->scratch_bytes = (size_t)(p->n_shares * p->share_floats) * sizeof(float);
    return true;
}

/* Where tile `tile` lies: its image, its first output pixel. */
struct at { int64_t image, y, x; };

static struct at tile_at(const struct winograd_plan *p, int64_t tile)
{
    const int64_t row = tile / p->tiles[1];
    return (struct at){ row / p->tiles[0], row % p->tiles[0] * p->m, tile % p->tiles[1] * p->m };
}

/* The inputs of a tile; those beside the map are zeros. */
static void find_pixels(const struct job *j, int64_t tile, const float *zeros,
                        const float *pixels[MOST_SIDE * MOST_SIDE])
{
    const struct winograd_plan *p = j->plan;
    const struct tp_shape *in = &j->st->in[0];
    const int64_t height = in->dim[1], width = in->dim[2], channels = in->dim[3];
    const struct at at = tile_at(p, tile);
    const float *image = j->io->in[0] + at.image * height * width * channels;
    for (int i = 0; i < p->side; i++) {
        const int64_t y = at.y + i - p->fit.before[0];
        for (int k = 0; k < p->side; k++) {
            const int64_t x = at.x + k - p->fit.before[1];
            const bool inside = y >= 0 && y < height && x >= 0 && x < width;
            pixels[i * p->side + k] = inside ? image + (y * width + x) * channels : zeros;
        }
    }
}

static void turn_in(const struct job *j, int64_t first, int64_t n, const float *zeros, float *v)
{
    const struct winograd_plan *p = j->plan;
    const float *pixels[MOST_SIDE * MOST_SIDE];
    for (int64_t t = 0; t < n; t++) {
        find_pixels(j, first + t, zeros, pixels);
        j->turn->in(v + t * p->row, p->block * p->row, pixels, (int)j->st->in[0].dim[3]);
    }
}

static void activate(const struct job *j, const struct tp_winograd_out *w)
{
    for (int y = 0; y < w->rows; y++)
        for (int x = 0; x < w->columns; x++) {
            float *pixel = w->out + y * w->row + x * w->pixel;
            j->st->k->activate(pixel, pixel, w->n, &j->st->node->act);
        }
}

/* m: one panel's planes. */
static void turn_out(const struct job *j, int64_t first, int64_t n, int64_t panel, const float *m)
{
    const struct winograd_plan *p = j->plan;
    const struct tp_node *nd = j->st->node;
    const int nr = j->st->k->nr, shrunk = nd->attr.conv.pooled ? 2 : 1;
    const int64_t height = p->fit.out[0] / shrunk, width = p->fit.out[1] / shrunk;
    const int64_t column = panel * nr, step = j->st->out_step;
    struct tp_winograd_out w = {
        .plane = p->group * p->block * nr, .row = width * step, .pixel = step,
        .n = (int)least(nr, nd->attr.conv.filters - column), .lo = j->lo, .hi = j->hi,
        .scale = nd->scale ? nd->scale + column : NULL,
        .shift = nd->shift ? nd->shift + column : NULL,
    };
    for (int64_t t = 0; t < n; t++) {
        const struct at at = tile_at(p, first + t);
        const int64_t pixel =
            ((at.image * height + at.y / shrunk) * width + at.x / shrunk) * step + column;
        w.m = m + t * nr;
        w.out = j->io->out + pixel;
        w.residual = j->residual ? j->residual + pixel : NULL;
        w.rows = (int)least(p->m, p->fit.out[0] - at.y);
        w.columns = (int)least(p->m, p->fit.out[1] - at.x);
        (shrunk > 1 ? j->turn->out_max : j->turn->out)(&w);
        if (j->activate) activate(j, &w);
    }
}

/* One plane's product of n tiles with one panel, while `next` is fetched. */
static void multiply(const struct job *j, int64_t n, const float *v, const float *weights,
                     const float *next, float *m)
{
    static const ptrdiff_t whole[1] = { 0 };
    const struct winograd_plan *p = j->plan;
    const struct tp_kernels *k = j->st->k;
    const int64_t channels = j->st->in[0].dim[3];
    const int64_t pieces = (n + k->mr - 1) / k->mr, rows = n / pieces, taller = n % pieces;
    struct tp_tile tile = {
        .a = v, .lda = p->row, .seg = whole, .n_seg = 1, .seg_len = (int)channels,
        .b = weights, .c = m, .ldc = k->nr, .n = k->nr, .lo = -INFINITY, .hi = INFINITY,
        .ahead = next, .ahead_step = (k->nr + pieces - 1) / pieces,
    };
    for (int64_t piece = 0; piece < pieces; piece++) {
        tile.m = (int)(rows + (piece < taller));
        k->gemm(&tile);
        tile.a += tile.m * tile.lda;
        tile.c += tile.m * tile.ldc;
        tile.ahead += channels * tile.ahead_step;
    }
}

/* The planes' products with panels [panel, end): a plane's inputs stay in the first-level cache
 * meanwhile. Panels are [panel][plane] in memory, so what comes next is told. */
static void multiply_group(const struct job *j, int64_t n, int64_t panel, int64_t end,
                           const float *v, float *m)
{
    const struct winograd_plan *p = j->plan;
    const int nr = j->st->k->nr;
    const int64_t piece = j->st->in[0].dim[3] * nr, planes = p->side * p->side;
    const float *weights = j->st->node->attr.conv.packed.data;
    for (int64_t i = 0; i < planes; i++)
        for (int64_t q = panel; q < end; q++) {
            const float *now = weights + (q * planes + i) * piece;
            const float *next = q + 1 < end ? now + planes * piece
                                            : now + piece - (q - panel) * planes * piece;
            multiply(j, n, v + i * p->block * p->row, now, next,
                     m + (i * p->group + q - panel) * p->block * nr);
        }
}

static void run_share(const struct job *j, int share)
{
    const struct winograd_plan *p = j->plan;
    const int64_t n_units = p->n_blocks * p->n_panels, planes = p->side * p->side;
    float *zeros = (float *)j->io->scratch + share * p->share_floats;
    float *v = zeros + p->row, *m = v + planes * p->block * p->row;
    const int64_t end = n_units * (share + 1) / j->n_shares;
    int64_t turned = -1, some;
    memset(zeros, 0, (size_t)p->row * sizeof *zeros);
    for (int64_t unit = n_units * share / j->n_shares; unit < end; unit += some) {
        const int64_t block = unit / p->n_panels, panel = unit % p->n_panels;
        const int64_t first = block * p->block, n = least(p->block, p->n_tiles - first);
        some = least(p->group, least(p->n_panels - panel, end - unit));
        if (block != turned) turn_in(j, first, n, zeros, v);
        turned = block;
        multiply_group(j, n, panel, panel + some, v, m);
        for (int64_t q = 0; q < some; q++)
            turn_out(j, first, n, panel + q, m + q * p->block * j->st->k->nr);
    }
}

static void run_shares(const void *ctx, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) run_share(ctx, (int)i);
}

void tp_winograd_run(const struct tp_step *st, const struct tp_io *io)
{
    const struct winograd_plan *p = st->state;
    const struct tp_node *nd = st->node;
    struct job j = {
        .st = st, .io = io, .plan = p, .turn = &st->k->winograd[p->m / 4],
        .residual = nd->residual ? io->in[nd->n_inputs - 1] : NULL,
    };
    j.activate = !tp_op_clamp(&nd->act, &j.lo, &j.hi);
    const int64_t units = p->n_blocks * p->n_panels;
    j.n_shares = (int)least(least(io->n_threads, p->n_shares), units);
    const int64_t work = p->n_tiles * p->side * p->side * st->in[0].dim[3] * st->out.dim[3];
    tp_parallel_for(io->n_threads, j.n_shares, work, run_shares, &j);
}
