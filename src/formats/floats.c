/* floats.c - tensors as JSON text.
 *
 * On several threads the first formats its share of the numbers where it belongs; the others do
 * beside the buffer, and move theirs when the lengths of those in front are known, right before
 * they format the next: a round for as much text as caches hold. */
#include "formats/floats.h"

#include <string.h>

#include "base/pages.h"
#include "formats/float_write.h"
#include "ops/parallel.h"

enum {
    STEP = 512,                      /* numbers that are written at a time on one thread */
    SHARE = 128 << 10,               /* on several, by each of them; 32 << 10 were 4 % slower */
    MIN_SHARE = 8 << 10,
    LEAD = 12,                       /* moving a share takes a twelfth of formatting it */
    MAX_THREADS = 256,
    WORK = 100,                      /* of a number, as tp_parallel_for() counts */
};

/* The numbers, in rows of `row`, and the arrays around them. */
struct layout {
    const float *x;
    int64_t n, row;
    const int64_t *dim;              /* [depth - 1]: the arrays around rows, outermost first */
    int depth;
    bool empty;                      /* a row of 1 holds nothing: [] */
    int digits;
};

enum { NUMBER_BYTES = TP_FLOAT_TEXT_BYTES + 1, ROW_BYTES = 2 * TP_MAX_RANK + 1,
       STEP_BYTES = STEP * (NUMBER_BYTES + ROW_BYTES) + 3 * ROW_BYTES + TP_FLOAT_ROW_SPARE };

/* The text of n numbers is never longer. */
static size_t most_bytes(const struct layout *l, int64_t n)
{
    return (size_t)n * NUMBER_BYTES + (size_t)(n / l->row + 3) * ROW_BYTES + TP_FLOAT_ROW_SPARE;
}

static char *repeat(char *to, char c, int n)
{
    for (int i = 0; i < n; i++) *to++ = c;
    return to;
}

/* index[] is a row's place; moves it to the next row's. Returns how many arrays begin with it. */
static int next_row(const struct layout *l, int64_t *index)
{
    int level = l->depth - 2;
    while (level >= 0 && ++index[level] == l->dim[level]) index[level--] = 0;
    return l->depth - 1 - level;
}

/* Writes numbers [begin, end), with all brackets in front of the first of all, and behind each all
 * that stands there up to the next: but a comma within a row is written with the number behind. */
static char *put_numbers(const struct layout *l, char *to, int64_t begin, int64_t end)
{
    int64_t index[TP_MAX_RANK], row = begin / l->row, left = begin % l->row;
    for (int i = l->depth - 2; i >= 0; i--, row /= l->dim[i + 1]) index[i] = row % l->dim[i];
    if (begin == 0) to = repeat(to, '[', l->depth);
    for (int64_t at = begin; at < end; left = 0) {
        const int64_t n = end - at < l->row - left ? end - at : l->row - left;
        if (left) *to++ = ',';
        if (!l->empty) to = tp_float_write_row(to, l->x + at, n, l->digits);
        at += n;
        if (left + n < l->row) break;
        const int ends = at == l->n ? l->depth : next_row(l, index);
        to = repeat(to, ']', ends);
        if (at == l->n) break;
        *to++ = ',';
        to = repeat(to, '[', ends);
    }
    return to;
}

/* ---- one thread ------------------------------------------------------------------------------ */

static void write_alone(struct tp_buf *b, const struct layout *l)
{
    char text[STEP_BYTES];           /* where the limit is so near that only the length can tell */
    for (int64_t at = 0; at < l->n && !b->failed; at += STEP) {
        const int64_t end = l->n - at < STEP ? l->n : at + STEP;
        const size_t most = most_bytes(l, end - at);
        const bool direct = !b->limit_bytes || most <= b->limit_bytes - b->n_bytes;
        char *to = direct ? tp_buf_reserve(b, most) : text;
        if (!to) return;
        const size_t n_bytes = (size_t)(put_numbers(l, to, at, end) - to);
        if (direct) b->n_bytes += n_bytes;
        else tp_buf_bytes(b, text, n_bytes);
    }
}

/* ---- several threads ------------------------------------------------------------------------- */

struct share { size_t n_bytes, at; };   /* of text; its place in the buffer */

