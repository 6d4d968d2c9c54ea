/* test_loader.c - models loaded beside the service: at start, and again when it is asked for. */
#include "temp_dir.h"

#include <pthread.h>

#include "base/log.h"
#include "service/loader.h"

static struct tp_limits limits;

static void write_model(const char *name, int size)
{
    char text[128];
    snprintf(text, sizeof text,
             "{\"input\": {\"shape\": [%d]}, \"layers\": [{\"type\": \"ReLU\"}]}", size);
    temp_text(name, text);
}

/* Counts loads; the loader is held in its done() while `shut`. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int n_loads;
    bool shut;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void loaded(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&gate.lock);
    gate.n_loads++;
    pthread_cond_broadcast(&gate.changed);
    while (gate.shut) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void set_shut(bool shut)
{
    pthread_mutex_lock(&gate.lock);
    gate.shut = shut;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_for_loads(int n)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.n_loads < n) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

/* The size of the model's input; 0 when there is no such model. */
static int64_t served_size(struct tp_models *models, const char *name)
{
    struct tp_err err = { 0 };
    struct tp_served *s = tp_models_get(models, name, &err);
    const int64_t size = s ? s->model->input.dim[1] : 0;
    tp_models_put(s);
    return size;
}

struct fixture {
    struct tp_models models;
    struct tp_loader *loader;
};

static void start(struct fixture *f, bool shut)
{
    struct tp_err err = { 0 };
    gate.n_loads = 0;
    gate.shut = shut;
    if (!tp_models_init(&f->models, temp_dir, &limits, &err) ||
        !tp_loader_start(&f->loader, &f->models, 2, loaded, NULL, &err))
        fail_msg("%s", err.message);
}

static void stop(struct fixture *f)
{
    tp_loader_stop(f->loader);
    tp_models_fini(&f->models);
}

static void it_loads_at_once_and_when_asked(void **state)
{
    (void)state;
    struct fixture f;
    write_model("a.json", 4);
    start(&f, false);
    wait_for_loads(1);
    assert_false(tp_models_loading(&f.models));
    assert_int_equal(served_size(&f.models, "a"), 4);
    write_model("a.json", 50);
    write_model("b.json", 6);
    tp_loader_again(f.loader);
    wait_for_loads(2);
    assert_int_equal(served_size(&f.models, "a"), 50);
    assert_int_equal(served_size(&f.models, "b"), 6);
    stop(&f);
}

static void what_is_asked_for_during_a_load_is_one_load_after_it(void **state)
{
    (void)state;
    struct fixture f;
    write_model("a.json", 4);
    start(&f, true);
    wait_for_loads(1);                             /* and is held there */
    for (int i = 0; i < 10; i++) tp_loader_again(f.loader);
    write_model("a.json", 50);                     /* later than what was loaded */
    tp_loader_again(f.loader);
    set_shut(false);
    wait_for_loads(2);
    assert_int_equal(served_size(&f.models, "a"), 50);
    stop(&f);
    assert_int_equal(gate.n_loads, 2);
}

static void it_ends_in_the_midst_of_all(void **state)
{
    (void)state;
    struct fixture f;
    write_model("a.json", 4);
    start(&f, false);                              /* before, in or after the first load */
    tp_loader_again(f.loader);
    stop(&f);
    assert_true(gate.n_loads <= 2);
    tp_loader_stop(NULL);
}

/* ---- under load ------------------------------------------------------------------------------ */

enum { USERS = 3, USES = 3000 };

/* Holds models a while, as requests do, and finds them whole. */
static void *use(void *arg)
{
    struct tp_models *models = arg;
    struct tp_served *held[8] = { 0 };
    for (int i = 0; i < USES; i++) {
        struct tp_err err = { 0 };
        struct tp_served **place = &held[i % 8];
        if (*place && (strcmp(tp_model_name((*place)->model), "a") ||
                       (*place)->model->input.dim[1] < 4 || (*place)->model->n_layers != 1))
            return "a model has changed in use";
        tp_models_put(*place);
        *place = tp_models_get(models, "a", &err);
        if (!*place) return "a model was not there";
    }
    for (int i = 0; i < 8; i++) tp_models_put(held[i]);
    return NULL;
}

static void models_are_replaced_while_they_are_used(void **state)
{
    (void)state;
    struct fixture f;
    pthread_t users[USERS];
    write_model("a.json", 4);
    start(&f, false);
    wait_for_loads(1);
    for (int i = 0; i < USERS; i++)
        assert_int_equal(pthread_create(&users[i], NULL, use, &f.models), 0);
    for (int i = 2; i <= 20; i++) {
        write_model(".new", i % 2 ? 4 : 50);
        char from[512], to[512];
        strcpy(from, TEMP(".new"));
        strcpy(to, TEMP("a.json"));
        assert_int_equal(rename(from, to), 0);
        tp_loader_again(f.loader);
        wait_for_loads(i);
    }
    for (int i = 0; i < USERS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(users[i], &wrong), 0);
        if (wrong) fail_msg("%s", (const char *)wrong);
    }
    assert_int_equal(served_size(&f.models, "a"), 50);
    stop(&f);
}

int main(void)
{
    limits = tp_limits_default();
    tp_log_setup(TP_LOG_ERROR + 1, false);
    const struct CMUnitTest tests[] = {
        TEMP_TEST(it_loads_at_once_and_when_asked),
        TEMP_TEST(what_is_asked_for_during_a_load_is_one_load_after_it),
        TEMP_TEST(it_ends_in_the_midst_of_all),
        TEMP_TEST(models_are_replaced_while_they_are_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
