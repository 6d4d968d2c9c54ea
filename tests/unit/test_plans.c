/* test_plans.c - plans are found again, the oldest makes room, and one in use stays until it is
 * put. */
#include "graph_of.h"

#include <pthread.h>

#include "service/plans.h"

static struct tp_limits limits;
static struct tp_model *model;       /* any height and width */

static int make_model(void **state)
{
    (void)state;
    struct tp_err err = { 0 };
    struct tp_graph *g =
        graph_of("[null, null, 1]", "{\"type\": \"ReLU\", \"name\": \"r\"},"
                                    "{\"type\": \"MaxPooling2D\", \"name\": \"p\"}");
    return !tp_model_new(&model, g, &err);
}

static int free_model(void **state)
{
    (void)state;
    tp_model_free(model);
    return 0;
}

static struct tp_kept_plan *get(struct tp_plans *plans, int64_t height, const char *layer,
                                struct tp_err *err)
{
    struct tp_tap tap = { .layer = layer };
    const struct tp_ask ask = { .taps = &tap, .n_taps = 1, .nested = true };
    const struct tp_shape in = TP_SHAPE4(1, height, 2, 1);
    return tp_plans_get(plans, model, &in, &ask, &limits, err);
}

static struct tp_kept_plan *must_get(struct tp_plans *plans, int64_t height, const char *layer)
{
    struct tp_err err = { 0 };
    struct tp_kept_plan *kept = get(plans, height, layer, &err);
    if (!kept) fail_msg("%s", err.message);
    assert_int_equal(tp_plan_input_shape(tp_kept_plan(kept))->dim[1], height);
    assert_string_equal(tp_plan_output_name(tp_kept_plan(kept), 0), layer);
    return kept;
}

/* A plan of the first layer at height 3 that still works. */
static void check_runs(const struct tp_plan *plan)
{
    const float input[6] = { -1, 2, 3, -4, 5, 6 }, want[6] = { 0, 2, 3, 0, 5, 6 };
    float out[6], *outputs[] = { out };
    void *workspace = aligned_alloc(64, (tp_plan_workspace_bytes(plan) + 127) / 64 * 64);
    tp_plan_run(plan, input, outputs, workspace, 1);
    assert_memory_equal(out, want, sizeof want);
    free(workspace);
}

static void the_same_question_finds_the_same_plan(void **state)
{
    (void)state;
    struct tp_plans plans;
    tp_plans_init(&plans);
    struct tp_kept_plan *a = must_get(&plans, 3, "r"), *again = must_get(&plans, 3, "r");
    assert_ptr_equal(a, again);
    tp_plans_put(&plans, again);
    tp_plans_put(&plans, a);
    again = must_get(&plans, 3, "r");
    assert_ptr_equal(a, again);
    check_runs(tp_kept_plan(again));
    tp_plans_put(&plans, again);
    tp_plans_fini(&plans);
}

static void another_size_or_layer_is_another_plan(void **state)
{
    (void)state;
    struct tp_plans plans;
    tp_plans_init(&plans);
    struct tp_kept_plan *a = must_get(&plans, 3, "r"), *b = must_get(&plans, 4, "r");
    struct tp_kept_plan *c = must_get(&plans, 3, "p");
    assert_true(a != b && a != c && b != c);
    tp_plans_put(&plans, a);
    tp_plans_put(&plans, b);
    tp_plans_put(&plans, c);
    tp_plans_fini(&plans);
}

static void what_cannot_be_planned_is_not_kept(void **state)
{
    (void)state;
    struct tp_plans plans;
    struct tp_err err = { 0 };
    tp_plans_init(&plans);
    for (int i = 0; i < 2 * TP_PLANS_KEPT; i++) {
        err = (struct tp_err){ 0 };
        assert_null(get(&plans, 1, "p", &err));    /* the window is larger than the map */
        assert_int_equal(err.code, TP_INVALID_SHAPE);
    }
    for (int i = 0; i < TP_PLANS_KEPT; i++) assert_null(plans.kept[i]);
    err = (struct tp_err){ 0 };
    assert_null(get(&plans, 3, "nope", &err));
    assert_int_equal(err.code, TP_NOT_FOUND);
    tp_plans_put(&plans, must_get(&plans, 3, "r"));
    tp_plans_fini(&plans);
}

/* All are held here, so that a plan made anew cannot lie where the old one was. */
static void the_one_used_longest_ago_makes_room(void **state)
{
    (void)state;
    struct tp_plans plans;
    struct tp_kept_plan *held[TP_PLANS_KEPT + 1];
    tp_plans_init(&plans);
    for (int i = 0; i < TP_PLANS_KEPT; i++) held[i] = must_get(&plans, 3 + i, "r");
    tp_plans_put(&plans, must_get(&plans, 3, "r"));            /* the first is now the newest */
    held[TP_PLANS_KEPT] = must_get(&plans, 3 + TP_PLANS_KEPT, "r");
    for (int i = TP_PLANS_KEPT; i >= 0; i--) {
        if (i == 1) continue;
        struct tp_kept_plan *again = must_get(&plans, 3 + i, "r");
        assert_ptr_equal(again, held[i]);
        tp_plans_put(&plans, again);
    }
    struct tp_kept_plan *anew = must_get(&plans, 4, "r");
    assert_ptr_not_equal(anew, held[1]);
    tp_plans_put(&plans, anew);
    for (int i = 0; i <= TP_PLANS_KEPT; i++) tp_plans_put(&plans, held[i]);
    tp_plans_fini(&plans);
}

