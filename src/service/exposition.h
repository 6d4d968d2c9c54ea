/* exposition.h - Prometheus's text format, version 0.0.4. */
#ifndef TP_EXPOSITION_H
#define TP_EXPOSITION_H

#include "base/buf.h"

#define TP_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* A family's HELP and TYPE, before its first sample. */
void tp_exposition_family(struct tp_buf *b, const char *name, const char *type, const char *help);

/* A sample: its name, a suffix ("" or "_bucket") and labels first, then its value. */
struct tp_exposition_label { const char *name, *value; };
void tp_exposition_sample(struct tp_buf *b, const char *name, const char *suffix,
                          const struct tp_exposition_label *labels, int n_labels);
void tp_exposition_int(struct tp_buf *b, int64_t value);     /* ends the sample's line, */
void tp_exposition_real(struct tp_buf *b, double value);     /* and so does this */

/* A family of one sample without labels. */
void tp_exposition_alone(struct tp_buf *b, const char *name, const char *type, const char *help,
                         int64_t value);

#endif
