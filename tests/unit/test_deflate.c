/* test_deflate.c - content codings: what is read back, what is refused, and what a bomb costs. */
#include "image_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/deflate.h"

static struct tp_buf must_deflate(const void *bytes, size_t n_bytes, enum tp_coding coding)
{
    struct tp_buf b = { 0 };
    struct tp_err err = { 0 };
    if (!tp_deflate(&b, bytes, n_bytes, coding, &err)) fail_msg("%s", err.message);
    return b;
}

/* Text that deflate makes a fifth of. */
static char *some_text(size_t n_bytes)
{
    char *text = malloc(n_bytes + 32);
    for (size_t i = 0; i < n_bytes; )
        i += (size_t)sprintf(text + i, "%zu,", i * 7919 % 10007);
    return text;
}

static void texts_of_all_sizes_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 2, 100, 4096, 65536, 1000003 };
    char *text = some_text(1000003);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int c = TP_GZIP; c <= TP_DEFLATE; c++) {
            struct tp_buf small = must_deflate(text, sizes[i], (enum tp_coding)c), out = { 0 };
            struct tp_err err = { 0 };
            uint8_t *copy = guarded_copy((uint8_t *)small.data, small.n_bytes);
            if (!tp_inflate(&out, copy, small.n_bytes, (enum tp_coding)c, sizes[i], &err))
                fail_msg("%zu bytes: %s", sizes[i], err.message);
            assert_int_equal(out.n_bytes, sizes[i]);
            assert_memory_equal(out.data, text, sizes[i]);
            guarded_free(copy);
            tp_buf_fini(&small);
            tp_buf_fini(&out);
        }
    free(text);
}

static void zeros_come_back_though_no_guess_fits_them(void **state)
{
    (void)state;
    enum { N = 8 << 20 };
    char *zeros = calloc(1, N);
    struct tp_buf small = must_deflate(zeros, N, TP_GZIP), out = { 0 };
    struct tp_err err = { 0 };
    assert_true(small.n_bytes < N / 200);
    assert_true(tp_inflate(&out, small.data, small.n_bytes, TP_GZIP, N, &err));
    assert_int_equal(out.n_bytes, N);
    assert_memory_equal(out.data, zeros, N);
    tp_buf_fini(&small);
    tp_buf_fini(&out);
    free(zeros);
}

