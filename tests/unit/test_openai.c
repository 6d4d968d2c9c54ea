/* test_openai.c - embeddings of images: requests, which layer and pooling they mean, answers in
 * both encodings, and every way in which a request can be wrong. */
#include "read_body.h"

#include <stdlib.h>

#include "base/buf.h"
#include "formats/base64.h"

#define OPENAI &tp_dialect_openai

static struct body read_json(const char *text)
{
    return body_must_read(OPENAI, NULL, text, strlen(text), FOR_LAST);
}

static void refused(const char *text, enum tp_code code, const char *message)
{
    body_must_fail(OPENAI, NULL, text, strlen(text), FOR_LAST, code, message);
}

/* {"model": "last", "input": <input>, <more>}, every %s of both a data: URI of one.png. The result
 * is in static memory. */
static const char *request(const char *input, const char *more)
{
    static char text[4000];
    char format[1000];
    struct file png = file_read("one.png");
    struct tp_buf b = { 0 };
    tp_buf_text(&b, "\"data:image/png;base64,");
    tp_base64_write(&b, png.bytes, png.n);
    tp_buf_bytes(&b, "\"", 2);
    snprintf(format, sizeof format, "{\"model\":\"last\",\"input\":%s%s}", input, more);
    snprintf(text, sizeof text, format, b.data, b.data, b.data, b.data);
    tp_buf_fini(&b);
    free(png.bytes);
    return text;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void one_image_or_a_list_of_them(void **state)
{
    (void)state;
    static const char *const inputs[] = { "%s", "[%s]", "[%s,%s]", "[%s,%s,%s]" };
    struct file png = file_read("one.png");
    for (int i = 0; i < 4; i++) {
        struct body b = read_json(request(inputs[i], ""));
        assert_int_equal(b.rq.n_sources, i ? i : 1);
        for (int k = 0; k < b.rq.n_sources; k++) body_check_file(&b, k, &png);
        assert_int_equal(b.rq.n_outputs, 1);
        assert_string_equal(b.rq.names[0], "pool");
        assert_string_equal(b.rq.words.normalize, "l2");
        body_drop(&b);
    }
    struct body b = read_json("{\"model\":\"last\",\"input\":\"DATA:;base64,iVBORw0KGgo=\"}");
    assert_int_equal(b.rq.n_sources, 1);
    body_drop(&b);
    free(png.bytes);
    refused(request("[%s,%s,%s,%s]", ""), TP_TOO_LARGE,
            "more than 3 inputs in one request (--max-batch)");
}

static void words_of_pooling_stand_beside_the_input(void **state)
{
    (void)state;
    struct body b = read_json(request("%s", ",\"layer\":\"conv\",\"pool\":\"gem\",\"p\":2.5,"
            "\"grid\":"
                                      "[2,2],\"normalize\":\"none\",\"encoding_format\":\"base64\","
                                      "\"user\":{\"a\":1},\"modality\":\"image\""));
    assert_string_equal(b.rq.names[0], "conv");
    assert_string_equal(b.rq.outputs[0].pool, "gem");
    assert_string_equal(b.rq.outputs[0].p, "2.5");
    assert_string_equal(b.rq.outputs[0].grid, "2x2");
    assert_string_equal(b.rq.words.normalize, "none");
    body_drop(&b);
    b = read_json(request("%s", ",\"encoding_format\":null,\"dimensions\":null,\"layer\":null,"
                          "\"user\":null"));
    assert_string_equal(b.rq.names[0], "pool");
    body_drop(&b);
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    refused("", TP_INVALID_ARGUMENT, "the body is empty; expected {\"model\": \"...\", \"input\": "
            "\"data:image/jpeg;base64,...\"}");
    refused("[]", TP_INVALID_JSON, "model: expected the name of a model; got none");
    refused("{\"input\":\"x\"}", TP_INVALID_JSON, "model: expected the name of a model; got none");
    refused("{\"model\":[1],\"input\":\"x\"}", TP_INVALID_JSON,
            "model: expected the name of a model; got an array of numbers");
    refused("{\"model\":\"other\",\"input\":\"x\"}", TP_NOT_FOUND, "no model 'other'");
    refused("{\"model\":\"last\"}", TP_INVALID_JSON,
            "input is missing; expected a data: URI of an image, or a list of them");
    refused(request("[]", ""), TP_INVALID_ARGUMENT,
            "input: the list is empty; expected data: URIs of images");
    refused(request("\"a cat\"", ""), TP_INVALID_ARGUMENT, "input: expected a data: URI such as "
            "data:image/jpeg;base64,...; texts and addresses are not read");
    refused(request("[%s,\"http://a/b.png\"]", ""), TP_INVALID_ARGUMENT, "input[1]: expected a "
            "data: "
            "URI such as data:image/jpeg;base64,...; texts and addresses are not read");
    refused(request("[1,2]", ""), TP_INVALID_JSON,
            "input: expected base64 text or a data: URI; got an array of numbers");
    refused(request("null", ""), TP_INVALID_JSON,
            "input: expected base64 text or a data: URI; got null");
    refused(request("\"data:image/png;base64,AAAA\"", ""), TP_UNSUPPORTED_FORMAT, "input: its "
            "first "
            "bytes are of no format that is read here; expected a JPEG, PNG or WebP file or a .npy "
            "array");
    refused(request("%s", ",\"encoding_format\":\"hex\""), TP_INVALID_ARGUMENT,
            "encoding_format: 'hex'; expected float or base64");
    refused(request("%s", ",\"dimensions\":0"), TP_INVALID_ARGUMENT,
            "dimensions: expected a whole number above 0");
    refused(request("%s", ",\"dimensions\":\"4\""), TP_INVALID_ARGUMENT,
            "dimensions: expected a whole number above 0");
    refused(request("%s", ",\"modality\":\"text\""), TP_INVALID_ARGUMENT,
            "modality: 'text'; images are embedded here");
    static const char *const unknown[] = { "pooling", "argmax", "format", "concat", "layers" };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        char more[40], want[300];
        snprintf(more, sizeof more, ",\"%s\":\"x\"", unknown[i]);
        snprintf(want, sizeof want, "unknown key '%s'; there are model, input, encoding_format, "
                 "dimensions, user, modality, layer, normalize, and pool with its words",
                 unknown[i]);
        refused(request("%s", more), TP_INVALID_JSON, want);
    }
}

