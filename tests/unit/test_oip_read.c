/* test_oip_read.c - requests of the Open Inference Protocol: every form of an input and of what is
 * asked, and every way in which one can be wrong. */
#include "read_body.h"

#include <stdlib.h>

#include "base/buf.h"
#include "formats/base64.h"
#include "formats/oip_said.h"

#define OIP &tp_dialect_oip

static struct body read_json(const char *text)
{
    return body_must_read(OIP, NULL, text, strlen(text), FOR_LAST);
}

static void refused(const char *text, enum tp_code code, const char *message)
{
    body_must_fail(OIP, NULL, text, strlen(text), FOR_LAST, code, message);
}

static const struct tp_oip_said *said_of(const struct body *b) { return b->rq.said; }

/* A request: JSON, then what follows it. */
struct mixed { struct tp_buf b; char length[24]; };

static struct mixed mixed(const char *json, const void *bytes, size_t n_bytes)
{
    struct mixed m = { .b = { 0 } };
    tp_buf_text(&m.b, json);
    tp_buf_bytes(&m.b, bytes, n_bytes);
    snprintf(m.length, sizeof m.length, "%zu", strlen(json));
    return m;
}

static struct body read_mixed(const char *json, const void *bytes, size_t n_bytes)
{
    struct mixed m = mixed(json, bytes, n_bytes);
    struct body b = body_must_read(OIP, m.length, m.b.data, m.b.n_bytes, FOR_LAST);
    tp_buf_fini(&m.b);
    return b;
}

static void mixed_refused(const char *json, const void *bytes, size_t n_bytes, enum tp_code code,
                          const char *message)
{
    struct mixed m = mixed(json, bytes, n_bytes);
    body_must_fail(OIP, m.length, m.b.data, m.b.n_bytes, FOR_LAST, code, message);
    tp_buf_fini(&m.b);
}

#define INPUT(rest) "{\"inputs\":[{\"name\":\"input\"," rest "}]}"
#define ONE INPUT("\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1]")
#define ASK(rest) "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1]," \
                  "\"data\":[1]}]," rest "}"

/* ---- numbers --------------------------------------------------------------------------------- */

static void numbers_are_read_nested_or_flat(void **state)
{
    (void)state;
    static const char *const data[] = {
        "[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]", "[[[1],[2],[3]],[[4],[5],[6]]]", "[[1,2],[3,4],[5,"
        "6]]",
    };
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
        char text[300];
        snprintf(text, sizeof text, INPUT("\"datatype\":\"FP32\",\"shape\":[1,2,3],\"data\":%s"),
                 data[i]);
        struct body b = read_json(text);
        assert_int_equal(b.rq.n_sources, 1);
        body_check_tensor(&b, 0, "[1, 2, 3]", (const float[]){ 1, 2, 3, 4, 5, 6 });
        body_drop(&b);
    }
}

static void every_datatype_is_read_as_json(void **state)
{
    (void)state;
    static const char *const types[] = { "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16",
                                         "INT32", "INT64", "FP16", "BF16", "FP32", "FP64" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char text[300];
        snprintf(text, sizeof text, INPUT("\"datatype\":\"%s\",\"shape\":[2,1],\"data\":[7,127]"),
                 types[i]);
        struct body b = read_json(text);
        body_check_tensor(&b, 0, "[2, 1]", (const float[]){ 7, 127 });
        body_drop(&b);
    }
}

static void fp16_in_json_is_rounded(void **state)
{
    (void)state;
    struct body b = read_json(INPUT("\"datatype\":\"FP16\",\"shape\":[2],\"data\":[0.1,2049]"));
    body_check_tensor(&b, 0, "[2]", (const float[]){ 0x1.998p-4f, 2048 });
    body_drop(&b);
    refused(INPUT("\"datatype\":\"FP16\",\"shape\":[2],\"data\":[0.1,65520]"), TP_INVALID_ARGUMENT,
            "input 'input': data: number 1 is 65520; FP16 holds numbers up to 65504");
}

static void integers_beyond_their_type_are_refused(void **state)
{
    (void)state;
    refused(INPUT("\"datatype\":\"UINT8\",\"shape\":[1,3],\"data\":[[1,255,256]]"),
            TP_INVALID_ARGUMENT,
            "input 'input': data: number 2 is 256; UINT8 holds whole numbers from 0 to 255");
    refused(INPUT("\"datatype\":\"INT32\",\"shape\":[2],\"data\":[2147483647,2147483648]"),
            TP_INVALID_ARGUMENT, "input 'input': data: number 1 is 2147483648; INT32 holds whole "
            "numbers from -2147483648 to 2147483647");
    refused(INPUT("\"datatype\":\"INT64\",\"shape\":[1],\"data\":[1.5]"), TP_INVALID_ARGUMENT,
            "input 'input': data: number 0 is 1.5; INT64 holds whole numbers from "
            "-9223372036854775808 to 9223372036854775807");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1e39]"), TP_INVALID_JSON,
            "input 'input': data: byte 65: '1e39' is beyond float32, whose largest is "
            "3.4028235e38");
}

