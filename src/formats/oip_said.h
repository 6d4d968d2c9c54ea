/* oip_said.h - what an inference request says of its answer: between its reader and its writer. */
#ifndef TP_OIP_SAID_H
#define TP_OIP_SAID_H

#include "formats/dialect.h"

enum tp_oip_binary { TP_OIP_UNSAID, TP_OIP_TEXT, TP_OIP_BINARY };

struct tp_oip_output {
    enum tp_oip_binary binary;
    int classification;              /* best classes instead of values; 0: values */
    bool fp16;
};

struct tp_oip_said {
    const char *id;                  /* comes back; NULL: none */
    struct tp_oip_output all;        /* of outputs that are not named, or do not say */
    const struct tp_oip_output *outputs;         /* [rq->n_outputs] */
};

bool tp_oip_read(struct tp_intake *in, const struct tp_body *body) TP_MUST_USE;
bool tp_oip_write(struct tp_buf *b, struct tp_head *head, const struct tp_answer *a,
                  const struct tp_request *rq, struct tp_err *err) TP_MUST_USE;

#endif
