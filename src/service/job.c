/* job.c - a request's work: bytes in, an answer's bytes out. */
#include "service/job.h"

#include <string.h>
#include <time.h>

#include "base/pages.h"
#include "formats/pipeline.h"
#include "formats/request.h"

enum {
    SEAT_KEPT_BYTES = 64 << 20,      /* a larger workspace is given back after the job */
    TINY_BODY_BYTES = 16 << 10,
    TINY_MACS = 1 << 18,             /* some 10 us on one thread */
};

double tp_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void tp_seat_fini(struct tp_seat *seat)
{
    tp_pages_free(seat->memory, seat->n_bytes);
    *seat = (struct tp_seat){ 0 };
}

static bool seat_reserve(struct tp_seat *seat, size_t n_bytes, struct tp_err *err)
{
    if (n_bytes <= seat->n_bytes) return true;
    tp_seat_fini(seat);
    seat->memory = tp_pages_alloc(n_bytes);
    if (!seat->memory) return tp_fail(err, TP_NO_MEMORY, "out of memory: %zu MiB", n_bytes >> 20);
    seat->n_bytes = n_bytes;
    return true;
}

/* What one request may hold besides its body, its workspace and its answer: decoded pixels, their
 * resized copies and the tensor made of them. */
static size_t arena_limit(const struct tp_limits *l)
{
    return 8 * (size_t)l->max_pixels + 2 * sizeof(float) * (size_t)l->max_elements;
}

void tp_job_init(struct tp_job *job, const struct tp_limits *limits)
{
    *job = (struct tp_job){ .limits = limits, .body.limit_bytes = limits->max_body_bytes };
    tp_arena_init(&job->arena, arena_limit(limits));
}

void tp_job_fini(struct tp_job *job)
{
    tp_buf_fini(&job->body);
    tp_buf_fini(&job->reply);
    tp_arena_fini(&job->arena);
}

/* ---- the work -------------------------------------------------------------------------------- */

struct work {                        /* what the steps hand to each other */
    struct tp_job *job;
    struct tp_err *err;
    struct tp_request request;
    const struct tp_model *model;
    struct tp_model *own_model;      /* of an inline pipeline */
    struct tp_ask ask;
    struct tp_tensor input;
    struct tp_answer_input *infos;   /* one per source */
    struct tp_kept_plan *kept;
    struct tp_plan *own_plan;
    const struct tp_plan *plan;
    float **outputs;                 /* in the seat */
};

/* The model that "runs" when only the prepared input is wanted: one layer that hands it on. */
static bool open_identity(struct work *w, const struct tp_shape *input)
{
    struct tp_graph *g;
    const int zero = 0;
    const struct tp_node node = {
        .name = "input", .type = "Input", .op = &tp_op_identity, .n_inputs = 1, .inputs = &zero,
    };
    if (!tp_graph_new(&g, tp_model_name(w->model), input, w->err)) return false;
    if (!tp_graph_add(g, &node, NULL, w->err) || !tp_graph_finish(g, tp_kernels_get(), w->err)) {
        tp_graph_free(g);
        return false;
    }
    const struct tp_preprocess preprocess = w->model->preprocess;
    if (!tp_model_new(&w->own_model, g, w->err)) return false;
    w->own_model->preprocess = preprocess;
    w->model = w->own_model;
    return true;
}

static bool open_pipeline(struct work *w)
{
    struct tp_graph *g;
    if (!tp_pipeline_read(&g, w->request.pipeline_doc, w->request.pipeline, "pipeline", NULL,
                          w->job->limits, w->err) ||
        !tp_model_new(&w->own_model, g, w->err))
        return false;
    w->model = w->own_model;
    return true;
}

static bool open_model(struct work *w)
{
    struct tp_job *job = w->job;
    const struct tp_options *o = &job->options;
    if (job->kind == TP_JOB_RUN) return open_pipeline(w);
    w->model = job->served->model;
    if (job->kind == TP_JOB_FEATURES) return true;
    if (o->layers || o->pool || o->window || w->request.n_outputs)
        return tp_fail(w->err, TP_INVALID_ARGUMENT,
                       "preprocess answers the model's input; layers and "
                       "pooling belong to .../features");
    const struct tp_shape input = w->model->graph->shapes[0];
    return open_identity(w, &input);
}