static void booleans_are_true_and_false_nested_or_flat(void **state)
{
    (void)state;
    static const char *const data[] = {
        "[true,false,false,true]", "[[true,false],[false,true]]", "[[[true],[false]],[false,true]]",
        "[1,0,0,1]", "[[1,0],[0,1]]",
    };
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
        char text[300];
        snprintf(text, sizeof text, INPUT("\"datatype\":\"BOOL\",\"shape\":[2,2],\"data\":%s"),
                 data[i]);
        struct body b = read_json(text);
        body_check_tensor(&b, 0, "[2, 2]", (const float[]){ 1, 0, 0, 1 });
        body_drop(&b);
    }
    refused(INPUT("\"datatype\":\"BOOL\",\"shape\":[3],\"data\":[true,false]"), TP_INVALID_SHAPE,
            "input 'input': shape [3] has 3 values; data has 2");
    refused(INPUT("\"datatype\":\"BOOL\",\"shape\":[2],\"data\":[true,null]"), TP_INVALID_JSON,
            "input 'input': data of BOOL holds null; expected true and false");
    refused(INPUT("\"datatype\":\"BOOL\",\"shape\":[2],\"data\":[true,[1]]"), TP_INVALID_JSON,
            "input 'input': data of BOOL holds an array of numbers; expected true and false");
    refused(INPUT("\"datatype\":\"BOOL\",\"shape\":[1],\"data\":true"), TP_INVALID_JSON,
            "input 'input': data of BOOL [1] must be an array of true and false; got a boolean");
    refused(INPUT("\"datatype\":\"BOOL\",\"shape\":[1],\"data\":[2]"), TP_INVALID_ARGUMENT,
            "input 'input': data: number 0 is 2; BOOL holds whole numbers from 0 to 1");
}

/* What a shape promises costs nothing until the data is there. */
static void a_large_shape_allocates_nothing(void **state)
{
    (void)state;
    static const char text[] = INPUT("\"datatype\":\"BOOL\",\"shape\":[2000000],\"data\":[true]");
    struct body b = body_read(OIP, NULL, text, sizeof text - 1, FOR_LAST);
    assert_false(b.ok);
    assert_in_range(b.arena.total_bytes, 0, 1 << 17);
    body_drop(&b);
}

static void wrong_counts_and_shapes_are_refused(void **state)
{
    (void)state;
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[1,2,3]"), TP_INVALID_SHAPE,
            "input 'input': shape [2, 2] has 4 values; data has 3");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[2],\"data\":[1,2,3]"), TP_INVALID_SHAPE,
            "input 'input': shape [2] has 2 values; data has 3");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[[1,2],[3]]"), TP_INVALID_SHAPE,
            "input 'input': data: ragged: the array at byte 73 has another length than the one "
            "before it, 2");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[0],\"data\":[]"), TP_INVALID_SHAPE,
            "input 'input': shape: dimension 0 of [0] is 0; each must be at least 1");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[-1],\"data\":[1]"), TP_INVALID_SHAPE,
            "input 'input': shape: dimension 0 of [any] is -1; each must be at least 1");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[4294967296,4294967296],\"data\":[1]"),
            TP_TOO_LARGE, "input 'input': shape: [4294967296, 4294967296] has more than the "
                    "2000000 "
            "elements that one tensor may have");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data\":[1]"),
            TP_INVALID_JSON, "input 'input': shape: at most 8 integers are possible, got 9");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":\"1\",\"data\":[1]"), TP_INVALID_JSON,
            "input 'input': shape: an array of integers was expected, got a string");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1.5],\"data\":[1]"), TP_INVALID_JSON,
            "input 'input': shape: byte 54: '1.5' is not an integer of 64 bits");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1],\"data\":[\"1\"]"), TP_INVALID_JSON,
            "input 'input': data: expected an array of numbers, nested or flat; got an array that "
            "holds a string");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1],\"data\":1"), TP_INVALID_JSON,
            "input 'input': data: expected an array of numbers, nested or flat; got a number");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1],\"data\":[null]"), TP_INVALID_JSON,
            "input 'input': data: expected an array of numbers, nested or flat; got an array that "
            "holds null");
}

