/* job.c - a request's work: bytes in, an answer's bytes out. */
#include "service/job.h"

#include <string.h>

#include "base/pages.h"
#include "formats/deflate.h"
#include "formats/form.h"
#include "formats/negotiate.h"
#include "formats/pipeline.h"

enum {
    TINY_BODY_BYTES = 16 << 10,
    SEAT_KEPT_BYTES = 64 << 20,      /* a larger workspace is given back after the job */
    PIPELINE_COPIES = 6,             /* of an inline pipeline's weights, packed and transformed */
    TINY_MACS = 1 << 18,             /* some 10 us on one thread */
    LOOK_MS = 2,                     /* between two questions whether a job is wanted: 1 us each */
};

/* ---- memory ---------------------------------------------------------------------------------- */

void tp_seat_fini(struct tp_seat *seat)
{
    tp_pages_free(seat->memory, seat->n_bytes);
    tp_budget_give(seat->budget, seat->n_bytes);
    seat->memory = NULL;
    seat->n_bytes = 0;
}

/* What it grows by is the job's share until it stands, then the seat's own. */
static bool seat_reserve(struct tp_seat *seat, size_t n_bytes, struct tp_share *share,
                         struct tp_err *err)
{
    if (n_bytes <= seat->n_bytes) return true;
    tp_seat_fini(seat);
    if (seat->budget && !tp_share_use(share, n_bytes)) return tp_share_fail(share, err);
    seat->memory = tp_pages_alloc(n_bytes);
    if (!seat->memory) return tp_fail(err, TP_NO_MEMORY, "out of memory: %zu MiB", n_bytes >> 20);
    seat->n_bytes = n_bytes;
    if (seat->budget) tp_share_part(share, n_bytes);
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
    *job = (struct tp_job){ .limits = limits, .dialect = &tp_dialect_tidepool,
                            .body.limit_bytes = limits->max_body_bytes };
    tp_arena_init(&job->arena, arena_limit(limits));
}

void tp_job_fini(struct tp_job *job)
{
    tp_buf_fini(&job->body);
    tp_buf_fini(&job->reply);
    tp_arena_fini(&job->arena);
    tp_share_close(&job->share);
}

void tp_job_account(struct tp_job *job, struct tp_budget *budget)
{
    job->share.budget = budget;
    job->body.share = job->reply.share = job->arena.share = budget ? &job->share : NULL;
}

/* ---- the work -------------------------------------------------------------------------------- */

struct work {                        /* what the steps hand to each other */
    struct tp_job *job;
    struct tp_err *err;
    struct tp_request request;
    const struct tp_model *model;
    struct tp_model *own_model;      /* of an inline pipeline */
    struct tp_plans *plans;          /* of a served model, or NULL */
    struct tp_options options;       /* the words of the query and of the body */
    struct tp_ask ask;
    struct tp_tensor *parts;         /* one per source, like the two below */
    struct tp_preprocess_map *maps;  /* from the pixels that were sent to the input's */
    struct tp_answer_input *infos;
    struct tp_tensor input;
    struct tp_kept_plan *kept;
    const struct tp_plan *plan;
    float **outputs;                 /* in the seat */
    struct tp_answer answer;
    size_t seat_bytes;               /* what it uses of the seat */
    double look_ms;                  /* when to ask next whether this is wanted */
};

/* Whether the work is worth going on with. `where` it is: "in the queue", "in layer conv3". */
static bool goes_on(struct work *w, const char *where, const char *name)
{
    struct tp_job *job = w->job;
    const double now = tp_clock_ms();
    if (job->timeout_ms && now > job->deadline_ms)
        return tp_fail(w->err, TP_DEADLINE, "the deadline of %d ms (X-Request-Timeout-Ms, "
                       "--request-timeout) passed %s%.64s", job->timeout_ms, where, name);
    if (!job->wanted || now < w->look_ms) return true;
    w->look_ms = now + LOOK_MS;
    return job->wanted(job, w->err);
}

