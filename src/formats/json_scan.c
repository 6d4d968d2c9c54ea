/* json_scan.c - the first reader of a JSON document: finds what is cut out before Jansson reads it.
 */
#include "formats/json_scan.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json_parts.h"

enum {
    MIXED_NUMBERS = 64,              /* an array may hold so many numbers and something else */
    FIRST_SPANS = 8,
    LONG_STRING = 1024,
    ARENA_STEP = 64,                 /* that few dimensions take there */
    PARALLEL_BYTES = 256 << 10,      /* of text behind an array's begin may be worth threads... */
    ALONE_BYTES = 32 << 10,          /* ...if so many are the array's for sure */
};

/* ---- messages -------------------------------------------------------------------------------- */

/* Text that is often meant as JSON and is not. */
static const struct { const char *text, *advice; } not_json[] = {
    { "NaN", "NaN is not JSON; a tensor that holds NaN can be sent as .npy" },
    { "nan", "nan is not JSON; a tensor that holds NaN can be sent as .npy" },
    { "Infinity", "Infinity is not JSON; a tensor that holds it can be sent as .npy" },
    { "-Infinity", "-Infinity is not JSON; a tensor that holds it can be sent as .npy" },
    { "inf", "inf is not JSON; a tensor that holds it can be sent as .npy" },
    { "-inf", "-inf is not JSON; a tensor that holds it can be sent as .npy" },
    { "None", "None is not JSON; write null" },
    { "True", "True is not JSON; write true" },
    { "False", "False is not JSON; write false" },
    { "'", "strings stand in double quotes" },
    { "+", "a number has no + in front" },
    { ".", "a number begins with a digit; write 0.5" },
    { "//", "comments are not JSON" },
    { "/*", "comments are not JSON" },
    { "\xEF\xBB\xBF", "a byte order mark; the text begins behind it" },
};

const char *tp_json_scan_advice(const char *p, const char *end)
{
    for (size_t i = 0; i < sizeof not_json / sizeof *not_json; i++) {
        size_t n = strlen(not_json[i].text);
        if ((size_t)(end - p) >= n && !memcmp(p, not_json[i].text, n)) return not_json[i].advice;
    }
    return NULL;
}

struct tp_json_found tp_json_scan_found(const char *p, const char *end)
{
    struct tp_json_found e = { "the end" };
    if (p == end) return e;
    switch (*p) {
    case '"': return (struct tp_json_found){ "a string" };
    case '{': return (struct tp_json_found){ "an object" };
    case '[': return (struct tp_json_found){ "an array" };
    }
    if ((unsigned char)*p < ' ' || (unsigned char)*p > '~') {
        snprintf(e.text, sizeof e.text, "byte 0x%02X", (unsigned char)*p);
        return e;
    }
    int n = 0;
    while (n < 24 && p + n < end && p[n] && (isalnum((unsigned char)p[n]) || strchr("+-.", p[n])))
        n++;
    snprintf(e.text, sizeof e.text, "'%.*s'", n ? n : 1, p);
    return e;
}

/* ---- the scan: arrays of numbers ------------------------------------------------------------- */

struct scan {
    struct tp_json_scan *out;
    const char *text, *end;
    int depth;                       /* of arrays and objects that are Jansson's */
    const char *mixed[TP_JSON_MAX_DEPTH];   /* open brackets ahead that are known to be Jansson's */
    int n_mixed, next_mixed;
    struct tp_json_places places;    /* begin: NULL before the first number */
    float *to, *to_end;              /* for the numbers to come; NULL: there is no room */
    struct tp_json_span *spans;      /* so far: `first`, or malloc()ed */
    struct tp_json_span first[FIRST_SPANS];
    size_t capacity;
    size_t growing_bytes;            /* of what is malloc()ed */
};

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

static bool charge(struct scan *s, size_t bytes)
{
    s->out->heap_bytes += bytes;
    return s->out->heap_bytes <= s->out->heap_limit || tp_json_scan_fail_heap(s->out);
}

static bool grow_spans(struct scan *s)
{
    struct tp_json_span *old = s->spans == s->first ? NULL : s->spans;
    struct tp_arena *arena = s->out->arena;
    if (arena->share && !tp_arena_charge(arena, s->capacity * sizeof *old))
        return tp_arena_fail(arena, s->out->err);
    struct tp_json_span *more = realloc(old, 2 * s->capacity * sizeof *more);
    if (!more) return tp_fail(s->out->err, TP_NO_MEMORY, "%s: out of memory", s->out->what);
    if (!old) memcpy(more, s->first, sizeof s->first);
    s->spans = more;
    s->capacity *= 2;
    const size_t growth = (old ? s->capacity / 2 : s->capacity) * sizeof *more;
    s->growing_bytes += growth;
    return charge(s, growth);
}

