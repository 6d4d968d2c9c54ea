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
    tp_loader_free(f->loader);
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
    tp_loader_free(NULL);
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* Orders that were carried out, in their order. */
static struct {
    int n;
    struct tp_order *list[TP_LOADER_ORDERS + 1];
} carried_out;

static void order_done(struct tp_order *order)
{
    pthread_mutex_lock(&gate.lock);
    carried_out.list[carried_out.n++] = order;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_for_orders(int n)
{
    pthread_mutex_lock(&gate.lock);
    while (carried_out.n < n) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static struct tp_order order_of(enum tp_order_kind kind, const char *name)
{
    struct tp_order order = { .kind = kind, .done = order_done };
    snprintf(order.name, sizeof order.name, "%s", name);
    return order;
}

static void give(struct fixture *f, struct tp_order *order)
{
    struct tp_err err = { 0 };
    if (!tp_loader_order(f->loader, order, &err)) fail_msg("%s", err.message);
}

static void orders_are_carried_out_one_after_the_other(void **state)
{
    (void)state;
    struct fixture f;
    struct tp_order orders[] = {
        order_of(TP_ORDER_LOAD, "a"), order_of(TP_ORDER_UNLOAD, "a"), order_of(TP_ORDER_LOAD, "b"),
        order_of(TP_ORDER_LOAD, "none"), order_of(TP_ORDER_UNLOAD, "none"),
    };
    carried_out.n = 0;
    write_model("a.json", 4);
    start(&f, true);
    wait_for_loads(1);                             /* and is held there */
    write_model("b.json", 6);
    for (int i = 0; i < 5; i++) give(&f, &orders[i]);
    assert_int_equal(carried_out.n, 0);
    set_shut(false);
    wait_for_orders(5);
    for (int i = 0; i < 5; i++) assert_ptr_equal(carried_out.list[i], &orders[i]);
    for (int i = 0; i < 3; i++) assert_int_equal(orders[i].err.code, TP_OK);
    assert_int_equal(orders[3].err.code, TP_NOT_FOUND);
    assert_int_equal(orders[4].err.code, TP_NOT_FOUND);
    assert_int_equal(served_size(&f.models, "a"), 0);
    assert_int_equal(served_size(&f.models, "b"), 6);
    stop(&f);
}

static void no_more_orders_wait_than_there_is_room_for(void **state)
{
    (void)state;
    static struct tp_order orders[TP_LOADER_ORDERS + 1];
    struct tp_err err = { 0 };
    struct fixture f;
    carried_out.n = 0;
    start(&f, true);
    wait_for_loads(1);
    for (int i = 0; i <= TP_LOADER_ORDERS; i++) orders[i] = order_of(TP_ORDER_LOAD, "gist");
    for (int i = 0; i < TP_LOADER_ORDERS; i++) give(&f, &orders[i]);
    assert_false(tp_loader_order(f.loader, &orders[TP_LOADER_ORDERS], &err));
    assert_int_equal(err.code, TP_UNAVAILABLE);
    assert_string_equal(err.message, "64 models wait to be loaded or unloaded; try again later");
    set_shut(false);
    wait_for_orders(TP_LOADER_ORDERS);
    give(&f, &orders[TP_LOADER_ORDERS]);           /* there is room again */
    wait_for_orders(TP_LOADER_ORDERS + 1);
    for (int i = 0; i <= TP_LOADER_ORDERS; i++) assert_int_equal(orders[i].err.code, TP_OK);
    stop(&f);
}

static void orders_that_wait_at_the_end_are_answered(void **state)
{
    (void)state;
    struct fixture f;
    struct tp_err err = { 0 };
    struct tp_order orders[] = {
        order_of(TP_ORDER_LOAD, "a"), order_of(TP_ORDER_UNLOAD, "gist"),
        order_of(TP_ORDER_LOAD, "a"),
    };
    carried_out.n = 0;
    write_model("a.json", 4);
    start(&f, true);
    wait_for_loads(1);
    for (int i = 0; i < 2; i++) give(&f, &orders[i]);
    tp_loader_again(f.loader);
    tp_models_end_loading(&f.models);              /* as a service does before it drains */
    set_shut(false);
    tp_loader_stop(f.loader);
    assert_int_equal(carried_out.n, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(orders[i].err.code, TP_UNAVAILABLE);
        assert_non_null(strstr(orders[i].err.message, "the service is ending"));
    }
    assert_false(tp_loader_order(f.loader, &orders[2], &err));
    assert_int_equal(err.code, TP_UNAVAILABLE);
    assert_non_null(strstr(err.message, "the service is ending"));
    assert_int_equal(served_size(&f.models, "gist"), -1);    /* of any size: it serves on */
    assert_int_equal(gate.n_loads, 1);
    stop(&f);
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

enum { CLIENTS = 3 };
static atomic_int n_ordering;        /* clients that have not finished */

/* One thread's orders, each waited for. */
struct client {
    pthread_t thread;
    struct fixture *f;
    unsigned seed;
    bool done;                       /* gate.lock */
};

static void client_done(struct tp_order *order)
{
    struct client *c = order->owner;
    pthread_mutex_lock(&gate.lock);
    c->done = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void count_line(void *ctx, const struct tp_index_line *line)
{
    int *n = ctx;
    *n += line->name[0] != '\0';
}

static void count_figures(void *ctx, const struct tp_served *s)
{
    struct tp_figures figures;
    int *n = ctx;
    tp_stats_read(s->stats, &figures);
    *n += figures.n_requests == figures.success.count;
}

static const char *give_orders(struct client *c)
{
    static const char *const names[] = { "a", "b", "gist", "broken", "none" };
    for (int i = 0; i < 60; i++) {
        const int dice = rand_r(&c->seed) % 100;
        struct tp_order order = order_of(dice % 2 ? TP_ORDER_LOAD : TP_ORDER_UNLOAD,
                                         names[dice / 20]);
        struct tp_err err = { 0 };
        order.done = client_done;
        order.owner = c;
        c->done = false;
        if (!tp_loader_order(c->f->loader, &order, &err)) return "an order was not taken";
        if (dice < 10) tp_loader_again(c->f->loader);
        pthread_mutex_lock(&gate.lock);
        while (!c->done) pthread_cond_wait(&gate.changed, &gate.lock);
        pthread_mutex_unlock(&gate.lock);
        if (order.err.code != TP_OK && order.err.code != TP_NOT_FOUND &&
            order.err.code != TP_INVALID_MODEL) return "an order failed";
    }
    return NULL;
}

static void *order_about(void *arg)
{
    const char *wrong = give_orders(arg);
    atomic_fetch_sub(&n_ordering, 1);
    return (void *)wrong;
}

/* Uses whatever there is, and looks at the lists, as long as there are orders. */
static void *look_on(void *arg)
{
    static const char *const names[] = { "a", "b", "gist", "edges", "none" };
    struct tp_models *models = arg;
    const struct tp_timing timing = { 1, 1, 1, 1 };
    struct tp_served *held[8] = { 0 };
    int n_looks = 0, n_lines = 0, n_models = 0;
    for (int i = 0; atomic_load(&n_ordering) > 0 || i < 100; i++) {
        struct tp_err err = { 0 };
        struct tp_served **place = &held[i % 8];
        if (*place) tp_stats_record((*place)->stats, &timing, 1 + i % 40, true, i);
        tp_models_put(*place);
        *place = tp_models_get(models, names[i % 5], &err);
        if (*place && strcmp((*place)->model->name, names[i % 5])) return "another model";
        if (i % 16) continue;
        n_looks++;
        tp_models_index(models, count_line, &n_lines);
        tp_models_each_served(models, count_figures, &n_models);
    }
    for (int i = 0; i < 8; i++) tp_models_put(held[i]);
    return n_lines < 2 * n_looks || n_models < n_looks ? "models are missing" : NULL;
}

static void orders_of_many_go_on_beside_everything_else(void **state)
{
    (void)state;
    struct fixture f;
    struct client clients[CLIENTS];
    pthread_t users[USERS];
    write_model("a.json", 4);
    write_model("b.json", 6);
    temp_text("broken.json", "{");
    start(&f, false);
    wait_for_loads(1);
    atomic_store(&n_ordering, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .f = &f, .seed = 7u + (unsigned)i };
        assert_int_equal(pthread_create(&clients[i].thread, NULL, order_about, &clients[i]), 0);
    }
    for (int i = 0; i < USERS; i++)
        assert_int_equal(pthread_create(&users[i], NULL, look_on, &f.models), 0);
    for (int i = 0; i < CLIENTS + USERS; i++) {
        void *wrong = NULL;
        const pthread_t thread = i < CLIENTS ? clients[i].thread : users[i - CLIENTS];
        assert_int_equal(pthread_join(thread, &wrong), 0);
        if (wrong) fail_msg("%s", (const char *)wrong);
    }
    for (int i = 0; i < f.models.absent.n; i++)
        assert_int_equal(f.models.absent.list[i].state, TP_MODEL_UNAVAILABLE);
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
        TEMP_TEST(orders_are_carried_out_one_after_the_other),
        TEMP_TEST(no_more_orders_wait_than_there_is_room_for),
        TEMP_TEST(orders_that_wait_at_the_end_are_answered),
        TEMP_TEST(models_are_replaced_while_they_are_used),
        TEMP_TEST(orders_of_many_go_on_beside_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
