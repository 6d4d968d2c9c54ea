/* options.c - what is asked of the layers, in words. */
#include "formats/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { MAX_WINDOW = 1 << 16, MAX_TAPS = 256, MAX_DIGITS = 9 };

/* ---- the words ------------------------------------------------------------------------------- */

static const struct { const char *key; size_t at; } keys[] = {
#define KEY(name) { #name, offsetof(struct tp_options, name) }
    KEY(layers), KEY(pool), KEY(window), KEY(stride), KEY(padding), KEY(ceil), KEY(layout),
    KEY(nested), KEY(digits), KEY(format), KEY(grid), KEY(pyramid), KEY(rois), KEY(p),
    KEY(normalize), KEY(argmax), KEY(concat), KEY(dtype),
#undef KEY
};

enum { N_KEYS = sizeof keys / sizeof *keys };

bool tp_options_set(struct tp_options *o, const char *key, const char *value, struct tp_err *err)
{
    for (int i = 0; i < N_KEYS; i++) {
        if (strcmp(key, keys[i].key)) continue;
        const char **word = (const char **)(void *)((char *)o + keys[i].at);
        if (*word) return tp_fail(err, TP_INVALID_ARGUMENT, "%s: given twice; say it once", key);
        *word = value;
        return true;
    }
    return tp_fail(err, TP_INVALID_ARGUMENT, "unknown parameter '%.40s'; there are: layers, pool, "
                   "window, stride, padding, ceil, layout, nested, digits, format", key);
}

/* Forms of the contract that this version does not compute are refused by name, not ignored. */
static bool refuse_later_forms(const struct tp_options *o, struct tp_err *err)
{
    const char *const words[] = { o->grid, o->pyramid, o->rois, o->p, o->normalize, o->argmax,
                                  o->concat, o->dtype };
    static const char *const names[] = { "grid", "pyramid", "rois", "p", "normalize", "argmax",
                                         "concat", "dtype" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i])
            return tp_fail(err, TP_INVALID_ARGUMENT,
                           "%s: not available in this version, which pools "
                           "by window=, or globally when only pool= is given",
                           names[i]);
    if (o->format && strcmp(o->format, "json"))
        return tp_fail(err, TP_INVALID_ARGUMENT, "format=%.32s: not available in this version; "
                       "answers are json", o->format);
    return true;
}

static bool read_bool(const char *key, const char *text, bool *out, struct tp_err *err)
{
    *out = !strcmp(text, "true") || !strcmp(text, "1");
    if (*out || !strcmp(text, "false") || !strcmp(text, "0")) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "%s=%.32s: expected true or false", key, text);
}

/* Reads up to `max` whole numbers of [least, most] with `separator` between them; their count, or
 * 0. */
static int read_ints(const char *text, char separator, int least, int most, int *out, int max)
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
static bool read_pair(const char *key, const char *text, int out[2], struct tp_err *err)
{
    int n = read_ints(text, 'x', 1, MAX_WINDOW, out, 2);
    if (n == 1) out[1] = out[0];
    if (n) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT,
                   "%s=%.32s: expected a size such as 2, or height x width such as 2x3, of 1 to %d",
                   key, text, MAX_WINDOW);
}

static bool read_padding(const char *text, struct tp_window *w, struct tp_err *err)
{
    if (!strcmp(text, "valid") || !strcmp(text, "same")) {
        w->padding = text[0] == 'v' ? TP_PADDING_VALID : TP_PADDING_SAME;
        return true;
    }
    w->padding = TP_PADDING_EXPLICIT;
    int n = read_ints(text, ',', 0, MAX_WINDOW, w->pads, 4);
    if (n == 1) w->pads[1] = w->pads[2] = w->pads[3] = w->pads[0];
    if (n == 1 || n == 4) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "padding=%.32s: expected valid, same, or pixels as "
                   "top,left,bottom,right such as 0,0,1,1", text);
}

/* ---- their meaning --------------------------------------------------------------------------- */

static bool read_kind(const char *text, enum tp_pool_kind *kind, struct tp_err *err)
{
    static const char *const names[] = {
        [TP_POOL_NONE] = "none", [TP_POOL_MAX] = "max", [TP_POOL_AVG] = "avg",
        [TP_POOL_MIN] = "min", [TP_POOL_SUM] = "sum",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            *kind = (enum tp_pool_kind)i;
            return true;
        }
    bool later = !strcmp(text, "lp") || !strcmp(text, "gem") || !strcmp(text, "std");
    return tp_fail(err, TP_INVALID_ARGUMENT,
                   "pool=%.32s: %s; there are none, max, avg, min and sum", text,
                   later ? "not available in this version" : "no such pooling");
}

/* A word that only means something beside another one must not be silently ignored. */
static bool check_alone(const struct tp_options *o, enum tp_pool_kind kind, struct tp_err *err)
{
    if (o->window && kind == TP_POOL_NONE)
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "window=%.32s: says how large the pool's windows are; "
                       "add pool=max, avg, min or sum",
                       o->window);
    const char *stray = o->stride ? "stride" : o->padding ? "padding" : o->ceil ? "ceil" : NULL;
    if (stray && !o->window)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: belongs to a window; add window=, such as "
                       "window=2", stray);
    return true;
}

static bool read_pooling(const struct tp_options *o, struct tp_pooling *p, struct tp_err *err)
{
    *p = (struct tp_pooling){ .window = { .dilations = { 1, 1 } } };
    struct tp_window *w = &p->window;
    if (o->pool && !read_kind(o->pool, &p->kind, err)) return false;
    if (!check_alone(o, p->kind, err)) return false;
    if (!o->window) return true;
    p->form = TP_POOL_WINDOW;
    if (!read_pair("window", o->window, w->kernel, err)) return false;
    memcpy(w->strides, w->kernel, sizeof w->strides);
    if (o->stride && !read_pair("stride", o->stride, w->strides, err)) return false;
    if (o->padding && !read_padding(o->padding, w, err)) return false;
    return !o->ceil || read_bool("ceil", o->ceil, &w->ceil_mode, err);
}

