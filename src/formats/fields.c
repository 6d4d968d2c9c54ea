/* fields.c - typed access to the fields of one JSON object. */
#include "formats/fields.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct tp_fields_where tp_fields_where(const struct tp_fields *f, const char *key)
{
    struct tp_fields_where w;
    snprintf(w.text, sizeof w.text, "%s: %.48s", f->where, key);
    return w;
}

const json_t *tp_fields_get(const struct tp_fields *f, const char *key)
{
    return json_object_get(f->object, key);
}

bool tp_fields_missing(const struct tp_fields *f, const char *key, const char *need,
                       struct tp_err *err)
{
    return tp_fail(err, TP_INVALID_MODEL, "%s: %s is missing; expected %s", f->where, key, need);
}

/* What stands in the field, with the detail that a message wants: "2.5", "numbers of shape [3]". */
static struct tp_fields_where found(const struct tp_fields *f, const char *key)
{
    const json_t *v = tp_fields_get(f, key);
    const struct tp_json_span *span = tp_json_span(f->doc, v);
    struct tp_fields_where w;
    struct tp_shape shape;
    struct tp_err ragged = { 0 };
    if (json_is_number(v))
        snprintf(w.text, sizeof w.text, "%g", json_number_value(v));
    else if (span && tp_json_span_shape(f->doc, span, key, &shape, &ragged))
        snprintf(w.text, sizeof w.text, "numbers of shape %s", TP_SHAPE(&shape));
    else
        snprintf(w.text, sizeof w.text, "%s", tp_json_kind(f->doc, v));
    return w;
}

bool tp_fields_wrong(const struct tp_fields *f, const char *key, const char *need,
                     struct tp_err *err)
{
    return tp_fail(err, TP_INVALID_MODEL, "%s: %s must be %s, not %s", f->where, key, need,
                   found(f, key).text);
}

/* Whether `key` is one of the items of "a, b, c". */
static bool listed(const char *list, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = list; *p;) {
        const char *end = strchr(p, ',');
        size_t length = end ? (size_t)(end - p) : strlen(p);
        if (length == n && !memcmp(p, key, n)) return true;
        p += end ? length + 2 : length;
    }
    return false;
}

bool tp_fields_known(const struct tp_fields *f, const char *owner, const char *first,
                     const char *second, struct tp_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)f->object, key, value) {
        if (listed(first, key) || listed(second, key)) continue;
        return tp_fail(err, TP_INVALID_MODEL, "%s: unknown field '%.48s'; %s has %s%s%s", f->where,
                       key, owner, first, *second ? ", " : "", second);
    }
    return true;
}

bool tp_fields_whole(const json_t *v, int64_t *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    double d = json_is_real(v) ? json_real_value(v) : NAN;
    if (!(fabs(d) < 9007199254740992.0) || d != floor(d)) return false;      /* 2^53 */
    *out = (int64_t)d;
    return true;
}

static bool in_range(const struct tp_fields *f, const char *key, int64_t value, int min, int max,
                     struct tp_err *err)
{
    if (value >= min && value <= max) return true;
    return tp_fail(err, TP_INVALID_MODEL, "%s: %s is %" PRId64 "; it must be from %d to %d",
                   f->where, key, value, min, max);
}

bool tp_fields_int(const struct tp_fields *f, const char *key, int fallback, int min, int max,
                   int *out, struct tp_err *err)
{
    const json_t *v = tp_fields_get(f, key);
    int64_t value = fallback;
    if (!v && fallback == TP_REQUIRED) return tp_fields_missing(f, key, "a whole number", err);
    if (v && !tp_fields_whole(v, &value)) return tp_fields_wrong(f, key, "a whole number", err);
    if (v && !in_range(f, key, value, min, max, err)) return false;
    *out = (int)value;
    return true;
}

