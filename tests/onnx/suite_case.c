/* suite_case.c - one of ONNX's own tests, from its files to a verdict.
 * Tolerances are the suite's own: onnx/backend/test/loader (rtol 1e-3, atol 1e-7). */
#include "suite_case.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/model.h"
#include "formats/onnx.h"

static const double relative = 1e-3, absolute = 1e-7;

/* One data set's tensors. */
struct data_set {
    struct tp_net_tensor inputs[SCAN_VALUES], outputs[SCAN_VALUES];
};

struct test {
    const struct scan *scan;
    const void *model;
    size_t model_bytes;
    struct tp_arena arena;           /* of everything below */
    struct data_set *set;
};

enum turn { TURN_RIGHT, TURN_REFUSED, TURN_WRONG };

enum { NOTHING = -1 };               /* no input is fed: all are bound */

static void say(struct suite_result *out, const char *fmt, ...) TP_PRINTF(2, 3);

static void say(struct suite_result *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(out->why, sizeof out->why, fmt, args);
    va_end(args);
}

void *suite_read(const char *folder, const char *name, size_t *n_bytes)
{
    char path[1024];
    void *bytes = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    if (fseek(f, 0, SEEK_END)) goto out;
    long end = ftell(f);
    if (end < 0 || fseek(f, 0, SEEK_SET)) goto out;
    *n_bytes = (size_t)end;
    bytes = malloc(*n_bytes + 1);
    if (bytes && fread(bytes, 1, *n_bytes, f) != *n_bytes) {
        free(bytes);
        bytes = NULL;
    }
out:
    fclose(f);
    return bytes;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool is_whole(enum tp_onnx_type type)
{
    return type != TP_ONNX_FLOAT && type != TP_ONNX_FLOAT16 && type != TP_ONNX_DOUBLE;
}

/* Whole numbers are exact as far as floats can tell them apart; doubles beyond floats are infinite:
 * all values are floats while a network runs. */
static bool is_near(double got, double want, bool whole)
{
    if (isnan(want)) return isnan(got);
    if (isinf((float)want)) return got == (double)(float)want;
    if (whole && fabs(want) <= 1 << 24) return got == want;
    return fabs(got - want) <= absolute + relative * fabs(want);
}

static bool compare(struct suite_result *out, const char *name, const struct tp_shape *shape,
                    const float *got, const struct tp_net_tensor *want)
{
    if (!tp_shape_equal(shape, &want->shape)) {
        say(out, "%s: shape %s, expected %s", name, TP_SHAPE(shape), TP_SHAPE(&want->shape));
        return false;
    }
    for (int64_t i = 0; i < want->n_elements; i++) {
        double w = tp_net_element(want, i);
        if (is_near((double)got[i], w, is_whole(want->type))) continue;
        say(out, "%s%s: element %lld is %.9g, expected %.9g", name, TP_SHAPE(shape), (long long)i,
            (double)got[i], w);
        return false;
    }
    return true;
}

/* ---- one turn -------------------------------------------------------------------------------- */

/* A map as the library takes it: [n, c, h, w] becomes [n, h, w, c]. */
static void to_channels_last(float *out, const float *in, struct tp_shape *shape)
{
    const int64_t n = shape->dim[0], c = shape->dim[1], h = shape->dim[2], w = shape->dim[3];
    for (int64_t b = 0; b < n; b++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < h * w; p++)
                out[(b * h * w + p) * c + k] = in[(b * c + k) * h * w + p];
    *shape = TP_SHAPE4(n, h, w, c);
}

static float *make_input(struct test *t, const struct tp_model *model, int fed,
                         struct tp_shape *shape)
{
    if (fed == NOTHING) {
        *shape = TP_SHAPE2(1, 1);    /* what a model without an input takes in its place */
        return tp_arena_zalloc(&t->arena, 1, sizeof(float));
    }
    const struct tp_net_tensor *x = &t->set->inputs[fed];
    float *plain = tp_arena_floats(&t->arena, x->n_elements + 1);
    float *turned = tp_arena_floats(&t->arena, x->n_elements + 1);
    *shape = x->shape;
    if (!plain || !turned) return NULL;
    tp_net_floats(x, plain);
    if (!model->channels_first || shape->rank != 4) return plain;
    to_channels_last(turned, plain, shape);
    return turned;
}

static enum turn run_plan(struct suite_result *out, struct test *t, const struct tp_plan *plan,
                          const float *input)
{
    float *outputs[SCAN_VALUES];
    const int n = tp_plan_n_outputs(plan);
    void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 64) / 64 * 64);
    enum turn turn = TURN_WRONG;
    if (n != t->scan->n_outputs) {
        say(out, "%d outputs, expected %d", n, t->scan->n_outputs);
        goto out;
    }
    for (int i = 0; i < n; i++) {
        struct tp_shape s = tp_plan_output_shape(plan, i);
        outputs[i] = tp_arena_floats(&t->arena, tp_shape_elements(&s));
        if (!outputs[i]) goto out;
    }
    if (!workspace) goto out;
    tp_plan_run(plan, input, outputs, workspace, 1);
    turn = TURN_RIGHT;
    for (int i = 0; i < n && turn == TURN_RIGHT; i++) {
        struct tp_shape s = tp_plan_output_shape(plan, i);
        if (!compare(out, t->scan->outputs[i].name, &s, outputs[i], &t->set->outputs[i]))
            turn = TURN_WRONG;
    }
