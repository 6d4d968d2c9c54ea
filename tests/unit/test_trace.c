/* test_trace.c - which traceparent headers are one. */
#include "check.h"

#include "service/trace.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"

static void a_valid_header_gives_its_trace(void **state)
{
    (void)state;
    char id[TP_TRACE_ID_BYTES];
    assert_true(tp_trace_read("00-" ID "-00f067aa0ba902b7-01", id));
    assert_string_equal(id, ID);
}

static void malformed_ones_are_ignored(void **state)
{
    (void)state;
    static const char *const bad[] = {
        NULL, "", "00", "00-" ID, "00-" ID "-00f067aa0ba902b7", "00-" ID "-00f067aa0ba902b7-0",
        "00-" ID "-00f067aa0ba902b7-01-x", "01-" ID "-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-" ID "-0000000000000000-01", "00-" ID "_00f067aa0ba902b7-01",
        "00-" ID "-00f067aa0ba902b7_01", "00-" ID "-00f067aa0ba902b7-0g",
        "00-\"bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char id[TP_TRACE_ID_BYTES] = "x";
        assert_false(tp_trace_read(bad[i], id));
        assert_string_equal(id, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_header_gives_its_trace),
        cmocka_unit_test(malformed_ones_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