static const struct tp_model *find_given(void *ctx, const char *name, struct tp_err *err)
{
    (void)name, (void)err;
    return ctx;
}

/* What describes an image is what the dense layer at the end sees; maps are averaged. */
static void the_default_layer_is_the_classifiers_input(void **state)
{
    (void)state;
    static const struct { const char *model, *more, *name, *pool; } cases[] = {
        { "line-detector", "", "pool", "avg" },
        { "line-detector", ",\"layer\":\"conv\",\"pool\":\"max\"", "conv", "max" },
        { "line-detector", ",\"layer\":\"nowhere\"", "nowhere", NULL },
        { "gist", "", "gist", NULL },
        { "tests/data/onnx/small/classifier.onnx", "", "/Flatten_output_0", NULL },
        { "tests/data/onnx/readme/resnet50.onnx", "", "/Flatten_output_0", NULL },
        { "tests/data/onnx/readme/resnet50.onnx", ",\"layer\":\"layer3\"", "layer3", "avg" },
    };
    struct tp_err err = { 0 };
    const struct tp_limits limits = tp_limits_default();
    assert_true(tp_init(&err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_model *m;
        struct tp_arena arena;
        struct tp_request rq = { 0 };
        const char *text = request("%s", cases[i].more);
        const struct tp_body body = { .bytes = text, .n_bytes = strlen(text) };
        if (!tp_model_open(&m, cases[i].model, NULL, &limits, &err)) fail_msg("%s", err.message);
        tp_arena_init(&arena, 1 << 20);
        struct tp_intake in = {
            .rq = &rq, .find = find_given, .ctx = m, .limits = &limits, .n_threads = 1,
            .arena = &arena, .err = &err,
        };
        if (!tp_dialect_openai.read(&in, &body)) fail_msg("%s", err.message);
        assert_string_equal(rq.names[0], cases[i].name);
        if (cases[i].pool) assert_string_equal(rq.outputs[0].pool, cases[i].pool);
        else assert_null(rq.outputs[0].pool);
        tp_request_fini(&rq);
        tp_arena_fini(&arena);
        tp_model_free(m);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static void check_written(const char *text, const struct tp_answer *a, const char *want)
{
    struct tp_buf b = { 0 };
    struct tp_head head = { 0 };
    struct tp_err err = { 0 };
    struct body body = read_json(text);
    const bool ok = tp_dialect_openai.write(&b, &head, a, &body.rq, &err);
    tp_buf_bytes(&b, "", 1);
    assert_string_equal(ok ? b.data : err.message, want);
    assert_int_equal(ok, err.code == TP_OK);
    tp_buf_fini(&b);
    body_drop(&body);
}

static void embeddings_are_numbers_or_base64_of_float32(void **state)
{
    (void)state;
    float x[] = { 0.5f, -1, 0.25f, 2 };
    struct tp_answer_output o = { .name = "pool", .tensor = { TP_SHAPE2(2, 2), x } };
    const struct tp_answer a = { .model = "m", .outputs = &o, .n_outputs = 1, .n_inputs = 2 };
#define TAIL "],\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}}\n"
#define ITEM(i, text) "{\"object\":\"embedding\",\"index\":" #i ",\"embedding\":" text "}"
#define HEAD "{\"object\":\"list\",\"model\":\"last\",\"data\":["
    const char *plain = HEAD ITEM(0, "[0.5,-1]") "," ITEM(1, "[0.25,2]") TAIL;
    check_written(request("%s", ""), &a, plain);
    check_written(request("%s", ",\"encoding_format\":\"float\",\"dimensions\":2"), &a, plain);
    check_written(request("%s", ",\"encoding_format\":\"base64\""), &a,
                  HEAD ITEM(0, "\"AAAAPwAAgL8=\"") "," ITEM(1, "\"AACAPgAAAEA=\"") TAIL);
    o.tensor.shape = TP_SHAPE4(2, 1, 2, 1);          /* whatever its shape is */
    check_written(request("%s", ""), &a, plain);
    check_written(request("%s", ",\"dimensions\":512"), &a,
                  "dimensions: 512; this layer's embeddings have 2");
}

static void errors_have_the_form_that_the_clients_know(void **state)
{
    (void)state;
    static const struct { const char *code, *type; } cases[] = {
        { "not_found", "invalid_request_error" }, { "invalid_json", "invalid_request_error" },
        { "internal", "server_error" }, { "unavailable", "server_error" },
        { "no_memory", "server_error" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_buf b = { 0 };
        char want[200];
        tp_dialect_openai.write_error(&b, "no \"x\"", cases[i].code, "id");
        tp_buf_bytes(&b, "", 1);
        snprintf(want, sizeof want, "{\"error\":{\"message\":\"no \\\"x\\\"\",\"type\":\"%s\","
                 "\"param\":null,\"code\":\"%s\"}}\n", cases[i].type, cases[i].code);
        assert_string_equal(b.data, want);
        tp_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_image_or_a_list_of_them),
        cmocka_unit_test(words_of_pooling_stand_beside_the_input),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
        cmocka_unit_test(the_default_layer_is_the_classifiers_input),
        cmocka_unit_test(embeddings_are_numbers_or_base64_of_float32),
        cmocka_unit_test(errors_have_the_form_that_the_clients_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