out:
    free(workspace);
    return turn;
}

static bool make_plan(struct tp_plan **out, const struct tp_model *model, const struct scan *scan,
                      const struct tp_shape *shape, const struct tp_limits *limits,
                      struct tp_err *err)
{
    struct tp_tap taps[SCAN_VALUES] = { 0 };
    for (int i = 0; i < scan->n_outputs; i++)
        taps[i] = (struct tp_tap){ .layer = scan->outputs[i].name, .channels_first = true };
    return tp_plan_new(out, model, shape, taps, scan->n_outputs, limits, err);
}

/* Everything with input `fed` fed and the others bound. A refusal's or error's text is in `out`. */
static enum turn take_turn(struct suite_result *out, struct test *t, int fed)
{
    const struct tp_limits limits = tp_limits_default();
    struct tp_onnx_binding bindings[SCAN_VALUES];
    struct tp_net *net = NULL;
    struct tp_model *model = NULL;
    struct tp_plan *plan = NULL;
    struct tp_shape shape;
    struct tp_err err = { 0 };
    enum turn turn = TURN_REFUSED;
    int n = 0;
    for (int i = 0; i < t->scan->n_inputs; i++)
        if (i != fed && t->scan->inputs[i].is_tensor)
            bindings[n++] =
                (struct tp_onnx_binding){ t->scan->inputs[i].name, t->set->inputs[i] };

    if (!tp_onnx_parse_bound(&net, t->model, t->model_bytes, "test", bindings, n, &limits, &err))
        goto out;
    if (!tp_model_new_net(&model, net, &limits, &err)) goto out;
    const float *input = make_input(t, model, fed, &shape);
    if (!input || !make_plan(&plan, model, t->scan, &shape, &limits, &err)) goto out;
    turn = run_plan(out, t, plan, input);
out:
    if (turn == TURN_REFUSED) say(out, "%s", err.message);
    tp_plan_free(plan);
    tp_model_free(model);
    return turn;
}

/* ---- one test -------------------------------------------------------------------------------- */

static bool read_tensors(struct suite_result *out, struct test *t, const char *folder, int set,
                         const char *kind, const struct scan_value *values, int n,
                         struct tp_net_tensor *tensors)
{
    for (int i = 0; i < n; i++) {
        char name[64];
        const char *ignored;
        size_t n_bytes = 0;
        struct tp_err err = { 0 };
        if (!values[i].is_tensor) continue;
        snprintf(name, sizeof name, "test_data_set_%d/%s_%d.pb", set, kind, i);
        void *bytes = suite_read(folder, name, &n_bytes);
        bool ok = bytes && tp_onnx_parse_tensor(&tensors[i], &ignored, bytes, n_bytes, &t->arena,
                                                &err);
        free(bytes);
        /* NumPy has no bfloat16: such data call themselves uint16. */
        if (values[i].type) tensors[i].type = (enum tp_onnx_type)values[i].type;
        if (ok) continue;
        out->verdict = SUITE_REFUSED;
        say(out, "%s: %s", name, bytes ? err.message : "cannot be read");
        return false;
    }
    return true;
}

