/* mosaic.c - feature maps as one picture.
 *
 * A sheet is what stands under one title: the maps of one image, or the rows of a vector. Its
 * layout follows from its shape alone. Sheets are painted and written in bands, a title or a row of
 * tiles each, so that no more of the picture than a band is in memory. */
#include "formats/mosaic.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/canvas.h"
#include "formats/png.h"
#include "formats/viridis.h"

enum {
    LEVELS = 253,                    /* of viridis; behind them: */
    WHITE = LEVELS, BLACK, GRAY,     /* paper, ink, NaN */
    DARK = 150,                      /* on these levels and darker ones, ink is white */

    MARGIN = 12, GAP = 8, LABEL_GAP = 4,
    TITLE_SCALE = 2, TITLE_HEIGHT = 36, LEGEND = 128,
    LEAST_WIDTH = 480, MOST_SIDE = 65535,
    NAME_CHARS = 48,
    STRIP = 1024,                    /* values of a vector side by side; more wrap */
};

struct sheet {
    const struct tp_answer_output *output;
    int64_t image, n_images;         /* n_images 0: all images are tiles of this one */
    int64_t tiles, h, w;             /* tiles of [h, w] cells */
    int64_t cells;                   /* of a tile, fewer than h * w where a vector wraps */
    int64_t at, tile_step, y_step, x_step;       /* in the data */
    int64_t zoom_x, zoom_y;
    int64_t columns;
    int label_scale;                 /* of the text below each tile */
};

/* ---- layout ---------------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

static int64_t tile_width(const struct sheet *s) { return s->w * s->zoom_x; }
static int64_t tile_height(const struct sheet *s) { return s->h * s->zoom_y; }
static int64_t label_height(const struct sheet *s)
{
    return 2 * LABEL_GAP + s->label_scale * TP_CANVAS_LINE;
}

/* From one tile to the next. */
static int64_t pitch_x(const struct sheet *s) { return tile_width(s) + GAP; }
static int64_t pitch_y(const struct sheet *s) { return tile_height(s) + label_height(s); }

/* A grid somewhat wider than high, without a rest in its last row where there is such. */
static int64_t choose_columns(const struct sheet *s)
{
    const double ratio = (double)pitch_y(s) / (double)pitch_x(s);
    const int64_t about = most(1, least(s->tiles, lround(sqrt((double)s->tiles * ratio * 4 / 3))));
    for (int64_t off = 0; 3 * off <= about; off++) {
        if (s->tiles % (about + off) == 0) return about + off;
        if (s->tiles % (about - off) == 0) return about - off;
    }
    return about;
}

/* Few maps are drawn large, many at 48 pixels or as they are. */
static void size_maps(struct sheet *s)
{
    const int64_t side = s->tiles == 1 ? 384 : s->tiles <= 4 ? 256 : s->tiles <= 16 ? 160 :
                         s->tiles <= 64 ? 96 : 48;
    s->zoom_x = s->zoom_y = ceil_div(side, most(s->h, s->w));
    s->label_scale = tile_width(s) >= 160 ? 2 : 1;
    s->columns = choose_columns(s);
}

static void size_strips(struct sheet *s)
{
    s->zoom_x = s->w <= 8 ? 96 : most(1, STRIP / s->w);
    s->zoom_y = s->h == 1 ? 48 : 24;
    s->label_scale = tile_width(s) >= 160 ? 2 : 1;
    s->columns = 1;
}

/* [n, c], [n], or maps of a single value: a strip a row. */
static struct sheet vectors(const struct tp_answer_output *o, int64_t n, int64_t c)
{
    struct sheet s = {
        .output = o, .tiles = n, .h = ceil_div(c, STRIP), .w = least(c, STRIP), .cells = c,
        .tile_step = c, .y_step = STRIP, .x_step = 1,
    };
    size_strips(&s);
    return s;
}

/* Sheet i of an output; its images are laid out alike. */
static struct sheet make_sheet(const struct tp_answer_output *o, int64_t i)
{
    const int64_t *d = o->tensor.shape.dim;
    const int rank = o->tensor.shape.rank;
    struct sheet s = { .output = o, .image = i, .n_images = d[0], .tiles = 1 };
    if (rank == 1) return vectors(o, 1, d[0]);
    if (rank == 2) return vectors(o, d[0], d[1]);
    if (rank == 3) {
        s.h = d[1];
        s.w = d[2];
    } else {
        s.tiles = d[o->channels_first ? 1 : 3];
        s.h = d[o->channels_first ? 2 : 1];
        s.w = d[o->channels_first ? 3 : 2];
    }
    s.cells = s.h * s.w;
    if (s.cells == 1) return vectors(o, d[0], s.tiles);
    const bool first = rank == 3 || o->channels_first;
    s.at = i * s.tiles * s.cells;
    s.tile_step = first ? s.cells : 1;
    s.x_step = first ? 1 : s.tiles;
    s.y_step = s.x_step * s.w;
    size_maps(&s);
    return s;
}

