/* test_watch.c - absolute deadlines, over pairs of sockets. */
#include "check.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/watch.h"

enum { FOR_EVER = 1000000, SHORT = 100, LONG_MS = 1500, PATIENCE_SECONDS = 20 };

struct pair {
    struct tp_watch *w;
    struct tp_watched *c;
    int ours, theirs;
};

static struct tp_watch_options options(void)
{
    return (struct tp_watch_options){
        .header_ms = FOR_EVER, .idle_ms = FOR_EVER, .body_ms = FOR_EVER, .min_rate = 1000,
        .max_connections = 100, .may_write = true,
    };
}

static struct pair start(const struct tp_watch_options *o)
{
    struct pair p;
    struct tp_err err = { 0 };
    int two[2];
    const struct timeval patience = { PATIENCE_SECONDS, 0 };
    assert_true(tp_watch_start(&p.w, o, &err));
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, two), 0);
    p.ours = two[0];
    p.theirs = two[1];
    setsockopt(p.theirs, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    p.c = tp_watch_add(p.w, p.ours);
    assert_non_null(p.c);
    return p;
}

static void finish(struct pair *p)
{
    tp_watch_remove(p->w, p->c);
    close(p->ours);
    close(p->theirs);
    tp_watch_stop(p->w);
}

/* All that comes until the end; fails when no end comes. */
static void read_to_end(int fd, char *to, size_t n)
{
    size_t at = 0;
    for (;;) {
        const ssize_t got = recv(fd, to + at, n - 1 - at, 0);
        assert_return_code(got, 0);
        if (!got) break;
        at += (size_t)got;
    }
    to[at] = '\0';
}

static void pause_ms(int ms) { usleep((useconds_t)ms * 1000); }

static void slow_headers_are_told_and_cut(void **state)
{
    (void)state;
    char text[2048];
    struct tp_watch_options o = options();
    o.header_ms = SHORT;
    struct pair p = start(&o);
    read_to_end(p.theirs, text, sizeof text);
    assert_ptr_equal(strstr(text, "HTTP/1.1 408 "), text);
    assert_non_null(strstr(text, "\"code\":\"timeout\""));
    assert_null(strstr(text, "X-Request-Id"));
    assert_false(tp_watch_enter(p.c, TP_WATCH_BODY));
    assert_false(tp_watch_enter(p.c, TP_WATCH_ANSWER));
    assert_int_equal(tp_watch_n_cut(p.w), 1);
    finish(&p);
}

static void a_later_request_line_starts_a_new_deadline(void **state)
{
    (void)state;
    char text[2048];
    struct tp_watch_options o = options();
    o.header_ms = SHORT;
    struct pair p = start(&o);
    assert_true(tp_watch_line(p.c));
    assert_true(tp_watch_enter(p.c, TP_WATCH_IDLE));         /* much time from here */
    assert_true(tp_watch_line(p.c));
    read_to_end(p.theirs, text, sizeof text);
    assert_ptr_equal(strstr(text, "HTTP/1.1 408 "), text);
    finish(&p);
}

static void a_slow_body_is_told_with_its_id(void **state)
{
    (void)state;
    char text[2048];
    struct tp_watch_options o = options();
    o.body_ms = SHORT;
    struct pair p = start(&o);
    tp_watch_name(p.c, "abc");
    assert_true(tp_watch_enter(p.c, TP_WATCH_BODY));
    tp_watch_took(p.c, 5);
    read_to_end(p.theirs, text, sizeof text);
    assert_ptr_equal(strstr(text, "HTTP/1.1 408 "), text);
    assert_non_null(strstr(text, "\r\nX-Request-Id: abc\r\n"));
    assert_non_null(strstr(text, "\"request_id\":\"abc\""));
    finish(&p);
}

static void nothing_is_written_over_tls(void **state)
{
    (void)state;
    char text[2048];
    struct tp_watch_options o = options();
    o.header_ms = SHORT;
    o.may_write = false;
    struct pair p = start(&o);
    read_to_end(p.theirs, text, sizeof text);
    assert_string_equal(text, "");
    finish(&p);
}

static void silence_and_answers_are_cut_without_a_word(void **state)
{
    (void)state;
    static const enum tp_watch_phase phases[] = { TP_WATCH_IDLE, TP_WATCH_ANSWER };
    for (int i = 0; i < 2; i++) {
        char text[2048];
        struct tp_watch_options o = options();
        o.body_ms = SHORT;
        o.max_connections = 1;                   /* crowded: silence is cut sooner than idle_ms */
        struct pair p = start(&o);
        assert_true(tp_watch_enter(p.c, phases[i]));
        read_to_end(p.theirs, text, sizeof text);
        assert_string_equal(text, "");
        finish(&p);
    }
}

