/* test_presence.c - who is there, who only listens, who has gone. */
#include "check.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/presence.h"

struct pair { int ours, theirs; };

static struct pair connect_pair(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    struct pair p = { .theirs = socket(AF_INET, SOCK_STREAM, 0) };
    const int door = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(door, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(door, 1), 0);
    assert_int_equal(getsockname(door, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(connect(p.theirs, (struct sockaddr *)&at, size), 0);
    p.ours = accept(door, NULL, NULL);
    assert_true(p.ours >= 0);
    close(door);
    return p;
}

/* Whether the answer is `wanted` before long: what the peer does takes a moment to arrive. */
static bool comes_to(struct tp_presence *p, bool wanted)
{
    for (int i = 0; i < 2000; i++) {
        if (tp_presence_look(p) == wanted) return true;
        usleep(1000);
    }
    return false;
}

static void who_waits_is_there(void **state)
{
    const struct pair p = connect_pair();
    struct tp_presence presence = { .fd = p.ours, .may_ask = true };
    (void)state;
    assert_true(tp_presence_look(&presence));
    assert_int_equal(send(p.theirs, "more", 4, 0), 4);   /* a pipelined request, say */
    for (int i = 0; i < 20; i++, usleep(1000)) assert_true(tp_presence_look(&presence));
    assert_false(presence.has_asked);
    close(p.theirs);
    close(p.ours);
}

static void who_ended_its_side_is_asked_once_and_stays(void **state)
{
    const struct pair p = connect_pair();
    struct tp_presence presence = { .fd = p.ours, .may_ask = true };
    char got[64];
    (void)state;
    shutdown(p.theirs, SHUT_WR);
    for (int i = 0; i < 2000 && !presence.has_asked; i++, usleep(1000))
        assert_true(tp_presence_look(&presence));
    for (int i = 0; i < 20; i++, usleep(1000)) assert_true(tp_presence_look(&presence));
    const ssize_t n = recv(p.theirs, got, sizeof got, 0);
    assert_int_equal(n, strlen("HTTP/1.1 102 Processing\r\n\r\n"));
    assert_memory_equal(got, "HTTP/1.1 102 Processing\r\n\r\n", (size_t)n);
    close(p.theirs);
    close(p.ours);
}

static void who_closed_has_gone(void **state)
{
    const struct pair p = connect_pair();
    struct tp_presence presence = { .fd = p.ours, .may_ask = true };
    (void)state;
    close(p.theirs);
    assert_true(comes_to(&presence, false));
    close(p.ours);
}

static void where_nobody_may_be_asked_an_end_is_the_end(void **state)
{
    const struct pair p = connect_pair();
    struct tp_presence presence = { .fd = p.ours };
    (void)state;
    shutdown(p.theirs, SHUT_WR);
    assert_true(comes_to(&presence, false));
    assert_false(presence.has_asked);
    close(p.theirs);
    close(p.ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_is_there),
        cmocka_unit_test(who_ended_its_side_is_asked_once_and_stays),
        cmocka_unit_test(who_closed_has_gone),
        cmocka_unit_test(where_nobody_may_be_asked_an_end_is_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
