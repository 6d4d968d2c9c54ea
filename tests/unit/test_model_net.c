/* test_model_net.c - models made of networks: what their layers are called, which sizes and batches
 * they take, what is told of what cannot be run. */
#include "onnx_model.h"

static struct onnx_of begin(const int64_t *dims, int rank)
{
    struct onnx_of m = { .opset = 13 };
    onnx_input(&m, "x", TP_ONNX_FLOAT, dims, rank);
    return m;
}

static void put(struct onnx_of *m, const char *op, const char *name, const char *inputs,
                const char *output)
{
    onnx_node(m, op, inputs, output);
    if (*name) onnx_node_name(m, name);
}

static const struct tp_layer_info *layer(const struct tp_model *m, const char *name)
{
    for (int i = 0; i < m->n_layers; i++)
        if (!strcmp(m->layers[i].name, name)) return &m->layers[i];
    fail_msg("no layer %s", name);
    return NULL;
}

static void check_same(const struct tp_model *m, const char *name, const char *tensor)
{
    assert_true(tp_model_value(m, tensor) >= 0);
    if (tp_model_value(m, name) != tp_model_value(m, tensor))
        fail_msg("%s is not %s", name, tensor);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void layers_answer_to_tensors_nodes_and_modules(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 4));
    put(&m, "Neg", "/stem/Neg", "x", "t0");
    put(&m, "Abs", "/layer1/layer1.0/block/block.0/Abs", "t0", "t1");
    put(&m, "Exp", "/layer1/layer1.0/block/block.1/Exp", "t1", "t2");
    put(&m, "Add", "/layer1/layer1.0/Add", "t2 t0", "t3");
    put(&m, "Neg", "/layer1/layer1.1/Neg", "t3", "t4");
    put(&m, "Flatten", "/Flatten", "t4", "t5");
    put(&m, "Neg", "", "t5", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    check_same(model, "stem", "t0");
    check_same(model, "layer1.0.block.0", "t1");
    check_same(model, "layer1.0.block", "t2");
    check_same(model, "layer1.0", "t3");
    check_same(model, "layer1", "t4");
    check_same(model, "/layer1/layer1.0/Add", "t3");
    check_same(model, "x", "x");
    assert_string_equal(layer(model, "t4")->module, "layer1");
    assert_string_equal(layer(model, "t4")->node, "/layer1/layer1.1/Neg");
    assert_null(layer(model, "t5")->module);
    assert_null(layer(model, "y")->node);
    assert_int_equal(tp_model_value(model, "layer"), -1);
    tp_model_free(model);
}

static void a_module_called_twice_is_its_last_call(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 4));
    onnx_floats(&m, "w", DIMS(4), (const float[]){ 1, 2, 3, 4 });
    onnx_floats(&m, "v", DIMS(4), (const float[]){ 1, 2, 3, 4 });
    put(&m, "Relu", "/b/relu/Relu", "x", "first");
    put(&m, "Relu", "/b/relu_1/Relu", "first", "second");
    put(&m, "Mul", "/b/scale/Mul", "second w", "third");
    put(&m, "Mul", "/b/scale_1/Mul", "third v", "fourth");
    put(&m, "Neg", "/b/act/Neg", "fourth", "fifth");
    put(&m, "Abs", "/b/act_1/Abs", "fifth", "sixth");
    put(&m, "Identity", "", "w", "u");
    put(&m, "Add", "/b/bias/Add", "sixth w", "seventh");
    put(&m, "Add", "/b/bias_1/Add", "seventh u", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    check_same(model, "b.relu", "second");
    check_same(model, "b.relu_1", "second");
    check_same(model, "/b/relu/Relu", "first");
    check_same(model, "b.scale", "third");           /* other weights: two modules */
    check_same(model, "b.act", "fifth");             /* another operator */
    check_same(model, "b.bias", "y");                /* the same weights, by another name */
    tp_model_free(model);
}

