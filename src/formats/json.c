/* json.c - JSON documents with tensors in them.
 *
 * A document goes through two readers. Ours scans it once, cuts out the arrays of numbers and
 * refuses what only it can see. Jansson then reads the rest through feed(), which puts a mark where
 * something was cut. Jansson's memory is counted by heap_alloc(), which refuses beyond the budget.
 *
 * Long plain strings (images in base64) are cut out too and put back when Jansson is done: it takes
 * 100 ms for 10 MB of them, memcpy() takes 3.
 *
 * Why feed() hands over single bytes: Jansson 2.14 does not look whether its token buffer could
 * grow. When it could not, the token lacks a byte, and Jansson reads past its end or fails an
 * assertion. The buffer grows only as the first thing after a byte was fetched, and at most
 * doubles. So heap_alloc() keeps one spare block of that size for its first refusal, and after it
 * feed() says that the text ends: there is no second growth. */
#include "formats/json.h"

#include <ctype.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/floats.h"
#include "formats/libraries.h"

enum {
    MAX_DEPTH = 64,
    MAX_NUMBERS_DEPTH = TP_MAX_RANK + 1,
    MIXED_NUMBERS = 64,              /* an array may hold so many numbers and something else */
    FIRST_SPANS = 8,
    LONG_STRING = 1024,
};

/* What Jansson may take. Measured: pipelines and safetensors headers, written without blanks, need
 * 9 to 15 bytes for a byte of text; {},{},... 77, [],[],... 45, 1,1,... 20. */
enum {
    HEAP_FLOOR_BYTES = 64 << 10,
    HEAP_FACTOR = 10,
    HEAP_FACTOR_FIRST = 16,
    FIRST_BYTES = 1 << 20
};

static size_t heap_limit(size_t n_bytes)
{
    size_t first = n_bytes < FIRST_BYTES ? n_bytes : FIRST_BYTES;
    size_t limit = HEAP_FACTOR_FIRST * first + HEAP_FACTOR * (n_bytes - first);
    return limit < HEAP_FLOOR_BYTES ? HEAP_FLOOR_BYTES : limit;
}

enum fault { SOUND, RAGGED_LENGTHS, RAGGED_DEPTHS };

/* What was cut out: numbers, or (rank 0) a plain string with its quotes. Small, since there may be
 * many. */