/* The model that "runs" when only the prepared input is wanted: one layer that hands it on. */
static bool open_identity(struct work *w)
{
    const struct tp_model *served = w->model;
    struct tp_graph *g;
    const int zero = 0;
    const struct tp_node node = {
        .name = "input", .type = "Input", .op = &tp_op_identity, .n_inputs = 1, .inputs = &zero,
    };
    if (!tp_graph_new(&g, served->name, &served->input, w->err)) return false;
    if (!tp_graph_add(g, &node, NULL, w->err) || !tp_graph_finish(g, tp_kernels_get(), w->err)) {
        tp_graph_free(g);
        return false;
    }
    if (!tp_model_new(&w->own_model, g, w->err)) return false;
    w->own_model->preprocess = served->preprocess;
    w->own_model->channels_first = served->channels_first;
    w->model = w->own_model;
    w->plans = NULL;
    return true;
}

static bool open_pipeline(struct work *w)
{
    struct tp_graph *g;
    struct tp_arena *arena = &w->job->arena;
    if (arena->share && !tp_arena_charge(arena, PIPELINE_COPIES * arena->total_bytes))
        return tp_arena_fail(arena, w->err);
    if (!tp_pipeline_read(&g, w->request.doc, w->request.pipeline, "pipeline", NULL,
                          w->job->limits, w->err) ||
        !tp_model_new(&w->own_model, g, w->err))
        return false;
    w->model = w->own_model;
    return true;
}

static bool open_model(struct work *w)
{
    struct tp_job *job = w->job;
    w->options = job->options;
    if (!tp_options_merge(&w->options, &w->request.words, w->err)) return false;
    if (job->kind == TP_JOB_RUN) return open_pipeline(w);
    w->model = job->served->model;
    w->plans = &job->served->plans;
    if (job->kind == TP_JOB_FEATURES) return true;
    const char *word = w->request.n_outputs ? "outputs" : tp_options_about_layers(&w->options);
    if (word)
        return tp_fail(w->err, TP_INVALID_ARGUMENT,
                       "%s: preprocess answers the model's input; layers and "
                       "pooling belong to .../features", word);
    return open_identity(w);
}

/* Channels last, as plans take it. The copy is the arena's. */
static bool turn(struct work *w, struct tp_tensor *t)
{
    const struct tp_node node = {
        .name = "tensor", .op = &tp_op_transpose, .attr.transpose.perm = { 0, 2, 3, 1 },
    };
    const struct tp_shape s = t->shape;
    const float *const in[] = { t->data };
    struct tp_arena *arena = &w->job->arena;
    t->shape = TP_SHAPE4(s.dim[0], s.dim[2], s.dim[3], s.dim[1]);
    if (s.dim[1] == 1 || (s.dim[2] == 1 && s.dim[3] == 1)) return true;      /* the same bytes */
    struct tp_step st = { .node = &node, .k = tp_kernels_get(), .in = &s, .out = t->shape };
    t->data = tp_arena_floats(arena, tp_shape_elements(&s));
    if (!t->data) return tp_arena_fail(arena, w->err);
    if (!tp_op_transpose.plan(&st, arena, w->err)) return false;
    tp_op_transpose.run(&st, &(struct tp_io){ .in = in, .out = t->data,
                                              .n_threads = w->job->n_threads });
    return true;
}

/* A tensor that was sent, in the model's own layout. size: its width and height, where it has such.
 */
static bool take_tensor(struct work *w, const struct tp_tensor *sent, struct tp_tensor *t,
                        int size[2])
{
    const struct tp_model *m = w->model;
    struct tp_shape wanted = m->input;
    bool first = m->channels_first && wanted.rank == 4;
    if (first)
        wanted = TP_SHAPE4(wanted.dim[0], wanted.dim[3], wanted.dim[1], wanted.dim[2]);
    t->data = sent->data;
    if (!tp_request_fit(&sent->shape, &wanted, first, &t->shape, w->err) || (first && !turn(w, t)))
        return false;
    if (t->shape.rank == 4) {
        size[0] = (int)t->shape.dim[2];
        size[1] = (int)t->shape.dim[1];
    }
    return true;
}

