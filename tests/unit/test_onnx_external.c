/* test_onnx_external.c - tensors' contents in files of their own. */
#include "temp_dir.h"

#include "formats/onnx_external.h"

static int open_dir(void) { return open(temp_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

static void check_refused(const struct tp_onnx_external *external, uint64_t n_bytes,
                          const char *message)
{
    struct tp_onnx_files files = { 0 };
    struct tp_err err = { 0 };
    const void *data;
    const int dir = open_dir();
    if (tp_onnx_external_find(&data, &files, dir, external, n_bytes, &err))
        fail_msg("accepted; expected: %s", message);
    assert_int_equal(err.code, TP_INVALID_MODEL);
    assert_string_equal(err.message, message);
    close(dir);
    tp_onnx_close(&files);
}

static void contents_are_found_at_their_offset(void **state)
{
    (void)state;
    struct tp_onnx_files files = { 0 };
    struct tp_err err = { 0 };
    const void *a, *b;
    const int dir = open_dir();
    temp_folder("sub");
    temp_text("sub/w", "0123456789");
    const struct tp_onnx_external at_3 = { "sub/w", "3", "4" }, at_start = { "sub/w", NULL, NULL };
    assert_true(tp_onnx_external_find(&a, &files, dir, &at_3, 4, &err));
    assert_memory_equal(a, "3456", 4);
    assert_true(tp_onnx_external_find(&b, &files, dir, &at_start, 10, &err));
    assert_memory_equal(b, "0123456789", 10);
    assert_ptr_equal((const char *)b + 3, a);        /* mapped once */
    close(dir);
    assert_memory_equal(a, "3456", 4);
    tp_onnx_close(&files);
    tp_onnx_close(&files);                   /* once more is fine */
}

static void an_empty_file_has_nothing(void **state)
{
    (void)state;
    struct tp_onnx_files files = { 0 };
    struct tp_err err = { 0 };
    const void *data = NULL;
    const int dir = open_dir();
    temp_text("empty", "");
    const struct tp_onnx_external external = { "empty", "0", "0" };
    assert_true(tp_onnx_external_find(&data, &files, dir, &external, 0, &err));
    assert_non_null(data);
    check_refused(&external, 1, "external data 'empty' of 0 bytes; 1 are needed");
    close(dir);
    tp_onnx_close(&files);
}

static void what_the_file_does_not_have_is_refused(void **state)
{
    (void)state;
    temp_text("w", "0123456789");
    check_refused(&(struct tp_onnx_external){ "w", "3", "8" }, 8, "external data 'w' has 10 bytes; "
                  "8 at offset 3 are needed (is the file truncated?)");
    check_refused(&(struct tp_onnx_external){ "w", "18446744073709551615", NULL }, 8,
                  "external data 'w' has 10 bytes; 8 at offset 18446744073709551615 are needed (is "
                  "the file truncated?)");
    check_refused(&(struct tp_onnx_external){ "w", NULL, NULL }, (uint64_t)1 << 32,
                  "external data 'w' has 10 bytes; 4294967296 at offset 0 are needed (is the file "
                  "truncated?)");
    check_refused(&(struct tp_onnx_external){ "w", "0", "9" }, 8,
                  "external data 'w' of 9 bytes; 8 are needed");
    check_refused(&(struct tp_onnx_external){ "v", "0", "9" }, 9,
                  "external data v: No such file or directory");
    check_refused(&(struct tp_onnx_external){ NULL, "0", "9" }, 9,
                  "external data without a location");
}

static void numbers_are_decimal_and_of_64_bits(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "-1", "+1", " 1", "1 ", "0x10", "1e3", "1.5",
                                         "18446744073709551616", "99999999999999999999999" };
    char message[128];
    temp_text("w", "0123456789");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(message, sizeof message, "external data: offset '%s' is not a number", wrong[i]);
        check_refused(&(struct tp_onnx_external){ "w", wrong[i], NULL }, 1, message);
        snprintf(message, sizeof message, "external data: length '%s' is not a number", wrong[i]);
        check_refused(&(struct tp_onnx_external){ "w", NULL, wrong[i] }, 1, message);
    }
}

static void files_outside_of_the_folder_are_refused(void **state)
{
    (void)state;
    temp_folder("model");
    temp_text("secret", "0123456789");
    assert_int_equal(symlink("../secret", TEMP("model/link")), 0);
    const int outer = open_dir(), dir = openat(outer, "model", O_RDONLY | O_DIRECTORY);
    static const char *const paths[] = { "../secret", "/etc/passwd", "link", "" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct tp_onnx_files files = { 0 };
        struct tp_err err = { 0 };
        const void *data;
        const struct tp_onnx_external external = { paths[i], "0", "4" };
        assert_false(tp_onnx_external_find(&data, &files, dir, &external, 4, &err));
        assert_int_equal(err.code, TP_INVALID_MODEL);
        assert_null(files.first);
    }
    close(dir);
    close(outer);
}

static void no_folder_is_no_external_data(void **state)
{
    (void)state;
    struct tp_onnx_files files = { 0 };
    struct tp_err err = { 0 };
    const void *data;
    const struct tp_onnx_external external = { "w", NULL, NULL };
    assert_false(tp_onnx_external_find(&data, &files, -1, &external, 4, &err));
    assert_string_equal(err.message, "external data 'w' cannot be read here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMP_TEST(contents_are_found_at_their_offset),
        TEMP_TEST(an_empty_file_has_nothing),
        TEMP_TEST(what_the_file_does_not_have_is_refused),
        TEMP_TEST(numbers_are_decimal_and_of_64_bits),
        TEMP_TEST(files_outside_of_the_folder_are_refused),
        cmocka_unit_test(no_folder_is_no_external_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
