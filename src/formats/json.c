/* json.c - JSON documents with tensors in them: Jansson behind its door.
 *
 * A document goes through two readers. json_scan.c scans it once, converts the arrays of numbers,
 * cuts them out and refuses what only it can see. Jansson then reads the rest through feed(), which
 * puts a mark where something was cut. Jansson's memory is counted by heap_alloc(), which refuses
 * beyond the budget.
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

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/utf8.h"
#include "formats/float_read.h"
#include "formats/json_scan.h"
#include "formats/libraries.h"
#include "ops/parallel.h"

/* What Jansson, the spans and their numbers may take. Measured: pipelines and safetensors headers,
 * written without blanks, need 9 to 15 bytes for a byte of text; {},{},... 77, [],[],... 45,
 * 1,1,... 20. Tensors need 0.4, and 2 where all their numbers have one digit. */
enum {
    HEAP_FLOOR_BYTES = 8 << 20,
    HEAP_STEP_BYTES = 64 << 10,
    TRIM_FROM_BYTES = 4 << 20,       /* a document of that, in pieces, leaves holes behind */
    HEAP_FACTOR = 10,
    HEAP_FACTOR_SMALL = 16,
    SMALL_BYTES = 1 << 20,
};

static size_t heap_limit(size_t n_bytes)
{
    const size_t small = HEAP_FACTOR_SMALL * (n_bytes < SMALL_BYTES ? n_bytes : SMALL_BYTES);
    size_t limit = HEAP_FACTOR * n_bytes;
    if (limit < small) limit = small;
    return limit < HEAP_FLOOR_BYTES ? HEAP_FLOOR_BYTES : limit;
}

/* ---- Jansson's memory ------------------------------------------------------------------------ */

static _Thread_local struct {
    size_t limit_bytes;              /* 0: no parse is going on, nothing is counted */
    size_t used_bytes, most_bytes;   /* now, and ever */
    struct tp_arena *arena;          /* on whose account, in steps */
    size_t charged_bytes;
    bool beyond_limit, out_of_memory;
    void *spare;
    size_t spare_bytes;
} heap;

static bool heap_refused(void) { return heap.beyond_limit || heap.out_of_memory; }

/* Only where requests share a budget: other arenas have limits for what is in them. */
static bool heap_charge(size_t n_bytes)
{
    if (!heap.arena->share || heap.used_bytes + n_bytes <= heap.charged_bytes) return true;
    const size_t step = n_bytes > HEAP_STEP_BYTES ? n_bytes : HEAP_STEP_BYTES;
    if (!tp_arena_charge(heap.arena, step)) return false;
    heap.charged_bytes += step;
    return true;
}

static void *heap_alloc(size_t n_bytes)
{
    if (!heap.limit_bytes) return malloc(n_bytes);
    bool fits = n_bytes <= heap.limit_bytes && heap.used_bytes <= heap.limit_bytes - n_bytes;
    void *p = fits && heap_charge(n_bytes) ? malloc(n_bytes) : NULL;
    if (!p) {
        if (fits) heap.out_of_memory = true;
        else heap.beyond_limit = true;
        if (n_bytes > heap.spare_bytes) return NULL;
        p = heap.spare;
        heap.spare = NULL;
        heap.spare_bytes = 0;
    }
    heap.used_bytes += malloc_usable_size(p);
    if (heap.used_bytes > heap.most_bytes) heap.most_bytes = heap.used_bytes;
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
    const struct tp_json_scan *scan;
    const char *p;                   /* in the text */
    int next_span;
    struct mark mark;                /* being handed over, from mark_pos on */
    int mark_pos;
};