struct rounds {
    struct tp_buf *b;
    const struct layout *l;
    int n_threads;
    bool room;                       /* for all; else the first moves its share as well */
    int64_t begin, size;             /* of this round's first number; of a share */
    int64_t lead;                    /* so many more are the first's, which moves none */
    char *texts;                     /* share i's text is at i * text_bytes */
    size_t text_bytes;
    struct share shares[MAX_THREADS];
};

/* Moves the share of the round before to its place and formats the next. */
static void do_shares(const void *ctx, int64_t begin, int64_t end)
{
    struct rounds *r = *(struct rounds *const *)ctx;
    for (int64_t i = begin; i < end; i++) {
        struct share *share = &r->shares[i];
        const bool stays = i == 0 && r->room;
        char *text = stays ? r->b->data + r->b->n_bytes : r->texts + (size_t)i * r->text_bytes;
        if (share->n_bytes && !stays) memcpy(r->b->data + share->at, text, share->n_bytes);
        const int64_t first = r->begin + i * r->size + (i ? r->lead : 0);
        int64_t last = first + r->size + (i ? 0 : r->lead);
        if (last > r->l->n) last = r->l->n;
        share->n_bytes = first < last ? (size_t)(put_numbers(r->l, text, first, last) - text) : 0;
    }
}

static void do_rounds(void *ctx)
{
    struct rounds *r = ctx;
    const int64_t all = r->size * r->n_threads + r->lead;
    for (size_t n_bytes = 1; n_bytes; r->begin += all) {
        tp_parallel_for(r->n_threads, r->n_threads, WORK * all, do_shares, &r);
        n_bytes = 0;
        for (int i = 0; i < r->n_threads; i++) {
            r->shares[i].at = r->b->n_bytes + n_bytes;
            n_bytes += r->shares[i].n_bytes;
        }
        if (!tp_buf_reserve(r->b, n_bytes)) return;
        r->b->n_bytes += n_bytes;
    }
}

/* False: it was not begun. */
static bool write_together(struct tp_buf *b, const struct layout *l, bool room, int n_threads)
{
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
    if (n_threads > l->n / MIN_SHARE) n_threads = (int)(l->n / MIN_SHARE);
    if (n_threads < 2) return false;
    const int64_t n_rounds = (l->n + (int64_t)SHARE * n_threads - 1) / ((int64_t)SHARE * n_threads);
    const int64_t parts = n_rounds * (n_threads * LEAD + room);      /* LEAD of them are a share */
    const int64_t size = (l->n + parts - 1) / parts * LEAD;
    struct rounds r = { .b = b, .l = l, .n_threads = n_threads, .room = room, .size = size,
                        .lead = room ? size / LEAD : 0,
                        .text_bytes = most_bytes(l, size) };
    const size_t n_bytes = (size_t)n_threads * r.text_bytes;
    if (!(r.texts = tp_pages_alloc(n_bytes))) return false;
    tp_parallel_team(n_threads, WORK * l->n, do_rounds, &r);
    tp_pages_free(r.texts, n_bytes);
    return true;
}

/* ---- the door -------------------------------------------------------------------------------- */

void tp_floats_write(struct tp_buf *b, const struct tp_tensor *t, bool nested, int digits,
                     int n_threads)
{
    const struct tp_shape flat = { .rank = 1, .dim = { tp_shape_elements(&t->shape) } };
    const struct tp_shape *s = nested ? &t->shape : &flat;
    struct layout l = { .x = t->data, .n = 1, .row = 1, .dim = s->dim,
                        .digits = digits < 0 ? 0 : digits > 9 ? 9 : digits };
    while (l.depth < s->rank && !l.empty) {
        const int64_t n = s->dim[l.depth++];
        if (n == 0) l.empty = true;
        else l.n *= n;
    }
    if (!l.empty && l.depth) l.row = s->dim[l.depth - 1];
    if (b->failed) return;
    const size_t most = most_bytes(&l, l.n);
    const bool room = !b->limit_bytes || most <= b->limit_bytes - b->n_bytes;
    if (room && !tp_buf_reserve(b, most)) return;
    if (!write_together(b, &l, room, n_threads)) write_alone(b, &l);
}
