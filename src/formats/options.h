/* options.h - what is asked of the layers, in words: the query string, JSON bodies and the tool's
 * flags all end here. */
#ifndef TP_OPTIONS_H
#define TP_OPTIONS_H

#include "formats/form.h"
#include "formats/model.h"

/* The words as they came; NULL where nothing was said. */
struct tp_options {
    const char *layers, *pool, *window, *stride, *padding, *ceil, *grid, *pyramid, *rois, *p;
    const char *normalize, *argmax, *concat, *top;
    const char *layout, *nested, *digits, *format, *dtype;
};

/* Where a word may stand in a JSON body; in the query all may. */
enum tp_word_scope {
    TP_WORD_UNKNOWN,
    TP_WORD_OF_QUERY,                /* "outputs" says it in another way */
    TP_WORD_OF_OUTPUT,               /* in an object of "outputs" */
    TP_WORD_OF_ANSWER,               /* beside "outputs" */
    TP_WORD_OF_BOTH,
};

enum tp_word_scope tp_options_scope(const char *key);

/* Takes one word; `value` must outlive *o. Fails on a key that is not known or was given before. */
bool tp_options_set(struct tp_options *o, const char *key, const char *value,
                    struct tp_err *err) TP_MUST_USE;

/* Takes all words of *body too. Fails on one that is there already. */
bool tp_options_merge(struct tp_options *o, const struct tp_options *body,
                      struct tp_err *err) TP_MUST_USE;

/* The first of the words that is about layers, and not the form of the answer alone; or NULL. */
const char *tp_options_about_layers(const struct tp_options *o);

struct tp_ask {
    struct tp_tap *taps;             /* in the arena, and all that they point to; `boxes` are those
                                        asked for, in pixels of the image that was sent, once */
    int n_taps;
    bool concat;                     /* the taps are joined into one output */
    int top;                         /* best labels to name, 0: none */
    bool nested;                     /* data as nested arrays (the default) or flat */
    int digits;                      /* significant digits, 0: shortest text of the same float */
    enum tp_form form;               /* as the word `format` says; JSON where it says nothing */
    bool form_given;                 /* it did; if not, the caller may choose one by other signs */
    enum tp_dtype dtype;             /* of the forms that have one */
    bool dtype_given;
    const char *json_word;           /* a word that was given and means something in JSON only */
};

/* What *o means for the model. Without "layers" its outputs are asked for. */
bool tp_options_ask(const struct tp_options *o, const struct tp_model *m, struct tp_ask *ask,
                    struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

/* The same where each output has words of its own: outputs[i] asks for the layer names[i]; *o says
 * the rest and must not name layers or pooling. */
bool tp_options_ask_each(const struct tp_options *o, const struct tp_options *outputs,
                         const char *const *names, int n_outputs, const struct tp_model *m,
                         struct tp_ask *ask, struct tp_arena *arena,
                         struct tp_err *err) TP_MUST_USE;

/* Whether what is asked can be answered in ask->form: how many outputs it holds, argmax, and the
 * words that belong to other forms. Asks check it where the form was given; who chooses one calls
 * it then. Shapes are tp_form_check()'s to judge. */
bool tp_ask_check_form(const struct tp_ask *ask, struct tp_err *err) TP_MUST_USE;

/* Whether a tap has boxes, which belong to one request's images: its plan is of no use to others.
 */
bool tp_ask_has_boxes(const struct tp_ask *ask);

/* A text that is the same for two asks without boxes exactly when they ask the same of a plan. */
struct tp_buf;
void tp_ask_key(struct tp_buf *b, const struct tp_ask *ask);

#endif
