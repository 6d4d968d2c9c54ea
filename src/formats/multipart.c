/* multipart.c - multipart/form-data bodies (RFC 7578, RFC 2046 section 5.1) that are in memory
 * whole. */
#include "formats/multipart.h"

#include <string.h>
#include <strings.h>

enum { MAX_BOUNDARY = 70, MAX_HEADER_BYTES = 8 << 10 };

struct text { const char *p, *end; };

struct parser {
    struct text rest;                /* of the body */
    char mark[MAX_BOUNDARY + 5];     /* CR LF "--" boundary */
    size_t mark_bytes;
    struct tp_arena *arena;
    struct tp_err *err;
};

/* ---- header fields with parameters: form-data; name="a"; filename="b \"c\".png" -------------- */

static void skip_blanks(struct text *t)
{
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\t')) t->p++;
}

/* Takes everything up to one of `stops`; blanks around it are left out. */
static struct text take_until(struct text *t, const char *stops)
{
    skip_blanks(t);
    struct text word = { t->p, t->p };
    while (t->p < t->end && (!*t->p || !strchr(stops, *t->p))) t->p++;
    word.end = t->p;
    while (word.end > word.p && (word.end[-1] == ' ' || word.end[-1] == '\t')) word.end--;
    return word;
}

static bool is(struct text t, const char *name)
{
    return (size_t)(t.end - t.p) == strlen(name) && !strncasecmp(t.p, name, strlen(name));
}

/* A quoted string behind its first quote, copied to `to` (as long as *t; NULL: only passed).
 * Browsers write %22 for a quote, others \"; a backslash in front of anything else is one (Windows
 * paths). */
static bool take_quoted(struct text *t, char *to)
{
    for (; t->p < t->end && *t->p != '"'; t->p++) {
        if (*t->p == '\\' && t->end - t->p > 1 && (t->p[1] == '"' || t->p[1] == '\\')) t->p++;
        if (to) *to++ = *t->p;
    }
    if (t->p == t->end) return false;
    if (to) *to = '\0';
    t->p++;
    return true;
}

/* One parameter's value, into `to` as above. */
static bool take_value(struct text *t, char *to)
{
    skip_blanks(t);
    if (t->p < t->end && *t->p == '"') {
        t->p++;
        return take_quoted(t, to);
    }
    struct text word = take_until(t, ";");
    if (to) {
        memcpy(to, word.p, (size_t)(word.end - word.p));
        to[word.end - word.p] = '\0';
    }
    return true;
}

/* The value of parameter `name` of a field, NUL-terminated in the arena; *out stays as it is when
 * there is none. */
static bool parameter(const struct parser *ps, struct text field, const char *name,
                      const char **out)
{
    take_until(&field, ";");
    while (field.p < field.end) {
        field.p++;
        struct text key = take_until(&field, "=;");
        if (field.p == field.end || *field.p == ';') continue;
        field.p++;
        const bool wanted = is(key, name);
        char *value = wanted ? tp_arena_alloc(ps->arena, (size_t)(field.end - field.p) + 1) : NULL;
        if (wanted && !value) return tp_arena_fail(ps->arena, ps->err);
        if (!take_value(&field, value))
            return tp_fail(ps->err, TP_INVALID_ARGUMENT, "multipart: a quote is not closed");
        if (wanted) {
            *out = value;
            return true;
        }
        take_until(&field, ";");
    }
    return true;
}

static bool read_boundary(struct parser *ps, const char *content_type)
{
    struct text field = { content_type, content_type + strlen(content_type) }, rest = field;
    const char *boundary = NULL;
    if (!is(take_until(&rest, ";"), "multipart/form-data"))
        return tp_fail(ps->err, TP_UNSUPPORTED_FORMAT,
                       "multipart: Content-Type %.60s; multipart/form-data "
                       "is read",
                       content_type);
    if (!parameter(ps, field, "boundary", &boundary)) return false;
    if (!boundary)
        return tp_fail(ps->err, TP_INVALID_ARGUMENT,
                       "multipart: the Content-Type names no boundary; let "
                       "the client set it");
    size_t n = strlen(boundary);
    if (n < 1 || n > MAX_BOUNDARY)
        return tp_fail(ps->err, TP_INVALID_ARGUMENT,
                       "multipart: a boundary of %zu characters; 1 to %d "
                       "are possible",
                       n, MAX_BOUNDARY);
    memcpy(ps->mark, "\r\n--", 4);
    memcpy(ps->mark + 4, boundary, n);
    ps->mark_bytes = n + 4;
    return true;
}

/* ---- the body -------------------------------------------------------------------------------- */

/* Whether a boundary that ends at p is the whole of its line: blanks, then CR LF, or "--". */
static bool ends_line(const char *p, const char *end)
{
    if (end - p >= 2 && p[0] == '-' && p[1] == '-') return true;
    struct text t = { p, end };
    skip_blanks(&t);
    return t.end - t.p >= 2 && t.p[0] == '\r' && t.p[1] == '\n';
}

/* The next boundary line at or behind p: where its CR LF stands, or NULL. memmem() is linear; the
 * blanks looked at behind a find cannot hold another boundary. */
static const char *find_mark(const struct parser *ps, const char *p)
{
    while ((p = memmem(p, (size_t)(ps->rest.end - p), ps->mark, ps->mark_bytes))) {
        if (ends_line(p + ps->mark_bytes, ps->rest.end)) return p;
        p += ps->mark_bytes;
    }
    return NULL;
}

