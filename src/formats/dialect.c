/* dialect.c - the service's own protocol, and what others have in common. */
#include "formats/dialect.h"

#include "formats/json.h"

static bool write_json(struct tp_buf *b, struct tp_head *head, const struct tp_answer *a,
                       const struct tp_request *rq, struct tp_err *err)
{
    (void)head, (void)rq, (void)err;
    tp_answer_begin(b, a);
    return true;
}

const struct tp_dialect tp_dialect_tidepool = {
    .forms = true, .read = tp_request_read, .write = write_json, .end = tp_answer_end,
    .write_error = tp_answer_error,
};

void tp_dialect_plain_error(struct tp_buf *b, const char *message, const char *code,
                            const char *request_id)
{
    (void)code, (void)request_id;
    tp_buf_text(b, "{\"error\":");
    tp_json_quote(b, message);
    tp_buf_text(b, "}\n");
}
