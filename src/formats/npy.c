/* npy.c - NumPy's .npy arrays: a magic, a version, a Python dict as text, raw data
 * (numpy.lib.format's documentation is the specification). */
#include "formats/npy.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/half.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "'<f4' data is used and written as it is");

enum { MAGIC_BYTES = 6, ALIGN_BYTES = 64 };
static const char magic[MAGIC_BYTES] = "\x93NUMPY";

struct word { const char *text; int n; };

struct header {                      /* the dict, while it is read */
    const char *begin, *p, *end;
    struct tp_err *err;
    struct word descr;
    struct tp_shape shape;
    bool has_descr, has_order, has_shape, fortran_order;
};

bool tp_npy_sniff(const void *bytes, size_t n_bytes)
{
    return n_bytes >= MAGIC_BYTES && !memcmp(bytes, magic, MAGIC_BYTES);
}

/* ---- the dict: {'descr': '<f4', 'fortran_order': False, 'shape': (1, 8, 8, 1), } ------------- */

static bool fail_here(const struct header *h, const char *expected)
{
    return tp_fail(h->err, TP_INVALID_ARGUMENT, "npy: byte %td of the header: %s expected",
                   h->p - h->begin, expected);
}

static void skip_blanks(struct header *h)
{
    while (h->p < h->end && (*h->p == ' ' || *h->p == '\t' || *h->p == '\n' || *h->p == '\r'))
        h->p++;
}

/* Takes `c` and the blanks in front of it, if it is what comes next. */
static bool take(struct header *h, char c)
{
    skip_blanks(h);
    if (h->p == h->end || *h->p != c) return false;
    h->p++;
    return true;
}

static bool read_string(struct header *h, struct word *out)
{
    skip_blanks(h);
    const char quote = h->p < h->end ? *h->p : 0;
    if (quote != '\'' && quote != '"') return fail_here(h, "a string");
    const char *first = h->p + 1, *last = memchr(first, quote, (size_t)(h->end - first));
    if (!last) return fail_here(h, "a closed string");
    if (last - first > 64 || memchr(first, '\\', (size_t)(last - first)))
        return fail_here(h, "a short string without escapes");
    *out = (struct word){ first, (int)(last - first) };
    h->p = last + 1;
    return true;
}

static bool read_bool(struct header *h, bool *out)
{
    skip_blanks(h);
    size_t room = (size_t)(h->end - h->p);
    *out = room >= 4 && !memcmp(h->p, "True", 4);
    if (!*out && (room < 5 || memcmp(h->p, "False", 5))) return fail_here(h, "True or False");
    h->p += *out ? 4 : 5;
    return true;
}

static bool read_int(struct header *h, int64_t *out)
{
    skip_blanks(h);
    const char *first = h->p;
    for (*out = 0; h->p < h->end && *h->p >= '0' && *h->p <= '9'; h->p++)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *h->p - '0', out))
            return fail_here(h, "a size of 64 bits");
    if (h->p == first) return fail_here(h, "a size");
    if (h->p < h->end && *h->p == 'L') h->p++;                /* a long of Python 2 */
    return true;
}

/* (), (3,), (3, 4), (3, 4,) */
static bool read_shape(struct header *h)
{
    struct tp_shape *s = &h->shape;
    if (!take(h, '(')) return fail_here(h, "a tuple");
    for (bool comma = true; !take(h, ')'); comma = take(h, ',')) {
        if (!comma) return fail_here(h, "',' or ')'");
        if (s->rank == TP_MAX_RANK)
            return tp_fail(h->err, TP_INVALID_SHAPE, "npy: more than %d dimensions", TP_MAX_RANK);
        if (!read_int(h, &s->dim[s->rank++])) return false;
    }
    return true;
}

static bool is(struct word w, const char *text)
{
    return w.n == (int)strlen(text) && !memcmp(w.text, text, (size_t)w.n);
}

