/* options.c - what is asked of the layers, in words. */
#include "formats/options.h"

#include <string.h>

#include "base/buf.h"
#include "formats/answer.h"
#include "formats/pooling.h"

enum { MAX_TAPS = 256, MAX_DIGITS = 9 };

/* ---- the words ------------------------------------------------------------------------------- */

static const struct {
    const char *key;
    size_t at;
    enum tp_word_scope scope;
    bool form_only;                  /* of the answer's form, whatever the layers are */
} keys[] = {
#define KEY(name, scope, form_only) { #name, offsetof(struct tp_options, name), scope, form_only }
    KEY(layers, TP_WORD_OF_QUERY, false), KEY(pool, TP_WORD_OF_OUTPUT, false),
    KEY(window, TP_WORD_OF_OUTPUT, false), KEY(stride, TP_WORD_OF_OUTPUT, false),
    KEY(padding, TP_WORD_OF_OUTPUT, false), KEY(ceil, TP_WORD_OF_OUTPUT, false),
    KEY(grid, TP_WORD_OF_OUTPUT, false), KEY(pyramid, TP_WORD_OF_OUTPUT, false),
    KEY(rois, TP_WORD_OF_OUTPUT, false), KEY(p, TP_WORD_OF_OUTPUT, false),
    KEY(argmax, TP_WORD_OF_OUTPUT, false), KEY(normalize, TP_WORD_OF_BOTH, false),
    KEY(concat, TP_WORD_OF_ANSWER, false), KEY(top, TP_WORD_OF_ANSWER, false),
    KEY(layout, TP_WORD_OF_ANSWER, true), KEY(nested, TP_WORD_OF_ANSWER, true),
    KEY(digits, TP_WORD_OF_ANSWER, true), KEY(format, TP_WORD_OF_ANSWER, true),
    KEY(dtype, TP_WORD_OF_ANSWER, true),
#undef KEY
};

enum { N_KEYS = sizeof keys / sizeof *keys };

static const char **word_at(struct tp_options *o, int i)
{
    return (const char **)(void *)((char *)o + keys[i].at);
}

static const char *word(const struct tp_options *o, int i)
{
    return *(const char *const *)(const void *)((const char *)o + keys[i].at);
}

enum tp_word_scope tp_options_scope(const char *key)
{
    for (int i = 0; i < N_KEYS; i++)
        if (!strcmp(key, keys[i].key)) return keys[i].scope;
    return TP_WORD_UNKNOWN;
}

bool tp_options_set(struct tp_options *o, const char *key, const char *value, struct tp_err *err)
{
    for (int i = 0; i < N_KEYS; i++) {
        if (strcmp(key, keys[i].key)) continue;
        if (word(o, i))
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: given twice; say it once", key);
        *word_at(o, i) = value;
        return true;
    }
    return tp_fail(err, TP_INVALID_ARGUMENT, "unknown parameter '%.40s'; there are: layers, pool, "
                   "window, stride, padding, ceil, grid, pyramid, rois, p, argmax, normalize, "
                   "concat, top, layout, nested, digits, format, dtype", key);
}

bool tp_options_merge(struct tp_options *o, const struct tp_options *body, struct tp_err *err)
{
    for (int i = 0; i < N_KEYS; i++) {
        if (!word(body, i)) continue;
        if (word(o, i))
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: given twice, in the query and in the "
                           "body; say it once", keys[i].key);
        *word_at(o, i) = word(body, i);
    }
    return true;
}

const char *tp_options_about_layers(const struct tp_options *o)
{
    for (int i = 0; i < N_KEYS; i++)
        if (!keys[i].form_only && word(o, i)) return keys[i].key;
    return NULL;
}

/* ---- the answer's form ----------------------------------------------------------------------- */

/* The words that say how numbers are written; what fits which form is checked later. */
static bool read_form(const struct tp_options *o, struct tp_ask *ask, struct tp_err *err)
{
    ask->form_given = o->format != NULL;
    ask->dtype_given = o->dtype != NULL;
    ask->json_word = o->top ? "top" : o->nested ? "nested" : o->digits ? "digits" : NULL;
    if (o->format && !tp_form_read(o->format, &ask->form, err)) return false;
    return !o->dtype || tp_form_read_dtype(o->dtype, &ask->dtype, err);
}

static bool read_normalize(const char *text, bool *normalize, struct tp_err *err)
{
    *normalize = !strcmp(text, "l2");
    if (*normalize || !strcmp(text, "none")) return true;
    return tp_fail(err, TP_INVALID_ARGUMENT, "normalize=%.32s: expected l2 or none", text);
}

/* What holds for all taps. */
struct common { bool channels_first, normalize; };

