/* test_sandbox.c - what can no longer be done behind the sandbox, and what can. Each case is a
 * process of its own, since nothing leads back. */
#include "temp_dir.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "service/sandbox.h"

static struct tp_sandbox sandbox;    /* of the child */

/* The line of a child's first broken promise is its end; exit statuses are too small for it. */
#define HOLDS(promise)                                                                             \
    do {                                                                                           \
        if (!(promise)) {                                                                          \
            fprintf(stderr, "%s:%d: " #promise ": %s\n", __FILE__, __LINE__, strerror(errno));     \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* wait()'s status of a process that did this. */
static int status_of(void (*child)(void))
{
    int status = -1;
    const pid_t pid = fork();
    if (!pid) {
        child();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void probe_files(void)
{
    tp_sandbox_files(&sandbox, NULL, NULL, 0);
    _exit(sandbox.landlock_abi > 0);
}

static void probe_calls(void)
{
    tp_sandbox_calls(&sandbox);
    _exit(sandbox.n_calls > 0);
}

static void need(void (*probe)(void))
{
    if (!WEXITSTATUS(status_of(probe))) skip();
}

static void expect_ok(void (*child)(void)) { assert_int_equal(status_of(child), 0); }

static bool can_read(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static bool can_write(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static void *read_model(void *arg)
{
    return can_read(TEMP("models/a.json")) ? arg : NULL;
}

/* In a thread of its own, which ends as libgomp's do. */
static void *read_and_exit(void *arg) { pthread_exit(read_model(arg)); }

static bool thread_reads(void *(*body)(void *))
{
    pthread_t thread;
    void *result = NULL;
    return !pthread_create(&thread, NULL, body, &sandbox) && !pthread_join(thread, &result) &&
           result == &sandbox;
}

/* models/ a.json, link.json -> store/b.json, deep/pipeline.json -> store/d.json; store/ b.json,
 * c.json, d.json; keys/ key -> real/key1. */
static void make_files(void)
{
    temp_folder("models");
    temp_folder("models/deep");
    temp_folder("store");
    temp_folder("keys");
    temp_folder("real");
    temp_text("models/a.json", "a");
    temp_text("store/b.json", "b");
    temp_text("store/c.json", "c");
    temp_text("store/d.json", "d");
    temp_text("real/key1", "1");
    temp_text("outside", "o");
    assert_int_equal(symlink("../store/b.json", TEMP("models/link.json")), 0);
    assert_int_equal(symlink("../../store/d.json", TEMP("models/deep/pipeline.json")), 0);
    assert_int_equal(symlink("../real/key1", TEMP("keys/key")), 0);
}

static void enter_files(void)
{
    const struct temp_path models = temp_path("models"), key = temp_path("keys/key");
    const char *const files[] = { NULL, key.text };
    tp_sandbox_files(&sandbox, models.text, files, 2);
    HOLDS(sandbox.landlock_abi > 0);
    HOLDS(sandbox.has_no_new_privileges);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void reads_little(void)
{
    enter_files();
    HOLDS(can_read(TEMP("models/a.json")));
    HOLDS(can_read(TEMP("models")));
    HOLDS(can_read(TEMP("keys")));
    HOLDS(can_read(TEMP("keys/key")));
    HOLDS(can_read("/proc/self/status"));
    HOLDS(can_read("/dev/urandom"));
    HOLDS(!can_read(TEMP("outside")) && errno == EACCES);
    HOLDS(!can_read("/etc/passwd"));
    HOLDS(!can_read("/proc/version"));
    HOLDS(thread_reads(read_model));
    HOLDS(thread_reads(read_and_exit));
}

static void test_reads_what_was_named(void **state)
{
    (void)state;
    need(probe_files);
    make_files();
    expect_ok(reads_little);
}

static void reads_links(void)
{
    enter_files();
    HOLDS(can_read(TEMP("models/link.json")));   /* where it leads alone, not all that lies there */
    HOLDS(can_read(TEMP("models/deep/pipeline.json")));
    HOLDS(!can_read(TEMP("store/c.json")));
}

static void test_follows_links_of_models(void **state)
{
    (void)state;
    need(probe_files);
    make_files();
    expect_ok(reads_links);
}

/* The parent replaces files while the child is behind its sandbox. */
static int entered[2], replaced[2];  /* pipes */

static void reads_replaced(void)
{
    char byte = 0;
    enter_files();
    HOLDS(write(entered[1], &byte, 1) == 1);
    HOLDS(read(replaced[0], &byte, 1) == 1);
    HOLDS(can_read(TEMP("models/a.json")));
    HOLDS(can_read(TEMP("keys/key")));
}

static void test_reads_what_replaces_a_file(void **state)
{
    (void)state;
    int status;
    char byte = 0;
    need(probe_files);
    make_files();
    assert_int_equal(pipe(entered), 0);
    assert_int_equal(pipe(replaced), 0);
    const pid_t pid = fork();
    if (!pid) {
        reads_replaced();
        _exit(0);
    }
    close(entered[1]);               /* so that a child that failed is no wait without end */
    assert_int_equal(read(entered[0], &byte, 1), 1);
    temp_text("models/.new", "new");
    temp_text("real/key2", "2");
    assert_int_equal(rename(TEMP("models/.new"), TEMP("models/a.json")), 0);
    assert_int_equal(symlink("../real/key2", TEMP("keys/.new")), 0);
    assert_int_equal(rename(TEMP("keys/.new"), TEMP("keys/key")), 0);
    assert_int_equal(write(replaced[1], &byte, 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(entered[0]);
    close(replaced[0]);
    close(replaced[1]);
}

static void writes_nothing(void)
{
    enter_files();
    HOLDS(!can_write(TEMP("models/a.json"), O_WRONLY));
    HOLDS(!can_write(TEMP("models/new"), O_WRONLY | O_CREAT));
    HOLDS(!can_write(TEMP("keys/key"), O_RDWR));
    HOLDS(!can_write("/dev/null", O_WRONLY));
    HOLDS(unlink(TEMP("models/a.json")));
    HOLDS(rename(TEMP("models/a.json"), TEMP("models/b.json")));
    HOLDS(mkdir(TEMP("models/more"), 0700));
    if (sandbox.landlock_abi >= 3) HOLDS(truncate(TEMP("models/a.json"), 0));
    HOLDS(execl("/bin/true", "true", NULL) && errno == EACCES);
}

static void test_writes_and_starts_nothing(void **state)
{
    (void)state;
    need(probe_files);
    make_files();
    expect_ok(writes_nothing);
}

/* ---- system calls ---------------------------------------------------------------------------- */

static void enter_calls(void)
{
    tp_sandbox_files(&sandbox, temp_dir, NULL, 0);
    tp_sandbox_calls(&sandbox);
    HOLDS(sandbox.n_calls > 0);
}

static void does_little(void)
{
    enter_calls();
    HOLDS(sandbox.n_calls <= 40);
    HOLDS(can_read(TEMP("models/a.json")));
    HOLDS(thread_reads(read_model));
    HOLDS(thread_reads(read_and_exit));
    void *large = malloc(1 << 24);
    HOLDS(large && memset(large, 1, 1 << 24));
    HOLDS((large = realloc(large, 1 << 25)));
    free(large);
    tp_log(TP_LOG_DEBUG, "still here");
}

static void test_threads_memory_and_files_go_on(void **state)
{
    (void)state;
    need(probe_calls);
    make_files();
    expect_ok(does_little);
}

static void does_no_more(void)
{
    enter_calls();
    HOLDS(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == ENOSYS);
    HOLDS(socket(AF_UNIX, SOCK_STREAM, 0) < 0);
    HOLDS(fork() < 0);
    HOLDS(vfork() < 0);
    HOLDS(kill(getppid(), 0) < 0);
    HOLDS(!can_write(TEMP("models/a.json"), O_WRONLY) && errno == ENOSYS);
    HOLDS(!can_write(TEMP("models/a.json"), O_RDONLY | O_TRUNC) && errno == ENOSYS);
    HOLDS(!can_write(TEMP("models/new"), O_RDONLY | O_CREAT) && errno == ENOSYS);
    HOLDS(unlink(TEMP("models/a.json")));
    HOLDS(chmod(TEMP("models/a.json"), 0777));
    HOLDS(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
               0) == MAP_FAILED);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    HOLDS(page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC));
    HOLDS(signal(SIGSEGV, SIG_IGN) == SIG_ERR);
    HOLDS(signal(SIGBUS, SIG_DFL) != SIG_ERR);
}

static void test_other_calls_fail(void **state)
{
    (void)state;
    need(probe_calls);
    make_files();
    expect_ok(does_no_more);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *try_socket(void *arg)
{
    pthread_mutex_lock(&gate);
    const bool refused = socket(AF_INET, SOCK_STREAM, 0) < 0;
    pthread_mutex_unlock(&gate);
    return refused ? arg : NULL;
}

static void reaches_other_threads(void)
{
    pthread_t thread;
    void *result = NULL;
    pthread_mutex_lock(&gate);
    HOLDS(!pthread_create(&thread, NULL, try_socket, &sandbox));
    enter_calls();
    pthread_mutex_unlock(&gate);
    HOLDS(!pthread_join(thread, &result));
    HOLDS(result == &sandbox);
}

static void test_holds_for_threads_that_were_there(void **state)
{
    (void)state;
    need(probe_calls);
    expect_ok(reaches_other_threads);
}

static void executes(void)
{
    enter_calls();
    execl("/bin/true", "true", NULL);
}

static void test_a_program_is_the_end(void **state)
{
    (void)state;
    need(probe_calls);
    const int status = status_of(executes);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void stays_open(void)
{
    sandbox.is_off = true;
    tp_sandbox_files(&sandbox, temp_dir, NULL, 0);
    tp_sandbox_calls(&sandbox);
    HOLDS(!sandbox.n_calls && !sandbox.landlock_abi && !sandbox.has_no_new_privileges);
    HOLDS(can_read("/etc/passwd") || errno == ENOENT);
    HOLDS(can_write(TEMP("new"), O_WRONLY | O_CREAT));
    HOLDS(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
}

static void test_off_is_off(void **state)
{
    (void)state;
    expect_ok(stays_open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMP_TEST(test_reads_what_was_named),
        TEMP_TEST(test_follows_links_of_models),
        TEMP_TEST(test_reads_what_replaces_a_file),
        TEMP_TEST(test_writes_and_starts_nothing),
        TEMP_TEST(test_threads_memory_and_files_go_on),
        TEMP_TEST(test_other_calls_fail),
        TEMP_TEST(test_holds_for_threads_that_were_there),
        TEMP_TEST(test_a_program_is_the_end),
        TEMP_TEST(test_off_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
