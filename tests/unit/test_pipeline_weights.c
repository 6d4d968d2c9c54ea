/* test_pipeline_weights.c - weights inline, flat, and from files. */
#include "graph_of.h"

#define DENSE(kernel) "{\"type\": \"Dense\", \"name\": \"d\", \"units\": 2, \"use_bias\": false, " \
                      "\"kernel\": " kernel "}"

static void nested_and_flat_weights_are_the_same(void **state)
{
    (void)state;
    struct tp_graph *a = graph_of("[2]", DENSE("[[0.1, -2e-3], [1e38, 4]]"));
    struct tp_graph *b = graph_of("[2]",
                                  DENSE("{\"shape\": [2, 2], \"data\": [0.1, -2e-3, 1e38, 4]}"));
    assert_memory_equal(a->nodes[1].attr.gemm.kernel, b->nodes[1].attr.gemm.kernel,
                        4 * sizeof(float));
    assert_true(a->nodes[1].attr.gemm.kernel[0] == 0.1f);
    tp_graph_free(a);
    tp_graph_free(b);
}

static void a_weight_has_exactly_the_expected_shape(void **state)
{
    (void)state;
    check_refused("[2]", DENSE("[[1, 2, 3, 4]]"),
                  "d: kernel has shape [1, 4]; expected [2, 2] (input features, units)");
    check_refused("[2]", DENSE("[1, 2, 3, 4]"), "d: kernel has shape [4]; expected [2, 2]");
    check_refused("[2]", DENSE("[[[1, 2], [3, 4]]]"),
                  "d: kernel has shape [1, 2, 2]; expected [2, 2]");
    check_refused("[2]", DENSE("7"), "d: kernel must be numbers of shape [2, 2]");
    check_refused("[2]", DENSE("[]"), "d: kernel must be numbers of shape [2, 2]");
    check_refused("[2]", DENSE("{}"), "d: kernel: shape is missing; expected [2, 2]");
}

/* ---- files ----------------------------------------------------------------------------------- */

struct fake {
    struct tp_shape shape;
    float last;                      /* the last number; all others are their index */
    char file[32], tensor[32];       /* what was asked for */
    bool refuse;
};

static bool fake_read(void *ctx, const char *file, const char *tensor, struct tp_tensor *out,
                      struct tp_arena *arena, struct tp_err *err)
{
    struct fake *f = ctx;
    snprintf(f->file, sizeof f->file, "%s", file);
    snprintf(f->tensor, sizeof f->tensor, "%s", tensor);
    if (f->refuse) return tp_fail(err, TP_NOT_FOUND, "no such tensor");
    int64_t n = tp_shape_elements(&f->shape);
    out->shape = f->shape;
    out->data = tp_arena_floats(arena, n);
    for (int64_t i = 0; i < n; i++) out->data[i] = (float)i;
    out->data[n - 1] = f->last;
    return true;
}

static const char from_file[] = DENSE("{\"file\": \"w.safetensors\", \"tensor\": \"d.kernel\"}");

static void check_file_refused(struct fake *f, const char *part)
{
    const struct tp_weight_source source = { fake_read, f };
    struct tp_graph *g;
    struct tp_err err = { 0 };
    assert_false(try_graph(&g, "[2]", from_file, &source, &err));
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
}

static void a_file_s_tensor_is_asked_for_by_name(void **state)
{
    (void)state;
    struct fake f = { .shape = TP_SHAPE2(2, 2), .last = 3 };
    const struct tp_weight_source source = { fake_read, &f };
    struct tp_graph *g;
    struct tp_err err = { 0 };
    assert_true(try_graph(&g, "[2]", from_file, &source, &err));
    assert_string_equal(f.file, "w.safetensors");
    assert_string_equal(f.tensor, "d.kernel");
    for (int i = 0; i < 4; i++) assert_true(g->nodes[1].attr.gemm.kernel[i] == (float)i);
    tp_graph_free(g);
}

static void a_file_s_tensor_must_fit(void **state)
{
    (void)state;
    struct fake f = { .shape = TP_SHAPE2(4, 1) };
    check_file_refused(&f, "d: kernel has shape [4, 1]; expected [2, 2] (input features, units)");
}

static void a_file_s_numbers_must_be_finite(void **state)
{
    (void)state;
    struct fake f = { .shape = TP_SHAPE2(2, 2), .last = NAN };
    check_file_refused(&f,
                       "d: kernel: number 3 of tensor 'd.kernel' is nan; weights must be finite");
    f.last = -INFINITY;
    check_file_refused(&f, "number 3 of tensor 'd.kernel' is -inf");
}

static void a_file_s_failure_names_the_field(void **state)
{
    (void)state;
    struct fake f = { .refuse = true };
    check_file_refused(&f, "d: kernel: no such tensor");
}

static void without_a_source_files_are_refused(void **state)
{
    (void)state;
    check_refused("[2]", from_file, "d: kernel: file 'w.safetensors' cannot be read from here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_and_flat_weights_are_the_same),
        cmocka_unit_test(a_weight_has_exactly_the_expected_shape),
        cmocka_unit_test(a_file_s_tensor_is_asked_for_by_name),
        cmocka_unit_test(a_file_s_tensor_must_fit),
        cmocka_unit_test(a_file_s_numbers_must_be_finite),
        cmocka_unit_test(a_file_s_failure_names_the_field),
        cmocka_unit_test(without_a_source_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