static int64_t sheets_of(const struct tp_answer_output *o)
{
    const struct sheet s = make_sheet(o, 0);
    return s.n_images ? s.n_images : 1;
}

/* ---- limits ---------------------------------------------------------------------------------- */

struct picture { int64_t width, height, band_height, tiles; };

static bool check_rank(const struct tp_answer_output *o, struct tp_err *err)
{
    const struct tp_shape *s = &o->tensor.shape;
    if (s->rank < 1 || s->rank > 4)
        return tp_fail(err, TP_INVALID_SHAPE, "png: %s is %s; maps [n, c, h, w] and vectors [n, c] "
                       "are drawn", o->name, TP_SHAPE(s));
    return true;
}

static bool fail_size(const struct sheet *s, struct tp_err *err)
{
    return tp_fail(err, TP_TOO_LARGE, "png: %s (%" PRId64 " tiles of %" PRId64 "x%" PRId64 ") "
                   "makes the picture larger than %d Mi pixels, %d a side or %d tiles; ask for "
                   "fewer layers, or pool them (pool=max&grid=16x16)", s->output->name, s->tiles,
                   s->h, s->w, TP_MOSAIC_MAX_PIXELS >> 20, MOST_SIDE, TP_MOSAIC_MAX_TILES);
}

/* Adds all sheets of one output, which are of one size. Each factor is compared with its limit
 * before it is multiplied: a tensor's size fits in 64 bits, a picture's need not. */
static bool add_output(struct picture *p, const struct tp_answer_output *o, struct tp_err *err)
{
    if (!check_rank(o, err)) return false;
    const struct sheet s = make_sheet(o, 0);
    const int64_t n = sheets_of(o);
    if (s.tiles > TP_MOSAIC_MAX_TILES || n > TP_MOSAIC_MAX_TILES || s.h > MOST_SIDE ||
        s.w > MOST_SIDE)
        return fail_size(&s, err);
    const int64_t width = 2 * MARGIN + s.columns * pitch_x(&s) - GAP;
    p->tiles += n * s.tiles;
    p->width = most(p->width, width);
    p->height += n * (TITLE_HEIGHT + ceil_div(s.tiles, s.columns) * pitch_y(&s));
    p->band_height = most(p->band_height, pitch_y(&s));
    if (p->tiles > TP_MOSAIC_MAX_TILES || p->width > MOST_SIDE || p->height > MOST_SIDE ||
        p->width * p->height > TP_MOSAIC_MAX_PIXELS)
        return fail_size(&s, err);
    return true;
}

static bool measure(struct picture *p, const struct tp_answer *a, struct tp_err *err)
{
    *p = (struct picture){ .width = LEAST_WIDTH, .height = MARGIN, .band_height = TITLE_HEIGHT };
    for (int i = 0; i < a->n_outputs; i++)
        if (!add_output(p, &a->outputs[i], err)) return false;
    return true;
}

bool tp_mosaic_check(const struct tp_answer *a, struct tp_err *err)
{
    struct picture p;
    return measure(&p, a, err);
}

/* ---- values ---------------------------------------------------------------------------------- */

struct range { float low, high; };   /* of the finite values; low > high: there are none */

static const float *value_at(const struct sheet *s, int64_t tile, int64_t y, int64_t x)
{
    return s->output->tensor.data + s->at + tile * s->tile_step + y * s->y_step + x * s->x_step;
}

static float value(const struct sheet *s, int64_t tile, int64_t cell)
{
    return *value_at(s, tile, cell / s->w, cell % s->w);
}

/* How many cells row y has: a vector that wraps may end within its last. */
static int64_t row_cells(const struct sheet *s, int64_t y)
{
    return least(s->w, s->cells - y * s->w);
}

static struct range range_of(const struct sheet *s, int64_t tile)
{
    struct range r = { INFINITY, -INFINITY };
    for (int64_t y = 0; y < s->h; y++) {
        const float *v = value_at(s, tile, y, 0);
        for (int64_t n = row_cells(s, y); n; n--, v += s->x_step) {
            if (!isfinite(*v)) continue;
            if (*v < r.low) r.low = *v;
            if (*v > r.high) r.high = *v;
        }
    }
    return r;
}

/* Colours of a tile: level = (value - low) * steps. */
struct scale { double low, steps; };

static struct scale scale_of(const struct range *r)
{
    const double low = (double)r->low, high = (double)r->high;
    return (struct scale){ low, r->high > r->low ? (LEVELS - 1) / (high - low) : 0 };
}