static void scopes_of_torch_export_name_modules(void **state)
{
    (void)state;
    static const struct { const char *op, *in, *out, *scopes; } nodes[] = {
        { "Neg", "x", "val_0", "['', 'stem', 'neg']" },
        { "Relu", "val_0", "relu", "['', 'layer1', 'layer1.0', 'layer1.0.act', 'relu']" },
        { "Exp", "relu", "exp", "['', 'layer1', 'layer1.0', \"layer1.0.e\", 'exp']" },
        { "Relu", "exp", "relu_1", "['', 'layer1', 'layer1.0', 'layer1.0.act@1', 'relu_1']" },
        { "Abs", "relu_1", "abs", "['', 'abs']" },
        { "Neg", "abs", "odd", "['', 'unfinished, ''" },
        { "Neg", "odd", "y", "" },
    };
    struct onnx_of m = begin(DIMS(-1, 4));
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        onnx_node(&m, nodes[i].op, nodes[i].in, nodes[i].out);
        onnx_node_name(&m, i ? "node" : "");
        onnx_node_note(&m, "pkg.torch.onnx.fx_node", "%neg : [num_users=1]");
        onnx_node_note(&m, "pkg.torch.onnx.name_scopes", nodes[i].scopes);
    }
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    check_same(model, "stem", "val_0");
    check_same(model, "layer1.0.act", "relu_1");
    check_same(model, "layer1.0.e", "exp");
    check_same(model, "layer1.0", "relu_1");
    check_same(model, "layer1", "relu_1");
    check_same(model, "node", "relu");
    check_same(model, "abs", "abs");
    assert_string_equal(layer(model, "relu_1")->module, "layer1");
    assert_null(layer(model, "abs")->module);
    assert_int_equal(tp_model_value(model, "layer1.0.act@1"), -1);
    tp_model_free(model);
}

static void a_tensors_name_wins_over_a_modules(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 4));
    put(&m, "Neg", "/conv1/Neg", "x", "a");
    put(&m, "Abs", "a", "a", "conv1");
    put(&m, "Exp", "", "conv1", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    check_same(model, "conv1", "conv1");
    assert_int_not_equal(tp_model_value(model, "conv1"), tp_model_value(model, "a"));
    tp_model_free(model);
}

