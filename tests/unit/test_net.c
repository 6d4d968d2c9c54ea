/* test_net.c - a network as its ONNX file tells it. */
#include "onnx_of.h"

#include <math.h>

/* ---- elements -------------------------------------------------------------------------------- */

static void check_elements(enum tp_onnx_type type, const void *data, int n, const double *want)
{
    const size_t n_bytes = (size_t)n * tp_onnx_type_bytes(type);
    char *copy = guarded(n_bytes);
    float *floats = guarded((size_t)n * sizeof *floats);
    memcpy(copy, data, n_bytes);
    const struct tp_net_tensor t = {
        .type = type, .shape = { .rank = 1, .dim = { n } }, .n_elements = n, .data = copy,
    };
    tp_net_floats(&t, floats);
    for (int i = 0; i < n; i++) {
        const double got = tp_net_element(&t, i);
        if (memcmp(&got, &want[i], sizeof got) || floats[i] != (float)want[i])
            fail_msg("%s: element %d is %.17g and %.9g, expected %.17g", tp_onnx_type_name(type),
                     i, got, (double)floats[i], want[i]);
    }
    guarded_free(copy);
    guarded_free(floats);
}

static void elements_of_every_type_are_read(void **state)
{
    (void)state;
    check_elements(TP_ONNX_FLOAT, (const float[]){ 1.5f, -0.0f, INFINITY }, 3,
                   (const double[]){ 1.5, -0.0, INFINITY });
    check_elements(TP_ONNX_DOUBLE, (const double[]){ 0.1, -1e300 }, 2,
                   (const double[]){ 0.1, -1e300 });
    check_elements(TP_ONNX_FLOAT16, (const uint16_t[]){ 0x3C00, 0x8001, 0xFC00 }, 3,
                   (const double[]){ 1, -0x1p-24, -INFINITY });
    check_elements(TP_ONNX_INT8, (const int8_t[]){ -128, 127 }, 2, (const double[]){ -128, 127 });
    check_elements(TP_ONNX_UINT8, (const uint8_t[]){ 200 }, 1, (const double[]){ 200 });
    check_elements(TP_ONNX_INT16, (const int16_t[]){ -32768 }, 1, (const double[]){ -32768 });
    check_elements(TP_ONNX_UINT16, (const uint16_t[]){ 65535 }, 1, (const double[]){ 65535 });
    check_elements(TP_ONNX_INT32, (const int32_t[]){ INT32_MIN, 7 }, 2,
                   (const double[]){ INT32_MIN, 7 });
    check_elements(TP_ONNX_UINT32, (const uint32_t[]){ UINT32_MAX }, 1,
                   (const double[]){ UINT32_MAX });
    check_elements(TP_ONNX_INT64, (const int64_t[]){ -5, (int64_t)1 << 53 }, 2,
                   (const double[]){ -5, 0x1p53 });
    check_elements(TP_ONNX_UINT64, (const uint64_t[]){ (uint64_t)1 << 63 }, 1,
                   (const double[]){ 0x1p63 });
    check_elements(TP_ONNX_BOOL, (const uint8_t[]){ 0, 1, 2 }, 3, (const double[]){ 0, 1, 1 });
}

/* All 65536, by the formula of IEEE 754. */
static void every_half_is_its_value(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        const uint16_t half = (uint16_t)i;
        const struct tp_net_tensor t = { .type = TP_ONNX_FLOAT16, .n_elements = 1, .data = &half };
        const int exponent = i >> 10 & 31, fraction = i & 1023;
        double want = exponent == 31 ? (fraction ? NAN : INFINITY) :
                      exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        if (i & 0x8000) want = -want;
        const double got = tp_net_element(&t, 0);
        if (isnan(want) ? !isnan(got) : got != want || !signbit(got) != !(i >> 15))
            fail_msg("0x%04X is read as %g, expected %g", (unsigned)i, got, want);
    }
}

static void no_elements_are_no_floats(void **state)
{
    (void)state;
    const struct tp_net_tensor t = { .type = TP_ONNX_FLOAT };
    tp_net_floats(&t, NULL);
}

static void types_have_names_and_sizes(void **state)
{
    (void)state;
    assert_string_equal(tp_onnx_type_name(TP_ONNX_FLOAT16), "float16");
    assert_string_equal(tp_onnx_type_name(TP_ONNX_UINT64), "uint64");
    assert_string_equal(tp_onnx_type_name((enum tp_onnx_type)16), "bfloat16");
    assert_string_equal(tp_onnx_type_name((enum tp_onnx_type)99), "an unknown type");
    assert_string_equal(tp_onnx_type_name((enum tp_onnx_type)-1), "an unknown type");
    assert_int_equal(tp_onnx_type_bytes(TP_ONNX_UINT64), 8);
    assert_int_equal(tp_onnx_type_bytes(TP_ONNX_BOOL), 1);
    assert_int_equal(tp_onnx_type_bytes(TP_ONNX_STRING), 0);
    assert_int_equal(tp_onnx_type_bytes((enum tp_onnx_type)99), 0);
}

