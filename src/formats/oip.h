/* oip.h - Open Inference Protocol v2: what it tells of the server and of a model. Requests and
 * answers of its inference are tp_dialect_oip's (dialect.h). */
#ifndef TP_OIP_H
#define TP_OIP_H

#include "base/buf.h"
#include "formats/model.h"

#define TP_MODEL_VERSION "1"         /* every model has this one version */

/* GET /v2. `model_control`: whether the repository can be changed over HTTP. */
void tp_oip_server(struct tp_buf *b, bool model_control);

/* GET /v2/models/{m} */
void tp_oip_model(struct tp_buf *b, const struct tp_model *m);

#endif
