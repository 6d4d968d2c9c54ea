/* test_process.c - what the kernel tells of this process. */
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

#include "service/process.h"

static void figures_are_of_this_process(void **state)
{
    (void)state;
    struct tp_process before, after;
    if (!tp_process_read(&before)) skip();
    const int fd = open("/dev/null", O_RDONLY);
    assert_true(tp_process_read(&after));
    close(fd);
    assert_int_equal(after.n_fds, before.n_fds + 1);
    if (after.n_threads == 0) skip();              /* an emulator's /proc, of zeros */
    assert_true(after.n_threads >= 1 && after.n_threads < 1000);
    assert_true(after.resident_bytes > 100000 && after.resident_bytes < after.virtual_bytes);
    assert_true(after.cpu_seconds >= before.cpu_seconds);
    assert_true(after.max_fds == -1 || after.max_fds >= after.n_fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(figures_are_of_this_process) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
