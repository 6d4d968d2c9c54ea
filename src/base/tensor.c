/* tensor.c - shapes and their arithmetic. */
#include "base/tensor.h"

#include <inttypes.h>
#include <stdio.h>

int64_t tp_shape_elements(const struct tp_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] < 0) return TP_ANY;
        if (__builtin_mul_overflow(n, s->dim[i], &n)) return -2;
    }
    return n;
}

int64_t tp_shape_span(const struct tp_shape *s, int begin, int end)
{
    int64_t n = 1;
    for (int i = begin; i < end; i++) n *= s->dim[i];
    return n;
}

bool tp_shape_equal(const struct tp_shape *a, const struct tp_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

bool tp_shape_known(const struct tp_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0) return false;
    return true;
}

bool tp_shape_fits(const struct tp_shape *given, const struct tp_shape *wanted)
{
    if (given->rank != wanted->rank) return false;
    for (int i = 0; i < given->rank; i++)
        if (wanted->dim[i] != TP_ANY && wanted->dim[i] != given->dim[i]) return false;
    return true;
}

bool tp_shape_check(const struct tp_shape *s, int64_t max_elements, const char *what,
                    struct tp_err *err)
{
    if (s->rank < 0 || s->rank > TP_MAX_RANK)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: %d dimensions; at most %d are possible", what,
                       s->rank, TP_MAX_RANK);
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 1)
            return tp_fail(err, TP_INVALID_SHAPE, "%s: dimension %d of %s is %" PRId64
                           "; each must be at least 1", what, i, TP_SHAPE(s), s->dim[i]);
    int64_t n = tp_shape_elements(s);
    if (n < 0 || n > max_elements)
        return tp_fail(err, TP_TOO_LARGE, "%s: %s has more than the %" PRId64
                       " elements that one tensor may have", what, TP_SHAPE(s), max_elements);
    return true;
}

struct tp_shape_text tp_shape_print(const struct tp_shape *s)
{
    struct tp_shape_text t = { "[" };
    size_t n = 1;
    int rank = s->rank < TP_MAX_RANK ? s->rank : TP_MAX_RANK;
    for (int i = 0; i < rank; i++) {
        const char *comma = i ? ", " : "";
        if (s->dim[i] == TP_ANY)
            n += (size_t)snprintf(t.text + n, sizeof t.text - n, "%sany", comma);
        else
            n += (size_t)snprintf(t.text + n, sizeof t.text - n, "%s%" PRId64, comma, s->dim[i]);
    }
    snprintf(t.text + n, sizeof t.text - n, "]");
    return t;
}
