/* test_goldens.c - small networks as exporters write them (tests/data/onnx, made by
 * tests/onnx/make_goldens.py): every tensor, under each of its names, for one image and for three;
 * alone, where all behind it is left out and nothing hides in a fused step, and all in one plan. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/model.h"
#include "formats/onnx.h"

enum { MAX_LINE = 4096, MAX_VALUES = 64, MAX_NAMES = 8, IMAGES = 3, PROJECTIONS = 3 };

/* A "value" line: see make_goldens.py. */
struct golden {
    char *names[MAX_NAMES];          /* in `line` */
    int n_names;
    struct tp_shape shape;           /* for IMAGES images, in the file's own order */
    double largest;
    double projections[IMAGES][PROJECTIONS];
    char line[MAX_LINE];
};

struct network {
    const char *name;
    void *file;
    struct tp_model *model;
};

/* make_goldens.py's unit(salt, n)[i] */
static double unit(uint64_t salt, uint64_t i)
{
    uint64_t h = ((i + salt * 1000003) * 2654435761u) & 0xFFFFFFFF;
    h ^= h >> 15;
    h = (h * 2246822519u) & 0xFFFFFFFF;
    h ^= h >> 13;
    return (double)h / 2147483648.0 - 1;
}

/* ---- files ----------------------------------------------------------------------------------- */

static FILE *open_file(const char *name, const char *suffix)
{
    char path[256];
    snprintf(path, sizeof path, "tests/data/onnx/%s%s", name, suffix);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s: cannot be opened; run from the project's root", path);
    return f;
}

static void open_network(struct network *n, const char *name)
{
    const struct tp_limits limits = tp_limits_default();
    struct tp_onnx_files files = { 0 };
    struct tp_net *net;
    struct tp_err err = { 0 };
    FILE *f = open_file(name, ".onnx");
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    const size_t n_bytes = (size_t)ftell(f);
    rewind(f);
    *n = (struct network){ .name = name, .file = guarded(n_bytes) };
    assert_int_equal(fread(n->file, 1, n_bytes, f), n_bytes);
    fclose(f);
    if (!tp_onnx_parse(&net, n->file, n_bytes, name, -1, &files, &limits, &err) ||
        !tp_model_new_net(&n->model, net, &limits, &err)) fail_msg("%s: %s", name, err.message);
    tp_onnx_close(&files);
    guarded_free(n->file);           /* a model keeps nothing of its file */
}

static struct tp_shape read_shape(char *text)
{
    struct tp_shape s = { 0 };
    for (char *t = strtok(text, " "); t; t = strtok(NULL, " ")) {
        assert_true(s.rank < TP_MAX_RANK);
        s.dim[s.rank++] = atoll(t);
    }
    return s;
}

static void read_golden(struct golden *g)
{
    char *part[4], *at = g->line + strlen("value ");
    for (int i = 0; i < 4; i++) {
        part[i] = at;
        char *bar = strstr(at, " | ");
        if (!bar) continue;
        *bar = 0;
        at = bar + 3;
    }
    g->n_names = 0;
    g->shape = read_shape(part[1]);
    g->largest = strtod(part[2], NULL);
    assert_int_equal(g->shape.dim[0], IMAGES);
    for (int i = 0; i < IMAGES * PROJECTIONS; i++) {
        g->projections[i / PROJECTIONS][i % PROJECTIONS] = strtod(part[3], &part[3]);
        part[3] += strspn(part[3], " ;");
    }
    for (char *t = strtok(part[0], " "); t; t = strtok(NULL, " ")) {
        assert_true(g->n_names < MAX_NAMES);
        g->names[g->n_names++] = t;
    }
}

/* The lines behind an "input" line up to the next one, whose text is left in `line`. */
static int read_run(FILE *f, struct golden *goldens, char *line)
{
    int n = 0;
    while (fgets(line, MAX_LINE, f) && !strncmp(line, "value ", 6)) {
        assert_true(n < MAX_VALUES);
        strcpy(goldens[n].line, line);
        read_golden(&goldens[n++]);
        *line = 0;
    }
    return n;
}

/* ---- running --------------------------------------------------------------------------------- */

/* The input of `images` images: unit(0, i) in the file's order, here channels last. */
static float *make_input(const struct tp_shape *file_order, int64_t images, struct tp_shape *shape)
{
    const int64_t c = file_order->dim[1], h = file_order->dim[2], w = file_order->dim[3];
    float *x = guarded((size_t)(images * c * h * w) * sizeof *x);
    for (int64_t n = 0; n < images; n++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < h * w; p++)
                x[(n * h * w + p) * c + k] = (float)unit(0, (uint64_t)((n * c + k) * h * w + p));
    *shape = TP_SHAPE4(images, h, w, c);
    return x;
}

