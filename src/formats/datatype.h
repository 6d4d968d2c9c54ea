/* datatype.h - the element types of the Open Inference Protocol, all of which become float32. */
#ifndef TP_DATATYPE_H
#define TP_DATATYPE_H

#include "base/err.h"

enum tp_datatype {
    TP_DT_BOOL,
    TP_DT_UINT8, TP_DT_UINT16, TP_DT_UINT32, TP_DT_UINT64,
    TP_DT_INT8, TP_DT_INT16, TP_DT_INT32, TP_DT_INT64,
    TP_DT_FP16, TP_DT_BF16, TP_DT_FP32, TP_DT_FP64,
    TP_DT_BYTES,
};

/* Fails with the names there are. */
bool tp_datatype_read(const char *name, enum tp_datatype *out, struct tp_err *err) TP_MUST_USE;

const char *tp_datatype_name(enum tp_datatype type);

/* Bytes of one element; 0 for BYTES, whose elements bring their lengths. */
size_t tp_datatype_bytes(enum tp_datatype type);

/* n packed little-endian elements, which may start at any byte, to float32, rounded to nearest
 * (what is beyond it becomes infinite). Not for BYTES. */
void tp_datatype_floats(enum tp_datatype type, const void *bytes, int64_t n, float *out);

/* Checks n numbers of a JSON text that were read as float32: whole and in the type's range where it
 * is an integer type or BOOL, as they stand in [text, end), "[1, [2, 3]]". FP16 and BF16 are
 * rounded to what they can hold, and refused beyond. `where` starts the message. */
bool tp_datatype_check(enum tp_datatype type, float *x, int64_t n, const char *text,
                       const char *end, const char *where, struct tp_err *err) TP_MUST_USE;

#endif
