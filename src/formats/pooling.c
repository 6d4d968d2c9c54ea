/* pooling.c - one pooling, in words. */
#include "formats/pooling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/float_read.h"

/* Pixels; far beyond any image, and its products with a scale are far from float32's end. */
#define MAX_COORDINATE 16777216.0f

#define KINDS "max, avg, min, sum, lp, gem or std"

/* ---- values ---------------------------------------------------------------------------------- */

bool tp_pooling_bool(const char *key, const char *text, bool *out, struct tp_err *err)
{
    *out = !strcmp(text, "true") || !strcmp(text, "1");
    if (*out || !strcmp(text, "false") || !strcmp(text, "0")) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "%s=%.32s: expected true or false", key, text);
}

int tp_pooling_ints(const char *text, char separator, int least, int most, int *out, int max)
{
    int n = 0;
    for (;;) {
        char *end;
        if (*text < '0' || *text > '9' || n == max) return 0;
        long value = strtol(text, &end, 10);
        if (end - text > 9 || value < least || value > most) return 0;
        out[n++] = (int)value;
        if (!*end) return n;
        if (*end != separator) return 0;
        text = end + 1;
    }
}

/* "2" or "2x3" to height and width. */
static bool read_pair(const char *key, const char *text, int most, int out[2], struct tp_err *err)
{
    int n = tp_pooling_ints(text, 'x', 1, most, out, 2);
    if (n == 1) out[1] = out[0];
    if (n) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT,
                   "%s=%.32s: expected a size such as 2, or height x width such as 2x3, of 1 to %d",
                   key, text, most);
}

static bool read_padding(const char *text, struct tp_window *w, struct tp_err *err)
{
    if (!strcmp(text, "valid") || !strcmp(text, "same")) {
        w->padding = text[0] == 'v' ? TP_PADDING_VALID : TP_PADDING_SAME;
        return true;
    }
    w->padding = TP_PADDING_EXPLICIT;
    int n = tp_pooling_ints(text, ',', 0, TP_POOLING_MAX_WINDOW, w->pads, 4);
    if (n == 1) w->pads[1] = w->pads[2] = w->pads[3] = w->pads[0];
    if (n == 1 || n == 4) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "padding=%.32s: expected valid, same, or pixels as "
                   "top,left,bottom,right such as 0,0,1,1", text);
}

static bool read_kind(const char *text, enum tp_pool_kind *kind, struct tp_err *err)
{
    static const char *const names[] = {
        [TP_POOL_NONE] = "none", [TP_POOL_MAX] = "max", [TP_POOL_AVG] = "avg",
        [TP_POOL_MIN] = "min", [TP_POOL_SUM] = "sum", [TP_POOL_LP] = "lp",
        [TP_POOL_GEM] = "gem", [TP_POOL_STD] = "std",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            *kind = (enum tp_pool_kind)i;
            return true;
        }
    return tp_fail(err, TP_INVALID_ARGUMENT,
                   "pool=%.32s: no such pooling; there are none, max, avg, min, sum, lp, gem and "
                   "std", text);
}

static bool read_exponent(const struct tp_options *o, struct tp_pooling *pooling,
                          struct tp_err *err)
{
    if (pooling->kind == TP_POOL_LP) pooling->p = 2;
    if (pooling->kind == TP_POOL_GEM) pooling->p = 3;
    if (!o->p) return true;
    if (pooling->p == 0)
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "p: is the exponent of pool=lp and pool=gem; it means nothing to pool=%.32s",
                       o->pool ? o->pool : "none");
    const char *end = o->p + strlen(o->p);
    if (tp_float_read(o->p, end, &pooling->p) == end && pooling->p >= 1 &&
        pooling->p <= TP_POOLING_MAX_P) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "p=%.32s: expected a number from 1 to %d", o->p,
                   TP_POOLING_MAX_P);
}

/* ---- boxes ----------------------------------------------------------------------------------- */

/* "x0,y0,x1,y1"; the byte behind it, or NULL. */
static const char *read_box(const char *text, const char *end, float box[4])
{
    for (int i = 0; i < 4; i++) {
        if (i && (text == end || *text++ != ',')) return NULL;
        text = tp_float_read(text, end, &box[i]);
        if (!text) return NULL;
    }
    return text;
}

static bool check_box(const float box[4], int index, struct tp_err *err)
{
    for (int i = 0; i < 4; i++)
        if (!(fabsf(box[i]) <= MAX_COORDINATE))
            return tp_fail(err, TP_INVALID_ARGUMENT,
                           "rois: box %d: %g is no pixel; expected numbers from -%.0f to %.0f",
                           index, (double)box[i], (double)MAX_COORDINATE, (double)MAX_COORDINATE);
    for (int axis = 0; axis < 2; axis++)
        if (!(box[axis + 2] > box[axis]))
            return tp_fail(err, TP_INVALID_ARGUMENT, "rois: box %d: %s is %g and %s is %g; a box "
                           "is x0,y0,x1,y1 with x1 > x0 and y1 > y0", index, axis ? "y0" : "x0",
                           (double)box[axis], axis ? "y1" : "x1", (double)box[axis + 2]);
    return true;
}