static uint8_t color_of(float v, const struct scale *c)
{
    if (isnan(v)) return GRAY;
    if (isinf(v)) return v > 0 ? LEVELS - 1 : 0;
    return (uint8_t)(((double)v - c->low) * c->steps + 0.5);
}

struct text { char text[64]; };

static struct text print_range(const struct range *r)
{
    struct text t;
    const double low = (double)r->low, high = (double)r->high;
    if (r->low > r->high) snprintf(t.text, sizeof t.text, "no finite value");
    else if (r->low == r->high) snprintf(t.text, sizeof t.text, "%.4g", low);
    else snprintf(t.text, sizeof t.text, "%.4g .. %.4g", low, high);
    return t;
}

/* ---- painting -------------------------------------------------------------------------------- */

/* The largest scale in which all values fit into their cells, 0: none. */
static int scale_of_values(const struct sheet *s, int64_t tile)
{
    int longest = 1;
    if (least(s->zoom_x, s->zoom_y) < 2 * TP_CANVAS_LINE) return 0;
    for (int64_t cell = 0; cell < s->cells; cell++) {
        char text[24];
        const int n = snprintf(text, sizeof text, "%.3g", (double)value(s, tile, cell));
        if (n > longest) longest = n;
    }
    int64_t scale = (s->zoom_x - 4) / (longest * TP_CANVAS_ADVANCE);
    scale = least(scale, s->zoom_y / (2 * TP_CANVAS_LINE));
    return (int)least(scale, 3);
}

static void paint_values(const struct tp_canvas *c, const struct sheet *s, int64_t tile,
                         const struct scale *colors, int left)
{
    const int scale = scale_of_values(s, tile);
    for (int64_t cell = 0; scale && cell < s->cells; cell++) {
        char text[24];
        const float v = value(s, tile, cell);
        snprintf(text, sizeof text, "%.3g", (double)v);
        const int x = left + (int)(cell % s->w * s->zoom_x), y = (int)(cell / s->w * s->zoom_y);
        const int room_x = (int)s->zoom_x - tp_canvas_text_width(text, scale);
        const int room_y = (int)s->zoom_y - scale * TP_CANVAS_LINE;
        tp_canvas_text(c, x + room_x / 2, y + room_y / 2, scale, text,
                       color_of(v, colors) <= DARK ? WHITE : BLACK);
    }
}

static void paint_cells(const struct tp_canvas *c, const struct sheet *s, int64_t tile,
                        const struct scale *colors, int left)
{
    const size_t width = (size_t)c->width, n_bytes = (size_t)tile_width(s);
    for (int64_t y = 0; y < s->h; y++) {
        uint8_t *row = c->pixels + (size_t)(y * s->zoom_y) * width + left, *to = row;
        const float *v = value_at(s, tile, y, 0);
        for (int64_t n = row_cells(s, y); n; n--, v += s->x_step)
            for (uint8_t color = color_of(*v, colors), *end = to + s->zoom_x; to < end; to++)
                *to = color;
        for (int64_t i = 1; i < s->zoom_y; i++) memcpy(row + (size_t)i * width, row, n_bytes);
    }
}

/* "channel 3  0 .. 1.25" below the tile, or as much of it as there is room for. */
static void paint_label(const struct tp_canvas *c, const struct sheet *s, int64_t tile,
                        const struct range *r, int left)
{
    const struct text range = print_range(r);
    const char *const what[] = { s->n_images ? "channel " : "row ", "", "" };
    const char *const said[] = { range.text, range.text, "" };
    char text[96];
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "%s%" PRId64 "%s%s", what[i], tile, *said[i] ? "  " : "",
                 said[i]);
        if (tp_canvas_text_width(text, s->label_scale) <= tile_width(s)) break;
    }
    tp_canvas_text(c, left, (int)tile_height(s) + LABEL_GAP, s->label_scale, text, BLACK);
}

static void paint_tile(const struct tp_canvas *c, const struct sheet *s, int64_t tile,
                       const struct range *r, int left)
{
    const struct scale colors = scale_of(r);
    paint_cells(c, s, tile, &colors, left);
    paint_values(c, s, tile, &colors, left);
    paint_label(c, s, tile, r, left);
}

/* What the colours mean, at the title's right, where it leaves room. */
static void paint_legend(const struct tp_canvas *c, int begin, int y)
{
    const int text = tp_canvas_text_width("min", 1) + 6, right = c->width - MARGIN - text;
    const int left = right - LEGEND;
    if (left - text < begin + 2 * GAP) return;
    for (int i = 0; i < LEGEND; i++)
        tp_canvas_fill(c, left + i, y, 1, TITLE_SCALE * TP_CANVAS_LINE,
                       (uint8_t)(i * (LEVELS - 1) / (LEGEND - 1)));
    tp_canvas_text(c, left - text, y + TP_CANVAS_LINE / 2, 1, "min", BLACK);
    tp_canvas_text(c, right + 6, y + TP_CANVAS_LINE / 2, 1, "max", BLACK);
}

