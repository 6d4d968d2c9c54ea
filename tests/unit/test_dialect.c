/* test_dialect.c - how each protocol tells of an error. */
#include "check.h"

#include <string.h>

#include "formats/dialect.h"

static void check_error(const struct tp_dialect *d, const char *code, const char *want)
{
    struct tp_buf b = { 0 };
    d->write_error(&b, "layer \"x\"\n: no", code, "id-1");
    assert_false(b.failed);
    assert_int_equal(b.n_bytes, strlen(want));
    assert_memory_equal(b.data, want, b.n_bytes);
    tp_buf_fini(&b);
}

static void every_protocol_has_its_form_of_errors(void **state)
{
    (void)state;
    const char *const plain = "{\"error\":\"layer \\\"x\\\"\\n: no\"}\n";
    check_error(&tp_dialect_oip, "not_found", plain);
    check_error(&tp_dialect_tfs, "not_found", plain);
    check_error(&tp_dialect_tidepool, "not_found",
                "{\"error\":\"layer \\\"x\\\"\\n: no\",\"code\":\"not_found\","
                "\"request_id\":\"id-1\"}\n");
    check_error(&tp_dialect_openai, "not_found",
                "{\"error\":{\"message\":\"layer \\\"x\\\"\\n: no\",\"type\":"
                "\"invalid_request_error\",\"param\":null,\"code\":\"not_found\"}}\n");
    check_error(&tp_dialect_openai, "unavailable",
                "{\"error\":{\"message\":\"layer \\\"x\\\"\\n: no\",\"type\":"
                "\"server_error\",\"param\":null,\"code\":\"unavailable\"}}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_protocol_has_its_form_of_errors) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
