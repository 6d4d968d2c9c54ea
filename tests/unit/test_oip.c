/* test_oip.c - what the Open Inference Protocol is told of the server and of a model. */
#include "check.h"

#include <string.h>

#include "formats/oip.h"

static void check(struct tp_buf *b, const char *want)
{
    tp_buf_bytes(b, "", 1);
    assert_false(b->failed);
    assert_string_equal(b->data, want);
    tp_buf_fini(b);
}

static void the_server_names_what_it_does(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    tp_oip_server(&b, false);
    check(&b, "{\"name\":\"tidepool\",\"version\":\"" TP_VERSION "\",\"extensions\":["
          "\"binary_tensor_data\",\"classification\",\"model_configuration\",\"parameters\","
          "\"statistics\"]}\n");
    tp_oip_server(&b, true);
    check(&b, "{\"name\":\"tidepool\",\"version\":\"" TP_VERSION "\",\"extensions\":["
          "\"binary_tensor_data\",\"classification\",\"model_configuration\",\"parameters\","
          "\"statistics\",\"model_repository\"]}\n");
}

static void a_model_tells_its_input_and_outputs(void **state)
{
    (void)state;
    struct tp_model *m;
    struct tp_err err = { 0 };
    struct tp_buf b = { 0 };
    const struct tp_limits limits = tp_limits_default();
    assert_true(tp_init(&err));
    assert_true(tp_model_open(&m, "line-detector", NULL, &limits, &err));
    tp_oip_model(&b, m);
    check(&b, "{\"name\":\"line-detector\",\"versions\":[\"1\"],\"platform\":\"keras_pipeline\","
          "\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[-1,8,8,1]}],"
          "\"outputs\":[{\"name\":\"pool\",\"datatype\":\"FP32\",\"shape\":[-1,3,3,1]}]}\n");
    tp_model_free(m);
    assert_true(tp_model_open(&m, "tests/data/onnx/small/classifier.onnx", NULL, &limits, &err));
    tp_oip_model(&b, m);
    check(&b, "{\"name\":\"classifier\",\"versions\":[\"1\"],\"platform\":\"onnx_onnxv1\","
          "\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[-1,3,8,8]}],"
          "\"outputs\":[{\"name\":\"scores\",\"datatype\":\"FP32\",\"shape\":[-1,5]}]}\n");
    tp_model_free(m);
}

/* Names are any text; what cannot be computed has a shape that says nothing. */
static void names_are_quoted_and_unknown_shapes_open(void **state)
{
    (void)state;
    static const char *outputs[] = { "lost" };
    const struct tp_model m = {
        .name = "a\"b", .input_name = "in\n", .outputs = outputs, .n_outputs = 1,
        .input = { .rank = 2, .dim = { TP_ANY, 5 } },
    };
    struct tp_buf b = { 0 };
    tp_oip_model(&b, &m);
    check(&b, "{\"name\":\"a\\\"b\",\"versions\":[\"1\"],\"platform\":\"keras_pipeline\","
            "\"inputs\":["
          "{\"name\":\"in\\n\",\"datatype\":\"FP32\",\"shape\":[-1,5]}],\"outputs\":[{\"name\":"
          "\"lost\",\"datatype\":\"FP32\",\"shape\":[-1]}]}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_names_what_it_does),
        cmocka_unit_test(a_model_tells_its_input_and_outputs),
        cmocka_unit_test(names_are_quoted_and_unknown_shapes_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