/* Everything but the taps' layers and pooling. */
static bool read_form(const struct tp_options *o, struct tp_ask *ask, bool *channels_first,
                      struct tp_err *err)
{
    *ask = (struct tp_ask){ .nested = true };
    *channels_first = false;
    if (o->layout) {
        *channels_first = !strcmp(o->layout, "nchw");
        if (!*channels_first && strcmp(o->layout, "nhwc"))
            return tp_fail(err, TP_INVALID_ARGUMENT, "layout=%.32s: expected nchw or nhwc",
                           o->layout);
    }
    if (o->nested && !read_bool("nested", o->nested, &ask->nested, err)) return false;
    if (o->digits && read_ints(o->digits, 0, 1, MAX_DIGITS, &ask->digits, 1) != 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "digits=%.32s: expected 1 to %d", o->digits,
                       MAX_DIGITS);
    return true;
}

static int count_layers(const char *list)
{
    int n = 1;
    for (; *list; list++) n += *list == ',';
    return n;
}

/* Fills the taps' layers from "a,b" or from the model's outputs. */
static bool read_layers(const char *list, const struct tp_graph *g, struct tp_ask *ask,
                        struct tp_arena *arena, struct tp_err *err)
{
    ask->n_taps = list ? count_layers(list) : g->n_outputs;
    if (ask->n_taps > MAX_TAPS)
        return tp_fail(err, TP_TOO_LARGE, "layers: %d asked for; at most %d at once", ask->n_taps,
                       MAX_TAPS);
    ask->taps = tp_arena_zalloc(arena, (size_t)ask->n_taps, sizeof *ask->taps);
    if (!ask->taps) return tp_arena_fail(arena, err);
    for (int i = 0; i < ask->n_taps; i++) {
        if (!list) {
            ask->taps[i].layer = g->nodes[g->outputs[i]].name;
            continue;
        }
        size_t length = strcspn(list, ",");
        ask->taps[i].layer = tp_arena_strndup(arena, list, length);
        if (!ask->taps[i].layer) return tp_arena_fail(arena, err);
        list += length + (list[length] == ',');
        if (tp_graph_find(g, ask->taps[i].layer) < 0)
            return tp_graph_fail_layer(g, ask->taps[i].layer, err);
    }
    return true;
}

bool tp_options_ask(const struct tp_options *o, const struct tp_graph *g, struct tp_ask *ask,
                    struct tp_arena *arena, struct tp_err *err)
{
    struct tp_pooling pooling;
    bool channels_first;
    if (!refuse_later_forms(o, err) || !read_form(o, ask, &channels_first, err) ||
        !read_pooling(o, &pooling, err) || !read_layers(o->layers, g, ask, arena, err))
        return false;
    for (int i = 0; i < ask->n_taps; i++) {
        ask->taps[i].pooling = pooling;
        ask->taps[i].channels_first = channels_first;
    }
    return true;
}

bool tp_options_ask_each(const struct tp_options *o, const struct tp_options *outputs,
                         const char *const *names, int n_outputs, const struct tp_graph *g,
                         struct tp_ask *ask, struct tp_arena *arena, struct tp_err *err)
{
    bool channels_first;
    if (!refuse_later_forms(o, err) || !read_form(o, ask, &channels_first, err)) return false;
    if (o->layers || o->pool || o->window || o->stride || o->padding || o->ceil)
        return tp_fail(err, TP_INVALID_ARGUMENT, "layers and pooling are given twice: in the query "
                       "and in the body's \"outputs\"; use one of them");
    if (n_outputs < 1 || n_outputs > MAX_TAPS)
        return tp_fail(err, TP_INVALID_ARGUMENT, "outputs: %d given; expected 1 to %d", n_outputs,
                       MAX_TAPS);
    ask->taps = tp_arena_zalloc(arena, (size_t)n_outputs, sizeof *ask->taps);
    if (!ask->taps) return tp_arena_fail(arena, err);
    ask->n_taps = n_outputs;
    for (int i = 0; i < n_outputs; i++) {
        struct tp_tap *t = &ask->taps[i];
        t->layer = names[i];
        t->channels_first = channels_first;
        if (tp_graph_find(g, names[i]) < 0) return tp_graph_fail_layer(g, names[i], err);
        if (!refuse_later_forms(&outputs[i], err) || !read_pooling(&outputs[i], &t->pooling, err))
            return tp_fail_in(err, "outputs[%d]", i);
    }
    return true;
}

void tp_ask_key(struct tp_buf *b, const struct tp_ask *ask)
{
    for (int i = 0; i < ask->n_taps; i++) {
        const struct tp_tap *t = &ask->taps[i];
        const struct tp_window *w = &t->pooling.window;
        tp_buf_text(b, t->layer);
        const char form[] = { '\n', (char)('0' + t->channels_first), (char)('0' + t->pooling.kind),
                              (char)('0' + t->pooling.form) };
        tp_buf_bytes(b, form, sizeof form);
        if (t->pooling.form == TP_POOL_WINDOW)
            tp_buf_printf(b, " %dx%d/%dx%d p%d:%d,%d,%d,%d c%d", w->kernel[0], w->kernel[1],
                          w->strides[0], w->strides[1], w->padding, w->pads[0], w->pads[1],
                          w->pads[2], w->pads[3], w->ceil_mode);
        tp_buf_text(b, "\n");
    }
}