static void a_body_that_keeps_the_rate_goes_on(void **state)
{
    (void)state;
    struct tp_watch_options o = options();
    o.body_ms = 500;
    o.min_rate = 10;                             /* far below what comes: machines can be slow */
    struct pair p = start(&o);
    assert_true(tp_watch_enter(p.c, TP_WATCH_BODY));
    for (int ms = 0; ms < LONG_MS; ms += 20) {
        tp_watch_took(p.c, 100000);
        pause_ms(20);
    }
    assert_true(tp_watch_enter(p.c, TP_WATCH_WORK));
    assert_int_equal(tp_watch_n_cut(p.w), 0);
    finish(&p);
}

static void work_has_no_deadline_here(void **state)
{
    (void)state;
    struct tp_watch_options o = options();
    o.header_ms = o.idle_ms = o.body_ms = 1;
    struct pair p = start(&o);
    const bool in_time = tp_watch_enter(p.c, TP_WATCH_WORK); /* else the first tick was earlier */
    pause_ms(600);
    if (in_time) assert_int_equal(tp_watch_n_cut(p.w), 0);
    finish(&p);
}

/* The event loop's side and the watch's at once, for ThreadSanitizer. */
static void *come_and_go(void *arg)
{
    struct tp_watch *w = arg;
    for (int i = 0; i < 40; i++) {
        int two[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, two)) break;
        struct tp_watched *c = tp_watch_add(w, two[0]);
        for (int k = 0; c && k < 100; k++) {
            const bool on = tp_watch_line(c) && (tp_watch_name(c, "some-id"), true) &&
                            tp_watch_enter(c, TP_WATCH_BODY);
            if (!on) break;
            tp_watch_took(c, 1);
            if (k == 50) pause_ms(20);
            if (!tp_watch_enter(c, TP_WATCH_WORK) || !tp_watch_enter(c, TP_WATCH_ANSWER) ||
                !tp_watch_enter(c, TP_WATCH_IDLE)) break;
        }
        tp_watch_remove(w, c);
        close(two[0]);
        close(two[1]);
    }
    return NULL;
}

static void connections_come_and_go_while_they_are_cut(void **state)
{
    (void)state;
    struct tp_watch *w;
    struct tp_err err = { 0 };
    struct tp_watch_options o = options();
    pthread_t threads[2];
    o.header_ms = o.idle_ms = o.body_ms = 10;
    assert_true(tp_watch_start(&w, &o, &err));
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, w), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    tp_watch_stop(w);
}

static void who_left_in_the_midst_is_shut_down_soon(void **state)
{
    struct tp_err err = { 0 };
    struct tp_watch_options o = options();
    struct tp_watch *w;
    int ends[2];
    char byte;
    (void)state;
    assert_true(tp_watch_start(&w, &o, &err));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct tp_watched *c = tp_watch_add(w, ends[0]);
    assert_non_null(c);
    assert_int_equal(send(ends[1], "POST", 4, 0), 4);
    shutdown(ends[1], SHUT_WR);
    usleep(600 * 1000);                          /* not before what was sent is read */
    assert_int_equal(recv(ends[1], &byte, 1, MSG_DONTWAIT), -1);
    char sent[4];
    assert_int_equal(recv(ends[0], sent, 4, 0), 4);
    assert_int_equal(recv(ends[1], &byte, 1, 0), 0);             /* no 408: nobody is there */
    assert_int_equal(tp_watch_n_cut(w), 0);
    tp_watch_remove(w, c);
    close(ends[0]);
    close(ends[1]);
    tp_watch_stop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_headers_are_told_and_cut),
        cmocka_unit_test(a_later_request_line_starts_a_new_deadline),
        cmocka_unit_test(a_slow_body_is_told_with_its_id),
        cmocka_unit_test(nothing_is_written_over_tls),
        cmocka_unit_test(silence_and_answers_are_cut_without_a_word),
        cmocka_unit_test(a_body_that_keeps_the_rate_goes_on),
        cmocka_unit_test(work_has_no_deadline_here),
        cmocka_unit_test(connections_come_and_go_while_they_are_cut),
        cmocka_unit_test(who_left_in_the_midst_is_shut_down_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
