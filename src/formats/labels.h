/* labels.h - labels.txt: what the numbers of a classifier's output stand for. */
#ifndef TP_LABELS_H
#define TP_LABELS_H

#include "formats/model.h"

/* Reads one label a line into m->labels: UTF-8, lines ending in LF or CR LF, blank lines at the end
 * ignored. */
bool tp_labels_parse(struct tp_model *m, const char *text, size_t n_bytes,
                     struct tp_err *err) TP_MUST_USE;

#endif