/* ---- order ----------------------------------------------------------------------------------- */

enum { MAX_NODES = 8 };

/* A net of nodes "inputs>outputs" over values a to z; the input is x, a weight is w. */
struct small {
    struct tp_net net;
    struct tp_net_value values[26];
    struct tp_net_node nodes[MAX_NODES];
    struct tp_net_tensor weight;
    int places[MAX_NODES][2][MAX_NODES];
    char names[26][2], ops[MAX_NODES][16];
    int output;
    struct tp_err err;
};

static int *read_places(struct small *s, int node, int side, const char *letters, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s->places[node][side][i] = letters[i] == '-' ? -1 : letters[i] - 'a';
    return s->places[node][side];
}

static void make(struct small *s, int n, const char *const *nodes, char output)
{
    memset(s, 0, sizeof *s);
    tp_arena_init(&s->net.arena, SIZE_MAX);
    for (int i = 0; i < 26; i++) {
        s->names[i][0] = (char)('a' + i);
        s->values[i] = (struct tp_net_value){ .name = s->names[i], .producer = -1 };
    }
    s->values['w' - 'a'].weight = &s->weight;
    for (int i = 0; i < n; i++) {
        const char *arrow = strchr(nodes[i], '>');
        snprintf(s->ops[i], sizeof s->ops[i], "N%d", i);
        s->nodes[i] = (struct tp_net_node){
            .name = "", .op = s->ops[i], .domain = "",
            .n_inputs = (int)(arrow - nodes[i]), .n_outputs = (int)strlen(arrow + 1),
            .inputs = read_places(s, i, 0, nodes[i], (size_t)(arrow - nodes[i])),
            .outputs = read_places(s, i, 1, arrow + 1, strlen(arrow + 1)),
        };
    }
    s->output = output - 'a';
    s->net.values = s->values;
    s->net.n_values = 26;
    s->net.nodes = s->nodes;
    s->net.n_nodes = n;
    s->net.input = 'x' - 'a';
    s->net.outputs = &s->output;
    s->net.n_outputs = 1;
}

#define NODES(...) (int)(sizeof (const char *const[]){ __VA_ARGS__ } / sizeof(char *)), \
    (const char *const[]){ __VA_ARGS__ }

static void check_order(int n, const char *const *nodes, char output, const char *want)
{
    struct small s;
    char got[MAX_NODES + 1] = "";
    make(&s, n, nodes, output);
    if (!tp_net_sort(&s.net, &s.err)) fail_msg("%s", s.err.message);
    for (int i = 0; i < n; i++) {
        got[i] = s.net.nodes[i].op[1];
        for (int j = 0; j < s.net.nodes[i].n_outputs; j++)
            if (s.net.nodes[i].outputs[j] >= 0)
                assert_int_equal(s.values[s.net.nodes[i].outputs[j]].producer, i);
    }
    assert_string_equal(got, want);
    tp_arena_fini(&s.net.arena);
}

static void check_refused(int n, const char *const *nodes, char output, const char *message)
{
    struct small s;
    make(&s, n, nodes, output);
    if (tp_net_sort(&s.net, &s.err)) fail_msg("accepted; expected: %s", message);
    assert_int_equal(s.err.code, TP_INVALID_MODEL);
    assert_string_equal(s.err.message, message);
    tp_arena_fini(&s.net.arena);
}

static void sorted_nodes_keep_their_order(void **state)
{
    (void)state;
    check_order(NODES("x>a", "xw>b", "a>c", "bc>d"), 'd', "0123");
    check_order(NODES("x>a"), 'x', "0");             /* an output that is the input */
    check_order(NODES("w>a"), 'w', "0");
}

static void nodes_follow_what_they_read(void **state)
{
    (void)state;
    check_order(NODES("bc>d", "a>c", "xw>b", "x>a"), 'd', "2310");
    check_order(NODES("b>c", "a>b", "x>a", "x>e"), 'c', "2103");
}

static void values_left_out_are_nothing(void **state)
{
    (void)state;
    check_order(NODES("x-w>-a", "-a->b-"), 'b', "01");
}

