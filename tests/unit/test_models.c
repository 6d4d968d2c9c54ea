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
    if (!tp_models_load(&models, folder, &limits, &err)) fail_msg("%s", err.message);
    return models;
}

/* Space-separated names, in the order served. */
static void check_names(const struct tp_models *models, const char *want)
{
    char got[512] = "";
    for (int i = 0; i < models->n_served; i++) {
        strcat(got, i ? " " : "");
        strcat(got, tp_model_name(models->served[i].model));
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
    struct tp_err err = { 0 };
    check_names(&models, "edges gist line-detector");
    assert_false(tp_models_find(&models, "edges", &err)->model->builtin);
    assert_false(tp_models_find(&models, "gist", &err)->model->builtin);
    assert_true(tp_models_find(&models, "line-detector", &err)->model->builtin);
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
    struct tp_err err = { 0 };
    check_names(&models, "edges gist line-detector same twice");
    struct tp_shape first = tp_model_input_shape(tp_models_find(&models, "same", &err)->model);
    assert_int_equal(first.dim[1], 4);
    struct tp_shape flat = tp_model_input_shape(tp_models_find(&models, "twice", &err)->model);
    assert_int_equal(flat.dim[1], 4);
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
    assert_false(tp_models_load(&models, TEMP("none"), &limits, &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    tp_models_fini(&models);         /* half-built is fine */
}

static void an_unknown_name_is_answered_with_those_there_are(void **state)
{
    (void)state;
    struct tp_models models = loaded(NULL);
    struct tp_err err = { 0 };
    assert_ptr_equal(tp_models_find(&models, "gist", &err), &models.served[1]);
    assert_null(tp_models_find(&models, "gis", &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    assert_string_equal(err.message, "no model 'gis'; there are: edges, gist, line-detector");
    tp_models_fini(&models);
    err = (struct tp_err){ 0 };
    assert_null(tp_models_find(&models, "gist", &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
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
    assert_null(tp_models_find(&models, "none", &err));
    assert_non_null(strstr(err.message, "there are: a-model-with-a-long-name-00, a-model"));
    assert_true(strlen(err.message) < sizeof err.message - 64);
    assert_non_null(tp_models_find(&models, "line-detector", &err));     /* the last one is found */
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
