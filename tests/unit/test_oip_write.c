/* test_oip_write.c - answers of the Open Inference Protocol: JSON, binary behind it, both. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/oip_said.h"

struct written { struct tp_buf b; struct tp_head head; struct tp_err err; bool ok; };

static struct written write_answer(const struct tp_answer *a, const struct tp_oip_said *said)
{
    struct written w = { .b = { 0 } };
    const struct tp_request rq = { .said = said };
    w.ok = tp_oip_write(&w.b, &w.head, a, &rq, &w.err);
    return w;
}

static void drop(struct written *w) { tp_buf_fini(&w->b); }

/* JSON, and what follows it: `json` with N in place of its own length in the header. */
static void check_written(const struct tp_answer *a, const struct tp_oip_said *said,
                          const char *json, const void *binary, size_t n_binary)
{
    struct written w = write_answer(a, said);
    const size_t n_json = strlen(json);
    char length[24];
    if (!w.ok) fail_msg("%s", w.err.message);
    assert_false(w.b.failed);
    if (w.b.n_bytes != n_json + n_binary || memcmp(w.b.data, json, n_json))
        fail_msg("got %.*s\nwanted %s and %zu bytes", (int)w.b.n_bytes, w.b.data, json, n_binary);
    if (n_binary) assert_memory_equal(w.b.data + n_json, binary, n_binary);
    snprintf(length, sizeof length, "%zu", n_json);
    assert_int_equal(w.head.n, n_binary > 0);
    if (n_binary) {
        assert_string_equal(w.head.content_type, "application/octet-stream");
        assert_string_equal(w.head.headers[0].name, "Inference-Header-Content-Length");
        assert_string_equal(w.head.headers[0].value, length);
    } else {
        assert_null(w.head.content_type);
    }
    drop(&w);
}

static float values[6] = { 1.5f, 2, 0.25f, -3, 0.1f, 7 };
static const float places[6] = { 0, 3, 1, 16777216, 2, 5 };

static struct tp_answer_output output(const char *name, struct tp_shape shape, float *x, int tap)
{
    return (struct tp_answer_output){ .name = name, .tensor = { shape, x }, .tap = tap };
}

#define ANSWER(n, list) { .model = "m", .outputs = list, .n_outputs = n, .n_inputs = 1 }
#define BEGIN "{\"model_name\":\"m\",\"model_version\":\"1\",\"outputs\":["

static void values_are_flat_json(void **state)
{
    (void)state;
    const struct tp_answer_output o = output("pool", TP_SHAPE2(1, 3), values, 0);
    struct tp_answer a = ANSWER(1, &o);
    const struct tp_oip_said plain = { 0 }, with_id = { .id = "4\"2" };
    check_written(&a, &plain, BEGIN "{\"name\":\"pool\",\"datatype\":\"FP32\",\"shape\":[1,3],"
                  "\"data\":[1.5,2,0.25]}]}", NULL, 0);
    check_written(&a, &with_id, "{\"id\":\"4\\\"2\",\"model_name\":\"m\",\"model_version\":\"1\","
                  "\"outputs\":[{\"name\":\"pool\",\"datatype\":\"FP32\",\"shape\":[1,3],"
                  "\"data\":[1.5,2,0.25]}]}", NULL, 0);
    a.nested = true;
    check_written(&a, &plain, BEGIN "{\"name\":\"pool\",\"datatype\":\"FP32\",\"shape\":[1,3],"
                  "\"data\":[[1.5,2,0.25]]}]}", NULL, 0);
}

static void nan_is_null_in_json_and_itself_in_binary(void **state)
{
    (void)state;
    float x[3] = { NAN, INFINITY, -INFINITY };
    const struct tp_answer_output o = output("x", TP_SHAPE2(1, 3), x, 0);
    const struct tp_answer a = ANSWER(1, &o);
    const struct tp_oip_said text = { 0 }, binary = { .all.binary = TP_OIP_BINARY };
    check_written(&a, &text, BEGIN "{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3],"
                  "\"data\":[null,null,null]}]}", NULL, 0);
    check_written(&a, &binary, BEGIN "{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3],"
                  "\"parameters\":{\"binary_data_size\":12}}]}", x, 12);
}