struct tp_json_span {
    uint32_t begin, end;             /* in the text: its '[' and the byte behind its ']' */
    uint32_t n_numbers;
    uint8_t rank, fault;
    const uint32_t *dim;             /* [rank]; NULL when that is [n_numbers], or with a fault */
    uint32_t fault_byte;
    uint32_t fault_length;           /* RAGGED_LENGTHS: that of the array before it */
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

static const char *advice_for(const char *p, const char *end)
{
    for (size_t i = 0; i < sizeof not_json / sizeof *not_json; i++) {
        size_t n = strlen(not_json[i].text);
        if ((size_t)(end - p) >= n && !memcmp(p, not_json[i].text, n)) return not_json[i].advice;
    }
    return NULL;
}

struct excerpt { char text[32]; };

/* What stands at p, for messages. */
static struct excerpt found(const char *p, const char *end)
{
    struct excerpt e = { "the end" };
    if (p == end) return e;
    switch (*p) {
    case '"': return (struct excerpt){ "a string" };
    case '{': return (struct excerpt){ "an object" };
    case '[': return (struct excerpt){ "an array" };
    }
    if ((unsigned char)*p < ' ' || (unsigned char)*p > '~') {
        snprintf(e.text, sizeof e.text, "byte 0x%02X", (unsigned char)*p);
        return e;
    }
    int n = 0;
    while (n < 24 && p + n < end && (isalnum((unsigned char)p[n]) || strchr("+-.", p[n]))) n++;
    snprintf(e.text, sizeof e.text, "'%.*s'", n ? n : 1, p);
    return e;
}

/* ---- the scan: arrays of numbers ------------------------------------------------------------- */

struct scan {
    struct tp_json *doc;
    struct tp_arena *arena;
    struct tp_err *err;
    const char *what, *text, *end;
    int depth;                       /* of arrays and objects that are Jansson's */
    const char *mixed[MAX_DEPTH];    /* open brackets ahead that are known to be Jansson's */
    int n_mixed, next_mixed;
    struct tp_json_span *spans;      /* so far: `first`, or malloc()ed */
    struct tp_json_span first[FIRST_SPANS];
    size_t capacity;
    int n_strings;                   /* among them */
    size_t heap_bytes, heap_limit;   /* of the whole parse */
    size_t token_bytes;              /* no token that Jansson will see is longer */
};

/* One array of numbers while it is scanned. Level 0 is around it. */
struct rows {
    int depth, deepest;
    int leaf;                        /* the level at which numbers stand; 0: none seen */
    uint32_t n_numbers;
    uint8_t fault;                   /* the first, as in struct tp_json_span */
    uint32_t fault_byte, fault_length;
    uint32_t length[MAX_DEPTH + 2];  /* so far, of the open array at that level */
    uint32_t wanted[MAX_DEPTH + 2];  /* of the first array that was closed there */
    const char *begin[MAX_DEPTH + 2];
};

static const uint32_t UNKNOWN = UINT32_MAX;

static bool fail_at(struct scan *s, const char *p, const char *what_is_wrong)
{
    return tp_fail(s->err, TP_INVALID_JSON, "%s: byte %td: %s", s->what, p - s->text,
                   what_is_wrong);
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

static void note_fault(struct scan *s, struct rows *r, enum fault fault, const char *p)
{
    if (r->fault) return;
    r->fault = (uint8_t)fault;
    r->fault_byte = (uint32_t)(p - s->text);
}

static bool open_row(struct scan *s, struct rows *r, const char *p)
{
    if (s->depth + r->depth == MAX_DEPTH) return fail_at(s, p, "nested deeper than 64");
    if (r->leaf && r->depth == r->leaf) note_fault(s, r, RAGGED_DEPTHS, p);
    r->depth++;
    r->begin[r->depth] = p;
    r->length[r->depth] = 0;
    if (r->depth > r->deepest) r->wanted[r->deepest = r->depth] = UNKNOWN;
    return true;
}

static void close_row(struct scan *s, struct rows *r)
{
    uint32_t *wanted = &r->wanted[r->depth], length = r->length[r->depth];
    if (*wanted == UNKNOWN) {
        *wanted = length;
    } else if (*wanted != length && !r->fault) {
        note_fault(s, r, RAGGED_LENGTHS, r->begin[r->depth]);
        r->fault_length = *wanted;
    }
    r->length[--r->depth]++;
}

/* A number at another level than the one before it. */
static bool change_leaf(struct scan *s, struct rows *r, const char *p)
{
    if (!r->leaf) r->leaf = r->depth;
    if (r->leaf != r->deepest || r->leaf != r->depth) note_fault(s, r, RAGGED_DEPTHS, p);
    if (r->depth <= MAX_NUMBERS_DEPTH) return true;
    return tp_fail(s->err, TP_INVALID_SHAPE,
                   "%s: byte %td: numbers nested %d deep; a tensor has at "
                   "most %d dimensions",
                   s->what, p - s->text, r->depth, TP_MAX_RANK);
}

/* Scans numbers and brackets from the '[' at p on. Returns the byte behind the last bracket, or the
 * first that is out of place (then r->depth > 0), or NULL with an error. *at_value: a value, not a
 * comma, was due. */
static const char *scan_rows(struct scan *s, struct rows *r, const char *p, bool *at_value)
{
    for (;;) {
        *at_value = true;
        p = skip_space(p, s->end);
        if (p < s->end && *p == '[') {
            if (!open_row(s, r, p)) return NULL;
            p = skip_space(p + 1, s->end);
            if (p == s->end || *p != ']') continue;
        } else {
            const char *behind = tp_float_skip(p, s->end);
            if (!behind) return p;
            if (r->depth != r->leaf && !change_leaf(s, r, p)) return NULL;
            r->length[r->depth]++;
            r->n_numbers++;
            p = behind;
        }
        *at_value = false;
        for (p = skip_space(p, s->end); p < s->end && *p == ']'; p = skip_space(p, s->end)) {
            close_row(s, r);
            p++;
            if (!r->depth) return p;
        }
        if (p == s->end || *p != ',') return p;
        p++;
    }
}

static bool fail_heap(struct scan *s)
{
    return tp_fail(s->err, TP_TOO_LARGE, "%s: needs more than %zu bytes of memory for %td bytes of "
                   "text; it has too many small values", s->what, s->heap_limit, s->end - s->text);
}

static bool charge(struct scan *s, size_t bytes)
{
    s->heap_bytes += bytes;
    return s->heap_bytes <= s->heap_limit || fail_heap(s);
}

static bool grow_spans(struct scan *s)
{
    struct tp_json_span *old = s->spans == s->first ? NULL : s->spans;
    struct tp_json_span *more = realloc(old, 2 * s->capacity * sizeof *more);
    if (!more) return tp_fail(s->err, TP_NO_MEMORY, "%s: out of memory", s->what);
    if (!old) memcpy(more, s->first, sizeof s->first);
    s->spans = more;
    s->capacity *= 2;
    return true;
}

/* A place for one more; NULL with an error. */
static struct tp_json_span *new_span(struct scan *s, const char *begin, const char *end)
{
    if ((size_t)s->doc->n_spans == s->capacity && !grow_spans(s)) return NULL;
    struct tp_json_span *span = &s->spans[s->doc->n_spans];
    if (!charge(s, sizeof *span)) return NULL;
    *span = (struct tp_json_span){ .begin = (uint32_t)(begin - s->text),
                                   .end = (uint32_t)(end - s->text) };
    s->doc->n_spans++;
    return span;
}

static bool add_numbers(struct scan *s, const struct rows *r, const char *begin, const char *end)
{
    struct tp_json_span *span = new_span(s, begin, end);
    if (!span) return false;
    span->n_numbers = r->n_numbers;
    span->rank = (uint8_t)r->deepest;
    span->fault = r->fault;
    span->fault_byte = r->fault_byte;
    span->fault_length = r->fault_length;
    if (span->fault || span->rank == 1) return true;

    const size_t dim_bytes = span->rank * sizeof *span->dim;
    if (!charge(s, dim_bytes)) return false;
    uint32_t *dim = tp_arena_alloc(s->arena, dim_bytes);
    if (!dim) return tp_arena_fail(s->arena, s->err);
    memcpy(dim, r->wanted + 1, dim_bytes);
    span->dim = dim;
    return true;
}

/* The spans' final place, no larger than they are. */
static bool keep_spans(struct scan *s)
{
    const size_t n = (size_t)s->doc->n_spans;
    if (!n) return true;
    s->doc->spans = tp_arena_alloc(s->arena, n * sizeof *s->spans);
    if (!s->doc->spans) return tp_arena_fail(s->arena, s->err);
    memcpy(s->doc->spans, s->spans, n * sizeof *s->spans);
    return true;
}

/* Numbers, and then at p something else. Small arrays of this kind are documents ("shape": [1,
 * null]); in large ones somebody meant a tensor, and is told where it breaks. */
static bool leave_to_jansson(struct scan *s, const struct rows *r, const char *p, bool at_value)
{
    const char *advice = at_value ? advice_for(p, s->end) : NULL;
    if (advice) return fail_at(s, p, advice);
    bool value = p < s->end && strchr("\"{tfn", *p) && *p;
    if (r->n_numbers && at_value && value && r->n_numbers > MIXED_NUMBERS)
        return tp_fail(s->err, TP_INVALID_JSON, "%s: byte %td: %s among numbers; a tensor holds "
                       "only numbers", s->what, p - s->text, found(p, s->end).text);
    if (r->n_numbers && !(at_value && value))
        return tp_fail(s->err, TP_INVALID_JSON, "%s: byte %td: %s expected, found %s", s->what,
                       p - s->text, at_value ? "a number" : "',' or ']'", found(p, s->end).text);
    s->n_mixed = r->depth;
    s->next_mixed = 0;
    for (int i = 0; i < r->depth; i++) s->mixed[i] = r->begin[i + 1];
    return true;
}

static bool enter(struct scan *s, const char *p)
{
    if (++s->depth <= MAX_DEPTH) return true;
    return fail_at(s, p, "nested deeper than 64");
}

/* The '[' at *p: cuts the array out and moves behind it, or leaves it to Jansson. No byte is
 * scanned more than twice: brackets that were open when something else than a number came are
 * remembered, all others before that place close before it. */
static bool scan_array(struct scan *s, const char **p)
{
    if (s->next_mixed == s->n_mixed || s->mixed[s->next_mixed] != *p) {
        struct rows r;
        bool at_value;
        memset(&r, 0, offsetof(struct rows, length));
        r.length[0] = 0;
        const char *behind = scan_rows(s, &r, *p, &at_value);
        if (!behind) return false;
        if (!r.depth) {
            if (r.n_numbers && !add_numbers(s, &r, *p, behind)) return false;
            *p = behind;
            return true;
        }
        if (!leave_to_jansson(s, &r, behind, at_value)) return false;
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
            fail_at(s, escape, "\\u0000 in a string; text cannot hold NUL");
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
        s->n_strings++;
        return new_span(s, begin, *p) != NULL;
    }
    if (n > s->token_bytes) s->token_bytes = n;
    return true;
}

static bool scan_document(struct scan *s)
{
    const char *p = skip_space(s->text, s->end), *token = p;
    if (p == s->end) return fail_at(s, p, "empty; a JSON document was expected");
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
        if ((size_t)(before - token) > s->token_bytes) s->token_bytes = (size_t)(before - token);
        token = p;
    }
    if ((size_t)(p - token) > s->token_bytes) s->token_bytes = (size_t)(p - token);
    return true;
}

/* ---- Jansson's memory ------------------------------------------------------------------------ */

static _Thread_local struct {
    size_t limit_bytes;              /* 0: no parse is going on, nothing is counted */
    size_t used_bytes;
    bool beyond_limit, out_of_memory;
    void *spare;
    size_t spare_bytes;
} heap;

static bool heap_refused(void) { return heap.beyond_limit || heap.out_of_memory; }

static void *heap_alloc(size_t n_bytes)
{
    if (!heap.limit_bytes) return malloc(n_bytes);
    bool fits = n_bytes <= heap.limit_bytes && heap.used_bytes <= heap.limit_bytes - n_bytes;
    void *p = fits ? malloc(n_bytes) : NULL;
    if (!p) {
        if (fits) heap.out_of_memory = true;
        else heap.beyond_limit = true;
        if (n_bytes > heap.spare_bytes) return NULL;
        p = heap.spare;
        heap.spare = NULL;
        heap.spare_bytes = 0;
    }
    heap.used_bytes += malloc_usable_size(p);
    return p;
}

static void heap_free(void *p)
{
    if (heap.limit_bytes) heap.used_bytes -= malloc_usable_size(p);
    free(p);
}

static void set_up_jansson(void)
{
    json_set_alloc_funcs(heap_alloc, heap_free);
    json_object_seed(0);
}

/* ---- what Jansson reads ---------------------------------------------------------------------- */

struct mark { char text[24]; int n_bytes; };

static struct mark mark_of(int span)
{
    struct mark m;
    m.n_bytes = snprintf(m.text, sizeof m.text, "\"\\u0000%d\"", span);
    return m;
}

struct reader {
    const struct tp_json *doc;
    size_t pos, n_bytes;             /* of the text */
    int next_span;
    struct mark mark;                /* being handed over, from mark_pos on */
    int mark_pos;
};

/* Jansson's source of bytes; 0 ends the text. */
static size_t feed(void *to, size_t room, void *ctx)
{
    struct reader *r = ctx;
    if (heap_refused() || room == 0) return 0;
    if (r->mark_pos == r->mark.n_bytes && r->next_span < r->doc->n_spans &&
        r->pos == r->doc->spans[r->next_span].begin) {
        r->pos = r->doc->spans[r->next_span].end;
        r->mark = mark_of(r->next_span++);
        r->mark_pos = 0;
    }
    if (r->mark_pos < r->mark.n_bytes) *(char *)to = r->mark.text[r->mark_pos++];
    else if (r->pos < r->n_bytes) *(char *)to = r->doc->text[r->pos++];
    else return 0;
    return 1;
}

/* The byte of the text for one of what Jansson read. */
static size_t original_byte(const struct tp_json *doc, size_t pos)
{
    size_t read = 0, text = 0;       /* the same place, in both */
    for (int i = 0; i < doc->n_spans; i++) {
        const struct tp_json_span *span = &doc->spans[i];
        size_t mark_bytes = (size_t)mark_of(i).n_bytes;
        if (pos < read + (span->begin - text)) break;
        read += span->begin - text;
        if (pos < read + mark_bytes) return span->begin;
        read += mark_bytes;
        text = span->end;
    }
    return text + (pos - read);
}

/* Jansson's complaint, with the byte where the offending token begins: it gives the byte behind,
 * and the token itself as "... near '<token>'" unless that is long. */
static bool fail_as_jansson(struct scan *s, const json_error_t *e)
{
    enum json_error_code code = json_error_code(e);
    char text[JSON_ERROR_TEXT_LENGTH];
    snprintf(text, sizeof text, "%s", e->text);
    char *near = strstr(text, " near ");
    size_t pos = (size_t)e->position, token_bytes = 0;
    if (near && near[6] == '\'' && code != json_error_invalid_utf8)
        token_bytes = strlen(near + 7) - 1;
    if (near) *near = '\0';

    pos = original_byte(s->doc, pos > token_bytes ? pos - token_bytes : 0);
    if (pos > (size_t)(s->end - s->text)) pos = (size_t)(s->end - s->text);
    const char *p = s->text + pos, *advice = token_bytes ? advice_for(p, s->end) : NULL;
    if (advice) return fail_at(s, p, advice);
    if (code == json_error_null_byte_in_key)
        return fail_at(s, p, "a key was expected, found an array of numbers");
    if (code == json_error_duplicate_key)
        return tp_fail(s->err, TP_INVALID_JSON, "%s: byte %zu: the key %.*s%s stands there twice",
                       s->what, pos, (int)token_bytes, p, token_bytes ? "" : "that ends here");
    if (strstr(text, "end of file")) snprintf(text, sizeof text, "the end expected");
    bool about_token = strstr(text, "token") || strstr(text, " expected");
    if (!about_token && code != json_error_numeric_overflow) return fail_at(s, p, text);
    return tp_fail(s->err, TP_INVALID_JSON, "%s: byte %zu: %s, found %s", s->what, pos, text,
                   found(p, s->end).text);
}

struct level { json_t *v; size_t index; void *member; };

static json_t *next_child(struct level *at)
{
    if (json_is_array(at->v)) return json_array_get(at->v, at->index++);
    json_t *child = json_object_iter_value(at->member);
    at->member = json_object_iter_next(at->v, at->member);
    return child;
}

/* Puts the strings back in place of their marks; false when memory is out. */
static bool restore_strings(const struct tp_json *doc, json_t *root)
{
    struct level stack[MAX_DEPTH];   /* as deep as the scan lets a document be */
    int depth = 0;
    for (json_t *v = root; v; ) {
        const struct tp_json_span *span = tp_json_span(doc, v);
        if (span && span->rank == 0 &&
            json_string_setn_nocheck(v, doc->text + span->begin + 1, span->end - span->begin - 2))
            return false;
        if (json_is_array(v) || json_is_object(v))
            stack[depth++] = (struct level){ v, 0, json_object_iter(v) };
        for (v = NULL; !v && depth; depth -= !v) v = next_child(&stack[depth - 1]);
    }
    return true;
}

static bool read_document(struct scan *s)
{
    struct reader r = { .doc = s->doc, .n_bytes = (size_t)(s->end - s->text) };
    json_error_t error;
    heap.spare_bytes = 2 * s->token_bytes + 64;
    heap.spare = malloc(heap.spare_bytes);
    if (!heap.spare) return tp_fail(s->err, TP_NO_MEMORY, "%s: out of memory", s->what);
    heap.beyond_limit = heap.out_of_memory = false;
    heap.used_bytes = s->heap_bytes;
    heap.limit_bytes = s->heap_limit;
    json_t *root = json_load_callback(feed, &r, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL |
                                      JSON_DECODE_ANY, &error);
    if (root && s->n_strings && !restore_strings(s->doc, root)) heap.out_of_memory = true;
    heap.limit_bytes = 0;
    free(heap.spare);

    if (root && !heap_refused()) {
        s->doc->root = root;
        return true;
    }
    json_decref(root);
    if (heap.beyond_limit) return fail_heap(s);
    if (heap.out_of_memory) return tp_fail(s->err, TP_NO_MEMORY, "%s: out of memory", s->what);
    return fail_as_jansson(s, &error);
}

/* ---- the door -------------------------------------------------------------------------------- */

bool tp_json_parse(struct tp_json *doc, const char *text, size_t n_bytes, struct tp_arena *arena,
                   const char *what, struct tp_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct scan s;
    memset(&s, 0, sizeof s);
    *doc = (struct tp_json){ .text = text };
    if (n_bytes >= UINT32_MAX)
        return tp_fail(err, TP_TOO_LARGE, "%s: %zu bytes of JSON; at most 4 GiB are read", what,
                       n_bytes);
    pthread_once(&once, set_up_jansson);
    s.doc = doc;
    s.arena = arena;
    s.err = err;
    s.what = what;
    s.text = text;
    s.end = text + n_bytes;
    s.heap_limit = heap_limit(n_bytes);
    s.spans = s.first;
    s.capacity = FIRST_SPANS;
    bool ok = scan_document(&s) && keep_spans(&s);
    if (s.spans != s.first) free(s.spans);
    return ok && read_document(&s);
}

void tp_json_fini(struct tp_json *doc)
{
    json_decref(doc->root);
    doc->root = NULL;
}

const struct tp_json_span *tp_json_span(const struct tp_json *doc, const json_t *v)
{
    const char *mark = json_string_value(v);
    size_t n = json_string_length(v);
    int index = 0;
    if (!mark || n < 2 || n > 11 || mark[0] != '\0') return NULL;
    for (size_t i = 1; i < n; i++) {
        if (mark[i] < '0' || mark[i] > '9' || index > (doc->n_spans - 1) / 10) return NULL;
        index = 10 * index + (mark[i] - '0');
    }
    return index < doc->n_spans ? &doc->spans[index] : NULL;
}

int64_t tp_json_span_count(const struct tp_json_span *span)
{
    return span->n_numbers;
}

bool tp_json_span_shape(const struct tp_json *doc, const struct tp_json_span *span,
                        const char *where, struct tp_shape *shape, struct tp_err *err)
{
    if (span->fault == RAGGED_LENGTHS)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: ragged: the array at byte %u has another length "
                       "than the one before it, %u", where, span->fault_byte, span->fault_length);
    if (span->fault == RAGGED_DEPTHS)
        return tp_fail(err, TP_INVALID_SHAPE,
                       "%s: ragged: %s at byte %u where its neighbours are %s", where,
                       doc->text[span->fault_byte] == '[' ? "an array" : "a number",
                       span->fault_byte, doc->text[span->fault_byte] == '[' ? "numbers" : "arrays");
    if (span->rank > TP_MAX_RANK)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: byte %u: %d dimensions; at most %d are possible",
                       where, span->begin, span->rank, TP_MAX_RANK);
    *shape = (struct tp_shape){ .rank = span->rank };
    for (int i = 0; i < span->rank; i++) shape->dim[i] = span->dim ? span->dim[i] : span->n_numbers;
    return true;
}

