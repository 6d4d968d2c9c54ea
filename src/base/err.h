/* err.h - how failure travels: `return tp_fail(err, TP_X, "layer: what; what would be right")`. */
#ifndef TP_ERR_H
#define TP_ERR_H

#include "tidepool.h"

#define TP_MUST_USE __attribute__((warn_unused_result))
#define TP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Fills *err unless an earlier error is there already (the first one wins). Always false. */
bool tp_fail(struct tp_err *err, enum tp_code code, const char *fmt, ...) TP_PRINTF(3, 4);

/* Puts "context: " in front of the message, once: for a caller that knows what the callee cannot
 * (which file, which image of a batch). Always false. */
bool tp_fail_in(struct tp_err *err, const char *fmt, ...) TP_PRINTF(2, 3);

/* The code as it stands in JSON: "invalid_shape". */
const char *tp_code_name(enum tp_code code);

#endif
