/* test_job.c - a request's work from its bytes to the answer's: the contract's numbers, every
 * step's failure, and the memory that it may take and keep. */
#include "builtin_models.h"
#include "image_files.h"

#include "formats/json.h"
#include "service/job.h"

static struct tp_seat seat;

static int stop(void **state)
{
    tp_seat_fini(&seat);
    return stop_models(state);
}

/* What a test asks for; what is not said is a plain request of the line-detector's features. */
struct ask {
    enum tp_job_kind kind;
    const char *model, *type;
    struct tp_served *served;        /* instead of a model of the folder */
    struct tp_options options;
    const void *bytes;               /* the body; n_bytes of 0: a text */
    size_t n_bytes;
    const struct tp_limits *limits;
    int n_threads;
};

static struct tp_job job_of(const struct ask *a)
{
    struct tp_job job;
    struct tp_err err = { 0 };
    tp_job_init(&job, a->limits ? a->limits : &limits);
    job.kind = a->kind;
    if (a->kind != TP_JOB_RUN) {
        job.served = tp_models_get(&models, a->model ? a->model : "line-detector", &err);
        tp_models_put(job.served);   /* served as long as the tests run */
    }
    if (a->served) job.served = a->served;
    job.options = a->options;
    job.headers.content_type = a->type;
    job.n_threads = a->n_threads ? a->n_threads : 1;
    tp_buf_bytes(&job.body, a->bytes, a->n_bytes ? a->n_bytes : strlen(a->bytes));
    return job;
}

/* The job, done; release it with tp_job_fini(). */
static struct tp_job must_run(const struct ask *a)
{
    struct tp_job job = job_of(a);
    if (!tp_job_run(&job, &seat)) fail_msg("%s", job.err.message);
    assert_int_equal(job.err.code, TP_OK);
    assert_int_equal(job.body.n_bytes, 0);         /* released with the work */
    assert_int_equal(job.arena.total_bytes, 0);
    return job;
}

static json_t *must_answer(const struct ask *a)
{
    struct tp_job job = must_run(a);
    json_error_t error;
    json_t *root = json_loadb(job.reply.data, job.reply.n_bytes, 0, &error);
    if (!root) fail_msg("%s", error.text);
    tp_job_fini(&job);
    return root;
}

static void check_refused(const struct ask *a, enum tp_code code, const char *part)
{
    struct tp_job job = job_of(a);
    if (tp_job_run(&job, &seat)) fail_msg("%s was done", (const char *)a->bytes);
    if (job.err.code != code || !strstr(job.err.message, part))
        fail_msg("got %s \"%s\"; wanted %s \"%s\"", tp_code_name(job.err.code), job.err.message,
                 tp_code_name(code), part);
    assert_int_equal(job.arena.total_bytes, 0);
    tp_job_fini(&job);
}

static const json_t *output(const json_t *root, size_t i)
{
    return json_array_get(json_object_get(root, "outputs"), i);
}

/* A value as compact JSON. */
static void check_json(const json_t *v, const char *key, const char *want)
{
    char *got = json_dumps(json_object_get(v, key),
                           JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(8));
    if (!got || strcmp(got, want))
        fail_msg("%s is %s, wanted %s", key, got ? got : "missing", want);
    free(got);
}

#define ROW "[0,0,0,1,1,0,0,0]"
#define LINE "[" ROW "," ROW "," ROW "," ROW "," ROW "," ROW "," ROW "," ROW "]"
static const char line[] = "{\"tensor\":" LINE "}";

/* ---- what is answered ------------------------------------------------------------------------ */

static void the_tutorials_line_is_found(void **state)
{
    (void)state;
    json_t *root = must_answer(&(struct ask){ .bytes = line });
    check_json(root, "model", "\"line-detector\"");
    check_json(output(root, 0), "name", "\"pool\"");
    check_json(output(root, 0), "shape", "[1,3,3,1]");
    check_json(output(root, 0), "layout", "\"NHWC\"");
    check_json(output(root, 0), "data", "[[[[0],[3],[0]],[[0],[3],[0]],[[0],[3],[0]]]]");
    const json_t *input = json_array_get(json_object_get(root, "inputs"), 0);
    check_json(input, "width", "8");
    check_json(input, "height", "8");
    check_json(input, "channels", "1");
    json_decref(root);
}