static void a_value_has_one_maker(void **state)
{
    (void)state;
    check_refused(NODES("x>a", "x>ba"), 'a',
                  "node that makes 'b' (N1): makes 'a', which node that makes 'a' (N0) makes "
                  "already");
    check_refused(NODES("x>aa"), 'a', "node that makes 'a' (N0): makes 'a' twice");
    check_refused(NODES("x>aw"), 'a',
                  "node that makes 'a' (N0): makes 'w', which is an initializer already");
    check_refused(NODES("w>x"), 'x',
                  "node that makes 'x' (N0): makes 'x', which is the input already");
}

static void what_is_read_must_be_there(void **state)
{
    (void)state;
    check_refused(NODES("x>a", "ac>b"), 'b',
                  "node that makes 'b' (N1): reads 'c', which is neither made by a node nor an "
                  "initializer nor the input");
    check_refused(NODES("x>a"), 'b', "output 'b': no node makes it");
}

static void cycles_are_refused_by_a_node_on_them(void **state)
{
    (void)state;
    check_refused(NODES("a>a"), 'a', "node that makes 'a' (N0): reads 'a', which is computed from "
                  "what it makes; the graph has a cycle");
    check_refused(NODES("c>d", "xc>a", "a>b", "b>c"), 'd',
                  "node that makes 'a' (N1): reads 'c', which is computed from what it makes; the "
                  "graph has a cycle");
}

static void long_chains_are_walked_without_recursion(void **state)
{
    (void)state;
    enum { N = 50000 };
    struct onnx_of m = { .opset = 13 };
    struct tp_err err = { 0 };
    struct tp_net *net;
    char in[16], out[16];
    const struct tp_limits limits = { .max_layers = N, .max_elements = 1 << 20 };
    onnx_input(&m, "v0", TP_ONNX_FLOAT, DIMS(1));
    onnx_output(&m, "v50000");
    for (int i = N; i > 0; i--) {            /* backwards */
        snprintf(in, sizeof in, "v%d", i - 1);
        snprintf(out, sizeof out, "v%d", i);
        onnx_node(&m, "Relu", in, out);
    }
    const struct tp_buf *f = onnx_file(&m);
    if (!tp_onnx_parse(&net, f->data, f->n_bytes, "test", -1, &(struct tp_onnx_files){ 0 },
                       &limits, &err)) fail_msg("%s", err.message);
    for (int i = 0; i < N; i++)
        assert_int_equal(net->values[net->nodes[i].inputs[0]].producer, i - 1);
    tp_net_free(net);
    onnx_fini(&m);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void labels_name_the_node_or_what_it_makes(void **state)
{
    (void)state;
    struct small s;
    make(&s, NODES("x>-a", "x>"), 'a');
    assert_string_equal(TP_NODE(&s.net, &s.nodes[0]), "node that makes 'a' (N0)");
    assert_string_equal(TP_NODE(&s.net, &s.nodes[1]), "node 1 of the graph (N1)");
    s.nodes[0].name = "/conv1/Conv";
    assert_string_equal(TP_NODE(&s.net, &s.nodes[0]), "node '/conv1/Conv' (N0)");
    char long_name[300];
    memset(long_name, 'n', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    s.nodes[0].name = s.nodes[0].op = long_name;
    assert_true(strlen(TP_NODE(&s.net, &s.nodes[0])) < sizeof(struct tp_net_label));
}

static void attributes_are_found_by_name(void **state)
{
    (void)state;
    const struct tp_net_attr attrs[] = { { .name = "a", .i = 1 }, { .name = "b", .i = 2 } };
    const struct tp_net_node nd = { .attrs = attrs, .n_attrs = 2 };
    assert_int_equal(tp_net_attr(&nd, "b")->i, 2);
    assert_null(tp_net_attr(&nd, "c"));
    assert_null(tp_net_attr(&(struct tp_net_node){ 0 }, "a"));
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    tp_net_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_of_every_type_are_read),
        cmocka_unit_test(every_half_is_its_value),
        cmocka_unit_test(no_elements_are_no_floats),
        cmocka_unit_test(types_have_names_and_sizes),
        cmocka_unit_test(sorted_nodes_keep_their_order),
        cmocka_unit_test(nodes_follow_what_they_read),
        cmocka_unit_test(values_left_out_are_nothing),
        cmocka_unit_test(a_value_has_one_maker),
        cmocka_unit_test(what_is_read_must_be_there),
        cmocka_unit_test(cycles_are_refused_by_a_node_on_them),
        cmocka_unit_test(long_chains_are_walked_without_recursion),
        cmocka_unit_test(labels_name_the_node_or_what_it_makes),
        cmocka_unit_test(attributes_are_found_by_name),
        cmocka_unit_test(freeing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
