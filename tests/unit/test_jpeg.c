/* test_jpeg.c - JPEG files: every colour space and coding, reduced decoding, bombs and damage. */
#include "image_files.h"

static const char *const files[] = {
    "gray.jpg", "y420.jpg", "y444_progressive.jpg", "y420_arithmetic.jpg", "y420_restart.jpg",
    "rgb.jpg", "cmyk.jpg", "ycck.jpg", "scans64.jpg",
};

enum { N_FILES = sizeof files / sizeof *files };

/* Where the frame header's precision stands; height and width follow. */
static uint8_t *find_frame(struct file *f)
{
    for (size_t at = 2; at + 9 < f->n; at += 2 + ((size_t)f->bytes[at + 2] << 8 | f->bytes[at + 3]))
        if ((f->bytes[at + 1] & 0xF0) == 0xC0 && f->bytes[at + 1] != 0xC4) return f->bytes + at + 4;
    fail_msg("no frame header");
    return NULL;
}

static void every_colour_space_and_coding_equals_pil(void **state)
{
    (void)state;
    for (int i = 0; i < N_FILES; i++) must_equal_twin(files[i], 1);
}

static void both_sides_stay_at_least_as_long_as_asked(void **state)
{
    (void)state;
    for (int i = 0; i < N_FILES; i++) {
        int last = 0;
        for (int least = 1; least < 60; least++) {
            struct tp_arena arena;
            int full[2];
            struct tp_image im = must_decode(files[i], least & 1, least, full, &arena);
            int side = im.width < im.height ? im.width : im.height;
            int full_side = full[0] < full[1] ? full[0] : full[1];
            assert_true(side >= least || side == full_side);
            assert_true(side >= last);
            assert_int_equal(im.channels, least & 1 ? 1 : 3);
            if (least == 1) assert_int_equal(side, (full_side + 7) / 8);
            last = side;
            tp_arena_fini(&arena);
        }
        assert_true(last > 10);
    }
}

/* Decoding at 1/2 and averaging 2x2 pixels are two approximations of the same picture. */
static void reduced_decoding_shows_the_same_picture(void **state)
{
    (void)state;
    struct tp_arena a, b;
    for (int gray = 0; gray < 2; gray++) {
        struct tp_image half = must_decode("y444_progressive.jpg", gray, 15, NULL, &a);
        struct tp_image full = must_decode("y444_progressive.jpg", gray, 0, NULL, &b);
        assert_int_equal(half.width, 21);
        assert_int_equal(half.height, 15);
        int c = half.channels, row = full.width * c;
        double sum = 0;
        for (int y = 0; y < half.height; y++)
            for (int x = 0; x < 20 * c; x++) {
                const uint8_t *p = full.pixels + 2 * y * row + 2 * (x / c) * c + x % c;
                sum += abs(half.pixels[y * half.width * c + x] -
                           (p[0] + p[c] + p[row] + p[row + c] + 2) / 4);
            }
        assert_true(sum / (half.height * 20 * c) < 1.5);
        tp_arena_fini(&a);
        tp_arena_fini(&b);
    }
}

static void more_than_100_scans_are_refused(void **state)
{
    (void)state;
    must_refuse_file("bad_scans127.jpg", TP_INVALID_IMAGE, "100 scans");
}

static void files_cut_short_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < N_FILES; i += 2) must_refuse_prefixes(files[i], 0);
}

static void bytes_behind_the_end_of_image_are_let_pass(void **state)
{
    (void)state;
    struct file f = file_read("y420.jpg");
    uint8_t *more = calloc(f.n + 100, 1);
    struct tp_arena arena;
    struct tp_image im;
    struct tp_err err;
    assert_non_null(more);
    memcpy(more, f.bytes, f.n);
    assert_true(try_decode(&im, more, f.n + 100, false, 0, NULL, &arena, &err));
    tp_arena_fini(&arena);
    free(more);
    free(f.bytes);
}

static void lost_data_is_refused_with_its_place(void **state)
{
    (void)state;
    struct file f = file_read("y420.jpg");
    f.bytes[f.n - 40] = 0xFF;        /* an end of image in the middle of the scan */
    f.bytes[f.n - 39] = 0xD9;
    must_refuse("early end", f.bytes, f.n, TP_INVALID_IMAGE, "of 1060: Corrupt JPEG data");
    must_refuse("cut", f.bytes, f.n / 2, TP_INVALID_IMAGE, "truncated: the file ends at byte 530");
    free(f.bytes);
}

