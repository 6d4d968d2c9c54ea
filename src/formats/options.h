/* options.h - what is asked of the layers, in words: the query string, JSON "outputs" and the
 * tool's flags all end here. */
#ifndef TP_OPTIONS_H
#define TP_OPTIONS_H

#include "base/arena.h"
#include "graph/graph.h"

/* The words as they came; NULL where nothing was said. */
struct tp_options {
    const char *layers, *pool, *window, *stride, *padding, *ceil;
    const char *layout, *nested, *digits, *format;
    const char *grid, *pyramid, *rois, *p, *normalize, *argmax, *concat, *dtype;
};

/* Takes one word; `value` must outlive *o. Fails on a key that is not known or was given before. */
bool tp_options_set(struct tp_options *o, const char *key, const char *value,
                    struct tp_err *err) TP_MUST_USE;

struct tp_ask {
    struct tp_tap *taps;             /* in the arena, and all that they point to */
    int n_taps;
    bool nested;                     /* data as nested arrays (the default) or flat */
    int digits;                      /* significant digits, 0: shortest text of the same float */
};

/* What *o means for model `g`. Without "layers" the model's outputs are asked for. */
bool tp_options_ask(const struct tp_options *o, const struct tp_graph *g, struct tp_ask *ask,
                    struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

/* The same where each output has words of its own: outputs[i] (pooling words only) asks for the
 * layer names[i]; *o says the rest and must not name layers or pooling. */
bool tp_options_ask_each(const struct tp_options *o, const struct tp_options *outputs,
                         const char *const *names, int n_outputs, const struct tp_graph *g,
                         struct tp_ask *ask, struct tp_arena *arena,
                         struct tp_err *err) TP_MUST_USE;

/* A text that is the same for two asks exactly when they ask the same: for finding a plan again. */
struct tp_buf;
void tp_ask_key(struct tp_buf *b, const struct tp_ask *ask);

#endif
