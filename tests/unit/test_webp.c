/* test_webp.c - WebP files: lossy, lossless, with alpha, and damage. */
#include "image_files.h"

static void lossless_files_equal_pil(void **state)
{
    (void)state;
    assert_int_equal(must_equal_expected(".webp"), 3);
}

static void lossy_files_equal_pil(void **state)
{
    (void)state;
    must_equal_twin("lossy.webp", 2);            /* another libwebp may round otherwise */
    must_equal_twin("lossy_alpha.webp", 2);
}

static void animations_are_refused_by_name(void **state)
{
    (void)state;
    must_refuse_file("bad_animation.webp", TP_UNSUPPORTED_FORMAT, "animation");
}

static void files_cut_short_are_refused(void **state)
{
    (void)state;
    must_refuse_prefixes("lossy.webp", 0);
    must_refuse_prefixes("lossless.webp", 0);
    must_refuse_prefixes("lossy_alpha.webp", 0);
}

static void a_size_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct file f = file_read("lossless.webp");
    f.bytes[21] = f.bytes[22] = f.bytes[23] = 0xFF;      /* VP8L: 14 bits of width, 14 of height */
    must_refuse("huge", f.bytes, f.n, TP_TOO_LARGE, "--max-pixels");
    free(f.bytes);
}

static void flipped_bits_never_crash(void **state)
{
    (void)state;
    must_survive_flips("lossy.webp", 300, 21);
    must_survive_flips("lossless.webp", 300, 22);
    must_survive_flips("lossy_alpha.webp", 300, 23);
    must_survive_flips("turn6.webp", 300, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lossless_files_equal_pil),
        cmocka_unit_test(lossy_files_equal_pil),
        cmocka_unit_test(animations_are_refused_by_name),
        cmocka_unit_test(files_cut_short_are_refused),
        cmocka_unit_test(a_size_over_the_limit_is_refused),
        cmocka_unit_test(flipped_bits_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
