/* test_models.c - the models that a process serves: built-ins and a folder's, each name once. */
#include "temp_dir.h"

#include "base/log.h"
#include "service/models.h"

static struct tp_limits limits;

#define NET(name) "{" name "\"input\": {\"shape\": [4, 4, 1]}, \"layers\": [{\"type\": \"ReLU\"}]}"

static struct tp_models loaded(const char *folder)
{
    struct tp_models models;
    struct tp_err err = { 0 };
    if (!tp_models_init(&models, folder, &limits, &err)) fail_msg("%s", err.message);
    tp_models_load(&models, 3);
    return models;
}

/* The model of that name, which the test uses while it is served. */
static const struct tp_model *model(struct tp_models *models, const char *name)
{
    struct tp_err err = { 0 };
    struct tp_served *s = tp_models_get(models, name, &err);
    if (!s) fail_msg("%s", err.message);
    tp_models_put(s);
    return s->model;
}

/* Space-separated names, in the order served. */
static void check_names(const struct tp_models *models, const char *want)
{
    char got[512] = "";
    for (int i = 0; i < models->n_served; i++) {
        strcat(got, i ? " " : "");
        strcat(got, tp_model_name(models->served[i]->model));
    }
    assert_string_equal(got, want);
}

static void without_a_folder_the_built_ins_are_served(void **state)
{
    (void)state;
    struct tp_models models = loaded(NULL);
    check_names(&models, "edges gist line-detector");
    tp_models_fini(&models);
    tp_models_fini(&models);         /* once more is fine */
}

static void a_folders_models_are_served_beside_them_in_order(void **state)
{
    (void)state;
    temp_text("zebra.json", NET(""));
    temp_folder("fish");
    temp_text("fish/pipeline.json", NET(""));
    temp_text("a.json.json", NET(""));             /* a name that looks like a path */
    struct tp_models models = loaded(temp_dir);
    check_names(&models, "a.json edges fish gist line-detector zebra");
    tp_models_fini(&models);
}

static void a_file_takes_a_built_ins_name(void **state)
{
    (void)state;
    temp_text("edges.json", NET(""));
    temp_text("my.json", NET("\"name\": \"gist\", "));
    struct tp_models models = loaded(temp_dir);
    check_names(&models, "edges gist line-detector");
    assert_false(model(&models, "edges")->builtin);
    assert_false(model(&models, "gist")->builtin);
    assert_true(model(&models, "line-detector")->builtin);
    tp_models_fini(&models);
}

static void of_two_models_of_one_name_the_first_is_served(void **state)
{
    (void)state;
    temp_text("a.json", NET("\"name\": \"same\", "));
    temp_text("b.json", "{\"name\": \"same\", \"input\": {\"shape\": [9, 9, 1]}, \"layers\": "
                        "[{\"type\": \"ReLU\"}]}");
    temp_text("twice.json", NET(""));
    temp_folder("twice");
    temp_text("twice/pipeline.json", "{\"input\": {\"shape\": [9, 9, 1]}, \"layers\": [{\"type\": "
                                     "\"ReLU\"}]}");
    struct tp_models models = loaded(temp_dir);
    check_names(&models, "edges gist line-detector same twice");
    assert_int_equal(model(&models, "same")->input.dim[1], 4);
    assert_int_equal(model(&models, "twice")->input.dim[1], 4);
    tp_models_fini(&models);
}