static bool decode_source(struct work *w, int i)
{
    struct tp_job *job = w->job;
    struct tp_tensor *t = &w->parts[i];
    const struct tp_source *s = &w->request.sources[i];
    const struct tp_preprocess *p = &w->model->preprocess;
    int size[2] = { s->image.width, s->image.height };
    w->maps[i] = (struct tp_preprocess_map){ .scale = { 1, 1 } };
    switch (s->kind) {
    case TP_SOURCE_FILE:
        if (!tp_preprocess_image(p, t, s->bytes, s->n_bytes, job->limits, job->n_threads, size,
                                 &job->arena, w->err)) return false;
        w->maps[i] = tp_preprocess_locate(p, size[0], size[1]);
        break;
    case TP_SOURCE_PIXELS:
        if (!tp_preprocess_pixels(p, t, &s->image, job->limits, job->n_threads, &job->arena,
                                  w->err))
            return false;
        w->maps[i] = tp_preprocess_locate(p, size[0], size[1]);
        break;
    case TP_SOURCE_TENSOR:
        if (!take_tensor(w, &s->tensor, t, size)) return false;
        break;
    }
    w->infos[i] = (struct tp_answer_input){
        size[0], size[1], t->shape.dim[t->shape.rank - 1],
    };
    return true;
}

