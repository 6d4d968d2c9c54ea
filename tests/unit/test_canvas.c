/* test_canvas.c - rectangles and text, cut off at every edge. */
#include "check.h"

#include <string.h>

#include "formats/canvas.h"
#include "formats/font.h"

enum { W = 40, H = 12 };

static struct tp_canvas make(int width, int height)
{
    struct tp_canvas c = { guarded((size_t)(width * height)), width, height };
    memset(c.pixels, 0, (size_t)(width * height));
    return c;
}

static int count(const struct tp_canvas *c)
{
    int n = 0;
    for (int i = 0; i < c->width * c->height; i++) n += c->pixels[i] != 0;
    return n;
}

static void what_lies_outside_is_cut_off(void **state)
{
    (void)state;
    static const struct { int x, y, w, h, painted; } cases[] = {
        { 0, 0, W, H, W * H }, { -5, -5, 100, 100, W * H }, { W - 1, H - 1, 9, 9, 1 },
        { W, 0, 5, 5, 0 },     { 0, H, 5, 5, 0 },           { -5, 0, 5, 5, 0 },
        { 3, 4, 5, 2, 10 },    { 3, 4, 0, 2, 0 },           { -2, -1, 4, 3, 4 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_canvas c = make(W, H);
        tp_canvas_fill(&c, cases[i].x, cases[i].y, cases[i].w, cases[i].h, 7);
        assert_int_equal(count(&c), cases[i].painted);
        guarded_free(c.pixels);
    }
}

static void text_is_the_fonts_pixels(void **state)
{
    (void)state;
    for (int scale = 1; scale <= 3; scale++) {
        struct tp_canvas c = make(70, 40);
        tp_canvas_text(&c, 2, 3, scale, "a~", 9);
        for (int y = 0; y < 40; y++)
            for (int x = 0; x < 70; x++) {
                const int row = y < 3 ? -1 : (y - 3) / scale, column = x < 2 ? -1 : (x - 2) / scale;
                const int letter = column / TP_CANVAS_ADVANCE, bit = column % TP_CANVAS_ADVANCE;
                const bool in = row >= 0 && row < TP_FONT_HEIGHT && column >= 0 && letter < 2 &&
                                bit < TP_FONT_WIDTH;
                const uint8_t *rows = tp_font[(letter ? '~' : 'a') - TP_FONT_FIRST];
                const bool ink = in && rows[row] >> (TP_FONT_WIDTH - 1 - bit) & 1;
                assert_int_equal(c.pixels[y * 70 + x], ink ? 9 : 0);
            }
        guarded_free(c.pixels);
    }
}

static void text_may_leave_the_canvas(void **state)
{
    (void)state;
    for (int x = -80; x < W + 10; x += 7)
        for (int y = -20; y < H + 10; y += 3) {
            struct tp_canvas c = make(W, H);
            tp_canvas_text(&c, x, y, 2, "WWWWWW", 1);
            guarded_free(c.pixels);
        }
}

static void other_characters_are_a_question_mark_each(void **state)
{
    (void)state;
    static const char *const texts[] = { "?", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\t",
                                         "\x7F", "\xFF", "\x80" };
    struct tp_canvas want = make(W, H);
    tp_canvas_text(&want, 0, 0, 1, "?", 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct tp_canvas c = make(W, H);
        tp_canvas_text(&c, 0, 0, 1, texts[i], 1);
        assert_memory_equal(c.pixels, want.pixels, W * H);
        assert_int_equal(tp_canvas_text_width(texts[i], 2), 10);
        guarded_free(c.pixels);
    }
    assert_int_equal(tp_canvas_text_width("", 1), 0);
    assert_int_equal(tp_canvas_text_width("12", 1), 11);
    guarded_free(want.pixels);
}

/* Nothing is drawn alike, and nothing but the blank is empty. */
static void every_glyph_is_its_own(void **state)
{
    (void)state;
    enum { N = TP_FONT_LAST - TP_FONT_FIRST + 1 };
    static const uint8_t empty[TP_FONT_HEIGHT];
    for (int i = 0; i < N; i++) {
        assert_int_equal(!memcmp(tp_font[i], empty, sizeof empty), i == 0);
        for (int row = 0; row < TP_FONT_HEIGHT; row++) assert_true(tp_font[i][row] < 32);
        for (int j = 0; j < i; j++)
            if (!memcmp(tp_font[i], tp_font[j], sizeof empty))
                fail_msg("'%c' looks like '%c'", TP_FONT_FIRST + i, TP_FONT_FIRST + j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_outside_is_cut_off),
        cmocka_unit_test(text_is_the_fonts_pixels),
        cmocka_unit_test(text_may_leave_the_canvas),
        cmocka_unit_test(other_characters_are_a_question_mark_each),
        cmocka_unit_test(every_glyph_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