static void a_plan_in_use_outlives_its_eviction(void **state)
{
    (void)state;
    struct tp_plans plans;
    tp_plans_init(&plans);
    struct tp_kept_plan *used = must_get(&plans, 3, "r");
    for (int i = 0; i < 2 * TP_PLANS_KEPT; i++) tp_plans_put(&plans, must_get(&plans, 4 + i, "r"));
    for (int i = 0; i < TP_PLANS_KEPT; i++) assert_ptr_not_equal(plans.kept[i], used);
    check_runs(tp_kept_plan(used));
    tp_plans_put(&plans, used);
    tp_plans_fini(&plans);
}

/* Boxes belong to one request's images. */
static void a_plan_with_boxes_is_the_requests_own(void **state)
{
    (void)state;
    static const float boxes[] = { 0, 0, 2, 2 };
    struct tp_tap tap = {
        .layer = "r",
        .pooling = { .kind = TP_POOL_MAX, .form = TP_POOL_ROIS, .grid = { 1, 1 }, .n_boxes = 1,
                     .boxes = boxes },
    };
    const struct tp_ask ask = { .taps = &tap, .n_taps = 1 };
    const struct tp_shape in = TP_SHAPE4(1, 4, 4, 1);
    struct tp_plans plans;
    struct tp_err err = { 0 };
    tp_plans_init(&plans);
    struct tp_kept_plan *a = tp_plans_get(&plans, model, &in, &ask, &limits, &err);
    struct tp_kept_plan *b = tp_plans_get(&plans, model, &in, &ask, &limits, &err);
    if (!a || !b) fail_msg("%s", err.message);
    assert_ptr_not_equal(a, b);
    for (int i = 0; i < TP_PLANS_KEPT; i++) assert_null(plans.kept[i]);
    tp_plans_put(&plans, a);
    tp_plans_put(&plans, b);
    tp_plans_fini(&plans);
}

static void a_plan_may_be_made_where_none_are_kept(void **state)
{
    (void)state;
    struct tp_kept_plan *kept = must_get(NULL, 3, "r");
    struct tp_err err = { 0 };
    check_runs(tp_kept_plan(kept));
    tp_plans_put(NULL, kept);
    assert_null(get(NULL, 1, "p", &err));
    assert_int_equal(err.code, TP_INVALID_SHAPE);
}

struct caller { struct tp_plans *plans; uint32_t seed; pthread_t thread; int n_wrong; };

/* Holds up to four plans of 40 at a time. cmocka's assertions belong to the main thread. */
static void *call(void *arg)
{
    struct caller *c = arg;
    struct tp_kept_plan *held[4] = { 0 };
    for (int i = 0; i < 400; i++) {
        int64_t height = 2 + (int64_t)(next_random(&c->seed) % 40);
        struct tp_err err = { 0 };
        if (held[i % 4]) tp_plans_put(c->plans, held[i % 4]);
        held[i % 4] = get(c->plans, height, "r", &err);
        if (!held[i % 4] || tp_plan_input_shape(tp_kept_plan(held[i % 4]))->dim[1] != height)
            c->n_wrong++;
    }
    for (int i = 0; i < 4; i++)
        if (held[i]) tp_plans_put(c->plans, held[i]);
    return NULL;
}

static void several_threads_may_ask_at_once(void **state)
{
    (void)state;
    struct tp_plans plans;
    struct caller callers[4];
    tp_plans_init(&plans);
    for (int i = 0; i < 4; i++) {
        callers[i] = (struct caller){ .plans = &plans, .seed = 17u * (uint32_t)(i + 1) };
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].n_wrong, 0);
    }
    tp_plans_fini(&plans);
}

int main(void)
{
    limits = tp_limits_default();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_question_finds_the_same_plan),
        cmocka_unit_test(another_size_or_layer_is_another_plan),
        cmocka_unit_test(what_cannot_be_planned_is_not_kept),
        cmocka_unit_test(the_one_used_longest_ago_makes_room),
        cmocka_unit_test(a_plan_in_use_outlives_its_eviction),
        cmocka_unit_test(a_plan_with_boxes_is_the_requests_own),
        cmocka_unit_test(a_plan_may_be_made_where_none_are_kept),
        cmocka_unit_test(several_threads_may_ask_at_once),
    };
    return cmocka_run_group_tests(tests, make_model, free_model);
}
