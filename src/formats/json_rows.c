/* json_rows.c - an array of numbers in a JSON text: checked, measured and converted in one go.
 *
 * What is usual (a sign, digits, a point, blanks behind commas) is left to the kernels'
 * read_numbers(), which stops at anything else; that one number is then read by tp_float_read(). */
#include "formats/json_rows.h"

#include <math.h>
#include <string.h>

#include "formats/float_read.h"
#include "kernels/kernels.h"

enum { MAX_NUMBERS_DEPTH = TP_MAX_RANK + 1 };

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

static void note_fault(struct tp_json_rows *r, enum tp_json_fault fault, const char *p)
{
    if (r->fault) return;
    r->fault = (uint8_t)fault;
    r->fault_byte = (uint32_t)(p - r->text);
}

/* ---- brackets -------------------------------------------------------------------------------- */

static bool open_row(struct tp_json_rows *r, const char *p)
{
    if (r->outer + r->depth == TP_JSON_MAX_DEPTH)
        return r->doc && tp_json_scan_fail(r->doc, p, "nested deeper than 64");
    if (r->leaf && r->depth == r->leaf) note_fault(r, TP_JSON_RAGGED_DEPTHS, p);
    r->n_opened++;
    r->depth++;
    r->begin[r->depth] = p;
    r->length[r->depth] = 0;
    if (r->depth > r->deepest) r->wanted[r->deepest = r->depth] = TP_JSON_UNKNOWN;
    return true;
}