/* Everything but the taps' layers and pooling. */
static bool read_common(const struct tp_options *o, const struct tp_model *m, struct tp_ask *ask,
                        struct common *c, struct tp_err *err)
{
    *ask = (struct tp_ask){ .nested = true };
    *c = (struct common){ .channels_first = m->channels_first };
    if (!read_form(o, ask, err)) return false;
    if (o->layout) {
        c->channels_first = !strcmp(o->layout, "nchw");
        if (!c->channels_first && strcmp(o->layout, "nhwc"))
            return tp_fail(err, TP_INVALID_ARGUMENT, "layout=%.32s: expected nchw or nhwc",
                           o->layout);
    }
    if (o->nested && !tp_pooling_bool("nested", o->nested, &ask->nested, err)) return false;
    if (o->concat && !tp_pooling_bool("concat", o->concat, &ask->concat, err)) return false;
    if (o->normalize && !read_normalize(o->normalize, &c->normalize, err)) return false;
    if (o->digits && tp_pooling_ints(o->digits, 0, 1, MAX_DIGITS, &ask->digits, 1) != 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "digits=%.32s: expected 1 to %d", o->digits,
                       MAX_DIGITS);
    if (o->top && tp_pooling_ints(o->top, 0, 1, TP_ANSWER_MAX_TOP, &ask->top, 1) != 1)
        return tp_fail(err, TP_INVALID_ARGUMENT, "top=%.32s: expected 1 to %d", o->top,
                       TP_ANSWER_MAX_TOP);
    return true;
}

/* ---- layers ---------------------------------------------------------------------------------- */

/* With concat all taps become one vector: what cannot be part of one is refused. */
static bool join(struct tp_ask *ask, int i, struct tp_err *err)
{
    struct tp_tap *t = &ask->taps[i];
    const struct tp_pooling *p = &t->pooling, *first = &ask->taps[0].pooling;
    if (t->argmax)
        return tp_fail(err, TP_INVALID_ARGUMENT, "argmax: not with concat=true, which answers "
                       "one vector of pooled values; leave one of them out");
    if (p->n_boxes != first->n_boxes)
        return tp_fail(err, TP_INVALID_ARGUMENT, "concat: joins vectors of the same image or the "
                       "same box; this output has %d boxes and the first has %d", p->n_boxes,
                       first->n_boxes);
    t->joined = i > 0;
    if (t->joined) t->normalize = false;           /* the first one's counts for the whole */
    return true;
}

static int count_layers(const char *list)
{
    int n = 1;
    for (; *list; list++) n += *list == ',';
    return n;
}

static bool make_taps(struct tp_ask *ask, int n, struct tp_arena *arena, struct tp_err *err)
{
    ask->n_taps = n;
    ask->taps = tp_arena_zalloc(arena, (size_t)n, sizeof *ask->taps);
    return ask->taps || tp_arena_fail(arena, err);
}

/* Fills the taps' layers from "a,b" or from the model's outputs. */
static bool read_layers(const char *list, const struct tp_model *m, struct tp_ask *ask,
                        struct tp_arena *arena, struct tp_err *err)
{
    int n = list ? count_layers(list) : m->n_outputs;
    if (n > MAX_TAPS)
        return tp_fail(err, TP_TOO_LARGE, "layers: %d asked for; at most %d at once", n, MAX_TAPS);
    if (!make_taps(ask, n, arena, err)) return false;
    for (int i = 0; i < n; i++) {
        if (!list) {
            ask->taps[i].layer = m->outputs[i];
        } else {
            size_t length = strcspn(list, ",");
            ask->taps[i].layer = tp_arena_strndup(arena, list, length);
            if (!ask->taps[i].layer) return tp_arena_fail(arena, err);
            list += length + (list[length] == ',');
        }
        if (!tp_model_check_layer(m, ask->taps[i].layer, err)) return false;
    }
    return true;
}

bool tp_options_ask(const struct tp_options *o, const struct tp_model *m, struct tp_ask *ask,
                    struct tp_arena *arena, struct tp_err *err)
{
    struct common c;
    struct tp_tap like;
    if (!read_common(o, m, ask, &c, err)) return false;
    like = (struct tp_tap){ .channels_first = c.channels_first, .normalize = c.normalize };
    if (!tp_pooling_read(o, &like, arena, err) || !read_layers(o->layers, m, ask, arena, err))
        return false;
    for (int i = 0; i < ask->n_taps; i++) {
        like.layer = ask->taps[i].layer;
        ask->taps[i] = like;
        if (ask->concat && !join(ask, i, err)) return false;
    }
    return !ask->form_given || tp_ask_check_form(ask, err);
}

/* One tap from the words of its own output. */
static bool ask_one(const struct tp_options *o, const struct common *c, const char *layer,
                    const struct tp_model *m, struct tp_ask *ask, int i, struct tp_arena *arena,
                    struct tp_err *err)
{
    struct tp_tap *t = &ask->taps[i];
    *t = (struct tp_tap){ .layer = layer, .channels_first = c->channels_first,
                          .normalize = c->normalize };
    if (o->normalize && ask->concat)
        return tp_fail(err, TP_INVALID_ARGUMENT, "normalize: with concat=true the joined vector is "
                       "normalized, as \"normalize\" beside \"outputs\" says");
    if (o->normalize && !read_normalize(o->normalize, &t->normalize, err)) return false;
    return tp_model_check_layer(m, layer, err) && tp_pooling_read(o, t, arena, err) &&
           (!ask->concat || join(ask, i, err));
}

