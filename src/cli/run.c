/* run.c - a model over files, from the command line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "cli/cli.h"
#include "cli/outputs.h"
#include "formats/file.h"
#include "formats/json.h"
#include "ops/parallel.h"
#include "service/job.h"

struct run {
    struct tp_limits limits;
    struct tp_options options;
    const char *folder, *out_path;
    int threads;
    bool resume;
    enum tp_form form;
    FILE *out;                       /* JSON: a line per input */
    struct tp_outputs outputs;       /* other forms: a file per input */
    struct tp_served served;
    struct tp_seat seat;
    struct tp_inputs inputs;
    int n_failed, n_skipped;
};

/* Reads one input whole: a file, or standard input for "-". */
static bool read_input(const struct run *r, const char *path, struct tp_buf *body,
                       struct tp_err *err)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    bool is_stdin = !strcmp(path, "-");
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tp_fail(err, TP_NOT_FOUND, "%s", strerror(errno));
    bool ok = tp_file_read_fd(fd, path, r->limits.max_body_bytes, &bytes, &n_bytes, err);
    if (!is_stdin) close(fd);
    if (ok) *body = (struct tp_buf){ .data = bytes, .n_bytes = n_bytes, .capacity = n_bytes };
    return ok;
}

/* One line of JSON: the answer with the input's path in front. */
static bool write_line(const struct run *r, const char *path, const struct tp_buf *reply,
                       struct tp_err *err)
{
    struct tp_buf head = { 0 };
    tp_buf_text(&head, "{\"input\":");
    tp_json_quote(&head, path);
    tp_buf_text(&head, ",");
    bool ok = tp_buf_ok(&head, "the answer", err);
    if (ok && (fwrite(head.data, 1, head.n_bytes, r->out) != head.n_bytes ||
               fwrite(reply->data + 1, 1, reply->n_bytes - 1, r->out) != reply->n_bytes - 1 ||
               fflush(r->out)))
        ok = tp_fail(err, TP_IO, "%s: %s", r->out_path ? r->out_path : "stdout", strerror(errno));
    tp_buf_fini(&head);
    return ok;
}

/* Bytes as they are, to a file or to standard output. */
static bool write_bytes(const char *path, const struct tp_buf *reply, struct tp_err *err)
{
    if (path) return tp_outputs_write(path, reply->data, reply->n_bytes, err);
    if (fwrite(reply->data, 1, reply->n_bytes, stdout) == reply->n_bytes && !fflush(stdout))
        return true;
    return tp_fail(err, TP_IO, "stdout: %s", strerror(errno));
}

static bool run_one(struct run *r, int i, struct tp_err *err)
{
    struct tp_job job;
    const char *path = r->inputs.paths[i];
    tp_job_init(&job, &r->limits);
    job.served = &r->served;
    job.options = r->options;
    job.n_threads = r->threads;
    bool ok = read_input(r, path, &job.body, err);
    if (ok && !tp_job_run(&job, &r->seat)) {
        *err = job.err;
        ok = false;
    }
    ok = ok && (r->form == TP_FORM_JSON ? write_line(r, path, &job.reply, err)
                                        : write_bytes(r->outputs.paths[i], &job.reply, err));
    tp_job_fini(&job);
    return ok;
}

/* A bar on the terminal, rewritten in place. */
static void show_progress(const struct run *r, int done)
{
    enum { WIDTH = 30 };
    static const char bar[WIDTH + 1] = "##############################";
    int filled = WIDTH * done / r->inputs.n_paths;
    fprintf(stderr, "\r[%-*.*s] %d/%d%s", WIDTH, filled, bar, done, r->inputs.n_paths,
            done == r->inputs.n_paths ? "\n" : "");
}

static bool run_all(struct run *r, struct tp_err *err)
{
    bool progress = r->inputs.n_paths > 1 && isatty(STDERR_FILENO);
    struct tp_buf failures = { 0 };
    for (int i = 0; i < r->inputs.n_paths; i++) {
        struct tp_err one = { 0 };
        if (r->inputs.done[i]) r->n_skipped++;
        else if (!run_one(r, i, &one)) {
            r->n_failed++;
            tp_buf_printf(&failures, "%s%s: %s", failures.n_bytes ? "\n" : "", r->inputs.paths[i],
                          one.message);
        }
        if (progress) show_progress(r, i + 1);
    }
    if (r->n_failed == 1 && r->inputs.n_paths == 1)
        tp_fail(err, TP_INVALID_ARGUMENT, "%.*s", (int)failures.n_bytes, failures.data);
    else if (r->n_failed) {
        fprintf(stderr, "%.*s\n", (int)failures.n_bytes, failures.data ? failures.data : "");
        tp_fail(err, TP_INVALID_ARGUMENT, "%d of %d inputs failed", r->n_failed, r->inputs.n_paths);
    }
    tp_buf_fini(&failures);
    return !r->n_failed;
}