static void a_bomb_is_refused_and_costs_at_most_the_limit_twice(void **state)
{
    (void)state;
    enum { N = 8 << 20, LIMIT = 1 << 20 };
    char *zeros = calloc(1, N);
    struct tp_buf small = must_deflate(zeros, N, TP_GZIP), out = { 0 };
    struct tp_err err = { 0 };
    assert_false(tp_inflate(&out, small.data, small.n_bytes, TP_GZIP, LIMIT, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_non_null(strstr(err.message, "inflated, exceeds the limit of 1048576 bytes"));
    assert_null(out.data);
    /* the same through many members */
    struct tp_buf many = { 0 };
    struct tp_buf part = must_deflate(zeros, LIMIT / 4, TP_GZIP);
    for (int i = 0; i < 5; i++) tp_buf_bytes(&many, part.data, part.n_bytes);
    err = (struct tp_err){ 0 };
    assert_false(tp_inflate(&out, many.data, many.n_bytes, TP_GZIP, LIMIT, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    err = (struct tp_err){ 0 };
    assert_true(tp_inflate(&out, many.data, many.n_bytes / 5 * 4, TP_GZIP, LIMIT, &err));
    assert_int_equal(out.n_bytes, LIMIT);
    assert_true(out.capacity <= 2 * LIMIT + 4096);
    tp_buf_fini(&out);
    tp_buf_fini(&many);
    tp_buf_fini(&part);
    tp_buf_fini(&small);
    free(zeros);
}

static void check_damaged(const uint8_t *bytes, size_t n_bytes, enum tp_coding coding)
{
    struct tp_buf out = { 0 };
    struct tp_err err = { 0 };
    if (tp_inflate(&out, bytes, n_bytes, coding, 1 << 20, &err))
        fail_msg("%zu bytes read", n_bytes);
    assert_int_equal(err.code, TP_INVALID_ARGUMENT);
    assert_null(out.data);
}

/* What gzip's last bytes claim is believed where it can be, and costs nothing where it is a lie. */
static void a_wrong_size_in_gzips_trailer_is_refused(void **state)
{
    (void)state;
    static const uint32_t lies[] = { 0, 1, 2999, 3001, 100000, 1 << 20, UINT32_MAX };
    char *text = some_text(3000);
    struct tp_buf small = must_deflate(text, 3000, TP_GZIP);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        for (int k = 0; k < 4; k++)
            small.data[small.n_bytes - 4 + (size_t)k] = (char)(lies[i] >> 8 * k);
        check_damaged((uint8_t *)small.data, small.n_bytes, TP_GZIP);
    }
    tp_buf_fini(&small);
    free(text);
}

static void members_of_very_different_size_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1000003, 1, 5, 300000, 0, 2 };
    char *text = some_text(1000003);
    struct tp_buf small = { 0 }, all = { 0 }, out = { 0 };
    struct tp_err err = { 0 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_true(tp_deflate(&small, text, sizes[i], TP_GZIP, &err));
        tp_buf_bytes(&all, text, sizes[i]);
    }
    assert_true(tp_inflate(&out, small.data, small.n_bytes, TP_GZIP, 2 << 20, &err));
    assert_int_equal(out.n_bytes, all.n_bytes);
    assert_memory_equal(out.data, all.data, all.n_bytes);
    tp_buf_text(&small, "tail");
    tp_buf_fini(&out);
    assert_false(tp_inflate(&out, small.data, small.n_bytes, TP_GZIP, 2 << 20, &err));
    assert_non_null(strstr(err.message, "the 4 bytes behind the first"));
    tp_buf_fini(&small);
    tp_buf_fini(&all);
    free(text);
}

static void what_is_cut_short_or_damaged_is_refused(void **state)
{
    (void)state;
    char *text = some_text(3000);
    for (int c = TP_GZIP; c <= TP_DEFLATE; c++) {
        struct tp_buf small = must_deflate(text, 3000, (enum tp_coding)c);
        for (size_t n = 0; n < small.n_bytes; n++) {
            uint8_t *copy = guarded_copy((uint8_t *)small.data, n);
            check_damaged(copy, n, (enum tp_coding)c);
            guarded_free(copy);
        }
        small.data[small.n_bytes - 6] ^= 1;        /* of the data, or of the checksum */
        check_damaged((uint8_t *)small.data, small.n_bytes, (enum tp_coding)c);
        tp_buf_fini(&small);
    }
    struct tp_buf zlib = must_deflate(text, 3000, TP_DEFLATE);
    tp_buf_text(&zlib, "more");
    check_damaged((uint8_t *)zlib.data, zlib.n_bytes, TP_DEFLATE);
    check_damaged((const uint8_t *)"{\"tensor\": [1]}", 15, TP_GZIP);
    tp_buf_fini(&zlib);
    free(text);
}

static void a_bare_deflate_stream_is_read_as_well(void **state)
{
    (void)state;
    struct tp_buf zlib = must_deflate("hello hello hello", 17, TP_DEFLATE), out = { 0 };
    struct tp_err err = { 0 };
    assert_true(tp_inflate(&out, zlib.data + 2, zlib.n_bytes - 6, TP_DEFLATE, 100, &err));
    assert_int_equal(out.n_bytes, 17);
    assert_memory_equal(out.data, "hello hello hello", 17);
    tp_buf_fini(&zlib);
    tp_buf_fini(&out);
}

static void codings_are_told_by_name(void **state)
{
    (void)state;
    static const struct { const char *text; int coding; } cases[] = {
        { NULL, TP_IDENTITY }, { "", TP_IDENTITY }, { "identity", TP_IDENTITY },
        { "gzip", TP_GZIP }, { " GZip ", TP_GZIP }, { "x-gzip", TP_GZIP },
        { "deflate", TP_DEFLATE }, { "br", -1 }, { "gzip, gzip", -1 }, { "gzi", -1 },
        { "zstd", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_err err = { 0 };
        enum tp_coding coding;
        const bool ok = tp_coding_read(cases[i].text, &coding, &err);
        assert_int_equal(ok, cases[i].coding >= 0);
        if (ok) assert_int_equal(coding, cases[i].coding);
        else {
            assert_int_equal(err.code, TP_UNSUPPORTED_FORMAT);
            assert_non_null(strstr(err.message, "expected gzip, deflate, or none"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_all_sizes_come_back),
        cmocka_unit_test(zeros_come_back_though_no_guess_fits_them),
        cmocka_unit_test(a_bomb_is_refused_and_costs_at_most_the_limit_twice),
        cmocka_unit_test(what_is_cut_short_or_damaged_is_refused),
        cmocka_unit_test(a_wrong_size_in_gzips_trailer_is_refused),
        cmocka_unit_test(members_of_very_different_size_come_back),
        cmocka_unit_test(a_bare_deflate_stream_is_read_as_well),
        cmocka_unit_test(codings_are_told_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
