/* test_file.c - files as bytes in memory. */
#include "temp_dir.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "formats/file.h"

static void a_file_is_mapped_whole(void **state)
{
    (void)state;
    static const char bytes[] = "some\0bytes";
    struct tp_file f;
    struct tp_err err = { 0 };
    temp_write("a", bytes, sizeof bytes);
    assert_true(tp_file_map(&f, AT_FDCWD, TEMP("a"), &err));
    assert_int_equal(f.n_bytes, sizeof bytes);
    assert_memory_equal(f.bytes, bytes, sizeof bytes);
    tp_file_unmap(&f);
    assert_null(f.bytes);
    tp_file_unmap(&f);               /* once more is fine */
}

static void an_empty_file_has_no_bytes(void **state)
{
    (void)state;
    struct tp_file f;
    struct tp_err err = { 0 };
    temp_text("empty", "");
    assert_true(tp_file_map(&f, AT_FDCWD, TEMP("empty"), &err));
    assert_null(f.bytes);
    assert_int_equal(f.n_bytes, 0);
    tp_file_unmap(&f);
}

static void a_name_is_looked_up_in_the_given_folder(void **state)
{
    (void)state;
    struct tp_file f;
    struct tp_err err = { 0 };
    int dir = open(temp_dir, O_RDONLY | O_DIRECTORY);
    temp_text("a", "xyz");
    assert_true(tp_file_map(&f, dir, "a", &err));
    assert_int_equal(f.n_bytes, 3);
    tp_file_unmap(&f);
    assert_false(tp_file_map(&f, dir, "b", &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_string_equal(err.message, "b: No such file or directory");
    close(dir);
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
    (void)state;
    struct tp_file f;
    struct tp_err err = { 0 };
    temp_folder("folder");
    temp_text("a", "xyz");
    assert_int_equal(mkfifo(TEMP("pipe"), 0600), 0);
    assert_false(tp_file_map(&f, AT_FDCWD, TEMP("folder"), &err));
    assert_int_equal(err.code, TP_IO);
    assert_non_null(strstr(err.message, "is not a regular file"));
    err = (struct tp_err){ 0 };
    assert_false(tp_file_map(&f, AT_FDCWD, TEMP("pipe"), &err));     /* nobody writes to it */
    assert_int_equal(err.code, TP_IO);
    err = (struct tp_err){ 0 };
    assert_false(tp_file_map(&f, AT_FDCWD, TEMP("a/b"), &err));      /* a is no folder */
    assert_int_equal(err.code, TP_NOT_FOUND);
}

static bool map_beneath(const char *path, struct tp_file *f, struct tp_err *err)
{
    const int dir = open(TEMP("dir"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *err = (struct tp_err){ 0 };
    const bool ok = tp_file_map_beneath(f, dir, path, err);
    assert_int_equal(close(dir), 0);         /* it is still the caller's */
    return ok;
}

static void files_beneath_a_folder_are_mapped(void **state)
{
    (void)state;
    static const char *const paths[] = { "a", "sub/a", "./sub/./a", "sub/deep/a" };
    struct tp_file f;
    struct tp_err err;
    temp_folder("dir");
    temp_folder("dir/sub");
    temp_folder("dir/sub/deep");
    temp_text("dir/a", "1");
    temp_text("dir/sub/a", "22");
    temp_text("dir/sub/deep/a", "333");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (!map_beneath(paths[i], &f, &err)) fail_msg("%s", err.message);
        assert_int_equal(f.n_bytes, i < 2 ? i + 1 : i);
        tp_file_unmap(&f);
    }
    assert_false(map_beneath("sub/b", &f, &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_string_equal(err.message, "sub/b: No such file or directory");
    assert_false(map_beneath("sub", &f, &err));
    assert_string_equal(err.message, "sub: is not a regular file");
}

static void paths_out_of_the_folder_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = { "../a", "..", "sub/../../a", "sub/../a", "/etc/passwd",
                                         "", "sub//a", "a/", "/" };
    struct tp_file f;
    struct tp_err err;
    temp_text("a", "secret");
    temp_folder("dir");
    temp_folder("dir/sub");
    temp_folder("dir/a");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char message[128];
        snprintf(message, sizeof message, "%s: is not a path beneath its folder", paths[i]);
        assert_false(map_beneath(paths[i], &f, &err));
        assert_int_equal(err.code, TP_IO);
        assert_string_equal(err.message, message);
    }
}

static void links_beneath_a_folder_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = { "out", "in", "up/a", "self/a", "nowhere", "a/b" };
    struct tp_file f;
    struct tp_err err;
    temp_text("a", "secret");
    temp_folder("dir");
    temp_text("dir/a", "open");
    assert_int_equal(symlink("../a", TEMP("dir/out")), 0);
    assert_int_equal(symlink("a", TEMP("dir/in")), 0);
    assert_int_equal(symlink("..", TEMP("dir/up")), 0);
    assert_int_equal(symlink(".", TEMP("dir/self")), 0);
    assert_int_equal(symlink("b", TEMP("dir/nowhere")), 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_false(map_beneath(paths[i], &f, &err));
        assert_int_equal(err.code, TP_IO);
        assert_non_null(strstr(err.message, ": leads through a link or something that is no folder"
                               "; links are not followed here"));
    }
}

static void odd_files_and_paths_beneath_a_folder_are_refused(void **state)
{
    (void)state;
    static char path[2 * PATH_MAX];
    struct tp_file f;
    struct tp_err err;
    temp_folder("dir");
    assert_int_equal(mkfifo(TEMP("dir/pipe"), 0600), 0);
    assert_false(map_beneath("pipe", &f, &err));         /* nobody writes to it */
    assert_string_equal(err.message, "pipe: is not a regular file");
    memset(path, 'p', sizeof path - 1);
    assert_false(map_beneath(path, &f, &err));
    assert_non_null(strstr(err.message, "longer than a path may be"));
    path[300] = '\0';
    assert_false(map_beneath(path, &f, &err));
    assert_int_equal(err.code, TP_IO);
    for (int i = 0; i < PATH_MAX - 2; i += 2) memcpy(path + i, "./", 2);
    strcpy(path + PATH_MAX - 2, "z");
    assert_false(map_beneath(path, &f, &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
}

/* What a stream of n bytes reads as, with that limit. */
static bool read_stream(size_t n, size_t limit, void **bytes, size_t *n_bytes, struct tp_err *err)
{
    char *data = malloc(n + 1);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++) data[i] = (char)(i * 7 >> 3);
    temp_write("stream", data, n);
    int fd = open(TEMP("stream"), O_RDONLY);
    *err = (struct tp_err){ 0 };
    bool ok = tp_file_read_fd(fd, "stream", limit, bytes, n_bytes, err);
    close(fd);
    if (ok) assert_memory_equal(*bytes, data, n);
    free(data);
    return ok;
}

static void a_stream_is_read_to_its_end_within_the_limit(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 200000 };
    struct tp_err err;
    void *bytes;
    size_t n_bytes;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (!read_stream(sizes[i], sizes[i], &bytes, &n_bytes, &err)) fail_msg("%s", err.message);
        assert_int_equal(n_bytes, sizes[i]);
        free(bytes);
        if (!sizes[i]) continue;
        assert_false(read_stream(sizes[i], sizes[i] - 1, &bytes, &n_bytes, &err));
        assert_int_equal(err.code, TP_TOO_LARGE);
        assert_non_null(strstr(err.message, "stream: exceeds the limit of"));
    }
}

static void a_stream_that_comes_in_pieces_is_put_together(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    void *bytes;
    size_t n_bytes;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (!child) {
        close(ends[0]);
        for (int i = 0; i < 5; i++)
            if (write(ends[1], "piece", 5) != 5 || usleep(1000)) _exit(1);
        _exit(0);
    }
    close(ends[1]);
    assert_true(tp_file_read_fd(ends[0], "pipe", 100, &bytes, &n_bytes, &err));
    assert_int_equal(n_bytes, 25);
    assert_memory_equal(bytes, "piecepiecepiecepiecepiece", 25);
    free(bytes);
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_stream_that_cannot_be_read_fails(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    void *bytes;
    size_t n_bytes;
    assert_false(tp_file_read_fd(-1, "nothing", 100, &bytes, &n_bytes, &err));
    assert_int_equal(err.code, TP_IO);
    err = (struct tp_err){ 0 };
    int dir = open(temp_dir, O_RDONLY);
    assert_false(tp_file_read_fd(dir, "folder", 100, &bytes, &n_bytes, &err));
    assert_int_equal(err.code, TP_IO);
    assert_string_equal(err.message, "folder: Is a directory");
    close(dir);
}

/* ---- cut short while it is mapped ------------------------------------------------------------ */

static void what_is_cut_off_reads_as_zeros_and_is_told(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct tp_file torn, other;
    struct tp_err err = { 0 };
    char *bytes = malloc(64 * page);
    memset(bytes, 'x', 64 * page);
    temp_write("torn", bytes, 64 * page);
    temp_write("other", bytes, 64 * page);
    assert_true(tp_file_map(&torn, AT_FDCWD, TEMP("torn"), &err));
    assert_true(tp_file_map(&other, AT_FDCWD, TEMP("other"), &err));
    assert_int_equal(truncate(TEMP("torn"), (off_t)page), 0);
    assert_true(tp_file_is_whole(&torn, "torn", &err));      /* nothing was read that is gone */
    size_t n = 0;
    for (size_t i = 0; i < torn.n_bytes; i++) n += ((const char *)torn.bytes)[i] == 'x';
    assert_int_equal(n, page);
    assert_memory_equal(other.bytes, bytes, 64 * page);
    err = (struct tp_err){ .code = TP_INVALID_MODEL, .message = "zeros make no sense" };
    assert_false(tp_file_is_whole(&torn, "torn", &err));
    assert_int_equal(err.code, TP_IO);
    assert_string_equal(err.message, "torn: became shorter while it was read");
    err = (struct tp_err){ 0 };
    assert_true(tp_file_is_whole(&other, "other", &err));
    tp_file_unmap(&torn);
    tp_file_unmap(&other);
    assert_true(tp_file_map(&torn, AT_FDCWD, TEMP("torn"), &err));   /* as it is now, it is whole */
    assert_int_equal(torn.n_bytes, page);
    assert_true(tp_file_is_whole(&torn, "torn", &err));
    tp_file_unmap(&torn);
    free(bytes);
}

/* Reads a page that is gone from a mapping that is not ours; only SIGBUS ends this. */
static void touch_what_is_gone(const char *path)
{
    const int fd = open(path, O_RDWR);
    const volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    signal(SIGBUS, SIG_DFL);         /* not the sanitizers' report */
    struct tp_file f;
    struct tp_err err = { 0 };
    if (!tp_file_map(&f, AT_FDCWD, path, &err) || ftruncate(fd, 0)) _exit(1);
    (void)*p;
    _exit(2);
}

static void a_fault_elsewhere_goes_the_old_way(void **state)
{
    (void)state;
    int status;
    temp_text("gone", "some bytes");
    const pid_t child = fork();
    if (child == 0) touch_what_is_gone(TEMP("gone"));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMP_TEST(a_file_is_mapped_whole),
        TEMP_TEST(an_empty_file_has_no_bytes),
        TEMP_TEST(a_name_is_looked_up_in_the_given_folder),
        TEMP_TEST(what_is_no_regular_file_is_refused_without_waiting),
        TEMP_TEST(files_beneath_a_folder_are_mapped),
        TEMP_TEST(paths_out_of_the_folder_are_refused),
        TEMP_TEST(links_beneath_a_folder_are_refused),
        TEMP_TEST(odd_files_and_paths_beneath_a_folder_are_refused),
        TEMP_TEST(a_stream_is_read_to_its_end_within_the_limit),
        TEMP_TEST(a_stream_that_comes_in_pieces_is_put_together),
        TEMP_TEST(a_stream_that_cannot_be_read_fails),
        TEMP_TEST(a_fault_elsewhere_goes_the_old_way),
        TEMP_TEST(what_is_cut_off_reads_as_zeros_and_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
