/* test_request.c - a request's body: every kind that is read, told apart as the contract says, and
 * every way in which one can be wrong. */
#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/json.h"
#include "formats/npy.h"
#include "formats/request.h"
#include "image_files.h"
#include "intake_of.h"

static const struct tp_limits limits = {
    .max_body_bytes = 1 << 20, .max_pixels = 10000, .max_elements = 1000, .max_batch = 3,
};

struct body {                        /* what one test needs; made by read_body() */
    struct tp_request rq;
    struct tp_arena arena;
    struct tp_err err;
    uint8_t *copy;                   /* of the bytes, against a guard page */
    bool ok;
};

static bool read_request(struct tp_request *rq, const char *type, const void *bytes, size_t n_bytes,
                         enum intake_for what, const struct tp_limits *l, struct tp_arena *arena,
                         struct tp_err *err)
{
    const struct tp_body body = { .bytes = bytes, .n_bytes = n_bytes, .content_type = type };
    return intake_read(&tp_dialect_tidepool, rq, &body, what, l, arena, err);
}

static struct body read_body(const char *type, const void *bytes, size_t n_bytes,
                             enum intake_for kind)
{
    struct body b = { .copy = guarded_copy(bytes, n_bytes) };
    tp_arena_init(&b.arena, 1 << 20);
    b.ok = read_request(&b.rq, type, b.copy, n_bytes, kind, &limits, &b.arena, &b.err);
    assert_int_equal(b.ok, b.err.code == TP_OK);
    return b;
}

static void drop(struct body *b)
{
    tp_request_fini(&b->rq);
    tp_arena_fini(&b->arena);
    guarded_free(b->copy);
}

static struct body must_read(const char *type, const void *bytes, size_t n_bytes)
{
    struct body b = read_body(type, bytes, n_bytes, FOR_LAST);
    if (!b.ok) fail_msg("%s: %s", type ? type : "no type", b.err.message);
    return b;
}

static struct body must_read_json(const char *text)
{
    return must_read("application/json", text, strlen(text));
}

static void check_refused(const char *type, const void *bytes, size_t n_bytes, bool with_pipeline,
                          enum tp_code code, const char *part)
{
    struct body b = read_body(type, bytes, n_bytes,
                              with_pipeline ? FOR_PIPELINE : FOR_LAST);
    if (b.ok) fail_msg("%.*s was read; wanted \"%s\"", (int)n_bytes, (const char *)bytes, part);
    if (b.err.code != code || !strstr(b.err.message, part))
        fail_msg("%.60s: got %s \"%s\"; wanted %s \"%s\"", (const char *)bytes,
                 tp_code_name(b.err.code), b.err.message, tp_code_name(code), part);
    drop(&b);
}

static void check_tensor(const struct tp_source *s, const char *shape, const float *want)
{
    assert_int_equal(s->kind, TP_SOURCE_TENSOR);
    assert_string_equal(TP_SHAPE(&s->tensor.shape), shape);
    assert_memory_equal(s->tensor.data, want,
                        (size_t)tp_shape_elements(&s->tensor.shape) * sizeof *want);
}

/* ---- .npy ------------------------------------------------------------------------------------ */

/* A version 1.0 file of that dtype and shape, its data 0, 1, 2, ... */
static struct tp_buf npy(const char *descr, const char *shape, size_t data_bytes)
{
    struct tp_buf b = { 0 };
    char header[256];
    int n = snprintf(header, sizeof header,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, shape);
    tp_buf_bytes(&b, "\x93NUMPY\x01\x00", 8);
    tp_buf_bytes(&b, (const char[]){ (char)n, (char)(n >> 8) }, 2);
    tp_buf_bytes(&b, header, (size_t)n);
    for (size_t i = 0; i < data_bytes; i++) tp_buf_bytes(&b, (const char[]){ (char)i }, 1);
    return b;
}

static void a_float32_array_is_taken_as_it_is(void **state)
{
    (void)state;
    float data[6] = { 1, -2, 3.5f, 0, 1e-30f, 7 };
    const struct tp_tensor t = { { .rank = 3, .dim = { 1, 2, 3 } }, data };
    for (size_t shift = 0; shift < 4; shift++) {     /* wherever it starts in memory */
        struct tp_buf b = { 0 };
        tp_buf_bytes(&b, "....", shift);
        tp_npy_write(&b, &t);
        struct body body = must_read("application/x-npy", b.data + shift, b.n_bytes - shift);
        assert_int_equal(body.rq.n_sources, 1);
        check_tensor(&body.rq.sources[0], "[1, 2, 3]", data);
        drop(&body);
        tp_buf_fini(&b);
    }
}