/* Puts the sources' tensors behind each other along the batch axis. */
static bool join(struct work *w, int n)
{
    const struct tp_tensor *parts = w->parts;
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

/* The served model that a body names. */
static const struct tp_model *find_model(void *ctx, const char *name, struct tp_err *err)
{
    struct tp_job *job = ctx;
    job->served = tp_models_get(job->models, name, err);
    return job->served ? job->served->model : NULL;
}

static bool read_body(struct work *w)
{
    struct tp_job *job = w->job;
    struct tp_intake in = {
        .rq = &w->request, .model = job->served ? job->served->model : NULL,
        .find = job->models ? find_model : NULL, .ctx = job, .limits = job->limits,
        .n_threads = job->n_threads, .arena = &job->arena, .err = w->err,
    };
    if (!tp_inflate_body(&job->body, job->headers.content_encoding, w->err)) return false;
    const struct tp_body body = { job->body.data, job->body.n_bytes, job->headers.content_type,
                                  job->headers.json_bytes };
    return job->dialect->read(&in, &body);
}

static bool decode(struct work *w)
{
    struct tp_job *job = w->job;
    if (!read_body(w) || !open_model(w)) return false;
    int n = w->request.n_sources;
    w->parts = tp_arena_zalloc(&job->arena, (size_t)n, sizeof *w->parts);
    w->maps = tp_arena_zalloc(&job->arena, (size_t)n, sizeof *w->maps);
    w->infos = tp_arena_zalloc(&job->arena, (size_t)n, sizeof *w->infos);
    if (!w->parts || !w->maps || !w->infos) return tp_arena_fail(&job->arena, w->err);
    for (int i = 0; i < n; i++) {
        if (!goes_on(w, "while it was decoded", "")) return false;
        if (decode_source(w, i)) continue;
        if (n > 1) tp_fail_in(w->err, "input %d", i);
        return false;
    }
    if (n > 1) return join(w, n);
    w->input = w->parts[0];
    return true;
}

/* A tap's boxes, in pixels of the images that were sent, to those of the model's input: once for
 * every image. */
static bool place_boxes(struct work *w, struct tp_pooling *p)
{
    struct tp_arena *arena = &w->job->arena;
    const int64_t n = w->input.shape.dim[0];
    const int each = p->n_boxes;
    const float *from = p->boxes;
    if (__builtin_mul_overflow(n, each, &p->n_boxes))
        return tp_fail(w->err, TP_TOO_LARGE, "rois: %d boxes in each of %lld images are too many",
                       each, (long long)n);
    float *to = tp_arena_floats(arena, 4 * (int64_t)p->n_boxes);
    if (!to) return tp_arena_fail(arena, w->err);
    p->boxes = to;
    for (int s = 0; s < w->request.n_sources; s++) {
        const struct tp_preprocess_map *map = &w->maps[s];
        for (int64_t image = 0; image < w->parts[s].shape.dim[0]; image++)
            for (int i = 0; i < 4 * each; i++) {
                int axis = i & 1 ? 0 : 1;                /* x0, y0, x1, y1 */
                *to++ = (float)(from[i] * map->scale[axis] + map->shift[axis]);
            }
    }
    return true;
}

static bool place_all_boxes(struct work *w)
{
    const int64_t n = w->input.shape.dim[0];
    if (!tp_ask_has_boxes(&w->ask)) return true;
    if (w->model->one_by_one && n > 1)
        return tp_fail(w->err, TP_INVALID_ARGUMENT, "rois: model '%s' takes one image at a time; "
                       "send each of the %d images in a request of its own", w->model->name,
                       (int)n);
    for (int i = 0; i < w->ask.n_taps; i++) {
        struct tp_pooling *p = &w->ask.taps[i].pooling;
        if (p->form == TP_POOL_ROIS && !place_boxes(w, p)) return false;
    }
    return true;
}

/* The best labels are of vectors; labels of another number are not theirs. */
static bool check_top(const struct work *w)
{
    const struct tp_model *m = w->model;
    for (int i = 0; w->ask.top && i < tp_plan_n_outputs(w->plan); i++) {
        struct tp_shape s = tp_plan_output_shape(w->plan, i);
        const char *name = tp_plan_output_name(w->plan, i);
        if (s.rank != 2)
            return tp_fail(w->err, TP_INVALID_ARGUMENT, "top: %s is %s; the best are found in "
                           "outputs of [n, classes], such as a pooled layer or the scores of a "
                           "classifier", name, TP_SHAPE(&s));
        if (m->labels && m->n_labels != s.dim[1])
            return tp_fail(w->err, TP_INVALID_ARGUMENT, "top: %s is %s, and the model has %d "
                           "labels (labels.txt); they are of another layer", name, TP_SHAPE(&s),
                           m->n_labels);
    }
    return true;
}

/* The answer's form: what the words say, else what the Accept header likes best. */
static bool choose_form(struct work *w)
{
    struct tp_ask *ask = &w->ask;
    const struct tp_dialect *d = w->job->dialect;
    const char *types[TP_N_FORMS];
    if (d->flat && !w->options.nested) ask->nested = false;
    const char *word = ask->form_given ? "format" : ask->dtype_given ? "dtype"
                       : ask->top ? "top" : NULL;
    if (!d->forms && word)
        return tp_fail(w->err, TP_INVALID_ARGUMENT, "%s: the protocol of this path has a form of "
                       "its own; /v1/models/{m}/features answers in others", word);
    if (!d->forms || ask->form_given) return true;
    for (int i = 0; i < TP_N_FORMS; i++) types[i] = tp_form_type((enum tp_form)i);
    const int best = tp_negotiate_type(w->job->headers.accept, types, TP_N_FORMS);
    ask->form = best > 0 ? (enum tp_form)best : TP_FORM_JSON;     /* JSON also where none will do */
    return tp_ask_check_form(ask, w->err);
}

static bool plan(struct work *w)
{
    struct tp_job *job = w->job;
    const struct tp_request *rq = &w->request;
    const struct tp_model *m = w->model;
    bool asked = rq->n_outputs
                     ? tp_options_ask_each(&w->options, rq->outputs, rq->names, rq->n_outputs, m,
                                           &w->ask, &job->arena, w->err)
                     : tp_options_ask(&w->options, m, &w->ask, &job->arena, w->err);
    if (!asked || !choose_form(w) || !place_all_boxes(w)) return false;
    w->kept = tp_plans_get(w->plans, m, &w->input.shape, &w->ask, job->limits, w->err);
    if (!w->kept) return false;
    w->plan = tp_kept_plan(w->kept);
    return check_top(w);
}

/* Lays the outputs behind the workspace in the seat. */
static bool reserve(struct work *w, struct tp_seat *seat)
{
    size_t at = (tp_plan_workspace_bytes(w->plan) + 63) / 64 * 64, n_bytes = at;
    int n = tp_plan_n_outputs(w->plan);
    w->outputs = tp_arena_zalloc(&w->job->arena, (size_t)n, sizeof *w->outputs);
    if (!w->outputs) return tp_arena_fail(&w->job->arena, w->err);
    n_bytes += tp_plan_output_bytes(w->plan) + 64 * (size_t)n;
    w->seat_bytes = n_bytes;
    if (!seat_reserve(seat, n_bytes, &w->job->share, w->err)) return false;
    for (int i = 0; i < n; i++) {
        struct tp_shape s = tp_plan_output_shape(w->plan, i);
        w->outputs[i] = (float *)(void *)((char *)seat->memory + at);
        at += ((size_t)tp_shape_elements(&s) * sizeof(float) + 63) / 64 * 64;
    }
    return true;
}

/* Output i of the plan, which may be joined of several taps. */
static struct tp_answer_output answer_of(const struct work *w, int i)
{
    struct tp_answer_output o = {
        .name = w->ask.concat ? "concat" : tp_plan_output_name(w->plan, i),
        .tensor = { tp_plan_output_shape(w->plan, i), w->outputs[i] },
        .tap = tp_plan_output_tap(w->plan, i),
        .channels_first = w->ask.taps[tp_plan_output_tap(w->plan, i)].channels_first,
    };
    struct tp_shape *s = &o.tensor.shape;
    if (w->ask.concat && s->rank > 2) *s = TP_SHAPE2(s->dim[0], tp_shape_span(s, 1, s->rank));
    return o;
}

/* Output i is where the maxima are of the one before it. */
static bool add_argmax(struct work *w, struct tp_answer_output *o, int i)
{
    o->argmax = w->outputs[i];
    o->argmax_name = tp_arena_printf(&w->job->arena, "%s/argmax", o->name);
    return o->argmax_name || tp_arena_fail(&w->job->arena, w->err);
}

/* The answer, whose values the run will fill in; a form that cannot hold it is refused before. */
static bool gather(struct work *w)
{
    struct tp_job *job = w->job;
    int n = tp_plan_n_outputs(w->plan), n_answers = 0;
    struct tp_answer_output *outputs = tp_arena_zalloc(&job->arena, (size_t)n, sizeof *outputs);
    if (!outputs) return tp_arena_fail(&job->arena, w->err);
    for (int i = 0; i < n; i++)
        if (!tp_plan_output_is_argmax(w->plan, i)) outputs[n_answers++] = answer_of(w, i);
        else if (!add_argmax(w, &outputs[n_answers - 1], i)) return false;
    w->answer = (struct tp_answer){
        .model = tp_model_name(w->model), .outputs = outputs, .n_outputs = n_answers,
        .inputs = w->infos, .n_inputs = w->request.n_sources,
        .nested = w->ask.nested, .digits = w->ask.digits,
        .top = w->ask.top, .labels = w->model->labels, .n_labels = w->model->n_labels,
        .n_threads = job->n_threads,
    };
    return tp_form_check(&w->answer, w->ask.form, w->ask.dtype, w->err);
}

static bool encode(struct work *w, double start_ms)
{
    struct tp_job *job = w->job;
    const struct tp_dialect *d = job->dialect;
    const bool json = w->ask.form == TP_FORM_JSON;
    if (!(json ? d->write(&job->reply, &job->head, &w->answer, &w->request, w->err)
               : tp_form_write(&job->reply, &job->head, &w->answer, w->ask.form, w->ask.dtype,
                               job->n_threads, w->err)))
        return false;
    job->timing.encode = tp_clock_ms() - start_ms;
    if (json && d->end) d->end(&job->reply, &job->timing);
    if (!tp_buf_ok(&job->reply, "the answer", w->err) ||
        !tp_head_deflate(&job->head, &job->reply, job->headers.accept_encoding, w->err))
        return false;
    job->timing.encode = tp_clock_ms() - start_ms;
    return true;
}

static bool goes_on_in(void *ctx, const char *layer)
{
    struct work *w = ctx;
    const struct tp_job *job = w->job;
    if (job->lend) job->lend(w->job);
    return goes_on(w, "in layer ", layer);
}

static bool work_steps(struct work *w, struct tp_seat *seat)
{
    struct tp_timing *t = &w->job->timing;
    double start = tp_clock_ms();
    if (!goes_on(w, "in the queue", "") || !decode(w)) return false;
    double decoded = tp_clock_ms();
    t->decode = decoded - start;
    w->job->n_images = (int)w->input.shape.dim[0];
    if (!plan(w) || !reserve(w, seat) || !gather(w)) return false;
    if (!tp_plan_run_while(w->plan, w->input.data, w->outputs, seat->memory, w->job->n_threads,
                           goes_on_in, w) ||
        !goes_on(w, "before the answer was written", ""))
        return false;
    double done = tp_clock_ms();
    t->infer = done - decoded - w->job->lent_ms;
    t->queue += w->job->lent_ms;
    return encode(w, done);
}

static void learn(const struct work *w, bool ok)
{
    struct tp_job *job = w->job;
    const struct tp_timing *t = &job->timing;
    const size_t n_bytes = job->share.held_bytes - job->body.capacity + w->seat_bytes;
    if (ok) tp_estimate_learn(job, (t->decode + t->infer + t->encode) * job->n_threads, n_bytes);
    else if (job->err.code == TP_UNAVAILABLE)
        tp_estimate_learn_memory(job, n_bytes + job->share.refused_bytes);
}

/* What only the work needed; of one that failed, what it wrote of an answer too. */
static void release(struct tp_job *job)
{
    tp_arena_fini(&job->arena);
    tp_buf_fini(&job->body);
    if (job->err.code != TP_OK) tp_buf_fini(&job->reply);
    tp_buf_fit(&job->reply);
    tp_share_trim(&job->share);
}

bool tp_job_run(struct tp_job *job, struct tp_seat *seat)
{
    struct work w = { .job = job, .err = &job->err };
    if (job->submitted_ms > 0) job->timing.queue = tp_clock_ms() - job->submitted_ms;
    bool ok = work_steps(&w, seat);
    if (job->served && job->kind == TP_JOB_FEATURES)
        tp_stats_record(job->served->stats, &job->timing, job->n_images, ok, tp_stats_now_ms());
    if (w.kept) tp_plans_put(w.plans, w.kept);
    learn(&w, ok);
    tp_model_free(w.own_model);
    tp_request_fini(&w.request);
    release(job);
    if (seat->n_bytes > (seat->most_kept ? seat->most_kept : SEAT_KEPT_BYTES)) tp_seat_fini(seat);
    return ok;
}

void tp_job_expire(struct tp_job *job)
{
    struct work w = { .job = job, .err = &job->err };
    job->timing.queue = tp_clock_ms() - job->submitted_ms;
    if (goes_on(&w, "in the queue", "")) tp_fail(&job->err, TP_INTERNAL, "expired too early");
    release(job);
}

bool tp_job_begins_with_tensor(const struct tp_job *job)
{
    const struct tp_buf *body = &job->body;
    static const char head[] = "{\"tensor\"";
    size_t n = 0;
    for (size_t i = 0; i < body->n_bytes && n < sizeof head - 1; i++) {
        if (body->data[i] == head[n]) n++;
        else if (!strchr(" \t\r\n", body->data[i]) || !body->data[i] || n > 1) return false;
    }
    return n == sizeof head - 1;
}

bool tp_job_may_be_tiny(const struct tp_job *job, size_t n_body_bytes)
{
    if (job->kind != TP_JOB_FEATURES || !job->served || job->headers.content_encoding ||
        n_body_bytes > TINY_BODY_BYTES) return false;
    const int64_t macs = tp_model_macs(job->served->model);
    return macs >= 0 && macs <= TINY_MACS;
}

/* A body that may hold an image is not tiny: a few KiB of PNG can be millions of pixels. (What is
 * an "image" behind a tensor is refused undecoded.) */
bool tp_job_is_tiny(const struct tp_job *job)
{
    return tp_job_may_be_tiny(job, job->body.n_bytes) && tp_job_begins_with_tensor(job);
}
