/* test_lower_hostile.c - files that want to do harm: broken at every byte, or sound and asking for
 * much. They are refused with a message, or they run. */
#include "onnx_model.h"

#include <time.h>

static const struct tp_limits few = {
    .max_body_bytes = 1 << 20, .max_elements = 1 << 16, .max_batch = 4, .max_layers = 4096,
    .max_workspace_bytes = 8 << 20, .max_operations = 1 << 22, .max_output_bytes = 1 << 20,
};

/* ---- every byte ------------------------------------------------------------------------------ */

/* A bit of everything, its sizes by shape arithmetic. */
static void write_zoo(struct onnx_of *m)
{
    float w[64];
    for (int i = 0; i < 64; i++) w[i] = (float)(i % 5) - 2;
    *m = (struct onnx_of){ .opset = 13 };
    onnx_input(m, "x", TP_ONNX_FLOAT, DIMS(-1, 2, 5, 4));
    onnx_floats(m, "w", DIMS(4, 1, 2, 2), w);
    onnx_floats(m, "t", DIMS(4, 2, 2, 1), w);
    onnx_floats(m, "b", DIMS(4, 3), w);
    onnx_floats(m, "c", DIMS(3), w);
    onnx_ints(m, "zero", DIMS(1), (const int64_t[]){ 0 });
    onnx_ints(m, "two", DIMS(1), (const int64_t[]){ 2 });
    onnx_ints(m, "open", DIMS(1), (const int64_t[]){ -1 });
    onnx_ints(m, "edge", DIMS(8), (const int64_t[]){ 0, 0, 1, 0, 0, 0, 0, 1 });
    onnx_floats(m, "twice", DIMS(4), (const float[]){ 1, 1, 2, 1.5f });
    onnx_node(m, "Conv", "x w", "a");
    onnx_attr_int(m, "group", 2);
    onnx_attr_ints(m, "pads", DIMS(1, 0, 0, 1));
    onnx_node(m, "MaxPool", "a", "p");
    onnx_attr_ints(m, "kernel_shape", DIMS(2, 2));
    onnx_attr_ints(m, "pads", DIMS(0, 1, 1, 0));
    onnx_node(m, "ConvTranspose", "p t", "u");
    onnx_attr_ints(m, "strides", DIMS(2, 1));
    onnx_node(m, "Resize", "u - twice", "r");
    onnx_attr_text(m, "mode", "linear");
    onnx_node(m, "Pad", "r edge", "e");
    onnx_node(m, "Slice", "e zero two open", "s");
    onnx_node(m, "Concat", "s s", "j");
    onnx_attr_int(m, "axis", 1);
    onnx_node(m, "Softmax", "j", "f");
    onnx_node(m, "ReduceMean", "f", "g");
    onnx_attr_ints(m, "axes", DIMS(2, 3));
    onnx_node(m, "Shape", "g", "n");
    onnx_node(m, "Gather", "n zero", "i");
    onnx_node(m, "Concat", "i two open", "h");
    onnx_attr_int(m, "axis", 0);
    onnx_node(m, "Reshape", "g h", "k");
    onnx_node(m, "Flatten", "k", "l");
    onnx_node(m, "Gemm", "l b c", "y");
    onnx_attr_float(m, "alpha", 0.5f);
    onnx_output(m, "y");
    onnx_file(m);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Whatever is refused says why, and it is neither our fault nor the machine's. */
static void check_refused(const struct tp_err *err)
{
    assert_int_not_equal(err->code, TP_OK);
    assert_true(err->message[0]);
    if (err->code == TP_INTERNAL || err->code == TP_NO_MEMORY) fail_msg("%s", err->message);
}

/* True when the bytes, which are copied, are a model. */
static bool load(const void *bytes, size_t n_bytes)
{
    struct tp_err err = { 0 };
    struct tp_net *net;
    struct tp_model *m;
    uint8_t *file = malloc(n_bytes + 1);
    if (n_bytes) memcpy(file, bytes, n_bytes);
    const bool is_model =
        tp_onnx_parse(&net, file, n_bytes, "m", -1, &(struct tp_onnx_files){ 0 }, &few, &err) &&
        tp_model_new_net(&m, net, &few, &err);
    free(file);
    if (!is_model) {
        check_refused(&err);
        return false;
    }
    if (!tp_model_try(m, &few, &err)) check_refused(&err);
    tp_model_free(m);
    return true;
}

static void the_zoo_is_sound(void **state)
{
    (void)state;
    struct onnx_of m;
    write_zoo(&m);
    struct tp_model *model = model_of(&m);
    struct tp_err err = { 0 };
    if (!tp_model_try(model, &onnx_limits, &err)) fail_msg("%s", err.message);
    assert_null(model->warning);
    tp_model_free(model);
}

static void every_shorter_file_is_refused_or_runs(void **state)
{
    (void)state;
    struct onnx_of m;
    write_zoo(&m);
    for (size_t n = 0; n < m.file.n_bytes; n++) load(m.file.data, n);
    onnx_fini(&m);
}

/* All values where time allows, else those that matter to lengths, counts and signs. */
static void every_changed_byte_is_refused_or_runs(void **state)
{
    (void)state;
    enum { ALWAYS = 3, FEW = 7 };
    const double latest = seconds() + 3;
    struct onnx_of m;
    write_zoo(&m);
    int n_models = 0;
    for (int pass = 0; pass < 256; pass++) {
        if (pass >= ALWAYS && seconds() > latest) break;
        for (size_t i = 0; i < m.file.n_bytes; i++) {
            uint8_t *at = (uint8_t *)m.file.data + i;
            const uint8_t was = *at;
            const uint8_t values[FEW] = { was ^ 1, was ^ 0x80, 0xff, 0, 1, 0x7f, 0x80 };
            *at = pass < FEW ? values[pass] : (uint8_t)pass;
            n_models += load(m.file.data, m.file.n_bytes);
            *at = was;
        }
    }
    assert_true(n_models > 100);                     /* weights and names may be anything */
    onnx_fini(&m);
}

/* ---- much from little ------------------------------------------------------------------------ */

static void check_too_much(struct onnx_of *m, const char *part)
{
    struct tp_err err = { 0 };
    struct tp_net *net;
    struct tp_model *model;
    const struct tp_buf *f = onnx_file(m);
    const bool ok = tp_onnx_parse(&net, f->data, f->n_bytes, "m", -1, &(struct tp_onnx_files){ 0 },
                                  &few, &err) &&
                    tp_model_new_net(&model, net, &few, &err);
    assert_false(ok);
    if (!strstr(err.message, part)) fail_msg("expected '%s' in: %s", part, err.message);
    onnx_fini(m);
}

static struct onnx_of begin(void)
{
    struct onnx_of m = { .opset = 13 };
    onnx_input(&m, "x", TP_ONNX_FLOAT, DIMS(1, 2, 3, 3));
    onnx_output(&m, "y");
    return m;
}

static void tables_are_no_longer_than_tensors(void **state)
{
    (void)state;
    struct onnx_of m = begin();
    onnx_ints(&m, "to", DIMS(4), (const int64_t[]){ 1, 2, 2000000000, 3 });
    onnx_node(&m, "Resize", "x - - to", "y");
    check_too_much(&m, "a table of 2000000000 numbers");
    m = begin();
    onnx_ints(&m, "pads", DIMS(8), (const int64_t[]){ 0, 1, 0, 0, 0, 0, 0, 2000000000 });
    onnx_node(&m, "Pad", "x pads", "y");
    check_too_much(&m, "2000000003");
    m = begin();
    onnx_ints(&m, "to", DIMS(4), (const int64_t[]){ 1, 1, 1, 700000000 });
    onnx_node(&m, "Tile", "x to", "y");
    check_too_much(&m, "2100000000");
    m = begin();
    onnx_floats(&m, "w", DIMS(2, 1, 1, 1), (const float[]){ 1, 2 });
    onnx_node(&m, "ConvTranspose", "x w", "y");
    onnx_attr_ints(&m, "output_shape", DIMS(2000000000, 3));
    check_too_much(&m, "2000000000");
}

/* Each of these is as large as a tensor may be. */
static void constants_are_limited_together(void **state)
{
    (void)state;
    char made[16];
    struct onnx_of m = begin();
    onnx_ints(&m, "n", DIMS(1), (const int64_t[]){ 65536 });
    for (int i = 0; i < 64; i++) {
        snprintf(made, sizeof made, "c%d", i);
        onnx_node(&m, "ConstantOfShape", "n", made);
    }
    onnx_node(&m, "Relu", "x", "y");
    check_too_much(&m, "up to here constants and tables take more than 8 MiB");
}

/* One weight that many nodes read is packed for each of them. */
static void packed_weights_are_limited_together(void **state)
{
    (void)state;
    char made[16];
    float w[2 * 64] = { 0 };
    struct onnx_of m = begin();
    onnx_floats(&m, "w", DIMS(64, 2, 1, 1), w);
    for (int i = 0; i < 40000; i++) {
        snprintf(made, sizeof made, "c%d", i);
        onnx_node(&m, "Conv", "x w", made);
    }
    onnx_node(&m, "Relu", "x", "y");
    check_too_much(&m, "8 MiB");
}

static void what_constants_cost_is_limited_together(void **state)
{
    (void)state;
    char read[16] = "w", made[16];
    float w[1024] = { 0 };
    struct onnx_of m = begin();
    onnx_floats(&m, "w", DIMS(32, 32), w);
    for (int i = 0; i < 32; i++) {
        snprintf(made, sizeof made, "c%d", i);
        onnx_node(&m, "Exp", read, made);
        memcpy(read, made, sizeof read);
    }
    onnx_node(&m, "Relu", "x", "y");
    check_too_much(&m, "(Exp): up to here constants cost more than 1.64e+04 operations");
}

/* 10,000 nodes of constants are as many small graphs; each looks at its own values alone. */
static void many_constants_take_no_longer_than_their_number(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    char read[16] = "w", made[16];
    struct onnx_of m = begin();
    onnx_floats(&m, "w", DIMS(2), (const float[]){ 1, 2 });
    for (int i = 0; i < MANY; i++) {
        snprintf(made, sizeof made, "c%d", i);
        onnx_node(&m, "Exp", read, made);
    }
    onnx_node(&m, "Relu", "x", "y");
    struct tp_model *model = model_of(&m);
    assert_int_equal(model->n_layers, 1);
    tp_model_free(model);
}

static void sizes_of_zero_are_refused_where_elements_are_needed(void **state)
{
    (void)state;
    struct onnx_of m = begin();
    onnx_floats(&m, "none", DIMS(0, 4, 2), NULL);
    onnx_floats(&m, "s", DIMS(2), (const float[]){ 1, 2 });
    onnx_node(&m, "GroupNormalization", "none s s", "y");
    onnx_attr_int(&m, "num_groups", 2);
    check_too_much(&m, "its input is [0, 4, 2]; it must have elements");
    m = begin();
    onnx_weight(&m, "none", TP_ONNX_FLOAT, DIMS(0, (int64_t)1 << 40, (int64_t)1 << 40), NULL, 0);
    onnx_node(&m, "Flatten", "none", "y");
    check_too_much(&m, "input 0 is [0, 1099511627776, 1099511627776]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_zoo_is_sound),
        cmocka_unit_test(every_shorter_file_is_refused_or_runs),
        cmocka_unit_test(every_changed_byte_is_refused_or_runs),
        cmocka_unit_test(tables_are_no_longer_than_tensors),
        cmocka_unit_test(constants_are_limited_together),
        cmocka_unit_test(packed_weights_are_limited_together),
        cmocka_unit_test(what_constants_cost_is_limited_together),
        cmocka_unit_test(many_constants_take_no_longer_than_their_number),
        cmocka_unit_test(sizes_of_zero_are_refused_where_elements_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
