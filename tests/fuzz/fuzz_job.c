/* fuzz_job.c - libFuzzer entry over whole requests: a body in, an answer in JSON or an error out.
 * The first byte chooses the model and the kind of work, the second the query; the rest is the body
 * (a form when it begins with "--x"). Build (clang):
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc \
 *         tests/fuzz/fuzz_job.c src/service/{job,models,plans}.c <libtidepool's sources> \
 *         -ljansson -ljpeg -lspng -lwebp -lm
 *   ./a.out -max_len=8192 corpus */
#include "service/job.h"

#include <stdlib.h>
#include <string.h>

#include "formats/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static const struct tp_options queries[] = {
    { 0 },
    { .pool = "max" },
    { .pool = "avg", .window = "2" },
    { .pool = "min", .window = "3x2", .stride = "1x2", .padding = "same" },
    { .pool = "sum", .window = "5", .stride = "2", .padding = "1,0,2,1", .ceil = "true" },
    { .layout = "nchw", .nested = "false" },
    { .digits = "3" },
    { .layers = "conv,pool", .pool = "max" },
    { .pool = "gem", .p = "2.5", .grid = "3x2", .normalize = "l2" },
    { .pool = "std", .pyramid = "1,2,5", .top = "3" },
    { .pool = "lp", .rois = "0,0,4,4;-3,1.5,900,2", .grid = "2" },
    { .pool = "max", .window = "2", .argmax = "true", .layout = "nchw" },
    { .layers = "conv,pool", .pool = "avg", .concat = "true", .normalize = "l2" },
    { .pool = "max", .grid = "7", .argmax = "true", .top = "1" },
    { .top = "100" },
    { .pool = "min", .rois = "-16777216,-16777216,16777216,16777216;0,0,1e-30,1e-30" },
};

static void check_answer(const struct tp_job *job)
{
    json_error_t error;
    json_t *root = json_loadb(job->reply.data, job->reply.n_bytes, 0, &error);
    if (!root || !json_array_size(json_object_get(root, "outputs"))) abort();
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static struct tp_models models;
    static struct tp_limits limits;
    static struct tp_seat seat;
    struct tp_err err = { 0 };
    struct tp_job job;
    if (!models.n_served) {
        limits = tp_limits_default();
        if (!tp_init(&err) || !tp_models_init(&models, NULL, &limits, &err)) abort();
        limits.max_body_bytes = 1 << 16;
        limits.max_pixels = limits.max_elements = 1 << 14;
        limits.max_batch = 4;
        limits.max_layers = 32;
        limits.max_workspace_bytes = 1 << 22;
        limits.max_output_bytes = 1 << 18;
        limits.max_operations = 1 << 24;
    }
    if (n_bytes < 2) return 0;
    tp_job_init(&job, &limits);
    job.kind = (enum tp_job_kind)((data[0] >> 2 & 3) % 3);
    if (job.kind != TP_JOB_RUN) job.served = models.served[(data[0] & 3) % 3];
    job.options = queries[data[1] & 15];
    job.n_threads = 1;
    tp_buf_bytes(&job.body, data + 2, n_bytes - 2);
    if (n_bytes > 5 && !memcmp(data + 2, "--x", 3))
        job.content_type = "multipart/form-data; boundary=x";
    bool ok = tp_job_run(&job, &seat);
    if (ok != (job.err.code == TP_OK) || (!ok && !job.err.message[0])) abort();
    if (job.err.code == TP_INTERNAL || job.err.code == TP_NO_MEMORY) abort();
    if (ok) check_answer(&job);
    tp_job_fini(&job);
    return 0;
}