static bool read_boxes(const char *text, struct tp_pooling *p, struct tp_arena *arena,
                       struct tp_err *err)
{
    int most = 1;
    const char *end = text + strlen(text);
    for (const char *c = text; *c; c++) most += *c == ';';
    if (most > TP_POOLING_MAX_BOXES)
        return tp_fail(err, TP_TOO_LARGE, "rois: %d boxes; at most %d are possible", most,
                       TP_POOLING_MAX_BOXES);
    float *boxes = tp_arena_floats(arena, 4 * (int64_t)most);
    if (!boxes) return tp_arena_fail(arena, err);
    for (p->n_boxes = 0; p->n_boxes < most; p->n_boxes++) {
        float *box = boxes + 4 * (ptrdiff_t)p->n_boxes;
        const char *behind = read_box(text, end, box);
        size_t shown = strcspn(text, ";");
        if (!behind || (behind < end && *behind != ';'))
            return tp_fail(err, TP_INVALID_ARGUMENT,
                           "rois: box %d is '%.*s'; expected x0,y0,x1,y1 in pixels of the image, "
                           "and ; between boxes", p->n_boxes, shown < 40 ? (int)shown : 40, text);
        if (!check_box(box, p->n_boxes, err)) return false;
        text = behind + 1;
    }
    p->boxes = boxes;
    return true;
}

/* ---- all together ---------------------------------------------------------------------------- */

/* A word that only means something beside another one must not be silently ignored. */
static bool check_alone(const struct tp_options *o, enum tp_pool_kind kind, struct tp_err *err)
{
    const char *const forms[] = { o->window, o->pyramid, o->rois, o->rois ? NULL : o->grid };
    static const char *const names[] = { "window", "pyramid", "rois", "grid" };
    const char *form = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!forms[i]) continue;
        if (form)
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s and %s are two ways to pool; use one of "
                           "window, grid, pyramid and rois (grid may stand beside rois: the bins "
                           "of each box)", form, names[i]);
        form = names[i];
    }
    if (form && kind == TP_POOL_NONE)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: says where to pool; add pool=" KINDS, form);
    const char *stray = o->stride ? "stride" : o->padding ? "padding" : o->ceil ? "ceil" : NULL;
    if (stray && !o->window)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: belongs to a window; add window=, such as "
                       "window=2", stray);
    return true;
}

static bool read_window(const struct tp_options *o, struct tp_window *w, struct tp_err *err)
{
    if (!read_pair("window", o->window, TP_POOLING_MAX_WINDOW, w->kernel, err)) return false;
    memcpy(w->strides, w->kernel, sizeof w->strides);
    if (o->stride && !read_pair("stride", o->stride, TP_POOLING_MAX_WINDOW, w->strides, err))
        return false;
    if (o->padding && !read_padding(o->padding, w, err)) return false;
    return !o->ceil || tp_pooling_bool("ceil", o->ceil, &w->ceil_mode, err);
}

static bool read_form(const struct tp_options *o, struct tp_pooling *p, struct tp_arena *arena,
                      struct tp_err *err)
{
    if (o->window) {
        p->form = TP_POOL_WINDOW;
        return read_window(o, &p->window, err);
    }
    if (o->pyramid) {
        p->form = TP_POOL_PYRAMID;
        p->n_levels = tp_pooling_ints(o->pyramid, ',', 1, TP_POOLING_MAX_LEVEL, p->levels,
                                      TP_MAX_LEVELS);
        if (p->n_levels) return true;
        return tp_fail(err, TP_INVALID_ARGUMENT, "pyramid=%.32s: expected up to %d grid sizes of "
                       "1 to %d, such as 1,2,4", o->pyramid, TP_MAX_LEVELS, TP_POOLING_MAX_LEVEL);
    }
    if (o->rois) p->form = TP_POOL_ROIS;
    else if (o->grid) p->form = TP_POOL_GRID;
    else return true;
    p->grid[0] = p->grid[1] = 1;
    if (o->grid && !read_pair("grid", o->grid, TP_POOLING_MAX_GRID, p->grid, err)) return false;
    return !o->rois || read_boxes(o->rois, p, arena, err);
}

static bool read_argmax(const struct tp_options *o, struct tp_tap *t, struct tp_err *err)
{
    if (!o->argmax) return true;
    if (!tp_pooling_bool("argmax", o->argmax, &t->argmax, err)) return false;
    if (t->argmax && t->pooling.kind != TP_POOL_MAX)
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "argmax: is the place of each maximum; it belongs to pool=max");
    if (t->argmax && o->rois)
        return tp_fail(err, TP_INVALID_ARGUMENT, "argmax: there is none with rois, whose samples "
                       "lie between pixels; use it with window, grid, pyramid or globally");
    return true;
}

bool tp_pooling_read(const struct tp_options *o, struct tp_tap *t, struct tp_arena *arena,
                     struct tp_err *err)
{
    struct tp_pooling *p = &t->pooling;
    *p = (struct tp_pooling){ .window = { .dilations = { 1, 1 } } };
    t->argmax = false;
    return (!o->pool || read_kind(o->pool, &p->kind, err)) && check_alone(o, p->kind, err) &&
           read_exponent(o, p, err) && read_form(o, p, arena, err) && read_argmax(o, t, err);
}