/* "conv  6x6 x 32  0 .. 3  image 1 of 2" */
static void paint_title(const struct tp_canvas *c, const struct sheet *s, const struct range *r)
{
    char text[256], size[64], image[64] = "";
    const char *name = s->output->name;
    const size_t n = strlen(name);
    const bool cut = n > NAME_CHARS;
    if (s->n_images)
        snprintf(size, sizeof size, "%" PRId64 "x%" PRId64 " x%" PRId64, s->h, s->w, s->tiles);
    else
        snprintf(size, sizeof size, "%" PRId64 " value%s", s->cells, s->cells == 1 ? "" : "s");
    if (s->n_images > 1)
        snprintf(image, sizeof image, "  image %" PRId64 " of %" PRId64, s->image + 1, s->n_images);
    snprintf(text, sizeof text, "%s%s  %s  %s%s", cut ? "..." : "",
             cut ? name + n - NAME_CHARS : name, size, print_range(r).text, image);
    int scale = TITLE_SCALE;
    while (scale > 1 && MARGIN + tp_canvas_text_width(text, scale) > c->width - MARGIN) scale--;
    const int y = MARGIN, down = (TITLE_SCALE - scale) * TP_CANVAS_LINE / 2;
    tp_canvas_text(c, MARGIN, y + down, scale, text, BLACK);
    paint_legend(c, MARGIN + tp_canvas_text_width(text, scale), y);
}

/* ---- the file -------------------------------------------------------------------------------- */

struct writer {
    struct tp_png *png;
    struct tp_canvas band;
    struct range *ranges;            /* of a sheet's tiles */
    struct tp_err *err;
};

static void clear_band(struct writer *w, int64_t height)
{
    w->band.height = (int)height;
    memset(w->band.pixels, WHITE, (size_t)w->band.width * (size_t)height);
}

static bool write_band(struct writer *w)
{
    for (int y = 0; y < w->band.height; y++)
        if (!tp_png_row(w->png, w->band.pixels + (size_t)y * (size_t)w->band.width, w->err))
            return false;
    return true;
}

static bool write_sheet(struct writer *w, const struct sheet *s)
{
    struct range all = { INFINITY, -INFINITY };
    for (int64_t i = 0; i < s->tiles; i++) {
        w->ranges[i] = range_of(s, i);
        all.low = fminf(all.low, w->ranges[i].low);
        all.high = fmaxf(all.high, w->ranges[i].high);
    }
    clear_band(w, TITLE_HEIGHT);
    paint_title(&w->band, s, &all);
    if (!write_band(w)) return false;
    for (int64_t first = 0; first < s->tiles; first += s->columns) {
        clear_band(w, pitch_y(s));
        for (int64_t i = 0; i < s->columns && first + i < s->tiles; i++)
            paint_tile(&w->band, s, first + i, &w->ranges[first + i],
                       MARGIN + (int)(i * pitch_x(s)));
        if (!write_band(w)) return false;
    }
    return true;
}

static bool write_sheets(struct writer *w, const struct tp_answer *a)
{
    for (int i = 0; i < a->n_outputs; i++) {
        const int64_t n = sheets_of(&a->outputs[i]);
        for (int64_t image = 0; image < n; image++) {
            const struct sheet s = make_sheet(&a->outputs[i], image);
            if (!write_sheet(w, &s)) return false;
        }
    }
    clear_band(w, MARGIN);
    return write_band(w);
}

bool tp_mosaic_write(struct tp_buf *b, const struct tp_answer *a, struct tp_err *err)
{
    struct picture p;
    struct writer w = { .err = err };
    uint32_t colors[256];
    if (!measure(&p, a, err)) return false;
    for (int i = 0; i < LEVELS; i++) colors[i] = tp_viridis[(i * 255 + LEVELS / 2) / (LEVELS - 1)];
    colors[WHITE] = 0xFFFFFF;
    colors[BLACK] = 0x000000;
    colors[GRAY] = 0xB0B0B0;
    w.band = (struct tp_canvas){ malloc((size_t)(p.width * p.band_height)), (int)p.width, 0 };
    w.ranges = malloc((size_t)p.tiles * sizeof *w.ranges);
    bool ok = (w.band.pixels && w.ranges) || tp_fail(err, TP_NO_MEMORY, "png: out of memory");
    ok = ok && tp_png_begin(&w.png, b, (int)p.width, (int)p.height, colors, err) &&
         write_sheets(&w, a);
    tp_png_end(w.png);
    free(w.ranges);
    free(w.band.pixels);
    return ok && tp_buf_ok(b, "the answer", err);
}
