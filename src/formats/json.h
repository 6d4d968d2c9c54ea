/* json.h - JSON documents with tensors in them, and the one door to Jansson.
 *
 * Jansson reads documents; it does not see numbers in bulk. tp_json_parse() scans the text once:
 * every array made only of numbers (nested or not) is checked on the spot (JSON's number grammar,
 * raggedness), converted and cut out; Jansson gets the rest with a mark in its place. So a tensor
 * costs 4 bytes a number (Jansson alone: 20 to 77 bytes of heap for a byte of hostile text), and
 * duplicate keys, bad UTF-8, depth and trailing bytes are still Jansson's to judge. The mark is a
 * string that begins with U+0000, which no client can write: the scan refuses it in what it is
 * given. */
#ifndef TP_JSON_H
#define TP_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/tensor.h"

struct tp_json_span;                 /* one array of numbers in the text */

struct tp_json {
    json_t *root;
    size_t heap_bytes;               /* that root takes */
    const char *text;                /* the caller's; must outlive this */
    struct tp_json_span *spans;      /* in the order of the text, in the arena */
    int n_spans;
    int n_threads;                   /* that converting may use */
};

/* Parses one document. `arena` holds the spans and their numbers. `what` names the document in
 * messages ("body", "pipeline"). Large arrays of numbers are read by up to n_threads threads (below
 * 2: by the caller's). Positions in messages are bytes of `text`, counted from 0. Fails on trailing
 * bytes, duplicate keys, nesting deeper than 64 (arrays of numbers: TP_MAX_RANK + 1), and when more
 * than 10 bytes of heap would be needed for a byte of text (but 8 MiB are always granted, and 16
 * bytes for one up to 16 MiB). */
bool tp_json_parse(struct tp_json *doc, const char *text, size_t n_bytes, struct tp_arena *arena,
                   const char *what, int n_threads, struct tp_err *err) TP_MUST_USE;
void tp_json_fini(struct tp_json *doc);

/* The array of numbers that v stands for, or NULL when v is something else (an array that holds
 * anything but numbers, an empty array, an object, ...). */
const struct tp_json_span *tp_json_span(const struct tp_json *doc, const json_t *v);

/* Its shape by nesting. Fails when ragged or deeper than TP_MAX_RANK; `where` starts the message
 * ("tensor", "conv: kernel") and the message names the byte. */
bool tp_json_span_shape(const struct tp_json *doc, const struct tp_json_span *span,
                        const char *where, struct tp_shape *shape, struct tp_err *err) TP_MUST_USE;

/* How many numbers it holds. */
int64_t tp_json_span_count(const struct tp_json_span *span);

/* All its numbers, in order, correctly rounded. Fails where float32 cannot hold one (1e39: the
 * message names the first and its byte); too small ones are 0. out: tp_json_span_count(). */
bool tp_json_span_floats(const struct tp_json *doc, const struct tp_json_span *span,
                         const char *where, float *out, struct tp_err *err) TP_MUST_USE;

/* A flat array of 0 to max integers ("[3, 3]"); fails on fractions and on what int64 cannot hold.
 */
bool tp_json_ints(const struct tp_json *doc, const json_t *v, const char *where, int64_t *out,
                  int max, int *n, struct tp_err *err) TP_MUST_USE;

/* "an object", "a string", ...: for "expected a number, got a string". */
const char *tp_json_kind(const struct tp_json *doc, const json_t *v);

/* Appends text as a JSON string, quoted and escaped; invalid UTF-8 becomes U+FFFD. */
struct tp_buf;
void tp_json_quote(struct tp_buf *b, const char *text);

#endif
