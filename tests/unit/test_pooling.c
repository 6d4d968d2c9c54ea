/* test_pooling.c - one pooling in words: every word's meaning, every refusal. */
#include "words.h"

#include "formats/pooling.h"

static bool try_read(const char *query, struct tp_tap *tap, struct tp_arena *arena,
                     struct tp_err *err)
{
    struct tp_options o = words(tp_arena_strndup(arena, query, strlen(query)));
    *err = (struct tp_err){ 0 };
    *tap = (struct tp_tap){ .layer = "a" };
    return tp_pooling_read(&o, tap, arena, err);
}

/* The pooling alone; its boxes are the arena's. */
static struct tp_pooling must_read(const char *query, struct tp_arena *arena)
{
    struct tp_tap tap;
    struct tp_err err;
    if (!try_read(query, &tap, arena, &err)) fail_msg("%s: %s", query, err.message);
    assert_string_equal(tap.layer, "a");
    return tap.pooling;
}

/* ---- meaning --------------------------------------------------------------------------------- */

static void each_kind_has_its_word(void **state)
{
    (void)state;
    static const struct { const char *query; enum tp_pool_kind kind; float p; } cases[] = {
        { "", TP_POOL_NONE, 0 }, { "pool=none", TP_POOL_NONE, 0 }, { "pool=max", TP_POOL_MAX, 0 },
        { "pool=avg", TP_POOL_AVG, 0 }, { "pool=min", TP_POOL_MIN, 0 },
        { "pool=sum", TP_POOL_SUM, 0 }, { "pool=std", TP_POOL_STD, 0 },
        { "pool=lp", TP_POOL_LP, 2 }, { "pool=gem", TP_POOL_GEM, 3 },
        { "pool=lp&p=1", TP_POOL_LP, 1 }, { "pool=gem&p=2.5", TP_POOL_GEM, 2.5f },
        { "pool=gem&p=1e2", TP_POOL_GEM, 100 },
    };
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_pooling p = must_read(cases[i].query, &arena);
        assert_int_equal(p.kind, cases[i].kind);
        assert_int_equal(p.form, TP_POOL_GLOBAL);
        assert_true(p.p == cases[i].p);
    }
    tp_arena_fini(&arena);
}

