/* test_sink.c - lines that a thread writes: all of them in order, or dropped and counted. */
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sink.h"

static size_t lost(char *to, size_t room, uint64_t n_lines)
{
    return (size_t)snprintf(to, room, "lost %d\n", (int)n_lines);
}

static void all_lines_are_there_after_the_end(void **state)
{
    (void)state;
    struct tp_sink *s;
    struct tp_err err = { 0 };
    FILE *file = tmpfile();
    assert_true(tp_sink_open(&s, fileno(file), lost, &err));
    char line[32];
    for (int i = 0; i < 1000; i++)
        tp_sink_put(s, line, (size_t)snprintf(line, sizeof line, "%d\n", i));
    assert_int_equal(tp_sink_dropped(s), 0);
    tp_sink_close(s, 10000);
    rewind(file);
    int n = 0;
    for (int i; fscanf(file, "%d", &i) == 1; n++) assert_int_equal(i, n);
    assert_int_equal(n, 1000);
    fclose(file);
}

/* 2 MiB into a pipe that nobody reads: put and close come back; who reads later learns of it. */
static void nobody_waits_for_who_does_not_read(void **state)
{
    (void)state;
    struct tp_sink *s;
    struct tp_err err = { 0 };
    char line[1024], text[4096];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_true(tp_sink_open(&s, ends[1], lost, &err));
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 2048; i++) tp_sink_put(s, line, sizeof line);
    const int dropped = (int)tp_sink_dropped(s);
    assert_true(dropped > 0);
    tp_sink_close(s, 50);                        /* left behind */
    size_t n_bytes = 0, n;
    do {
        n = (size_t)read(ends[0], text, sizeof text - 1);
        text[n] = '\0';
        n_bytes += n;
    } while (!strstr(text, "lost"));
    assert_true(n_bytes >= (size_t)(2048 - dropped) * sizeof line);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_lines_are_there_after_the_end),
        cmocka_unit_test(nobody_waits_for_who_does_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
