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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