bool tp_json_span_floats(const struct tp_json *doc, const struct tp_json_span *span,
                         const char *where, float *out, struct tp_err *err)
{
    const char *p = doc->text + span->begin, *end = doc->text + span->end;
    for (uint32_t i = 0; i < span->n_numbers; i++) {
        while (*p != '-' && (unsigned)(*p - '0') > 9) p++;
        const char *number = p;
        p = tp_float_read(p, end, &out[i]);
        if (isinf(out[i]))
            return tp_fail(err, TP_INVALID_JSON,
                           "%s: byte %td: %s is beyond float32, whose largest is "
                           "3.4028235e38",
                           where, number - doc->text, found(number, end).text);
    }
    return true;
}

/* The integer at p; the byte behind it, or NULL when it is none. */
static const char *read_int(const char *p, const char *end, int64_t *out)
{
    bool negative = *p == '-';
    int64_t x = 0;
    for (p += negative; p < end && (unsigned)(*p - '0') < 10; p++) {
        int digit = *p - '0';
        if (__builtin_mul_overflow(x, 10, &x) ||
            __builtin_add_overflow(x, negative ? -digit : digit, &x)) return NULL;
    }
    *out = x;
    return *p == '.' || *p == 'e' || *p == 'E' ? NULL : p;
}

