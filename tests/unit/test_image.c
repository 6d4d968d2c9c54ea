/* test_image.c - what all image formats share: telling them apart, luma, white, turning, limits. */
#include "image_files.h"

static void first_bytes_tell_the_format(void **state)
{
    (void)state;
    static const struct { const char *name; enum tp_image_kind kind; size_t need; } cases[] = {
        { "y420.jpg", TP_IMAGE_JPEG, 3 }, { "one.png", TP_IMAGE_PNG, 8 },
        { "lossy.webp", TP_IMAGE_WEBP, 12 }, { "expected.txt", TP_IMAGE_UNKNOWN, 0 },
    };
    for (int i = 0; i < 4; i++) {
        struct file f = file_read(cases[i].name);
        assert_int_equal(tp_image_sniff(f.bytes, f.n), cases[i].kind);
        for (size_t n = 0; n < 16; n++) {
            uint8_t *head = guarded_copy(f.bytes, n);
            assert_int_equal(tp_image_sniff(head, n),
                             n >= cases[i].need ? cases[i].kind : TP_IMAGE_UNKNOWN);
            guarded_free(head);
        }
        free(f.bytes);
    }
}

static void other_bytes_are_refused_with_the_formats_that_are_read(void **state)
{
    (void)state;
    must_refuse("nothing", (const uint8_t *)"", 0, TP_UNSUPPORTED_FORMAT, "0 bytes");
    must_refuse("text", (const uint8_t *)"GIF89a..", 8, TP_UNSUPPORTED_FORMAT, "JPEG, PNG or WebP");
}

static void luma_of_gray_is_itself_and_in_place_works(void **state)
{
    (void)state;
    uint8_t rgb[256 * 3];
    for (int i = 0; i < 256 * 3; i++) rgb[i] = (uint8_t)(i / 3);
    tp_image_luma(rgb, rgb, 256);
    for (int i = 0; i < 256; i++) assert_int_equal(rgb[i], i);
}

/* PIL's three weights, each alone: 0.299, 0.587, 0.114. */
static void luma_weighs_as_itu_r_601(void **state)
{
    (void)state;
    const uint8_t rgb[] = { 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255 };
    uint8_t gray[4];
    tp_image_luma(gray, rgb, 4);
    assert_int_equal(gray[0], 76);
    assert_int_equal(gray[1], 150);
    assert_int_equal(gray[2], 29);
    assert_int_equal(gray[3], 255);
}

static void blending_over_white_rounds_to_nearest(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++)
        for (int v = 0; v < 256; v++) {
            uint8_t px[4] = { (uint8_t)v, 0, 255, (uint8_t)a };
            tp_image_over_white(px, px, 1);
            assert_int_equal(px[0], (v * a + 255 * (255 - a) + 127) / 255);
            assert_int_equal(px[1], 255 - a);
            assert_int_equal(px[2], 255);
        }
}

static void pixels_are_limited_without_overflow(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    assert_true(tp_image_check_size(1000, 1000, 1000000, &err));
    assert_false(tp_image_check_size(1000, 1001, 1000000, &err));
    assert_non_null(strstr(err.message, "1000x1001"));
    assert_non_null(strstr(err.message, "1000000 pixels"));
    assert_non_null(strstr(err.message, "--max-pixels"));
    err = (struct tp_err){ 0 };
    assert_false(tp_image_check_size(INT64_MAX, INT64_MAX, INT64_MAX, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
}

/* Independent of image.c: where pixel (x, y) of the upright image lies in the stored one, by EXIF's
 * own words (which side of the scene the stored row 0 and column 0 show). */
static void stored_place(int orientation, int x, int y, int w, int h, int *sx, int *sy)
{
    switch (orientation) {           /* w, h: of the upright image */
    case 1: *sx = x; *sy = y; break;
    case 2: *sx = w - 1 - x; *sy = y; break;
    case 3: *sx = w - 1 - x; *sy = h - 1 - y; break;
    case 4: *sx = x; *sy = h - 1 - y; break;
    case 5: *sx = y; *sy = x; break;
    case 6: *sx = y; *sy = w - 1 - x; break;
    case 7: *sx = h - 1 - y; *sy = w - 1 - x; break;
    default: *sx = h - 1 - y; *sy = x; break;
    }
}

/* y420.jpg, 41x30, is wider than one turned tile. */
static void all_eight_orientations_are_undone(void **state)
{
    (void)state;
    static const uint8_t exif[] = "\xFF\xE1\0\x22" "Exif\0\0MM\0*\0\0\0\x08\0\x01"
                                  "\x01\x12\0\x03\0\0\0\x01\0\x01\0\0\0\0\0\0";
    enum { N_EXIF = 36, VALUE = 29 };
    struct file f = file_read("y420.jpg");
    uint8_t *bytes = malloc(f.n + N_EXIF);
    struct tp_arena a, b;
    assert_non_null(bytes);
    memcpy(bytes, f.bytes, 2);
    memcpy(bytes + 2, exif, N_EXIF);
    memcpy(bytes + 2 + N_EXIF, f.bytes + 2, f.n - 2);
    for (int gray = 0; gray < 2; gray++) {
        struct tp_image stored = must_decode("y420.jpg", gray, 0, NULL, &a);
        for (int o = 1; o <= 8; o++) {
            struct tp_image im;
            struct tp_err err;
            int full[2], sx, sy, c = gray ? 1 : 3;
            bytes[2 + VALUE] = (uint8_t)o;
            assert_true(try_decode(&im, bytes, f.n + N_EXIF, gray, 0, full, &b, &err));
            assert_int_equal(im.width, o < 5 ? 41 : 30);
            assert_int_equal(im.height, o < 5 ? 30 : 41);
            assert_int_equal(full[0], im.width);
            assert_int_equal(full[1], im.height);
            for (int y = 0; y < im.height; y++)
                for (int x = 0; x < im.width; x++) {
                    stored_place(o, x, y, im.width, im.height, &sx, &sy);
                    assert_memory_equal(im.pixels + (y * im.width + x) * c,
                                        stored.pixels + (sy * 41 + sx) * c, (size_t)c);
                }
            tp_arena_fini(&b);
        }
        tp_arena_fini(&a);
    }
    free(bytes);
    free(f.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bytes_tell_the_format),
        cmocka_unit_test(other_bytes_are_refused_with_the_formats_that_are_read),
        cmocka_unit_test(luma_of_gray_is_itself_and_in_place_works),
        cmocka_unit_test(luma_weighs_as_itu_r_601),
        cmocka_unit_test(blending_over_white_rounds_to_nearest),
        cmocka_unit_test(pixels_are_limited_without_overflow),
        cmocka_unit_test(all_eight_orientations_are_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
