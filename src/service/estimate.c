/* estimate.c - what a job will cost, told before it is begun. */
#include "service/estimate.h"

#include <string.h>

#include "formats/image_size.h"
#include "service/job.h"

/* A first guess, for one thread of a present-day processor; the pace corrects it model by model. */
static const double MS_PER_PIXEL = 8e-6;           /* of an image that is decoded and resized */
static const double MS_PER_BYTE = 2e-6;            /* of any other body */
static const double MS_PER_MAC = 2e-8;

enum {
    PIXEL_BYTES = 3,
    WHOLE_PIXEL_BYTES = 6,           /* more, where a decoder keeps the whole image */
    TENSOR_FACTOR = 3,               /* numbers as floats, and turned or joined */
    TEXT_FACTOR = 12,                /* JSON may hold images in base64 */
    GZIP_FACTOR = 4,
    TEXT_BYTES_PER_NUMBER = 8,
};

static const double LEARN = 0.25;                  /* of each job's news */
static const double LEAST_FACTOR = 1e-3, MOST_FACTOR = 1e4;

static bool is_json(const struct tp_job *job)
{
    const char *p = job->body.data;
    for (size_t i = 0; i < job->body.n_bytes; i++)
        if (!strchr(" \t\r\n", p[i])) return p[i] == '{' || p[i] == '[';
    return false;
}

/* How many inputs of the model's own size so many bytes can be. */
static double n_inputs(const struct tp_model *m, size_t n_bytes, size_t bytes_per_number)
{
    int64_t elements = 1;
    for (int i = 1; i < m->input.rank; i++) {
        if (m->input.dim[i] <= 0) return 1;
        elements *= m->input.dim[i];
    }
    const double n = (double)n_bytes / ((double)elements * (double)bytes_per_number);
    return n > 1 ? n : 1;
}

static void add_model(struct tp_estimate *e, const struct tp_job *job, bool image, bool json)
{
    if (!job->served || job->kind != TP_JOB_FEATURES) return;
    const struct tp_model *m = job->served->model;
    const int64_t macs = tp_model_macs(m);
    const size_t number_bytes = json ? TEXT_BYTES_PER_NUMBER : sizeof(float);
    const double n = image ? 1 : n_inputs(m, job->body.n_bytes, number_bytes);
    if (macs > 0) e->plain_ms += (double)macs * n * MS_PER_MAC;
}

struct tp_estimate tp_estimate_make(const struct tp_job *job)
{
    const size_t n = job->body.n_bytes;
    const struct tp_image_size image = tp_image_size(job->body.data, n);
    const bool json = is_json(job);
    struct tp_estimate e = { 0 };
    if (image.n_pixels > job->limits->max_pixels) return e;      /* refused as soon as it is seen */
    if (image.n_pixels) {
        e.plain_ms = (double)image.n_pixels * MS_PER_PIXEL;
        e.input_bytes = (size_t)image.n_pixels *
                        (image.whole ? PIXEL_BYTES + WHOLE_PIXEL_BYTES : PIXEL_BYTES);
    } else {
        e.plain_ms = (double)n * MS_PER_BYTE;
        e.input_bytes = n * (json && !tp_job_begins_with_tensor(job) ? TEXT_FACTOR : TENSOR_FACTOR);
        if (job->headers.content_encoding) e.input_bytes *= GZIP_FACTOR;
    }
    add_model(&e, job, image.n_pixels > 0, json);
    e.ms = e.plain_ms;
    e.n_bytes = e.input_bytes;
    if (!job->pace) return e;
    const double factor = atomic_load(&job->pace->factor);
    e.known = factor > 0;
    if (e.known) e.ms *= factor;
    e.n_bytes += atomic_load(&job->pace->rest_bytes);
    return e;
}

void tp_estimate_learn(struct tp_job *job, double ms, size_t n_bytes)
{
    const struct tp_estimate *e = &job->estimate;
    if (!job->pace || e->plain_ms <= 0) return;
    double old = atomic_load(&job->pace->factor), now = ms / e->plain_ms;
    if (old > 0) now = old + LEARN * (now - old);
    if (now < LEAST_FACTOR) now = LEAST_FACTOR;
    if (now > MOST_FACTOR) now = MOST_FACTOR;
    atomic_store(&job->pace->factor, now);
    old = atomic_load(&job->pace->usual_ms);
    atomic_store(&job->pace->usual_ms, old > 0 ? old + LEARN * (ms - old) : ms);
    tp_estimate_learn_memory(job, n_bytes);
}

/* Up at once, down slowly: too little is refused half way, too much waits a little. */
void tp_estimate_learn_memory(struct tp_job *job, size_t n_bytes)
{
    const struct tp_estimate *e = &job->estimate;
    if (!job->pace) return;
    const size_t rest = n_bytes > e->input_bytes ? n_bytes - e->input_bytes : 0;
    const size_t before = atomic_load(&job->pace->rest_bytes);
    atomic_store(&job->pace->rest_bytes, rest >= before ? rest : before - (before - rest) / 16);
}
