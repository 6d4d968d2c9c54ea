/* negotiate.c - what a client likes best, by the q-values of its headers. */
#include "formats/negotiate.h"

#include <string.h>
#include <strings.h>

/* One element of a list: "text/html;level=1;q=0.5". */
struct element {
    const char *name;
    size_t n;                        /* of the name */
    int q;                           /* thousandths */
};

static const char *skip_blanks(const char *p) { return p + strspn(p, " \t"); }

/* "0", "0.5", "1.000" as thousandths, also ".2", which Java sends; what is none counts as 1. */
static int read_q(const char *p)
{
    int q = *p == '1' ? 1000 : 0, unit = 100;
    if (*p != '0' && *p != '1' && *p != '.') return 1000;
    if (*p != '.') p++;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9' && unit; p++, unit /= 10) q += (*p - '0') * unit;
    return q > 1000 ? 1000 : q;
}

/* The end of a parameter's value: a quoted one may hold commas and semicolons. */
static const char *skip_value(const char *p)
{
    if (*p != '"') return p + strcspn(p, ",;");
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1]) p++;
    return *p ? p + 1 : p;
}

/* Reads the element at p; where the next one begins, or NULL at the end. */
static const char *next_element(const char *p, struct element *e)
{
    p += strspn(p, " \t,");
    if (!*p) return NULL;
    *e = (struct element){ p, strcspn(p, " \t,;"), 1000 };
    p = skip_blanks(p + e->n);
    while (*p && *p != ',') {
        p = skip_blanks(p + (*p == ';'));
        const bool is_q = (*p | 0x20) == 'q' && *skip_blanks(p + 1) == '=';
        p += strcspn(p, "=,;");
        if (*p == '=') {
            p = skip_blanks(p + 1);
            if (is_q) e->q = read_q(p);
            p = skip_value(p);
            p += strcspn(p, ",;");
        }
    }
    return p;
}

static bool is(const struct element *e, const char *name)
{
    return e->n == strlen(name) && !strncasecmp(e->name, name, e->n);
}

/* Java's old "*" means all. */
static bool is_all(const struct element *e) { return is(e, "*/*") || is(e, "*"); }

static bool is_range(const struct element *e)
{
    const char *slash = memchr(e->name, '/', e->n);
    return is_all(e) || (slash && slash > e->name && slash + 1 < e->name + e->n);
}

/* How closely a range matches a type: 3 is the type itself, 2 its "type/" with any behind it,
 * 1 any type, 0 not at all. */
static int match(const struct element *e, const char *type)
{
    const size_t major = strcspn(type, "/") + 1;
    if (is(e, type)) return 3;
    if (is_all(e)) return 1;
    return e->n == major + 1 && e->name[major] == '*' && !strncasecmp(e->name, type, major) ? 2 : 0;
}

int tp_negotiate_type(const char *accept, const char *const types[], int n)
{
    int best = -1, best_q = 0;
    bool any = false;
    struct element e;
    for (int i = 0; i < n; i++) {
        int closest = 0, q = 0;
        for (const char *p = accept; p && (p = next_element(p, &e));) {
            const int how = match(&e, types[i]);
            any = any || is_range(&e);
            if (how <= closest) continue;
            closest = how;
            q = e.q;
        }
        if (q <= best_q) continue;
        best_q = q;
        best = i;
    }
    return any ? best : 0;
}

enum tp_coding tp_negotiate_coding(const char *accept_encoding)
{
    int gzip = -1, deflate = 0, plain = 0, any = 0;
    struct element e;
    for (const char *p = accept_encoding; p && (p = next_element(p, &e));) {
        if (is(&e, "gzip") || is(&e, "x-gzip")) gzip = e.q;
        else if (is(&e, "deflate")) deflate = e.q;
        else if (is(&e, "identity")) plain = e.q;
        else if (is(&e, "*")) any = e.q;
    }
    if (gzip < 0) gzip = any;        /* "*" may as well mean gzip */
    const int most = gzip >= deflate ? gzip : deflate;
    if (!most || most < plain) return TP_IDENTITY;
    return gzip >= deflate ? TP_GZIP : TP_DEFLATE;
}
