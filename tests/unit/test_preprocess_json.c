/* test_preprocess_json.c - preprocess.json: read over a preset, refused with the field, written
 * back. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/preprocess.h"

static struct tp_preprocess preset(void)
{
    struct tp_shape input = TP_SHAPE4(TP_ANY, 8, 9, 3);
    return tp_preprocess_default(&input);
}

static struct tp_preprocess parse(const char *json)
{
    struct tp_preprocess p = preset();
    struct tp_err err = { 0 };
    if (!tp_preprocess_parse(&p, json, strlen(json), &err)) fail_msg("%s: %s", json, err.message);
    return p;
}

static void every_field_is_read(void **state)
{
    (void)state;
    struct tp_preprocess p = parse(
        "{\"resize\": {\"mode\": \"shortest\", \"size\": 256, \"interpolation\": \"bicubic\","
        " \"antialias\": false}, \"crop\": 224, \"scale\": 0.5, \"mean\": [1, 2, 3],"
        " \"std\": [0.5, 0.25, 4], \"color\": \"bgr\", \"decode\": \"exact\"}");
    assert_int_equal(p.mode, TP_RESIZE_SHORTEST);
    assert_int_equal(p.size[0], 256);
    assert_int_equal(p.filter, TP_RESAMPLE_BICUBIC);
    assert_false(p.antialias);
    assert_int_equal(p.crop[0], 224);
    assert_int_equal(p.crop[1], 224);
    assert_true(p.scale == 0.5f && p.mean[0] == 1 && p.mean[2] == 3 && p.std[1] == 0.25f);
    assert_int_equal(p.color, TP_BGR);
    assert_true(p.exact_decode);
}

static void absent_fields_keep_the_preset(void **state)
{
    (void)state;
    struct tp_preprocess want = preset(), p = parse("{}");
    assert_int_equal(p.mode, want.mode);
    assert_int_equal(p.size[1], 9);
    assert_true(p.scale == want.scale && p.std[1] == 1 && p.color == want.color);
    p = parse("{\"resize\": {\"interpolation\": \"nearest\"}}");
    assert_int_equal(p.mode, TP_RESIZE_EXACT);
    assert_int_equal(p.size[0], 8);
    assert_int_equal(p.filter, TP_RESAMPLE_NEAREST);
}

static void size_and_crop_may_be_pairs_and_null_means_none(void **state)
{
    (void)state;
    struct tp_preprocess p = parse("{\"resize\": {\"size\": [20, 30]}, \"crop\": [10, 12]}");
    assert_int_equal(p.mode, TP_RESIZE_EXACT);
    assert_int_equal(p.size[0], 20);
    assert_int_equal(p.size[1], 30);
    assert_int_equal(p.crop[0], 10);
    assert_int_equal(p.crop[1], 12);
    p = parse("{\"resize\": {\"size\": 20}}");
    assert_int_equal(p.mode, TP_RESIZE_SHORTEST);
    p = parse("{\"resize\": {\"mode\": \"letterbox\", \"size\": 640}}");
    assert_int_equal(p.size[0], 640);
    assert_int_equal(p.size[1], 640);
    p = parse("{\"resize\": null, \"crop\": null}");
    assert_int_equal(p.mode, TP_RESIZE_NONE);
    assert_int_equal(p.crop[0], 0);
}

static void one_number_stands_for_all_channels(void **state)
{
    (void)state;
    struct tp_preprocess p = parse("{\"mean\": 0.5, \"std\": 0.25}");
    for (int c = 0; c < 3; c++) assert_true(p.mean[c] == 0.5f && p.std[c] == 0.25f);
    p = parse("{\"color\": \"gray\", \"mean\": [0.5]}");
    assert_true(p.mean[0] == 0.5f);
}

static void refused(const char *json, const char *part)
{
    struct tp_preprocess p = preset(), before = p;
    struct tp_err err = { 0 };
    if (tp_preprocess_parse(&p, json, strlen(json), &err)) fail_msg("%s: was read", json);
    if (!strstr(err.message, part)) fail_msg("%s: \"%s\" lacks \"%s\"", json, err.message, part);
    assert_memory_equal(&p, &before, sizeof p);
}

static void messages_name_the_field_and_what_would_be_right(void **state)
{
    (void)state;
    refused("", "preprocess.json");
    refused("[]", "object");
    refused("{\"size\": 3}", "'size'");
    refused("{\"size\": 3}", "resize, crop, scale");
    refused("{\"resize\": 256}", "resize must be an object or null");
    refused("{\"resize\": {\"mode\": \"longest\"}}", "letterbox");
    refused("{\"resize\": {\"mode\": \"shortest\"}}", "size is missing");
    refused("{\"resize\": {\"mode\": \"shortest\", \"size\": [2, 3]}}", "one whole number");
    refused("{\"resize\": {\"size\": 0}}", "from 1 to 65535");
    refused("{\"resize\": {\"size\": 65536}}", "from 1 to 65535");
    refused("{\"resize\": {\"size\": -3}}", "from 1 to 65535");
    refused("{\"resize\": {\"size\": 2.5}}", "size must be a whole number or [height, width]");
    refused("{\"resize\": {\"size\": [1, 2, 3]}}", "size");
    refused("{\"resize\": {\"size\": \"8\"}}", "a string");
    refused("{\"resize\": {\"size\": 8, \"interpolation\": \"lanczos\"}}", "bicubic");
    refused("{\"resize\": {\"size\": 8, \"antialias\": 1}}", "true or false");
    refused("{\"resize\": {\"size\": 8, \"pad\": 1}}", "'pad'");
    refused("{\"crop\": 0}", "from 1 to 65535");
    refused("{\"crop\": [224]}", "crop");
    refused("{\"crop\": 3, \"resize\": {\"mode\": \"letterbox\", \"size\": 8}}", "letterbox");
    refused("{\"scale\": \"1/255\"}", "scale must be a number");
    refused("{\"mean\": [1, 2]}", "mean has shape [2]");
    refused("{\"mean\": [[1, 2, 3]]}", "mean has shape [1, 3]");
    refused("{\"mean\": []}", "mean");
    refused("{\"mean\": [1, 2, 1e39]}", "mean");
    refused("{\"color\": \"gray\", \"std\": [1, 2, 3]}", "a list of 1");
    refused("{\"std\": [1, 0, 1]}", "std is 0 for channel 1");
    refused("{\"std\": -1}", "above 0");
    refused("{\"color\": \"cmyk\"}", "bgr");
    refused("{\"decode\": true}", "decode");
    refused("{\"scale\": 1, \"scale\": 2}", "scale");
}

static void a_text_too_long_is_refused(void **state)
{
    (void)state;
    size_t n = 65537;
    char *text = malloc(n);
    struct tp_preprocess p = preset();
    struct tp_err err = { 0 };
    assert_non_null(text);
    memset(text, ' ', n);
    assert_false(tp_preprocess_parse(&p, text, n, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    free(text);
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}", "{\"resize\": null, \"color\": \"gray\", \"mean\": 0.485, \"std\": 0.229}",
        "{\"resize\": {\"size\": 256, \"interpolation\": \"bicubic\"}, \"crop\": 224,"
        " \"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225],"
        " \"color\": \"bgr\", \"decode\": \"exact\"}",
        "{\"resize\": {\"mode\": \"letterbox\", \"size\": [320, 640], \"antialias\": false}}",
    };
    for (int i = 0; i < 4; i++) {
        struct tp_preprocess p = parse(texts[i]);
        struct tp_buf first = { 0 }, second = { 0 };
        tp_preprocess_print(&first, &p);
        tp_buf_bytes(&first, "", 1);
        struct tp_preprocess again = parse(first.data);
        tp_preprocess_print(&second, &again);
        tp_buf_bytes(&second, "", 1);
        assert_string_equal(first.data, second.data);
        assert_memory_equal(again.mean, p.mean, (p.color == TP_GRAY ? 1 : 3) * sizeof p.mean[0]);
        assert_memory_equal(again.crop, p.crop, sizeof p.crop);
        assert_true(again.scale == p.scale);
        tp_buf_fini(&first);
        tp_buf_fini(&second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(absent_fields_keep_the_preset),
        cmocka_unit_test(size_and_crop_may_be_pairs_and_null_means_none),
        cmocka_unit_test(one_number_stands_for_all_channels),
        cmocka_unit_test(messages_name_the_field_and_what_would_be_right),
        cmocka_unit_test(a_text_too_long_is_refused),
        cmocka_unit_test(what_is_written_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