static void check_value(const char *network, const char *name, const struct golden *g,
                        int64_t images, const struct tp_shape *shape, const float *got)
{
    struct tp_shape want = g->shape;
    want.dim[0] = images;
    if (!tp_shape_equal(shape, &want))
        fail_msg("%s: %s is %s, expected %s", network, name, TP_SHAPE(shape), TP_SHAPE(&want));
    const int64_t n = tp_shape_span(shape, 1, shape->rank);
    const double tolerance = 1e-5 * g->largest * sqrt((double)n) + 1e-9;
    for (int64_t image = 0; image < images; image++) {
        for (int k = 0; k < PROJECTIONS; k++) {
            double sum = 0;
            for (int64_t i = 0; i < n; i++)
                sum += (double)got[image * n + i] * unit((uint64_t)k + 1, (uint64_t)i);
            if (!(fabs(sum - g->projections[image][k]) <= tolerance))
                fail_msg("%s, %lld images: %s %s, projection %d of image %lld is %.8g, "
                         "expected %.8g within %.1g", network, (long long)images, name,
                         TP_SHAPE(shape), k, (long long)image, sum, g->projections[image][k],
                         tolerance);
        }
    }
}

/* Runs one plan over taps[i].layer and holds output i against goldens[i]. */
static void run_taps(const struct network *net, const struct tp_shape *input, int64_t images,
                     const struct tp_tap *taps, const struct golden *const *goldens, int n)
{
    const struct tp_limits limits = tp_limits_default();
    struct tp_plan *plan;
    struct tp_shape shape;
    struct tp_err err = { 0 };
    float *outputs[MAX_VALUES];
    float *x = make_input(input, images, &shape);
    if (!tp_plan_new(&plan, net->model, &shape, taps, n, &limits, &err))
        fail_msg("%s: %s: %s", net->name, n == 1 ? taps->layer : "all layers", err.message);
    void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 64) / 64 * 64);
    assert_non_null(workspace);
    for (int i = 0; i < n; i++) {
        struct tp_shape s = tp_plan_output_shape(plan, i);
        outputs[i] = guarded((size_t)tp_shape_elements(&s) * sizeof(float));
    }
    tp_plan_run(plan, x, outputs, workspace, 2);
    for (int i = 0; i < n; i++) {
        struct tp_shape s = tp_plan_output_shape(plan, i);
        check_value(net->name, taps[i].layer, goldens[i], images, &s, outputs[i]);
        guarded_free(outputs[i]);
    }
    free(workspace);
    tp_plan_free(plan);
    guarded_free(x);
}

static void check_run(const struct network *net, const struct tp_shape *input,
                      const struct golden *goldens, int n)
{
    struct tp_tap all[MAX_VALUES] = { 0 };
    const struct golden *those[MAX_VALUES];
    for (int i = 0; i < n; i++) {
        those[i] = &goldens[i];
        for (int k = 0; k < goldens[i].n_names; k++) {
            all[i] = (struct tp_tap){ .layer = goldens[i].names[k], .channels_first = true };
            run_taps(net, input, k ? 1 : 3, &all[i], &those[i], 1);
        }
    }
    run_taps(net, input, 1, all, those, n);
    run_taps(net, input, 3, all, those, n);
}

static void check_network(const char *name)
{
    struct network net;
    char line[MAX_LINE] = "";
    struct golden *goldens = malloc(MAX_VALUES * sizeof *goldens);
    FILE *f = open_file(name, ".txt");
    assert_non_null(goldens);
    open_network(&net, name);
    assert_non_null(fgets(line, sizeof line, f));
    while (!strncmp(line, "input ", 6)) {
        struct tp_shape input = read_shape(line + 6);
        int n = read_run(f, goldens, line);
        assert_true(n > 0);
        check_run(&net, &input, goldens, n);
    }
    fclose(f);
    free(goldens);
    tp_model_free(net.model);
}

#define NETWORK(name) \
    static void name(void **state) \
    { \
        (void)state; \
        check_network(#name); \
    }

NETWORK(residual)
NETWORK(residual_norms)
NETWORK(dense)
NETWORK(squeeze)
NETWORK(squeeze_hard)
NETWORK(squeeze_hard_norms)
NETWORK(shuffle)
NETWORK(shuffle_any_size)
NETWORK(branches)
NETWORK(segment)
NETWORK(next)
NETWORK(next_old)
NETWORK(attention)
NETWORK(by_hand)

static int start(void **state)
{
    struct tp_err err = { 0 };
    (void)state;
    return tp_init(&err) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residual), cmocka_unit_test(residual_norms), cmocka_unit_test(dense),
        cmocka_unit_test(squeeze), cmocka_unit_test(squeeze_hard),
        cmocka_unit_test(squeeze_hard_norms), cmocka_unit_test(shuffle),
        cmocka_unit_test(shuffle_any_size), cmocka_unit_test(branches), cmocka_unit_test(segment),
        cmocka_unit_test(next), cmocka_unit_test(next_old), cmocka_unit_test(attention),
        cmocka_unit_test(by_hand),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
