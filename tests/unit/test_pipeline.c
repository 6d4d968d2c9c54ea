/* test_pipeline.c - documents into graphs: names, order, outputs, and every message. */
#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/pipeline.h"
#include "graph/plan.h"
#include "ref.h"

static const struct tp_limits limits = {
    .max_body_bytes = 8 << 20, .max_elements = 1 << 28, .max_layers = 4096,
    .max_workspace_bytes = 64 << 20, .max_output_bytes = 64 << 20,
    .max_operations = (int64_t)1 << 40,
};

static void append_file(struct tp_buf *b, const char *folder, const char *name, const char *suffix)
{
    char path[512], bytes[4096];
    size_t n;
    snprintf(path, sizeof path, "tests/data/pipelines/%s/%s%s", folder, name, suffix);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("%s: cannot be read; run the tests from the project's root", path);
    while ((n = fread(bytes, 1, sizeof bytes, f)) > 0) tp_buf_bytes(b, bytes, n);
    fclose(f);
}

/* Calls fn for every NAME.json of a folder of tests/data/pipelines. */
static void each_file(const char *folder, void (*fn)(const char *name))
{
    char path[256];
    struct dirent *entry;
    int n_files = 0;
    snprintf(path, sizeof path, "tests/data/pipelines/%s", folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".json")) continue;
        *dot = '\0';
        fn(entry->d_name);
        n_files++;
    }
    closedir(dir);
    assert_true(n_files > 10);
}

static struct tp_graph *parse(const char *text)
{
    struct tp_graph *g;
    struct tp_err err = { 0 };
    if (!tp_pipeline_parse(&g, text, strlen(text), "unnamed", NULL, &limits, &err))
        fail_msg("%s", err.message);
    return g;
}

/* The graph as text: its layers in order with shapes and parameters, then its outputs. */
static void describe(struct tp_buf *b, const struct tp_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct tp_node *nd = &g->nodes[i];
        if (!nd->hidden)
            tp_buf_printf(b, "%s (%s) %s %lld\n", nd->name, nd->type, TP_SHAPE(&g->shapes[i]),
                          (long long)nd->n_parameters);
    }
    tp_buf_text(b, "outputs:");
    for (int i = 0; i < g->n_outputs; i++) tp_buf_printf(b, " %s", g->nodes[g->outputs[i]].name);
    tp_buf_text(b, "\n");
}

static void check_good(const char *name)
{
    struct tp_buf text = { 0 }, want = { 0 }, got = { 0 };
    struct tp_graph *g;
    struct tp_err err = { 0 };
    append_file(&text, "good", name, ".json");
    append_file(&want, "good", name, ".txt");
    if (!tp_pipeline_parse(&g, text.data, text.n_bytes, name, NULL, &limits, &err))
        fail_msg("%s: %s", name, err.message);
    describe(&got, g);
    if (got.n_bytes != want.n_bytes || memcmp(got.data, want.data, got.n_bytes))
        fail_msg("%s:\n%.*sinstead of\n%.*s", name, (int)got.n_bytes, got.data, (int)want.n_bytes,
                 want.data);
    tp_graph_free(g);
    tp_buf_fini(&text);
    tp_buf_fini(&want);
    tp_buf_fini(&got);
}

static void good_pipelines_have_the_layers_shapes_and_parameters_of_keras(void **state)
{
    (void)state;
    each_file("good", check_good);
}

static void check_bad(const char *name)
{
    struct tp_buf text = { 0 }, want = { 0 };
    struct tp_graph *g;
    struct tp_err err = { 0 };
    append_file(&text, "bad", name, ".json");
    append_file(&want, "bad", name, ".error");
    tp_buf_bytes(&want, "", 1);
    want.data[strcspn(want.data, "\n")] = '\0';
    if (tp_pipeline_parse(&g, text.data, text.n_bytes, name, NULL, &limits, &err))
        fail_msg("%s: accepted", name);
    assert_null(g);
    if (!strstr(err.message, want.data))
        fail_msg("%s: message '%s' lacks '%s'", name, err.message, want.data);
    if (err.code == TP_INTERNAL || err.code == TP_OK) fail_msg("%s: code %d", name, (int)err.code);
    tp_buf_fini(&text);
    tp_buf_fini(&want);
}

static void bad_pipelines_are_refused_with_the_expected_message(void **state)
{
    (void)state;
    each_file("bad", check_bad);
}

/* Every layer of each file, alone and all together, as the engine computes it: fused, planned, on
 * two threads. */
static void check_taps(const struct tp_graph *g, const struct tp_shape *in,
                       const struct tp_tap *taps, int n_taps, const float *image)
{
    struct tp_plan *plan;
    struct tp_err err = { 0 };
    float **out = calloc((size_t)n_taps, sizeof *out);
    if (!tp_plan_make(&plan, g, in, taps, n_taps, &limits, &err)) fail_msg("%s", err.message);
    for (int i = 0; i < n_taps; i++) {
        struct tp_shape shape = tp_plan_output_shape(plan, i);
        out[i] = guarded((size_t)tp_shape_elements(&shape) * sizeof(float));
    }
    void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 127) / 64 * 64);
    tp_plan_run(plan, image, out, workspace, 2);
    for (int i = 0; i < n_taps; i++) {
        struct tp_shape shape;
        double *want = ref_graph(g, in, image, tp_graph_find(g, taps[i].layer), &shape);
        check_near(taps[i].layer, out[i], want, tp_shape_elements(&shape), 1e-5);
        free(want);
        guarded_free(out[i]);
    }
    free(out);
    free(workspace);
    tp_plan_free(plan);
}

