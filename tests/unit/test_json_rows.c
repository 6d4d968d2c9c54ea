/* test_json_rows.c - arrays of numbers, whole and cut in parts. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "formats/json_rows.h"

static const char *const texts[] = {
    "[1,2,3,4]", "[[1,2],[3,4],[5,6]]", "[[[1],[2]],[[3],[4]]]", "[ [1.5, -2e3] , [3, 4] ]",
    "[[[[1,2],[3,4]],[[5,6],[7,8]]]]", "[[[1,2,3]],[[4,5,6]]]", "[[1,2],[3]]", "[[1,2],[3,[4]]]",
    "[[1,2],3]", "[1,[2]]", "[[[1,2],[3,4]],[[5,6]]]", "[[],[1]]", "[[1],[]]",
    "[[1,2],[3,4],[5,6],[7]]",
    "[[[1,2]],[[3,4],[5,6]],[[7,8]]]",
};

static void begin_rows(struct tp_json_rows *r, const struct tp_json_scan *doc, float *to, int room)
{
    memset(r, 0, sizeof *r);
    r->doc = doc;
    r->text = doc->text;
    r->end = r->stop = doc->end;
    r->to = to;
    r->to_end = to + room;
}

static void check_equal(const struct tp_json_rows *a, const struct tp_json_rows *b)
{
    assert_int_equal(a->n_numbers, b->n_numbers);
    assert_int_equal(a->fault, b->fault);
    assert_int_equal(a->fault_byte, b->fault_byte);
    assert_int_equal(a->fault_length, b->fault_length);
    assert_int_equal(a->depth, b->depth);
    assert_int_equal(a->deepest, b->deepest);
    for (int i = 1; i <= a->deepest; i++) assert_int_equal(a->wanted[i], b->wanted[i]);
}

/* Cut behind any comma, or any two, and put together again an array is what it was; a part that
 * does not fit is refused and leaves all as it was, so that scanning on finds what is wrong. */
static void check_cuts(const char *text, bool behind_another)
{
    enum { ROOM = 32 };
    char all[200];
    const int before = sprintf(all, "%s", behind_another ? "[\"x\"," : "");
    const char *after = behind_another ? "]" : "";
    const size_t n = (size_t)(before + sprintf(all + before, "%s%s", text, after));
    struct tp_err err = { 0 };
    const struct tp_json_scan doc = { .what = "text", .text = all, .end = all + n, .err = &err };
    float want[ROOM], got[ROOM];
    struct tp_json_rows whole, r;
    begin_rows(&whole, &doc, want, ROOM);
    const char *end = tp_json_rows_scan(&whole, all + before);

    for (const char *cut = all + before; (cut = strchr(cut, ',')); cut++)
        for (const char *second = cut; second; second = strchr(second + 1, ',')) {
            struct tp_json_rows part[2];
            const char *begin[2] = { cut + 1, second + 1 };
            begin_rows(&r, &doc, got, ROOM);
            r.stop = cut + 1;
            const char *p = tp_json_rows_scan(&r, all + before);
            r.stop = doc.end;
            int n_numbers = (int)r.n_numbers;
            for (int i = second == cut; i < 2 && p == begin[i] && r.depth; i++) {
                tp_json_rows_part(&part[i], all, doc.end);
                if (i == 0) part[i].stop = begin[1];
                part[i].to = got + n_numbers;
                part[i].to_end = got + ROOM;
                const struct tp_json_rows was = r;
                const char *behind = tp_json_rows_append(&r, &part[i],
                                                         tp_json_rows_scan(&part[i], begin[i]));
                if (!behind) assert_memory_equal(&r, &was, sizeof r);
                n_numbers = (int)r.n_numbers;
                p = behind ? behind : p;
            }
            if (r.depth) p = tp_json_rows_scan(&r, p);
            assert_ptr_equal(p, end);
            check_equal(&r, &whole);
            assert_memory_equal(got, want, whole.n_numbers * sizeof *got);
        }
}

static void parts_make_a_whole_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_cuts(texts[i], false);
        check_cuts(texts[i], true);
    }
}

static void sound_parts_are_not_scanned_again(void **state)
{
    (void)state;
    static const char text[] = "[[[1,2],[3,4]],[[5,6],[7,8]]]";
    struct tp_err err = { 0 };
    const char *end = text + sizeof text - 1, *cut = strchr(text, '4');
    const struct tp_json_scan doc = { .what = "text", .text = text, .end = end, .err = &err };
    float x[8];
    struct tp_json_rows r, part;
    begin_rows(&r, &doc, x, 8);
    r.stop = cut;
    assert_ptr_equal(tp_json_rows_scan(&r, text), cut);
    tp_json_rows_part(&part, text, end);
    part.to = x + 3;
    part.to_end = x + 8;
    assert_ptr_equal(tp_json_rows_append(&r, &part, tp_json_rows_scan(&part, cut)), end);
    assert_int_equal(r.depth, 0);
    assert_int_equal(r.n_numbers, 8);
    for (int i = 0; i < 8; i++) assert_true(x[i] == (float)(i + 1));
}

static void numbers_without_room_are_counted(void **state)
{
    (void)state;
    static const char text[] = "[1,2,1e39,4,-1e40]";
    struct tp_err err = { 0 };
    const struct tp_json_scan doc = { .what = "text", .text = text, .end = text + sizeof text - 1,
                                      .err = &err };
    float x[2];
    struct tp_json_rows r;
    begin_rows(&r, &doc, x, 2);
    assert_ptr_equal(tp_json_rows_scan(&r, text), doc.end);
    assert_int_equal(r.n_numbers, 5);
    assert_int_equal(r.beyond_byte, 5);
    begin_rows(&r, &doc, NULL, 0);
    assert_ptr_equal(tp_json_rows_scan(&r, text), doc.end);
    assert_int_equal(r.n_numbers, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_make_a_whole_again),
        cmocka_unit_test(sound_parts_are_not_scanned_again),
        cmocka_unit_test(numbers_without_room_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
