/* test_head.c - headers of an answer, and when its text is compressed. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "formats/deflate.h"
#include "formats/head.h"

static const char *header(const struct tp_head *h, const char *name)
{
    for (int i = 0; i < h->n; i++)
        if (!strcmp(h->headers[i].name, name)) return h->headers[i].value;
    return NULL;
}

static struct tp_buf text_of(size_t n_bytes)
{
    struct tp_buf b = { 0 };
    while (b.n_bytes < n_bytes) tp_buf_text(&b, "0.125,");
    b.n_bytes = n_bytes;
    return b;
}

static void headers_are_added_until_there_is_no_room(void **state)
{
    (void)state;
    struct tp_head h = { 0 };
    char text[2 * TP_HEAD_VALUE_BYTES];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    tp_head_add(&h, "Long", "%s", text);
    assert_int_equal(h.n, 0);                      /* rather none than half of it */
    text[TP_HEAD_VALUE_BYTES - 1] = '\0';
    for (int i = 0; i < TP_HEAD_MAX + 2; i++) tp_head_add(&h, "Name", "%s", text);
    assert_int_equal(h.n, TP_HEAD_MAX);
    assert_string_equal(header(&h, "Name"), text);
}

static void long_text_is_compressed_where_that_is_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *type, *takes;
        size_t n_bytes;
        const char *coding;
    } cases[] = {
        { NULL, "gzip", 5000, "gzip" }, { "application/json", "deflate", 5000, "deflate" },
        { NULL, NULL, 5000, NULL }, { NULL, "br", 5000, NULL }, { NULL, "gzip", 500, NULL },
        { "application/x-npy", "gzip", 5000, NULL }, { "image/png", "gzip", 5000, NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_head h = { .content_type = cases[i].type };
        struct tp_buf b = text_of(cases[i].n_bytes), want = text_of(cases[i].n_bytes), back = { 0 };
        struct tp_err err = { 0 };
        assert_true(tp_head_deflate(&h, &b, cases[i].takes, &err));
        const char *coding = header(&h, "Content-Encoding");
        if (!cases[i].coding) assert_null(coding);
        else {
            enum tp_coding c;
            assert_string_equal(coding, cases[i].coding);
            assert_true(b.n_bytes < want.n_bytes / 3);
            assert_true(tp_coding_read(coding, &c, &err));
            assert_true(tp_inflate(&back, b.data, b.n_bytes, c, want.n_bytes, &err));
            tp_buf_fini(&b);
            b = back;
        }
        assert_int_equal(b.n_bytes, want.n_bytes);
        assert_memory_equal(b.data, want.data, want.n_bytes);
        /* a cache must know that another client may get it in another coding */
        const bool varies = !cases[i].type || !strcmp(cases[i].type, "application/json");
        assert_int_equal(header(&h, "Vary") != NULL, varies && cases[i].n_bytes > 1024);
        tp_buf_fini(&b);
        tp_buf_fini(&want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_added_until_there_is_no_room),
        cmocka_unit_test(long_text_is_compressed_where_that_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
