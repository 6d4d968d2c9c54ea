/* test_labels.c - labels.txt. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "formats/labels.h"

static struct tp_model *empty(void)
{
    struct tp_model *m = calloc(1, sizeof *m);
    tp_arena_init(&m->arena, SIZE_MAX);
    return m;
}

static void check_labels(const char *text, int n, const char *const *want)
{
    struct tp_model *m = empty();
    struct tp_err err = { 0 };
    if (!tp_labels_parse(m, text, strlen(text), &err)) fail_msg("%s", err.message);
    assert_int_equal(m->n_labels, n);
    for (int i = 0; i < n; i++) assert_string_equal(m->labels[i], want[i]);
    tp_model_free(m);
}

static void labels_are_lines(void **state)
{
    (void)state;
    const char *const want[] = { "tabby, cat", "", "B\xc3\xa4r" };
    check_labels("tabby, cat\n\nB\xc3\xa4r\n", 3, want);
    check_labels("tabby, cat\r\n\r\nB\xc3\xa4r\r\n\r\n\n", 3, want);
    check_labels("tabby, cat", 1, want);
    check_labels("", 0, want);
    check_labels("\n\n", 0, want);
}

static void what_is_no_text_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct { const char *text; size_t n; } bad[] = {
        { "a\nb\xff\n", 5 }, { "a\n\0b", 4 }, { "a\n\xc3", 3 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tp_model *m = empty();
        struct tp_err err = { 0 };
        assert_false(tp_labels_parse(m, bad[i].text, bad[i].n, &err));
        assert_int_equal(err.code, TP_INVALID_MODEL);
        assert_string_equal(err.message, "line 2: is not UTF-8");
        tp_model_free(m);
    }
}

static void too_many_are_refused(void **state)
{
    (void)state;
    const size_t n = (2u << 20) + 2;
    char *text = malloc(n);
    struct tp_model *m = empty();
    struct tp_err err = { 0 };
    for (size_t i = 0; i < n; i++) text[i] = i % 2 ? '\n' : 'x';
    assert_false(tp_labels_parse(m, text, n, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    tp_model_free(m);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_lines),
        cmocka_unit_test(what_is_no_text_is_refused_with_its_line),
        cmocka_unit_test(too_many_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