bool tp_json_ints(const struct tp_json *doc, const json_t *v, const char *where, int64_t *out,
                  int max, int *n, struct tp_err *err)
{
    *n = 0;
    if (json_is_array(v) && json_array_size(v) == 0) return true;
    const struct tp_json_span *span = tp_json_span(doc, v);
    if (!span)
        return tp_fail(err, TP_INVALID_JSON, "%s: an array of integers was expected, got %s", where,
                       tp_json_kind(doc, v));
    if (span->rank > 1)
        return tp_fail(err, TP_INVALID_JSON,
                       "%s: a flat array of integers was expected, got nested "
                       "arrays",
                       where);
    if (span->n_numbers > (uint32_t)(max < 0 ? 0 : max))
        return tp_fail(err, TP_INVALID_JSON, "%s: at most %d integers are possible, got %u", where,
                       max, span->n_numbers);
    const char *p = doc->text + span->begin, *end = doc->text + span->end;
    for (uint32_t i = 0; i < span->n_numbers; i++) {
        while (*p != '-' && (unsigned)(*p - '0') > 9) p++;
        const char *number = p;
        p = read_int(p, end, &out[i]);
        if (!p)
            return tp_fail(err, TP_INVALID_JSON, "%s: byte %td: %s is not an integer of 64 bits",
                           where, number - doc->text, found(number, end).text);
    }
    *n = (int)span->n_numbers;
    return true;
}

