/* test_image_size.c - what headers claim: as the decoders find it, and nothing out of bounds. */
#include "image_files.h"

#include <dirent.h>

#include "formats/image_size.h"

/* Every image among the test files that is decoded has the size that was told before. */
static void what_is_told_is_what_is_decoded(void **state)
{
    (void)state;
    int n_compared = 0;
    DIR *d = opendir(IMAGES);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        struct file f = file_read(e->d_name);
        struct tp_image im;
        struct tp_arena arena;
        struct tp_err err = { 0 };
        int full[2];
        if (try_decode(&im, f.bytes, f.n, false, 0, full, &arena, &err)) {
            const struct tp_image_size size = tp_image_size(f.bytes, f.n);
            if (size.n_pixels != (int64_t)full[0] * full[1])
                fail_msg("%s: %lld pixels told, %d x %d decoded", e->d_name,
                         (long long)size.n_pixels, full[0], full[1]);
            n_compared++;
        }
        tp_arena_fini(&arena);
        free(f.bytes);
    }
    closedir(d);
    assert_true(n_compared >= 20);
}

/* Under the sanitizers and before a guard page: every length of every file. */
static void files_cut_anywhere_are_read_within_their_bounds(void **state)
{
    (void)state;
    DIR *d = opendir(IMAGES);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        struct file f = file_read(e->d_name);
        const size_t most = f.n < 700 ? f.n : 700;
        for (size_t n = 0; n <= most; n += n < 64 ? 1 : 13) {
            uint8_t *p = guarded_copy(f.bytes, n);
            assert_true(tp_image_size(p, n).n_pixels >= 0);
            guarded_free(p);
        }
        free(f.bytes);
    }
    closedir(d);
}

static void a_claim_beyond_all_bounds_is_told_as_it_stands(void **state)
{
    (void)state;
    static const uint8_t jpeg[] = {
        0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xFF, 0xC2, 0, 17, 8, 0xFF, 0xDC, 0xFF, 0xDB,
        3, 0, 0,
    };
    const struct tp_image_size size = tp_image_size(jpeg, sizeof jpeg);
    assert_int_equal(size.n_pixels, INT64_C(0xFFDC) * 0xFFDB);
    assert_true(size.whole);         /* progressive */
    assert_int_equal(tp_image_size("GIF89a....", 10).n_pixels, 0);
    assert_int_equal(tp_image_size("", 0).n_pixels, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_is_what_is_decoded),
        cmocka_unit_test(files_cut_anywhere_are_read_within_their_bounds),
        cmocka_unit_test(a_claim_beyond_all_bounds_is_told_as_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