static void header_sizes_are_judged_before_decoding(void **state)
{
    (void)state;
    struct file f = file_read("y420.jpg");
    uint8_t *frame = find_frame(&f);
    memcpy(frame + 1, "\xFF\xDC\xFF\xDC", 4);
    must_refuse("65500x65500", f.bytes, f.n, TP_TOO_LARGE, "65500x65500");
    must_refuse("65500x65500", f.bytes, f.n, TP_TOO_LARGE, "--max-pixels");
    memcpy(frame + 1, "\xFF\xFF\xFF\xFF", 4);
    must_refuse("65535x65535", f.bytes, f.n, TP_TOO_LARGE, "65535x65535");
    memcpy(frame + 1, "\0\0\0\x10", 4);
    must_refuse("no height", f.bytes, f.n, TP_INVALID_IMAGE, "Empty JPEG image");
    memcpy(frame + 1, "\0\x10\0\0", 4);
    must_refuse("no width", f.bytes, f.n, TP_INVALID_IMAGE, "Empty JPEG image");
    free(f.bytes);
}

static void twelve_bits_and_lossless_are_refused_by_name(void **state)
{
    (void)state;
    struct file f = file_read("y420.jpg");
    uint8_t *frame = find_frame(&f);
    frame[0] = 12;
    must_refuse("12 bits", f.bytes, f.n, TP_UNSUPPORTED_FORMAT, "12");
    frame[0] = 8;
    frame[-3] = 0xC3;
    must_refuse("lossless", f.bytes, f.n, TP_UNSUPPORTED_FORMAT, "JPEG");
    free(f.bytes);
}

static void coefficients_stay_within_the_arenas_limit(void **state)
{
    (void)state;
    struct file f = file_read("y444_progressive.jpg");
    struct tp_image_options options = { .max_pixels = TEST_MAX_PIXELS };
    struct tp_arena arena;
    struct tp_image im;
    uint8_t *frame = find_frame(&f);
    memcpy(frame + 1, "\x04\0\x04\0", 4);        /* 1024x1024: 3 MiB of pixels, 6 of coefficients */
    for (size_t mib = 1; mib < 8; mib++) {
        struct tp_err err = { 0 };
        tp_arena_init(&arena, mib << 20);
        assert_false(tp_image_decode(&im, f.bytes, f.n, &options, NULL, &arena, &err));
        assert_int_equal(err.code, TP_TOO_LARGE);
        tp_arena_fini(&arena);
    }
    free(f.bytes);
}

/* An EXIF segment of orientation 6, a fill byte, another of orientation 3. */
static void the_first_exif_segment_turns_the_image(void **state)
{
    (void)state;
    enum { N = 36, TURNED = 29 };
    static const uint8_t app1[] = "\xFF\xE1\0\x22" "Exif\0\0MM\0*\0\0\0\x08\0\x01"
                                  "\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    struct file f = file_read("y420.jpg");
    uint8_t *bytes = malloc(f.n + 2 * N + 1);
    struct tp_arena arena;
    struct tp_image im;
    struct tp_err err;
    int full[2];
    assert_non_null(bytes);
    memcpy(bytes, f.bytes, 2);
    memcpy(bytes + 2, app1, N);
    bytes[2 + N] = 0xFF;
    memcpy(bytes + 3 + N, app1, N);
    bytes[3 + N + TURNED] = 3;
    memcpy(bytes + 3 + 2 * N, f.bytes + 2, f.n - 2);
    assert_true(try_decode(&im, bytes, f.n + 2 * N + 1, false, 0, full, &arena, &err));
    assert_int_equal(im.width, 30);
    assert_int_equal(im.height, 41);
    assert_int_equal(full[0], 30);
    assert_int_equal(full[1], 41);
    tp_arena_fini(&arena);
    free(bytes);
    free(f.bytes);
}

static void flipped_bits_never_crash(void **state)
{
    (void)state;
    for (int i = 0; i < N_FILES; i++) must_survive_flips(files[i], 150, 31 + (uint32_t)i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_colour_space_and_coding_equals_pil),
        cmocka_unit_test(both_sides_stay_at_least_as_long_as_asked),
        cmocka_unit_test(reduced_decoding_shows_the_same_picture),
        cmocka_unit_test(more_than_100_scans_are_refused),
        cmocka_unit_test(files_cut_short_are_refused),
        cmocka_unit_test(bytes_behind_the_end_of_image_are_let_pass),
        cmocka_unit_test(lost_data_is_refused_with_its_place),
        cmocka_unit_test(header_sizes_are_judged_before_decoding),
        cmocka_unit_test(twelve_bits_and_lossless_are_refused_by_name),
        cmocka_unit_test(coefficients_stay_within_the_arenas_limit),
        cmocka_unit_test(the_first_exif_segment_turns_the_image),
        cmocka_unit_test(flipped_bits_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
