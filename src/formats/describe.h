/* describe.h - models told as JSON and as a table. */
#ifndef TP_DESCRIBE_H
#define TP_DESCRIBE_H

#include "base/buf.h"
#include "formats/model.h"

/* One model's line in GET /v1/models. */
void tp_describe_brief(struct tp_buf *b, const struct tp_model *m);

/* GET /v1/models/{m}: inputs, outputs, layers, totals, preprocessing. */
void tp_describe_model(struct tp_buf *b, const struct tp_model *m);

/* `tidepool summary`: the layer table as Keras prints it. */
void tp_describe_table(struct tp_buf *b, const struct tp_model *m);

#endif