static void what_cannot_be_loaded_is_left_out(void **state)
{
    (void)state;
    temp_text("broken.json", "{");
    temp_text("later.onnx", "");
    temp_text("good.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    check_names(&models, "edges gist good line-detector");
    tp_models_fini(&models);
}

static void a_folder_that_is_not_there_fails(void **state)
{
    (void)state;
    struct tp_models models;
    struct tp_err err = { 0 };
    assert_false(tp_models_init(&models, TEMP("none"), &limits, &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    tp_models_fini(&models);         /* half-built is fine */
}

static void an_unknown_name_is_answered_with_those_there_are(void **state)
{
    (void)state;
    struct tp_models models = loaded(NULL);
    struct tp_err err = { 0 };
    assert_ptr_equal(model(&models, "gist"), models.served[1]->model);
    assert_null(tp_models_get(&models, "gis", &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_string_equal(err.message, "no model 'gis'; there are: edges, gist, line-detector");
    tp_models_fini(&models);
    err = (struct tp_err){ 0 };
    assert_null(tp_models_get(&models, "gist", &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
}

/* ---- loaded again ---------------------------------------------------------------------------- */

static void files_that_come_change_and_go_are_followed(void **state)
{
    (void)state;
    temp_text("a.json", NET(""));
    temp_text("b.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    const struct tp_model *a = model(&models, "a");
    temp_text("c.json", NET(""));
    temp_text("gist.json", NET(""));
    temp_text("b.json", "{\"input\": {\"shape\": [9, 9, 1]}, \"layers\": [{\"type\": \"ReLU\"}]}");
    tp_models_load(&models, 2);
    check_names(&models, "a b c edges gist line-detector");
    assert_ptr_equal(model(&models, "a"), a);        /* untouched: not read again */
    assert_int_equal(model(&models, "b")->input.dim[1], 9);
    assert_false(model(&models, "gist")->builtin);
    assert_int_equal(unlink(TEMP("gist.json")), 0);
    assert_int_equal(unlink(TEMP("a.json")), 0);
    tp_models_load(&models, 2);
    check_names(&models, "b c edges gist line-detector");
    assert_true(model(&models, "gist")->builtin);
    tp_models_fini(&models);
}

static void a_broken_file_leaves_the_old_model_serving(void **state)
{
    (void)state;
    temp_text("a.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    const struct tp_model *a = model(&models, "a");
    temp_text("a.json", "{\"input\"");
    tp_models_load(&models, 1);
    assert_ptr_equal(model(&models, "a"), a);
    temp_text("a.json", NET("") " ");
    tp_models_load(&models, 1);
    assert_ptr_not_equal(model(&models, "a"), a);
    tp_models_fini(&models);
}

static void a_model_that_was_replaced_lives_as_long_as_it_is_used(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    temp_text("a.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    struct tp_served *old = tp_models_get(&models, "a", &err);
    assert_int_equal(unlink(TEMP("a.json")), 0);
    tp_models_load(&models, 1);
    assert_null(tp_models_get(&models, "a", &err));
    assert_string_equal(old->model->name, "a");
    tp_models_put(old);
    tp_models_fini(&models);
}

static void while_the_first_load_goes_on_unknown_models_may_still_come(void **state)
{
    (void)state;
    struct tp_models models;
    struct tp_err err = { 0 };
    temp_text("a.json", NET(""));
    assert_true(tp_models_init(&models, temp_dir, &limits, &err));
    assert_true(tp_models_loading(&models));
    assert_true(model(&models, "gist")->builtin);
    assert_null(tp_models_get(&models, "a", &err));
    assert_int_equal(err.code, TP_UNAVAILABLE);
    const struct temp_path gone = temp_path("gone");
    models.folder = gone.text;
    tp_models_load(&models, 1);
    assert_false(tp_models_loading(&models));        /* it will not come by itself */
    models.folder = temp_dir;
    tp_models_load(&models, 1);
    assert_false(tp_models_loading(&models));
    assert_non_null(model(&models, "a"));
    tp_models_fini(&models);
}

static void many_names_are_listed_as_far_as_a_message_goes(void **state)
{
    (void)state;
    char name[64];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "a-model-with-a-long-name-%02d.json", i);
        temp_text(name, NET(""));
    }
    struct tp_models models = loaded(temp_dir);
    struct tp_err err = { 0 };
    assert_int_equal(models.n_served, 43);
    assert_null(tp_models_get(&models, "none", &err));
    assert_non_null(strstr(err.message, "there are: a-model-with-a-long-name-00, a-model"));
    assert_true(strlen(err.message) < sizeof err.message - 64);
    assert_non_null(model(&models, "line-detector"));         /* the last one is found */
    tp_models_fini(&models);
}

/* ---- one by one ------------------------------------------------------------------------------ */

static void add_line(void *ctx, const struct tp_index_line *line)
{
    static const char *const states[] = { "", "(loading)", "(unloading)", "(unavailable)" };
    char *to = ctx;
    strcat(to, *to ? " " : "");
    strcat(to, line->name);
    strcat(to, states[line->state]);
    if (line->reason[0]) strcat(to, "!");
}

/* All names, "!" behind those with a reason. */
static void check_index(struct tp_models *models, const char *want)
{
    char got[1024] = "";
    tp_models_index(models, add_line, got);
    assert_string_equal(got, want);
}

struct wanted { const char *name; char reason[TP_MESSAGE_BYTES]; };

static void take_reason(void *ctx, const struct tp_index_line *line)
{
    struct wanted *w = ctx;
    if (!strcmp(line->name, w->name)) snprintf(w->reason, sizeof w->reason, "%s", line->reason);
}

static void check_reason(struct tp_models *models, const char *name, const char *want)
{
    struct wanted w = { .name = name, .reason = "not there" };
    tp_models_index(models, take_reason, &w);
    if (!strstr(w.reason, want)) fail_msg("%s: \"%s\" lacks \"%s\"", name, w.reason, want);
    if (strstr(w.reason, temp_dir)) fail_msg("%s: \"%s\" tells the folder", name, w.reason);
}

static void load_one(struct tp_models *models, const char *name)
{
    struct tp_err err = { 0 };
    if (!tp_models_load_one(models, name, 2, &err)) fail_msg("%s", err.message);
}

static void unload(struct tp_models *models, const char *name)
{
    struct tp_err err = { 0 };
    if (!tp_models_unload(models, name, &err)) fail_msg("%s", err.message);
}

static void check_load_fails(struct tp_models *models, const char *name, enum tp_code code,
                             const char *want)
{
    struct tp_err err = { 0 };
    assert_false(tp_models_load_one(models, name, 2, &err));
    if (!strstr(err.message, want)) fail_msg("%s: \"%s\" lacks \"%s\"", name, err.message, want);
    if (strstr(err.message, temp_dir)) fail_msg("%s: \"%s\" tells the folder", name, err.message);
    assert_int_equal(err.code, code);
}

#define NINE "{\"input\": {\"shape\": [9, 9, 1]}, \"layers\": [{\"type\": \"ReLU\"}]}"

static void one_model_is_read_anew_changed_or_not(void **state)
{
    (void)state;
    temp_text("a.json", NET(""));
    temp_text("b.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    struct tp_err err = { 0 };
    struct tp_served *old = tp_models_get(&models, "a", &err);
    const struct tp_model *b = model(&models, "b");
    load_one(&models, "a");
    assert_ptr_not_equal(model(&models, "a"), old->model);
    tp_models_put(old);
    temp_text("a.json", NINE);
    temp_text("b.json", NINE);
    temp_text("c.json", NINE);
    load_one(&models, "a");
    assert_int_equal(model(&models, "a")->input.dim[1], 9);
    assert_ptr_equal(model(&models, "b"), b);        /* nor is any other */
    check_names(&models, "a b edges gist line-detector");
    load_one(&models, "c");                          /* new in the folder */
    check_names(&models, "a b c edges gist line-detector");
    check_index(&models, "a b c edges gist line-detector");
    tp_models_fini(&models);
}

static void the_index_tells_why_a_model_is_not_served(void **state)
{
    (void)state;
    temp_text("broken.json", "{");
    temp_text("later.onnx", "");
    temp_text("good.json", NET(""));
    temp_text("same.json", NET("\"name\": \"good\", "));
    struct tp_models models = loaded(temp_dir);
    check_index(&models, "broken(unavailable)! edges gist good later(unavailable)! line-detector "
                "same(unavailable)!");
    check_reason(&models, "broken", "broken.json: ");
    check_reason(&models, "later", "later.onnx: ");
    check_reason(&models, "same", "there is another of its name \"good\" (good.json)");
    temp_text("broken.json", NET(""));
    assert_int_equal(unlink(TEMP("later.onnx")), 0);
    temp_text("good.json", "{");
    temp_text("gist.json", "{");
    tp_models_load(&models, 2);
    check_index(&models, "broken edges gist! good! line-detector same(unavailable)!");
    check_reason(&models, "good", "good.json: ");    /* the old one serves */
    check_reason(&models, "gist", "gist.json: ");    /* the built-in does */
    assert_true(model(&models, "gist")->builtin);
    tp_models_fini(&models);
}

static void while_models_are_loaded_the_index_says_so(void **state)
{
    (void)state;
    struct tp_models models;
    struct tp_err err = { 0 };
    temp_text("a.json", NET(""));
    temp_text("gist.json", NET(""));
    assert_true(tp_models_init(&models, temp_dir, &limits, &err));
    check_index(&models, "a(loading) edges gist line-detector");
    const struct temp_path gone = temp_path("gone");
    models.folder = gone.text;
    tp_models_load(&models, 1);
    check_index(&models, "a(unavailable)! edges gist! line-detector");
    check_reason(&models, "a", "the models' folder cannot be read");
    check_load_fails(&models, "a", TP_NOT_FOUND, "the models' folder cannot be read");
    models.folder = temp_dir;
    tp_models_load(&models, 1);
    check_index(&models, "a edges gist line-detector");
    tp_models_fini(&models);
}

static void one_that_cannot_be_loaded_leaves_the_old_one_serving(void **state)
{
    (void)state;
    temp_text("a.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    const struct tp_model *a = model(&models, "a");
    temp_text("a.json", "{\"input\"");
    check_load_fails(&models, "a", TP_INVALID_MODEL, "a.json: ");
    assert_ptr_equal(model(&models, "a"), a);
    check_index(&models, "a! edges gist line-detector");
    temp_text("a.json", NET("\"name\": \"other\", "));
    check_load_fails(&models, "a", TP_INVALID_MODEL, "a.json: names its model 'other', not 'a'");
    check_names(&models, "a edges gist line-detector");
    assert_int_equal(unlink(TEMP("a.json")), 0);
    check_load_fails(&models, "a", TP_NOT_FOUND, "model a: its file a.json is gone");
    assert_ptr_equal(model(&models, "a"), a);
    temp_text("b.json", "{");
    check_load_fails(&models, "b", TP_INVALID_MODEL, "b.json: ");
    temp_text("c.json", "{\"input\": {\"shape\": [4, 4, 1]}, \"layers\": [{\"type\": \"Flatten\"}, "
              "{\"type\": \"Dense\", \"units\": 2, \"kernel\": {\"file\": \"none.safetensors\", "
              "\"tensor\": \"k\"}}]}");
    check_load_fails(&models, "c", TP_INVALID_MODEL, "none.safetensors");
    check_index(&models, "a! b(unavailable)! c(unavailable)! edges gist line-detector");
    temp_text("a.json", NET(""));
    load_one(&models, "a");
    check_index(&models, "a b(unavailable)! c(unavailable)! edges gist line-detector");
    tp_models_fini(&models);
}

static void a_name_that_nothing_has_cannot_be_loaded(void **state)
{
    (void)state;
    temp_text("a.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    struct tp_err err = { 0 };
    check_load_fails(&models, "b", TP_NOT_FOUND,
                     "no model 'b' to load; there are: a, line-detector, edges, gist");
    check_load_fails(&models, "../a", TP_NOT_FOUND, "no model '../a' to load");
    check_load_fails(&models, "a.json", TP_NOT_FOUND, "no model 'a.json' to load");
    check_load_fails(&models, "", TP_NOT_FOUND, "no model '' to load");
    assert_false(tp_models_unload(&models, "b", &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_string_equal(err.message, "no model 'b'; there are: a, edges, gist, line-detector");
    check_index(&models, "a edges gist line-detector");
    tp_models_fini(&models);
}

static void what_is_unloaded_stays_so_until_it_is_loaded(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    temp_text("a.json", NET("\"name\": \"named\", "));
    temp_text("b.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    unload(&models, "named");
    unload(&models, "gist");
    assert_null(tp_models_get(&models, "named", &err));
    assert_string_equal(err.message, "no model 'named'; there are: b, edges, line-detector");
    for (int i = 0; i < 3; i++) {
        temp_text("a.json", i % 2 ? NINE : NET("\"name\": \"named\", "));
        temp_text("gist.json", NET(""));
        tp_models_load(&models, 2);
        check_index(&models, "b edges gist(unavailable)! line-detector named(unavailable)!");
    }
    check_reason(&models, "named", "unloaded");
    unload(&models, "named");                        /* once more is fine */
    temp_text("c.json", NET("\"name\": \"named\", "));       /* nor does another file bring it */
    tp_models_load(&models, 2);
    check_names(&models, "b edges line-detector");
    assert_int_equal(unlink(TEMP("c.json")), 0);
    load_one(&models, "named");
    load_one(&models, "gist");
    check_index(&models, "b edges gist line-detector named");
    assert_false(model(&models, "gist")->builtin);
    tp_models_load(&models, 2);
    check_index(&models, "b edges gist line-detector named");
    tp_models_fini(&models);
}

static void built_ins_go_and_come_as_well(void **state)
{
    (void)state;
    struct tp_models models = loaded(NULL);
    unload(&models, "edges");
    unload(&models, "gist");
    unload(&models, "line-detector");
    tp_models_load(&models, 1);
    check_names(&models, "");
    load_one(&models, "gist");
    check_index(&models, "edges(unavailable)! gist line-detector(unavailable)!");
    assert_true(model(&models, "gist")->builtin);
    load_one(&models, "gist");                       /* anew */
    tp_models_load(&models, 1);
    check_names(&models, "gist");
    tp_models_fini(&models);
}

static void a_file_takes_a_built_ins_place_when_it_is_loaded(void **state)
{
    (void)state;
    struct tp_models models = loaded(temp_dir);
    temp_text("gist.json", NET(""));
    load_one(&models, "gist");
    assert_false(model(&models, "gist")->builtin);
    assert_int_equal(unlink(TEMP("gist.json")), 0);
    load_one(&models, "gist");
    assert_true(model(&models, "gist")->builtin);
    tp_models_fini(&models);
}

static void an_order_to_load_outlasts_its_failure(void **state)
{
    (void)state;
    temp_text("a.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    unload(&models, "a");
    temp_text("a.json", "{");
    check_load_fails(&models, "a", TP_INVALID_MODEL, "a.json: ");
    temp_text("a.json", NET(""));
    tp_models_load(&models, 1);                      /* it is not unloaded any more */
    check_index(&models, "a edges gist line-detector");
    temp_text("b.json", "{");
    tp_models_load(&models, 1);
    unload(&models, "b");                            /* never served, and not to be tried again */
    check_reason(&models, "b", "unloaded");
    temp_text("b.json", NET(""));
    tp_models_load(&models, 1);
    check_names(&models, "a edges gist line-detector");
    unload(&models, "a");
    assert_int_equal(unlink(TEMP("a.json")), 0);
    check_load_fails(&models, "a", TP_NOT_FOUND, "no model 'a' to load");
    check_index(&models, "b(unavailable)! edges gist line-detector");
    tp_models_fini(&models);
}

static void what_is_unloaded_in_use_is_leaving_until_it_is_not(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    temp_text("a.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    struct tp_served *first = tp_models_get(&models, "a", &err);
    unload(&models, "a");
    check_index(&models, "a(unloading)! edges gist line-detector");
    tp_models_load(&models, 1);
    check_index(&models, "a(unloading)! edges gist line-detector");
    unload(&models, "a");
    check_index(&models, "a(unloading)! edges gist line-detector");
    load_one(&models, "a");
    struct tp_served *second = tp_models_get(&models, "a", &err);
    assert_ptr_not_equal(first, second);
    unload(&models, "a");
    tp_models_put(first);                            /* another one */
    check_index(&models, "a(unloading)! edges gist line-detector");
    assert_string_equal(second->model->name, "a");
    tp_models_put(second);
    check_index(&models, "a(unavailable)! edges gist line-detector");
    check_reason(&models, "a", "unloaded");
    tp_models_load(&models, 1);
    check_names(&models, "edges gist line-detector");
    tp_models_fini(&models);
}

static void nothing_is_loaded_at_the_end(void **state)
{
    (void)state;
    temp_text("a.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    tp_models_end_loading(&models);
    check_load_fails(&models, "a", TP_UNAVAILABLE, "the service is ending");
    tp_models_load(&models, 1);
    check_names(&models, "a edges gist line-detector");
    tp_models_fini(&models);
}

/* ---- what they have done --------------------------------------------------------------------- */

static uint64_t n_requests(struct tp_models *models, const char *name)
{
    struct tp_err err = { 0 };
    struct tp_figures figures;
    struct tp_served *s = tp_models_get(models, name, &err);
    if (!s) fail_msg("%s", err.message);
    tp_stats_read(s->stats, &figures);
    tp_models_put(s);
    return figures.n_requests;
}

static void use(struct tp_models *models, const char *name)
{
    struct tp_err err = { 0 };
    const struct tp_timing timing = { 1, 1, 1, 1 };
    struct tp_served *s = tp_models_get(models, name, &err);
    if (!s) fail_msg("%s", err.message);
    tp_stats_record(s->stats, &timing, 1, true, 1);
    tp_models_put(s);
}

static void figures_outlast_a_new_load_of_the_same_file(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    temp_text("a.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    use(&models, "a");
    struct tp_served *old = tp_models_get(&models, "a", &err);
    temp_text("a.json", NINE);
    tp_models_load(&models, 1);
    use(&models, "a");
    load_one(&models, "a");
    assert_int_equal(n_requests(&models, "a"), 2);
    tp_stats_record(old->stats, &(struct tp_timing){ 1, 1, 1, 1 }, 1, true, 1);
    assert_int_equal(n_requests(&models, "a"), 3);   /* the one before, still at work */
    tp_models_put(old);
    use(&models, "gist");
    load_one(&models, "gist");
    assert_int_equal(n_requests(&models, "gist"), 1);
    temp_text("gist.json", NET(""));
    tp_models_load(&models, 1);
    assert_int_equal(n_requests(&models, "gist"), 0);        /* another model of that name */
    unload(&models, "a");
    load_one(&models, "a");
    assert_int_equal(n_requests(&models, "a"), 0);
    tp_models_fini(&models);
}

static void count_served(void *ctx, const struct tp_served *s)
{
    int *n = ctx;
    assert_non_null(s->stats);
    assert_true(s->n_bytes >= (size_t)s->model->n_parameters * sizeof(float));
    ++*n;
}

static void all_that_are_served_can_be_seen(void **state)
{
    (void)state;
    int n = 0;
    temp_text("a.json", NET(""));
    struct tp_models models = loaded(temp_dir);
    tp_models_each_served(&models, count_served, &n);
    assert_int_equal(n, 4);
    tp_models_fini(&models);
}

int main(void)
{
    limits = tp_limits_default();
    tp_log_setup(TP_LOG_ERROR + 1, false);         /* what is left out would be told on stderr */
    const struct CMUnitTest tests[] = {
        TEMP_TEST(without_a_folder_the_built_ins_are_served),
        TEMP_TEST(a_folders_models_are_served_beside_them_in_order),
        TEMP_TEST(a_file_takes_a_built_ins_name),
        TEMP_TEST(of_two_models_of_one_name_the_first_is_served),
        TEMP_TEST(what_cannot_be_loaded_is_left_out),
        TEMP_TEST(a_folder_that_is_not_there_fails),
        TEMP_TEST(an_unknown_name_is_answered_with_those_there_are),
        TEMP_TEST(many_names_are_listed_as_far_as_a_message_goes),
        TEMP_TEST(files_that_come_change_and_go_are_followed),
        TEMP_TEST(a_broken_file_leaves_the_old_model_serving),
        TEMP_TEST(a_model_that_was_replaced_lives_as_long_as_it_is_used),
        TEMP_TEST(while_the_first_load_goes_on_unknown_models_may_still_come),
        TEMP_TEST(one_model_is_read_anew_changed_or_not),
        TEMP_TEST(the_index_tells_why_a_model_is_not_served),
        TEMP_TEST(while_models_are_loaded_the_index_says_so),
        TEMP_TEST(one_that_cannot_be_loaded_leaves_the_old_one_serving),
        TEMP_TEST(a_name_that_nothing_has_cannot_be_loaded),
        TEMP_TEST(what_is_unloaded_stays_so_until_it_is_loaded),
        TEMP_TEST(built_ins_go_and_come_as_well),
        TEMP_TEST(a_file_takes_a_built_ins_place_when_it_is_loaded),
        TEMP_TEST(an_order_to_load_outlasts_its_failure),
        TEMP_TEST(what_is_unloaded_in_use_is_leaving_until_it_is_not),
        TEMP_TEST(nothing_is_loaded_at_the_end),
        TEMP_TEST(figures_outlast_a_new_load_of_the_same_file),
        TEMP_TEST(all_that_are_served_can_be_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
