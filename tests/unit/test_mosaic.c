/* test_mosaic.c - feature maps as a picture, decoded again: colours, places, limits. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/image.h"
#include "formats/mosaic.h"

struct picture { struct tp_arena arena; struct tp_image image; };

static struct picture draw_all(const struct tp_answer_output *o, int n)
{
    const struct tp_answer a = { .model = "m", .outputs = o, .n_outputs = n };
    const struct tp_image_options options = { .max_pixels = 1 << 26 };
    struct picture p;
    struct tp_buf b = { 0 };
    struct tp_err err = { 0 };
    tp_arena_init(&p.arena, 1 << 28);
    if (!tp_mosaic_check(&a, &err) || !tp_mosaic_write(&b, &a, &err) ||
        !tp_image_decode(&p.image, b.data, b.n_bytes, &options, NULL, &p.arena, &err))
        fail_msg("%s", err.message);
    assert_int_equal(p.image.channels, 3);
    tp_buf_fini(&b);
    return p;
}

static struct picture draw(struct tp_shape shape, float *x, bool channels_first)
{
    const struct tp_answer_output o = { .name = "conv", .tensor = { shape, x },
                                        .channels_first = channels_first };
    return draw_all(&o, 1);
}

static uint32_t pixel(const struct picture *p, int x, int y)
{
    const uint8_t *rgb = p->image.pixels + 3 * ((size_t)y * (size_t)p->image.width + (size_t)x);
    assert_true(x >= 0 && y >= 0 && x < p->image.width && y < p->image.height);
    return (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
}

static int count(const struct picture *p, uint32_t color)
{
    int n = 0;
    for (int y = 0; y < p->image.height; y++)
        for (int x = 0; x < p->image.width; x++) n += pixel(p, x, y) == color;
    return n;
}

enum { LEFT = 12, TOP = 36, LOW = 0x440154, HIGH = 0xFDE725, GRAY = 0xB0B0B0, WHITE = 0xFFFFFF };

/* The tutorial's map: 6x6 cells of 64 pixels, a bright line two cells wide. */
static void a_small_map_is_drawn_large_with_its_values(void **state)
{
    (void)state;
    float x[36];
    for (int i = 0; i < 36; i++) x[i] = i % 6 == 2 || i % 6 == 3 ? 3 : 0;
    struct picture p = draw(TP_SHAPE4(1, 6, 6, 1), x, false);
    for (int row = 0; row < 6; row++)
        for (int column = 0; column < 6; column++) {
            const uint32_t want = column == 2 || column == 3 ? HIGH : LOW;
            const int at_x = LEFT + column * 64, at_y = TOP + row * 64;
            int ink = 0;
            assert_int_equal(pixel(&p, at_x, at_y), want);
            assert_int_equal(pixel(&p, at_x + 63, at_y + 63), want);
            for (int i = 0; i < 64 * 64; i++)
                ink += pixel(&p, at_x + i % 64, at_y + i / 64) == (want == HIGH ? 0 : WHITE);
            assert_true(ink > 50 && ink < 320);  /* a figure */
        }
    assert_int_equal(pixel(&p, LEFT - 1, TOP), WHITE);
    assert_int_equal(pixel(&p, LEFT + 6 * 64, TOP), WHITE);
    assert_int_equal(pixel(&p, LEFT, TOP - 1), WHITE);
    tp_arena_fini(&p.arena);
}

/* Of matplotlib, at 0, 64, 128, 192 and 255 of 255. */
static void colours_are_viridis(void **state)
{
    (void)state;
    static const uint8_t want[5][3] = {
        { 68, 1, 84 }, { 59, 82, 139 }, { 33, 145, 140 }, { 94, 201, 98 }, { 253, 231, 37 },
    };
    float x[5] = { 0, 64, 128, 192, 255 };
    for (int i = 0; i < 5; i++) x[i] = 1e30f * (x[i] - 100);
    struct picture p = draw(TP_SHAPE2(1, 5), x, false);
    for (int i = 0; i < 5; i++) {
        const uint32_t rgb = pixel(&p, LEFT + i * 96, TOP);
        for (int c = 0; c < 3; c++)
            assert_true(abs((int)(rgb >> (16 - 8 * c) & 255) - want[i][c]) <= 2);
    }
    tp_arena_fini(&p.arena);
}

