/* tfs.h - TensorFlow Serving's REST form: what it tells of a model. Requests and answers of
 * :predict are tp_dialect_tfs's (dialect.h). */
#ifndef TP_TFS_H
#define TP_TFS_H

#include "base/buf.h"
#include "formats/model.h"

/* GET /v1/models/{m}/metadata */
void tp_tfs_metadata(struct tp_buf *b, const struct tp_model *m);

#endif
