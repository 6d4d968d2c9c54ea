/* dialect.h - the protocols that are spoken here: how each asks, answers and tells of an error. */
#ifndef TP_DIALECT_H
#define TP_DIALECT_H

#include "formats/answer.h"
#include "formats/head.h"
#include "formats/request.h"

struct tp_dialect {
    bool forms;                      /* format= and Accept choose the answer's form */
    bool flat;                       /* data is no nested arrays, unless nested=true */

    /* Fills an empty request from the body, or in->err. */
    bool (*read)(struct tp_intake *in, const struct tp_body *body);

    /* Appends the answer to what rq asked. Out of room shows in b->failed. */
    bool (*write)(struct tp_buf *b, struct tp_head *head, const struct tp_answer *a,
                  const struct tp_request *rq, struct tp_err *err);

    /* Appends what can only be told when all else is written; NULL: nothing. */
    void (*end)(struct tp_buf *b, const struct tp_timing *t);

    void (*write_error)(struct tp_buf *b, const char *message, const char *code,
                        const char *request_id);
};

extern const struct tp_dialect tp_dialect_tidepool;      /* /v1/models/{m}/features and its kin */
extern const struct tp_dialect tp_dialect_oip;           /* Open Inference Protocol v2 */
extern const struct tp_dialect tp_dialect_tfs;           /* TensorFlow Serving's REST form */
extern const struct tp_dialect tp_dialect_openai;        /* OpenAI's embeddings */

/* {"error": "<message>"}: OIP's and TensorFlow Serving's form. */
void tp_dialect_plain_error(struct tp_buf *b, const char *message, const char *code,
                            const char *request_id);

#endif
