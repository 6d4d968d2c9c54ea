/* json_scan.h - the first reader of a JSON document: finds what is cut out before Jansson reads it.
 */
#ifndef TP_JSON_SCAN_H
#define TP_JSON_SCAN_H

#include "base/arena.h"

enum { TP_JSON_MAX_DEPTH = 64 };

enum tp_json_fault { TP_JSON_SOUND, TP_JSON_RAGGED_LENGTHS, TP_JSON_RAGGED_DEPTHS };

/* What was cut out: numbers, or (rank 0) a plain string with its quotes. Small, since there may be
 * many. */
struct tp_json_span {
    uint32_t begin, end;             /* in the text: its '[' and the byte behind its ']' */
    uint32_t n_numbers;
    uint8_t rank, fault;
    const uint32_t *dim;             /* [rank]; NULL when that is [n_numbers], or with a fault */
    const float *values;             /* [n_numbers]; NULL: there was no room for them */
    uint32_t beyond_byte;            /* of the first that float32 cannot hold; 0: none, or not
                                        looked for (no values) */
    uint32_t fault_byte;
    uint32_t fault_length;           /* RAGGED_LENGTHS: that of the array before it */
};

struct tp_json_scan {
    /* what to scan, set by the caller: */
    const char *what;                /* the document's name in messages */
    const char *text, *end;          /* less than 4 GiB */
    struct tp_arena *arena;          /* for the spans and their numbers */
    int n_threads;                   /* that may be used */
    struct tp_err *err;
    size_t heap_limit;               /* bytes that the spans and Jansson may take together */
    /* what was found: */
    struct tp_json_span *spans;      /* in the order of the text */
    int n_spans, n_strings;          /* all; those that are strings */
    size_t heap_bytes;               /* the spans' own, and their numbers' */
    size_t token_bytes;              /* no token outside of the spans is longer */
};

/* Scans the whole text. Arrays of nothing but numbers become spans, converted, as do long strings
 * that stand for themselves byte by byte and are no keys. False when the text is no JSON in a way
 * that Jansson could not see or tell as well; all other judgement is left to Jansson. */
bool tp_json_scan_run(struct tp_json_scan *s) TP_MUST_USE;

/* What to say about text at p that is often meant as JSON and is not (NaN, None, ...), or NULL. */
const char *tp_json_scan_advice(const char *p, const char *end);

/* What stands at p, in words: "a string", "'tru'", "the end". */
struct tp_json_found { char text[32]; };
struct tp_json_found tp_json_scan_found(const char *p, const char *end);

/* "<what>: byte N: <wrong>". Always false. */
bool tp_json_scan_fail(const struct tp_json_scan *s, const char *p, const char *wrong);

/* More than heap_limit was needed. Always false. */
bool tp_json_scan_fail_heap(const struct tp_json_scan *s);

#endif