static void check_run(const char *name)
{
    struct tp_buf text = { 0 };
    struct tp_err err = { 0 };
    struct tp_graph *g;
    append_file(&text, "good", name, ".json");
    if (!tp_pipeline_parse(&g, text.data, text.n_bytes, name, NULL, &limits, &err))
        fail_msg("%s: %s", name, err.message);
    struct tp_shape in = g->shapes[0];
    in.dim[0] = 2;
    for (int i = 1; i < in.rank; i++)
        if (in.dim[i] == TP_ANY) in.dim[i] = i + 4;
    float *image = guarded_random(tp_shape_elements(&in), 9);
    struct tp_tap *taps = calloc((size_t)g->n_nodes, sizeof *taps);
    int n_taps = 0;
    for (int i = 1; i < g->n_nodes; i++)
        if (!g->nodes[i].hidden) taps[n_taps++].layer = g->nodes[i].name;
    for (int i = 0; i < n_taps; i++) check_taps(g, &in, &taps[i], 1, image);
    check_taps(g, &in, taps, n_taps, image);
    free(taps);
    guarded_free(image);
    tp_graph_free(g);
    tp_buf_fini(&text);
}

static void every_layer_runs_as_the_reference_does(void **state)
{
    (void)state;
    each_file("good", check_run);
}

/* Each file cut short at many places: never accepted, never a crash (the sanitizers watch). */
static void check_prefixes(const char *name)
{
    struct tp_buf text = { 0 };
    append_file(&text, "good", name, ".json");
    size_t n = text.n_bytes;
    while (n && text.data[n - 1] != '}') n--;
    for (size_t cut = 0; cut < n; cut += 1 + cut / 64) {
        struct tp_err err = { 0 };
        struct tp_graph *g;
        char *copy = guarded(cut);
        if (cut) memcpy(copy, text.data, cut);
        if (tp_pipeline_parse(&g, copy, cut, name, NULL, &limits, &err))
            fail_msg("%s: accepted when cut at byte %zu", name, cut);
        assert_int_not_equal(err.code, TP_OK);
        guarded_free(copy);
    }
    tp_buf_fini(&text);
}

static void a_truncated_pipeline_is_refused_wherever_it_ends(void **state)
{
    (void)state;
    each_file("good", check_prefixes);
}

/* Each file with one byte replaced: refused or accepted, but cleanly. */
static void check_flips(const char *name)
{
    static const char bytes[] = "\"[]{},:0-9.en";
    struct tp_buf text = { 0 };
    uint32_t random = 7;
    append_file(&text, "good", name, ".json");
    for (int i = 0; i < 150; i++) {
        struct tp_err err = { 0 };
        struct tp_graph *g = NULL;
        size_t at = next_random(&random) % text.n_bytes;
        char old = text.data[at];
        text.data[at] = bytes[next_random(&random) % (sizeof bytes - 1)];
        if (!tp_pipeline_parse(&g, text.data, text.n_bytes, name, NULL, &limits, &err))
            assert_int_not_equal(err.code, TP_OK);
        tp_graph_free(g);
        text.data[at] = old;
    }
    tp_buf_fini(&text);
}

static void a_corrupted_pipeline_does_no_harm(void **state)
{
    (void)state;
    each_file("good", check_flips);
}

static void a_pipeline_without_a_name_takes_the_default(void **state)
{
    (void)state;
    static const char unnamed[] = "{\"input\": {\"shape\": [4]}, \"layers\": [{\"type\": "
                                  "\"Flatten\"}]}";
    static const char named[] = "{\"name\": \"own\", \"input\": {\"shape\": [4]}, \"layers\": "
                                "[{\"type\": \"Flatten\"}]}";
    struct tp_graph *g = parse(unnamed);
    assert_string_equal(g->name, "unnamed");
    tp_graph_free(g);
    g = parse(named);
    assert_string_equal(g->name, "own");
    tp_graph_free(g);
}

static void a_part_of_a_document_is_read_as_a_pipeline(void **state)
{
    (void)state;
    static const char text[] = "{\"tensor\": [1, 2], \"pipeline\": {\"input\": {\"shape\": [2]}, "
                               "\"layers\": [{\"type\": \"Rescaling\", \"scale\": [2, 3]}]}}";
    struct tp_json doc;
    struct tp_arena arena;
    struct tp_graph *g;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, SIZE_MAX);
    assert_true(tp_json_parse(&doc, text, strlen(text), &arena, "body", 1, &err));
    assert_true(tp_pipeline_read(&g, &doc, json_object_get(doc.root, "pipeline"), "p", NULL,
                                 &limits, &err));
    assert_int_equal(g->n_nodes, 2);
    assert_true(g->nodes[1].scale[1] == 3);
    tp_graph_free(g);
    tp_json_fini(&doc);
    tp_arena_fini(&arena);
}