bool tp_options_ask_each(const struct tp_options *o, const struct tp_options *outputs,
                         const char *const *names, int n_outputs, const struct tp_model *m,
                         struct tp_ask *ask, struct tp_arena *arena, struct tp_err *err)
{
    struct common c;
    if (!read_common(o, m, ask, &c, err)) return false;
    for (int i = 0; i < N_KEYS; i++)
        if (word(o, i) && keys[i].scope != TP_WORD_OF_ANSWER && keys[i].scope != TP_WORD_OF_BOTH)
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: layers and pooling are given twice, in "
                           "the query and in the body's \"outputs\"; use one of them",
                           keys[i].key);
    if (n_outputs < 1 || n_outputs > MAX_TAPS)
        return tp_fail(err, TP_INVALID_ARGUMENT, "outputs: %d given; expected 1 to %d", n_outputs,
                       MAX_TAPS);
    if (!make_taps(ask, n_outputs, arena, err)) return false;
    for (int i = 0; i < n_outputs; i++)
        if (!ask_one(&outputs[i], &c, names[i], m, ask, i, arena, err))
            return tp_fail_in(err, "outputs[%d]", i);
    return !ask->form_given || tp_ask_check_form(ask, err);
}

/* ---- asks ------------------------------------------------------------------------------------ */

static bool has_argmax(const struct tp_ask *ask)
{
    for (int i = 0; i < ask->n_taps; i++)
        if (ask->taps[i].argmax) return true;
    return false;
}

bool tp_ask_check_form(const struct tp_ask *ask, struct tp_err *err)
{
    const enum tp_form form = ask->form;
    const char *name = tp_form_name(form);
    const bool one = form == TP_FORM_NPY || form == TP_FORM_BINARY;
    if (ask->dtype_given && (form == TP_FORM_JSON || form == TP_FORM_PNG))
        return tp_fail(err, TP_INVALID_ARGUMENT, "dtype: not of format=%s; give it with "
                       "format=npy, safetensors or binary", name);
    if (ask->json_word && form != TP_FORM_JSON)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: of JSON answers, and this one is %s; leave "
                       "one of them out", ask->json_word, name);
    if (has_argmax(ask) && form != TP_FORM_JSON && form != TP_FORM_SAFETENSORS)
        return tp_fail(err, TP_INVALID_ARGUMENT, "argmax: format=%s has no room for it; ask for "
                       "json or safetensors", name);
    if (one && ask->n_taps > 1 && !ask->concat)
        return tp_fail(err, TP_INVALID_ARGUMENT, "format=%s holds one output, and %d are asked "
                       "for; format=safetensors holds them all, concat=true makes one of them",
                       name, ask->n_taps);
    return true;
}

bool tp_ask_has_boxes(const struct tp_ask *ask)
{
    for (int i = 0; i < ask->n_taps; i++)
        if (ask->taps[i].pooling.form == TP_POOL_ROIS) return true;
    return false;
}

void tp_ask_key(struct tp_buf *b, const struct tp_ask *ask)
{
    for (int i = 0; i < ask->n_taps; i++) {
        const struct tp_tap *t = &ask->taps[i];
        const struct tp_pooling *p = &t->pooling;
        const struct tp_window *w = &p->window;
        tp_buf_int(b, (int64_t)strlen(t->layer));   /* names of ONNX files hold any bytes */
        tp_buf_text(b, " ");
        tp_buf_text(b, t->layer);
        const char form[] = { '\n', (char)('0' + t->channels_first), (char)('0' + t->normalize),
                              (char)('0' + t->argmax), (char)('0' + t->joined),
                              (char)('0' + p->kind), (char)('0' + p->form) };
        tp_buf_bytes(b, form, sizeof form);
        if (p->form == TP_POOL_WINDOW)
            tp_buf_printf(b, " %dx%d/%dx%d p%d:%d,%d,%d,%d c%d", w->kernel[0], w->kernel[1],
                          w->strides[0], w->strides[1], w->padding, w->pads[0], w->pads[1],
                          w->pads[2], w->pads[3], w->ceil_mode);
        if (p->form == TP_POOL_GRID) tp_buf_printf(b, " %dx%d", p->grid[0], p->grid[1]);
        for (int j = 0; j < p->n_levels; j++) tp_buf_printf(b, " %d", p->levels[j]);
        if (p->p != 0) tp_buf_printf(b, " ^%.9g", (double)p->p);
        tp_buf_text(b, "\n");
    }
}
