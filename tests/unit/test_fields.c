/* test_fields.c - typed access to the fields of one JSON object. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/fields.h"

struct document {
    struct tp_arena arena;
    struct tp_json json;
    struct tp_fields fields;
};

static void open_document(struct document *d, const char *text)
{
    struct tp_err err = { 0 };
    tp_arena_init(&d->arena, SIZE_MAX);
    if (!tp_json_parse(&d->json, text, strlen(text), &d->arena, "text", 1, &err))
        fail_msg("%s", err.message);
    d->fields = (struct tp_fields){ &d->json, d->json.root, "here" };
}

static void close_document(struct document *d)
{
    tp_json_fini(&d->json);
    tp_arena_fini(&d->arena);
}

static void check_message(bool ok, struct tp_err *err, const char *part)
{
    assert_false(ok);
    if (!strstr(err->message, part)) fail_msg("message '%s' lacks '%s'", err->message, part);
    *err = (struct tp_err){ 0 };
}

static void unknown_fields_are_named_with_the_known_ones(void **state)
{
    (void)state;
    struct document d;
    struct tp_err err = { 0 };
    open_document(&d, "{\"name\": 1, \"type\": 2, \"p\": 3}");
    assert_true(tp_fields_known(&d.fields, "it", "type, name", "p", &err));
    check_message(tp_fields_known(&d.fields, "it", "type, names", "p", &err), &err,
                  "here: unknown field 'name'; it has type, names, p");
    check_message(tp_fields_known(&d.fields, "it", "type, name", "", &err), &err,
                  "here: unknown field 'p'; it has type, name");
    close_document(&d);
}

static void whole_numbers_may_be_written_with_a_point(void **state)
{
    (void)state;
    struct document d;
    struct tp_err err = { 0 };
    int x;
    open_document(&d,
                  "{\"a\": 3, \"b\": 3.0, \"c\": 3.5, \"d\": 9223372036854775807, \"e\": 1e300}");
    assert_true(tp_fields_int(&d.fields, "a", 1, 1, 9, &x, &err) && x == 3);
    assert_true(tp_fields_int(&d.fields, "b", 1, 1, 9, &x, &err) && x == 3);
    assert_true(tp_fields_int(&d.fields, "absent", 7, 1, 9, &x, &err) && x == 7);
    check_message(tp_fields_int(&d.fields, "absent", TP_REQUIRED, 1, 9, &x, &err), &err,
                  "here: absent is missing; expected a whole number");
    check_message(tp_fields_int(&d.fields, "c", 1, 1, 9, &x, &err), &err,
                  "here: c must be a whole number, not 3.5");
    check_message(tp_fields_int(&d.fields, "d", 1, 1, 9, &x, &err), &err,
                  "here: d is 9223372036854775807; it must be from 1 to 9");
    check_message(tp_fields_int(&d.fields, "e", 1, 1, 9, &x, &err), &err,
                  "here: e must be a whole number, not 1e+300");
    check_message(tp_fields_int(&d.fields, "a", 1, 4, 9, &x, &err), &err,
                  "here: a is 3; it must be from 4 to 9");
    close_document(&d);
}

static void pairs_are_one_number_or_two(void **state)
{
    (void)state;
    struct document d;
    struct tp_err err = { 0 };
    int x[2];
    open_document(&d, "{\"a\": 3, \"b\": [4, 5], \"c\": [1, 2, 3], \"d\": [], \"e\": [[1], [2]], "
                      "\"f\": [1, null], \"g\": [0, 1]}");
    assert_true(tp_fields_pair(&d.fields, "a", 1, 1, 9, x, &err) && x[0] == 3 && x[1] == 3);
    assert_true(tp_fields_pair(&d.fields, "b", 1, 1, 9, x, &err) && x[0] == 4 && x[1] == 5);
    assert_true(tp_fields_pair(&d.fields, "absent", 2, 1, 9, x, &err) && x[0] == 2 && x[1] == 2);
    check_message(tp_fields_pair(&d.fields, "c", 1, 1, 9, x, &err), &err,
                  "here: c: at most 2 integers");
    check_message(tp_fields_pair(&d.fields, "d", 1, 1, 9, x, &err), &err,
                  "here: d must be a whole number or [height, width], not an empty array");
    check_message(tp_fields_pair(&d.fields, "e", 1, 1, 9, x, &err), &err, "here: e: a flat array");
    check_message(tp_fields_pair(&d.fields, "f", 1, 1, 9, x, &err), &err,
                  "here: f must be a whole number or [height, width]");
    check_message(tp_fields_pair(&d.fields, "g", 1, 1, 9, x, &err), &err,
                  "here: g is 0; it must be from 1 to 9");
    close_document(&d);
}

static void numbers_have_a_range(void **state)
{
    (void)state;
    struct document d;
    struct tp_err err = { 0 };
    float x;
    open_document(&d, "{\"a\": 0.5, \"b\": 2, \"c\": true}");
    assert_true(tp_fields_number(&d.fields, "a", 0, 0, 1, &x, &err) && x == 0.5f);
    assert_true(tp_fields_number(&d.fields, "absent", 0.25, 0, 1, &x, &err) && x == 0.25f);
    check_message(tp_fields_number(&d.fields, "absent", NAN, 0, 1, &x, &err), &err,
                  "here: absent is missing; expected a number");
    check_message(tp_fields_number(&d.fields, "b", 0, 0, 1, &x, &err), &err,
                  "here: b is 2; it must be from 0 to 1");
    check_message(tp_fields_number(&d.fields, "c", 0, 0, 1, &x, &err), &err,
                  "here: c must be a number, not a boolean");
    close_document(&d);
}

static void an_array_of_numbers_is_no_string(void **state)
{
    (void)state;
    struct document d;
    struct tp_err err = { 0 };
    const char *text;
    open_document(&d, "{\"a\": [1, 2], \"b\": \"text\"}");
    assert_true(tp_fields_text(&d.fields, "b", NULL, &text, &err));
    assert_string_equal(text, "text");
    check_message(tp_fields_text(&d.fields, "a", NULL, &text, &err), &err,
                  "here: a must be a string, not numbers of shape [2]");
    check_message(tp_fields_name(&d.fields, "a", &text, &err), &err,
                  "here: a must be a string, not numbers of shape [2]");
    close_document(&d);
}

static void choices_are_listed_when_none_fits(void **state)
{
    (void)state;
    static const char *const words[] = { "yes", "no", NULL };
    struct document d;
    struct tp_err err = { 0 };
    int i;
    open_document(&d, "{\"a\": \"no\", \"b\": \"maybe\"}");
    assert_true(tp_fields_choice(&d.fields, "a", words, 0, &i, &err) && i == 1);
    assert_true(tp_fields_choice(&d.fields, "absent", words, 0, &i, &err) && i == 0);
    check_message(tp_fields_choice(&d.fields, "b", words, 0, &i, &err), &err,
                  "here: b is 'maybe'; it must be one of yes, no");
    close_document(&d);
}

static void names_of_128_bytes_in_any_script_are_fine(void **state)
{
    (void)state;
    struct document d;
    struct tp_err err = { 0 };
    const char *name;
    char text[400];
    snprintf(text, sizeof text, "{\"a\": \"%0128d\", \"b\": \"%0129d\", \"c\": "
             "\"\xC3\xA4/\xE5\xB1\xA4 1\", \"d\": \"a\\u007f\"}", 0, 0);
    open_document(&d, text);
    assert_true(tp_fields_name(&d.fields, "a", &name, &err) && strlen(name) == 128);
    assert_true(tp_fields_name(&d.fields, "c", &name, &err));
    assert_string_equal(name, "\xC3\xA4/\xE5\xB1\xA4 1");
    assert_true(tp_fields_name(&d.fields, "absent", &name, &err) && !name);
    check_message(tp_fields_name(&d.fields, "b", &name, &err), &err, "here: b has 129 bytes");
    check_message(tp_fields_name(&d.fields, "d", &name, &err), &err, "control character at byte 1");
    close_document(&d);
}

static void check_edges(const char *text, int top, int left, int bottom, int right)
{
    struct document d;
    struct tp_err err = { 0 };
    int e[4];
    open_document(&d, text);
    assert_true(tp_fields_edges(&d.fields, "e", 1, e, &err));
    assert_true(e[0] == top && e[1] == left && e[2] == bottom && e[3] == right);
    close_document(&d);
}

static void edges_have_three_forms(void **state)
{
    (void)state;
    check_edges("{}", 1, 1, 1, 1);
    check_edges("{\"e\": 3}", 3, 3, 3, 3);
    check_edges("{\"e\": [3, 4]}", 3, 4, 3, 4);
    check_edges("{\"e\": [[1, 2], [3, 4]]}", 1, 3, 2, 4);
}

static void check_padding(const char *text, enum tp_padding kind, int top, int left, int bottom,
                          int right)
{
    struct document d;
    struct tp_err err = { 0 };
    struct tp_window w = { .pads = { 0 } };
    open_document(&d, text);
    assert_true(tp_fields_padding(&d.fields, &w, &err));
    assert_int_equal(w.padding, kind);
    assert_true(w.pads[0] == top && w.pads[1] == left && w.pads[2] == bottom && w.pads[3] == right);
    close_document(&d);
}

static void padding_has_words_and_numbers(void **state)
{
    (void)state;
    check_padding("{}", TP_PADDING_VALID, 0, 0, 0, 0);
    check_padding("{\"padding\": \"valid\"}", TP_PADDING_VALID, 0, 0, 0, 0);
    check_padding("{\"padding\": \"same\"}", TP_PADDING_SAME, 0, 0, 0, 0);
    check_padding("{\"padding\": 2}", TP_PADDING_EXPLICIT, 2, 2, 2, 2);
    check_padding("{\"padding\": [1, 2, 3, 4]}", TP_PADDING_EXPLICIT, 1, 2, 3, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_fields_are_named_with_the_known_ones),
        cmocka_unit_test(whole_numbers_may_be_written_with_a_point),
        cmocka_unit_test(pairs_are_one_number_or_two),
        cmocka_unit_test(numbers_have_a_range),
        cmocka_unit_test(an_array_of_numbers_is_no_string),
        cmocka_unit_test(choices_are_listed_when_none_fits),
        cmocka_unit_test(names_of_128_bytes_in_any_script_are_fine),
        cmocka_unit_test(edges_have_three_forms),
        cmocka_unit_test(padding_has_words_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