/* behind: the closing bracket. */
static void close_row(struct tp_json_rows *r, const char *behind)
{
    uint32_t *wanted = &r->wanted[r->depth], length = r->length[r->depth];
    if (r->depth == r->floor) {
        r->closed[r->floor].length = length;
        r->closed[r->floor].n_numbers = r->n_numbers;
        r->closed[r->floor].n_opened = r->n_opened;
        r->closed[r->floor--].behind = behind;
    } else if (*wanted == TP_JSON_UNKNOWN) {
        *wanted = length;
    } else if (*wanted != length && !r->fault) {
        note_fault(r, TP_JSON_RAGGED_LENGTHS, r->begin[r->depth]);
        r->fault_length = *wanted;
    }
    r->length[--r->depth]++;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* A number at another level than the one before it. */
static bool change_leaf(struct tp_json_rows *r, const char *p)
{
    if (!r->leaf) r->leaf = r->depth;
    if (r->leaf != r->deepest || r->leaf != r->depth) note_fault(r, TP_JSON_RAGGED_DEPTHS, p);
    if (!r->doc || r->depth <= MAX_NUMBERS_DEPTH) return true;
    return tp_fail(r->doc->err, TP_INVALID_SHAPE,
                   "%s: byte %td: numbers nested %d deep; a tensor has at "
                   "most %d dimensions",
                   r->doc->what, p - r->text, r->depth, TP_MAX_RANK);
}

/* One number of any kind: moves *p behind it, where there is one. False with an error. */
static bool read_one(struct tp_json_rows *r, const char **p)
{
    float x;
    const char *behind = tp_float_read(*p, r->end, &x);
    if (!behind) return true;
    if (r->depth != r->leaf && !change_leaf(r, *p)) return false;
    if (isinf(x) && !r->beyond_byte) r->beyond_byte = (uint32_t)(*p - r->text);
    if (r->to < r->to_end) *r->to++ = x;
    r->length[r->depth]++;
    r->n_numbers++;
    *p = behind;
    return true;
}

/* Usual numbers: moves *p behind the last of them. */
static void read_usual(struct tp_json_rows *r, const char **p)
{
    const char *end = r->stop < r->end ? r->stop : r->end;
    if (end - *p < TP_TEXT_BYTES || *p - r->text < TP_TEXT_BYTES_BEFORE) return;
    struct tp_text t = { .p = *p, .last = end - TP_TEXT_BYTES, .out = r->to, .out_end = r->to_end,
                         .wide = r->wide };
    tp_kernels_get()->read_numbers(&t);
    const uint32_t n = (uint32_t)(t.out - r->to);
    r->wide = t.wide;
    if (!n) return;
    r->length[r->depth] += n;
    r->n_numbers += n;
    r->to = t.out;
    *p = t.p - 1;                    /* the comma or bracket */
}

/* ---- the scan -------------------------------------------------------------------------------- */

const char *tp_json_rows_scan(struct tp_json_rows *r, const char *p)
{
    for (;;) {
        r->at_value = true;
        p = skip_space(p, r->end);
        if (p >= r->stop) return p;
        if (*p == '[') {
            if (!open_row(r, p)) return NULL;
            p = skip_space(p + 1, r->end);
            if (p == r->end || *p != ']') continue;
        } else {
            const char *begin = p;
            if (r->depth == r->leaf) read_usual(r, &p);
            if (p == begin && !read_one(r, &p)) return NULL;
            if (p == begin) return p;
        }
        r->at_value = false;
        for (p = skip_space(p, r->end); p < r->end && *p == ']'; p = skip_space(p, r->end)) {
            close_row(r, ++p);
            if (!r->depth) return p;
        }
        if (p == r->end || *p != ',') return p;
        p++;
    }
}

/* ---- parts ----------------------------------------------------------------------------------- */

void tp_json_rows_part(struct tp_json_rows *part, const char *text, const char *end)
{
    memset(part, 0, sizeof *part);
    part->text = text;
    part->end = part->stop = end;
    part->depth = part->deepest = part->floor = TP_JSON_PART_LEVEL;
    for (int i = 0; i <= TP_JSON_PART_LEVEL; i++) part->wanted[i] = TP_JSON_UNKNOWN;
}

/* Arrays at one level must be equally long. */
static bool agree(uint32_t *wanted, uint32_t length)
{
    if (*wanted == TP_JSON_UNKNOWN) *wanted = length;
    return *wanted == length || length == TP_JSON_UNKNOWN;
}

/* The lengths of the arrays that the part closes, and of those within it. `lowest` is the level of
 * the last that is closed, or that of the open one where none is. */
static bool append_lengths(struct tp_json_rows *r, const struct tp_json_rows *part, int lowest)
{
    const int up = r->depth - TP_JSON_PART_LEVEL;             /* from its levels to ours */
    for (int i = TP_JSON_PART_LEVEL; i > part->floor && i >= lowest; i--)
        if (!agree(&r->wanted[i + up], r->length[i + up] + part->closed[i].length)) return false;
    for (int i = lowest; i <= part->deepest; i++)
        if (!agree(&r->wanted[i + up], part->wanted[i])) return false;
    return true;
}

static void append_numbers(struct tp_json_rows *r, const struct tp_json_rows *part)
{
    r->to += part->n_numbers;
    r->n_numbers += part->n_numbers;
    if (!r->beyond_byte) r->beyond_byte = part->beyond_byte;
    r->wide = part->wide;
}

const char *tp_json_rows_append(struct tp_json_rows *r, const struct tp_json_rows *part,
                                const char *part_end)
{
    const int up = r->depth - TP_JSON_PART_LEVEL, top = 1 - up;      /* ours is level 1 */
    struct tp_json_rows sum = *r;
    const bool whole = part->floor < top;
    if (r->fault || part->fault || part->leaf + up != r->leaf || r->leaf != r->deepest ||
        part->to - part->n_numbers != r->to) return NULL;
    if (whole) {
        if (part->closed[top].n_numbers != part->n_numbers ||
            part->closed[top].n_opened != part->n_opened) return NULL;
        if (!append_lengths(&sum, part, top)) return NULL;
        sum.depth = 0;
        sum.length[0]++;
        append_numbers(&sum, part);
        *r = sum;
        return part->closed[top].behind;
    }
    if (part_end != part->stop || !part->at_value) return NULL;
    if (!append_lengths(&sum, part, part->floor)) return NULL;
    sum.depth = part->depth + up;
    sum.length[part->floor + up] += part->length[part->floor];
    for (int i = part->floor + 1; i <= part->depth; i++) {
        sum.length[i + up] = part->length[i];
        sum.begin[i + up] = part->begin[i];
    }
    append_numbers(&sum, part);
    *r = sum;
    return part_end;
}