static void binary_and_json_stand_beside_each_other(void **state)
{
    (void)state;
    const struct tp_answer_output o[] = {
        output("a", TP_SHAPE2(1, 3), values, 0), output("b", TP_SHAPE2(1, 2), values + 3, 1),
        output("c", TP_SHAPE2(1, 1), values + 5, 2),
    };
    const struct tp_answer a = ANSWER(3, o);
    const struct tp_oip_output how[] = { { .binary = TP_OIP_BINARY }, { .binary = TP_OIP_TEXT },
                                         { .binary = TP_OIP_BINARY } };
    const struct tp_oip_said said = { .outputs = how };
    const float binary[] = { 1.5f, 2, 0.25f, 7 };
    check_written(&a, &said, BEGIN "{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1,3],"
                  "\"parameters\":{\"binary_data_size\":12}},{\"name\":\"b\",\"datatype\":\"FP32\","
                  "\"shape\":[1,2],\"data\":[-3,0.1]},{\"name\":\"c\",\"datatype\":\"FP32\","
                  "\"shape\":[1,1],\"parameters\":{\"binary_data_size\":4}}]}", binary, 16);
}

/* One that is joined of several is as its first asks. */
static void an_output_is_as_its_tap_asks(void **state)
{
    (void)state;
    const struct tp_answer_output o = output("concat", TP_SHAPE2(1, 1), values, 1);
    const struct tp_answer a = ANSWER(1, &o);
    const struct tp_oip_output how[] = { { .binary = TP_OIP_TEXT }, { .binary = TP_OIP_BINARY } };
    const struct tp_oip_said said = { .outputs = how };
    check_written(&a, &said, BEGIN "{\"name\":\"concat\",\"datatype\":\"FP32\",\"shape\":[1,1],"
                  "\"parameters\":{\"binary_data_size\":4}}]}", values, 4);
}

static void half_precision_is_the_same_in_both_forms(void **state)
{
    (void)state;
    float x[3] = { 0.1f, 70000, -1 };
    const struct tp_answer_output o = output("x", TP_SHAPE2(1, 3), x, 0);
    const struct tp_answer a = ANSWER(1, &o);
    const struct tp_oip_said binary = { .all = { .binary = TP_OIP_BINARY, .fp16 = true } };
    const struct tp_oip_said text = { .all = { .fp16 = true } };
    check_written(&a, &binary, BEGIN "{\"name\":\"x\",\"datatype\":\"FP16\",\"shape\":[1,3],"
                  "\"parameters\":{\"binary_data_size\":6}}]}", "\x66\x2E\x00\x7C\x00\xBC", 6);
    check_written(&a, &text, BEGIN "{\"name\":\"x\",\"datatype\":\"FP16\",\"shape\":[1,3],"
                  "\"data\":[0.099975586,null,-1]}]}", NULL, 0);
}

static void places_are_int64_behind_their_values(void **state)
{
    (void)state;
    struct tp_answer_output o = output("p", TP_SHAPE2(1, 4), values, 0);
    o.argmax = places;
    o.argmax_name = "p/argmax";
    struct tp_answer a = ANSWER(1, &o);
    a.digits = 2;
    const struct tp_oip_said text = { 0 }, binary = { .all = { .binary = TP_OIP_BINARY,
                                                               .fp16 = true } };
    check_written(&a, &text, BEGIN "{\"name\":\"p\",\"datatype\":\"FP32\",\"shape\":[1,4],"
                  "\"data\":[1.5,2,0.25,-3]},{\"name\":\"p/argmax\",\"datatype\":\"INT64\","
                  "\"shape\":[1,4],\"data\":[0,3,1,16777216]}]}", NULL, 0);
    uint8_t want[8 + 32] = { 0x00, 0x3E, 0x00, 0x40, 0x00, 0x34, 0x00, 0xC2 };
    const int64_t at[] = { 0, 3, 1, 16777216 };
    memcpy(want + 8, at, sizeof at);
    check_written(&a, &binary, BEGIN "{\"name\":\"p\",\"datatype\":\"FP16\",\"shape\":[1,4],"
                  "\"parameters\":{\"binary_data_size\":8}},{\"name\":\"p/argmax\",\"datatype\":"
                  "\"INT64\",\"shape\":[1,4],\"parameters\":{\"binary_data_size\":32}}]}", want,
                  sizeof want);
}