static void windows_are_read_as_height_and_width(void **state)
{
    (void)state;
    static const struct { const char *query; struct tp_window want;
    } cases[] = {
        { "pool=max&window=2", { { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, false } },
        { "pool=avg&window=2x3", { { 2, 3 }, { 2, 3 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, false } },
        { "pool=min&window=3&stride=1",
          { { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, false } },
        { "pool=sum&window=3x2&stride=1x4&padding=same",
          { { 3, 2 }, { 1, 4 }, { 1, 1 }, { 0 }, TP_PADDING_SAME, false } },
        { "pool=max&window=2&padding=valid&ceil=true",
          { { 2, 2 }, { 2, 2 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, true } },
        { "pool=max&window=3&padding=1&ceil=0",
          { { 3, 3 }, { 3, 3 }, { 1, 1 }, { 1, 1, 1, 1 }, TP_PADDING_EXPLICIT, false } },
        { "pool=max&window=5&padding=0,1,2,3",
          { { 5, 5 }, { 5, 5 }, { 1, 1 }, { 0, 1, 2, 3 }, TP_PADDING_EXPLICIT, false } },
        { "pool=max&window=65536",
          { { 65536, 65536 }, { 65536, 65536 }, { 1, 1 }, { 0 }, TP_PADDING_VALID, false } },
    };
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_pooling p = must_read(cases[i].query, &arena);
        const struct tp_window *got = &p.window, *want = &cases[i].want;
        assert_int_equal(p.form, TP_POOL_WINDOW);
        assert_memory_equal(got->kernel, want->kernel, sizeof got->kernel);
        assert_memory_equal(got->strides, want->strides, sizeof got->strides);
        assert_memory_equal(got->dilations, want->dilations, sizeof got->dilations);
        assert_memory_equal(got->pads, want->pads, sizeof got->pads);
        assert_int_equal(got->padding, want->padding);
        assert_int_equal(got->ceil_mode, want->ceil_mode);
    }
    tp_arena_fini(&arena);
}

static void grids_and_pyramids_are_read(void **state)
{
    (void)state;
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_pooling p = must_read("pool=avg&grid=4", &arena);
    assert_int_equal(p.form, TP_POOL_GRID);
    assert_true(p.grid[0] == 4 && p.grid[1] == 4);
    p = must_read("pool=std&grid=1x4096", &arena);
    assert_true(p.grid[0] == 1 && p.grid[1] == 4096);
    p = must_read("pool=max&pyramid=1,2,4", &arena);
    assert_int_equal(p.form, TP_POOL_PYRAMID);
    assert_int_equal(p.n_levels, 3);
    assert_memory_equal(p.levels, ((int[]){ 1, 2, 4 }), 3 * sizeof(int));
    p = must_read("pool=max&pyramid=64", &arena);
    assert_true(p.n_levels == 1 && p.levels[0] == 64);
    p = must_read("pool=max&pyramid=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", &arena);
    assert_true(p.n_levels == 16 && p.levels[15] == 16);
    tp_arena_fini(&arena);
}

static void boxes_are_read_with_the_bins_of_each(void **state)
{
    (void)state;
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    struct tp_pooling p = must_read("pool=max&rois=0,0,8,8", &arena);
    assert_int_equal(p.form, TP_POOL_ROIS);
    assert_true(p.n_boxes == 1 && p.grid[0] == 1 && p.grid[1] == 1);
    p = must_read("pool=avg&grid=7x5&rois=-1.5,0,2.25,1e2;16,17,18,16777216", &arena);
    assert_true(p.n_boxes == 2 && p.grid[0] == 7 && p.grid[1] == 5);
    static const float want[] = { -1.5f, 0, 2.25f, 100, 16, 17, 18, 16777216 };
    assert_memory_equal(p.boxes, want, sizeof want);
    tp_arena_fini(&arena);
}

static void places_of_maxima_are_asked_for_beside_max(void **state)
{
    (void)state;
    static const struct { const char *query; bool argmax; } cases[] = {
        { "pool=max", false }, { "pool=max&argmax=true", true }, { "pool=max&argmax=1", true },
        { "pool=max&argmax=0", false }, { "pool=avg&argmax=false", false },
        { "pool=max&window=2&argmax=true", true }, { "pool=max&grid=2&argmax=true", true },
        { "pool=max&pyramid=1,2&argmax=true", true },
        { "pool=max&rois=0,0,1,1&argmax=false", false },
    };
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_tap tap;
        struct tp_err err;
        if (!try_read(cases[i].query, &tap, &arena, &err)) fail_msg("%s", err.message);
        assert_int_equal(tap.argmax, cases[i].argmax);
    }
    tp_arena_fini(&arena);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void wrong_words_are_refused_with_what_would_be_right(void **state)
{
    (void)state;
    static const struct { const char *query, *part; } cases[] = {
        { "pool=median", "pool=median: no such pooling; there are none, max, avg, min, sum, lp" },
        { "pool=", "no such pooling" },
        { "pool=MAX", "no such pooling" },
        { "pool=max&stride=2", "stride: belongs to a window" },
        { "pool=max&padding=same", "padding: belongs to a window" },
        { "ceil=true", "ceil: belongs to a window" },
        { "pool=max&window=0", "window=0: expected a size" },
        { "pool=max&window=-1", "window=-1: expected a size" },
        { "pool=max&window=+1", "expected a size" },
        { "pool=max&window= 1", "expected a size" },
        { "pool=max&window=", "expected a size" },
        { "pool=max&window=2x", "expected a size" },
        { "pool=max&window=x2", "expected a size" },
        { "pool=max&window=2x2x2", "expected a size" },
        { "pool=max&window=2,2", "expected a size" },
        { "pool=max&window=2.5", "expected a size" },
        { "pool=max&window=65537", "of 1 to 65536" },
        { "pool=max&window=99999999999999999999", "of 1 to 65536" },
        { "pool=max&window=0000000002", "expected a size" },
        { "pool=max&window=2&stride=0", "stride=0: expected a size" },
        { "pool=max&window=2&padding=full", "padding=full: expected valid, same" },
        { "pool=max&window=2&padding=1,1", "top,left,bottom,right" },
        { "pool=max&window=2&padding=1,1,1,1,1", "top,left,bottom,right" },
        { "pool=max&window=2&padding=-1", "top,left,bottom,right" },
        { "pool=max&window=2&ceil=yes", "ceil=yes: expected true or false" },
        { "window=2", "window: says where to pool; add pool=max, avg, min, sum, lp, gem or std" },
        { "pool=none&window=2", "window: says where to pool; add pool=max" },
        { "grid=4x4", "grid: says where to pool; add pool=max" },
        { "pyramid=1,2", "pyramid: says where to pool; add pool=max" },
        { "rois=0,0,1,1", "rois: says where to pool; add pool=max" },
        { "rois=0,0,1,1&grid=2", "rois: says where to pool; add pool=max" },
        { "pool=max&window=2&grid=2", "window and grid are two ways to pool; use one of" },
        { "pool=max&window=2&pyramid=2", "window and pyramid are two ways to pool" },
        { "pool=max&window=2&rois=0,0,1,1", "window and rois are two ways to pool" },
        { "pool=max&pyramid=2&grid=2", "pyramid and grid are two ways to pool" },
        { "pool=max&pyramid=2&rois=0,0,1,1&grid=2", "pyramid and rois are two ways to pool" },
        { "pool=max&grid=2&stride=2", "stride: belongs to a window" },
        { "pool=max&grid=0", "grid=0: expected a size" },
        { "pool=max&grid=4097", "of 1 to 4096" },
        { "pool=max&grid=2,2", "grid=2,2: expected a size" },
        { "pool=max&pyramid=", "pyramid=: expected up to 16 grid sizes of 1 to 64, such as 1,2" },
        { "pool=max&pyramid=0", "expected up to 16 grid sizes" },
        { "pool=max&pyramid=65", "expected up to 16 grid sizes" },
        { "pool=max&pyramid=1,2,", "expected up to 16 grid sizes" },
        { "pool=max&pyramid=1x2", "expected up to 16 grid sizes" },
        { "pool=max&pyramid=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "up to 16 grid sizes" },
        { "p=3", "p: is the exponent of pool=lp and pool=gem; it means nothing to pool=none" },
        { "pool=max&p=3", "it means nothing to pool=max" },
        { "pool=std&p=2", "it means nothing to pool=std" },
        { "pool=gem&p=0.99", "p=0.99: expected a number from 1 to 100" },
        { "pool=lp&p=100.1", "expected a number from 1 to 100" },
        { "pool=lp&p=-3", "expected a number" },
        { "pool=lp&p=", "expected a number" },
        { "pool=lp&p=3,", "expected a number" },
        { "pool=lp&p=nan", "expected a number" },
        { "pool=lp&p=inf", "expected a number" },
        { "pool=lp&p=1e999", "expected a number" },
        { "argmax=true", "argmax: is the place of each maximum; it belongs to pool=max" },
        { "pool=avg&argmax=true", "it belongs to pool=max" },
        { "pool=max&argmax=yes", "argmax=yes: expected true or false" },
        { "pool=max&rois=0,0,1,1&argmax=true", "argmax: there is none with rois" },
        { "pool=max&rois=", "rois: box 0 is ''; expected x0,y0,x1,y1 in pixels of the image" },
        { "pool=max&rois=1,2,3", "rois: box 0 is '1,2,3'" },
        { "pool=max&rois=0,0,1,1,1", "rois: box 0 is '0,0,1,1,1'" },
        { "pool=max&rois=0,0,1,1;", "rois: box 1 is ''" },
        { "pool=max&rois=0,0,1,1;0,0,x,1;0,0,1,1", "rois: box 1 is '0,0,x,1'" },
        { "pool=max&rois=0, 0,1,1", "rois: box 0 is" },
        { "pool=max&rois=0,0,nan,1", "rois: box 0 is" },
        { "pool=max&rois=0,0,+1,1", "rois: box 0 is" },
        { "pool=max&rois=0,0,1e39,1", "rois: box 0: inf is no pixel" },
        { "pool=max&rois=0,0,1,1;-16777218,0,1,1", "rois: box 1: -1.67772e+07 is no pixel" },
        { "pool=max&rois=5,0,5,1", "rois: box 0: x0 is 5 and x1 is 5; a box is x0,y0,x1,y1 with" },
        { "pool=max&rois=0,0,1,1;0,2,1,1.5", "rois: box 1: y0 is 2 and y1 is 1.5" },
    };
    struct tp_arena arena;
    tp_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_tap tap;
        struct tp_err err;
        if (try_read(cases[i].query, &tap, &arena, &err))
            fail_msg("%s was accepted", cases[i].query);
        if (err.code != TP_INVALID_ARGUMENT || !strstr(err.message, cases[i].part))
            fail_msg("%s: got %s \"%s\"; wanted \"%s\"", cases[i].query, tp_code_name(err.code),
                     err.message, cases[i].part);
    }
    tp_arena_fini(&arena);
}

static void there_are_at_most_256_boxes(void **state)
{
    (void)state;
    char query[32 + 8 * 257] = "pool=max&rois=0,0,1,1";
    struct tp_arena arena;
    struct tp_tap tap;
    struct tp_err err;
    tp_arena_init(&arena, 1 << 20);
    for (int i = 1; i < 256; i++) strcat(query, ";0,0,1,1");
    assert_int_equal(must_read(query, &arena).n_boxes, 256);
    strcat(query, ";0,0,1,1");
    assert_false(try_read(query, &tap, &arena, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_string_equal(err.message, "rois: 257 boxes; at most 256 are possible");
    tp_arena_fini(&arena);
}

static void boxes_without_room_are_an_error(void **state)
{
    (void)state;
    const struct tp_options o = { .pool = "max", .rois = "0,0,1,1" };
    struct tp_arena arena;
    struct tp_tap tap;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 8);
    assert_false(tp_pooling_read(&o, &tap, &arena, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    tp_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_word),
        cmocka_unit_test(windows_are_read_as_height_and_width),
        cmocka_unit_test(grids_and_pyramids_are_read),
        cmocka_unit_test(boxes_are_read_with_the_bins_of_each),
        cmocka_unit_test(places_of_maxima_are_asked_for_beside_max),
        cmocka_unit_test(wrong_words_are_refused_with_what_would_be_right),
        cmocka_unit_test(there_are_at_most_256_boxes),
        cmocka_unit_test(boxes_without_room_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