/* A place for one more; NULL with an error. */
static struct tp_json_span *new_span(struct scan *s, const char *begin, const char *end)
{
    if ((size_t)s->out->n_spans == s->capacity && !grow_spans(s)) return NULL;
    struct tp_json_span *span = &s->spans[s->out->n_spans];
    if (!charge(s, sizeof *span)) return NULL;
    *span = (struct tp_json_span){ .begin = (uint32_t)(begin - s->text),
                                   .end = (uint32_t)(end - s->text) };
    s->out->n_spans++;
    return span;
}

static bool add_numbers(struct scan *s, const struct tp_json_rows *r, const char *begin,
                        const char *end)
{
    struct tp_json_span *span = new_span(s, begin, end);
    if (!span) return false;
    if (s->to && r->to - s->to == (ptrdiff_t)r->n_numbers) span->values = s->to;
    s->to = r->to;
    span->beyond_byte = r->beyond_byte;
    span->n_numbers = r->n_numbers;
    span->rank = (uint8_t)r->deepest;
    span->fault = r->fault;
    span->fault_byte = r->fault_byte;
    span->fault_length = r->fault_length;
    if (span->fault || span->rank == 1) return true;

    const size_t dim_bytes = span->rank * sizeof *span->dim;
    if (!charge(s, ARENA_STEP)) return false;
    uint32_t *dim = tp_arena_alloc(s->out->arena, dim_bytes);
    if (!dim) return tp_arena_fail(s->out->arena, s->out->err);
    memcpy(dim, r->wanted + 1, dim_bytes);
    span->dim = dim;
    return true;
}

/* The spans' final place, no larger than they are. */
static bool keep_spans(struct scan *s)
{
    const size_t n_bytes = (size_t)s->out->n_spans * sizeof *s->spans;
    if (!n_bytes) return true;
    s->out->spans = tp_arena_alloc(s->out->arena, n_bytes);
    if (!s->out->spans) return tp_arena_fail(s->out->arena, s->out->err);
    memcpy(s->out->spans, s->spans, n_bytes);
    return true;
}

/* Numbers, and then at p something else. Small arrays of this kind are documents ("shape": [1,
 * null]); in large ones somebody meant a tensor, and is told where it breaks. */
static bool leave_to_jansson(struct scan *s, const struct tp_json_rows *r, const char *p)
{
    const bool at_value = r->at_value;
    const char *advice = at_value ? tp_json_scan_advice(p, s->end) : NULL;
    if (advice) return tp_json_scan_fail(s->out, p, advice);
    bool value = p < s->end && strchr("\"{tfn", *p) && *p;
    if (r->n_numbers && at_value && value && r->n_numbers > MIXED_NUMBERS)
        return tp_fail(s->out->err, TP_INVALID_JSON,
                       "%s: byte %td: %s among numbers; a tensor holds "
                       "only numbers",
                       s->out->what, p - s->text, tp_json_scan_found(p, s->end).text);
    if (r->n_numbers && !(at_value && value))
        return tp_fail(s->out->err, TP_INVALID_JSON, "%s: byte %td: %s expected, found %s",
                       s->out->what, p - s->text, at_value ? "a number" : "',' or ']'",
                       tp_json_scan_found(p, s->end).text);
    s->n_mixed = r->depth;
    s->next_mixed = 0;
    for (int i = 0; i < r->depth; i++) s->mixed[i] = r->begin[i + 1];
    return true;
}

static bool enter(struct scan *s, const char *p)
{
    if (++s->depth <= TP_JSON_MAX_DEPTH) return true;
    return tp_json_scan_fail(s->out, p, "nested deeper than 64");
}

/* Room for all the numbers that the text can hold from p on, where the first may stand: but for the
 * first, each has a comma in front. Without room they are converted when they are asked for. */
static bool make_room(struct scan *s, const char *p)
{
    while (p < s->end && strchr("[ \n\r\t", *p)) p++;
    if (s->places.begin || p == s->end || (*p != '-' && (*p < '0' || *p > '9'))) return true;
    if (!tp_json_places_count(&s->places, p, s->end, s->out->n_threads, s->out->arena)) return true;
    const int64_t n = 1 + (int64_t)s->places.before[s->places.n_blocks];
    s->to = tp_arena_floats(s->out->arena, n);
    if (!s->to) return true;
    s->to_end = s->to + n;
    return charge(s, (size_t)n * sizeof *s->to);
}

/* Scans the array at p into *r, see tp_json_rows_scan(). */
static const char *scan_rows(struct scan *s, struct tp_json_rows *r, const char *p)
{
    const bool large = s->out->n_threads > 1 && s->to && s->end - p >= PARALLEL_BYTES;
    memset(r, 0, offsetof(struct tp_json_rows, length));     /* there are many small arrays */
    r->length[0] = 0;
    r->doc = s->out;
    r->text = s->text;
    r->end = s->end;
    r->stop = large ? p + ALONE_BYTES : s->end;
    r->outer = s->depth;
    r->to = s->to;
    r->to_end = s->to_end;
    p = tp_json_rows_scan(r, p);
    if (!large || !p || !r->depth || !r->at_value || p < r->stop) return p;
    r->stop = s->end;
    p = tp_json_parts_scan(r, p, s->out->n_threads, &s->places, s->out->arena);
    return r->depth ? tp_json_rows_scan(r, p) : p;
}

