/* test_tfs.c - TensorFlow Serving's REST form: requests by row and by column, answers of both, what
 * a model tells, and every way in which a request can be wrong. */
#include "read_body.h"

#include <stdlib.h>

#include "base/buf.h"
#include "formats/base64.h"
#include "formats/tfs.h"

#define TFS &tp_dialect_tfs
#define ROW8 "[1,2,3,4,5,6,7,8]"
#define MAP "[" ROW8 "," ROW8 "," ROW8 "," ROW8 "," ROW8 "," ROW8 "," ROW8 "," ROW8 "]"

static struct body read_json(const char *text)
{
    return body_must_read(TFS, NULL, text, strlen(text), FOR_LAST);
}

static void refused(const char *text, enum tp_code code, const char *message)
{
    body_must_fail(TFS, NULL, text, strlen(text), FOR_LAST, code, message);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* One source per array of numbers, whatever it is wrapped in. */
static void rows_and_columns_are_read(void **state)
{
    (void)state;
    static const struct { const char *text; int n_sources; const char *shape; } cases[] = {
        { "{\"instances\":[" MAP "]}", 1, "[1, 8, 8, 1]" },
        { "{\"instances\":[" MAP "," MAP "]}", 1, "[2, 8, 8, 1]" },
        { "{\"inputs\":[" MAP "," MAP "]}", 1, "[2, 8, 8, 1]" },
        { "{\"inputs\":{\"input\":[" MAP "," MAP "]}}", 1, "[2, 8, 8, 1]" },
        { "{\"instances\":[{\"input\":" MAP "},{\"input\":" MAP "}]}", 2, "[1, 8, 8, 1]" },
        { "{\"signature_name\":\"serving_default\",\"more\":[1],\"instances\":[" MAP "]}", 1,
          "[1, 8, 8, 1]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct body b = read_json(cases[i].text);
        assert_int_equal(b.rq.n_sources, cases[i].n_sources);
        for (int k = 0; k < b.rq.n_sources; k++) {
            body_check_tensor(&b, k, cases[i].shape, NULL);
            for (int j = 0; j < 64; j++)
                assert_true(b.rq.sources[k].tensor.data[j] == (float)(j % 8 + 1));
        }
        body_drop(&b);
    }
}

static void images_are_b64_in_every_place(void **state)
{
    (void)state;
    struct file png = file_read("one.png");
    struct tp_buf b = { 0 };
    tp_base64_write(&b, png.bytes, png.n);
    tp_buf_bytes(&b, "", 1);
    static const char *const forms[] = {
        "{\"instances\":[{\"b64\":\"%s\"},{\"b64\":\"%s\"}]}",
        "{\"instances\":[{\"image_bytes\":{\"b64\":\"%s\"}},{\"image_bytes\":{\"b64\":\"%s\"}}]}",
        "{\"inputs\":[{\"b64\":\"%s\"},{\"b64\":\"%s\"}]}",
        "{\"inputs\":{\"image_bytes\":[{\"b64\":\"%s\"},{\"b64\":\"%s\"}]}}",
        "{\"inputs\":{\"b64\":\"%s\"}}",
        "{\"inputs\":{\"image_bytes\":{\"b64\":\"%s\"}}}",
    };
    for (int i = 0; i < 6; i++) {
        char text[1000];
        snprintf(text, sizeof text, forms[i], b.data, b.data);
        struct body body = read_json(text);
        assert_int_equal(body.rq.n_sources, i < 4 ? 2 : 1);
        for (int k = 0; k < body.rq.n_sources; k++) body_check_file(&body, k, &png);
        body_drop(&body);
    }
    tp_buf_fini(&b);
    free(png.bytes);
}

static void shapes_that_are_no_batch_are_refused(void **state)
{
    (void)state;
    refused("{\"instances\":" MAP "}", TP_INVALID_SHAPE, "instances: shape [8, 8]; the first "
            "axis is "
            "the examples', and each is an input of [any, 8, 8, 1]");
    refused("{\"inputs\":" MAP "}", TP_INVALID_SHAPE, "inputs: shape [8, 8]; the first axis is the "
            "examples', and each is an input of [any, 8, 8, 1]");
    refused("{\"instances\":[{\"input\":[" MAP "," MAP "]}]}", TP_INVALID_SHAPE, "instances[0]: "
            "shape "
            "[2, 8, 8]; the first axis is the examples', and each is an input of [any, 8, 8, 1]");
    refused("{\"instances\":[[1,2],[3,4]]}", TP_INVALID_SHAPE, "instances: tensor: shape [2, 2] "
            "does "
            "not fit the model's input [any, 8, 8, 1] (NHWC)");
    refused("{\"instances\":[1,2]}", TP_INVALID_SHAPE, "instances: tensor: shape [2] does not fit "
            "the model's input [any, 8, 8, 1] (NHWC)");
    refused("{\"instances\":[[[1,2],[3]]]}", TP_INVALID_SHAPE, "instances: ragged: the array at "
            "byte "
            "21 has another length than the one before it, 2");
    refused("{\"instances\":[{\"input\":[[1,2],3]}]}", TP_INVALID_SHAPE, "instances[0]: ragged: a "
            "number at byte 30 where its neighbours are arrays");
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    refused("", TP_INVALID_ARGUMENT, "the body is empty; expected {\"instances\": [...]} or "
            "{\"inputs\": ...}");
    refused("{}", TP_INVALID_JSON, "Missing 'inputs' or 'instances' key");
    refused("[1]", TP_INVALID_JSON, "Missing 'inputs' or 'instances' key");
    refused("{\"instances\":[],\"inputs\":[]}", TP_INVALID_JSON,
            "body: both 'inputs' and 'instances'; expected one of them");
    refused("{\"instances\":[]}", TP_INVALID_JSON, "instances: expected an array of examples; got "
            "none");
    refused("{\"inputs\":[]}", TP_INVALID_JSON, "inputs: expected an array of examples; got none");
    refused("{\"instances\":{\"b64\":\"AA==\"}}", TP_INVALID_JSON,
            "instances: expected an array of examples; got an object");
    refused("{\"inputs\":\"x\"}", TP_INVALID_JSON,
            "inputs: expected numbers or {\"b64\": \"...\"}; got a string");
    refused("{\"signature_name\":\"x\",\"instances\":[1]}", TP_INVALID_ARGUMENT,
            "signature_name: there is \"serving_default\" and no other");
    refused("{\"signature_name\":[1],\"instances\":[1]}", TP_INVALID_ARGUMENT,
            "signature_name: there is \"serving_default\" and no other");
    refused("{\"instances\":[\"x\"]}", TP_INVALID_JSON,
            "instances[0]: expected numbers or {\"b64\": \"...\"}; got a string");
    refused("{\"instances\":[" MAP ",null]}", TP_INVALID_JSON,
            "instances[1]: expected numbers or {\"b64\": \"...\"}; got null");
    refused("{\"instances\":[{\"a\":[1]}]}", TP_INVALID_ARGUMENT,
            "instances[0]: 'a' is no input of the model; it has 'input'");
    refused("{\"instances\":[{\"a\":{\"b64\":1}}]}", TP_INVALID_JSON,
            "instances[0]: expected base64 text or a data: URI; got a number");
    refused("{\"instances\":[{\"a\":[1],\"b\":[1]}]}", TP_INVALID_ARGUMENT,
            "instances[0]: an object of 2 keys; the model has one input, 'input'");
    refused("{\"instances\":[{}]}", TP_INVALID_ARGUMENT,
            "instances[0]: an object of 0 keys; the model has one input, 'input'");
    refused("{\"instances\":[{\"b64\":\"AAAA\"}]}", TP_UNSUPPORTED_FORMAT, "instances[0]: its "
            "first "
            "bytes are of no format that is read here; expected a JPEG, PNG or WebP file or a .npy "
            "array");
    refused("{\"instances\":[{\"b64\":\"A\"}]}", TP_INVALID_ARGUMENT,
            "instances[0]: the base64 is cut off at byte 1");
}

/* ---- answers --------------------------------------------------------------------------------- */

static float values[] = { 1.5f, 2, 3, 4, 5, 6, 7, 8 };
static const float places[] = { 0, 1, 2, 3 };

static const void *said_of(const char *text, struct body *b)
{
    *b = read_json(text);
    return b->rq.said;
}

static struct tp_answer_output output(const char *name, struct tp_shape shape, float *x)
{
    return (struct tp_answer_output){ .name = name, .tensor = { shape, x } };
}

static void check_written(const struct tp_answer *a, const char *request, const char *want)
{
    struct tp_buf b = { 0 };
    struct tp_head head = { 0 };
    struct tp_err err = { 0 };
    struct body body;
    const struct tp_request rq = { .said = said_of(request, &body) };
    const bool ok = tp_dialect_tfs.write(&b, &head, a, &rq, &err);
    tp_buf_bytes(&b, "", 1);
    assert_string_equal(ok ? b.data : err.message, want);
    assert_int_equal(ok, err.code == TP_OK);
    assert_int_equal(head.n, 0);
    tp_buf_fini(&b);
    body_drop(&body);
}

#define ROWS "{\"instances\":[" MAP "]}"
#define COLUMNS "{\"inputs\":[" MAP "]}"

static void one_output_is_bare_and_several_are_named(void **state)
{
    (void)state;
    struct tp_answer_output o[] = {
        output("a", TP_SHAPE4(2, 1, 2, 1), values), output("b", TP_SHAPE2(2, 1), values + 4),
    };
    struct tp_answer a = { .model = "m", .outputs = o, .n_outputs = 1, .n_inputs = 2,
                           .nested = true };
    check_written(&a, ROWS, "{\"predictions\":[[[[1.5],[2]]],[[[3],[4]]]]}\n");
    check_written(&a, COLUMNS, "{\"outputs\":[[[[1.5],[2]]],[[[3],[4]]]]}\n");
    a.n_outputs = 2;
    check_written(&a, ROWS, "{\"predictions\":[{\"a\":[[[1.5],[2]]],\"b\":[5]},{\"a\":[[[3],[4]]],"
                  "\"b\":[6]}]}\n");
    check_written(&a, COLUMNS, "{\"outputs\":{\"a\":[[[[1.5],[2]]],[[[3],[4]]]],\"b\":[[5],"
            "[6]]}}\n");
    a.n_outputs = 1;
    o[0].argmax = places;
    o[0].argmax_name = "a/argmax";
    check_written(&a, ROWS, "{\"predictions\":[{\"a\":[[[1.5],[2]]],\"a/argmax\":[[[0],[1]]]},"
                  "{\"a\":[[[3],[4]]],\"a/argmax\":[[[2],[3]]]}]}\n");
    check_written(&a, COLUMNS, "{\"outputs\":{\"a\":[[[[1.5],[2]]],[[[3],[4]]]],\"a/argmax\":"
                  "[[[[0],[1]]],[[[2],[3]]]]}}\n");
}

static void an_example_may_be_one_number(void **state)
{
    (void)state;
    const struct tp_answer_output o = output("a", (struct tp_shape){ .rank = 1, .dim = { 3 } },
                                             values);
    const struct tp_answer a = { .model = "m", .outputs = &o, .n_outputs = 1 };
    check_written(&a, ROWS, "{\"predictions\":[1.5,2,3]}\n");
    check_written(&a, COLUMNS, "{\"outputs\":[1.5,2,3]}\n");
}

static void outputs_of_other_lengths_are_no_rows(void **state)
{
    (void)state;
    const struct tp_answer_output o[] = {
        output("a", TP_SHAPE2(2, 1), values), output("b", TP_SHAPE2(3, 1), values + 4),
    };
    const struct tp_answer a = { .model = "m", .outputs = o, .n_outputs = 2 };
    check_written(&a, ROWS, "predictions: output 'b' is [3, 1] and 'a' is [2, 1]; in the row "
            "form all "
                  "have one element per example: ask with \"inputs\"");
    check_written(&a, COLUMNS, "{\"outputs\":{\"a\":[[1.5],[2]],\"b\":[[5],[6],[7]]}}\n");
}

static void errors_are_one_text(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    tp_dialect_tfs.write_error(&b, "a \"b\"", "not_found", "id");
    tp_buf_bytes(&b, "", 1);
    assert_string_equal(b.data, "{\"error\":\"a \\\"b\\\"\"}\n");
    tp_buf_fini(&b);
}

static void a_model_tells_its_signature(void **state)
{
    (void)state;
    static const char *outputs[] = { "lost" };
    const struct tp_model m = {
        .name = "m", .input_name = "in", .outputs = outputs, .n_outputs = 1,
        .input = { .rank = 2, .dim = { TP_ANY, 5 } },
    };
    struct tp_buf b = { 0 };
    tp_tfs_metadata(&b, &m);
    tp_buf_bytes(&b, "", 1);
    assert_string_equal(b.data, "{\"model_spec\":{\"name\":\"m\",\"signature_name\":\"\","
            "\"version\":"
        "\"1\"},\"metadata\":{\"signature_def\":{\"signature_def\":{\"serving_default\":"
        "{\"inputs\":"
        "{\"in\":{\"dtype\":\"DT_FLOAT\",\"tensor_shape\":{\"dim\":[{\"size\":\"-1\",\"name\":"
        "\"\"},"
        "{\"size\":\"5\",\"name\":\"\"}],\"unknown_rank\":false},\"name\":\"in\"}},\"outputs\":{"
        "\"lost\":{\"dtype\":\"DT_FLOAT\",\"tensor_shape\":{\"dim\":[],\"unknown_rank\":true},"
        "\"name\":"
        "\"lost\"}},\"method_name\":\"tensorflow/serving/predict\"}}}}}\n");
    tp_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_columns_are_read),
        cmocka_unit_test(images_are_b64_in_every_place),
        cmocka_unit_test(shapes_that_are_no_batch_are_refused),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
        cmocka_unit_test(one_output_is_bare_and_several_are_named),
        cmocka_unit_test(an_example_may_be_one_number),
        cmocka_unit_test(outputs_of_other_lengths_are_no_rows),
        cmocka_unit_test(errors_are_one_text),
        cmocka_unit_test(a_model_tells_its_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