static void classes_are_texts_best_first(void **state)
{
    (void)state;
    const struct tp_answer_output o[] = {
        output("scores", TP_SHAPE2(2, 3), values, 0), output("x", TP_SHAPE2(1, 1), values, 1),
    };
    static const char *const labels[] = { "cat", "a \"dog\"", "f\xC3\xA9" };
    struct tp_answer a = ANSWER(2, o);
    struct tp_oip_output how[] = { { .classification = 2 }, { .binary = TP_OIP_TEXT } };
    const struct tp_oip_said said = { .outputs = how };
    check_written(&a, &said, BEGIN "{\"name\":\"scores\",\"datatype\":\"BYTES\",\"shape\":[2,2],"
                  "\"data\":[\"2:1\",\"1.5:0\",\"7:2\",\"0.1:1\"]},{\"name\":\"x\",\"datatype\":"
                  "\"FP32\",\"shape\":[1,1],\"data\":[1.5]}]}", NULL, 0);
    a.labels = labels;
    a.n_labels = 3;
    how[0].classification = 100;                     /* no more than there are */
    how[1].binary = TP_OIP_BINARY;
    check_written(&a, &said, BEGIN "{\"name\":\"scores\",\"datatype\":\"BYTES\",\"shape\":[2,3],"
                  "\"data\":[\"2:1:a \\\"dog\\\"\",\"1.5:0:cat\",\"0.25:2:f\xC3\xA9\","
                  "\"7:2:f\xC3\xA9\",\"0.1:1:a \\\"dog\\\"\",\"-3:0:cat\"]},{\"name\":\"x\","
                  "\"datatype\":\"FP32\",\"shape\":[1,1],\"parameters\":{\"binary_data_size\":"
                  "4}}]}",
                  values, 4);
    how[0] = (struct tp_oip_output){ .classification = 1, .binary = TP_OIP_BINARY };
    uint8_t want[] = "\x0B\0\0\0" "2:1:a \"dog\"" "\x07\0\0\0" "7:2:f\xC3\xA9" "\0\0\xC0\x3F";
    check_written(&a, &said, BEGIN "{\"name\":\"scores\",\"datatype\":\"BYTES\",\"shape\":[2,1],"
                  "\"parameters\":{\"binary_data_size\":26}},{\"name\":\"x\",\"datatype\":\"FP32\","
                  "\"shape\":[1,1],\"parameters\":{\"binary_data_size\":4}}]}", want,
                  sizeof want - 1);
    a.n_labels = 2;                                  /* of another layer */
    how[0] = (struct tp_oip_output){ .classification = 1 };
    how[1].binary = TP_OIP_TEXT;
    check_written(&a, &said, BEGIN "{\"name\":\"scores\",\"datatype\":\"BYTES\",\"shape\":[2,1],"
                  "\"data\":[\"2:1\",\"7:2\"]},{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":"
                  "[1,1],"
                  "\"data\":[1.5]}]}", NULL, 0);
}

static void classes_of_maps_are_refused(void **state)
{
    (void)state;
    const struct tp_answer_output o = output("conv", TP_SHAPE4(1, 2, 3, 1), values, 0);
    const struct tp_answer a = ANSWER(1, &o);
    const struct tp_oip_said said = { .all.classification = 1 };
    struct written w = write_answer(&a, &said);
    assert_false(w.ok);
    assert_int_equal(w.err.code, TP_INVALID_ARGUMENT);
    assert_string_equal(w.err.message, "output 'conv': classification is of [n, classes], and this "
                        "is [1, 2, 3, 1]; pool it, or ask for the classifier's scores");
    drop(&w);
}

static void out_of_room_shows(void **state)
{
    (void)state;
    const struct tp_answer_output o = output("a", TP_SHAPE2(1, 3), values, 0);
    const struct tp_answer a = ANSWER(1, &o);
    const struct tp_oip_said said[] = {
        { .all.binary = TP_OIP_BINARY }, { .all.binary = TP_OIP_TEXT },
        { .all = { .binary = TP_OIP_BINARY, .classification = 2 } }, { .all.classification = 2 },
    };
    for (int i = 0; i < 4; i++) {
        const struct tp_request rq = { .said = &said[i] };
        struct written whole = write_answer(&a, &said[i]);
        assert_true(whole.ok);
        for (size_t limit = 1; limit <= whole.b.n_bytes; limit++) {
            struct written w = { .b.limit_bytes = limit };
            w.ok = tp_oip_write(&w.b, &w.head, &a, &rq, &w.err);
            assert_int_equal(w.b.failed, limit < whole.b.n_bytes);
            drop(&w);
        }
        drop(&whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_flat_json),
        cmocka_unit_test(nan_is_null_in_json_and_itself_in_binary),
        cmocka_unit_test(binary_and_json_stand_beside_each_other),
        cmocka_unit_test(an_output_is_as_its_tap_asks),
        cmocka_unit_test(half_precision_is_the_same_in_both_forms),
        cmocka_unit_test(places_are_int64_behind_their_values),
        cmocka_unit_test(classes_are_texts_best_first),
        cmocka_unit_test(classes_of_maps_are_refused),
        cmocka_unit_test(out_of_room_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