static bool read_descr(struct header *h)
{
    skip_blanks(h);
    if (h->p < h->end && *h->p == '[')
        return tp_fail(h->err, TP_UNSUPPORTED_FORMAT,
                       "npy: an array of records; send one of float32 or uint8");
    return read_string(h, &h->descr);
}

/* One entry; each key once. */
static bool read_entry(struct header *h)
{
    struct word key;
    if (!read_string(h, &key)) return false;
    bool *seen = is(key, "descr") ? &h->has_descr : is(key, "fortran_order") ? &h->has_order :
                 is(key, "shape") ? &h->has_shape : NULL;
    if (!seen || *seen)
        return tp_fail(h->err, TP_INVALID_ARGUMENT, "npy: %s key '%.*s' in the header",
                       seen ? "a second" : "unknown", key.n, key.text);
    *seen = true;
    if (!take(h, ':')) return fail_here(h, "':'");
    if (seen == &h->has_descr) return read_descr(h);
    if (seen == &h->has_order) return read_bool(h, &h->fortran_order);
    return read_shape(h);
}

static bool read_header(struct header *h)
{
    if (!take(h, '{')) return fail_here(h, "'{'");
    for (bool comma = true; !take(h, '}'); comma = take(h, ',')) {
        if (!comma) return fail_here(h, "',' or '}'");
        if (!read_entry(h)) return false;
    }
    skip_blanks(h);
    if (h->p != h->end) return fail_here(h, "the header's end");
    if (!h->has_descr || !h->has_order || !h->has_shape)
        return tp_fail(h->err, TP_INVALID_ARGUMENT, "npy: the header has no '%s'",
                       !h->has_descr ? "descr" : !h->has_order ? "fortran_order" : "shape");
    return true;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* The header's place, by the format's version: its length has 2 bytes in version 1, then 4. */
static bool find_header(struct header *h, const uint8_t *bytes, size_t n_bytes)
{
    if (!tp_npy_sniff(bytes, n_bytes))
        return tp_fail(h->err, TP_UNSUPPORTED_FORMAT, "npy: no .npy file");
    if (n_bytes < MAGIC_BYTES + 2)
        return tp_fail(h->err, TP_INVALID_ARGUMENT, "npy: the file ends within its header");
    int version = bytes[MAGIC_BYTES];
    if (version < 1 || version > 3 || bytes[MAGIC_BYTES + 1] != 0)
        return tp_fail(h->err, TP_UNSUPPORTED_FORMAT,
                       "npy: format version %d.%d; versions 1.0, 2.0 and "
                       "3.0 are read",
                       version, bytes[MAGIC_BYTES + 1]);
    size_t begin = MAGIC_BYTES + 2 + (version == 1 ? 2 : 4), length = 0;
    if (n_bytes >= begin)
        for (size_t i = begin; i-- > MAGIC_BYTES + 2; ) length = length << 8 | bytes[i];
    if (n_bytes < begin || length > n_bytes - begin)
        return tp_fail(h->err, TP_INVALID_ARGUMENT, "npy: the file ends within its header");
    h->begin = h->p = (const char *)bytes + begin;
    h->end = h->begin + length;
    return true;
}

static const struct { const char *descr; enum tp_npy_type type; size_t element_bytes; } types[] = {
    { "<f4", TP_NPY_FLOAT32, 4 }, { "|u1", TP_NPY_UINT8, 1 },   { "<u1", TP_NPY_UINT8, 1 },
    { "<f2", TP_NPY_FLOAT16, 2 }, { "<f8", TP_NPY_FLOAT64, 8 },
};

static bool check_type(const struct header *h, struct tp_npy *out, size_t *element_bytes)
{
    *element_bytes = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (is(h->descr, types[i].descr)) {
            out->type = types[i].type;
            *element_bytes = types[i].element_bytes;
        }
    if (!*element_bytes)
        return tp_fail(h->err, TP_UNSUPPORTED_FORMAT,
                       "npy: dtype '%.*s'%s; float32 ('<f4'), float16, float64 and uint8 ('|u1') "
                       "are read: array.astype(numpy.float32)", h->descr.n, h->descr.text,
                       h->descr.n && *h->descr.text == '>' ? " is big-endian" : "");
    if (h->fortran_order)
        return tp_fail(h->err, TP_UNSUPPORTED_FORMAT, "npy: Fortran order; C order is read: "
                       "numpy.ascontiguousarray(array)");
    return true;
}

bool tp_npy_parse(struct tp_npy *out, const void *bytes, size_t n_bytes, int64_t max_elements,
                  struct tp_err *err)
{
    struct header h = { .err = err };
    size_t element_bytes = 0, wanted;
    if (!find_header(&h, bytes, n_bytes) || !read_header(&h) ||
        !check_type(&h, out, &element_bytes) || !tp_shape_check(&h.shape, max_elements, "npy", err))
        return false;
    out->shape = h.shape;
    out->data = h.end;
    out->data_bytes = n_bytes - (size_t)(h.end - (const char *)bytes);
    if (__builtin_mul_overflow((size_t)tp_shape_elements(&h.shape), element_bytes, &wanted) ||
        wanted != out->data_bytes)
        return tp_fail(err, TP_INVALID_SHAPE, "npy: %zu bytes of data; an array of %s has %zu",
                       out->data_bytes, TP_SHAPE(&h.shape), wanted);
    return true;
}

/* ---- values ---------------------------------------------------------------------------------- */

void tp_npy_floats(const struct tp_npy *npy, float *out)
{
    const int64_t n = tp_shape_elements(&npy->shape);
    const uint8_t *from = npy->data;             /* may be unaligned */
    double x;
    switch (npy->type) {
    case TP_NPY_FLOAT32:
        memcpy(out, from, (size_t)n * sizeof *out);
        return;
    case TP_NPY_UINT8:
        for (int64_t i = 0; i < n; i++) out[i] = from[i];
        return;
    case TP_NPY_FLOAT16:
        for (int64_t i = 0; i < n; i++)
            out[i] = tp_half_float((uint32_t)from[2 * i] | (uint32_t)from[2 * i + 1] << 8);
        return;
    case TP_NPY_FLOAT64:
        for (int64_t i = 0; i < n; i++) {
            memcpy(&x, from + 8 * i, sizeof x);
            out[i] = (float)x;
        }
        return;
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

void tp_npy_begin(struct tp_buf *b, const char *descr, const struct tp_shape *s)
{
    char line[ALIGN_BYTES];
    const size_t before = b->n_bytes, prefix = MAGIC_BYTES + 4;
    tp_buf_bytes(b, magic, MAGIC_BYTES);
    tp_buf_bytes(b, "\1\0\0\0", 4);                           /* the length is filled in below */
    tp_buf_printf(b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < s->rank; i++)
        tp_buf_printf(b, s->rank == 1 ? "%" PRId64 "," : i ? ", %" PRId64 : "%" PRId64, s->dim[i]);
    tp_buf_text(b, "), }");

    size_t so_far = b->n_bytes - before;
    size_t blanks = ALIGN_BYTES - 1 - so_far % ALIGN_BYTES;   /* and a line's end */
    memset(line, ' ', sizeof line);
    tp_buf_bytes(b, line, blanks);
    tp_buf_bytes(b, "\n", 1);
    if (b->failed) return;
    size_t length = b->n_bytes - before - prefix;
    b->data[before + MAGIC_BYTES + 2] = (char)(length & 0xFF);
    b->data[before + MAGIC_BYTES + 3] = (char)(length >> 8);
}

void tp_npy_write(struct tp_buf *b, const struct tp_tensor *t)
{
    tp_npy_begin(b, "<f4", &t->shape);
    tp_buf_bytes(b, t->data, (size_t)tp_shape_elements(&t->shape) * sizeof *t->data);
}
