/* onnx_model.h - for tests of models made of ONNX files: built from onnx_of.h's words, and
 * asked. */
#ifndef ONNX_MODEL_H
#define ONNX_MODEL_H

#include "onnx_of.h"

#include "formats/model.h"

/* The model of the file; the file's bytes are gone when it is returned, as in the service. */
static inline bool model_try(struct onnx_of *m, struct tp_model **out, struct tp_err *err)
{
    struct tp_net *net;
    *out = NULL;
    bool ok = onnx_try(m, &net, err) && tp_model_new_net(out, net, &onnx_limits, err);
    onnx_fini(m);
    *m = (struct onnx_of){ 0 };
    return ok;
}

static inline struct tp_model *model_of(struct onnx_of *m)
{
    struct tp_model *model;
    struct tp_err err = { 0 };
    if (!model_try(m, &model, &err)) fail_msg("%s", err.message);
    return model;
}

static inline void check_model_refused(struct onnx_of *m, const char *part)
{
    struct tp_model *model;
    struct tp_err err = { 0 };
    assert_false(model_try(m, &model, &err));
    if (!strstr(err.message, part)) fail_msg("expected '%s' in: %s", part, err.message);
}

struct told {                        /* an answer */
    struct tp_shape shape;
    float *data;
    int n_steps;
};

static inline struct tp_shape last_to_first(const struct tp_shape *s)
{
    if (s->rank != 4) return *s;
    return TP_SHAPE4(s->dim[0], s->dim[3], s->dim[1], s->dim[2]);
}

/* Asks for one layer in the file's own order, feeding `in`, which is of shape *shape in that order
 * too. The data are malloc()ed. */
static inline bool ask_try(const struct tp_model *m, const char *layer,
                           const struct tp_shape *shape, const float *in, struct told *out,
                           struct tp_err *err)
{
    const struct tp_tap tap = { .layer = layer, .channels_first = true };
    struct tp_shape fed = *shape;
    struct tp_plan *plan;
    const int64_t n = tp_shape_elements(shape);
    float *turned = malloc((size_t)n * sizeof *turned);
    memcpy(turned, in, (size_t)n * sizeof *turned);
    if (shape->rank == 4) {
        const int64_t *d = shape->dim;
        fed = TP_SHAPE4(d[0], d[2], d[3], d[1]);
        for (int64_t i = 0; i < n; i++) {
            const int64_t pixel = i % (d[2] * d[3]), c = i / (d[2] * d[3]) % d[1];
            turned[(i / (d[1] * d[2] * d[3]) * d[2] * d[3] + pixel) * d[1] + c] = in[i];
        }
    }
    bool ok = tp_plan_new(&plan, m, &fed, &tap, 1, &onnx_limits, err);
    if (ok) {
        void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 127) / 64 * 64);
        out->shape = tp_plan_output_shape(plan, 0);
        out->data = malloc((size_t)tp_shape_elements(&out->shape) * sizeof(float));
        out->n_steps = tp_plan_n_steps(plan);
        tp_plan_run(plan, turned, &out->data, workspace, 2);
        free(workspace);
        tp_plan_free(plan);
    }
    free(turned);
    return ok;
}

/* The layer's value must be of this shape and hold these numbers. */
static inline int check_asked(const struct tp_model *m, const char *layer,
                              const struct tp_shape *shape, const float *in,
                              const struct tp_shape *out, const double *want)
{
    struct told told;
    struct tp_err err = { 0 };
    if (!ask_try(m, layer, shape, in, &told, &err)) fail_msg("%s", err.message);
    assert_string_equal(TP_SHAPE(&told.shape), TP_SHAPE(out));
    check_near(layer, told.data, want, tp_shape_elements(out), 1e-6);
    free(told.data);
    return told.n_steps;
}

#define SHAPE(...) (&(struct tp_shape){ (int)(sizeof (const int64_t[]){ __VA_ARGS__ } / 8), \
                                        { __VA_ARGS__ } })

#endif
