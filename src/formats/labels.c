/* labels.c - labels.txt: what the numbers of a classifier's output stand for. */
#include "formats/labels.h"

#include <string.h>

#include "base/utf8.h"

enum { MOST_LABELS = 1 << 20, MOST_BYTES = 16 << 20 };

static bool check_text(const char *text, size_t n_bytes, struct tp_err *err)
{
    int line = 1;
    for (size_t i = 0; i < n_bytes;) {
        const size_t n = tp_utf8_bytes(text + i, n_bytes - i);
        if (!n || !text[i])
            return tp_fail(err, TP_INVALID_MODEL, "line %d: is not UTF-8", line);
        line += text[i] == '\n';
        i += n;
    }
    return true;
}

bool tp_labels_parse(struct tp_model *m, const char *text, size_t n_bytes, struct tp_err *err)
{
    if (n_bytes > MOST_BYTES)
        return tp_fail(err, TP_TOO_LARGE, "%zu bytes; at most %d are read", n_bytes,
                       (int)MOST_BYTES);
    if (!check_text(text, n_bytes, err)) return false;
    while (n_bytes && strchr("\r\n", text[n_bytes - 1])) n_bytes--;
    size_t n_lines = n_bytes > 0;
    for (size_t i = 0; i < n_bytes; i++) n_lines += text[i] == '\n';
    if (n_lines > MOST_LABELS)
        return tp_fail(err, TP_TOO_LARGE, "%zu labels; at most %d are possible", n_lines,
                       (int)MOST_LABELS);
    const char **labels = tp_arena_zalloc(&m->arena, n_lines + 1, sizeof *labels);
    if (!labels) return tp_arena_fail(&m->arena, err);
    size_t at = 0;
    for (size_t i = 0; i < n_lines; i++) {
        const char *end = memchr(text + at, '\n', n_bytes - at);
        size_t length = end ? (size_t)(end - text) - at : n_bytes - at;
        const size_t next = at + length + 1;
        if (length && text[at + length - 1] == '\r') length--;
        labels[i] = tp_arena_strndup(&m->arena, text + at, length);
        if (!labels[i]) return tp_arena_fail(&m->arena, err);
        at = next;
    }
    m->labels = labels;
    m->n_labels = (int)n_lines;
    return true;
}
