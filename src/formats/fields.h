/* fields.h - typed access to the fields of one JSON object: each getter answers a value that
 * is there and in range, or the fallback, or a message that names the field and what would be
 * right. */
#ifndef TP_FIELDS_H
#define TP_FIELDS_H

#include <limits.h>

#include "formats/json.h"

enum {
    TP_REQUIRED = INT_MIN,           /* as a fallback: the field must be there */
    TP_FIELDS_MAX_SIDE = 4096,       /* of windows, strides, paddings, scales: far beyond any use */
    TP_FIELDS_WHERE_BYTES = 256,     /* "<layer>: <field>" */
    TP_FIELDS_NAME_BYTES = 128,      /* the longest name of a layer or a network */
};

struct tp_fields {
    const struct tp_json *doc;
    const json_t *object;
    const char *where;               /* starts every message: the layer's name */
};

struct tp_fields_where { char text[TP_FIELDS_WHERE_BYTES]; };

/* "conv: kernel_size". */
struct tp_fields_where tp_fields_where(const struct tp_fields *f, const char *key);

/* The field, NULL when it is absent. */
const json_t *tp_fields_get(const struct tp_fields *f, const char *key);

/* Fails on a key that is in none of the two comma-separated lists; `owner` has those fields. */
bool tp_fields_known(const struct tp_fields *f, const char *owner, const char *first,
                     const char *second, struct tp_err *err) TP_MUST_USE;

/* "<field> is missing; expected <need>". Always false. */
bool tp_fields_missing(const struct tp_fields *f, const char *key, const char *need,
                       struct tp_err *err);

/* "<field> must be <need>, not a string". Always false. */
bool tp_fields_wrong(const struct tp_fields *f, const char *key, const char *need,
                     struct tp_err *err);

/* Whether v is a number without a fraction; 3.0 is one, as in JSON Schema. */
bool tp_fields_whole(const json_t *v, int64_t *out);

bool tp_fields_int(const struct tp_fields *f, const char *key, int fallback, int min, int max,
                   int *out, struct tp_err *err) TP_MUST_USE;

/* A whole number for both, or [height, width]. */
bool tp_fields_pair(const struct tp_fields *f, const char *key, int fallback, int min, int max,
                    int out[2], struct tp_err *err) TP_MUST_USE;

/* A list of 1 to max whole numbers. Absent: *n is 0. */
bool tp_fields_ints(const struct tp_fields *f, const char *key, int64_t *out, int max, int *n,
                    struct tp_err *err) TP_MUST_USE;

/* min <= number <= max; a fallback of NAN means required. */
bool tp_fields_number(const struct tp_fields *f, const char *key, double fallback, double min,
                      double max, float *out, struct tp_err *err) TP_MUST_USE;

bool tp_fields_bool(const struct tp_fields *f, const char *key, bool fallback, bool *out,
                    struct tp_err *err) TP_MUST_USE;

/* A string; a fallback of NULL means required. *out lives as long as the document. */
bool tp_fields_text(const struct tp_fields *f, const char *key, const char *fallback,
                    const char **out, struct tp_err *err) TP_MUST_USE;

/* One of the NULL-terminated `choices`; *out is its index. Absent: `fallback`. */
bool tp_fields_choice(const struct tp_fields *f, const char *key, const char *const *choices,
                      int fallback, int *out, struct tp_err *err) TP_MUST_USE;

/* A string that can name a layer: 1 to TP_FIELDS_NAME_BYTES bytes, no comma (requests list layers
 * with commas), no control characters. Absent: *out is NULL. */
bool tp_fields_name(const struct tp_fields *f, const char *key, const char **out,
                    struct tp_err *err) TP_MUST_USE;

/* The fields of a sliding window. Padding: "valid" (default), "same", a number for all sides, or
 * [top, left, bottom, right]. */
bool tp_fields_padding(const struct tp_fields *f, struct tp_window *w,
                       struct tp_err *err) TP_MUST_USE;

/* Keras's padding and cropping: a number, [height, width], or [[top, bottom], [left, right]]. */
bool tp_fields_edges(const struct tp_fields *f, const char *key, int fallback, int edge[4],
                     struct tp_err *err) TP_MUST_USE;

#endif