static void an_unknown_layer_is_told_the_names_there_are(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 4));
    put(&m, "Neg", "/stem/Neg", "x", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    struct tp_err err = { 0 };
    assert_false(tp_model_check_layer(model, "stm", &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_string_equal(err.message, "model 'test' has no layer 'stm'; it has: stem");
    tp_model_free(model);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void sizes_that_follow_the_input_are_open(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 3, -1, -1));
    onnx_floats(&m, "w", DIMS(2, 3, 1, 1), (const float[6]){ 1 });
    put(&m, "Conv", "", "x w", "a");
    put(&m, "GlobalAveragePool", "", "a", "b");
    put(&m, "Flatten", "", "b", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    assert_string_equal(TP_SHAPE(&layer(model, "a")->shape), "[any, 2, any, any]");
    assert_string_equal(TP_SHAPE(&layer(model, "y")->shape), "[any, 2]");
    assert_int_equal(layer(model, "a")->n_macs, TP_ANY);
    assert_int_equal(model->n_parameters, 6);
    assert_true(model->channels_first);
    assert_false(model->one_by_one);
    assert_string_equal(TP_SHAPE(&model->input), "[any, any, any, 3]");
    assert_int_equal(model->preprocess.crop[0], 224);
    assert_int_equal(model->preprocess.size[0], 256);
    tp_model_free(model);
}

/* The file says "reshape to [1, -1]": three images would become one. */
static void a_batch_fixed_at_one_runs_image_by_image(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(1, 2, 1, 2));
    onnx_ints(&m, "to", DIMS(2), (const int64_t[]){ 1, -1 });
    put(&m, "Neg", "", "x", "a");
    put(&m, "Reshape", "", "a to", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    assert_true(model->one_by_one);
    const float in[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    double want[12];
    for (int i = 0; i < 12; i++) want[i] = -(double)in[i];
    check_asked(model, "y", SHAPE(3, 2, 1, 2), in, SHAPE(3, 4), want);
    check_asked(model, "a", SHAPE(3, 2, 1, 2), in, SHAPE(3, 2, 1, 2), want);
    check_asked(model, "y", SHAPE(1, 2, 1, 2), in, SHAPE(1, 4), want);
    tp_model_free(model);
}

static void a_batch_written_as_one_may_grow_where_nothing_hinders_it(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(1, 2, 1, 2));
    put(&m, "Neg", "", "x", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    assert_false(model->one_by_one);
    tp_model_free(model);
}

/* As Keras's exporters write: the network turns its input itself, which then costs nothing. */
static void an_input_with_channels_last_is_taken_as_it_is(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 2, 2, 3));
    put(&m, "Transpose", "", "x", "t");
    onnx_attr_ints(&m, "perm", DIMS(0, 3, 1, 2));
    onnx_floats(&m, "w", DIMS(1, 3, 1, 1), (const float[]){ 1, 10, 100 });
    put(&m, "Conv", "", "t w", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    assert_false(model->channels_first);
    assert_string_equal(TP_SHAPE(&model->input), "[any, 2, 2, 3]");
    struct tp_err err = { 0 };
    struct tp_plan *plan;
    const struct tp_tap taps[2] = { { .layer = "y" }, { .layer = "x" } };
    assert_true(tp_plan_new(&plan, model, SHAPE(1, 2, 2, 3), taps, 2, &onnx_limits, &err));
    const float in[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1 };
    float y[4], x[12], *outputs[2] = { y, x };
    void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 127) / 64 * 64);
    tp_plan_run(plan, in, outputs, workspace, 1);
    assert_int_equal(tp_plan_n_steps(plan), 1);
    check_near("y", y, (const double[]){ 321, 654, 987, 111 }, 4, 1e-6);
    assert_memory_equal(x, in, sizeof in);
    const struct tp_shape s = tp_plan_output_shape(plan, 1);
    assert_string_equal(TP_SHAPE(&s), "[1, 2, 2, 3]");
    free(workspace);
    tp_plan_free(plan);
    tp_model_free(model);
}

static void another_size_than_the_files_is_refused(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 2, 1, 2));
    put(&m, "Neg", "", "x", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    struct told told;
    struct tp_err err = { 0 };
    const float in[6] = { 0 };
    assert_false(ask_try(model, "y", SHAPE(1, 2, 1, 3), in, &told, &err));
    assert_string_equal(err.message, "input has shape [1, 2, 1, 3]; model 'test' takes "
                                     "[any, 2, 1, 2]");
    tp_model_free(model);
}

/* ---- what cannot be run ---------------------------------------------------------------------- */

static void layers_before_an_unknown_operator_can_be_asked_for(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 4));
    put(&m, "Neg", "", "x", "a");
    put(&m, "Magic", "spell", "a", "b");
    put(&m, "Abs", "", "b", "c");
    put(&m, "Sorcery", "wand", "a", "d");
    put(&m, "Abs", "", "a", "e");
    onnx_output(&m, "c");
    onnx_output(&m, "e");
    struct tp_model *model = model_of(&m);
    struct tp_err err = { 0 };
    assert_string_equal(model->warning,
                        "3 of 5 nodes cannot be run: node 'spell' (Magic): operator Magic is not "
                        "there; node 'wand' (Sorcery): operator Sorcery is not there");
    const float in[4] = { 1, -2, 3, -4 };
    check_asked(model, "e", SHAPE(1, 4), in, SHAPE(1, 4), (double[]){ 1, 2, 3, 4 });
    assert_false(tp_model_check_layer(model, "c", &err));
    assert_non_null(strstr(err.message, "node 'spell' (Magic): operator Magic is not there"));
    assert_int_equal(layer(model, "c")->shape.rank, -1);
    assert_true(tp_model_try(model, &onnx_limits, &(struct tp_err){ 0 }));
    tp_model_free(model);
}

