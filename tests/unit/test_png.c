/* test_png.c - PNG files: every kind of them, damage, and those that we write. */
#include "image_files.h"

#include "base/buf.h"
#include "formats/png.h"

enum { IEND_CHECKSUM = 4 };          /* libspng does without these last bytes */

static void every_colour_type_depth_and_interlacing_equals_pil(void **state)
{
    (void)state;
    assert_int_equal(must_equal_expected(".png"), 63);
}

static void files_cut_short_are_refused(void **state)
{
    (void)state;
    must_refuse_prefixes("t6_8_i.png", IEND_CHECKSUM);
    must_refuse_prefixes("t3_4_trns.png", IEND_CHECKSUM);
    must_refuse_prefixes("t0_16.png", IEND_CHECKSUM);
}

static void a_wrong_checksum_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "t2_8.png", "t3_8_trns.png", "turn6.png", "t6_8_i.png" };
    for (int i = 0; i < 4; i++) {
        struct file f = file_read(names[i]);
        for (size_t at = 8; at + 12 <= f.n;) {   /* each chunk: length, type, data, checksum */
            size_t length = (size_t)f.bytes[at + 2] << 8 | f.bytes[at + 3];
            f.bytes[at + 8 + length] ^= 1;
            must_refuse(names[i], f.bytes, f.n, TP_INVALID_IMAGE, "PNG: broken");
            f.bytes[at + 8 + length] ^= 1;
            at += 12 + length;
        }
        free(f.bytes);
    }
}

static void impossible_sizes_are_refused_before_decoding(void **state)
{
    (void)state;
    must_refuse_file("bad_height.png", TP_INVALID_IMAGE, "height");
    must_refuse_file("bad_huge.png", TP_TOO_LARGE, "65500x65500");
    must_refuse_file("bad_huge.png", TP_TOO_LARGE, "1048576 pixels");
    must_refuse_file("bad_huge.png", TP_TOO_LARGE, "--max-pixels");
}

static void too_little_pixel_data_is_refused_with_the_row(void **state)
{
    (void)state;
    must_refuse_file("bad_short.png", TP_INVALID_IMAGE, "row 4 of 6");
}

static void an_index_beyond_the_palette_reads_nothing_beyond_it(void **state)
{
    (void)state;
    struct tp_arena arena;
    struct tp_image im = must_decode("bad_index.png", false, 0, NULL, &arena);
    assert_int_equal(im.pixels[0], 0);           /* an index that is there: black */
    tp_arena_fini(&arena);
}

static void interlaced_alpha_that_the_arena_cannot_hold_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "t6_8_i.png", "t6_8.png", "photo.png" };
    struct tp_image_options options = { .max_pixels = TEST_MAX_PIXELS };
    for (int i = 0; i < 3; i++) {
        struct file f = file_read(names[i]);
        struct tp_arena arena;
        struct tp_err err = { 0 };
        struct tp_image im;
        tp_arena_init(&arena, 128);
        assert_false(tp_image_decode(&im, f.bytes, f.n, &options, NULL, &arena, &err));
        assert_int_equal(err.code, TP_TOO_LARGE);
        tp_arena_fini(&arena);
        free(f.bytes);
    }
}

static void flipped_bits_never_crash(void **state)
{
    (void)state;
    must_survive_flips("t6_16_i.png", 300, 11);
    must_survive_flips("t3_8_trns.png", 300, 12);
    must_survive_flips("turn6.png", 300, 13);
    must_survive_flips("t0_1_i_trns.png", 300, 14);
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool write_rows(struct tp_buf *b, int width, int height, struct tp_err *err)
{
    struct tp_png *png;
    uint32_t colors[256], seed = 3;
    uint8_t *row = guarded((size_t)width);
    for (uint32_t i = 0; i < 256; i++) colors[i] = i << 16 | (255 - i) << 8 | (i * 7 & 255);
    bool ok = tp_png_begin(&png, b, width, height, colors, err);
    const bool begun = ok;
    for (int y = 0; y < height && ok; y++) {
        for (int x = 0; x < width; x++) row[x] = (uint8_t)next_random(&seed);
        ok = tp_png_row(png, row, err);
    }
    if (begun) tp_png_end(png);
    guarded_free(row);
    return ok;
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 300, 2 }, { 3, 400 }, { 257, 255 } };
    for (int i = 0; i < 4; i++) {
        const int width = sizes[i][0], height = sizes[i][1];
        const struct tp_image_options options = { .max_pixels = TEST_MAX_PIXELS };
        struct tp_buf b = { 0 };
        struct tp_image im;
        struct tp_err err = { 0 };
        struct tp_arena arena;
        uint32_t seed = 3;
        tp_arena_init(&arena, 1 << 24);
        if (!write_rows(&b, width, height, &err) ||
            !tp_image_decode(&im, b.data, b.n_bytes, &options, NULL, &arena, &err))
            fail_msg("%s", err.message);
        assert_int_equal(im.width, width);
        assert_int_equal(im.height, height);
        for (int at = 0; at < width * height; at++) {
            const uint8_t v = (uint8_t)next_random(&seed);
            const uint8_t want[] = { v, (uint8_t)(255 - v), (uint8_t)(v * 7) };
            assert_memory_equal(im.pixels + 3 * at, want, 3);
        }
        tp_arena_fini(&arena);
        tp_buf_fini(&b);
    }
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    struct tp_buf whole = { 0 };
    struct tp_err err = { 0 };
    assert_true(write_rows(&whole, 100, 100, &err));
    for (size_t limit = 1; limit < whole.n_bytes; limit += 97) {
        struct tp_buf b = { .limit_bytes = limit };
        struct tp_err full = { 0 };
        assert_false(write_rows(&b, 100, 100, &full));
        assert_int_equal(full.code, TP_TOO_LARGE);
        assert_non_null(strstr(full.message, "PNG exceeds the limit"));
        tp_buf_fini(&b);
    }
    tp_buf_fini(&whole);
    tp_png_end(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_colour_type_depth_and_interlacing_equals_pil),
        cmocka_unit_test(files_cut_short_are_refused),
        cmocka_unit_test(a_wrong_checksum_is_refused),
        cmocka_unit_test(impossible_sizes_are_refused_before_decoding),
        cmocka_unit_test(too_little_pixel_data_is_refused_with_the_row),
        cmocka_unit_test(an_index_beyond_the_palette_reads_nothing_beyond_it),
        cmocka_unit_test(interlaced_alpha_that_the_arena_cannot_hold_is_refused),
        cmocka_unit_test(flipped_bits_never_crash),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