static bool open_out(struct run *r, struct tp_err *err)
{
    if (r->options.format && !tp_form_read(r->options.format, &r->form, err)) return false;
    if (r->resume && !r->out_path)
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "--resume: goes on with the file of --out; name it");
    if (r->form != TP_FORM_JSON) {
        if (!tp_outputs_place(&r->outputs, &r->inputs, r->out_path, tp_form_suffix(r->form), err))
            return false;
        if (r->resume) tp_outputs_resume(&r->outputs, &r->inputs);
        return true;
    }
    if (r->resume && !tp_inputs_resume(&r->inputs, r->out_path, err)) return false;
    r->out = r->out_path ? fopen(r->out_path, r->resume ? "ae" : "we") : stdout;
    if (r->out) return true;
    return tp_fail(err, TP_IO, "--out %s: %s", r->out_path, strerror(errno));
}

static bool run(struct run *r, const char *model, char **words, int n_words, struct tp_err *err)
{
    int most = tp_cpu_count();
    if (!r->threads || r->threads > most) r->threads = most;
    if (!tp_init(err) ||
        !tp_model_open(&r->served.model, model, r->folder, &r->limits, err) ||
        !tp_inputs_gather(&r->inputs, words, n_words, err) ||
        !open_out(r, err))
        return false;
    tp_parallel_warm(r->threads, NULL);
    return run_all(r, err);
}

int tp_cli_run(int argc, char **argv)
{
    struct run r = { .limits = tp_limits_default() };
    struct tp_options *o = &r.options;
    struct tp_err err = { 0 };
    const struct tp_flag flags[] = {
        { "layers", TP_FLAG_TEXT, &o->layers, 0, 0, "A,B",
          "layers to answer, default: the outputs" },
        { "pool", TP_FLAG_TEXT, &o->pool, 0, 0, "KIND",
          "none (default), max, avg, min, sum, lp, gem, std" },
        { "window", TP_FLAG_TEXT, &o->window, 0, 0, "HxW",
          "pool by window; without it or one of the next three: globally" },
        { "grid", TP_FLAG_TEXT, &o->grid, 0, 0, "HxW", "pool to that size; with --rois: each box" },
        { "pyramid", TP_FLAG_TEXT, &o->pyramid, 0, 0, "A,B", "pool to grids of AxA, BxB, ..." },
        { "rois", TP_FLAG_TEXT, &o->rois, 0, 0, "BOXES",
          "pool boxes of the image: x0,y0,x1,y1;... in pixels" },
        { "stride", TP_FLAG_TEXT, &o->stride, 0, 0, "HxW", "default: the window" },
        { "padding", TP_FLAG_TEXT, &o->padding, 0, 0, "P", "valid (default), same, or t,l,b,r" },
        { "ceil", TP_FLAG_TEXT, &o->ceil, 0, 0, "true", "keep a last, partly outside window" },
        { "p", TP_FLAG_TEXT, &o->p, 0, 0, "P", "exponent of lp (default 2) and gem (default 3)" },
        { "argmax", TP_FLAG_TEXT, &o->argmax, 0, 0, "true", "also the places of the maxima" },
        { "normalize", TP_FLAG_TEXT, &o->normalize, 0, 0, "N", "none (default) or l2" },
        { "concat", TP_FLAG_TEXT, &o->concat, 0, 0, "true", "join the layers into one vector" },
        { "top", TP_FLAG_TEXT, &o->top, 0, 0, "K", "also the K best values with their labels" },
        { "layout", TP_FLAG_TEXT, &o->layout, 0, 0, "L",
          "nhwc or nchw, default: the model's own" },
        { "nested", TP_FLAG_TEXT, &o->nested, 0, 0, "BOOL", "nested arrays (default) or flat" },
        { "digits", TP_FLAG_TEXT, &o->digits, 0, 0, "N", "significant digits, default: all" },
        { "format", TP_FLAG_TEXT, &o->format, 0, 0, "F",
          "json (default): a line per input; npy, safetensors, binary, png: a file per input" },
        { "dtype", TP_FLAG_TEXT, &o->dtype, 0, 0, "T",
          "fp32 (default), fp16 or uint8, of npy, safetensors and binary" },
        { "out", TP_FLAG_TEXT, &r.out_path, 0, 0, "FILE",
          "write there, default: standard output; a folder where there are several files" },
        { "resume", TP_FLAG_SWITCH, &r.resume, 0, 0, "", "skip inputs that --out has already" },
        { "models", TP_FLAG_TEXT, &r.folder, 0, 0, "DIR",
          "folder of models beside the built-in ones" },
        { "threads", TP_FLAG_INT, &r.threads, 1, 1024, "N", "default: all processors" },
        TP_LIMIT_FLAGS(r.limits),
    };
    const struct tp_cli_command command = {
        "run", "MODEL INPUT... ", flags, sizeof flags / sizeof *flags, 2, argc,
    };
    int n_words, status;
    if (!tp_cli_begin(&command, argc, argv, &n_words, &status)) return status;
    tp_plans_init(&r.served.plans);
    bool ok = run(&r, argv[1], argv + 2, n_words - 1, &err);
    if (r.out && r.out != stdout && fclose(r.out) && ok)
        ok = tp_fail(&err, TP_IO, "--out %s: %s", r.out_path, strerror(errno));
    tp_inputs_fini(&r.inputs);
    tp_seat_fini(&r.seat);
    tp_plans_fini(&r.served.plans);
    tp_model_free(r.served.model);
    return ok ? TP_EXIT_DONE : tp_cli_fail("run", &err);
}