static void what_is_no_number_is_gray_or_at_the_ends(void **state)
{
    (void)state;
    float x[] = { NAN, 1, INFINITY, 2, -INFINITY }, none[] = { NAN, INFINITY, -INFINITY };
    struct picture p = draw(TP_SHAPE2(1, 5), x, false);
    static const uint32_t want[] = { GRAY, LOW, HIGH, HIGH, LOW };
    for (int i = 0; i < 5; i++) assert_int_equal(pixel(&p, LEFT + i * 96, TOP), want[i]);
    tp_arena_fini(&p.arena);
    p = draw(TP_SHAPE2(1, 3), none, false);
    static const uint32_t alone[] = { GRAY, HIGH, LOW };
    for (int i = 0; i < 3; i++) assert_int_equal(pixel(&p, LEFT + i * 96, TOP), alone[i]);
    tp_arena_fini(&p.arena);
}

static void a_flat_map_is_dark(void **state)
{
    (void)state;
    float x[4] = { -5, -5, -5, -5 };
    struct picture p = draw(TP_SHAPE4(1, 2, 2, 1), x, false);
    assert_int_equal(pixel(&p, LEFT, TOP), LOW);
    assert_int_equal(pixel(&p, LEFT + 383, TOP + 383), LOW);
    tp_arena_fini(&p.arena);
}

static void both_layouts_look_the_same(void **state)
{
    (void)state;
    enum { N = 2, C = 21, HEIGHT = 5, WIDTH = 9, ALL = N * C * HEIGHT * WIDTH };
    float *first = guarded_random(ALL, 5), *last = guarded_random(ALL, 5);
    for (int i = 0; i < ALL; i++) {
        const int n = i / (C * HEIGHT * WIDTH), c = i / (HEIGHT * WIDTH) % C;
        const int at = i % (HEIGHT * WIDTH);
        last[(n * HEIGHT * WIDTH + at) * C + c] = first[i];
    }
    struct picture p = draw(TP_SHAPE4(N, C, HEIGHT, WIDTH), first, true);
    struct picture q = draw(TP_SHAPE4(N, HEIGHT, WIDTH, C), last, false);
    assert_int_equal(p.image.width, q.image.width);
    assert_int_equal(p.image.height, q.image.height);
    assert_memory_equal(p.image.pixels, q.image.pixels,
                        (size_t)p.image.width * (size_t)p.image.height * 3);
    tp_arena_fini(&p.arena);
    tp_arena_fini(&q.arena);
    guarded_free(first);
    guarded_free(last);
}

/* A thousand dark values and a bright one at the end: the strip wraps, and ends where they end. */
static void a_long_vector_wraps(void **state)
{
    (void)state;
    enum { N = 1030 };
    float x[N] = { 0 };
    x[N - 1] = 1;
    struct picture p = draw(TP_SHAPE2(1, N), x, false);
    assert_int_equal(pixel(&p, LEFT + 1023, TOP), LOW);
    assert_int_equal(pixel(&p, LEFT + 4, TOP + 24), LOW);
    assert_int_equal(pixel(&p, LEFT + 5, TOP + 24), HIGH);
    assert_int_equal(pixel(&p, LEFT + 5, TOP + 47), HIGH);
    assert_int_equal(pixel(&p, LEFT + 6, TOP + 24), WHITE);
    tp_arena_fini(&p.arena);
}

static void every_rank_from_1_to_4_and_any_size_is_drawn(void **state)
{
    (void)state;
    static const struct tp_shape shapes[] = {
        { 1, { 4 } }, { 2, { 3, 1 } }, { 3, { 2, 7, 3 } }, { 4, { 2, 1, 1, 40 } },
        { 4, { 1, 1, 200, 1 } }, { 4, { 1, 200, 1, 3 } }, { 4, { 3, 13, 11, 65 } },
        { 2, { 40, 3000 } },
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int first = 0; first < 2; first++) {
            float *x = guarded_random(tp_shape_elements(&shapes[i]), 1);
            struct picture p = draw(shapes[i], x, first);
            assert_true(count(&p, LOW) > 0);
            assert_int_equal(count(&p, HIGH) > 0, shapes[i].dim[shapes[i].rank - 1] > 1 || i == 4);
            tp_arena_fini(&p.arena);
            guarded_free(x);
        }
}

static void outputs_stand_below_each_other_whatever_their_names(void **state)
{
    (void)state;
    char name[1200];
    float x[4] = { 1, 2, 3, NAN };
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    const struct tp_answer_output o[] = {
        { .name = name, .tensor = { TP_SHAPE4(1, 2, 2, 1), x } },
        { .name = "\xFF\x01\n", .tensor = { TP_SHAPE2(2, 2), x } },
        { .name = "", .tensor = { TP_SHAPE2(1, 1), x + 3 } },
    };
    struct picture p = draw_all(o, 3), q = draw_all(o, 1);
    assert_true(p.image.height > q.image.height + 100);
    assert_int_equal(count(&p, GRAY) > count(&q, GRAY), 1);
    tp_arena_fini(&p.arena);
    tp_arena_fini(&q.arena);
}