/* Moves from the end of a boundary to that of its line; *last when it is the closing one. */
static void pass_line(struct parser *ps, const char *p, bool *last)
{
    ps->rest.p = p;
    *last = ps->rest.end - ps->rest.p >= 2 && ps->rest.p[0] == '-' && ps->rest.p[1] == '-';
    if (*last) return;
    skip_blanks(&ps->rest);
    ps->rest.p += 2;
}

/* The body's first boundary: at its very start, or behind a preamble. */
static bool find_first(struct parser *ps, bool *last)
{
    const size_t n = ps->mark_bytes - 2;
    const char *p = ps->rest.p, *end = ps->rest.end;
    if ((size_t)(end - p) >= n && !memcmp(p, ps->mark + 2, n) && ends_line(p + n, end)) {
        pass_line(ps, p + n, last);
        return true;
    }
    const char *mark = find_mark(ps, p);
    if (!mark)
        return tp_fail(ps->err, TP_INVALID_ARGUMENT,
                       "multipart: the body has no line --%s, which its "
                       "Content-Type names as boundary",
                       ps->mark + 4);
    pass_line(ps, mark + ps->mark_bytes, last);
    return true;
}

static bool read_field(const struct parser *ps, struct text line, struct tp_part *part, bool *found)
{
    if (memchr(line.p, '\0', (size_t)(line.end - line.p)))
        return tp_fail(ps->err, TP_INVALID_ARGUMENT, "multipart: a NUL in a header line");
    struct text name = take_until(&line, ":");
    if (line.p == line.end)
        return tp_fail(ps->err, TP_INVALID_ARGUMENT, "multipart: a header line without a colon");
    line.p++;
    if (is(name, "Content-Disposition")) {
        struct text rest = line;
        *found = is(take_until(&rest, ";"), "form-data");
        return parameter(ps, line, "name", &part->name) &&
               parameter(ps, line, "filename", &part->filename);
    }
    if (is(name, "Content-Type")) {
        struct text value = take_until(&line, "");
        part->content_type = tp_arena_strndup(ps->arena, value.p, (size_t)(value.end - value.p));
        if (!part->content_type) return tp_arena_fail(ps->arena, ps->err);
    }
    return true;
}

/* Reads header lines up to the empty one. */
static bool read_headers(struct parser *ps, const char *end, struct tp_part *part, int index)
{
    const char *const begin = ps->rest.p;
    bool found = false;
    for (;;) {
        size_t room = (size_t)(end - ps->rest.p);
        if (room > MAX_HEADER_BYTES) room = MAX_HEADER_BYTES;
        const char *line_end = memmem(ps->rest.p, room, "\r\n", 2);
        if (!line_end || line_end - begin > MAX_HEADER_BYTES)
            return tp_fail(ps->err, TP_INVALID_ARGUMENT,
                           "multipart: the headers of part %d do not end "
                           "with an empty line within %d bytes",
                           index, MAX_HEADER_BYTES);
        struct text line = { ps->rest.p, line_end };
        ps->rest.p = line_end + 2;
        if (line.p == line.end) break;
        if (!read_field(ps, line, part, &found)) return tp_fail_in(ps->err, "part %d", index);
    }
    if (!found)
        return tp_fail(ps->err, TP_INVALID_ARGUMENT,
                       "multipart: part %d has no \"Content-Disposition: "
                       "form-data; name=...\"",
                       index);
    if (!part->name) part->name = "";
    return true;
}

/* One part, up to the boundary behind it, whose CR LF may at once be the headers' empty line. */
static bool read_part(struct parser *ps, struct tp_part *part, int index, bool *last)
{
    const char *mark = find_mark(ps, ps->rest.p);
    if (!mark)
        return tp_fail(ps->err, TP_INVALID_ARGUMENT,
                       "multipart: part %d is cut off: no boundary follows", index);
    if (!read_headers(ps, mark + 2, part, index)) return false;
    const char *data = ps->rest.p;
    part->data = (const uint8_t *)data;
    part->n_bytes = data < mark ? (size_t)(mark - data) : 0;
    pass_line(ps, mark + ps->mark_bytes, last);
    return true;
}

bool tp_multipart_parse(struct tp_part **parts, int *n_parts, const char *content_type,
                        const void *body, size_t n_bytes, int max_parts, struct tp_arena *arena,
                        struct tp_err *err)
{
    struct parser ps = { .rest = { body, (const char *)body + n_bytes },
                         .arena = arena,
                         .err = err };
    int n = 0, capacity = 0;
    bool last = false;
    *parts = NULL;
    if (!read_boundary(&ps, content_type) || !find_first(&ps, &last)) return false;
    while (!last) {
        if (n == max_parts)
            return tp_fail(err, TP_TOO_LARGE, "multipart: more than %d parts", max_parts);
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 8;
            struct tp_part *more = tp_arena_zalloc(arena, (size_t)capacity, sizeof *more);
            if (!more) return tp_arena_fail(arena, err);
            if (n) memcpy(more, *parts, (size_t)n * sizeof *more);
            *parts = more;
        }
        if (!read_part(&ps, &(*parts)[n], n, &last)) return false;
        n++;
    }
    *n_parts = n;
    return true;
}