static void operators_that_are_not_there_are_all_named(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 4));
    put(&m, "Neg", "", "x", "a");
    put(&m, "Magic", "spell", "a", "b");
    put(&m, "Abs", "", "b", "c");
    put(&m, "Sorcery", "wand", "c", "d");
    onnx_output(&m, "d");
    struct tp_model *model = model_of(&m);
    assert_string_equal(model->warning,
                        "3 of 4 nodes cannot be run: node 'spell' (Magic): operator Magic is not "
                        "there; node 'wand' (Sorcery): operator Sorcery is not there");
    assert_string_equal(layer(model, "d")->why,
                        "node 'wand' (Sorcery): operator Sorcery is not there");
    tp_model_free(model);
}

static void a_file_of_which_nothing_can_be_run_is_refused(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 4));
    put(&m, "Magic", "spell", "x", "y");
    onnx_output(&m, "y");
    check_model_refused(&m, "node 'spell' (Magic): operator Magic is not there");
}

/* ---- counts ---------------------------------------------------------------------------------- */

static void parameters_are_what_training_finds(void **state)
{
    (void)state;
    struct onnx_of m = begin(DIMS(-1, 2, 4, 4));
    onnx_floats(&m, "w", DIMS(4, 2, 3, 3), (const float[72]){ 1 });
    onnx_floats(&m, "b", DIMS(4), (const float[4]){ 1 });
    onnx_floats(&m, "one", DIMS(4), (const float[4]){ 1, 1, 1, 1 });
    onnx_floats(&m, "zero", DIMS(), (const float[1]){ 0 });
    put(&m, "Conv", "", "x w b", "a");
    put(&m, "BatchNormalization", "", "a one one one one", "n");
    put(&m, "Constant", "", "", "axes");
    onnx_attr_tensor(&m, "value", TP_ONNX_INT64, DIMS(1), (const int64_t[]){ 0 }, 8);
    put(&m, "Unsqueeze", "", "n axes", "u");         /* axes are none either */
    put(&m, "Clip", "", "u zero", "y");
    onnx_output(&m, "y");
    struct tp_model *model = model_of(&m);
    assert_int_equal(layer(model, "u")->n_parameters, 0);
    assert_int_equal(layer(model, "a")->n_parameters, 76);
    assert_int_equal(layer(model, "n")->n_parameters, 8);        /* not the running statistics */
    assert_int_equal(layer(model, "y")->n_parameters, 0);
    assert_int_equal(model->n_parameters, 84);
    assert_int_equal(layer(model, "a")->n_macs, 2 * 2 * 4 * 2 * 9);
    assert_int_equal(tp_model_macs(model), 2 * 2 * 4 * 2 * 9);
    assert_int_equal(model->n_unfolded, 0);
    tp_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_answer_to_tensors_nodes_and_modules),
        cmocka_unit_test(a_module_called_twice_is_its_last_call),
        cmocka_unit_test(scopes_of_torch_export_name_modules),
        cmocka_unit_test(a_tensors_name_wins_over_a_modules),
        cmocka_unit_test(an_unknown_layer_is_told_the_names_there_are),
        cmocka_unit_test(sizes_that_follow_the_input_are_open),
        cmocka_unit_test(a_batch_fixed_at_one_runs_image_by_image),
        cmocka_unit_test(a_batch_written_as_one_may_grow_where_nothing_hinders_it),
        cmocka_unit_test(an_input_with_channels_last_is_taken_as_it_is),
        cmocka_unit_test(another_size_than_the_files_is_refused),
        cmocka_unit_test(layers_before_an_unknown_operator_can_be_asked_for),
        cmocka_unit_test(operators_that_are_not_there_are_all_named),
        cmocka_unit_test(a_file_of_which_nothing_can_be_run_is_refused),
        cmocka_unit_test(parameters_are_what_training_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