static void what_cannot_be_drawn_is_refused_before_it_is_computed(void **state)
{
    (void)state;
    static const struct { struct tp_shape shape; enum tp_code code; const char *part; } cases[] = {
        { { 0 }, TP_INVALID_SHAPE, "png: conv is []; maps [n, c, h, w] and vectors [n, c]" },
        { { 5, { 1, 1, 1, 1, 1 } }, TP_INVALID_SHAPE, "are drawn" },
        { { 4, { 1, 4000, 4000, 6 } }, TP_TOO_LARGE,
          "png: conv (6 tiles of 4000x4000) makes the picture larger than 64 Mi pixels" },
        { { 4, { 1, 2, 2, 20000 } }, TP_TOO_LARGE, "or 16384 tiles; ask for fewer layers, or" },
        { { 4, { 20000, 2, 2, 1 } }, TP_TOO_LARGE, "16384 tiles" },
        { { 4, { 1, 1, 70000, 1 } }, TP_TOO_LARGE, "65535 a side" },
        { { 2, { 20000, 2 } }, TP_TOO_LARGE, "16384 tiles" },
        { { 2, { 1, INT64_C(1) << 40 } }, TP_TOO_LARGE, "64 Mi" },
        { { 4, { 1, INT64_C(1) << 30, INT64_C(1) << 30, 1 } }, TP_TOO_LARGE, "64 Mi" },
        { { 4, { INT64_C(1) << 60, 1, 1, 1 } }, TP_TOO_LARGE, "64 Mi" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct tp_answer_output o = { .name = "conv", .tensor = { cases[i].shape, NULL } };
        const struct tp_answer a = { .outputs = &o, .n_outputs = 1 };
        struct tp_err err = { 0 };
        if (tp_mosaic_check(&a, &err)) fail_msg("case %zu was not refused", i);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.message, cases[i].part)) fail_msg("%s", err.message);
    }
}

/* Many outputs of which each alone would do. */
static void limits_are_of_the_whole_picture(void **state)
{
    (void)state;
    struct tp_answer_output o[40];
    for (int i = 0; i < 40; i++)
        o[i] = (struct tp_answer_output){ .name = "x",
                                          .tensor = { TP_SHAPE4(1, 2000, 900, 1), NULL } };
    struct tp_err err = { 0 };
    assert_true(tp_mosaic_check(&(struct tp_answer){ .outputs = o, .n_outputs = 30 }, &err));
    assert_false(tp_mosaic_check(&(struct tp_answer){ .outputs = o, .n_outputs = 40 }, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
}

static void a_full_buffer_is_an_error_wherever_it_ends(void **state)
{
    (void)state;
    float *x = guarded_random(32 * 32, 1);
    const struct tp_answer_output o = { .name = "x", .tensor = { TP_SHAPE4(1, 32, 32, 1), x } };
    const struct tp_answer a = { .outputs = &o, .n_outputs = 1 };
    struct tp_buf whole = { 0 };
    struct tp_err err = { 0 };
    assert_true(tp_mosaic_write(&whole, &a, &err));
    for (size_t limit = 1; limit < whole.n_bytes; limit += 1 + limit / 8) {
        struct tp_buf b = { .limit_bytes = limit };
        struct tp_err full = { 0 };
        assert_false(tp_mosaic_write(&b, &a, &full));
        assert_int_equal(full.code, TP_TOO_LARGE);
        tp_buf_fini(&b);
    }
    tp_buf_fini(&whole);
    guarded_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_map_is_drawn_large_with_its_values),
        cmocka_unit_test(colours_are_viridis),
        cmocka_unit_test(what_is_no_number_is_gray_or_at_the_ends),
        cmocka_unit_test(a_flat_map_is_dark),
        cmocka_unit_test(both_layouts_look_the_same),
        cmocka_unit_test(a_long_vector_wraps),
        cmocka_unit_test(every_rank_from_1_to_4_and_any_size_is_drawn),
        cmocka_unit_test(outputs_stand_below_each_other_whatever_their_names),
        cmocka_unit_test(what_cannot_be_drawn_is_refused_before_it_is_computed),
        cmocka_unit_test(limits_are_of_the_whole_picture),
        cmocka_unit_test(a_full_buffer_is_an_error_wherever_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