static const char *array_kind(const struct tp_json *doc, const json_t *array)
{
    size_t i;
    json_t *v;
    if (json_array_size(array) == 0) return "an empty array";
    json_array_foreach(array, i, v) {
        if (json_is_null(v)) return "an array that holds null";
        if (json_is_boolean(v)) return "an array that holds a boolean";
        if (json_is_object(v)) return "an array that holds an object";
        if (json_is_string(v) && !tp_json_span(doc, v)) return "an array that holds a string";
    }
    return "an array of arrays";
}

const char *tp_json_kind(const struct tp_json *doc, const json_t *v)
{
    if (!v) return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return array_kind(doc, v);
    case JSON_STRING: return tp_json_span(doc, v) ? "an array of numbers" : "a string";
    case JSON_INTEGER: case JSON_REAL: return "a number";
    case JSON_TRUE: case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    }
    return "nothing";
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at p, which ends with a NUL; 0 when it is not one (RFC 3629). */
static int utf8_length(const unsigned char *p)
{
    if (*p < 0x80) return 1;
    int n = 0;
    if (*p >= 0xC2 && *p < 0xE0) n = 2;
    else if (*p >= 0xE0 && *p < 0xF0) n = 3;
    else if (*p >= 0xF0 && *p < 0xF5) n = 4;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    bool overlong = (*p == 0xE0 && p[1] < 0xA0) || (*p == 0xF0 && p[1] < 0x90);
    bool surrogate = *p == 0xED && p[1] > 0x9F;
    bool beyond = *p == 0xF4 && p[1] > 0x8F;
    return overlong || surrogate || beyond ? 0 : n;
}

void tp_json_quote(struct tp_buf *b, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    tp_buf_bytes(b, "\"", 1);
    while (*p) {
        const unsigned char *plain = p;
        while (*p >= ' ' && *p != '"' && *p != '\\' && *p < 0x80) p++;
        tp_buf_bytes(b, plain, (size_t)(p - plain));
        if (!*p) break;
        int n = utf8_length(p);
        if (n > 1) tp_buf_bytes(b, p, (size_t)n);
        else if (n == 0) tp_buf_text(b, "\xEF\xBF\xBD");
        else if (*p == '"' || *p == '\\') tp_buf_printf(b, "\\%c", *p);
        else if (*p == '\n') tp_buf_text(b, "\\n");
        else if (*p == '\t') tp_buf_text(b, "\\t");
        else if (*p == '\r') tp_buf_text(b, "\\r");
        else tp_buf_printf(b, "\\u%04x", *p);
        p += n ? n : 1;
    }
    tp_buf_bytes(b, "\"", 1);
}

const char *tp_json_library(void) { return jansson_version_str(); }