static void what_is_missing_of_an_input_is_named(void **state)
{
    (void)state;
#define WANTED "inputs[0]: expected an object with the texts \"name\" and \"datatype\", and " \
    "\"shape\"; got "
    refused("{\"inputs\":[1]}", TP_INVALID_JSON, "inputs: expected an array with the model's "
            "input; "
            "got an array of numbers");
    refused("{\"inputs\":[null]}", TP_INVALID_JSON, WANTED "null");
    refused("{\"inputs\":[[true]]}", TP_INVALID_JSON, WANTED "an array that holds a boolean");
    refused("{\"inputs\":[{}]}", TP_INVALID_JSON, WANTED "no name");
    refused("{\"inputs\":[{\"name\":[1]}]}", TP_INVALID_JSON, WANTED "no name");
    refused(INPUT("\"shape\":[1]"), TP_INVALID_JSON, WANTED "no datatype");
    refused(INPUT("\"datatype\":\"FP32\""), TP_INVALID_JSON, WANTED "no shape");
    refused(INPUT("\"datatype\":\"FP8\",\"shape\":[1],\"data\":[1]"), TP_INVALID_ARGUMENT,
            "input 'input': datatype 'FP8' is not known; there are BOOL, UINT8 to UINT64, INT8 to "
            "INT64, FP16, BF16, FP32, FP64 and BYTES");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1]"), TP_INVALID_ARGUMENT,
            "input 'input' has no values: expected \"data\", or \"binary_data_size\" in its "
            "parameters and the bytes behind the JSON (Inference-Header-Content-Length says where "
            "that ends)");
    refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1],\"parameters\":[1]"),
            TP_INVALID_JSON, "input 'input': parameters: expected an object; got an array of "
            "numbers");
    refused("{\"inputs\":[{\"name\":\"data\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1]}]}",
            TP_INVALID_ARGUMENT, "input 'data': the model's input is 'input'; images come as an "
            "input of datatype BYTES, of any name");
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    refused("", TP_INVALID_ARGUMENT, "the body is empty; expected {\"inputs\": [...]}");
    refused("[]", TP_INVALID_JSON, "body: expected an object with \"inputs\"; got an empty array");
    refused("[1]", TP_INVALID_JSON, "body: expected an object with \"inputs\"; got an array of "
            "numbers");
    refused("{}", TP_INVALID_JSON, "inputs: expected an array with the model's input; got nothing");
    refused("{\"inputs\":{}}", TP_INVALID_JSON,
            "inputs: expected an array with the model's input; got an object");
    refused("{\"inputs\":[{},{}]}", TP_INVALID_JSON, "inputs: the model takes one, and 2 are here; "
            "several images are one input of datatype BYTES");
    refused("{\"inputs\":[]}", TP_INVALID_JSON,
            "inputs: expected an array with the model's input; got an empty array");
    refused("{\"inputs\":", TP_INVALID_JSON, "body: byte 10: unexpected token, found the end");
    refused(ONE "x", TP_INVALID_JSON, "body: byte 70: the end expected, found 'x'");
}

/* Clients that write null for what was not set, and what this server has no use for. */
static void null_is_absent_and_other_keys_are_left_alone(void **state)
{
    (void)state;
    struct body b = read_json("{\"id\":null,\"parameters\":null,\"outputs\":null,\"model_name\":"
            "\"x\","
                              "\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1],"
                              "\"parameters\":null,\"data\":[1]}]}");
    assert_null(said_of(&b)->id);
    assert_null(said_of(&b)->outputs);
    assert_int_equal(b.rq.n_outputs, 0);
    body_drop(&b);
    b = read_json("{\"parameters\":{\"priority\":1,\"sequence_id\":7,\"mine\":{\"a\":[1]}},"
                  "\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1],"
                  "\"parameters\":{\"binary_data_size\":null,\"content_type\":\"np\"},"
                  "\"data\":[1]}]}");
    body_drop(&b);
}

/* ---- binary ---------------------------------------------------------------------------------- */

#define BINARY(type, shape, size) INPUT("\"datatype\":\"" type "\",\"shape\":" shape \
                                        ",\"parameters\":{\"binary_data_size\":" size "}")

static void binary_tensors_are_read(void **state)
{
    (void)state;
    const float x[] = { 1.5f, -2, 1e30f, 0 };
    struct body b = read_mixed(BINARY("FP32", "[2,2]", "16"), x, sizeof x);
    body_check_tensor(&b, 0, "[2, 2]", x);
    body_drop(&b);
    b = read_mixed(INPUT("\"datatype\":\"FP32\",\"shape\":[4]"), x,
            sizeof x);     /* all the rest */
    body_check_tensor(&b, 0, "[4]", x);
    body_drop(&b);
    b = read_mixed(BINARY("INT16", "[3]", "6"), (const int16_t[]){ 1, -2, 32767 }, 6);
    body_check_tensor(&b, 0, "[3]", (const float[]){ 1, -2, 32767 });
    body_drop(&b);
    b = read_mixed(BINARY("BOOL", "[3]", "3"), "\1\0\1", 3);
    body_check_tensor(&b, 0, "[3]", (const float[]){ 1, 0, 1 });
    body_drop(&b);
    b = read_mixed(BINARY("FP16", "[2]", "4"), "\x00\x3C\x00\xC0", 4);
    body_check_tensor(&b, 0, "[2]", (const float[]){ 1, -2 });
    body_drop(&b);
}