static bool all_tensors(const struct scan *s)
{
    bool all = true;
    for (int i = 0; i < s->n_inputs; i++) all = all && s->inputs[i].is_tensor;
    for (int i = 0; i < s->n_outputs; i++) all = all && s->outputs[i].is_tensor;
    return all;
}

/* Whether the inputs are numbers, and so can be bound. */
static bool all_numbers(const struct test *t)
{
    bool all = true;
    for (int i = 0; i < t->scan->n_inputs; i++)
        all = all && tp_onnx_type_bytes(t->set->inputs[i].type);
    return all;
}

static void judge(struct suite_result *out, struct test *t)
{
    const int first = t->scan->n_inputs ? 0 : NOTHING;
    struct suite_result other = { 0 };
    enum turn turn = take_turn(out, t, first);
    if (turn == TURN_REFUSED && first != NOTHING && all_numbers(t)) {
        turn = take_turn(&other, t, NOTHING);
        out->all_bound = turn == TURN_RIGHT;
        memcpy(out->why, other.why, sizeof out->why);    /* no longer about the first's values */
    } else if (turn == TURN_RIGHT) {
        out->n_fed = 1;
    }
    for (int i = 1; i < t->scan->n_inputs && turn != TURN_WRONG; i++) {
        if (is_whole(t->set->inputs[i].type)) continue;
        enum turn later = take_turn(&other, t, i);
        if (later == TURN_RIGHT) out->n_fed++;
        if (later != TURN_WRONG) continue;
        snprintf(out->why, sizeof out->why, "fed %s: %.500s", t->scan->inputs[i].name, other.why);
        turn = TURN_WRONG;
    }
    out->verdict = turn == TURN_RIGHT ? SUITE_PASSED
                 : turn == TURN_REFUSED ? SUITE_REFUSED : SUITE_FAILED;
}

static bool has_set(const char *folder, int set)
{
    char name[64];
    size_t n_bytes;
    snprintf(name, sizeof name, "test_data_set_%d/output_0.pb", set);
    void *bytes = suite_read(folder, name, &n_bytes);
    free(bytes);
    return bytes;
}

static void run_set(struct suite_result *out, struct test *t, const char *folder, int set)
{
    struct data_set data = { 0 };
    const struct scan *s = t->scan;
    t->set = &data;
    if (!read_tensors(out, t, folder, set, "input", s->inputs, s->n_inputs, data.inputs) ||
        !read_tensors(out, t, folder, set, "output", s->outputs, s->n_outputs, data.outputs))
        return;
    out->empty = s->n_inputs && s->inputs[0].is_tensor && !data.inputs[0].n_elements;
    for (int i = 0; i < s->n_outputs; i++)
        out->empty |= s->outputs[i].is_tensor && !data.outputs[i].n_elements;
    if (all_tensors(s)) {
        judge(out, t);
        return;
    }
    /* What is no tensor cannot be compared: such a model is to be refused. */
    out->verdict = take_turn(out, t, NOTHING) == TURN_REFUSED ? SUITE_REFUSED : SUITE_FAILED;
    if (out->verdict == SUITE_FAILED) say(out, "accepted, with a value that is no tensor");
}

void suite_case_run(struct suite_result *out, const char *folder, const struct scan *scan)
{
    struct test t = { .scan = scan };
    memset(out, 0, sizeof *out);             /* padding too: it goes through a pipe */
    out->verdict = SUITE_PASSED;
    tp_arena_init(&t.arena, (size_t)1 << 30);
    void *model = suite_read(folder, "model.onnx", &t.model_bytes);
    t.model = model;
    for (int set = 0; out->verdict == SUITE_PASSED && (!set || has_set(folder, set)); set++)
        run_set(out, &t, folder, set);
    tp_arena_fini(&t.arena);
    free(model);
}