/* A ReLU. Spaces make the text long enough for the memory that its many small values take. */
static void write_relu(struct tp_buf *b, bool first, const char *name, const char *input)
{
    tp_buf_printf(b, "%s\n%64s{\"type\": \"ReLU\", \"name\": \"%s\", \"inputs\": [\"%s\"]}",
                  first ? "" : ",", "", name, input);
}

/* A chain of n layers, listed in reverse when `reverse`. */
static void write_chain(struct tp_buf *b, int n, bool reverse)
{
    tp_buf_text(b, "{\"input\": {\"shape\": [4]}, \"layers\": [");
    for (int i = 0; i < n; i++) {
        int at = reverse ? n - 1 - i : i;
        char name[32], input[32] = "input";
        snprintf(name, sizeof name, "a%d", at);
        if (at) snprintf(input, sizeof input, "a%d", at - 1);
        write_relu(b, !i, name, input);
    }
    tp_buf_text(b, "]}");
}

static void as_many_layers_as_allowed_are_read_in_any_order(void **state)
{
    (void)state;
    for (int reverse = 0; reverse < 2; reverse++) {
        struct tp_buf b = { 0 };
        struct tp_graph *g;
        struct tp_err err = { 0 };
        write_chain(&b, limits.max_layers, reverse);
        if (!tp_pipeline_parse(&g, b.data, b.n_bytes, "p", NULL, &limits, &err))
            fail_msg("%s", err.message);
        assert_int_equal(g->n_nodes, 1 + limits.max_layers);
        for (int i = 1; i < g->n_nodes; i++) assert_int_equal(g->nodes[i].inputs[0], i - 1);
        tp_graph_free(g);
        tp_buf_fini(&b);
    }
}

static void check_too_large(const struct tp_buf *b, const struct tp_limits *l, const char *part)
{
    struct tp_graph *g;
    struct tp_err err = { 0 };
    assert_false(tp_pipeline_parse(&g, b->data, b->n_bytes, "p", NULL, l, &err));
    assert_int_equal(err.code, TP_TOO_LARGE);
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
}

static void ten_thousand_layers_are_refused(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    write_chain(&b, 10000, false);
    check_too_large(&b, &limits, "pipeline: 10000 layers; at most 4096 are allowed");
    tp_buf_fini(&b);
}

static void parts_of_layers_count_as_layers(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    struct tp_limits few = limits;
    few.max_layers = 10;
    tp_buf_text(&b, "{\"input\": {\"shape\": [4]}, \"layers\": [{\"type\": \"Multiply\", "
                    "\"inputs\": [");
    for (int i = 0; i < 20; i++) tp_buf_printf(&b, "%s\"input\"", i ? ", " : "");
    tp_buf_text(&b, "]}]}");
    check_too_large(&b, &few, "multiply: the pipeline has more than the 10 layers");
    tp_buf_fini(&b);
}

static void a_text_beyond_the_body_limit_is_refused_unread(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    struct tp_limits small = limits;
    small.max_body_bytes = 100;
    write_chain(&b, 10, false);
    check_too_large(&b, &small, "at most 100 are allowed");
    tp_buf_fini(&b);
}

static void a_long_cycle_is_named_in_part(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    struct tp_graph *g;
    struct tp_err err = { 0 };
    tp_buf_text(&b, "{\"input\": {\"shape\": [4]}, \"layers\": [");
    for (int i = 0; i < 1000; i++) {
        char name[32], input[32];
        snprintf(name, sizeof name, "a%d", i);
        snprintf(input, sizeof input, "a%d", (i + 1) % 1000);
        write_relu(&b, !i, name, input);
    }
    tp_buf_text(&b, "]}");
    assert_false(tp_pipeline_parse(&g, b.data, b.n_bytes, "p", NULL, &limits, &err));
    assert_non_null(strstr(err.message, "a0 reads a1 reads a2"));
    assert_non_null(strstr(err.message, "reads a7 reads ... reads a0;"));
    tp_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_pipelines_have_the_layers_shapes_and_parameters_of_keras),
        cmocka_unit_test(bad_pipelines_are_refused_with_the_expected_message),
        cmocka_unit_test(every_layer_runs_as_the_reference_does),
        cmocka_unit_test(a_truncated_pipeline_is_refused_wherever_it_ends),
        cmocka_unit_test(a_corrupted_pipeline_does_no_harm),
        cmocka_unit_test(a_pipeline_without_a_name_takes_the_default),
        cmocka_unit_test(a_part_of_a_document_is_read_as_a_pipeline),
        cmocka_unit_test(as_many_layers_as_allowed_are_read_in_any_order),
        cmocka_unit_test(ten_thousand_layers_are_refused),
        cmocka_unit_test(parts_of_layers_count_as_layers),
        cmocka_unit_test(a_text_beyond_the_body_limit_is_refused_unread),
        cmocka_unit_test(a_long_cycle_is_named_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