/* The '[' at *p: cuts the array out and moves behind it, or leaves it to Jansson. No byte is
 * scanned more than twice: brackets that were open when something else than a number came are
 * remembered, all others before that place close before it. */
static bool scan_array(struct scan *s, const char **p)
{
    if (s->next_mixed == s->n_mixed || s->mixed[s->next_mixed] != *p) {
        struct tp_json_rows r;
        if (!make_room(s, *p)) return false;
        const char *behind = scan_rows(s, &r, *p);
        if (!behind) return false;
        if (!r.depth) {
            if (r.n_numbers && !add_numbers(s, &r, *p, behind)) return false;
            *p = behind;
            return true;
        }
        if (!leave_to_jansson(s, &r, behind)) return false;
    }
    s->next_mixed++;
    return enter(s, (*p)++);
}

/* p: behind a string's opening quote. Returns the byte behind the closing one, the text's end when
 * there is none, NULL with an error. */
static const char *scan_string(struct scan *s, const char *p)
{
    const char *quote = NULL;
    for (;;) {
        if (!quote) quote = memchr(p, '"', (size_t)(s->end - p));
        if (!quote) quote = s->end;
        const char *escape = memchr(p, '\\', (size_t)(quote - p));
        if (!escape) return quote < s->end ? quote + 1 : quote;
        if (s->end - escape >= 6 && !memcmp(escape, "\\u0000", 6)) {
            tp_json_scan_fail(s->out, escape, "\\u0000 in a string; text cannot hold NUL");
            return NULL;
        }
        if (s->end - escape < 2) return s->end;
        p = escape + 2;
        if (p > quote) quote = NULL;
    }
}

/* Whether the string [p, end), quotes included, is a value that stands for itself byte by byte. */
static bool is_plain_value(const struct scan *s, const char *p, const char *end)
{
    if (*--end != '"') return false;
    while (++p < end)
        if (*p < ' ' || *p > '~' || *p == '\\') return false;
    p = skip_space(end + 1, s->end);
    return p == s->end || *p != ':';
}

/* The string whose opening quote is at *p: moves behind it. */
static bool pass_string(struct scan *s, const char **p)
{
    const char *begin = *p;
    if (!(*p = scan_string(s, begin + 1))) return false;
    size_t n = (size_t)(*p - begin);
    if (n >= LONG_STRING && is_plain_value(s, begin, *p)) {
        s->out->n_strings++;
        return new_span(s, begin, *p) != NULL;
    }
    if (n > s->out->token_bytes) s->out->token_bytes = n;
    return true;
}

static bool scan_document(struct scan *s)
{
    const char *p = skip_space(s->text, s->end), *token = p;
    if (p == s->end) return tp_json_scan_fail(s->out, p, "empty; a JSON document was expected");
    while (p < s->end) {
        const char *before = p;
        bool ok = true;
        switch (*p) {
        case '"': ok = pass_string(s, &p); break;
        case '[': ok = scan_array(s, &p); break;
        case '{': ok = enter(s, p++); break;
        case ']': case '}': s->depth -= s->depth > 0; p++; break;
        case ',': case ':': p++; break;
        default: p++; continue;      /* part of a token, or a blank */
        }
        if (!ok) return false;
        if ((size_t)(before - token) > s->out->token_bytes)
            s->out->token_bytes = (size_t)(before - token);
        token = p;
    }
    if ((size_t)(p - token) > s->out->token_bytes) s->out->token_bytes = (size_t)(p - token);
    return true;
}

/* ---- the door -------------------------------------------------------------------------------- */

bool tp_json_scan_fail(const struct tp_json_scan *s, const char *p, const char *wrong)
{
    return tp_fail(s->err, TP_INVALID_JSON, "%s: byte %td: %s", s->what, p - s->text, wrong);
}

bool tp_json_scan_fail_heap(const struct tp_json_scan *s)
{
    return tp_fail(s->err, TP_TOO_LARGE, "%s: needs more than %zu bytes of memory for %td bytes of "
                   "text; it has too many small values", s->what, s->heap_limit, s->end - s->text);
}

bool tp_json_scan_run(struct tp_json_scan *out)
{
    struct scan s;
    memset(&s, 0, offsetof(struct scan, first));
    s.growing_bytes = 0;
    s.out = out;
    s.text = out->text;
    s.end = out->end;
    s.spans = s.first;
    s.capacity = FIRST_SPANS;
    bool ok = scan_document(&s) && keep_spans(&s);
    if (s.spans != s.first) free(s.spans);
    out->heap_bytes -= s.growing_bytes;
    return ok;
}
