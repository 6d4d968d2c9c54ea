/* answer.h - feature maps as JSON. */
#ifndef TP_ANSWER_H
#define TP_ANSWER_H

#include "base/buf.h"
#include "base/tensor.h"

enum { TP_ANSWER_MAX_TOP = 100 };

struct tp_answer_output {
    const char *name;
    struct tp_tensor tensor;
    bool channels_first;
    const float *argmax;             /* [tensor.shape], or NULL */
    const char *argmax_name;         /* "NAME/argmax", where it stands for itself */
    int tap;                         /* which of those asked for it is; of joined ones the first */
};

struct tp_answer_input { int64_t width, height, channels; };     /* width 0: not an image or map */

struct tp_timing {                   /* milliseconds */
    double queue, decode, infer, encode;
};

struct tp_answer {
    const char *model;
    const struct tp_answer_output *outputs;
    int n_outputs;
    const struct tp_answer_input *inputs;
    int n_inputs;
    int n_threads;                   /* that writing may use; 0 counts as 1 */
    bool nested;
    int digits;
    int top;                         /* how many of each image's values are named; at most
                                        TP_ANSWER_MAX_TOP, and then outputs are of rank 2; or 0 */
    const char *const *labels;       /* of the last axis, or NULL */
    int n_labels;
};

/* Appends all of the answer but its timing and the closing brace: the time that writing takes is
 * part of what tp_answer_end() then says. Out of room shows in b->failed. */
void tp_answer_begin(struct tp_buf *b, const struct tp_answer *a);
void tp_answer_end(struct tp_buf *b, const struct tp_timing *t);

/* "[1,-1,8]" */
void tp_answer_shape(struct tp_buf *b, const struct tp_shape *s);

/* The indices of the greatest of n values in best[0..top), top <= n: greater first, NaN last, what
 * is equal in its order. */
void tp_answer_best(const float *x, int64_t n, int64_t *best, int top);

/* The four stages as <before>queue<behind>0.020<between>decode<behind>..., for JSON and headers. */
void tp_timing_write(struct tp_buf *b, const struct tp_timing *t, const char *before,
                     const char *between, const char *behind);

/* {"error": ..., "code": ..., "request_id": ...} */
void tp_answer_error(struct tp_buf *b, const char *message, const char *code,
                     const char *request_id);

#endif