bool tp_fields_pair(const struct tp_fields *f, const char *key, int fallback, int min, int max,
                    int out[2], struct tp_err *err)
{
    static const char *const need = "a whole number or [height, width]";
    const json_t *v = tp_fields_get(f, key);
    int64_t two[2] = { fallback, fallback };
    int n = 2;
    if (!v && fallback == TP_REQUIRED) return tp_fields_missing(f, key, need, err);
    if (v && tp_json_span(f->doc, v)) {
        if (!tp_json_ints(f->doc, v, tp_fields_where(f, key).text, two, 2, &n, err)) return false;
        if (n != 2) return tp_fields_wrong(f, key, need, err);
    } else if (v) {
        if (!tp_fields_whole(v, &two[0])) return tp_fields_wrong(f, key, need, err);
        two[1] = two[0];
    }
    for (int i = 0; i < 2; i++) {
        if (v && !in_range(f, key, two[i], min, max, err)) return false;
        out[i] = (int)two[i];
    }
    return true;
}

bool tp_fields_ints(const struct tp_fields *f, const char *key, int64_t *out, int max, int *n,
                    struct tp_err *err)
{
    const json_t *v = tp_fields_get(f, key);
    *n = 0;
    if (!v) return true;
    if (!tp_json_span(f->doc, v)) return tp_fields_wrong(f, key, "a list of whole numbers", err);
    return tp_json_ints(f->doc, v, tp_fields_where(f, key).text, out, max, n, err);
}

bool tp_fields_number(const struct tp_fields *f, const char *key, double fallback, double min,
                      double max, float *out, struct tp_err *err)
{
    const json_t *v = tp_fields_get(f, key);
    double value = v ? json_number_value(v) : fallback;
    if (!v && isnan(fallback)) return tp_fields_missing(f, key, "a number", err);
    if (v && !json_is_number(v)) return tp_fields_wrong(f, key, "a number", err);
    if (v && !(value >= min && value <= max))
        return tp_fail(err, TP_INVALID_MODEL, "%s: %s is %g; it must be from %g to %g", f->where,
                       key, value, min, max);
    *out = (float)value;
    return true;
}

bool tp_fields_bool(const struct tp_fields *f, const char *key, bool fallback, bool *out,
                    struct tp_err *err)
{
    const json_t *v = tp_fields_get(f, key);
    if (v && !json_is_boolean(v)) return tp_fields_wrong(f, key, "true or false", err);
    *out = v ? json_is_true(v) : fallback;
    return true;
}

bool tp_fields_text(const struct tp_fields *f, const char *key, const char *fallback,
                    const char **out, struct tp_err *err)
{
    const json_t *v = tp_fields_get(f, key);
    if (!v && !fallback) return tp_fields_missing(f, key, "a string", err);
    /* An array of numbers stands in the document as a marked string. */
    if (v && (!json_is_string(v) || tp_json_span(f->doc, v)))
        return tp_fields_wrong(f, key, "a string", err);
    *out = v ? json_string_value(v) : fallback;
    return true;
}