static void layers_are_pooled_as_asked(void **state)
{
    (void)state;
    static const struct { struct tp_options options; const char *shape, *data; } cases[] = {
        { { .layers = "conv", .pool = "max" }, "[1,1]", "[[3]]" },
        { { .layers = "conv", .pool = "avg" }, "[1,1]", "[[1]]" },
        { { .layers = "conv", .pool = "min" }, "[1,1]", "[[0]]" },
        { { .layers = "conv", .pool = "sum" }, "[1,1]", "[[36]]" },
        { { .layers = "conv", .pool = "avg", .window = "6x1", .layout = "nchw" }, "[1,1,1,6]",
          "[[[[0,0,3,3,0,0]]]]" },
        { { .layers = "conv", .pool = "max", .window = "2", .stride = "4", .nested = "false" },
          "[1,2,2,1]", "[0,0,0,0]" },
        { { .layers = "conv", .pool = "sum", .window = "3", .padding = "same", .nested = "0" },
          "[1,2,2,1]", "[9,9,9,9]" },
        { { .layers = "pool,pool", .pool = "none", .layout = "nchw" }, "[1,1,3,3]",
          "[[[[0,3,0],[0,3,0],[0,3,0]]]]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *root = must_answer(&(struct ask){ .bytes = line, .options = cases[i].options });
        check_json(output(root, 0), "shape", cases[i].shape);
        check_json(output(root, 0), "data", cases[i].data);
        json_decref(root);
    }
}

static void outputs_in_the_body_ask_for_each_layer(void **state)
{
    (void)state;
    json_t *root = must_answer(&(struct ask){
        .bytes = "{\"tensor\":" LINE ",\"outputs\":[{\"name\":\"conv\","
                 "\"pool\":\"max\"},{\"name\":\"pool\",\"pool\":\"sum\",\"window\":[1,3]}]}" });
    check_json(output(root, 0), "name", "\"conv\"");
    check_json(output(root, 0), "data", "[[3]]");
    check_json(output(root, 1), "name", "\"pool\"");
    check_json(output(root, 1), "data", "[[[[3]],[[3]],[[3]]]]");
    assert_int_equal(json_array_size(json_object_get(root, "outputs")), 2);
    json_decref(root);
}

static void channels_come_first_when_asked(void **state)
{
    (void)state;
    json_t *last = must_answer(&(struct ask){ .model = "edges", .bytes = line });
    json_t *first = must_answer(&(struct ask){ .model = "edges", .bytes = line,
                                               .options.layout = "nchw" });
    check_json(output(last, 0), "shape", "[1,4,4,6]");
    check_json(output(first, 0), "shape", "[1,6,4,4]");
    check_json(output(first, 0), "layout", "\"NCHW\"");
    const json_t *nhwc = json_array_get(json_object_get(output(last, 0), "data"), 0);
    const json_t *nchw = json_array_get(json_object_get(output(first, 0), "data"), 0);
    for (size_t y = 0; y < 4; y++)
        for (size_t x = 0; x < 4; x++)
            for (size_t c = 0; c < 6; c++)
                assert_true(json_equal(
                    json_array_get(json_array_get(json_array_get(nhwc, y), x), c),
                    json_array_get(json_array_get(json_array_get(nchw, c), y), x)));
    json_decref(last);
    json_decref(first);
}

static void a_posted_pipeline_runs(void **state)
{
    (void)state;
    json_t *root = must_answer(&(struct ask){
        .kind = TP_JOB_RUN,
        .options.pool = "max",
        .bytes =
            "{\"tensor\":[[1,-2],[3,-4]],\"pipeline\":{\"name\":\"mine\",\"input\":{\"shape\":[2,2,"
            "1]},\"layers\":[{\"type\":\"Activation\",\"activation\":\"abs\",\"name\":\"a\"}]}}" });
    check_json(root, "model", "\"mine\"");
    check_json(output(root, 0), "name", "\"a\"");
    check_json(output(root, 0), "data", "[[4]]");
    json_decref(root);
}

static void a_batch_is_answered_in_its_order(void **state)
{
    (void)state;
    struct tp_buf b = { 0 };
    for (int i = 0; i < 3; i++) {   /* gray 8x8 arrays of 0, 51 and 102: 0, 0.2, 0.4 */
        tp_buf_text(&b,
                    "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n");
        tp_buf_bytes(&b, "\x93NUMPY\x01\x00\x3c\x00", 10);
        tp_buf_text(&b, "{'descr': '|u1', 'fortran_order': False, 'shape': (8, 8), }\n");
        for (int j = 0; j < 64; j++) tp_buf_bytes(&b, (const char[]){ (char)(51 * i) }, 1);
        tp_buf_text(&b, "\r\n");
    }
    tp_buf_text(&b, "--x--\r\n");
    json_t *root =
        must_answer(&(struct ask){ .type = "multipart/form-data; boundary=x",
                                   .bytes = b.data,
                                   .n_bytes = b.n_bytes,
                                   .options = { .layers = "conv", .pool = "max", .digits = "3" } });
    check_json(output(root, 0), "shape", "[3,1]");
    check_json(output(root, 0), "data", "[[0],[0.6],[1.2]]");
    assert_int_equal(json_array_size(json_object_get(root, "inputs")), 3);
    json_decref(root);
    tp_buf_fini(&b);
}

static void a_tensor_may_be_a_batch_itself(void **state)
{
    (void)state;
    json_t *root = must_answer(&(struct ask){ .options = { .layers = "conv", .pool = "sum" },
                                              .bytes = "{\"tensor\":[" LINE "," LINE "]}" });
    check_json(output(root, 0), "data", "[[36],[36]]");
    json_decref(root);
}

static void an_image_tells_its_own_size(void **state)
{
    (void)state;
    struct file f = file_read("rgb.jpg");
    struct tp_arena arena;
    int full[2];
    must_decode("rgb.jpg", false, 0, full, &arena);
    tp_arena_fini(&arena);
    json_t *root = must_answer(&(struct ask){ .bytes = f.bytes, .n_bytes = f.n });
    const json_t *input = json_array_get(json_object_get(root, "inputs"), 0);
    assert_int_equal(json_integer_value(json_object_get(input, "width")), full[0]);
    assert_int_equal(json_integer_value(json_object_get(input, "height")), full[1]);
    check_json(input, "channels", "1");            /* of the tensor that the model is fed */
    check_json(output(root, 0), "shape", "[1,3,3,1]");
    json_decref(root);
    free(f.bytes);
}

static void preprocess_answers_the_models_input(void **state)
{
    (void)state;
    json_t *root = must_answer(&(struct ask){ .kind = TP_JOB_PREPROCESS, .bytes = line,
                                              .options.layout = "nchw" });
    check_json(root, "model", "\"line-detector\"");
    check_json(output(root, 0), "shape", "[1,1,8,8]");
    check_json(output(root, 0), "data", "[[" LINE "]]");
    json_decref(root);

    struct file f = file_read("one.png");
    root =
        must_answer(&(struct ask){ .kind = TP_JOB_PREPROCESS, .bytes = f.bytes, .n_bytes = f.n });
    check_json(output(root, 0), "shape", "[1,8,8,1]");
    json_decref(root);
    free(f.bytes);

    static const struct ask wrong[] = {
        { .options.layers = "conv" }, { .options.pool = "max" }, { .options.window = "2" },
        { .options.rois = "0,0,1,1" }, { .options.top = "5" }, { .options.normalize = "l2" },
        { .bytes = "{\"tensor\":" LINE ",\"concat\":true}" },
        { .bytes = "{\"tensor\":" LINE ",\"outputs\":[{\"name\":\"input\"}]}" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ask a = wrong[i];
        a.kind = TP_JOB_PREPROCESS;
        if (!a.bytes) a.bytes = line;
        check_refused(&a, TP_INVALID_ARGUMENT, "preprocess answers the model's input");
    }
}

/* ---- the catalogue --------------------------------------------------------------------------- */

/* conv's rows are all 0 0 3 3 0 0. */
static void every_form_of_pooling_is_answered(void **state)
{
    (void)state;
    static const struct { struct tp_options options; const char *shape, *data; } cases[] = {
        { { .pool = "std" }, "[1,1]", "[[1.4142135]]" },
        { { .pool = "lp" }, "[1,1]", "[[10.392304]]" },
        { { .pool = "lp", .p = "1" }, "[1,1]", "[[36]]" },
        { { .pool = "gem", .p = "1", .digits = "6" }, "[1,1]", "[[1]]" },
        { { .pool = "avg", .grid = "1x3" }, "[1,1,3,1]", "[[[[0],[3],[0]]]]" },
        { { .pool = "avg", .grid = "2x4", .nested = "0" }, "[1,2,4,1]",
          "[0,1.5,1.5,0,0,1.5,1.5,0]" },
        { { .pool = "sum", .pyramid = "1,2" }, "[1,5]", "[[36,9,9,9,9]]" },
        { { .pool = "max", .grid = "1x6", .normalize = "l2" }, "[1,1,6,1]",
          "[[[[0],[0],[0.70710677],[0.70710677],[0],[0]]]]" },
        /* Samples between the columns 1.375 and 2.125, then at 1 and 4. */
        { { .pool = "avg", .rois = "2,0,4,8;0,0,8,8" }, "[2,1,1,1]", "[[[[2.0625]]],[[[0]]]]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ask a = { .bytes = line, .options = cases[i].options };
        a.options.layers = "conv";
        json_t *root = must_answer(&a);
        check_json(output(root, 0), "name", "\"conv\"");
        check_json(output(root, 0), "shape", cases[i].shape);
        check_json(output(root, 0), "data", cases[i].data);
        json_decref(root);
    }
}

static void places_stand_with_their_maxima(void **state)
{
    (void)state;
    json_t *root = must_answer(&(struct ask){
        .bytes = "{\"tensor\":" LINE ",\"outputs\":[{\"name\":\"conv\",\"pool\":\"max\","
                 "\"window\":[6,3],\"argmax\":true},{\"name\":\"pool\"},"
                 "{\"name\":\"pool\",\"pool\":\"max\",\"argmax\":true}]}" });
    assert_int_equal(json_array_size(json_object_get(root, "outputs")), 3);
    check_json(output(root, 0), "data", "[[[[3],[3]]]]");
    check_json(output(root, 0), "argmax", "[[[[2],[3]]]]");
    assert_null(json_object_get(output(root, 1), "argmax"));
    check_json(output(root, 2), "data", "[[3]]");
    check_json(output(root, 2), "argmax", "[[1]]");
    json_decref(root);
}

static void joined_layers_are_one_vector_per_image(void **state)
{
    (void)state;
    static const struct { struct tp_options options; const char *body, *shape, *data; } cases[] = {
        { { .layers = "conv,pool,conv", .pool = "max", .concat = "true" }, line, "[1,3]",
          "[[3,3,3]]" },
        { { .layers = "conv,pool", .pool = "max", .concat = "true", .normalize = "l2" }, line,
          "[1,2]", "[[0.70710677,0.70710677]]" },
        { { .layers = "pool", .concat = "true" }, line, "[1,9]", "[[0,3,0,0,3,0,0,3,0]]" },
        { { .layers = "conv,pool", .pool = "sum" },
          "{\"tensor\":[" LINE "," LINE "],\"concat\":true}", "[2,2]", "[[36,9],[36,9]]" },
        { { 0 }, "{\"tensor\":" LINE ",\"concat\":true,\"outputs\":[{\"name\":\"conv\","
                 "\"pool\":\"avg\",\"grid\":[1,3]},{\"name\":\"pool\",\"pool\":\"sum\"}]}",
          "[1,4]", "[[0,3,0,9]]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *root =
            must_answer(&(struct ask){ .bytes = cases[i].body, .options = cases[i].options });
        assert_int_equal(json_array_size(json_object_get(root, "outputs")), 1);
        check_json(output(root, 0), "name", "\"concat\"");
        check_json(output(root, 0), "shape", cases[i].shape);
        check_json(output(root, 0), "data", cases[i].data);
        assert_null(json_object_get(output(root, 0), "layout"));
        json_decref(root);
    }
}

/* ---- models of other builds ------------------------------------------------------------------ */

/* A model of the layers, served; taken down with unserve(). */
static struct tp_served serve(const char *shape, const char *layers)
{
    struct tp_served s = { 0 };
    struct tp_err err = { 0 };
    struct tp_buf b = { 0 };
    tp_buf_printf(&b, "{\"name\": \"own\", \"input\": {\"shape\": %s}, \"layers\": [%s]}", shape,
                  layers);
    if (!tp_model_parse(&s.model, b.data, b.n_bytes, &limits, &err)) fail_msg("%s", err.message);
    tp_buf_fini(&b);
    tp_plans_init(&s.plans);
    return s;
}

static void unserve(struct tp_served *s)
{
    tp_plans_fini(&s->plans);
    tp_model_free(s->model);
}

#define SAME "{\"type\": \"Activation\", \"activation\": \"linear\", \"name\": \"same\"}"

static void the_best_are_named_by_the_models_labels(void **state)
{
    (void)state;
    static const char *labels[] = { "cat", "dog", "eel" };
    struct tp_served own = serve("[3]", SAME);
    own.model->labels = labels;
    own.model->n_labels = 3;
    struct ask ask = { .served = &own, .bytes = "{\"tensor\":[[1,3,2],[5,4,6]],\"top\":2}" };
    json_t *root = must_answer(&ask);
    check_json(output(root, 0), "data", "[[1,3,2],[5,4,6]]");
    check_json(output(root, 0), "top",
               "[[{\"label\":\"dog\",\"index\":1,\"score\":3},"
               "{\"label\":\"eel\",\"index\":2,\"score\":2}],"
               "[{\"label\":\"eel\",\"index\":2,\"score\":6},"
               "{\"label\":\"cat\",\"index\":0,\"score\":5}]]");
    json_decref(root);

    own.model->n_labels = 2;
    check_refused(&ask, TP_INVALID_ARGUMENT, "top: same is [2, 3], and the model has 2 labels");
    own.model->labels = NULL;
    ask.bytes = "{\"tensor\":[1,3,2]}";
    ask.options.top = "1";
    root = must_answer(&ask);
    check_json(output(root, 0), "top", "[[{\"label\":null,\"index\":1,\"score\":3}]]");
    json_decref(root);
    unserve(&own);
}

/* As ONNX has them: tensors and answers are NCHW, whatever is inside. */
static void a_model_of_channels_first_is_spoken_to_in_its_layout(void **state)
{
    (void)state;
    static const struct { struct ask ask; const char *layout, *shape, *data; } cases[] = {
        { { .bytes = "{\"tensor\":[[[1,2],[3,4]],[[5,6],[7,8]],[[9,10],[11,12]]]}" },
          "\"NCHW\"", "[1,3,2,2]", "[[[[1,2],[3,4]],[[5,6],[7,8]],[[9,10],[11,12]]]]" },
        { { .bytes = "{\"tensor\":{\"shape\":[1,3,2,2],\"data\":[1,2,3,4,5,6,7,8,9,10,11,12]},"
                     "\"layout\":\"nhwc\"}" },
          "\"NHWC\"", "[1,2,2,3]", "[[[[1,5,9],[2,6,10]],[[3,7,11],[4,8,12]]]]" },
        { { .bytes = "{\"tensor\":{\"shape\":[2,3,1,1],\"data\":[1,2,3,4,5,6]}}" },
          "\"NCHW\"", "[2,3,1,1]", "[[[[1]],[[2]],[[3]]],[[[4]],[[5]],[[6]]]]" },
        { { .bytes = "{\"tensor\":[[[1,2]],[[3,4]],[[5,6]]]}", .kind = TP_JOB_PREPROCESS },
          "\"NCHW\"", "[1,3,1,2]", "[[[[1,2]],[[3,4]],[[5,6]]]]" },
        { { .bytes = "{\"tensor\":[[[1,2]],[[3,4]],[[5,6]]]}",
            .options = { .pool = "max", .window = "1x2", .argmax = "true" } },
          "\"NCHW\"", "[1,3,1,1]", "[[[[2]],[[4]],[[6]]]]" },
    };
    struct tp_served own = serve("[null, null, 3]", SAME);
    own.model->channels_first = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ask a = cases[i].ask;
        a.served = &own;
        json_t *root = must_answer(&a);
        check_json(output(root, 0), "layout", cases[i].layout);
        check_json(output(root, 0), "shape", cases[i].shape);
        check_json(output(root, 0), "data", cases[i].data);
        check_json(json_array_get(json_object_get(root, "inputs"), 0), "channels", "3");
        json_decref(root);
    }
    check_refused(&(struct ask){ .served = &own, .bytes = "{\"tensor\":[[[1,2,3]]]}" },
                  TP_INVALID_SHAPE,
                  "shape [1, 1, 3] does not fit the model's input [any, 3, any, any] (NCHW)");
    struct file f = file_read("photo.png");
    json_t *root = must_answer(&(struct ask){ .served = &own, .kind = TP_JOB_PREPROCESS,
                                              .bytes = f.bytes, .n_bytes = f.n });
    const json_t *shape = json_object_get(output(root, 0), "shape");
    assert_int_equal(json_integer_value(json_array_get(shape, 1)), 3);
    json_decref(root);
    free(f.bytes);
    unserve(&own);
}

static void large_tensors_are_turned_by_any_number_of_threads(void **state)
{
    (void)state;
    enum { N = 2, C = 5, H = 37, W = 41 };
    struct tp_served own = serve("[null, null, 5]", SAME);
    struct tp_buf b = { 0 };
    own.model->channels_first = true;
    tp_buf_printf(&b, "{\"tensor\":{\"shape\":[%d,%d,%d,%d],\"data\":[", N, C, H, W);
    for (int i = 0; i < N * C * H * W; i++) tp_buf_printf(&b, "%s%d", i ? "," : "", i);
    tp_buf_text(&b, "]}}");
    for (int threads = 1; threads <= 3; threads++) {
        json_t *root = must_answer(&(struct ask){ .served = &own, .bytes = b.data,
                                                  .n_bytes = b.n_bytes, .n_threads = threads,
                                                  .options.nested = "false" });
        const json_t *data = json_object_get(output(root, 0), "data");
        for (size_t i = 0; i < N * C * H * W; i++)
            assert_int_equal(json_number_value(json_array_get(data, i)), i);
        json_decref(root);
    }
    tp_buf_fini(&b);
    unserve(&own);
}

/* ---- boxes ----------------------------------------------------------------------------------- */

/* A part of a form: a gray ramp of side x side pixels, brighter to the right and further down. */
static void add_ramp(struct tp_buf *b, int side)
{
    char header[128];
    int n = snprintf(header, sizeof header,
                     "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, %d), }\n", side, side);
    tp_buf_text(b, "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n");
    tp_buf_bytes(b, "\x93NUMPY\x01\x00", 8);
    tp_buf_bytes(b, (const char[]){ (char)n, 0 }, 2);
    tp_buf_bytes(b, header, (size_t)n);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            tp_buf_bytes(b, (const char[]){ (char)(8 * (x * 8 / side) + 16 * (y * 8 / side)) }, 1);
    tp_buf_text(b, "\r\n");
}

/* Asks for boxes in 16x16 pixels of what the model sees as 8x8, and for the same in a tensor. */
static void boxes_are_in_pixels_of_the_image_that_was_sent(void **state)
{
    (void)state;
    struct tp_served own = serve("[8, 8, 1]", SAME);      /* resized to 8x8 */
    struct tp_buf b = { 0 };
    add_ramp(&b, 16);
    tp_buf_text(&b, "--x--\r\n");
    struct ask ask = { .served = &own, .type = "multipart/form-data; boundary=x", .bytes = b.data,
                       .n_bytes = b.n_bytes, .kind = TP_JOB_PREPROCESS };
    json_t *prepared = must_answer(&ask);
    ask.kind = TP_JOB_FEATURES;
    ask.options = (struct tp_options){ .pool = "avg", .grid = "2x3",
                                       .rois = "4,2,12,14;0,0,16,16;-4,3,5,20.5" };
    json_t *of_image = must_answer(&ask);
    char *data = json_dumps(json_object_get(output(prepared, 0), "data"), 0);
    struct tp_buf body = { 0 };
    tp_buf_printf(&body, "{\"tensor\":%s}", data);
    json_t *of_tensor = must_answer(&(struct ask){
        .served = &own, .bytes = body.data, .n_bytes = body.n_bytes,
        .options = { .pool = "avg", .grid = "2x3", .rois = "2,1,6,7;0,0,8,8;-2,1.5,2.5,10.25" } });
    check_json(output(of_image, 0), "shape", "[3,2,3,1]");
    assert_true(json_equal(json_object_get(output(of_image, 0), "data"),
                           json_object_get(output(of_tensor, 0), "data")));
    json_decref(prepared);
    json_decref(of_image);
    json_decref(of_tensor);
    free(data);
    tp_buf_fini(&body);
    tp_buf_fini(&b);
    unserve(&own);
}

static void every_image_of_a_batch_has_the_boxes_in_its_own_pixels(void **state)
{
    (void)state;
    static const int sides[] = { 8, 16, 32 };
    struct tp_served own = serve("[8, 8, 1]", SAME);
    struct tp_buf all = { 0 };
    struct ask ask = { .served = &own, .type = "multipart/form-data; boundary=x",
                       .options = { .pool = "max", .rois = "0,0,8,8;2,3,4,7" } };
    json_t *each[3];
    for (int i = 0; i < 3; i++) {
        struct tp_buf one = { 0 };
        add_ramp(&all, sides[i]);
        add_ramp(&one, sides[i]);
        tp_buf_text(&one, "--x--\r\n");
        ask.bytes = one.data;
        ask.n_bytes = one.n_bytes;
        each[i] = must_answer(&ask);
        check_json(output(each[i], 0), "shape", "[2,1,1,1]");
        tp_buf_fini(&one);
    }
    tp_buf_text(&all, "--x--\r\n");
    ask.bytes = all.data;
    ask.n_bytes = all.n_bytes;
    json_t *root = must_answer(&ask);
    check_json(output(root, 0), "shape", "[6,1,1,1]");
    for (size_t i = 0; i < 6; i++)
        assert_true(json_equal(
            json_array_get(json_object_get(output(root, 0), "data"), i),
            json_array_get(json_object_get(output(each[i / 2], 0), "data"), i % 2)));
    assert_false(json_equal(output(each[0], 0), output(each[1], 0)));
    for (int i = 0; i < TP_PLANS_KEPT; i++) assert_null(own.plans.kept[i]);

    own.model->one_by_one = true;
    check_refused(&ask, TP_INVALID_ARGUMENT, "rois: model 'own' takes one image at a time");
    for (int i = 0; i < 3; i++) json_decref(each[i]);
    json_decref(root);
    tp_buf_fini(&all);
    unserve(&own);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void every_step_may_refuse(void **state)
{
    (void)state;
    static const struct { struct ask ask; enum tp_code code; const char *part;
    } cases[] = {
        { { .bytes = "hello" }, TP_UNSUPPORTED_FORMAT, "no format that is read here" },
        { { .bytes = "{\"tensor\":[1]}" },
          TP_INVALID_SHAPE,
          "does not fit the model's input [any, 8, 8, 1]" },
        { { .bytes = line, .options.layers = "nope" },
          TP_NOT_FOUND,
          "no layer 'nope'; it has: conv, pool" },
        { { .bytes = line, .options.pool = "median" }, TP_INVALID_ARGUMENT, "no such pooling" },
        { { .bytes = line, .options = { .pool = "max", .rois = "0,0,0,1" } },
          TP_INVALID_ARGUMENT,
          "rois: box 0" },
        { { .bytes = "{\"tensor\":" LINE ",\"top\":3}", .options.top = "3" },
          TP_INVALID_ARGUMENT,
          "top: given twice, in the query and in the body" },
        { { .bytes = line, .options.top = "3" }, TP_INVALID_ARGUMENT, "top: pool is [1, 3, 3, 1]" },
        { { .bytes = "{\"tensor\":" LINE ",\"normalize\":\"l1\"}" },
          TP_INVALID_ARGUMENT,
          "normalize=l1" },
        { { .bytes = line, .options = { .pool = "max", .window = "9" } }, TP_INVALID_SHAPE, "9x9" },
        { { .bytes = line, .options = { .pool = "max", .window = "2", .padding = "2" } },
          TP_INVALID_ARGUMENT,
          "pads" },
        { { .bytes = "{\"tensor\":" LINE ",\"outputs\":[{\"name\":\"conv\"}]}",
            .options.pool = "max" },
          TP_INVALID_ARGUMENT,
          "given twice" },
        { { .bytes = "{\"tensor\":" LINE ",\"pipeline\":{}}" },
          TP_INVALID_JSON,
          "posted to /v1/run" },
        { { .kind = TP_JOB_RUN, .bytes = line }, TP_INVALID_ARGUMENT, "no pipeline" },
        { { .kind = TP_JOB_RUN, .bytes = "{\"tensor\":[1],\"pipeline\":{\"layers\":[]}}" },
          TP_INVALID_MODEL,
          "input" },
        { { .kind = TP_JOB_RUN,
            .bytes = "{\"tensor\":[1],\"pipeline\":{\"input\":{\"shape\":[2,2,1]},"
                     "\"layers\":[{\"type\":\"MaxPooling2D\",\"pool_size\":3}]}}" },
          TP_INVALID_SHAPE,
          "3x3" },
        { { .kind = TP_JOB_RUN,
            .bytes = "{\"tensor\":[1],\"pipeline\":{\"input\":{\"shape\":[1,1,1]},"
                     "\"layers\":[{\"type\":\"Conv2D\",\"filters\":1,\"kernel_size\":1,\"use_"
                     "bias\":false,\"kernel\":{\"file\":\"/etc/passwd\",\"tensor\":\"k\"}}]}}" },
          TP_INVALID_MODEL,
          "kernel" },
        { { .bytes = "\x89PNG\r\n\x1a\nrest" }, TP_INVALID_IMAGE, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(&cases[i].ask, cases[i].code, cases[i].part);
    json_decref(must_answer(&(struct ask){ .bytes = line }));    /* and the next request works */
}

static void an_array_without_elements_is_refused(void **state)
{
    (void)state;
    static const char file[] = "\x93NUMPY\x01\x00\x42\x00"
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 8, 8, 1), }\n";
    check_refused(&(struct ask){ .bytes = file, .n_bytes = sizeof file - 1 }, TP_INVALID_SHAPE,
                  "must be at least 1");
}

static void the_input_that_is_wrong_is_named_by_its_index(void **state)
{
    (void)state;
    struct file small = file_read("one.png"), other = file_read("t0_8.png");
    struct tp_buf b = { 0 };
    const struct {
        const struct file *f;
        size_t n;
    } parts[] = { { &small, small.n }, { &other, other.n } };
    for (int i = 0; i < 2; i++) {
        tp_buf_printf(
            &b, "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"%d.png\"\r\n\r\n",
            i);
        tp_buf_bytes(&b, parts[i].f->bytes, parts[i].n);
        tp_buf_text(&b, "\r\n");
    }
    tp_buf_text(&b, "--x--\r\n");
    const struct ask ask = { .model = "edges",
                             .type = "multipart/form-data; boundary=x",
                             .bytes = b.data,
                             .n_bytes = b.n_bytes };
    check_refused(&ask, TP_INVALID_SHAPE, "input 1 has shape [1, ");
    b.n_bytes = 0;
    for (int i = 0; i < 2; i++) {
        tp_buf_printf(
            &b, "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"%d.png\"\r\n\r\n",
            i);
        tp_buf_bytes(&b, small.bytes, i ? small.n / 2 : small.n);
        tp_buf_text(&b, "\r\n");
    }
    tp_buf_text(&b, "--x--\r\n");
    const struct ask cut = { .type = ask.type, .bytes = b.data, .n_bytes = b.n_bytes };
    check_refused(&cut, TP_INVALID_IMAGE, "input 1: ");
    tp_buf_fini(&b);
    free(small.bytes);
    free(other.bytes);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void a_request_keeps_to_its_memory(void **state)
{
    (void)state;
    struct tp_limits small = limits;
    struct tp_buf b = { 0 };
    small.max_pixels = 1;
    small.max_elements = 4000;                     /* 8 * 1 + 8 * 4000 bytes of arena */
    tp_buf_text(&b, "{\"tensor\":" LINE ",\"outputs\":[{\"name\":\"conv\"}");
    for (int i = 0; i < 255; i++) tp_buf_text(&b, ",{\"name\":\"conv\"}");
    tp_buf_text(&b, "]}");
    check_refused(&(struct ask){ .limits = &small, .bytes = b.data, .n_bytes = b.n_bytes },
                  TP_TOO_LARGE, "of memory that one request may use");
    json_t *root = must_answer(&(struct ask){ .bytes = b.data, .n_bytes = b.n_bytes });
    assert_int_equal(json_array_size(json_object_get(root, "outputs")), 256);
    json_decref(root);
    tp_buf_fini(&b);
}

static void limits_of_workspace_and_answer_are_kept(void **state)
{
    (void)state;
    struct tp_limits small = limits;
    struct ask ask = { .limits = &small,
                       .bytes = line, /* no test has asked for this before: */
                       .options = {
                           .layers = "conv", .pool = "max", .window = "4", .stride = "1" } };
    small.max_output_bytes = 35;   /* a plan once kept is not judged again */
    check_refused(&ask, TP_TOO_LARGE, "--max-output-bytes");
    small.max_output_bytes = 36;
    small.max_workspace_bytes = 1;
    check_refused(&ask, TP_TOO_LARGE, "workspace");
    small.max_workspace_bytes = 1 << 20;
    json_t *root = must_answer(&ask);
    check_json(output(root, 0), "shape", "[1,3,3,1]");
    json_decref(root);
}

static void the_seat_is_used_again_and_a_large_one_given_back(void **state)
{
    (void)state;
    tp_seat_fini(&seat);
    json_decref(must_answer(&(struct ask){ .model = "edges", .bytes = line }));
    const struct tp_seat first = seat;
    assert_non_null(first.memory);
    assert_int_equal((uintptr_t)first.memory % 64, 0);
    for (int i = 0; i < 3; i++) {
        json_decref(must_answer(
            &(struct ask){ .model = i & 1 ? "edges" : "line-detector", .bytes = line }));
        assert_ptr_equal(seat.memory, first.memory);
        assert_int_equal(seat.n_bytes, first.n_bytes);
    }
    /* [2, 1] blown up to [8192, 4096]: 128 MiB. */
    json_t *root = must_answer(&(struct ask){
        .kind = TP_JOB_RUN,
        .options = { .layers = "u,p", .pool = "avg" },
        .bytes = "{\"tensor\":[[1],[2]],\"pipeline\":{\"input\":{\"shape\":[2,1,1]},\"layers\":["
                 "{\"type\":\"UpSampling2D\",\"size\":4096,\"name\":\"u\"},"
                 "{\"type\":\"MaxPooling2D\",\"pool_size\":4096,\"name\":\"p\"}]}}" });
    check_json(output(root, 0), "data", "[[1.5]]");
    check_json(output(root, 1), "data", "[[1.5]]");
    json_decref(root);
    assert_null(seat.memory);
    assert_int_equal(seat.n_bytes, 0);
    json_decref(must_answer(&(struct ask){ .bytes = line }));
    assert_non_null(seat.memory);
    tp_seat_fini(&seat);
    tp_seat_fini(&seat);             /* once more is fine */
}

/* ---- the same again -------------------------------------------------------------------------- */

static size_t answer_bytes(const struct tp_job *job)
{
    const char *end = memmem(job->reply.data, job->reply.n_bytes, ",\"timing_ms\"", 12);
    assert_non_null(end);
    return (size_t)(end - job->reply.data);
}

static void the_same_request_gives_the_same_bytes(void **state)
{
    (void)state;
    struct file f = file_read("y420.jpg");
    static const char *const names[] = { "edges", "gist", "line-detector" };
    for (int i = 0; i < 3; i++) {
        struct ask ask = { .model = names[i], .bytes = f.bytes, .n_bytes = f.n };
        struct tp_job first = must_run(&ask);
        for (ask.n_threads = 1; ask.n_threads <= 3; ask.n_threads++) {
            struct tp_job again = must_run(&ask);
            assert_int_equal(answer_bytes(&again), answer_bytes(&first));
            assert_memory_equal(again.reply.data, first.reply.data, answer_bytes(&first));
            tp_job_fini(&again);
        }
        tp_job_fini(&first);
    }
    free(f.bytes);
}

/* A plan that was kept belongs to the sizes and words that it was made for. */
static void sizes_and_words_may_change_from_request_to_request(void **state)
{
    (void)state;
    static const char *const rows[] = { "[[1,2,3]]", "[[1],[2]]", "[[1,2,3]]", "[[1,2],[3,4]]" };
    static const char *const shapes[] = { "[1,1,3,6]", "[1,2,1,6]", "[1,1,3,6]", "[1,2,2,6]" };
    for (int i = 0; i < 4; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"tensor\":%s}", rows[i]);
        json_t *root =
            must_answer(&(struct ask){ .model = "edges", .bytes = text, .options.layers = "relu" });
        check_json(output(root, 0), "shape", shapes[i]);
        json_decref(root);
        root = must_answer(&(struct ask){ .model = "edges", .bytes = text,
                                          .options = { .layers = "relu", .pool = "max" } });
        check_json(output(root, 0), "shape", "[1,6]");
        json_decref(root);
    }
}

static void times_are_measured(void **state)
{
    (void)state;
    struct tp_job job = job_of(&(struct ask){ .bytes = line });
    job.submitted_ms = tp_clock_ms() - 5;
    assert_true(tp_job_run(&job, &seat));
    assert_true(job.timing.queue >= 5);
    assert_true(job.timing.decode > 0 && job.timing.infer > 0 && job.timing.encode > 0);
    tp_job_fini(&job);
    job = must_run(&(struct ask){ .bytes = line });              /* never queued */
    assert_true(job.timing.queue == 0);
    tp_job_fini(&job);
}

/* ---- small work ------------------------------------------------------------------------------ */

static void only_a_small_tensor_for_a_small_model_is_tiny(void **state)
{
    (void)state;
    char large[20000];
    snprintf(large, sizeof large, "{\"tensor\":[%*d]}", 19000, 1);
    const struct { struct ask ask; bool tiny; } cases[] = {
        { { .bytes = line }, true },
        { { .bytes = " {\r\n\t\"tensor\" : [1]}" }, true },
        { { .bytes = large }, false },
        { { .bytes = line, .model = "edges" }, false },          /* any size */
        { { .bytes = line, .model = "gist" }, false },
        { { .bytes = line, .kind = TP_JOB_PREPROCESS }, false },
        { { .bytes = line, .kind = TP_JOB_RUN }, false },
        /* A few KiB of PNG may be millions of pixels. */
        { { .bytes = "{\"image\":\"iVBORw0KGgo=\"}" }, false },
        { { .bytes = "{\"outputs\":[],\"images\":[]}" }, false },
        { { .bytes = "{ \"\\u0069mage\":\"iVBORw0KGgo=\"}" }, false },
        { { .bytes = "{\"tensors\":1}" }, false },
        { { .bytes = "{\"tens" }, false },
        { { .bytes = "{\"ten sor\":1}" }, false },
        { { .bytes = "\"tensor\"" }, false },
        { { .bytes = "{" }, false },
        { { .bytes = "" }, false },
        { { .bytes = "\0{\"tensor\":[1]}", .n_bytes = 15 }, false },
        { { .bytes = "\x89PNG\r\n\x1a\n" }, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_job job = job_of(&cases[i].ask);
        if (tp_job_is_tiny(&job) != cases[i].tiny)
            fail_msg("case %zu, %.40s: not %s", i, (const char *)cases[i].ask.bytes,
                     cases[i].tiny ? "tiny" : "large");
        tp_job_fini(&job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tutorials_line_is_found),
        cmocka_unit_test(layers_are_pooled_as_asked),
        cmocka_unit_test(outputs_in_the_body_ask_for_each_layer),
        cmocka_unit_test(channels_come_first_when_asked),
        cmocka_unit_test(a_posted_pipeline_runs),
        cmocka_unit_test(a_batch_is_answered_in_its_order),
        cmocka_unit_test(a_tensor_may_be_a_batch_itself),
        cmocka_unit_test(an_image_tells_its_own_size),
        cmocka_unit_test(preprocess_answers_the_models_input),
        cmocka_unit_test(every_form_of_pooling_is_answered),
        cmocka_unit_test(places_stand_with_their_maxima),
        cmocka_unit_test(joined_layers_are_one_vector_per_image),
        cmocka_unit_test(the_best_are_named_by_the_models_labels),
        cmocka_unit_test(a_model_of_channels_first_is_spoken_to_in_its_layout),
        cmocka_unit_test(large_tensors_are_turned_by_any_number_of_threads),
        cmocka_unit_test(boxes_are_in_pixels_of_the_image_that_was_sent),
        cmocka_unit_test(every_image_of_a_batch_has_the_boxes_in_its_own_pixels),
        cmocka_unit_test(every_step_may_refuse),
        cmocka_unit_test(an_array_without_elements_is_refused),
        cmocka_unit_test(the_input_that_is_wrong_is_named_by_its_index),
        cmocka_unit_test(a_request_keeps_to_its_memory),
        cmocka_unit_test(limits_of_workspace_and_answer_are_kept),
        cmocka_unit_test(the_seat_is_used_again_and_a_large_one_given_back),
        cmocka_unit_test(the_same_request_gives_the_same_bytes),
        cmocka_unit_test(sizes_and_words_may_change_from_request_to_request),
        cmocka_unit_test(times_are_measured),
        cmocka_unit_test(only_a_small_tensor_for_a_small_model_is_tiny),
    };
    return cmocka_run_group_tests(tests, start_models, stop);
}
