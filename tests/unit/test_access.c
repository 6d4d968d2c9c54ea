/* test_access.c - the line of a request: one line, and JSON where it shall be. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/log.h"
#include "service/access.h"

/* What stands behind the time; into `to`. */
static void write_line(const struct tp_access *a, char *to, size_t room)
{
    struct tp_buf b = { 0 };
    tp_access_write(&b, a);
    assert_false(b.failed);
    assert_true(b.n_bytes > 40 && b.n_bytes < room);
    assert_ptr_equal(memchr(b.data, '\n', b.n_bytes), b.data + b.n_bytes - 1);
    memcpy(to, b.data, b.n_bytes - 1);
    to[b.n_bytes - 1] = '\0';
    tp_buf_fini(&b);
}

static void a_line_holds_what_is_known(void **state)
{
    (void)state;
    char line[4096];
    const struct tp_timing timing = { 0.5, 1, 2, 3 };
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct tp_access a = { .id = "7", .key = "shop", .method = "GET", .path = "/a b", .model = "",
                           .route = "/{m}", .client = (struct sockaddr *)&in, .status = 200,
                           .n_bytes_in = 1, .n_bytes_out = 2, .total_ms = 6.5, .timing = &timing,
                           .rejected = "slow", .end = TP_ACCESS_GONE };
    tp_log_setup(TP_LOG_INFO, false);
    write_line(&a, line, sizeof line);
    assert_string_equal(line + 24, " info  request id=7 client=127.0.0.1:80 key=shop method=GET "
                        "path=\"/a b\" route=/{m} status=200 in=1 out=2 ms=6.500 queue=0.500 "
                        "decode=1.000 infer=2.000 encode=3.000 rejected=slow ended=gone");
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
    in6.sin6_addr = in6addr_loopback;
    tp_log_setup(TP_LOG_INFO, true);
    write_line(&(struct tp_access){ .client = (struct sockaddr *)&in6 }, line, sizeof line);
    assert_string_equal(line + 34, ",\"level\":\"info\",\"message\":\"request\","
                        "\"client\":\"[::1]:9\","
                        "\"status\":0,\"in\":0,\"out\":0,\"ms\":0.000}");
    tp_log_setup(TP_LOG_INFO, false);
}

static void no_bytes_of_a_client_break_the_line(void **state)
{
    (void)state;
    char line[4096], long_path[3000];
    memset(long_path, '\x01', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    const char *paths[] = { "/\r\nx", "\"", "\\", "\xff", "\xc2", "\xc2\x9b[31m", "\x7f",
                            "\xf0\x9f\x8c\x8a", long_path };
    for (int json = 0; json < 2; json++)
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            tp_log_setup(TP_LOG_INFO, json);
            write_line(&(struct tp_access){ .path = paths[i] }, line, sizeof line);
            for (const char *p = line; *p; p++)
                assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p != 0x7f);
            assert_null(strstr(line, "\xc2\x9b"));
            assert_null(strchr(line, '\xff'));
        }
    tp_log_setup(TP_LOG_INFO, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_holds_what_is_known),
        cmocka_unit_test(no_bytes_of_a_client_break_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