static void a_uint8_array_is_pixels(void **state)
{
    (void)state;
    static const struct { const char *shape; int n, height, width, channels; } cases[] = {
        { "2, 5", 1, 2, 5, 1 }, { "2, 5, 1", 1, 2, 5, 1 }, { "2, 5, 3", 1, 2, 5, 3 },
        { "1, 2, 5, 3", 1, 2, 5, 3 }, { "3, 1, 2, 1", 3, 1, 2, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t each = (size_t)(cases[i].height * cases[i].width * cases[i].channels);
        struct tp_buf b = npy("|u1", cases[i].shape, each * (size_t)cases[i].n);
        struct body body = must_read(NULL, b.data, b.n_bytes);
        assert_int_equal(body.rq.n_sources, cases[i].n);
        for (int j = 0; j < cases[i].n; j++) {
            const struct tp_source *s = &body.rq.sources[j];
            assert_int_equal(s->kind, TP_SOURCE_PIXELS);
            assert_int_equal(s->image.height, cases[i].height);
            assert_int_equal(s->image.width, cases[i].width);
            assert_int_equal(s->image.channels, cases[i].channels);
            assert_int_equal(s->image.pixels[0], (size_t)j * each);
            assert_int_equal(s->image.pixels[each - 1], (size_t)j * each + each - 1);
        }
        drop(&body);
        tp_buf_fini(&b);
    }
}

/* For a model whose own layout is channels first, arrays come so too; what image libraries give is
 * taken as well. */
static void a_uint8_array_may_have_its_channels_first(void **state)
{
    (void)state;
    static const struct {
        const char *shape;
        int n, height, width, channels;
        bool turned;
    } cases[] = {
        { "2, 5", 1, 2, 5, 1, false }, { "3, 2, 5", 1, 2, 5, 3, true },
        { "1, 2, 5", 1, 2, 5, 1, true }, { "2, 5, 3", 1, 2, 5, 3, false },
        { "3, 4, 3", 1, 4, 3, 3, true }, { "2, 3, 4, 5", 2, 4, 5, 3, true },
        { "2, 1, 4, 5", 2, 4, 5, 1, true }, { "2, 4, 5, 3", 2, 4, 5, 3, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t pixels = (size_t)(cases[i].height * cases[i].width);
        size_t each = pixels * (size_t)cases[i].channels;
        struct tp_buf b = npy("|u1", cases[i].shape, each * (size_t)cases[i].n);
        struct body body = read_body(NULL, b.data, b.n_bytes, FOR_FIRST);
        if (!body.ok) fail_msg("%s: %s", cases[i].shape, body.err.message);
        assert_int_equal(body.rq.n_sources, cases[i].n);
        for (size_t j = 0; j < (size_t)cases[i].n; j++) {
            const struct tp_image *im = &body.rq.sources[j].image;
            size_t c = (size_t)im->channels;
            assert_int_equal(im->height, cases[i].height);
            assert_int_equal(im->width, cases[i].width);
            assert_int_equal(im->channels, cases[i].channels);
            for (size_t k = 0; k < each; k++)
                assert_int_equal(im->pixels[k],
                                 j * each + (cases[i].turned ? k % c * pixels + k / c : k));
        }
        drop(&body);
        tp_buf_fini(&b);
    }
    struct tp_buf b = npy("|u1", "2, 5, 4", 40);
    struct body body = read_body(NULL, b.data, b.n_bytes, FOR_FIRST);
    assert_false(body.ok);
    assert_non_null(strstr(body.err.message, "in front of the height); this one is [2, 5, 4]"));
    drop(&body);
    tp_buf_fini(&b);
}

static void arrays_that_are_no_input_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *descr, *shape;
        size_t data_bytes;
        enum tp_code code;
        const char *part;
    } cases[] = {
        { "|u1", "4,", 4, TP_INVALID_SHAPE, "must be [height, width]" },
        { "|u1", "2, 2, 2", 8, TP_INVALID_SHAPE, "1 or 3 channels; this one is [2, 2, 2]" },
        { "|u1", "1, 1, 2, 2, 1", 4, TP_INVALID_SHAPE, "must be [height, width]" },
        { "|u1", "4, 1, 1, 1", 4, TP_TOO_LARGE, "more than 3 inputs in one request (--max-batch)" },
        { "|u1", "0, 4", 0, TP_INVALID_SHAPE, "npy:" },
        { "<i8", "2,", 16, TP_UNSUPPORTED_FORMAT, "dtype '<i8'" },
        { "<f4", "3,", 8, TP_INVALID_SHAPE, "8 bytes of data" },
        { "<f4", "1001,", 4004, TP_TOO_LARGE, "1000" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_buf b = npy(cases[i].descr, cases[i].shape, cases[i].data_bytes);
        check_refused(NULL, b.data, b.n_bytes, false, cases[i].code, cases[i].part);
        tp_buf_fini(&b);
    }
}

static void an_array_image_keeps_to_the_pixel_limit(void **state)
{
    (void)state;
    struct tp_limits small = limits;
    struct tp_arena arena;
    struct tp_request rq;
    struct tp_err err = { 0 };
    struct tp_buf b = npy("|u1", "4, 5", 20);
    tp_arena_init(&arena, 1 << 20);
    small.max_pixels = 20;
    assert_true(read_request(&rq, NULL, b.data, b.n_bytes, FOR_LAST, &small, &arena,
                               &err));
    small.max_pixels = 19;
    assert_false(read_request(&rq, NULL, b.data, b.n_bytes, FOR_LAST, &small, &arena,
                                &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    assert_non_null(strstr(err.message, "5x4 exceeds the limit of 19 pixels (--max-pixels)"));
    tp_arena_fini(&arena);
    tp_buf_fini(&b);
}

/* ---- which kind ------------------------------------------------------------------------------ */

static void an_image_file_is_told_by_its_first_bytes(void **state)
{
    (void)state;
    static const char *const files[] = { "one.png", "rgb.jpg", "lossy.webp" };
    static const char *const types[] = { NULL, "", "image/png", "application/octet-stream",
                                         "application/x-www-form-urlencoded", "application/json" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        for (size_t j = 0; j < sizeof types / sizeof *types; j++) {
            struct file f = file_read(files[i]);
            struct body b = must_read(types[j], f.bytes, f.n);
            assert_int_equal(b.rq.n_sources, 1);
            assert_int_equal(b.rq.sources[0].kind, TP_SOURCE_FILE);
            assert_ptr_equal(b.rq.sources[0].bytes, b.copy);
            assert_int_equal(b.rq.sources[0].n_bytes, f.n);
            drop(&b);
            free(f.bytes);
        }
}

static void json_is_read_under_any_type_that_clients_send(void **state)
{
    (void)state;
    static const char text[] = " \r\n\t{\"tensor\": [1]}";
    static const char *const types[] = {
        NULL, "application/json", "APPLICATION/JSON; charset=utf-8", "text/json", "text/plain",
        "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "binary/octet-stream",
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct body b = must_read(types[i], text, strlen(text));
        check_tensor(&b.rq.sources[0], "[1]", (const float[]){ 1 });
        drop(&b);
    }
}

static void what_is_of_no_known_kind_is_unsupported(void **state)
{
    (void)state;
    static const struct {
        const char *type, *bytes;
        bool with_pipeline;
        enum tp_code code;
        const char *part;
    } cases[] = {
        { NULL, "", false, TP_INVALID_ARGUMENT, "the body is empty; expected a JPEG" },
        { "multipart/form-data; boundary=x", "", false, TP_INVALID_ARGUMENT, "the body is empty" },
        { NULL, "hello", false, TP_UNSUPPORTED_FORMAT,
          "the body is of no format that is read here" },
        { "image/gif", "GIF89a", false, TP_UNSUPPORTED_FORMAT, "of no format" },
        { "application/json", "hello", false, TP_INVALID_JSON, "body: byte 0" },
        { "application/json", "   ", false, TP_INVALID_JSON, "body: byte" },
        { "text/html", "{\"tensor\": [1]}", false, TP_UNSUPPORTED_FORMAT,
          "Content-Type text/html is not read here" },
        { "application/jsonp", "{\"tensor\": [1]}", false, TP_UNSUPPORTED_FORMAT, "Content-Type" },
        { "multipart/mixed; boundary=x", "--x", false, TP_UNSUPPORTED_FORMAT, "Content-Type" },
        { "image/png", "\x89PNG\r\n\x1a\n", true, TP_UNSUPPORTED_FORMAT,
          "needs a pipeline beside the input" },
        { NULL, "hello", true, TP_UNSUPPORTED_FORMAT, "needs a pipeline" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].type, cases[i].bytes, strlen(cases[i].bytes), cases[i].with_pipeline,
                      cases[i].code, cases[i].part);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void a_tensor_is_nested_or_shape_and_data(void **state)
{
    (void)state;
    static const float six[] = { 1, 2, 3, 4, 5, 6.5f };
    static const struct { const char *text, *shape;
    } cases[] = {
        { "{\"tensor\": [[1, 2, 3], [4, 5, 6.5]]}", "[2, 3]" },
        { "{\"tensor\": [[[1], [2], [3], [4], [5], [6.5e0]]]}", "[1, 6, 1]" },
        { "{\"tensor\": {\"shape\": [1, 3, 2, 1], \"data\": [1, 2, 3, 4, 5, 6.5]}}",
          "[1, 3, 2, 1]" },
        { "{\"tensor\": {\"data\": [[1, 2], [3, 4], [5, 6.5]], \"shape\": [6]}}", "[6]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct body b = must_read_json(cases[i].text);
        assert_int_equal(b.rq.n_sources, 1);
        assert_int_equal(b.rq.n_outputs, 0);
        assert_null(b.rq.pipeline);
        check_tensor(&b.rq.sources[0], cases[i].shape, six);
        drop(&b);
    }
}

/* As much of a PNG as it takes to be told for one. */
#define PNG_BASE64 "iVBORw0KGgoAAAAN"
static const char png_head[] = "\x89PNG\r\n\x1a\n\0\0\0\r";

static void images_come_as_base64_or_data_uris(void **state)
{
    (void)state;
    static const struct { const char *text; int n;
    } cases[] = {
        { "{\"image\": \"" PNG_BASE64 "\"}", 1 },
        { "{\"image\": \"data:image/png;base64," PNG_BASE64 "\"}", 1 },
        { "{\"images\": [\"" PNG_BASE64 "\"]}", 1 },
        { "{\"images\": [\"" PNG_BASE64 "\", \"data:;base64," PNG_BASE64 "\", \"" PNG_BASE64 "\"]}",
          3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct body b = must_read_json(cases[i].text);
        assert_int_equal(b.rq.n_sources, cases[i].n);
        for (int j = 0; j < cases[i].n; j++) {
            assert_int_equal(b.rq.sources[j].kind, TP_SOURCE_FILE);
            assert_int_equal(b.rq.sources[j].n_bytes, 12);
            assert_memory_equal(b.rq.sources[j].bytes, png_head, 12);
        }
        drop(&b);
    }
}

static void an_array_in_base64_is_read_as_well(void **state)
{
    (void)state;
    /* npy("|u1", "1, 1", 1) */
    struct body b = must_read_json(
        "{\"image\": "
        "\"k05VTVBZAQA8AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzog"
        "KDEsIDEpLCB9CgA=\"}");
    assert_int_equal(b.rq.sources[0].kind, TP_SOURCE_PIXELS);
    drop(&b);
}

static void outputs_have_words_of_their_own(void **state)
{
    (void)state;
    struct body b = must_read_json(
        "{\"outputs\": [{\"name\": \"a\"}, {\"name\": \"b\", \"pool\": \"max\", \"window\": [2, "
        "3], "
        "\"stride\": 1, \"padding\": [0, 1, 2, 3], \"ceil\": true}, {\"p\": 2.5, \"name\": \"a\", "
        "\"window\": \"4x4\", \"ceil\": false}], \"tensor\": [1]}");
    assert_int_equal(b.rq.n_outputs, 3);
    assert_string_equal(b.rq.names[0], "a");
    assert_null(b.rq.outputs[0].pool);
    assert_string_equal(b.rq.names[1], "b");
    assert_string_equal(b.rq.outputs[1].pool, "max");
    assert_string_equal(b.rq.outputs[1].window, "2x3");
    assert_string_equal(b.rq.outputs[1].stride, "1");
    assert_string_equal(b.rq.outputs[1].padding, "0,1,2,3");
    assert_string_equal(b.rq.outputs[1].ceil, "true");
    assert_string_equal(b.rq.outputs[2].p, "2.5");
    assert_string_equal(b.rq.outputs[2].window, "4x4");
    assert_string_equal(b.rq.outputs[2].ceil, "false");
    drop(&b);
}

static void every_word_of_an_output_may_be_what_json_has_for_it(void **state)
{
    (void)state;
    struct body b = must_read_json(
        "{\"tensor\": [1], \"outputs\": ["
        "{\"name\": \"a\", \"pool\": \"lp\", \"p\": 3, \"grid\": [2, 2], \"normalize\": \"l2\"},"
        "{\"name\": \"a\", \"pool\": \"max\", \"grid\": 4, \"argmax\": true},"
        "{\"name\": \"a\", \"pool\": \"max\", \"pyramid\": [1, 2, 4]},"
        "{\"name\": \"a\", \"pool\": \"max\", \"pyramid\": [1, 2]},"
        "{\"name\": \"a\", \"pool\": \"max\", \"pyramid\": 3},"
        "{\"name\": \"a\", \"pool\": \"max\","
        " \"rois\": [[0, 0.5, 1e1, 10], [-1, 2, 3, 4.25]]},"
        "{\"name\": \"a\", \"pool\": \"max\", \"rois\": [0.1, 0, 9, 9]},"
        "{\"name\": \"a\", \"pool\": \"max\", \"rois\": \"0,0,9,9;1,1,2,2\"}]}");
    const struct tp_options *o = b.rq.outputs;
    assert_string_equal(o[0].pool, "lp");
    assert_string_equal(o[0].p, "3");
    assert_string_equal(o[0].grid, "2x2");
    assert_string_equal(o[0].normalize, "l2");
    assert_string_equal(o[1].grid, "4");
    assert_string_equal(o[1].argmax, "true");
    assert_string_equal(o[2].pyramid, "1,2,4");
    assert_string_equal(o[3].pyramid, "1,2");
    assert_string_equal(o[4].pyramid, "3");
    assert_string_equal(o[5].rois, "0,0.5,10,10;-1,2,3,4.25");
    assert_string_equal(o[6].rois, "0.100000001,0,9,9");         /* the same float */
    assert_string_equal(o[7].rois, "0,0,9,9;1,1,2,2");
    drop(&b);
}

static void words_of_the_whole_answer_stand_beside_the_outputs(void **state)
{
    (void)state;
    struct body b = must_read_json(
        "{\"concat\": true, \"top\": 5, \"normalize\": \"l2\", \"layout\": \"nchw\","
        "\"nested\": false, \"digits\": 3, \"format\": \"json\", \"tensor\": [1]}");
    assert_string_equal(b.rq.words.concat, "true");
    assert_string_equal(b.rq.words.top, "5");
    assert_string_equal(b.rq.words.normalize, "l2");
    assert_string_equal(b.rq.words.layout, "nchw");
    assert_string_equal(b.rq.words.nested, "false");
    assert_string_equal(b.rq.words.digits, "3");
    assert_string_equal(b.rq.words.format, "json");
    assert_null(b.rq.words.pool);
    assert_int_equal(b.rq.n_outputs, 0);
    drop(&b);
}

static void wrong_json_is_refused_by_field(void **state)
{
    (void)state;
    static const struct { const char *text; enum tp_code code; const char *part;
    } cases[] = {
        { "[1, 2]", TP_INVALID_JSON, "body: expected an object such as {\"tensor\": [...]}; got" },
        { "{}", TP_INVALID_JSON, "body: no input; expected \"tensor\", \"image\" or" },
        { "{\"tensor\": [1]} x", TP_INVALID_JSON, "body: byte 16" },
        { "{\"tensor\": [1]", TP_INVALID_JSON, "body: byte" },
        { "{\"tensor\": [1], \"tensor\": [2]}", TP_INVALID_JSON, "stands there twice" },
        { "{\"tensors\": [1]}", TP_INVALID_JSON,
          "body: unknown key 'tensors'; there are tensor, image" },
        { "{\"tensor\": [1], \"pipeline\": {}}", TP_INVALID_JSON,
          "a pipeline is posted to /v1/run" },
        { "{\"tensor\": 1}", TP_INVALID_JSON, "tensor: expected an array of numbers" },
        { "{\"tensor\": []}", TP_INVALID_JSON, "tensor: expected an array of numbers" },
        { "{\"tensor\": [1, \"2\"]}", TP_INVALID_JSON, "got an array that holds a string" },
        { "{\"tensor\": [[1, 2], [3]]}", TP_INVALID_SHAPE, "ragged" },
        { "{\"tensor\": [NaN]}", TP_INVALID_JSON, "body: byte" },
        { "{\"tensor\": [1e999]}", TP_INVALID_JSON, "'1e999' is beyond float32" },
        { "{\"tensor\": {\"data\": [1]}}", TP_INVALID_JSON, "tensor: \"shape\" is missing" },
        { "{\"tensor\": {\"shape\": [1]}}", TP_INVALID_JSON, "tensor: \"data\" is missing" },
        { "{\"tensor\": {}}", TP_INVALID_JSON, "is missing; expected {\"shape\": [...], \"data\"" },
        { "{\"tensor\": {\"shape\": [1], \"data\": [1], \"dtype\": \"f\"}}", TP_INVALID_JSON,
          "tensor: unknown key 'dtype'" },
        { "{\"tensor\": {\"shape\": [2, 2], \"data\": [1, 2, 3]}}", TP_INVALID_SHAPE,
          "tensor: shape [2, 2] needs 4 numbers; data has 3" },
        { "{\"tensor\": {\"shape\": [0], \"data\": [1]}}", TP_INVALID_SHAPE,
          "tensor.shape: dimension 0" },
        { "{\"tensor\": {\"shape\": [-1], \"data\": [1]}}", TP_INVALID_SHAPE,
          "each must be at least 1" },
        { "{\"tensor\": {\"shape\": [1.5], \"data\": [1]}}", TP_INVALID_JSON, "tensor.shape" },
        { "{\"tensor\": {\"shape\": 4, \"data\": [1]}}", TP_INVALID_JSON, "tensor.shape" },
        { "{\"tensor\": {\"shape\": [1, 1, 1, 1, 1, 1, 1, 1, 1], \"data\": [1]}}", TP_INVALID_JSON,
          "tensor.shape: at most 8 integers" },
        { "{\"tensor\": {\"shape\": [4294967296, 4294967296, 4], \"data\": [1]}}", TP_TOO_LARGE,
          "tensor.shape: " },
        { "{\"tensor\": {\"shape\": [1001], \"data\": [1]}}", TP_TOO_LARGE,
          "more than the 1000 elements" },
        { "{\"tensor\": {\"shape\": [1], \"data\": \"x\"}}", TP_INVALID_JSON,
          "tensor.data: expected" },
        { "{\"tensor\": [1], \"image\": \"" PNG_BASE64 "\"}", TP_INVALID_JSON,
          "more than one of tensor, image and images" },
        { "{\"image\": \"" PNG_BASE64 "\", \"images\": []}", TP_INVALID_JSON, "more than one of" },
        { "{\"image\": 1}", TP_INVALID_JSON, "image: expected base64 text or a data: URI; got" },
        { "{\"image\": [1]}", TP_INVALID_JSON, "image: expected base64 text" },
        { "{\"image\": \"\"}", TP_INVALID_ARGUMENT, "image: empty; base64 was expected" },
        { "{\"image\": \"$$$$\"}", TP_INVALID_ARGUMENT, "image: byte 0" },
        { "{\"image\": \"data:image/png,x\"}", TP_INVALID_ARGUMENT, "not base64" },
        { "{\"image\": \"R0lGODlh\"}", TP_UNSUPPORTED_FORMAT,
          "image: its first bytes are of no format" },
        { "{\"images\": []}", TP_INVALID_JSON, "images: expected an array of base64" },
        { "{\"images\": [1]}", TP_INVALID_JSON, "images: expected an array of base64" },
        { "{\"images\": [\"" PNG_BASE64 "\", {}]}", TP_INVALID_JSON, "images[1]: expected base64" },
        { "{\"images\": [\"" PNG_BASE64 "\", \"R0lGODlh\"]}", TP_UNSUPPORTED_FORMAT,
          "images[1]: its first" },
        { "{\"images\": [\"" PNG_BASE64 "\", \"" PNG_BASE64 "\", \"" PNG_BASE64 "\", \"" PNG_BASE64
          "\"]}",
          TP_TOO_LARGE, "more than 3 inputs in one request (--max-batch)" },
        { "{\"tensor\": [1], \"outputs\": {}}", TP_INVALID_JSON,
          "outputs: expected an array of 1 to 256" },
        { "{\"tensor\": [1], \"outputs\": []}", TP_INVALID_JSON,
          "outputs: expected an array of 1 to 256" },
        { "{\"tensor\": [1], \"outputs\": [1]}", TP_INVALID_JSON, "outputs: expected an array" },
        { "{\"tensor\": [1], \"outputs\": [\"a\"]}", TP_INVALID_JSON,
          "outputs[0]: expected an object" },
        { "{\"tensor\": [1], \"outputs\": [{}]}", TP_INVALID_JSON,
          "outputs[0]: \"name\" is missing" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\"}, {\"name\": null}]}", TP_INVALID_JSON,
          "outputs[1].name: expected a word or a number; got null" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"pool\": {}}]}", TP_INVALID_JSON,
          "outputs[0].pool: expected a word" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"window\": [[1, 2]]}]}",
          TP_INVALID_JSON, "outputs[0].window: expected a word" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"rois\": [[1, 2, 3]]}]}",
          TP_INVALID_JSON, "outputs[0].rois: expected a word" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"rois\": [[1, 2, 3, 4], [5]]}]}",
          TP_INVALID_JSON, "outputs[0].rois: expected a word" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"rois\": [[[1, 2, 3, 4]]]}]}",
          TP_INVALID_JSON, "outputs[0].rois: expected a word" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"rois\": [1e39, 2, 3, 4]}]}",
          TP_INVALID_JSON, "outputs[0].rois: expected a word" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"pyramid\": [[1], [2]]}]}",
          TP_INVALID_JSON, "outputs[0].pyramid: expected a word" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"concat\": true}]}",
          TP_INVALID_ARGUMENT, "outputs[0].concat: holds for the whole answer; put it beside" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"top\": 3}]}",
          TP_INVALID_ARGUMENT, "outputs[0].top: holds for the whole answer" },
        { "{\"tensor\": [1], \"top\": {}}", TP_INVALID_JSON, "top: expected a word or a number" },
        { "{\"tensor\": [1], \"pool\": \"max\"}", TP_INVALID_JSON,
          "body: pool stands in the query, or is said of each in \"outputs\"" },
        { "{\"tensor\": [1], \"layers\": \"a\"}", TP_INVALID_JSON,
          "body: layers stands in the query" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"window\": [1.5, 2]}]}",
          TP_INVALID_JSON, "outputs[0].window: expected a word" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"colour\": 1}]}", TP_INVALID_ARGUMENT,
          "outputs[0]: unknown parameter 'colour'" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"layers\": \"b\"}]}",
          TP_INVALID_ARGUMENT, "outputs[0].layers: an output is one layer; \"name\" names it" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"layout\": \"nchw\"}]}",
          TP_INVALID_ARGUMENT, "outputs[0].layout: holds for the whole answer" },
        { "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"name\": \"b\"}]}", TP_INVALID_JSON,
          "twice" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused("application/json", cases[i].text, strlen(cases[i].text), false,
                      cases[i].code, cases[i].part);
}

static void a_tensor_of_more_numbers_than_the_limit_is_refused(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    tp_buf_text(&b, "{\"tensor\": [1");
    for (int i = 1; i < 1001; i++) tp_buf_text(&b, ",1");
    tp_buf_text(&b, "]}");
    check_refused(NULL, b.data, b.n_bytes, false, TP_TOO_LARGE,
                  "tensor: 1001 numbers; the limit is 1000");
    tp_buf_fini(&b);
}

static void brackets_without_end_are_refused(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *text = malloc(N + 11);
    assert_non_null(text);
    memcpy(text, "{\"tensor\":", 10);
    memset(text + 10, '[', N);
    struct body b = read_body("application/json", text, N + 10, FOR_LAST);
    assert_false(b.ok);
    assert_true(b.err.code == TP_INVALID_JSON || b.err.code == TP_INVALID_SHAPE);
    drop(&b);
    free(text);
}

/* ---- pipelines ------------------------------------------------------------------------------- */

static void a_pipeline_stands_beside_the_input(void **state)
{
    (void)state;
    static const char text[] = "{\"tensor\": [1], \"pipeline\": {\"layers\": []}}";
    struct body b = read_body("application/json", text, strlen(text), FOR_PIPELINE);
    assert_true(b.ok);
    assert_non_null(b.rq.pipeline);
    assert_true(json_is_object(b.rq.pipeline));
    assert_int_equal(b.rq.n_sources, 1);
    drop(&b);
    check_refused(NULL, "{\"tensor\": [1]}", 15, true, TP_INVALID_ARGUMENT,
                  "no pipeline; expected \"pipeline\" beside the input");
    check_refused(NULL, "{\"pipeline\": {}}", 16, true, TP_INVALID_JSON, "body: no input");
    check_refused(NULL, "{\"pipelines\": {}}", 17, true, TP_INVALID_JSON,
                  "digits, format, pipeline");
}

/* ---- multipart ------------------------------------------------------------------------------- */

static void add_part(struct tp_buf *b, const char *name, const void *bytes, size_t n_bytes)
{
    tp_buf_printf(b,
                  "--x\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s.bin\"\r\n\r\n",
                  name, name);
    tp_buf_bytes(b, bytes, n_bytes);
    tp_buf_text(b, "\r\n");
}

static const char multipart[] = "multipart/form-data; boundary=x";

static void the_files_of_a_form_are_a_batch_in_order(void **state)
{
    (void)state;
    struct tp_buf b = { 0 }, array = npy("<f4", "1,", 4);
    add_part(&b, "first", png_head, 12);
    add_part(&b, "second", array.data, array.n_bytes);
    add_part(&b, "third", "\xff\xd8\xff\xe0", 4);
    tp_buf_text(&b, "--x--\r\n");
    struct body body = must_read(multipart, b.data, b.n_bytes);
    assert_int_equal(body.rq.n_sources, 3);
    assert_int_equal(body.rq.sources[0].kind, TP_SOURCE_FILE);
    assert_int_equal(body.rq.sources[0].n_bytes, 12);
    assert_memory_equal(body.rq.sources[0].bytes, png_head, 12);
    assert_int_equal(body.rq.sources[1].kind, TP_SOURCE_TENSOR);
    assert_int_equal(body.rq.sources[2].n_bytes, 4);
    drop(&body);
    tp_buf_fini(&b);
    tp_buf_fini(&array);
}

static void a_form_may_carry_the_pipeline(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    add_part(&b, "image", png_head, 12);
    add_part(&b, "pipeline", "{\"layers\": []}", 14);
    size_t once = b.n_bytes;
    tp_buf_text(&b, "--x--\r\n");
    struct body body = read_body(multipart, b.data, b.n_bytes, FOR_PIPELINE);
    assert_true(body.ok);
    assert_non_null(body.rq.pipeline);
    assert_int_equal(body.rq.n_sources, 1);
    drop(&body);
    check_refused(multipart, b.data, b.n_bytes, false, TP_UNSUPPORTED_FORMAT,
                  "part 1 ('pipeline.bin')");
    b.n_bytes = once;
    add_part(&b, "pipeline", "{}", 2);
    tp_buf_text(&b, "--x--\r\n");
    check_refused(multipart, b.data, b.n_bytes, true, TP_INVALID_ARGUMENT,
                  "two parts named pipeline");
    tp_buf_fini(&b);
}

static void a_wrong_form_is_refused_by_part(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        bool with_pipeline;
        enum tp_code code;
        const char *part;
    } cases[] = {
        { "a", "GIF89a", false, TP_UNSUPPORTED_FORMAT, "part 1 ('a.bin'): its first bytes" },
        { "a", "", false, TP_INVALID_IMAGE, "part 1 ('a.bin'): is empty" },
        { "a", "\x93NUMPY", false, TP_INVALID_ARGUMENT, "part 1 ('a.bin'): npy:" },
        { "pipeline", "{", true, TP_INVALID_JSON, "part 'pipeline': byte" },
        { "a", "\xff\xd8\xff\xe0", true, TP_INVALID_ARGUMENT, "no pipeline; expected" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_buf b = { 0 };
        add_part(&b, "first", png_head, 12);
        add_part(&b, cases[i].name, cases[i].bytes, strlen(cases[i].bytes));
        tp_buf_text(&b, "--x--\r\n");
        check_refused(multipart, b.data, b.n_bytes, cases[i].with_pipeline, cases[i].code,
                      cases[i].part);
        tp_buf_fini(&b);
    }
}

static void a_form_without_or_with_too_many_files_is_refused(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    add_part(&b, "pipeline", "{}", 2);
    tp_buf_text(&b, "--x--\r\n");
    check_refused(multipart, b.data, b.n_bytes, true, TP_INVALID_ARGUMENT, "no file among 1 parts");
    b.n_bytes = 0;
    for (int i = 0; i < 4; i++) add_part(&b, "a", png_head, 12);
    size_t four = b.n_bytes;
    tp_buf_text(&b, "--x--\r\n");
    check_refused(multipart, b.data, b.n_bytes, false, TP_TOO_LARGE, "more than 3 inputs");
    b.n_bytes = four;
    add_part(&b, "a", png_head, 12);
    tp_buf_text(&b, "--x--\r\n");
    check_refused(multipart, b.data, b.n_bytes, false, TP_TOO_LARGE, "more than 4 parts");
    check_refused(multipart, "--x", 3, false, TP_INVALID_ARGUMENT, "multipart:");
    check_refused("multipart/form-data", "--x", 3, false, TP_INVALID_ARGUMENT, "boundary");
    tp_buf_fini(&b);
}

static void every_prefix_of_a_form_is_an_error_or_a_batch(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    add_part(&b, "image", png_head, 12);
    add_part(&b, "pipeline", "{\"layers\": [1, [2]]}", 20);
    tp_buf_text(&b, "--x--\r\n");
    for (size_t n = 0; n < b.n_bytes; n++) {
        struct body body = read_body(multipart, b.data, n, FOR_PIPELINE);
        assert_true(body.ok || body.err.message[0]);
        drop(&body);
    }
    tp_buf_fini(&b);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static struct tp_shape shape(int rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (struct tp_shape){ .rank = rank, .dim = { a, b, c, d } };
}

static void missing_axes_are_put_in(void **state)
{
    (void)state;
    const struct tp_shape gray = shape(4, TP_ANY, 8, 8, 1),
                          any = shape(4, TP_ANY, TP_ANY, TP_ANY, 1);
    const struct tp_shape rgb = shape(4, TP_ANY, TP_ANY, TP_ANY, 3),
                          wide = shape(4, TP_ANY, 4, 8, 8);
    const struct tp_shape flat = shape(2, TP_ANY, 5, 0, 0);
    const struct tp_shape gray_first = shape(4, TP_ANY, 1, 8, 8),
                          rgb_first = shape(4, TP_ANY, 3, TP_ANY, TP_ANY);
    const struct { struct tp_shape given, wanted; const char *fitted; bool first;
    } cases[] = {
        { shape(4, 2, 1, 8, 8), gray_first, "[2, 1, 8, 8]", true },
        { shape(3, 1, 8, 8, 0), gray_first, "[1, 1, 8, 8]", true },
        { shape(3, 5, 8, 8, 0), gray_first, "[5, 1, 8, 8]", true },
        { shape(2, 8, 8, 0, 0), gray_first, "[1, 1, 8, 8]", true },
        { shape(3, 3, 4, 6, 0), rgb_first, "[1, 3, 4, 6]", true },
        { shape(4, 1, 8, 8, 1), gray_first, NULL, true },
        { shape(3, 4, 6, 3, 0), rgb_first, NULL, true },
        { shape(2, 8, 8, 0, 0), rgb_first, NULL, true },
        { shape(1, 5, 0, 0, 0), flat, "[1, 5]", true },
        { shape(4, 1, 8, 8, 1), gray, "[1, 8, 8, 1]", false },
        { shape(4, 7, 8, 8, 1), gray, "[7, 8, 8, 1]", false },
        { shape(3, 8, 8, 1, 0), gray, "[1, 8, 8, 1]", false },
        { shape(3, 5, 8, 8, 0), gray, "[5, 8, 8, 1]", false },
        { shape(2, 8, 8, 0, 0), gray, "[1, 8, 8, 1]", false },
        { shape(2, 3, 9, 0, 0), any, "[1, 3, 9, 1]", false },
        { shape(3, 4, 8, 8, 0), wide, "[1, 4, 8, 8]", false },
        { shape(3, 2, 2, 3, 0), rgb, "[1, 2, 2, 3]", false },
        /* Channels of 1, rather than a batch of 4. */
        { shape(3, 4, 6, 1, 0), any, "[1, 4, 6, 1]", false },
        { shape(2, 1, 5, 0, 0), flat, "[1, 5]", false },
        { shape(2, 9, 5, 0, 0), flat, "[9, 5]", false },
        { shape(1, 5, 0, 0, 0), flat, "[1, 5]", false },
        { shape(4, 1, 8, 8, 3), gray, NULL, false },
        { shape(3, 8, 8, 2, 0), gray, NULL, false },
        { shape(2, 8, 9, 0, 0), gray, NULL, false },
        { shape(1, 64, 0, 0, 0), gray, NULL, false },
        { shape(0, 0, 0, 0, 0), gray, NULL, false },
        { shape(2, 8, 8, 0, 0), rgb, NULL, false },
        { shape(1, 4, 0, 0, 0), flat, NULL, false },
        { shape(3, 1, 1, 5, 0), flat, NULL, false },
        { { .rank = 5, .dim = { 1, 1, 8, 8, 1 } }, gray, NULL, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_shape fitted;
        struct tp_err err = { 0 };
        bool ok = tp_request_fit(&cases[i].given, &cases[i].wanted, cases[i].first, &fitted, &err);
        if (ok != (cases[i].fitted != NULL) || (ok && strcmp(TP_SHAPE(&fitted), cases[i].fitted)))
            fail_msg("%s for %s: %s", TP_SHAPE(&cases[i].given), TP_SHAPE(&cases[i].wanted),
                     ok ? TP_SHAPE(&fitted) : err.message);
        if (ok) continue;
        assert_int_equal(err.code, TP_INVALID_SHAPE);
        assert_non_null(strstr(err.message, TP_SHAPE(&cases[i].given)));
        assert_non_null(strstr(err.message, TP_SHAPE(&cases[i].wanted)));
        if (cases[i].wanted.rank == 4)
            assert_non_null(strstr(err.message, cases[i].first ? "(NCHW)" : "(NHWC)"));
    }
}

static void an_arena_that_is_full_is_too_large(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"tensor\": [1, 2]}",
        "{\"image\": \"" PNG_BASE64 "\"}",
        "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\"}]}",
        "{\"tensor\": [1], \"outputs\": [{\"name\": \"a\", \"rois\": [0, 0, 1, 1], \"p\": 2}]}",
        "{\"tensor\": [1], \"top\": 5}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int refused = 0;
        for (size_t room = 0; ; room += 64) {
            struct tp_request rq;
            struct tp_arena arena;
            struct tp_err err = { 0 };
            tp_arena_init(&arena, room);
            bool ok = read_request(&rq, NULL, texts[i], strlen(texts[i]), FOR_LAST,
                                      &limits, &arena, &err);
            if (!ok && err.code != TP_TOO_LARGE && err.code != TP_NO_MEMORY)
                fail_msg("%zu bytes: %s", room, err.message);
            tp_request_fini(&rq);
            tp_arena_fini(&arena);
            if (ok) break;
            refused++;
            assert_true(room < 1 << 20);
        }
        assert_true(refused > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_float32_array_is_taken_as_it_is),
        cmocka_unit_test(a_uint8_array_is_pixels),
        cmocka_unit_test(a_uint8_array_may_have_its_channels_first),
        cmocka_unit_test(arrays_that_are_no_input_are_refused),
        cmocka_unit_test(an_array_image_keeps_to_the_pixel_limit),
        cmocka_unit_test(an_image_file_is_told_by_its_first_bytes),
        cmocka_unit_test(json_is_read_under_any_type_that_clients_send),
        cmocka_unit_test(what_is_of_no_known_kind_is_unsupported),
        cmocka_unit_test(a_tensor_is_nested_or_shape_and_data),
        cmocka_unit_test(images_come_as_base64_or_data_uris),
        cmocka_unit_test(an_array_in_base64_is_read_as_well),
        cmocka_unit_test(outputs_have_words_of_their_own),
        cmocka_unit_test(every_word_of_an_output_may_be_what_json_has_for_it),
        cmocka_unit_test(words_of_the_whole_answer_stand_beside_the_outputs),
        cmocka_unit_test(wrong_json_is_refused_by_field),
        cmocka_unit_test(a_tensor_of_more_numbers_than_the_limit_is_refused),
        cmocka_unit_test(brackets_without_end_are_refused),
        cmocka_unit_test(a_pipeline_stands_beside_the_input),
        cmocka_unit_test(the_files_of_a_form_are_a_batch_in_order),
        cmocka_unit_test(a_form_may_carry_the_pipeline),
        cmocka_unit_test(a_wrong_form_is_refused_by_part),
        cmocka_unit_test(a_form_without_or_with_too_many_files_is_refused),
        cmocka_unit_test(every_prefix_of_a_form_is_an_error_or_a_batch),
        cmocka_unit_test(missing_axes_are_put_in),
        cmocka_unit_test(an_arena_that_is_full_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