static bool decode_source(struct work *w, int i, struct tp_tensor *t)
{
    struct tp_job *job = w->job;
    const struct tp_source *s = &w->request.sources[i];
    const struct tp_preprocess *p = &w->model->preprocess;
    struct tp_answer_input *info = &w->infos[i];
    int size[2] = { s->image.width, s->image.height };
    switch (s->kind) {
    case TP_SOURCE_FILE:
        if (!tp_preprocess_image(p, t, s->bytes, s->n_bytes, job->limits, job->n_threads, size,
                                 &job->arena, w->err)) return false;
        break;
    case TP_SOURCE_PIXELS:
        if (!tp_preprocess_pixels(p, t, &s->image, job->limits, job->n_threads, &job->arena,
                                  w->err))
            return false;
        break;
    case TP_SOURCE_TENSOR:
        t->data = s->tensor.data;
        if (!tp_request_fit(&s->tensor.shape, &w->model->graph->shapes[0], &t->shape, w->err))
            return false;
        if (t->shape.rank == 4) {
            size[0] = (int)t->shape.dim[2];
            size[1] = (int)t->shape.dim[1];
        }
        break;
    }
    *info = (struct tp_answer_input){ size[0], size[1], t->shape.dim[t->shape.rank - 1] };
    return true;
}

/* Puts the sources' tensors behind each other along the batch axis. */
static bool join(struct work *w, const struct tp_tensor *parts, int n)
{
    struct tp_shape s = parts[0].shape;
    for (int i = 1; i < n; i++) {
        struct tp_shape other = parts[i].shape;
        other.dim[0] = parts[0].shape.dim[0];
        if (!tp_shape_equal(&other, &parts[0].shape))
            return tp_fail(w->err, TP_INVALID_SHAPE,
                           "input %d has shape %s and input 0 has %s; the "
                           "inputs of one batch must have one size (see the model's preprocessing)",
                           i, TP_SHAPE(&parts[i].shape), TP_SHAPE(&parts[0].shape));
        s.dim[0] += parts[i].shape.dim[0];
    }
    if (!tp_shape_check(&s, w->job->limits->max_elements, "batch", w->err)) return false;
    w->input = (struct tp_tensor){ s, tp_arena_floats(&w->job->arena, tp_shape_elements(&s)) };
    if (!w->input.data) return tp_arena_fail(&w->job->arena, w->err);
    float *to = w->input.data;
    for (int i = 0; i < n; i++) {
        int64_t elements = tp_shape_elements(&parts[i].shape);
        memcpy(to, parts[i].data, (size_t)elements * sizeof *to);
        to += elements;
    }
    return true;
}

static bool decode(struct work *w)
{
    struct tp_job *job = w->job;
    if (!tp_request_read(&w->request, job->content_type, job->body.data, job->body.n_bytes,
                         job->kind == TP_JOB_RUN, job->limits, &job->arena, w->err) ||
        !open_model(w))
        return false;
    int n = w->request.n_sources;
    struct tp_tensor *parts = tp_arena_zalloc(&job->arena, (size_t)n, sizeof *parts);
    w->infos = tp_arena_zalloc(&job->arena, (size_t)n, sizeof *w->infos);
    if (!parts || !w->infos) return tp_arena_fail(&job->arena, w->err);
    for (int i = 0; i < n; i++)
        if (!decode_source(w, i, &parts[i])) {
            if (n > 1) tp_fail_in(w->err, "input %d", i);
            return false;
        }
    if (n > 1) return join(w, parts, n);
    w->input = parts[0];
    return true;
}

static bool plan(struct work *w)
{
    struct tp_job *job = w->job;
    const struct tp_request *rq = &w->request;
    const struct tp_graph *g = w->model->graph;
    bool asked = rq->n_outputs
                     ? tp_options_ask_each(&job->options, rq->outputs, rq->names, rq->n_outputs, g,
                                           &w->ask, &job->arena, w->err)
                     : tp_options_ask(&job->options, g, &w->ask, &job->arena, w->err);
    if (!asked) return false;
    if (w->own_model) {
        if (!tp_plan_make(&w->own_plan, g, &w->input.shape, w->ask.taps, w->ask.n_taps, job->limits,
                          w->err)) return false;
        w->plan = w->own_plan;
        return true;
    }
    w->kept = tp_plans_get(&job->served->plans, g, &w->input.shape, &w->ask, job->limits, w->err);
    if (w->kept) w->plan = tp_kept_plan(w->kept);
    return w->kept != NULL;
}