static void a_header_over_the_whole_body_is_json(void **state)
{
    (void)state;
    struct body b = read_mixed(ONE, "", 0);
    body_check_tensor(&b, 0, "[1]", (const float[]){ 1 });
    body_drop(&b);
}

static void sizes_that_disagree_are_refused(void **state)
{
    (void)state;
    const float x[4] = { 0 };
    mixed_refused(BINARY("FP32", "[2,2]", "12"), x, 12, TP_INVALID_SHAPE,
                  "input 'input': 12 bytes of binary data; FP32 [2, 2] has 16");
    mixed_refused(BINARY("FP32", "[2,2]", "0"), x, 0, TP_INVALID_SHAPE,
                  "input 'input': 0 bytes of binary data; FP32 [2, 2] has 16");
    mixed_refused(BINARY("FP32", "[2,2]", "16"), x, 15, TP_INVALID_ARGUMENT,
                  "input 'input': binary_data_size is 16 and 15 bytes are there behind the JSON");
    mixed_refused(BINARY("FP32", "[3]", "12"), x, 16, TP_INVALID_ARGUMENT,
                  "4 bytes are left over behind the JSON and the 12 bytes of input 'input'");
    mixed_refused(ONE, x, 4, TP_INVALID_ARGUMENT,
                  "4 bytes are left over behind the JSON and the 0 bytes of input 'input'");
    mixed_refused(BINARY("FP32", "[1]", "-4"), x, 4, TP_INVALID_ARGUMENT,
                  "input 'input': binary_data_size is negative; expected a number of bytes");
    mixed_refused(BINARY("FP32", "[1]", "4.0"), x, 4, TP_INVALID_ARGUMENT,
                  "input 'input': binary_data_size is a number; expected a number of bytes");
    mixed_refused(BINARY("FP32", "[1]", "\"4\""), x, 4, TP_INVALID_ARGUMENT,
                  "input 'input': binary_data_size is a string; expected a number of bytes");
    mixed_refused(BINARY("FP32", "[1]", "9223372036854775807"), x, 4, TP_INVALID_ARGUMENT,
                  "input 'input': binary_data_size is 9223372036854775807 and 4 bytes are there "
                  "behind the JSON");
    mixed_refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1],\"parameters\":{"
                        "\"binary_data_size\":4}"), x, 4, TP_INVALID_ARGUMENT,
                  "input 'input' has both data and binary_data_size; expected one of them");
    mixed_refused(INPUT("\"datatype\":\"FP32\",\"shape\":[1],\"parameters\":{"
                        "\"shared_memory_region\":\"a\"}"), x, 4, TP_INVALID_ARGUMENT,
                  "input 'input': shared memory is not read here; send the values as \"data\" or "
                  "as "
                  "binary");
}

static void a_header_that_is_no_length_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "x", "-1", "+1", "1x", "0x10", "1.0", "1 2",
                                         "18446744073709551616", "99999999999999999999999" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char want[200];
        snprintf(want, sizeof want, "Inference-Header-Content-Length: '%s'; expected the number of "
                 "bytes of the JSON, from 0", wrong[i]);
        body_must_fail(OIP, wrong[i], ONE, strlen(ONE), FOR_LAST, TP_INVALID_ARGUMENT, want);
    }
    body_must_fail(OIP, "1000", "{}", 2, FOR_LAST, TP_INVALID_ARGUMENT,
                   "Inference-Header-Content-Length: 1000 exceeds the body, which has 2 bytes");
    body_must_fail(OIP, "1", "", 0, FOR_LAST, TP_INVALID_ARGUMENT,
                   "Inference-Header-Content-Length: 1 exceeds the body, which has 0 bytes");
    body_must_fail(OIP, "5", ONE, strlen(ONE), FOR_LAST, TP_INVALID_JSON,
                   "body: byte 1: premature end of input");
}

/* ---- images ---------------------------------------------------------------------------------- */