/* Jansson's source of bytes; 0 ends the text. */
static size_t feed(void *to, size_t room, void *ctx)
{
    struct reader *r = ctx;
    if (heap_refused() || room == 0) return 0;
    const struct tp_json_scan *s = r->scan;
    if (r->mark_pos == r->mark.n_bytes && r->next_span < s->n_spans &&
        r->p == s->text + s->spans[r->next_span].begin) {
        r->p = s->text + s->spans[r->next_span].end;
        r->mark = mark_of(r->next_span++);
        r->mark_pos = 0;
    }
    if (r->mark_pos < r->mark.n_bytes) *(char *)to = r->mark.text[r->mark_pos++];
    else if (r->p < s->end) *(char *)to = *r->p++;
    else return 0;
    return 1;
}

/* The byte of the text for one of what Jansson read. */
static size_t original_byte(const struct tp_json_scan *doc, size_t pos)
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
static bool fail_as_jansson(const struct tp_json_scan *s, const json_error_t *e)
{
    enum json_error_code code = json_error_code(e);
    char text[JSON_ERROR_TEXT_LENGTH];
    snprintf(text, sizeof text, "%s", e->text);
    char *near = strstr(text, " near ");
    size_t pos = (size_t)e->position, token_bytes = 0;
    if (near && near[6] == '\'' && code != json_error_invalid_utf8)
        token_bytes = strlen(near + 7) - 1;
    if (near) *near = '\0';

    pos = original_byte(s, pos > token_bytes ? pos - token_bytes : 0);
    if (pos > (size_t)(s->end - s->text)) pos = (size_t)(s->end - s->text);
    const char *p = s->text + pos, *advice = token_bytes ? tp_json_scan_advice(p, s->end) : NULL;
    if (advice) return tp_json_scan_fail(s, p, advice);
    if (code == json_error_null_byte_in_key)
        return tp_json_scan_fail(s, p, "a key was expected, found an array of numbers");
    if (code == json_error_duplicate_key)
        return tp_fail(s->err, TP_INVALID_JSON, "%s: byte %zu: the key %.*s%s stands there twice",
                       s->what, pos, (int)token_bytes, p, token_bytes ? "" : "that ends here");
    if (strstr(text, "end of file")) snprintf(text, sizeof text, "the end expected");
    bool about_token = strstr(text, "token") || strstr(text, " expected");
    if (!about_token && code != json_error_numeric_overflow) return tp_json_scan_fail(s, p, text);
    return tp_fail(s->err, TP_INVALID_JSON, "%s: byte %zu: %s, found %s", s->what, pos, text,
                   tp_json_scan_found(p, s->end).text);
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
    struct level stack[TP_JSON_MAX_DEPTH];   /* as deep as the scan lets a document be */
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

/* Gives a large one's memory back to the system, not just to the allocator. */
static void let_go(json_t *root, size_t n_bytes)
{
    json_decref(root);
    if (n_bytes >= TRIM_FROM_BYTES) tp_heap_trim();
}

/* Reads what the scan left over, into doc->root. */
static bool read_document(const struct tp_json_scan *s, struct tp_json *doc)
{
    struct reader r = { .scan = s, .p = s->text };
    json_error_t error;
    heap.spare_bytes = 2 * s->token_bytes + 64;
    heap.spare = malloc(heap.spare_bytes);
    if (!heap.spare) return tp_fail(s->err, TP_NO_MEMORY, "%s: out of memory", s->what);
    heap.beyond_limit = heap.out_of_memory = false;
    heap.arena = s->arena;
    heap.used_bytes = heap.most_bytes = heap.charged_bytes = s->heap_bytes;
    heap.limit_bytes = s->heap_limit;
    json_t *root = json_load_callback(feed, &r, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL |
                                      JSON_DECODE_ANY, &error);
    if (root && s->n_strings && !restore_strings(doc, root)) heap.out_of_memory = true;
    heap.limit_bytes = 0;
    free(heap.spare);

    if (root && !heap_refused()) {
        doc->root = root;
        doc->heap_bytes = heap.used_bytes - s->heap_bytes;
        return true;
    }
    let_go(root, heap_refused() ? heap.most_bytes : 0);
    if (heap.beyond_limit) return tp_json_scan_fail_heap(s);
    if (heap.out_of_memory && s->arena->share) return tp_arena_fail(s->arena, s->err);
    if (heap.out_of_memory) return tp_fail(s->err, TP_NO_MEMORY, "%s: out of memory", s->what);
    return fail_as_jansson(s, &error);
}

/* ---- the door -------------------------------------------------------------------------------- */

bool tp_json_parse(struct tp_json *doc, const char *text, size_t n_bytes, struct tp_arena *arena,
                   const char *what, int n_threads, struct tp_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct tp_json_scan s = { .what = what, .text = text, .end = text + n_bytes, .arena = arena,
                              .err = err, .n_threads = n_threads < 1 ? 1 : n_threads,
                              .heap_limit = heap_limit(n_bytes) };
    *doc = (struct tp_json){ .text = text, .n_threads = s.n_threads };
    if (n_bytes >= UINT32_MAX)
        return tp_fail(err, TP_TOO_LARGE, "%s: %zu bytes of JSON; at most 4 GiB are read", what,
                       n_bytes);
    pthread_once(&once, set_up_jansson);
    if (!tp_json_scan_run(&s)) return false;
    doc->spans = s.spans;
    doc->n_spans = s.n_spans;
    return read_document(&s, doc);
}

void tp_json_fini(struct tp_json *doc)
{
    let_go(doc->root, doc->heap_bytes);
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
    if (span->fault == TP_JSON_RAGGED_LENGTHS)
        return tp_fail(err, TP_INVALID_SHAPE, "%s: ragged: the array at byte %u has another length "
                       "than the one before it, %u", where, span->fault_byte, span->fault_length);
    if (span->fault == TP_JSON_RAGGED_DEPTHS)
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

struct copy { float *to; const float *from; };

static void copy_floats(const void *ctx, int64_t begin, int64_t end)
{
    const struct copy *c = ctx;
    memcpy(c->to + begin, c->from + begin, (size_t)(end - begin) * sizeof *c->to);
}

static bool fail_beyond(const struct tp_json *doc, const struct tp_json_span *span,
                        const char *where, const char *number, struct tp_err *err)
{
    return tp_fail(err, TP_INVALID_JSON,
                   "%s: byte %td: %s is beyond float32, whose largest is 3.4028235e38", where,
                   number - doc->text, tp_json_scan_found(number, doc->text + span->end).text);
}

bool tp_json_span_floats(const struct tp_json *doc, const struct tp_json_span *span,
                         const char *where, float *out, struct tp_err *err)
{
    if (span->beyond_byte)
        return fail_beyond(doc, span, where, doc->text + span->beyond_byte, err);
    if (span->values) {
        const struct copy copy = { out, span->values };
        tp_parallel_for(doc->n_threads, span->n_numbers, 4 * (int64_t)span->n_numbers, copy_floats,
                        &copy);
        return true;
    }
    const char *p = doc->text + span->begin, *end = doc->text + span->end;
    for (uint32_t i = 0; i < span->n_numbers; i++) {
        while (*p != '-' && (unsigned)(*p - '0') > 9) p++;
        const char *number = p;
        p = tp_float_read(p, end, &out[i]);
        if (isinf(out[i])) return fail_beyond(doc, span, where, number, err);
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
                           where, number - doc->text, tp_json_scan_found(number, end).text);
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

void tp_json_quote(struct tp_buf *b, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    tp_buf_bytes(b, "\"", 1);
    while (*p) {
        const unsigned char *plain = p;
        while (*p >= ' ' && *p != '"' && *p != '\\' && *p < 0x80) p++;
        tp_buf_bytes(b, plain, (size_t)(p - plain));
        if (!*p) break;
        const size_t n = tp_utf8_bytes((const char *)p, SIZE_MAX);
        if (n > 1) tp_buf_bytes(b, p, n);
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
