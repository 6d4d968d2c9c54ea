/* test_json_parts.c - large arrays on several threads: what one thread makes of a document, sound
 * or not, any number makes of it. */
#include "check.h"

#include <string.h>

#include "base/buf.h"
#include "formats/json.h"
#include "formats/json_parts.h"
#include "ops/parallel.h"

/* A nested array of more than a quarter of a MB; rare numbers are unusual. */
static void put_rows(struct tp_buf *b, const int64_t *dim, int rank, const char *comma,
                     uint32_t *seed)
{
    static const char *const unusual[] = { "1e-7", "3.5E2", "0.30000001192092896", "-0",
                                           "123456789012345678901234567890123456789012e-40" };
    tp_buf_text(b, "[");
    for (int64_t i = 0; i < dim[0]; i++) {
        const uint32_t r = next_random(seed) >> 8;
        if (i) tp_buf_text(b, comma);
        if (rank > 1) put_rows(b, dim + 1, rank - 1, comma, seed);
        else if (r % 500 == 0) tp_buf_text(b, unusual[r / 500 % 5]);
        else tp_buf_printf(b, "%.9g", r % 2 ? 0 : (double)(int)r / 3e6 - 2);
    }
    tp_buf_text(b, "]");
}

struct parsed {
    struct tp_json doc;
    struct tp_arena arena;
    struct tp_err err;
    struct tp_shape shape;
    float *x;
    int64_t n;
    bool ok;
};

static void parse(struct parsed *p, const char *text, size_t n_bytes, int n_threads)
{
    *p = (struct parsed){ .n = 0 };
    tp_arena_init(&p->arena, 256 << 20);
    p->ok = tp_json_parse(&p->doc, text, n_bytes, &p->arena, "body", n_threads, &p->err);
    const struct tp_json_span *span =
        p->ok ? tp_json_span(&p->doc, json_object_get(p->doc.root, "tensor")) : NULL;
    if (!span) return;
    p->n = tp_json_span_count(span);
    p->x = tp_arena_floats(&p->arena, p->n);
    assert_non_null(p->x);
    p->ok = tp_json_span_shape(&p->doc, span, "tensor", &p->shape, &p->err) &&
            tp_json_span_floats(&p->doc, span, "tensor", p->x, &p->err);
}

static void finish(struct parsed *p)
{
    tp_json_fini(&p->doc);
    tp_arena_fini(&p->arena);
}

/* Two threads and five find what one finds, on every table. */
static void check_threads(const struct tp_buf *b)
{
    const struct tp_kernels *before = tp_kernels_get(), *k;
    char *text = guarded(b->n_bytes);
    memcpy(text, b->data, b->n_bytes);
    struct parsed one, many;
    tp_kernels_use(tp_kernels_list(0));
    parse(&one, text, b->n_bytes, 1);
    for (int t = 0; (k = tp_kernels_list(t)); t++)
        for (int n_threads = 2; n_threads < 6; n_threads += 3) {
            tp_kernels_use(k);
            parse(&many, text, b->n_bytes, n_threads);
            assert_int_equal(many.ok, one.ok);
            assert_string_equal(many.err.message, one.err.message);
            assert_true(tp_shape_equal(&many.shape, &one.shape));
            assert_int_equal(many.n, one.n);
            if (one.ok && one.n) assert_memory_equal(many.x, one.x, (size_t)one.n * sizeof *one.x);
            finish(&many);
        }
    finish(&one);
    tp_kernels_use(before);
    guarded_free(text);
}

static const struct { int64_t dim[4]; int rank; } shapes[] = {
    { { 60000 }, 1 }, { { 30000, 1 }, 2 }, { { 17, 1300, 3 }, 3 }, { { 1, 16, 56, 56 }, 4 },
    { { 2, 1, 30001, 1 }, 4 }, { { 200, 299 }, 2 },
};

static void put_document(struct tp_buf *b, uint32_t round, uint32_t *seed)
{
    static const char *const commas[] = { ",", ", ", ",\n  " };
    const size_t i = round % (sizeof shapes / sizeof *shapes);
    tp_buf_text(b, round & 1 ? "{\"shape\":[1,2],\"tensor\":" : "{\"tensor\" : ");
    put_rows(b, shapes[i].dim, shapes[i].rank, commas[round % 3], seed);
    tp_buf_text(b, round & 2 ? "}" : ",\"more\":[[1,2],[3,4]],\"text\":\"a,b,[1,2]\"}");
}

static void threads_read_what_one_reads(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (uint32_t round = 0; round < 12; round++) {
        struct tp_buf b = { 0 };
        put_document(&b, round, &seed);
        check_threads(&b);
        tp_buf_fini(&b);
    }
}

static void threads_refuse_what_one_refuses(void **state)
{
    (void)state;
    static const char *const wrongs[] = { "]", "[", ",", "NaN", "x", "1 2", "\"", "[]", "1e99",
                                          "],[", "{}", "-", "[1", "]]" };
    uint32_t seed = 2;
    for (uint32_t round = 0; round < 42; round++) {
        struct tp_buf b = { 0 };
        put_document(&b, round, &seed);
        const char *wrong = wrongs[round % (sizeof wrongs / sizeof *wrongs)];
        const size_t at = (next_random(&seed) >> 2) % (b.n_bytes - 100), n = strlen(wrong);
        memcpy(b.data + at, wrong, n);
        check_threads(&b);
        tp_buf_fini(&b);
    }
}

/* Many arrays, each just long enough to be worth cutting up. */
static void many_large_arrays_are_each_their_own(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    uint32_t seed = 3;
    tp_buf_text(&b, "{\"a\":[");
    for (int i = 0; i < 12; i++) {
        tp_buf_text(&b, i ? ",{\"x\":" : "{\"x\":");
        put_rows(&b, (int64_t[]){ 5, 3000 }, 2, ",", &seed);
        tp_buf_text(&b, "}");
    }
    tp_buf_text(&b, "],\"tensor\":[1,2,3]}");
    check_threads(&b);
    tp_buf_fini(&b);
}

static void commas_are_counted_to_any_block(void **state)
{
    (void)state;
    enum { N = 200001 };
    char *text = guarded(N);
    struct tp_arena arena;
    struct tp_json_places places;
    uint32_t seed = 4, n = 0;
    for (int i = 0; i < N; i++) n += (text[i] = next_random(&seed) >> 30 ? ',' : '1') == ',';
    tp_arena_init(&arena, 1 << 20);
    for (int n_threads = 1; n_threads < 4; n_threads++) {
        assert_true(tp_json_places_count(&places, text, text + N, n_threads, &arena));
        assert_int_equal(places.before[places.n_blocks], n);
    }
    assert_true(tp_json_places_count(&places, text, text, 1, &arena));
    assert_int_equal(places.before[places.n_blocks], 0);
    tp_arena_fini(&arena);
    guarded_free(text);
}

int main(void)
{
    tp_parallel_set_grain(1);        /* all threads, however little there is to do */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_read_what_one_reads),
        cmocka_unit_test(threads_refuse_what_one_refuses),
        cmocka_unit_test(many_large_arrays_are_each_their_own),
        cmocka_unit_test(commas_are_counted_to_any_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