static void put_length(struct tp_buf *b, size_t n)
{
    tp_buf_bytes(b, (const uint8_t[]){ (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
                                       (uint8_t)(n >> 24) }, 4);
}

static void put_file(struct tp_buf *b, const struct file *f)
{
    put_length(b, f->n);
    tp_buf_bytes(b, f->bytes, f->n);
}

#define IMAGES_OF(shape) "{\"inputs\":[{\"name\":\"pictures\",\"datatype\":\"BYTES\"," \
                         "\"shape\":" shape "}]}"

static void images_are_bytes_with_their_length_or_bare(void **state)
{
    (void)state;
    struct file jpeg = file_read("rgb.jpg"), png = file_read("photo.png");
    struct tp_buf b = { 0 };
    put_file(&b, &jpeg);
    struct body one = read_mixed(IMAGES_OF("[1]"), b.data, b.n_bytes);
    assert_int_equal(one.rq.n_sources, 1);
    body_check_file(&one, 0, &jpeg);
    body_drop(&one);
    one = read_mixed(IMAGES_OF("[1,1]"), jpeg.bytes, jpeg.n);
    body_check_file(&one, 0, &jpeg);
    body_drop(&one);
    put_file(&b, &png);
    struct body two = read_mixed(IMAGES_OF("[2]"), b.data, b.n_bytes);
    assert_int_equal(two.rq.n_sources, 2);
    body_check_file(&two, 0, &jpeg);
    body_check_file(&two, 1, &png);
    body_drop(&two);
    tp_buf_fini(&b);
    free(jpeg.bytes);
    free(png.bytes);
}

static void broken_lengths_are_named(void **state)
{
    (void)state;
    struct file png = file_read("one.png");
    struct tp_buf b = { 0 };
    char want[200];
    put_file(&b, &png);
    mixed_refused(IMAGES_OF("[2]"), b.data, b.n_bytes, TP_INVALID_ARGUMENT, "input 'pictures': the "
                  "bytes end before element 1 of 2; each has its length in 4 bytes in front");
    tp_buf_text(&b, "abc");
    mixed_refused(IMAGES_OF("[2]"), b.data, b.n_bytes, TP_INVALID_ARGUMENT, "input 'pictures': the "
                  "bytes end before element 1 of 2; each has its length in 4 bytes in front");
    mixed_refused(IMAGES_OF("[1]"), b.data, b.n_bytes, TP_INVALID_ARGUMENT,
                  "input 'pictures': 3 bytes are left over behind its last element");
    snprintf(want, sizeof want, "input 'pictures': element 0 has %zu bytes by its length, and %zu "
             "are there", png.n, png.n - 1);
    mixed_refused(IMAGES_OF("[1]"), b.data, b.n_bytes - 4, TP_INVALID_ARGUMENT, want);
    mixed_refused(IMAGES_OF("[1]"), "\xFF\xFF\xFF\xFFxy", 6, TP_INVALID_ARGUMENT,
                  "input 'pictures': element 0 has 4294967295 bytes by its length, and 2 are "
                  "there");
    mixed_refused(IMAGES_OF("[1]"), "\0\0\0\0", 4, TP_INVALID_IMAGE, "input 'pictures' element 0:"
            " is "
                  "empty; expected a JPEG, PNG or WebP file or a .npy array");
    mixed_refused(IMAGES_OF("[1]"), "\1\0\0\0x", 5, TP_UNSUPPORTED_FORMAT, "input 'pictures' "
            "element "
                  "0: its first bytes are of no format that is read here; expected a JPEG, PNG or "
                  "WebP file or a .npy array");
    b.n_bytes = 0;
    for (int i = 0; i < 4; i++) put_file(&b, &png);
    mixed_refused(IMAGES_OF("[4]"), b.data, b.n_bytes, TP_TOO_LARGE,
                  "more than 3 inputs in one request (--max-batch)");
    tp_buf_fini(&b);
    free(png.bytes);
}

static void images_in_json_are_base64(void **state)
{
    (void)state;
    struct file png = file_read("one.png");
    struct tp_buf b = { 0 };
    static const char *const nested[] = { "[%s,%s]", "[[%s],[%s]]", "[[[%s,%s]]]" };
    static const char *const shapes[] = { "[2]", "[2,1]", "[1,2]" };
    tp_buf_text(&b, "\"");
    tp_base64_write(&b, png.bytes, png.n);
    tp_buf_bytes(&b, "\"", 2);
    for (int i = 0; i < 9; i++) {
        char data[1000], text[2000];
        snprintf(data, sizeof data, nested[i % 3], b.data, b.data);
        snprintf(text, sizeof text, "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"BYTES\",\"shape\":"
                 "%s,\"parameters\":{\"content_type\":\"base64\"},\"data\":%s}]}", shapes[i / 3],
                 data);
        struct body two = read_json(text);
        assert_int_equal(two.rq.n_sources, 2);
        body_check_file(&two, 0, &png);
        body_check_file(&two, 1, &png);
        body_drop(&two);
    }
    tp_buf_fini(&b);
    free(png.bytes);
#define TEXTS(shape, data) "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"BYTES\",\"shape\":" shape \
    ",\"data\":" data "}]}"
    refused(TEXTS("[2]", "[\"AA==\"]"), TP_INVALID_SHAPE,
            "input 'x': shape [2] has 2 values; data has 1");
    refused(TEXTS("[1]", "\"AA==\""), TP_INVALID_JSON,
            "input 'x': data of BYTES [1] must be an array of texts in base64; got a string");
    refused(TEXTS("[1]", "[1]"), TP_INVALID_JSON, "input 'x': data of BYTES [1] must be an array "
            "of "
            "texts in base64; got an array of numbers");
    refused(TEXTS("[1]", "[null]"), TP_INVALID_JSON,
            "input 'x': element 0: expected base64 text or a data: URI; got null");
    refused(TEXTS("[1]", "[\"A!\"]"), TP_INVALID_ARGUMENT,
            "input 'x': element 0: byte 1: 0x21 does not belong into base64 there");
    refused(TEXTS("[1]", "[\"AAAA\"]"), TP_UNSUPPORTED_FORMAT, "input 'x': element 0: its first "
            "bytes are of no format that is read here; expected a JPEG, PNG or WebP file or a .npy "
            "array");
}

/* ---- the raw request ------------------------------------------------------------------------- */

static void a_raw_body_is_a_file_or_floats(void **state)
{
    (void)state;
    struct file jpeg = file_read("rgb.jpg");
    struct tp_buf b = { 0 };
    put_file(&b, &jpeg);
    for (int prefixed = 0; prefixed < 2; prefixed++) {
        struct body one = prefixed ? body_must_read(OIP, "0", b.data, b.n_bytes, FOR_LAST)
                                   : body_must_read(OIP, "0", jpeg.bytes, jpeg.n, FOR_LAST);
        body_check_file(&one, 0, &jpeg);
        assert_int_equal(said_of(&one)->all.binary, TP_OIP_BINARY);
        body_drop(&one);
    }
    float x[128];
    for (int i = 0; i < 128; i++) x[i] = (float)i / 7;
    for (int n = 1; n <= 2; n++) {
        struct body raw = body_must_read(OIP, "0", x, (size_t)n * 256, FOR_LAST);
        body_check_tensor(&raw, 0, n == 1 ? "[1, 8, 8, 1]" : "[2, 8, 8, 1]", x);
        assert_int_equal(said_of(&raw)->all.binary, TP_OIP_BINARY);
        body_drop(&raw);
    }
    body_must_fail(OIP, "0", x, 255, FOR_LAST, TP_INVALID_SHAPE, "body: 255 bytes; the model's "
            "input "
                   "is [any, 8, 8, 1], so that raw float32 has 256 bytes for each input");
    body_must_fail(OIP, "0", "", 0, FOR_LAST, TP_INVALID_ARGUMENT, "the body is empty; with "
                   "Inference-Header-Content-Length: 0 it is the input itself");
    char want[100];
    snprintf(want, sizeof want, "body: element 0 has %zu bytes by its length, and %zu are there",
             jpeg.n, jpeg.n - 1);
    body_must_fail(OIP, "0", b.data, b.n_bytes - 1, FOR_LAST, TP_INVALID_ARGUMENT, want);
    tp_buf_text(&b, "x");
    body_must_fail(OIP, "0", b.data, b.n_bytes, FOR_LAST, TP_INVALID_ARGUMENT,
                   "body: 1 bytes are left over behind its last element");
    tp_buf_fini(&b);
    free(jpeg.bytes);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

static void the_id_is_kept(void **state)
{
    (void)state;
    struct body b = read_json(ASK("\"id\":\"a \\\"b\\\" \\u00e9\""));
    assert_string_equal(said_of(&b)->id, "a \"b\" \xC3\xA9");
    body_drop(&b);
    b = read_json(ONE);
    assert_null(said_of(&b)->id);
    body_drop(&b);
    refused(ASK("\"id\":42"), TP_INVALID_JSON, "id: expected a text; got a number");
    refused(ASK("\"id\":[1]"), TP_INVALID_JSON, "id: expected a text; got an array of numbers");
}

static void outputs_are_layers_with_words_in_their_parameters(void **state)
{
    (void)state;
    struct body b = read_json(ASK("\"outputs\":[{\"name\":\"layer3\",\"parameters\":{\"pool\":"
            "\"gem\","
        "\"p\":3,\"grid\":\"2x2\",\"normalize\":\"l2\"}},{\"name\":\"conv\",\"parameters\":"
        "{\"pool\":"
        "\"max\",\"window\":[3,2],\"padding\":[0,1,0,1],\"ceil\":true,\"argmax\":true}},"
        "{\"name\":\"fc\"}]"));
    assert_int_equal(b.rq.n_outputs, 3);
    assert_string_equal(b.rq.names[0], "layer3");
    assert_string_equal(b.rq.outputs[0].pool, "gem");
    assert_string_equal(b.rq.outputs[0].p, "3");
    assert_string_equal(b.rq.outputs[0].grid, "2x2");
    assert_string_equal(b.rq.outputs[0].normalize, "l2");
    assert_string_equal(b.rq.names[1], "conv");
    assert_string_equal(b.rq.outputs[1].window, "3x2");
    assert_string_equal(b.rq.outputs[1].padding, "0,1,0,1");
    assert_string_equal(b.rq.outputs[1].ceil, "true");
    assert_string_equal(b.rq.outputs[1].argmax, "true");
    assert_string_equal(b.rq.names[2], "fc");
    assert_null(b.rq.outputs[2].pool);
    body_drop(&b);
    b = read_json(ASK("\"outputs\":[]"));
    assert_int_equal(b.rq.n_outputs, 0);
    body_drop(&b);
}

/* An output's own word wins; the request's holds for the others. */
static void binary_is_said_of_one_or_of_all(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum tp_oip_binary all, first, second;
    } cases[] = {
        { ASK("\"outputs\":[{\"name\":\"a\"},{\"name\":\"b\",\"parameters\":{\"binary_data\":"
                "true}}]"),
          TP_OIP_UNSAID, TP_OIP_UNSAID, TP_OIP_BINARY },
        { ASK("\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":\"a\"},"
              "{\"name\":\"b\",\"parameters\":{\"binary_data\":false}}]"),
          TP_OIP_BINARY, TP_OIP_BINARY, TP_OIP_TEXT },
        { ASK("\"outputs\":[{\"name\":\"a\"},{\"name\":\"b\",\"parameters\":{\"binary_data\":"
                "true}}],"
              "\"parameters\":{\"binary_data_output\":false}"),
          TP_OIP_TEXT, TP_OIP_TEXT, TP_OIP_BINARY },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct body b = read_json(cases[i].text);
        const struct tp_oip_said *said = said_of(&b);
        assert_int_equal(said->all.binary, cases[i].all);
        assert_int_equal(said->outputs[0].binary, cases[i].first);
        assert_int_equal(said->outputs[1].binary, cases[i].second);
        body_drop(&b);
    }
    refused(ASK("\"parameters\":{\"binary_data_output\":1}"), TP_INVALID_ARGUMENT,
            "parameters: binary_data_output: expected true or false; got a number");
    refused(ASK("\"outputs\":[{\"name\":\"a\",\"parameters\":{\"binary_data\":\"yes\"}}]"),
            TP_INVALID_ARGUMENT, "outputs[0]: binary_data: expected true or false; got a string");
}

static void classes_and_half_precision_are_asked_for(void **state)
{
    (void)state;
    struct body b = read_json(ASK("\"parameters\":{\"dtype\":\"fp16\"},\"outputs\":[{\"name\":"
            "\"a\","
        "\"parameters\":{\"classification\":5}},{\"name\":\"b\",\"parameters\":{\"dtype\":"
        "\"fp32\"}}]"));
    const struct tp_oip_said *said = said_of(&b);
    assert_true(said->all.fp16 && said->outputs[0].fp16 && !said->outputs[1].fp16);
    assert_int_equal(said->outputs[0].classification, 5);
    assert_int_equal(said->outputs[1].classification, 0);
    body_drop(&b);
    static const char *const wrong[] = { "0", "-1", "101", "4294967297", "1.5", "\"1\"", "true" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[300];
        snprintf(text, sizeof text, ASK("\"outputs\":[{\"name\":\"a\",\"parameters\":{"
                 "\"classification\":%s}}]"), wrong[i]);
        refused(text, TP_INVALID_ARGUMENT, "outputs[0]: classification: expected 1 to 100");
    }
    refused(ASK("\"parameters\":{\"dtype\":\"uint8\"}"), TP_INVALID_ARGUMENT,
            "parameters: dtype: 'uint8'; expected fp32 or fp16");
    refused(ASK("\"outputs\":[{\"name\":\"a\",\"parameters\":{\"dtype\":\"int8\"}}]"),
            TP_INVALID_ARGUMENT, "outputs[0]: dtype: 'int8'; expected fp32 or fp16");
}

static void words_of_the_whole_answer_are_the_requests(void **state)
{
    (void)state;
    struct body b = read_json(ASK("\"parameters\":{\"normalize\":\"l2\",\"concat\":true,"
            "\"digits\":4,"
                                  "\"layout\":\"nhwc\",\"nested\":true}"));
    assert_string_equal(b.rq.words.normalize, "l2");
    assert_string_equal(b.rq.words.concat, "true");
    assert_string_equal(b.rq.words.digits, "4");
    assert_string_equal(b.rq.words.layout, "nhwc");
    assert_string_equal(b.rq.words.nested, "true");
    body_drop(&b);
}

static void outputs_that_cannot_be_meant_are_refused(void **state)
{
    (void)state;
    refused(ASK("\"outputs\":\"a\""), TP_INVALID_JSON, "outputs: expected an array of at most 256 "
            "objects such as {\"name\": \"conv\"}; got a string");
    refused(ASK("\"outputs\":[1]"), TP_INVALID_JSON, "outputs: expected an array of at most 256 "
            "objects such as {\"name\": \"conv\"}; got an array of numbers");
    refused(ASK("\"outputs\":[\"a\"]"), TP_INVALID_JSON,
            "outputs[0]: expected an object with the \"name\" of a layer; got a string");
    refused(ASK("\"outputs\":[{\"name\":\"a\"},{}]"), TP_INVALID_JSON,
            "outputs[1]: expected an object with the \"name\" of a layer; got none");
    refused(ASK("\"outputs\":[{\"name\":\"a\",\"parameters\":\"x\"}]"), TP_INVALID_JSON,
            "outputs[0]: parameters: expected an object; got a string");
    refused(ASK("\"outputs\":[{\"name\":\"a\",\"parameters\":{\"pooling\":\"max\"}}]"),
            TP_INVALID_ARGUMENT, "outputs[0]: 'pooling' is no parameter of an output; there are "
                    "pool, "
            "window, stride, padding, ceil, grid, pyramid, rois, p, argmax, normalize, dtype, "
            "binary_data, classification");
    refused(ASK("\"outputs\":[{\"name\":\"a\",\"parameters\":{\"pool\":{}}}]"), TP_INVALID_JSON,
            "outputs[0]: pool: expected a word or a number; got an object");
    refused(ASK("\"parameters\":[]"), TP_INVALID_JSON,
            "parameters: expected an object; got an empty array");
    refused(ASK("\"parameters\":{\"triton_x\":1}"), TP_INVALID_ARGUMENT,
            "parameters: 'triton_x' begins with triton_, which is reserved");
    refused(ASK("\"parameters\":{\"pool\":\"max\"}"), TP_INVALID_ARGUMENT,
            "parameters: 'pool' belongs to an output: \"outputs\": [{\"name\": \"conv\", "
            "\"parameters\": {\"pool\": \"max\"}}]");
    refused(ASK("\"parameters\":{\"digits\":{}}"), TP_INVALID_JSON,
            "parameters: digits: expected a word or a number; got an object");
    struct tp_buf b = { 0 };
    tp_buf_text(&b, "{\"outputs\":[{\"name\":\"a\"}");
    for (int i = 0; i < 256; i++) tp_buf_text(&b, ",{\"name\":\"a\"}");
    tp_buf_bytes(&b, "]}", 3);
    refused(b.data, TP_INVALID_JSON, "outputs: expected an array of at most 256 objects such as "
            "{\"name\": \"conv\"}; got an array that holds an object");
    tp_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_nested_or_flat),
        cmocka_unit_test(every_datatype_is_read_as_json),
        cmocka_unit_test(fp16_in_json_is_rounded),
        cmocka_unit_test(integers_beyond_their_type_are_refused),
        cmocka_unit_test(booleans_are_true_and_false_nested_or_flat),
        cmocka_unit_test(a_large_shape_allocates_nothing),
        cmocka_unit_test(wrong_counts_and_shapes_are_refused),
        cmocka_unit_test(what_is_missing_of_an_input_is_named),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(null_is_absent_and_other_keys_are_left_alone),
        cmocka_unit_test(binary_tensors_are_read),
        cmocka_unit_test(a_header_over_the_whole_body_is_json),
        cmocka_unit_test(sizes_that_disagree_are_refused),
        cmocka_unit_test(a_header_that_is_no_length_is_refused),
        cmocka_unit_test(images_are_bytes_with_their_length_or_bare),
        cmocka_unit_test(broken_lengths_are_named),
        cmocka_unit_test(images_in_json_are_base64),
        cmocka_unit_test(a_raw_body_is_a_file_or_floats),
        cmocka_unit_test(the_id_is_kept),
        cmocka_unit_test(outputs_are_layers_with_words_in_their_parameters),
        cmocka_unit_test(binary_is_said_of_one_or_of_all),
        cmocka_unit_test(classes_and_half_precision_are_asked_for),
        cmocka_unit_test(words_of_the_whole_answer_are_the_requests),
        cmocka_unit_test(outputs_that_cannot_be_meant_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
