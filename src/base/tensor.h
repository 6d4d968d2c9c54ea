/* tensor.h - shapes and their arithmetic: the one place where sizes are multiplied. */
#ifndef TP_TENSOR_H
#define TP_TENSOR_H

#include "base/err.h"

/* Number of elements; TP_ANY when a dimension is open, -2 when the product overflows int64. */
int64_t tp_shape_elements(const struct tp_shape *s);

/* Product of dim[begin..end); the caller knows the shape to be whole (every plan's shapes are). */
int64_t tp_shape_span(const struct tp_shape *s, int begin, int end);

bool tp_shape_equal(const struct tp_shape *a, const struct tp_shape *b);
bool tp_shape_known(const struct tp_shape *s);                  /* no dimension is TP_ANY */

/* Whether `given` is what `wanted` asks for, TP_ANY in `wanted` matching any size. */
bool tp_shape_fits(const struct tp_shape *given, const struct tp_shape *wanted);

/* Every dimension is at least 1 and the product at most `max_elements`; `what` starts the
 * message. */
bool tp_shape_check(const struct tp_shape *s, int64_t max_elements, const char *what,
                    struct tp_err *err) TP_MUST_USE;

/* "[1, 8, 8, any]" for messages. Returns its argument's text. */
struct tp_shape_text { char text[TP_MAX_RANK * 22 + 4]; };
struct tp_shape_text tp_shape_print(const struct tp_shape *s);
#define TP_SHAPE(s) (tp_shape_print(s).text)

#define TP_SHAPE4(a, b, c, d) ((struct tp_shape){ .rank = 4, .dim = { a, b, c, d } })
#define TP_SHAPE2(a, b) ((struct tp_shape){ .rank = 2, .dim = { a, b } })

#endif