/* Lays the outputs behind the workspace in the seat. */
static bool reserve(struct work *w, struct tp_seat *seat)
{
    size_t at = (tp_plan_workspace_bytes(w->plan) + 63) / 64 * 64, n_bytes = at;
    int n = tp_plan_n_outputs(w->plan);
    w->outputs = tp_arena_zalloc(&w->job->arena, (size_t)n, sizeof *w->outputs);
    if (!w->outputs) return tp_arena_fail(&w->job->arena, w->err);
    n_bytes += tp_plan_output_bytes(w->plan) + 64 * (size_t)n;
    if (!seat_reserve(seat, n_bytes, w->err)) return false;
    for (int i = 0; i < n; i++) {
        struct tp_shape s = tp_plan_output_shape(w->plan, i);
        w->outputs[i] = (float *)(void *)((char *)seat->memory + at);
        at += ((size_t)tp_shape_elements(&s) * sizeof(float) + 63) / 64 * 64;
    }
    return true;
}

static bool encode(struct work *w, double start_ms)
{
    struct tp_job *job = w->job;
    int n = tp_plan_n_outputs(w->plan);
    struct tp_answer_output *outputs = tp_arena_zalloc(&job->arena, (size_t)n, sizeof *outputs);
    if (!outputs) return tp_arena_fail(&job->arena, w->err);
    for (int i = 0; i < n; i++)
        outputs[i] = (struct tp_answer_output){
            .name = tp_plan_output_name(w->plan, i),
            .tensor = { tp_plan_output_shape(w->plan, i), w->outputs[i] },
            .channels_first = w->ask.taps[i].channels_first,
        };
    const struct tp_answer a = {
        .model = tp_model_name(w->model), .outputs = outputs, .n_outputs = n,
        .inputs = w->infos, .n_inputs = w->request.n_sources,
        .nested = w->ask.nested, .digits = w->ask.digits,
    };
    tp_answer_begin(&job->reply, &a);
    job->timing.encode = tp_clock_ms() - start_ms;
    tp_answer_end(&job->reply, &job->timing);
    return tp_buf_ok(&job->reply, "the answer", w->err);
}

static bool work_steps(struct work *w, struct tp_seat *seat)
{
    struct tp_timing *t = &w->job->timing;
    double start = tp_clock_ms();
    if (!decode(w)) return false;
    double decoded = tp_clock_ms();
    t->decode = decoded - start;
    if (!plan(w) || !reserve(w, seat)) return false;
    tp_plan_run(w->plan, w->input.data, w->outputs, seat->memory, w->job->n_threads);
    double done = tp_clock_ms();
    t->infer = done - decoded;
    return encode(w, done);
}

bool tp_job_run(struct tp_job *job, struct tp_seat *seat)
{
    struct work w = { .job = job, .err = &job->err };
    if (job->submitted_ms > 0) job->timing.queue = tp_clock_ms() - job->submitted_ms;
    bool ok = work_steps(&w, seat);
    if (w.kept) tp_plans_put(&job->served->plans, w.kept);
    tp_plan_free(w.own_plan);
    tp_model_free(w.own_model);
    tp_request_fini(&w.request);
    tp_arena_fini(&job->arena);
    tp_buf_fini(&job->body);
    if (seat->n_bytes > SEAT_KEPT_BYTES) tp_seat_fini(seat);
    return ok;
}

/* A body whose first key is "tensor". One that may hold an image is not tiny: a few KiB of PNG can
 * be millions of pixels. (An "image" behind a tensor is refused undecoded.) */
static bool begins_with_tensor(const struct tp_buf *body)
{
    static const char head[] = "{\"tensor\"";
    size_t n = 0;
    for (size_t i = 0; i < body->n_bytes && n < sizeof head - 1; i++) {
        if (body->data[i] == head[n]) n++;
        else if (!strchr(" \t\r\n", body->data[i]) || !body->data[i] || n > 1) return false;
    }
    return n == sizeof head - 1;
}

bool tp_job_is_tiny(const struct tp_job *job)
{
    if (job->kind != TP_JOB_FEATURES || job->body.n_bytes > TINY_BODY_BYTES ||
        !begins_with_tensor(&job->body)) return false;
    int64_t macs = tp_model_macs(job->served->model);
    return macs >= 0 && macs <= TINY_MACS;
}