static bool fail_choice(const struct tp_fields *f, const char *key, const char *given,
                        const char *const *choices, struct tp_err *err)
{
    char all[256] = "";
    size_t n = 0;
    for (int i = 0; choices[i] && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", choices[i]);
    return tp_fail(err, TP_INVALID_MODEL, "%s: %s is '%.48s'; it must be one of %s", f->where, key,
                   given, all);
}

bool tp_fields_choice(const struct tp_fields *f, const char *key, const char *const *choices,
                      int fallback, int *out, struct tp_err *err)
{
    const char *given;
    *out = fallback;
    if (!tp_fields_text(f, key, choices[fallback], &given, err)) return false;
    for (int i = 0; choices[i]; i++) {
        if (strcmp(choices[i], given)) continue;
        *out = i;
        return true;
    }
    return fail_choice(f, key, given, choices, err);
}

bool tp_fields_name(const struct tp_fields *f, const char *key, const char **out,
                    struct tp_err *err)
{
    *out = NULL;
    if (!tp_fields_get(f, key)) return true;
    if (!tp_fields_text(f, key, NULL, out, err)) return false;
    size_t n = strlen(*out);
    if (n < 1 || n > TP_FIELDS_NAME_BYTES)
        return tp_fail(err, TP_INVALID_MODEL, "%s: %s has %zu bytes; it must have 1 to %d",
                       f->where, key, n, TP_FIELDS_NAME_BYTES);
    for (const char *p = *out; *p; p++)
        if (*p == ',' || (unsigned char)*p < ' ' || *p == 127)
            return tp_fail(err, TP_INVALID_MODEL, "%s: %s has a comma or control character at "
                           "byte %td; requests list layers with commas, so names cannot have any",
                           f->where, key, p - *out);
    return true;
}

bool tp_fields_padding(const struct tp_fields *f, struct tp_window *w, struct tp_err *err)
{
    static const char *const words[] = { "valid", "same", NULL };
    static const enum tp_padding kinds[] = { TP_PADDING_VALID, TP_PADDING_SAME };
    static const char *const need =
        "\"valid\", \"same\", a whole number or [top, left, bottom, right]";
    const json_t *v = tp_fields_get(f, "padding");
    const bool list = v && tp_json_span(f->doc, v);
    int64_t all[4];
    int n = 4, word;
    if (!v || (json_is_string(v) && !list)) {
        if (!tp_fields_choice(f, "padding", words, 0, &word, err)) return false;
        w->padding = kinds[word];
        return true;
    }
    if (list) {
        if (!tp_json_ints(f->doc, v, tp_fields_where(f, "padding").text, all, 4, &n, err))
            return false;
        if (n != 4) return tp_fields_wrong(f, "padding", need, err);
    } else {
        if (!tp_fields_whole(v, &all[0])) return tp_fields_wrong(f, "padding", need, err);
        all[1] = all[2] = all[3] = all[0];
    }
    w->padding = TP_PADDING_EXPLICIT;
    for (int i = 0; i < 4; i++) {
        if (!in_range(f, "padding", all[i], 0, TP_FIELDS_MAX_SIDE, err)) return false;
        w->pads[i] = (int)all[i];
    }
    return true;
}

/* [[top, bottom], [left, right]]. Floats hold every number in range exactly. */
static bool nested_edges(const struct tp_fields *f, const char *key,
                         const struct tp_json_span *span, int edge[4], struct tp_err *err)
{
    static const int place[4] = { 0, 2, 1, 3 };      /* top, bottom, left, right in edge[] */
    struct tp_fields_where where = tp_fields_where(f, key);
    float four[4];
    if (!tp_json_span_floats(f->doc, span, where.text, four, err)) return false;
    for (int i = 0; i < 4; i++) {
        if (!(four[i] >= 0 && four[i] <= TP_FIELDS_MAX_SIDE) || four[i] != floorf(four[i]))
            return tp_fail(err, TP_INVALID_MODEL, "%s is %g at one edge; each must be a whole "
                           "number from 0 to %d", where.text, (double)four[i], TP_FIELDS_MAX_SIDE);
        edge[place[i]] = (int)four[i];
    }
    return true;
}

bool tp_fields_edges(const struct tp_fields *f, const char *key, int fallback, int edge[4],
                     struct tp_err *err)
{
    const json_t *v = tp_fields_get(f, key);
    const struct tp_json_span *span = v ? tp_json_span(f->doc, v) : NULL;
    struct tp_shape shape = { 0 };
    int two[2];
    if (span && !tp_json_span_shape(f->doc, span, tp_fields_where(f, key).text, &shape, err))
        return false;
    if (shape.rank == 2 && shape.dim[0] == 2 && shape.dim[1] == 2)
        return nested_edges(f, key, span, edge, err);
    if (shape.rank > 1 || (v && !span && !json_is_number(v)))
        return tp_fields_wrong(f, key, "a whole number, [height, width] or "
                               "[[top, bottom], [left, right]]", err);
    if (!tp_fields_pair(f, key, fallback, 0, TP_FIELDS_MAX_SIDE, two, err)) return false;
    edge[0] = edge[2] = two[0];
    edge[1] = edge[3] = two[1];
    return true;
}
